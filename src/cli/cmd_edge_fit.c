/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cmd.h"
#include "cli/edge_input.h"
#include "cli/out.h"
#include "device/fit.h"

typedef struct fit_args {
    ti_edge_input_args input;
    ti_edge_set_args set;
    const char *output;
    bool no_network, json;
} fit_args;

static const fit_args defaults = {.set = TI_EDGE_SET_UNSET};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "output",
     .letter = 'o',
     .metavar = "MODEL",
     .help = "write the model to this file",
     .words = TI_WORDS_FILE,
     .offset = offsetof(fit_args, output)},
    {.type = TI_OPT_FLAG,
     .name = "no-network",
     .help = "settings only: the seasonal baseline is the detector",
     .offset = offsetof(fit_args, no_network)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.edge-fit/1",
     .offset = offsetof(fit_args, json)},
    TI_OPTS_EDGE_INPUT(fit_args, input),
    TI_OPTS_EDGE_SET(fit_args, set, "from the readings"),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "CSV",
     .help = "readings that are as they should be; several files in order of time",
     .words = TI_WORDS_FILE,
     .repeated = true},
    {0},
};

/* What is read before the scale is known. */
typedef struct rows {
    ti_fit_series r; /* its values come last */
    double *values;  /* NAN: missing */
    size_t cap;
} rows;

static tern_status grow(rows *in, tern_err *err)
{
    if (in->r.n < in->cap) {
        return TERN_OK;
    }
    if (in->cap >= TI_FIT_SERIES_MAX) {
        return ti_fail(err, TERN_LIMIT, "edge", TI_NO_OFFSET, "more than %d readings",
                       TI_FIT_SERIES_MAX);
    }
    const size_t n = in->cap ? in->cap * 2 : 4096;
    uint32_t *time = realloc(in->r.time, n * sizeof *time);
    if (!time) {
        return ti_fail_nomem(err, "edge", n * sizeof *time, "times");
    }
    in->r.time = time;
    double *values = realloc(in->values, n * sizeof *values);
    if (!values) {
        return ti_fail_nomem(err, "edge", n * sizeof *values, "values");
    }
    in->values = values;
    in->cap = n;
    return TERN_OK;
}

/* All rows of a file; the first one also tells interval and column. */
static tern_status add_file(rows *to, ti_device_model *model, const char *file,
                            const fit_args *args, bool first, tern_err *err)
{
    ti_edge_input in = {0};
    ti_edge_input_args how = args->input;
    ti_edge_set_args set = args->set;
    bool more = true;
    how.fitted = first ? NULL : model->column;
    set.scale = set.scale > 0 ? set.scale : 1; /* all rows tell it, not the first ones */
    tern_status status = ti_edge_input_open(&in, file, &how, err);
    if (status == TERN_OK && first) {
        memcpy(model->column, ti_csv_value_name(in.csv),
               strnlen(ti_csv_value_name(in.csv), TI_CSV_NAME - 1));
        status = ti_edge_set(&model->settings, &set, &in, true, err);
    }
    while (status == TERN_OK) {
        ti_csv_row row;
        status = ti_edge_input_next(&in, &row, &more, err);
        status = status == TERN_OK && more ? grow(to, err) : status;
        if (status != TERN_OK || !more) {
            break;
        }
        to->r.time[to->r.n] = ti_reading_time(&row);
        to->values[to->r.n++] = row.missing ? (double)NAN : row.value;
    }
    ti_edge_input_close(&in);
    return status;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What all but one in a thousand values are at most in size; 0: there is none.  So that a code
 * for a fault, say 999999, does not tell the scale. */
static tern_status usual_size(double *out, const rows *in, tern_err *err)
{
    enum { ONE_IN = 1000 };
    size_t n = 0;
    double *sizes = calloc(in->r.n + 1, sizeof *sizes);
    if (!sizes) {
        return ti_fail_nomem(err, "edge", in->r.n * sizeof *sizes, "values");
    }
    for (size_t i = 0; i < in->r.n; i++) {
        if (isfinite(in->values[i])) {
            sizes[n++] = fabs(in->values[i]);
        }
    }
    qsort(sizes, n, sizeof *sizes, by_size);
    *out = n > 0 ? sizes[n - 1 - n / ONE_IN] : 0;
    free(sizes);
    return TERN_OK;
}

/* Values become readings, by the scale that is asked for or that all of them tell. */
static tern_status scale_all(rows *in, ti_settings *settings, bool given, tern_err *err)
{
    double size;
    TI_TRY(usual_size(&size, in, err));
    if (!given && size > 0) {
        settings->scale = ti_settings_scale(size);
    }
    in->r.value = calloc(in->r.n + 1, sizeof *in->r.value);
    if (!in->r.value) {
        return ti_fail_nomem(err, "edge", in->r.n * sizeof *in->r.value, "readings");
    }
    for (size_t i = 0; i < in->r.n; i++) {
        const bool missing = !isfinite(in->values[i]);
        const ti_csv_row row = {.missing = missing, .value = missing ? 0 : in->values[i]};
        in->r.value[i] = ti_reading_of(&row, settings->scale);
    }
    return TERN_OK;
}

static tern_status write_model(const ti_device_model *model, const char *file, tern_err *err)
{
    ti_buf data = {0};
    ti_out out = {0};
    tern_status status = ti_device_model_write(&data, model, err);
    if (status == TERN_OK) {
        status = ti_out_open(&out, file, err);
    }
    if (status == TERN_OK) {
        (void)fwrite(data.data, 1, data.len, out.stream); /* commit sees the stream's error */
        status = ti_out_commit(&out, err);
    }
    ti_buf_free(&data);
    return status;
}

static void print_text(const ti_device_model *m, const ti_fit_series *r, const ti_fit_report *f)
{
    const struct tern_edge_config *c = &m->settings.config;
    ti_printf("readings      %zu, one every %u s, column '%s' times %g\n", r->n, c->interval_s,
              m->column, m->settings.scale);
    ti_printf("settings      full scale %d, smallest deviation %d/16, %u for a false alarm, %u "
              "to warm up, %u to an event, %u equal ones\n",
              c->max_value, c->min_deviation, c->budget, c->warm_up, c->hold, c->frozen_limit);
    if (f->n_fit == 0) {
        ti_printf("network       none was asked for\n");
        return;
    }
    ti_printf(
        "held out      %zu readings; mean error %.4f deviations by the seasonal baseline, "
        "%.4f with the best network\n",
        f->n_held, f->error_none, f->error_net);
    if (f->taps > 0) {
        ti_printf("network       %u rows over %u readings back\n", f->rows, f->taps);
    } else {
        ti_printf("network       none: no one was better than the baseline\n");
    }
}

static tern_status print_json(const ti_device_model *m, const ti_fit_series *r,
                              const ti_fit_report *f, tern_err *err)
{
    const struct tern_edge_config *c = &m->settings.config;
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.edge-fit/1");
    ti_json_uint(&json, "readings", r->n);
    ti_json_str(&json, "column", m->column);
    ti_json_num(&json, "scale", m->settings.scale, 9);
    ti_json_uint(&json, "interval_s", c->interval_s);
    ti_json_int(&json, "max_value", c->max_value);
    ti_json_int(&json, "min_deviation_16", c->min_deviation);
    ti_json_uint(&json, "budget", c->budget);
    ti_json_uint(&json, "warm_up", c->warm_up);
    ti_json_uint(&json, "hold", c->hold);
    ti_json_uint(&json, "frozen_limit", c->frozen_limit);
    if (f->n_fit > 0) {
        ti_json_uint(&json, "held_out", f->n_held);
        ti_json_num(&json, "error_baseline", f->error_none, 6);
        ti_json_num(&json, "error_network", f->error_net, 6);
        ti_json_uint(&json, "taps", f->taps);
        ti_json_uint(&json, "rows", f->rows);
    }
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

/* A scale that was asked for may not fit; and of readings that mostly cannot be used nothing
 * can be learnt that is worth a word less than this. */
static tern_status check_usable(const ti_settings *settings, const ti_fit_series *r,
                                tern_err *err)
{
    enum { MOST_PART = 10 };
    const struct tern_edge_config *c = &settings->config;
    size_t beyond = 0, missing = 0, negative = 0;
    for (size_t i = 0; i < r->n; i++) {
        const bool none = r->value[i] == TERN_EDGE_MISSING;
        missing += none;
        beyond += !none && abs(r->value[i]) >= c->max_value;
        negative += !none && r->value[i] < 0 && !c->two_way;
    }
    if (beyond > r->n / MOST_PART) {
        ti_hint("--scale says what readings are multiplied by");
        return ti_fail(err, TERN_NO, "edge", TI_NO_OFFSET,
                       "%zu of %zu readings, times %g, are beyond the full scale of %d", beyond,
                       r->n, settings->scale, c->max_value);
    }
    if (missing + beyond + negative > r->n / MOST_PART) {
        ti_warn(
            "of %zu readings %zu are missing, %zu beyond the full scale and %zu negative: the "
            "detector uses none of these",
            r->n, missing, beyond, negative);
    }
    return TERN_OK;
}

/* Settings from the readings, then what options say, then a network. */
static tern_status fit(ti_device_model *model, const ti_fit_series *r, ti_fit_report *report,
                       const fit_args *args, tern_err *err)
{
    ti_fit_settings(&model->settings.config, r);
    TI_TRY(ti_edge_set(&model->settings, &args->set, NULL, false, err));
    TI_TRY(check_usable(&model->settings, r, err));
    return args->no_network ? TERN_OK : ti_fit_network(model, r, report, err);
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const fit_args *args = values;
    ti_device_model model = {0};
    rows in = {0};
    ti_fit_report report = {0};
    tern_status status = TERN_OK;
    if (!args->output) {
        return ti_fail(err, TERN_USAGE, "edge", TI_NO_OFFSET, "-o MODEL is missing");
    }
    ti_interrupt_catch();
    ti_settings_default(&model.settings);
    for (int i = 0; i < given->n && status == TERN_OK; i++) {
        status = add_file(&in, &model, given->items[i], args, i == 0, err);
    }
    if (status == TERN_OK) {
        status = scale_all(&in, &model.settings, args->set.scale > 0, err);
    }
    if (status == TERN_OK) {
        status = fit(&model, &in.r, &report, args, err);
    }
    if (status == TERN_OK) {
        status = write_model(&model, args->output, err);
    }
    if (status == TERN_OK && args->json) {
        status = print_json(&model, &in.r, &report, err);
    } else if (status == TERN_OK) {
        print_text(&model, &in.r, &report);
    }
    free(in.r.time);
    free(in.r.value);
    free(in.values);
    ti_device_model_free(&model);
    return status;
}

const ti_command ti_cmd_edge_fit = {
    .name = "edge fit",
    .summary = "make a model from readings",
    .description =
        "Reads readings of a meter that are as they should be, and writes a model: settings of "
        "the detector, and a small network of ternary weights that says what the next reading "
        "will be, from the last few.\n\n"
        "The weights are a ridge regression, made ternary: nothing is trained and nothing else "
        "is needed.  Networks of several sizes are tried on the last fifth of the readings, "
        "which no regression saw; the best goes into the model, or none where none is better "
        "than the seasonal baseline alone, which the detector learns by itself on the device.",
    .examples = "tern edge fit --value Global_active_power house.csv -o house.edge\n"
                "tern edge run -m house.edge new.csv\n"
                "tern edge export house.edge -o firmware",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run,
};
