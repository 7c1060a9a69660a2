/* SPDX-License-Identifier: Apache-2.0 */
/* The checks that need no run of the model, and the report. */
#include "model/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/load.h"
#include "model/verify_parts.h"

static const char module[] = "verify";

void ti_verify_add(ti_verify_report *out, const char *name, ti_verdict verdict,
                   const char *format, ...)
{
    TI_ASSERT(out->n_checks < TI_VERIFY_MAX_CHECKS);
    ti_verify_check *check = &out->checks[out->n_checks++];
    va_list args;
    check->name = name;
    check->verdict = verdict;
    va_start(args, format);
    (void)vsnprintf(check->text, sizeof check->text, format, args);
    va_end(args);
}

void ti_verify_say_kernels(ti_verify_report *out)
{
    char names[TI_VERIFY_TEXT_BYTES / 2] = "", odd[TI_VERIFY_TEXT_BYTES / 2] = "";
    size_t used[2] = {0, 0};
    for (size_t i = 0; i < out->n_runs; i++) {
        const ti_verify_run *run = &out->runs[i];
        bool same = run->same_steps && run->same_prompt;
        char *text = same ? names : odd;
        size_t *at = &used[!same], room = sizeof names - *at;
        int n = snprintf(text + *at, room, "%s%s %s%s", *at ? ", " : "", run->kernel,
                         run->layout, run->sparse ? " sparse" : "");
        *at = n > 0 ? ((size_t)n < room ? *at + (size_t)n : sizeof names - 1) : *at;
    }
    ti_verify_add(out, "kernels", odd[0] ? TI_VERIFY_FAILED : TI_VERIFY_PASSED,
                  odd[0] ? "other bits than the first: %s" : "the same bits: %s",
                  odd[0] ? odd : names);
}

tern_status ti_verify_step(const ti_verify_opts *opts, const char *phase, uint64_t done,
                           uint64_t total, tern_err *err)
{
    if (opts->progress && !opts->progress(opts->progress_user, phase, done, total)) {
        return ti_fail(err, TERN_CANCELLED, module, TI_NO_OFFSET, "verification was cancelled");
    }
    return TERN_OK;
}

/* --- every number ------------------------------------------------------------------------- */

enum { SHARE_WEIGHTS = 16 << 20 }; /* looked at between two reports of progress */

/* One tensor, or some rows of it, on all threads. */
typedef struct look {
    const ti_rows *rows;
    uint64_t r0, r1;
    ti_row_room *room; /* [threads] */
    uint64_t *zeros;   /* [threads] */
    const char **fault;
    uint64_t *fault_row;
} look;

static void look_at_share(void *ctx, uint32_t id, uint32_t n)
{
    const look *l = ctx;
    size_t begin, end;
    ti_pool_share((size_t)(l->r1 - l->r0), 1, id, n, &begin, &end);
    for (uint64_t r = l->r0 + begin; r < l->r0 + end; r++) {
        const char *fault = ti_rows_check(l->rows, r, &l->room[id]);
        if (fault) {
            l->fault[id] = fault;
            l->fault_row[id] = r;
            return;
        }
        for (uint64_t c = 0; l->rows->ternary && c < l->rows->tensor->dims[0]; c++) {
            l->zeros[id] += l->room[id].values[c] == 0.0f;
        }
    }
}

/* What the threads have for all tensors. */
typedef struct numbers {
    const ti_gguf *gguf;
    const ti_verify_opts *opts;
    ti_verify_report *out;
    ti_pool *pool;
    uint32_t threads;
    ti_row_room room[TI_POOL_MAX_THREADS];
    uint64_t zeros[TI_POOL_MAX_THREADS], fault_row[TI_POOL_MAX_THREADS];
    const char *fault[TI_POOL_MAX_THREADS];
    uint64_t done, total;
} numbers;

static tern_status look_at_tensor(numbers *all, const ti_gguf_tensor *t, tern_err *err)
{
    ti_rows rows;
    TI_TRY(ti_rows_open(&rows, all->gguf, t, err));
    tern_status status = TERN_OK;
    for (uint32_t i = 0; i < all->threads && status == TERN_OK; i++) {
        if (!ti_row_room_new(&all->room[i], t->dims[0])) {
            status = ti_fail_nomem(err, module, t->dims[0] * sizeof(float), "a row");
        }
    }
    uint64_t some = SHARE_WEIGHTS / t->dims[0] + 1;
    for (uint64_t r = 0; r < t->rows && status == TERN_OK; r += some) {
        look l = {&rows,         r,          t->rows - r < some ? t->rows : r + some,
                  all->room,     all->zeros, all->fault,
                  all->fault_row};
        ti_pool_run(all->pool, look_at_share, &l);
        for (uint32_t i = 0; i < all->threads && status == TERN_OK; i++) {
            if (all->fault[i]) {
                status = ti_fail(err, TERN_CORRUPT, module, t->offset,
                                 "tensor '%s': row %" PRIu64 " %s", t->name, all->fault_row[i],
                                 all->fault[i]);
            }
        }
        all->done += (l.r1 - l.r0) * t->dims[0];
        if (status == TERN_OK) {
            status = ti_verify_step(all->opts, "reading weights", all->done, all->total, err);
        }
    }
    for (uint32_t i = 0; i < all->threads; i++) {
        ti_row_room_free(&all->room[i]);
    }
    all->out->n_ternary += rows.ternary ? t->dims[0] * t->rows : 0;
    return status;
}

static tern_status look_at_numbers(const ti_gguf *gguf, uint32_t threads,
                                   const ti_verify_opts *opts, ti_verify_report *out,
                                   tern_err *err)
{
    numbers *all = ti_calloc(1, sizeof *all);
    if (!all) {
        return ti_fail_nomem(err, module, sizeof *all, "the checks");
    }
    *all = (numbers){.gguf = gguf, .opts = opts, .out = out};
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        all->total += gguf->tensors[i].dims[0] * gguf->tensors[i].rows;
    }
    tern_status status = ti_pool_create(&all->pool, threads, err);
    if (status == TERN_OK) {
        all->threads = ti_pool_threads(all->pool);
    }
    for (size_t i = 0; i < gguf->n_tensors && status == TERN_OK; i++) {
        status = look_at_tensor(all, &gguf->tensors[i], err);
    }
    for (uint32_t i = 0; i < all->threads; i++) {
        out->n_zero += all->zeros[i];
    }
    out->n_tensors = gguf->n_tensors;
    out->n_weights = all->total;
    ti_pool_destroy(all->pool);
    free(all);
    return status;
}

/* --- file, vocabulary, engine ------------------------------------------------------------- */

/* Whether tern wrote the file with random weights. */
static bool is_synthetic(const ti_gguf *gguf)
{
    static const char about[] = "random weights";
    ti_str text = {"", 0};
    (void)ti_gguf_get_str(gguf, "general.description", false, &text, NULL);
    return text.len >= sizeof about - 1 && memcmp(text.data, about, sizeof about - 1) == 0;
}

static tern_status check_file(const char *path, const tern_model_opts *model_opts,
                              const ti_verify_opts *opts, ti_verify_report *out, tern_err *err)
{
    const ti_gguf_opts how = {.i2s = (int)model_opts->i2s,
                              .q2_0_group = model_opts->q2_0_group};
    ti_gguf gguf = {0};
    TI_TRY(ti_gguf_open(&gguf, path, &how, err));
    tern_status status = look_at_numbers(&gguf, model_opts->threads, opts, out, err);
    out->synthetic = is_synthetic(&gguf);
    ti_gguf_close(&gguf);
    TI_TRY(status);
    char ternary[64] = "";
    if (out->n_ternary > 0) {
        snprintf(ternary, sizeof ternary, "; %.1f %% of the ternary ones are zero",
                 100.0 * (double)out->n_zero / (double)out->n_ternary);
    }
    ti_verify_add(out, "file", TI_VERIFY_PASSED,
                  "%" PRIu64 " tensors, %.1f M weights, all of them numbers%s", out->n_tensors,
                  (double)out->n_weights / 1e6, ternary);
    return TERN_OK;
}

static bool opening(void *user, uint64_t done, uint64_t total)
{
    const ti_verify_opts *opts = user;
    return !opts->progress || opts->progress(opts->progress_user, "opening", done, total);
}

static tern_status check_model(const char *path, const tern_model_opts *model_opts,
                               const ti_verify_opts *opts, ti_verify_report *out, tern_err *err)
{
    tern_model *model = NULL;
    tern_model_opts with = *model_opts;
    with.progress = opening;
    with.progress_user = (void *)(uintptr_t)opts;
    TI_TRY(tern_model_open(&model, path, &with, err));
    tern_model_desc desc;
    tern_model_describe(model, &desc);
    bool template = ti_gguf_find(&model->gguf, "tokenizer.chat_template") != NULL;
    out->has_chat = tern_model_has_chat(model);
    out->n_vocab = desc.n_vocab;
    tern_status status =
        ti_verify_round_trips(model, &out->texts_passed, &out->texts_tried, err);
    if (status == TERN_OK) {
        ti_verify_add(out, "vocab",
                      out->texts_passed == out->texts_tried ? TI_VERIFY_PASSED
                                                            : TI_VERIFY_FAILED,
                      "%u tokens; %u of %u texts came back unchanged; %s", out->n_vocab,
                      out->texts_passed, out->texts_tried,
                      out->has_chat ? "chat template known"
                      : template    ? "its chat template is not known to tern"
                                    : "no chat template");
        ti_verify_add(out, "engine", TI_VERIFY_PASSED, "%s, %u layers, packed as %s, %.1f MB",
                      desc.architecture, desc.n_layer, desc.layout,
                      (double)desc.resident_bytes / 1e6);
    }
    tern_model_close(model);
    return status;
}

static tern_status first_failure(const ti_verify_report *report, tern_err *err)
{
    for (size_t i = 0; i < report->n_checks; i++) {
        const ti_verify_check *check = &report->checks[i];
        if (check->verdict == TI_VERIFY_FAILED) {
            return ti_fail(err, TERN_NO, module, TI_NO_OFFSET, "%s: %s", check->name,
                           check->text);
        }
    }
    return TERN_OK;
}

tern_status ti_verify(const char *path, const tern_model_opts *model_opts,
                      const ti_verify_opts *opts, ti_verify_report *out, tern_err *err)
{
    static const tern_model_opts no_model_opts = {0};
    static const ti_verify_opts no_opts = {0};
    model_opts = model_opts ? model_opts : &no_model_opts;
    opts = opts ? opts : &no_opts;
    ti_verify_report *report = ti_calloc(1, sizeof *report);
    if (!report) {
        return ti_fail_nomem(err, module, sizeof *report, "a report");
    }
    tern_status status = check_file(path, model_opts, opts, report, err);
    if (status == TERN_OK) {
        status = check_model(path, model_opts, opts, report, err);
    }
    if (status == TERN_OK && opts->selftest) {
        status = ti_verify_self(path, model_opts, opts, report, err);
    }
    if (status == TERN_OK) {
        *out = *report;
        status = first_failure(report, err);
    }
    free(report);
    return status;
}
