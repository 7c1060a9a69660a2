/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/audit_list.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/out.h"
#include "cli/receipt_files.h"
#include "cli/receipts.h"
#include "cli/verify.h"
#include "ledger/dsse.h"
#include "ledger/key.h"
#include "ledger/log.h"

#define REPORT_TYPE "application/vnd.tern.audit+json"

typedef struct audit_args {
    uint32_t count;
    float fraction;
    ti_opt_list seeds, keys;
    const char *log, *receipts, *report;
    bool any_key, append, json;
    ti_rerun_args again;
} audit_args;

static const audit_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_U32,
     .name = "count",
     .letter = 'n',
     .metavar = "N",
     .help = "run N receipts again",
     .offset = offsetof(audit_args, count)},
    {.type = TI_OPT_F32,
     .name = "fraction",
     .letter = 'f',
     .metavar = "X",
     .help = "run this part of them again, for example 0.01",
     .max = 1,
     .offset = offsetof(audit_args, fraction)},
    {.type = TI_OPT_LIST,
     .name = "seed-from",
     .metavar = "SOURCE",
     .help = "file:PATH, hex:DIGITS, text:WORDS or random; several are mixed",
     .offset = offsetof(audit_args, seeds)},
    {.type = TI_OPT_STR,
     .name = "log",
     .metavar = "DIR",
     .help = "draw from the receipts in this log",
     .words = TI_WORDS_FILE,
     .offset = offsetof(audit_args, log)},
    {.type = TI_OPT_STR,
     .name = "receipts",
     .metavar = "DIR",
     .help = "where the private parts of the log's receipts are, as ID.json.private",
     .fallback = "$XDG_DATA_HOME/tern/receipts",
     .words = TI_WORDS_FILE,
     .offset = offsetof(audit_args, receipts)},
    TI_OPTS_TRUST(audit_args),
    TI_OPT_RERUN_MODEL(audit_args, again),
    TI_OPTS_COMPUTE(audit_args, again),
    {.type = TI_OPT_STR,
     .name = "report",
     .letter = 'o',
     .metavar = "FILE",
     .help = "write the signed report into FILE",
     .words = TI_WORDS_FILE,
     .offset = offsetof(audit_args, report)},
    {.type = TI_OPT_FLAG,
     .name = "append",
     .help = "append the signed report to the log",
     .offset = offsetof(audit_args, append)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print the report, schema tern.audit/1",
     .offset = offsetof(audit_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "RECEIPT",
     .help = "draw from these receipts: files, or ids of yours",
     .words = TI_WORDS_FILE,
     .optional = true,
     .repeated = true},
    {0},
};

typedef struct audit {
    const audit_args *args;
    ti_audit_list list;
    ti_audit_source sources[TI_OPT_LIST_MAX];
    size_t n_sources;
    ti_hash seed;
    uint32_t *sample; /* [k] */
    uint64_t k;
    size_t passed, failed, unanswered;
    ti_buf report;
} audit;

static void add_hex(ti_buf *json, const char *key, const void *bytes, size_t len)
{
    char text[2 * TI_AUDIT_SOURCE_MAX + 1];
    sodium_bin2hex(text, sizeof text, bytes, len);
    ti_json_str(json, key, text);
}

/* --- drawing --------------------------------------------------------------------------------
 */

static tern_status check_usage(const audit_args *args, const ti_operands *given, tern_err *err)
{
    const char *problem = NULL;
    if ((args->count > 0) == (args->fraction > 0)) {
        problem = "either --count or --fraction says how many";
    } else if ((args->log != NULL) == (given->n > 0)) {
        problem = "either --log or receipts say what to draw from";
    } else if (args->seeds.n == 0) {
        problem = "--seed-from is missing: what is drawn must not be anybody's choice";
    } else if (args->append && !args->log) {
        problem = "--append needs --log";
    }
    return problem ? ti_fail(err, TERN_USAGE, "audit", TI_NO_OFFSET, "%s", problem) : TERN_OK;
}

static tern_status draw(audit *a, const ti_operands *given, tern_err *err)
{
    ti_str sources[TI_OPT_LIST_MAX];
    TI_TRY(a->args->log ? ti_audit_list_log(&a->list, a->args->log, err)
                        : ti_audit_list_files(&a->list, given, err));
    if (a->list.n == 0) {
        return ti_fail(err, TERN_UNAVAILABLE, "audit", TI_NO_OFFSET, "there are no receipts");
    }
    for (; a->n_sources < a->args->seeds.n; a->n_sources++) {
        ti_audit_source *source = &a->sources[a->n_sources];
        TI_TRY(ti_audit_source_read(source, a->args->seeds.items[a->n_sources], err));
        sources[a->n_sources] = (ti_str){.data = source->bytes.data, .len = source->bytes.len};
    }
    ti_audit_seed(&a->seed, &a->list.root, a->list.n, sources, a->n_sources);
    a->k = a->args->count ? a->args->count
                          : (uint64_t)ceil((double)a->args->fraction * (double)a->list.n);
    a->k = a->k < a->list.n ? a->k : a->list.n;
    a->sample = calloc(a->k, sizeof *a->sample);
    if (!a->sample) {
        return ti_fail_nomem(err, "audit", a->k * sizeof *a->sample, "a sample");
    }
    return ti_audit_draw(a->sample, a->k, a->list.n, &a->seed, err);
}

/* --- running again --------------------------------------------------------------------------
 */

/* The file beside which a receipt's private part lies. */
static tern_status place_of(char **file, const audit *a, const ti_audit_item *item,
                            const ti_receipt *receipt, tern_err *err)
{
    if (item->file) {
        return ti_receipt_beside(file, item->file, "", err);
    }
    return a->args->receipts ? ti_receipt_in(file, a->args->receipts, receipt->id, err)
                             : ti_receipt_file(file, receipt->id, err);
}

static tern_status rerun(const audit *a, const ti_audit_item *item, ti_checks *checks,
                         ti_receipt *receipt, tern_err *err)
{
    char *file = NULL;
    TI_TRY(ti_verify_signature(checks, receipt, item->text.data, item->text.len, &a->args->keys,
                               a->args->any_key, err));
    tern_status status = place_of(&file, a, item, receipt, err);
    if (status == TERN_OK) {
        status = ti_rerun(checks, receipt, file, &a->args->again, err);
    }
    free(file);
    return status;
}

/* The line that says no, or why it could not be run. */
static const char *reason(const ti_checks *checks, const tern_err *err, tern_status status)
{
    for (size_t i = 0; i < checks->n; i++) {
        if (checks->items[i].result == TI_CHECK_NO) {
            return checks->items[i].text;
        }
    }
    return status == TERN_OK ? "" : err->message;
}

static tern_status run_one(audit *a, size_t number, ti_checks *checks, tern_err *err)
{
    const ti_audit_item *item = &a->list.items[a->sample[number]];
    ti_receipt receipt = {.id = ""};
    tern_err local = {.status = TERN_OK};
    checks->n = 0;
    tern_status status = rerun(a, item, checks, &receipt, &local);
    if (status == TERN_CANCELLED || status == TERN_NOMEM) {
        if (err) {
            *err = local;
        }
        return status;
    }
    bool good = status == TERN_OK && ti_checks_good(checks);
    const char *result = good ? "ok" : status == TERN_OK ? "no" : "unanswered";
    a->passed += good;
    a->failed += !good && status == TERN_OK;
    a->unanswered += status != TERN_OK;
    ti_json_open(&a->report, NULL, '{');
    ti_json_uint(&a->report, "number", a->sample[number]);
    if (a->list.of_log) {
        ti_json_uint(&a->report, "log_index", item->index);
    }
    ti_json_str(&a->report, "receipt_id", receipt.id);
    ti_json_str(&a->report, "result", result);
    if (!good) {
        ti_json_str(&a->report, "reason", reason(checks, &local, status));
    }
    ti_json_close(&a->report, '}');
    if (!good && !a->args->json) {
        ti_printf("receipt %s: %s: %s\n", receipt.id[0] ? receipt.id : "?", result,
                  reason(checks, &local, status));
    }
    return TERN_OK;
}

/* --- the report -----------------------------------------------------------------------------
 */

static void begin_report(audit *a)
{
    ti_buf *out = &a->report;
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "schema", "tern.audit/1");
    ti_json_str(out, "tern_version", tern_version());
    ti_json_uint(out, "started_unix_ms", ti_unix_ms());
    ti_json_open(out, "list", '{');
    ti_json_uint(out, "receipts", a->list.n);
    add_hex(out, "root_sha256", a->list.root.b, TI_HASH_BYTES);
    if (a->list.of_log) {
        ti_json_str(out, "log_origin", a->list.head.origin);
        ti_json_uint(out, "log_size", a->list.head.size);
        add_hex(out, "log_root_sha256", a->list.head.root.b, TI_HASH_BYTES);
    }
    ti_json_close(out, '}');
    ti_json_open(out, "seed", '{');
    add_hex(out, "sha256", a->seed.b, TI_HASH_BYTES);
    ti_json_open(out, "sources", '[');
    for (size_t i = 0; i < a->n_sources; i++) {
        ti_json_open(out, NULL, '{');
        ti_json_str(out, "kind", a->sources[i].kind);
        add_hex(out, "hex", a->sources[i].bytes.data, a->sources[i].bytes.len);
        ti_json_close(out, '}');
    }
    ti_json_close(out, ']');
    ti_json_close(out, '}');
    ti_json_open(out, "results", '[');
}

/* Numbers of false receipts for which the probability is told: one, 1 %, 5 %. */
static size_t false_counts(uint64_t n, uint64_t out[3])
{
    enum { PERCENT = 100, FIVE = 20 };
    size_t used = 0;
    const uint64_t wanted[3] = {1, (n + PERCENT - 1) / PERCENT, (n + FIVE - 1) / FIVE};
    for (size_t i = 0; i < 3; i++) {
        if (used == 0 || wanted[i] > out[used - 1]) {
            out[used++] = wanted[i];
        }
    }
    return used;
}

static void end_report(audit *a)
{
    const double million = 1e6;
    uint64_t counts[3];
    size_t n = false_counts(a->list.n, counts);
    ti_buf *out = &a->report;
    ti_json_close(out, ']');
    ti_json_uint(out, "passed", a->passed);
    ti_json_uint(out, "failed", a->failed);
    ti_json_uint(out, "unanswered", a->unanswered);
    ti_json_open(out, "detection", '[');
    for (size_t i = 0; i < n; i++) {
        double p = ti_audit_detect(a->list.n, a->k, counts[i]);
        ti_json_open(out, NULL, '{');
        ti_json_uint(out, "false_receipts", counts[i]);
        ti_json_uint(out, "probability_ppm", (uint64_t)(p * million));
        ti_json_close(out, '}');
    }
    ti_json_close(out, ']');
    ti_json_close(out, '}');
}

static void print_summary(const audit *a)
{
    const double percent = 100;
    uint64_t counts[3];
    size_t n = false_counts(a->list.n, counts);
    ti_printf("%llu of %zu receipts run again: %zu the same, %zu not, %zu unanswered\n",
              (unsigned long long)a->k, a->list.n, a->passed, a->failed, a->unanswered);
    for (size_t i = 0; i < n; i++) {
        ti_printf("had %llu been false, one would have been met with %.4g %%\n",
                  (unsigned long long)counts[i],
                  percent * ti_audit_detect(a->list.n, a->k, counts[i]));
    }
}

/* Signs the report, writes and logs it. */
static tern_status publish(audit *a, tern_err *err)
{
    char *key_file = NULL;
    bool made;
    uint64_t index;
    ti_note_signer key = {.pub = {.name = ""}};
    ti_buf envelope = {0};
    ti_out file = {0};
    ti_log *log = NULL;
    tern_status status = ti_receipt_key_file(&key_file, true, err);
    if (status == TERN_OK) {
        status = ti_key_load_or_make(&key, key_file, "tern-receipt", &made, err);
    }
    if (status == TERN_OK) {
        status = ti_dsse_sign(&envelope, REPORT_TYPE, a->report.data, a->report.len, &key, err);
        ti_buf_addc(&envelope, '\n');
    }
    ti_note_signer_wipe(&key);
    if (status == TERN_OK && a->args->report) {
        status = ti_out_open(&file, a->args->report, err);
        if (status == TERN_OK) {
            fwrite(envelope.data, 1, envelope.len, file.stream);
            status = ti_out_commit(&file, err);
        }
        ti_out_abandon(&file);
    }
    if (status == TERN_OK && a->args->append) {
        status = ti_log_open(&log, a->args->log, NULL, err);
        if (status == TERN_OK) {
            status = ti_log_append(log, envelope.data, envelope.len, &index, err);
        }
        if (status == TERN_OK) {
            status = ti_log_publish(log, err);
        }
        ti_log_close(log);
        if (status == TERN_OK && !a->args->json) {
            ti_printf("the report is entry %llu of the log\n", (unsigned long long)index);
        }
    }
    ti_buf_free(&envelope);
    free(key_file);
    return status;
}

static tern_status perform(audit *a, const ti_operands *given, ti_checks *checks, tern_err *err)
{
    TI_TRY(draw(a, given, err));
    begin_report(a);
    for (size_t i = 0; i < a->k; i++) {
        TI_TRY(run_one(a, i, checks, err));
    }
    end_report(a);
    if (a->report.failed) {
        return ti_fail_nomem(err, "audit", a->report.len, "the report");
    }
    if (a->args->report || a->args->append) {
        TI_TRY(publish(a, err));
    }
    if (a->args->json) {
        return ti_print_json(&a->report, err);
    }
    print_summary(a);
    return TERN_OK;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const audit_args *args = values;
    audit a = {.args = args};
    TI_TRY(check_usage(args, given, err));
    if (sodium_init() < 0) {
        return ti_fail(err, TERN_INTERNAL, "audit", TI_NO_OFFSET, "libsodium cannot start");
    }
    ti_interrupt_catch();
    ti_checks *checks = malloc(sizeof *checks);
    tern_status status = checks ? perform(&a, given, checks, err)
                                : ti_fail_nomem(err, "audit", sizeof *checks, "the checks");
    bool good = a.failed == 0 && a.unanswered == 0;
    free(checks);
    free(a.sample);
    for (size_t i = 0; i < a.n_sources; i++) {
        ti_buf_free(&a.sources[i].bytes);
    }
    ti_audit_list_free(&a.list);
    ti_buf_free(&a.report);
    return status != TERN_OK ? status : good ? TERN_OK : TERN_NO;
}

const ti_command ti_cmd_audit = {
    .name = "audit",
    .summary = "run a sample of receipts again",
    .description =
        "Draws receipts at random, runs each of them again as 'tern verify --rerun' does, and "
        "says with what probability false ones would have been met.  The sample is a function "
        "of "
        "the list and of the seed, so that anybody can draw it again.  Take the seed from "
        "something that nobody could know when the receipts were logged, such as a round of a "
        "public beacon that came later; several sources are mixed, and none alone decides.\n\n"
        "A receipt that cannot be run again, because its prompt was not kept or its model is "
        "not here, counts as unanswered, and the audit as failed.  The exit status is 0 when "
        "all "
        "gave the same again, 1 when not.",
    .examples = "tern audit --count 20 --seed-from random receipts/*.json\n"
                "tern audit --fraction 0.01 --log mylog --seed-from file:beacon.json "
                "--seed-from text:\"dice 4 2 6 1\" --append",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
