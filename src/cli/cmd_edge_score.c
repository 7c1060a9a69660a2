/* SPDX-License-Identifier: Apache-2.0 */
/* tern edge score: how good the detectors of edge/ are, on labelled series and on made faults.
 */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/edge_input.h"
#include "cli/out.h"
#include "device/compare.h"
#include "device/nab_data.h"

static const char MODULE[] = "edge";

typedef struct score_args {
    ti_edge_input_args input;
    const char *nab, *results;
    uint32_t interval, repeat;
    bool json;
} score_args;

static const score_args defaults = {.repeat = 10};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "nab",
     .metavar = "DIR",
     .help = "score on the Numenta Anomaly Benchmark, which lies here (labels/ and data/)",
     .words = TI_WORDS_FILE,
     .offset = offsetof(score_args, nab)},
    {.type = TI_OPT_STR,
     .name = "results",
     .metavar = "DIR",
     .help = "with --nab: score these results of another detector (DIR/FOLDER/NAME_FILE)",
     .words = TI_WORDS_FILE,
     .offset = offsetof(score_args, results)},
    {.type = TI_OPT_U32,
     .name = "repeat",
     .metavar = "N",
     .help = "how often faults are drawn anew",
     .min = 1,
     .max = 1000,
     .offset = offsetof(score_args, repeat)},
    {.type = TI_OPT_U32,
     .name = "interval",
     .metavar = "S",
     .help = "seconds from reading to reading; divides an hour",
     .fallback = "the difference that occurs most among the first rows",
     .max = 3600,
     .offset = offsetof(score_args, interval)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.edge-score/1",
     .offset = offsetof(score_args, json)},
    TI_OPTS_EDGE_INPUT(score_args, input),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "CSV",
     .help = "readings without faults, or - for standard input",
     .words = TI_WORDS_FILE,
     .optional = true},
    {0},
};

static tern_status print_out(ti_buf *out, bool json, tern_err *err)
{
    tern_status status = TERN_OK;
    if (json) {
        ti_json_close(out, '}');
        status = ti_print_json(out, err);
    } else {
        ti_print(out->failed ? "" : out->data);
        status = out->failed ? ti_fail_nomem(err, MODULE, out->len, "text") : TERN_OK;
    }
    ti_buf_free(out);
    return status;
}

/* ------------------------------------------------------------------------ benchmark */

static tern_status add_series(ti_nab *nab, const ti_nab_set *set, const char *results,
                              tern_err *err)
{
    tern_status status = TERN_OK;
    for (uint32_t i = 0; i < set->n && status == TERN_OK; i++) {
        const ti_nab_series *s = &set->series[i];
        double *scores = ti_calloc((size_t)s->n_rows + 1, sizeof *scores);
        if (!scores) {
            return ti_fail_nomem(err, MODULE, s->n_rows * sizeof *scores, "scores");
        }
        if (results) {
            status = ti_nab_results_read(scores, results, s, err);
        } else {
            ti_nab_watch(scores, s);
        }
        if (status == TERN_OK) {
            status = ti_nab_add(nab, scores, s->n_rows, s->windows, s->n_windows, err);
        }
        free(scores);
    }
    return status;
}

static tern_status print_nab(ti_nab *nab, uint32_t n_series, bool json, tern_err *err)
{
    ti_buf out = {0};
    if (json) {
        ti_json_open(&out, NULL, '{');
        ti_json_str(&out, "schema", "tern.edge-score/1");
        ti_json_uint(&out, "series", n_series);
        ti_json_uint(&out, "windows", nab->n_windows);
        ti_json_open(&out, "profiles", '{');
    } else {
        ti_buf_addf(&out, "# %u series, %u windows\n", n_series, nab->n_windows);
        ti_buf_adds(&out, "# profile                score   threshold  found  false alarms\n");
    }
    tern_status status = TERN_OK;
    for (uint32_t p = 0; p < TI_NAB_PROFILES && status == TERN_OK; p++) {
        ti_nab_result r;
        const char *name = ti_nab_profiles[p].name;
        status = ti_nab_best(&r, nab, &ti_nab_profiles[p], err);
        if (status != TERN_OK) {
            break;
        }
        if (json) {
            ti_json_open(&out, name, '{');
            ti_json_num(&out, "score", r.score, 9);
            if (isfinite(r.threshold)) {
                ti_json_num(&out, "threshold", r.threshold, 9);
            }
            ti_json_uint(&out, "found", r.found);
            ti_json_uint(&out, "false_alarms", r.alarms);
            ti_json_close(&out, '}');
        } else {
            ti_buf_addf(&out, "%-20s %9.4f %11.6g %6u %13u\n", name, r.score, r.threshold,
                        r.found, r.alarms);
        }
    }
    if (status != TERN_OK) {
        ti_buf_free(&out);
        return status;
    }
    if (json) {
        ti_json_close(&out, '}');
    }
    return print_out(&out, json, err);
}

static tern_status score_nab(const score_args *args, tern_err *err)
{
    ti_nab_set set = {0};
    ti_nab nab = {0};
    tern_status status = ti_nab_set_read(&set, args->nab, err);
    if (status == TERN_OK) {
        status = add_series(&nab, &set, args->results, err);
    }
    if (status == TERN_OK) {
        status = print_nab(&nab, set.n, args->json, err);
    }
    ti_nab_free(&nab);
    ti_nab_set_free(&set);
    return status;
}

/* --------------------------------------------------------------------------- faults */

/* Rows of a file; those that are not after the one before are left out. */
typedef struct rows {
    uint32_t *time_s;
    double *values;
    size_t n, room;
    uint32_t left_out;
} rows;

static tern_status add_row(rows *r, const ti_csv_row *row, tern_err *err)
{
    const uint32_t time_s = ti_reading_time(row);
    if (r->n > 0 && time_s <= r->time_s[r->n - 1]) {
        r->left_out++;
        return TERN_OK;
    }
    if (r->n == r->room) {
        const size_t room = r->room ? 2 * r->room : 4096;
        uint32_t *times = room > UINT32_MAX / sizeof *r->values
                              ? NULL
                              : realloc(r->time_s, room * sizeof *times);
        r->time_s = times ? times : r->time_s;
        double *values = times ? realloc(r->values, room * sizeof *values) : NULL;
        r->values = values ? values : r->values;
        if (!values) {
            return ti_fail_nomem(err, MODULE, room * sizeof *values, "readings");
        }
        r->room = room;
    }
    r->time_s[r->n] = time_s;
    r->values[r->n++] = row->missing ? (double)NAN : row->value;
    return TERN_OK;
}

static tern_status read_rows(rows *r, uint32_t *interval_s, const score_args *args,
                             const char *file, tern_err *err)
{
    ti_edge_input in = {0};
    bool more = true;
    ti_settings settings;
    ti_edge_set_args set = TI_EDGE_SET_UNSET;
    set.interval = args->interval ? args->interval : UINT32_MAX;
    ti_settings_default(&settings);
    tern_status status = ti_edge_input_open(&in, file, &args->input, err);
    if (status == TERN_OK) {
        status = ti_edge_set(&settings, &set, &in, true, err);
    }
    while (status == TERN_OK) {
        ti_csv_row row;
        status = ti_edge_input_next(&in, &row, &more, err);
        if (status != TERN_OK || !more) {
            break;
        }
        status = add_row(r, &row, err);
    }
    *interval_s = settings.config.interval_s;
    ti_edge_input_close(&in);
    return status;
}

static void add_found_json(ti_buf *out, const char *name, const ti_found *f)
{
    ti_json_open(out, name, '{');
    ti_json_uint(out, "faults", f->faults);
    ti_json_uint(out, "found", f->found);
    ti_json_uint(out, "false_alarms", f->false_alarms);
    ti_json_uint(out, "days", f->days);
    if (f->found) {
        ti_json_num(out, "delay_h", f->delay_h, 9);
    }
    ti_json_num(out, "chance", f->chance, 9);
    ti_json_close(out, '}');
}

static void add_found_text(ti_buf *out, const ti_found *f)
{
    const uint32_t alarms = f->found + f->false_alarms;
    if (f->faults == 0) {
        ti_buf_adds(out, "  -    -      -");
        return;
    }
    ti_buf_addf(out, " %4.2f", (double)f->found / f->faults);
    if (f->found) {
        ti_buf_addf(out, " %4.2f %5.0f", (double)f->found / alarms, f->delay_h);
    } else {
        ti_buf_adds(out, "    -     -");
    }
}

static void add_comparison(ti_buf *out, const ti_comparison *c, bool json)
{
    for (ti_contender d = 0; d < TI_CONTENDERS; d++) {
        if (json) {
            ti_json_open(out, ti_contender_names[d], '{');
            ti_json_num(out, "threshold", c->thresholds[d], 9);
            ti_json_uint(out, "clean_alarms", c->clean_alarms[d]);
        } else {
            ti_buf_addf(out, "%-13s", ti_contender_names[d]);
        }
        for (ti_fault_kind k = 0; k < TI_FAULT_KINDS; k++) {
            if (json) {
                add_found_json(out, ti_fault_names[k], &c->found[d][k]);
            } else {
                add_found_text(out, &c->found[d][k]);
            }
        }
        if (json) {
            ti_json_close(out, '}');
        } else {
            ti_buf_adds(out, "\n");
        }
    }
}

static tern_status print_comparison(const ti_comparison *c, bool json, tern_err *err)
{
    ti_buf out = {0};
    if (json) {
        ti_json_open(&out, NULL, '{');
        ti_json_str(&out, "schema", "tern.edge-score/1");
        ti_json_uint(&out, "clean_days", c->clean_days);
        ti_json_open(&out, "detectors", '{');
    } else {
        ti_buf_addf(&out,
                    "# recall, precision, median delay in hours; at one false alarm in 30 days "
                    "of %u without faults\n#            ",
                    c->clean_days);
        for (ti_fault_kind k = 0; k < TI_FAULT_KINDS; k++) {
            ti_buf_addf(&out, k + 1 < TI_FAULT_KINDS ? " %-15s" : " %s", ti_fault_names[k]);
        }
        ti_buf_adds(&out, "\n");
    }
    add_comparison(&out, c, json);
    if (json) {
        ti_json_close(&out, '}');
    } else {
        ti_buf_adds(&out, "at random    ");
        for (ti_fault_kind k = 0; k < TI_FAULT_KINDS; k++) {
            ti_buf_addf(&out, " %4.2f    -     -", c->found[0][k].chance);
        }
        ti_buf_adds(&out, "\n");
    }
    return print_out(&out, json, err);
}

static tern_status score_faults(const score_args *args, const char *file, tern_err *err)
{
    rows r = {0};
    uint32_t interval_s = 0;
    ti_comparison comparison;
    tern_status status = read_rows(&r, &interval_s, args, file, err);
    if (status == TERN_OK) {
        ti_note("%zu readings, one in %u s; %u left out that were not after the one before",
                r.n, interval_s, r.left_out);
        const ti_readings readings = {.n = (uint32_t)r.n,
                                      .interval_s = interval_s,
                                      .time_s = r.time_s,
                                      .values = r.values};
        status = ti_compare(&comparison, &readings, args->repeat, err);
    }
    if (status == TERN_OK) {
        status = print_comparison(&comparison, args->json, err);
    }
    free(r.time_s);
    free(r.values);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const score_args *args = values;
    ti_interrupt_catch();
    if ((args->nab != NULL) == (given->n > 0)) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                       "either a file of readings or --nab DIR is wanted");
    }
    if (args->results && !args->nab) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET, "--results needs --nab");
    }
    return args->nab ? score_nab(args, err) : score_faults(args, given->items[0], err);
}

const ti_command ti_cmd_edge_score = {
    .name = "edge score",
    .summary = "measure the detectors of the firmware on labelled series, or on made faults",
    .description =
        "With --nab, gives all series of the Numenta Anomaly Benchmark to the watch of the "
        "core, with one setting, and prints the benchmark's scores: 0 is a detector that finds "
        "nothing, 100 one that finds everything at once; the threshold is the best for all "
        "series together, as the benchmark has it.  With --results it scores files of another "
        "detector instead.\n\n"
        "With a CSV of readings that are believed to have no faults, puts faults into them "
        "(theft, a stuck register, a lost phase, drift, spikes: one in eight weeks, drawn by "
        "a fixed seed) and prints for each kind how many are found (recall), which share of "
        "alarms is right (precision) and after how many hours.  Each detector has the least "
        "threshold with which it alarms at most once in 30 days of the readings as they are.  "
        "The last line is what alarms at random would find.",
    .examples = "tern edge score --nab NAB\n"
                "tern edge score --nab NAB --results NAB/results/numenta\n"
                "tern edge score --value Global_active_power house.csv",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
