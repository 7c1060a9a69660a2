/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/stamp.h"
#include "carbon/units.h"
#include "cli/cmd.h"
#include "cli/index_file.h"

typedef struct query_args {
    const char *id, *model, *output, *from, *until, *file;
    uint32_t energy; /* of the choices below */
    bool scan, json;
} query_args;

static const query_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "id",
     .metavar = "ID",
     .help = "the receipt with this id",
     .offset = offsetof(query_args, id)},
    {.type = TI_OPT_STR,
     .name = "model",
     .letter = 'm',
     .metavar = "SHA256",
     .help = "answers of the model whose file has this digest, or one that begins so",
     .offset = offsetof(query_args, model)},
    {.type = TI_OPT_STR,
     .name = "output",
     .letter = 'o',
     .metavar = "SHA256",
     .help = "answers whose text has this digest, or one that begins so",
     .offset = offsetof(query_args, output)},
    {.type = TI_OPT_STR,
     .name = "from",
     .metavar = "TIME",
     .help = "answers that ended at that time or later: 2026-11-22, 2026-11-22T07:30Z",
     .offset = offsetof(query_args, from)},
    {.type = TI_OPT_STR,
     .name = "until",
     .metavar = "TIME",
     .help = "answers that ended before that time",
     .offset = offsetof(query_args, until)},
    {.type = TI_OPT_CHOICE,
     .name = "energy",
     .metavar = "EVIDENCE",
     .help = "answers whose energy is known like this; none: not at all",
     .choices = "any|measured|modelled|declared|replayed|none",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(query_args, energy)},
    {.type = TI_OPT_STR,
     .name = "index",
     .metavar = "FILE",
     .help = "where the index is",
     .fallback = "DIR/state/index",
     .words = TI_WORDS_FILE,
     .offset = offsetof(query_args, file)},
    {.type = TI_OPT_FLAG,
     .name = "scan",
     .help = "read the whole log, without an index",
     .offset = offsetof(query_args, scan)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.log-query/1",
     .offset = offsetof(query_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR", .help = "the log's directory", .words = TI_WORDS_FILE},
    {0},
};

enum { MS = 1000 };

static tern_status moment(uint64_t *unix_ms, const char *option, const char *text,
                          tern_err *err)
{
    int64_t time_s;
    if (!text) {
        return TERN_OK;
    }
    if (!ti_stamp_parse(&time_s, text, strlen(text)) || time_s < 0) {
        return ti_fail(err, TERN_USAGE, "log", TI_NO_OFFSET,
                       "--%s: '%.40s' is no time like 2026-11-22 or 2026-11-22T07:30Z", option,
                       text);
    }
    *unix_ms = (uint64_t)time_s * MS;
    return TERN_OK;
}

static tern_status digest(ti_digest_range *out, const char *option, const char *text,
                          tern_err *err)
{
    if (text && !ti_digest_range_read(out, text)) {
        return ti_fail(err, TERN_USAGE, "log", TI_NO_OFFSET,
                       "--%s: '%.80s' is no beginning of a SHA-256 digest", option, text);
    }
    return TERN_OK;
}

static tern_status read_query(ti_log_query *out, const query_args *args, tern_err *err)
{
    ti_log_query_all(out);
    if (args->id && strlen(args->id) != TI_RECEIPT_ID) {
        return ti_fail(err, TERN_USAGE, "log", TI_NO_OFFSET,
                       "--id: '%.40s' is no id of a receipt", args->id);
    }
    if (args->id) {
        memcpy(out->id, args->id, sizeof out->id);
    }
    if (args->energy > 0) {
        out->evidence = 1u << (args->energy - 1);
    }
    TI_TRY(digest(&out->model, "model", args->model, err));
    TI_TRY(digest(&out->output, "output", args->output, err));
    TI_TRY(moment(&out->from_unix_ms, "from", args->from, err));
    return moment(&out->until_unix_ms, "until", args->until, err);
}

typedef struct showing {
    ti_buf *json; /* NULL: lines */
    uint64_t n;
} showing;

static void add_hex(ti_buf *json, const char *key, const uint8_t digest_bytes[TI_SHA256])
{
    char hex[2 * TI_SHA256 + 1];
    sodium_bin2hex(hex, sizeof hex, digest_bytes, TI_SHA256);
    ti_json_str(json, key, hex);
}

static void add_json(ti_buf *json, uint64_t index, const ti_receipt *r)
{
    ti_json_open(json, NULL, '{');
    ti_json_uint(json, "index", index);
    ti_json_str(json, "receipt_id", r->id);
    if (r->is_job) {
        ti_json_uint(json, "job", r->job.number);
        ti_json_str(json, "state", r->job.state);
        ti_json_uint(json, "exit_code", r->job.exit_code);
    } else {
        add_hex(json, "model_sha256", r->model.sha256);
        ti_json_str(json, "model_name", r->model.name);
    }
    add_hex(json, "output_sha256", r->output.sha256);
    ti_json_uint(json, "ended_unix_ms", r->time.ended_unix_ms);
    if (!r->is_job) {
        ti_json_uint(json, "input_tokens", r->work.input_tokens);
        ti_json_uint(json, "output_tokens", r->work.output_tokens);
    }
    if (r->has_energy) {
        ti_json_uint(json, "energy_uj", r->energy.energy_uj);
        ti_json_uint(json, "idle_uj", r->energy.idle_uj);
        ti_json_str(json, "evidence", ti_receipt_evidence_name(r->energy.evidence));
        ti_json_str(json, "meter", r->energy.meter);
    }
    if (r->has_carbon) {
        ti_json_uint(json, "co2_ug", r->carbon.co2_ug);
    }
    ti_json_close(json, '}');
}

/* A ti_log_found_fn. */
static tern_status show(void *user, uint64_t index, const ti_receipt *r, tern_err *err)
{
    showing *s = user;
    char when[TI_STAMP_TEXT], joules[TI_AMOUNT_TEXT];
    s->n++;
    if (ti_interrupted()) {
        return ti_fail(err, TERN_CANCELLED, "log", TI_NO_OFFSET, "interrupted");
    }
    if (s->json) {
        add_json(s->json, index, r);
        return TERN_OK;
    }
    ti_printf("%llu %s %s ", (unsigned long long)index, r->id,
              ti_stamp_text(when, (int64_t)(r->time.ended_unix_ms / MS)));
    if (r->is_job) {
        ti_printf("%s", r->job.state);
    } else {
        ti_printf("%llu tokens", (unsigned long long)r->work.output_tokens);
    }
    if (r->has_energy) {
        ti_printf(", %s %s", ti_joules_text(joules, r->energy.energy_uj),
                  ti_receipt_evidence_name(r->energy.evidence));
    }
    ti_printf(", %s\n", r->model.name);
    return TERN_OK;
}

static tern_status find(ti_log_view *view, const query_args *args, const char *dir,
                        const ti_log_query *query, showing *s, tern_err *err)
{
    ti_log_index_opts index;
    ti_log_index_report report;
    ti_progress progress;
    char *path = NULL;
    TI_TRY(ti_index_opts(&index, &path, &progress, dir, args->scan ? "" : args->file, err));
    if (args->scan) {
        index.file = NULL;
    } else if (!index.file) {
        ti_note("(no index can be kept in '%s/state': all entries are read)", dir);
    }
    tern_status status = ti_log_index_find(view, &index, query, show, s, &report, err);
    ti_progress_end(&progress);
    if (status == TERN_IO && index.file) {
        ti_hint("--scan reads the whole log, without an index");
    }
    if (status == TERN_OK && report.why && index.file) {
        ti_note("(the index was made anew: %s)", report.why);
    }
    free(path);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const query_args *args = values;
    ti_log_query query;
    ti_log_view *view = NULL;
    ti_buf json = {0};
    showing s = {.json = args->json ? &json : NULL};
    TI_TRY(read_query(&query, args, err));
    ti_interrupt_catch();
    TI_TRY(ti_log_view_open(&view, given->items[0], NULL, NULL, err));
    const ti_checkpoint *head = ti_log_view_checkpoint(view);
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.log-query/1");
    ti_json_str(&json, "log_origin", head->origin);
    ti_json_uint(&json, "log_size", head->size);
    ti_json_open(&json, "receipts", '[');
    tern_status status = find(view, args, given->items[0], &query, &s, err);
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    if (status == TERN_OK && args->json) {
        status = ti_print_json(&json, err);
    }
    ti_buf_free(&json);
    ti_log_view_close(view);
    if (status == TERN_OK && s.n == 0) {
        return ti_fail(err, TERN_NO, "log", TI_NO_OFFSET, "there is no such receipt");
    }
    return status;
}

const ti_command ti_cmd_log_query = {
    .name = "log query",
    .summary = "find receipts in a log",
    .description =
        "Prints the receipts in a log, of answers and of jobs, for which everything that is "
        "asked holds: the index of the entry, the receipt's id, when it ended, and what it "
        "took.  An index "
        "(SQLite) makes that fast; it is kept up to date by itself, and each receipt that is "
        "found is read from the log and checked against the signed root.\n\n"
        "That a receipt is in a log says nothing about who signed it: 'tern verify' does.",
    .examples = "tern log query mylog --from 2026-11-01 --energy measured\n"
                "tern log query mylog --model b179c9523d0e --json",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run,
};
