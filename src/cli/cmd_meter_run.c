/* SPDX-License-Identifier: Apache-2.0 */
/* tern meter -- COMMAND.
 *
 * Where a meter works, its counters are read before and after (and in between, so that no wrap
 * is missed).  Where none does, the model goes by the CPU time that the kernel reports when the
 * command has ended: that of all its processes, and of nothing else on the machine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/metering.h"
#include "cli/out.h"
#include "cli/spawn.h"
#include "energy/units.h"

enum { REPEAT_MAX = 1000 };

const ti_meter_run_args ti_meter_run_defaults = {.metering = TI_METERING_DEFAULT, .repeat = 1};

const ti_opt ti_meter_run_opts[] = {
    {.type = TI_OPT_U32,
     .name = "repeat",
     .letter = 'r',
     .metavar = "N",
     .help = "run it N times; the report has the median and the spread",
     .min = 1,
     .max = REPEAT_MAX,
     .offset = offsetof(ti_meter_run_args, repeat)},
    {.type = TI_OPT_STR,
     .name = "output",
     .letter = 'o',
     .metavar = "FILE",
     .help = "write the report to FILE; - is standard output",
     .fallback = "standard error",
     .words = TI_WORDS_FILE,
     .offset = offsetof(ti_meter_run_args, output)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "make the report one JSON document, schema tern.meter/1",
     .offset = offsetof(ti_meter_run_args, json)},
    TI_OPTS_METERING(ti_meter_run_args, metering),
    {.help = "Grams"},
    TI_OPTS_GRAMS(ti_meter_run_args, grams),
    TI_OPTS_EMBODIED(ti_meter_run_args, embodied),
    {0},
};

const ti_operand ti_meter_run_operands[] = {
    {.metavar = "COMMAND", .help = "the program to run", .words = TI_WORDS_FILE},
    {.metavar = "ARG",
     .help = "its arguments",
     .words = TI_WORDS_FILE,
     .optional = true,
     .repeated = true},
    {0},
};

/* What is counted of a run, in this order; `total` is the meters' whole difference. */
typedef enum quantity { TOTAL = 0, WORK, IDLE, TIME, CPU, QUANTITIES } quantity;

static const char *const keys[QUANTITIES] = {"total_uj", "energy_uj", "idle_uj", "time_ns",
                                             "cpu_ns"};

typedef struct one_run {
    uint64_t value[QUANTITIES];
    uint32_t flags;
    ti_spawned spawned;
} one_run;

typedef struct series {
    const ti_meter_run_args *args;
    char **command; /* [n_words], and NULL after them */
    int n_words;
    ti_energy *energy;
    one_run *runs; /* [args->repeat] */
    size_t n_runs;
    uint64_t low[QUANTITIES], median[QUANTITIES], high[QUANTITIES];
    ti_grams grams;
    ti_footprint carbon; /* of the median total; both only with a grid */
    bool has_sci;        /* a market-based intensity has none */
    ti_sci sci;          /* of a run */
} series;

/* --- running --------------------------------------------------------------------------------
 */

static tern_status run_once(series *s, one_run *r, tern_err *err)
{
    ti_energy_figure figure;
    uint32_t id;
    TI_TRY(ti_energy_begin(s->energy, &id, err));
    tern_status status = ti_spawn(&r->spawned, s->command, err);
    ti_energy_end(s->energy, id, &figure);
    if (status != TERN_OK) {
        return status;
    }
    const ti_power_model *model = ti_energy_model(s->energy);
    r->value[WORK] = figure.energy_uj;
    r->value[IDLE] = figure.idle_uj;
    if (model) {
        ti_power_energy(model, r->spawned.cpu_ns, figure.time_ns, &r->value[WORK],
                        &r->value[IDLE]);
    }
    r->flags = figure.flags;
    r->value[TOTAL] = r->value[WORK] + r->value[IDLE];
    r->value[TIME] = figure.time_ns;
    r->value[CPU] = r->spawned.cpu_ns;
    return TERN_OK;
}

/* The first run that does not succeed is the last. */
static tern_status run_all(series *s, tern_err *err)
{
    for (s->n_runs = 0; s->n_runs < s->args->repeat;) {
        one_run *r = &s->runs[s->n_runs];
        tern_status status = run_once(s, r, err);
        if (status != TERN_OK || r->spawned.exit_code != 0) {
            ti_exit_with(r->spawned.exit_code);
        }
        TI_TRY(status);
        s->n_runs++;
        if (r->spawned.exit_code != 0) {
            break;
        }
    }
    return TERN_OK;
}

static int compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static tern_status summarise(series *s, tern_err *err)
{
    uint64_t *sorted = ti_calloc(s->n_runs, sizeof *sorted);
    if (!sorted) {
        return ti_fail_nomem(err, "meter", s->n_runs * sizeof *sorted, "figures");
    }
    size_t n = s->n_runs;
    for (size_t q = 0; q < QUANTITIES; q++) {
        for (size_t i = 0; i < n; i++) {
            sorted[i] = s->runs[i].value[q];
        }
        qsort(sorted, n, sizeof *sorted, compare);
        uint64_t a = sorted[(n - 1) / 2], b = sorted[n / 2];
        s->median[q] = a + (b - a) / 2;
        s->low[q] = sorted[0];
        s->high[q] = sorted[n - 1];
    }
    free(sorted);
    return TERN_OK;
}

/* Grams and score of a run, where a grid was said.  All of the energy counts, also what is
 * drawn anyway: ISO/IEC 21031 wants the idle share in. */
static tern_status account(series *s, tern_err *err)
{
    const ti_per run = {.kind = TI_PER_RUN, .n_milli = 1000};
    uint64_t embodied_ug;
    bool given;
    if (!s->grams.row) {
        return TERN_OK;
    }
    TI_TRY(ti_grams_of(&s->carbon, &s->grams, s->median[TOTAL], err));
    TI_TRY(ti_embodied_of(&embodied_ug, &given, &s->args->embodied, s->median[TIME], err));
    ti_carbon operational = ti_footprint_carbon(&s->carbon);
    if (operational.basis.method == TI_MARKET) {
        return TERN_OK;
    }
    s->has_sci = true;
    return ti_sci_of(&s->sci, &operational, embodied_ug, run, err);
}

/* What can be wrong with the words about grams, before anything is run. */
static tern_status check_grams(series *s, tern_err *err)
{
    uint64_t embodied_ug;
    bool given;
    TI_TRY(ti_grams_open(&s->grams, &s->args->grams, err));
    TI_TRY(ti_embodied_of(&embodied_ug, &given, &s->args->embodied, 0, err));
    if (given && !s->grams.row) {
        ti_hint(TI_GRAMS_HINT);
        return ti_fail(err, TERN_USAGE, "carbon", TI_NO_OFFSET, "a score needs a grid");
    }
    return TERN_OK;
}

/* --- lines ----------------------------------------------------------------------------------
 */

static void add_line(ti_buf *out, const series *s, const char *name, quantity q,
                     const char *(*format)(char *, uint64_t), const char *remark)
{
    char text[3][TI_FIGURE_MAX];
    ti_buf_addf(out, "  %-8s %12s", name, format(text[0], s->median[q]));
    if (s->n_runs > 1) {
        ti_buf_addf(out, "   %s .. %s", format(text[1], s->low[q]),
                    format(text[2], s->high[q]));
    }
    ti_buf_addf(out, "%s%s\n", *remark ? "   " : "", remark);
}

static void add_grams(ti_buf *out, const series *s)
{
    char text[TI_FOOTPRINT_TEXT];
    if (!s->grams.row) {
        ti_buf_adds(out, "  carbon   no grid was said (--zone, TERN_ZONE)\n");
        return;
    }
    ti_buf_addf(out, "  carbon   %s\n", ti_footprint_text(text, &s->carbon));
    if (s->has_sci) {
        ti_buf_adds(out, "  score    ");
        ti_add_sci(out, &s->sci);
        ti_buf_addc(out, '\n');
    }
}

static void add_lines(ti_buf *out, const series *s)
{
    const ti_energy_source *source = ti_energy_of(s->energy);
    char watts[TI_FIGURE_MAX];
    uint32_t flags = 0;
    for (size_t i = 0; i < s->n_runs; i++) {
        flags |= s->runs[i].flags;
    }
    ti_buf_addf(out, "%s", s->n_runs > 1 ? "  median of " : "");
    if (s->n_runs > 1) {
        ti_buf_addf(out, "%zu runs, and the range\n", s->n_runs);
    }
    add_line(out, s, "energy", TOTAL, ti_human_joules, "");
    add_line(out, s, " added", WORK, ti_human_joules,
             source->idle_known ? "above idle" : "idle is not known: all of it");
    add_line(out, s, " idle", IDLE, ti_human_joules,
             source->idle_known ? "drawn anyway" : "not known");
    ti_buf_addf(out, "  %-8s %12s   mean\n", "power",
                ti_human_watts(watts, ti_power_uw_of(s->median[TOTAL], s->median[TIME])));
    add_line(out, s, "time", TIME, ti_human_seconds, "");
    add_line(out, s, "cpu", CPU, ti_human_seconds, "");
    ti_buf_adds(out, "  evidence ");
    ti_add_evidence(out, source);
    ti_buf_addc(out, '\n');
    add_grams(out, s);
    if (source->n_denied > 0) {
        ti_buf_addf(out,
                    "  note     %zu meter%s may not be read: 'tern meter list' says what "
                    "would change it\n",
                    source->n_denied, source->n_denied > 1 ? "s" : "");
    }
    if (flags & ~(uint32_t)TI_ENERGY_NO_IDLE) {
        char words[128];
        ti_buf_addf(out, "  flags    %s\n", ti_energy_flags_text(words, sizeof words, flags));
    }
}

/* --- JSON -----------------------------------------------------------------------------------
 */

static void json_values(ti_buf *json, const char *key, const uint64_t *value)
{
    ti_json_open(json, key, '{');
    for (size_t q = 0; q < QUANTITIES; q++) {
        ti_json_uint(json, keys[q], value[q]);
    }
    ti_json_close(json, '}');
}

static void json_run(ti_buf *json, const one_run *r)
{
    ti_json_open(json, NULL, '{');
    for (size_t q = 0; q < QUANTITIES; q++) {
        ti_json_uint(json, keys[q], r->value[q]);
    }
    ti_json_energy_flags(json, "flags", r->flags);
    ti_json_int(json, "exit_code", r->spawned.exit_code);
    ti_json_int(json, "signal", r->spawned.signal);
    ti_json_close(json, '}');
}

static void add_document(ti_buf *json, const series *s)
{
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "schema", "tern.meter/1");
    ti_json_open(json, "command", '[');
    for (int i = 0; i < s->n_words; i++) {
        ti_json_str(json, NULL, s->command[i]);
    }
    ti_json_close(json, ']');
    ti_json_energy_source(json, "source", ti_energy_of(s->energy));
    ti_json_open(json, "runs", '[');
    for (size_t i = 0; i < s->n_runs; i++) {
        json_run(json, &s->runs[i]);
    }
    ti_json_close(json, ']');
    json_values(json, "median", s->median);
    json_values(json, "min", s->low);
    json_values(json, "max", s->high);
    if (s->grams.row) {
        ti_json_footprint(json, "carbon", &s->carbon);
        if (s->has_sci) {
            ti_json_sci(json, "sci", &s->sci);
        }
    }
    ti_json_close(json, '}');
    ti_buf_addc(json, '\n');
}

/* --- the report -----------------------------------------------------------------------------
 */

static tern_status write_report(const series *s, tern_err *err)
{
    const char *path = s->args->output;
    ti_buf text = {0};
    tern_status status = TERN_OK;
    if (s->args->json) {
        add_document(&text, s);
    } else {
        add_lines(&text, s);
    }
    if (text.failed) {
        ti_buf_free(&text);
        return ti_fail_nomem(err, "meter", 0, "the report");
    }
    if (path && strcmp(path, "-") == 0) {
        ti_print(text.data);
    } else {
        FILE *f = path ? fopen(path, "we") : stderr;
        bool written = f && fwrite(text.data, 1, text.len, f) == text.len;
        bool closed = !f || !path || fclose(f) == 0;
        if (!written || !closed) {
            status = ti_fail_errno(err, errno, "meter", "cannot write '%s'",
                                   path ? path : "the report");
        }
    }
    ti_buf_free(&text);
    return status;
}

tern_status ti_meter_run(const void *values, const ti_operands *given, tern_err *err)
{
    series s = {.args = values, .n_words = given->n};
    /* The words are argv's own; a NULL must follow them, and argv's has been shifted. */
    s.command = ti_calloc((size_t)given->n + 1, sizeof *s.command);
    s.runs = ti_calloc(s.args->repeat, sizeof *s.runs);
    tern_status status = TERN_OK;
    if (!s.command || !s.runs) {
        status = ti_fail_nomem(err, "meter", s.args->repeat * sizeof *s.runs, "figures");
        goto out;
    }
    memcpy(s.command, given->items, (size_t)given->n * sizeof *s.command);
    status = check_grams(&s, err);
    if (status != TERN_OK) {
        goto out;
    }
    status =
        ti_metering_open(&s.energy, &s.args->metering, TI_METERING_CALIBRATED, NULL, NULL, err);
    if (status == TERN_OK) {
        status = run_all(&s, err);
    }
    if (status == TERN_OK) {
        status = summarise(&s, err);
    }
    if (status == TERN_OK) {
        status = account(&s, err);
    }
    if (status == TERN_OK) {
        status = write_report(&s, err);
    }
out:
    ti_energy_close(s.energy);
    ti_grams_close(&s.grams);
    free(s.runs);
    free(s.command);
    return status;
}
