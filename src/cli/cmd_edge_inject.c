/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/edge_input.h"
#include "cli/out.h"
#include "device/faults.h"

typedef struct inject_args {
    ti_edge_input_args input;
    const char *output, *labels, *kinds;
    uint32_t count, after;
    uint64_t seed;
} inject_args;

enum {
    ROWS_MAX = 1 << 22,
    FAULTS_MAX = 1024,
    WEEKS_S = 21 * 86400,
    LONGEST_S = 28 * 86400, /* a fault; it begins in the first half of its slot */
    LIST_MAX = 64
};

static const inject_args defaults = {
    .kinds = "theft,stuck,phase,drift,spike", .count = 1, .after = UINT32_MAX, .seed = 1};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "output",
     .letter = 'o',
     .metavar = "FILE",
     .help = "write the readings with faults to this file",
     .words = TI_WORDS_FILE,
     .offset = offsetof(inject_args, output)},
    {.type = TI_OPT_STR,
     .name = "labels",
     .letter = 'l',
     .metavar = "FILE",
     .help = "write which faults are where to this CSV",
     .fallback = "the output's name with .labels.csv",
     .words = TI_WORDS_FILE,
     .offset = offsetof(inject_args, labels)},
    {.type = TI_OPT_STR,
     .name = "kinds",
     .metavar = "LIST",
     .help = "kinds of faults, with commas between",
     .offset = offsetof(inject_args, kinds)},
    {.type = TI_OPT_U32,
     .name = "count",
     .letter = 'n',
     .metavar = "N",
     .help = "faults of each kind",
     .min = 1,
     .max = FAULTS_MAX,
     .offset = offsetof(inject_args, count)},
    {.type = TI_OPT_U64,
     .name = "seed",
     .metavar = "N",
     .help = "where they are: the same seed gives the same places everywhere",
     .offset = offsetof(inject_args, seed)},
    {.type = TI_OPT_U32,
     .name = "after",
     .metavar = "N",
     .help = "leave the first N readings as they are",
     .fallback = "those of three weeks",
     .min = 0,
     .max = UINT32_MAX,
     .offset = offsetof(inject_args, after)},
    TI_OPTS_EDGE_INPUT(inject_args, input),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "CSV", .help = "readings that are as they should be", .words = TI_WORDS_FILE},
    {0},
};

/* A row as it stands in the file, and its value apart. */
typedef struct kept_row {
    size_t at, len;             /* in the text, lines before it included */
    size_t value_at, value_len; /* in the row */
    int64_t shown_s;
    double value; /* NaN where there is none */
} kept_row;

typedef struct table {
    ti_buf text;
    kept_row *rows;
    double *values; /* of the rows, later with faults */
    size_t n, cap;
    size_t tail; /* in the text: what stands behind the last row */
    char mark;   /* of decimals, as the values have it */
    uint32_t interval_s;
} table;

static tern_status grow(table *t, tern_err *err)
{
    if (t->n < t->cap) {
        return TERN_OK;
    }
    if (t->cap >= ROWS_MAX) {
        return ti_fail(err, TERN_LIMIT, "inject", TI_NO_OFFSET, "more than %d rows", ROWS_MAX);
    }
    const size_t n = t->cap ? t->cap * 2 : 4096;
    kept_row *rows = realloc(t->rows, n * sizeof *rows);
    if (!rows) {
        return ti_fail_nomem(err, "inject", n * sizeof *rows, "rows");
    }
    t->rows = rows;
    double *values = realloc(t->values, n * sizeof *values);
    if (!values) {
        return ti_fail_nomem(err, "inject", n * sizeof *values, "values");
    }
    t->values = values;
    t->cap = n;
    return TERN_OK;
}

static tern_status keep(table *t, const ti_csv *csv, const ti_csv_row *row, tern_err *err)
{
    size_t len, at, value_len;
    const char *line = ti_csv_line(csv, &len, &at, &value_len);
    const ti_str before = ti_csv_before(csv);
    TI_TRY(grow(t, err));
    const double value = row->missing ? (double)NAN : row->value;
    t->rows[t->n] = (kept_row){.at = t->text.len,
                               .len = before.len + len,
                               .value_at = before.len + at,
                               .value_len = value_len,
                               .shown_s = row->when.shown_s,
                               .value = value};
    t->values[t->n++] = value;
    ti_buf_add(&t->text, before.data, before.len);
    ti_buf_add(&t->text, line, len);
    return t->text.failed ? ti_fail_nomem(err, "inject", t->text.len, "a table") : TERN_OK;
}

/* The rows as they come: reading ahead would lose how they are written. */
static tern_status load(table *t, ti_edge_input *in, tern_err *err)
{
    bool more = true;
    ti_csv_row first[TI_SETTINGS_ROWS];
    size_t n_first = 0;
    ti_settings found;
    while (more) {
        ti_csv_row row;
        TI_TRY(ti_edge_input_next(in, &row, &more, err));
        if (more) {
            TI_TRY(keep(t, in->csv, &row, err));
            if (n_first < TI_SETTINGS_ROWS) {
                first[n_first++] = row;
            }
        }
    }
    ti_settings_default(&found);
    (void)ti_settings_look(&found, first, n_first);
    t->interval_s = found.config.interval_s;
    t->mark = ti_csv_mark(in->csv);
    const ti_str behind = ti_csv_before(in->csv);
    t->tail = t->text.len;
    ti_buf_add(&t->text, behind.data, behind.len);
    return t->text.failed ? ti_fail_nomem(err, "inject", t->text.len, "a table") : TERN_OK;
}

static void put_number(FILE *stream, double value, char mark)
{
    enum { DIGITS_MAX = 32 };
    char text[DIGITS_MAX];
    snprintf(text, sizeof text, "%.9g", value);
    char *point = strchr(text, '.');
    if (point && mark) {
        *point = mark;
    }
    (void)fputs(text, stream);
}

static tern_status write_rows(const table *t, const double *values, const char *file,
                              tern_err *err)
{
    ti_out out = {0};
    TI_TRY(ti_out_open(&out, file, err));
    for (size_t i = 0; i < t->n; i++) {
        const kept_row *row = &t->rows[i];
        const char *text = t->text.data + row->at;
        const bool same = !isfinite(values[i]) || !(fabs(values[i] - row->value) > 0);
        const size_t behind = row->value_at + (same ? 0 : row->value_len);
        (void)fwrite(text, 1, row->value_at, out.stream);
        if (!same) {
            put_number(out.stream, values[i], t->mark);
        }
        (void)fwrite(text + behind, 1, row->len - behind, out.stream);
        fputc('\n', out.stream);
    }
    (void)fwrite(t->text.data + t->tail, 1, t->text.len - t->tail, out.stream);
    return ti_out_commit(&out, err);
}

static void add_when(ti_buf *out, int64_t shown_s)
{
    const ti_when when = {.shown_s = shown_s};
    ti_when_text(out, &when);
}

static tern_status write_labels(const table *t, const ti_fault *faults, size_t n,
                                const char *file, tern_err *err)
{
    ti_buf text = {0};
    ti_out out = {0};
    ti_buf_adds(&text, "kind,begin,end,first,readings,amount\n");
    for (size_t i = 0; i < n; i++) {
        const ti_fault *f = &faults[i];
        TI_ASSERT(t->rows && f->n > 0 &&
                  (size_t)f->first + f->n <= t->n); /* draw() has seen to it */
        ti_buf_addf(&text, "%s,", ti_fault_names[f->kind]);
        add_when(&text, t->rows[f->first].shown_s);
        ti_buf_addc(&text, ',');
        add_when(&text, t->rows[f->first + f->n - 1].shown_s);
        ti_buf_addf(&text, ",%u,%u,%.6g\n", f->first, f->n, f->amount);
    }
    tern_status status = text.failed ? ti_fail_nomem(err, "inject", text.len, "labels")
                                     : ti_out_open(&out, file, err);
    if (status == TERN_OK) {
        (void)fwrite(text.data, 1, text.len, out.stream); /* commit sees the stream's error */
        status = ti_out_commit(&out, err);
    }
    ti_buf_free(&text);
    return status;
}

static tern_status read_kinds(uint32_t *bits, const char *list, tern_err *err)
{
    *bits = 0;
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, ",");
        uint32_t kind = 0;
        while (kind < TI_FAULT_KINDS && (strlen(ti_fault_names[kind]) != len ||
                                         strncmp(ti_fault_names[kind], p, len) != 0)) {
            kind++;
        }
        if (kind == TI_FAULT_KINDS) {
            return ti_fail(err, TERN_USAGE, "inject", TI_NO_OFFSET,
                           "'%.*s' is no kind of fault: theft, stuck, phase, drift, spike",
                           (int)(len < LIST_MAX ? len : LIST_MAX), p);
        }
        *bits |= 1u << kind;
        p += len + (p[len] == ',');
    }
    return *bits ? TERN_OK
                 : ti_fail(err, TERN_USAGE, "inject", TI_NO_OFFSET,
                           "no kind of fault is asked for");
}

/* As many slots as there are faults; each begins in the first half of its own. */
static tern_status draw(ti_fault *faults, size_t *n_faults, const table *t,
                        const inject_args *args, uint32_t kinds, tern_err *err)
{
    static ti_fault of_kind[FAULTS_MAX];
    const ti_readings readings = {
        .n = (uint32_t)t->n, .interval_s = t->interval_s, .values = t->values};
    const uint32_t from = args->after != UINT32_MAX ? args->after : WEEKS_S / t->interval_s;
    uint32_t n_kinds = 0, turn = 0;
    for (uint32_t kind = 0; kind < TI_FAULT_KINDS; kind++) {
        n_kinds += kinds >> kind & 1;
    }
    const uint32_t slots = args->count * n_kinds; /* at most 5 * 1024 */
    const uint32_t slot = from < t->n ? ((uint32_t)t->n - from) / slots : 0;
    if (slots > FAULTS_MAX || slot / 2 < LONGEST_S / t->interval_s + 1) {
        return ti_fail(err, TERN_LIMIT, "inject", TI_NO_OFFSET,
                       "%u faults do not fit into %zu readings after the first %u: each has 56 "
                       "days",
                       slots, t->n, from);
    }
    for (uint32_t kind = 0; kind < TI_FAULT_KINDS; kind++) {
        if (!(kinds >> kind & 1)) {
            continue;
        }
        const uint32_t n = ti_fault_plan(of_kind, slots, (ti_fault_kind)kind, args->seed,
                                         &readings, from, slot);
        TI_ASSERT(n == slots); /* half a slot has room for the longest */
        for (uint32_t i = turn++; i < n; i += n_kinds) {
            faults[i] = of_kind[i];
        }
    }
    *n_faults = slots;
    return TERN_OK;
}

static tern_status inject(table *t, const inject_args *args, uint32_t kinds, tern_err *err)
{
    static ti_fault faults[FAULTS_MAX];
    size_t n = 0;
    ti_buf labels = {0};
    const ti_readings readings = {
        .n = (uint32_t)t->n, .interval_s = t->interval_s, .values = t->values};
    TI_TRY(draw(faults, &n, t, args, kinds, err));
    for (size_t i = 0; i < n; i++) {
        ti_fault_apply(t->values, &readings, &faults[i]);
    }
    if (args->labels) {
        ti_buf_adds(&labels, args->labels);
    } else {
        ti_buf_addf(&labels, "%s.labels.csv", args->output);
    }
    tern_status status = labels.failed ? ti_fail_nomem(err, "inject", labels.len, "a path")
                                       : write_rows(t, t->values, args->output, err);
    if (status == TERN_OK) {
        status = write_labels(t, faults, n, labels.data, err);
    }
    if (status == TERN_OK) {
        ti_note("%zu faults in %zu readings, labels in %s", n, t->n, labels.data);
    }
    ti_buf_free(&labels);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const inject_args *args = values;
    ti_edge_input in = {0};
    table t = {0};
    uint32_t kinds;
    if (!args->output) {
        return ti_fail(err, TERN_USAGE, "inject", TI_NO_OFFSET, "-o FILE is missing");
    }
    TI_TRY(read_kinds(&kinds, args->kinds, err));
    ti_interrupt_catch();
    ti_edge_input_args how = args->input;
    how.keep = true;
    tern_status status = ti_edge_input_open(&in, given->items[0], &how, err);
    if (status == TERN_OK) {
        status = load(&t, &in, err);
    }
    if (status == TERN_OK) {
        status = inject(&t, args, kinds, err);
    }
    ti_edge_input_close(&in);
    ti_buf_free(&t.text);
    free(t.rows);
    free(t.values);
    return status;
}

const ti_command ti_cmd_edge_inject = {
    .name = "edge inject",
    .summary = "put faults of meters into good readings, for trials",
    .description =
        "Writes the readings again with faults in them, and a CSV that says where: kind, "
        "begin, "
        "end, number of the first reading (from 0), readings, amount.  Kinds are theft (a part "
        "of 0.3 to 0.7 is not counted, 14 days), stuck (the reading before, 2 days), phase (a "
        "part of 0.28 to 0.38, 3 days), drift (growing to 0.3 to 0.6 in 28 days) and spike "
        "(one "
        "reading, higher by 2 to 6 times what one in a hundred readings is over).\n\n"
        "Kinds take turns; each fault has its own part of the time, at least 56 days, and "
        "begins in the first half of it.  Lines keep everything but a reading's value.  No "
        "openly "
        "licensed set of labelled faults of real meters is known to this project: so a trial "
        "is "
        "a series, a seed and this command.",
    .examples = "tern edge inject house.csv --value 2 --kinds spike --after 0 -o faulty.csv\n"
                "tern edge run --value 2 --alarms faulty.csv",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
