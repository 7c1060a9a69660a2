/* SPDX-License-Identifier: Apache-2.0 */
/* Three questions, each needing the one before: is the file whole, are all its numbers numbers,
 * can the engine run it.  --selftest asks a fourth: does the engine run it right. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/models.h"
#include "cli/out.h"
#include "model/gguf.h"

typedef struct verify_args {
    ti_model_args model;
    bool selftest, json;
} verify_args;

static const verify_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "selftest",
     .help = "also compare a short run with a float64 reference that shares no code with the "
             "engine",
     .offset = offsetof(verify_args, selftest)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.model-verify/1",
     .offset = offsetof(verify_args, json)},
    TI_OPTS_ENGINE(verify_args, model),
    TI_OPTS_READING(verify_args, model),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "MODEL",
     .help = "a GGUF file, or the name of a model",
     .words = TI_WORDS_MODEL},
    {0},
};

/* Finds the first number of a row that is none. */
static bool row_is_finite(const float *x, uint64_t n, uint64_t *at)
{
    for (uint64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            *at = i;
            return false;
        }
    }
    return true;
}

/* Decodes every number of a tensor that can be decoded. */
static tern_status check_tensor(const ti_gguf_tensor *t, ti_progress *progress, uint64_t *done,
                                uint64_t total, tern_err *err)
{
    uint64_t k = t->dims[0], at = 0;
    if (!t->type->decodable) {
        *done += t->bytes;
        return TERN_OK;
    }
    float *row = malloc(k * sizeof *row);
    if (!row) {
        return ti_fail_nomem(err, "verify", k * sizeof *row, "a row");
    }
    tern_status status = TERN_OK;
    for (uint64_t r = 0; r < t->rows && status == TERN_OK; r++) {
        ti_type_to_f32(row, t->type, t->data, k, t->rows, r, 0, k);
        if (!row_is_finite(row, k, &at)) {
            status = ti_fail(err, TERN_CORRUPT, "verify", t->offset,
                             "tensor '%.80s': row %" PRIu64 ", column %" PRIu64
                             " is not a finite number",
                             t->name, r, at);
        } else if (!ti_progress_step(progress, *done + t->bytes / t->rows * r, total)) {
            status = ti_fail(err, TERN_CANCELLED, "verify", TI_NO_OFFSET, "interrupted");
        }
    }
    *done += t->bytes;
    free(row);
    return status;
}

static tern_status check_numbers(const ti_gguf *gguf, tern_err *err)
{
    ti_progress progress;
    uint64_t total = 0, done = 0;
    tern_status status = TERN_OK;
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        total += gguf->tensors[i].bytes;
    }
    ti_progress_begin(&progress, "checking the numbers", "B");
    for (size_t i = 0; i < gguf->n_tensors && status == TERN_OK; i++) {
        status = check_tensor(&gguf->tensors[i], &progress, &done, total, err);
    }
    ti_progress_end(&progress);
    return status;
}

static tern_status check_file(const char *path, const ti_model_args *args, tern_err *err)
{
    tern_model_opts model;
    ti_gguf gguf = {0};
    ti_model_opts(&model, args);
    ti_gguf_opts how = {.i2s = (int)model.i2s, .q2_0_group = model.q2_0_group};
    TI_TRY(ti_gguf_open(&gguf, path, &how, err));
    tern_status status = check_numbers(&gguf, err);
    ti_gguf_close(&gguf);
    return status;
}

static tern_status check_engine(const ti_model_args *args, tern_err *err)
{
    tern_model *model = NULL;
    TI_TRY(ti_open_model(&model, args, err));
    tern_model_close(model);
    return TERN_OK;
}

/* --- result ---------------------------------------------------------------------------------
 */

typedef struct step {
    const char *name, *text;
} step;

enum { STEPS_MAX = 4 };

typedef struct outcome {
    step done[STEPS_MAX];
    size_t n;
    bool same; /* of the self-test */
    char report[256];
} outcome;

static void passed(outcome *o, const char *name, const char *text)
{
    o->done[o->n++] = (step){.name = name, .text = text};
}

/* Pending: model/verify.h. */
static tern_status check_selftest(outcome *o, const char *path, const ti_model_args *args,
                                  tern_err *err)
{
    (void)o;
    (void)path;
    (void)args;
    return ti_fail(err, TERN_UNAVAILABLE, "verify", TI_NO_OFFSET, "no self-test yet");
}

static tern_status check_all(outcome *o, const char *path, const verify_args *args,
                             tern_err *err)
{
    ti_model_args model = args->model;
    model.model = path;
    TI_TRY(check_file(path, &model, err));
    passed(o, "file", "directory, extents and all numbers are sound");
    TI_TRY(check_engine(&model, err));
    passed(o, "engine", "can run it");
    if (args->selftest) {
        TI_TRY(check_selftest(o, path, &model, err));
    }
    return TERN_OK;
}

static tern_status print_document(const outcome *o, const char *path, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.model-verify/1");
    ti_json_str(&json, "path", path);
    ti_json_bool(&json, "ok", o->same);
    ti_json_open(&json, "checks", '[');
    for (size_t i = 0; i < o->n; i++) {
        ti_json_open(&json, NULL, '{');
        ti_json_str(&json, "name", o->done[i].name);
        ti_json_str(&json, "text", o->done[i].text);
        ti_json_close(&json, '}');
    }
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const verify_args *args = values;
    outcome o = {.same = true};
    char *path;
    ti_interrupt_catch();
    TI_TRY(ti_model_path(&path, given->items[0], err));
    tern_status status = check_all(&o, path, args, err);
    if (status == TERN_OK && args->json) {
        status = print_document(&o, path, err);
    } else if (status == TERN_OK) {
        for (size_t i = 0; i < o.n; i++) {
            ti_printf("ok  %-9s %s\n", o.done[i].name, o.done[i].text);
        }
    }
    free(path);
    return status == TERN_OK && !o.same ? TERN_NO : status;
}

const ti_command ti_cmd_model_verify = {
    .name = "model verify",
    .summary = "check a model file",
    .description =
        "Checks that the file is whole, that every number in it is one, and that the engine "
        "can run it.  With --selftest a short run is compared with a float64 reference: a file "
        "that an engine runs with the wrong activation or rotation gives fluent nonsense, and "
        "only a comparison notices.\n\n"
        "Exits with 0 when all is well, 1 when the self-test differs, 4 when the file is "
        "corrupt or not supported.",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
