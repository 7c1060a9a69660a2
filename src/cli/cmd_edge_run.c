/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/edge_input.h"
#include "cli/edge_records.h"
#include "cli/out.h"

typedef struct run_args {
    ti_edge_input_args input;
    ti_edge_set_args set;
    const char *model, *records, *key, *device;
    bool alarms, json;
} run_args;

static const run_args defaults = {.set = TI_EDGE_SET_UNSET, .device = "tern"};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "model",
     .letter = 'm',
     .metavar = "MODEL",
     .help = "settings and network of this file, which tern edge fit wrote",
     .words = TI_WORDS_FILE,
     .offset = offsetof(run_args, model)},
    {.type = TI_OPT_FLAG,
     .name = "alarms",
     .letter = 'a',
     .help = "print only the readings at which an event begins",
     .offset = offsetof(run_args, alarms)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print a JSON document a line, schema tern.edge-reading/1",
     .offset = offsetof(run_args, json)},
    {.type = TI_OPT_HEADING, .help = "Signed readings"},
    {.type = TI_OPT_STR,
     .name = "records",
     .metavar = "FILE",
     .help =
         "write a signed record for each reading, as a device would, or go on with a file of "
         "them; needs --key",
     .words = TI_WORDS_FILE,
     .offset = offsetof(run_args, records)},
    {.type = TI_OPT_STR,
     .name = "key",
     .letter = 'k',
     .metavar = "FILE",
     .help = "the secret key that signs them; made if it is not there",
     .words = TI_WORDS_FILE,
     .offset = offsetof(run_args, key)},
    {.type = TI_OPT_STR,
     .name = "device",
     .metavar = "NAME",
     .help = "the device's name in them, at most 16 bytes",
     .offset = offsetof(run_args, device)},
    TI_OPTS_EDGE_INPUT(run_args, input),
    TI_OPTS_EDGE_SET(run_args, set, "see DESCRIPTION"),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "CSV", .help = "a file, or - for standard input", .words = TI_WORDS_FILE},
    {0},
};

/* What came by, for the line at the end. */
typedef struct counts {
    uint64_t rows, refused, alarms;
} counts;

/* "gap alarm", or "-" for nothing. */
static void add_words(ti_buf *out, uint32_t status)
{
    size_t before = out->len;
    for (size_t bit = 0; ti_status_word(bit); bit++) {
        if (status >> bit & 1) {
            ti_buf_addf(out, "%s%s", out->len > before ? " " : "", ti_status_word(bit));
        }
    }
    ti_buf_adds(out, status ? "" : "-");
}

/* Sixteenths are exact in four digits. */
static void add_text(ti_buf *out, const ti_csv_row *row, int32_t reading,
                     const struct tern_edge_result *r)
{
    ti_when_text(out, &row->when);
    if (reading == TERN_EDGE_MISSING) {
        ti_buf_adds(out, "          -");
    } else {
        ti_buf_addf(out, " %10d", reading);
    }
    ti_buf_addf(out, " %9.4f %9.4f  ", r->score / (double)TERN_EDGE_UNIT,
                r->threshold / (double)TERN_EDGE_UNIT);
    add_words(out, r->status);
    ti_buf_addc(out, '\n');
}

static void add_json(ti_buf *out, const ti_csv_row *row, int32_t reading,
                     const struct tern_edge_result *r)
{
    ti_buf when = {0};
    ti_when_text(&when, &row->when);
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "schema", "tern.edge-reading/1");
    ti_json_uint(out, "line", row->line);
    ti_json_str(out, "time", when.data ? when.data : "");
    if (reading != TERN_EDGE_MISSING) {
        ti_json_int(out, "reading", reading);
    }
    ti_json_num(out, "score", r->score / (double)TERN_EDGE_UNIT, 9);
    ti_json_num(out, "threshold", r->threshold / (double)TERN_EDGE_UNIT, 9);
    ti_json_num(out, "z", r->z / (double)TERN_EDGE_UNIT, 9);
    ti_json_num(out, "predicted", r->predicted / (double)TERN_EDGE_UNIT, 9);
    ti_json_open(out, "status", '[');
    for (size_t bit = 0; ti_status_word(bit); bit++) {
        if (r->status >> bit & 1) {
            ti_json_str(out, NULL, ti_status_word(bit));
        }
    }
    ti_json_close(out, ']');
    ti_json_close(out, '}');
    ti_buf_addc(out, '\n');
    out->failed = out->failed || when.failed;
    ti_buf_free(&when);
}

static tern_status one(struct tern_edge_meter *meter, const ti_csv_row *row, double scale,
                       const run_args *args, counts *n, ti_edge_records *records, ti_buf *line,
                       tern_err *err)
{
    struct tern_edge_result result;
    const int32_t reading = ti_reading_of(row, scale);
    tern_edge_meter_step(meter, ti_reading_time(row), reading, &result);
    n->rows++;
    n->refused += (result.status & TERN_EDGE_REFUSED) != 0;
    n->alarms += (result.status & TERN_EDGE_ALARM) != 0;
    if (args->records) {
        TI_TRY(ti_edge_records_add(records, row, reading, &result, err));
    }
    if (args->alarms && !(result.status & TERN_EDGE_ALARM)) {
        return TERN_OK;
    }
    ti_buf_clear(line);
    if (args->json) {
        add_json(line, row, reading, &result);
    } else {
        add_text(line, row, reading, &result);
    }
    if (line->failed) {
        return ti_fail_nomem(err, "edge", line->len, "a line");
    }
    ti_print(line->data);
    return TERN_OK;
}

static tern_status stream(ti_edge_input *in, struct tern_edge_meter *meter, double scale,
                          const run_args *args, counts *n, ti_edge_records *records,
                          tern_err *err)
{
    ti_buf line = {0};
    bool more = true;
    tern_status status = TERN_OK;
    if (!args->json) {
        ti_print("# time                   reading     score threshold  status\n");
    }
    while (status == TERN_OK) {
        ti_csv_row row;
        status = ti_edge_input_next(in, &row, &more, err);
        if (status != TERN_OK || !more) {
            break;
        }
        status = one(meter, &row, scale, args, n, records, &line, err);
        if (status == TERN_OK && in->stream == stdin) {
            status = ti_out_finish(err); /* whoever sends readings waits for the answer */
        }
    }
    ti_buf_free(&line);
    return status;
}

static tern_status detect(ti_edge_input *in, const ti_device_model *model, const run_args *args,
                          tern_err *err)
{
    ti_detector detector;
    counts n = {0};
    ti_edge_records records = {0};
    TI_TRY(
        ti_detector_begin(&detector, &model->settings.config, ti_device_model_net(model), err));
    ti_note("column '%s', times %g; a reading every %u s", ti_csv_value_name(in->csv),
            model->settings.scale, model->settings.config.interval_s);
    tern_status status = args->records ? ti_edge_records_open(&records, args->records,
                                                              args->key, args->device, err)
                                       : TERN_OK;
    if (status == TERN_OK) {
        status = stream(in, &detector.meter, model->settings.scale, args, &n, &records, err);
    }
    ti_detector_free(&detector);
    tern_status closed =
        ti_edge_records_close(&records, status == TERN_OK, status == TERN_OK ? err : NULL);
    status = status == TERN_OK ? closed : status;
    if (status == TERN_OK) {
        ti_note("%llu readings, %llu refused, %llu alarms", (unsigned long long)n.rows,
                (unsigned long long)n.refused, (unsigned long long)n.alarms);
    }
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const run_args *args = values;
    ti_edge_input in = {0};
    ti_device_model model = {0};
    ti_edge_input_args input = args->input;
    tern_status status = TERN_OK;
    if (!args->records != !args->key) {
        return ti_fail(err, TERN_USAGE, "edge", TI_NO_OFFSET,
                       "--records and --key go together");
    }
    ti_interrupt_catch();
    ti_settings_default(&model.settings);
    if (args->model) {
        TI_TRY(ti_edge_model_load(&model, args->model, err));
        input.fitted = model.column;
    }
    status = ti_edge_input_open(&in, given->items[0], &input, err);
    if (status == TERN_OK) {
        status = ti_edge_set(&model.settings, &args->set, &in, !args->model, err);
    }
    if (status == TERN_OK) {
        status = detect(&in, &model, args, err);
    }
    ti_edge_input_close(&in);
    ti_device_model_free(&model);
    return status;
}

const ti_command ti_cmd_edge_run = {
    .name = "edge run",
    .summary = "score readings with the detector of the firmware",
    .description =
        "Reads rows of a CSV one after the other and prints, for each, what the detector says: "
        "its score in mean deviations of that hour, the threshold, and words: missing, "
        "saturated, negative, out-of-order, frozen (the reading was not used), gap, "
        "warming-up, "
        "alarm.  The first readings only teach.  Nothing is looked up ahead: what is printed "
        "for a row depends on the rows up to it.\n\n"
        "Interval and scale come from the first 64 rows unless they are given: the scale is "
        "the "
        "power of ten that brings their largest value to four digits.  Unasked are one false "
        "alarm a month, two weeks to warm up, a day to an event and for readings that stay the "
        "same; a full scale of 16,777,215, a smallest deviation of 160 sixteenths and adapt "
        "4.\n\n"
        "A file that cannot be read as a table of moments and numbers is an error that names "
        "line and column; a reading that is missing or impossible is a word in the output.",
    .examples = "tern edge run meter.csv\n"
                "tern edge run --value Global_active_power --alarms house.csv\n"
                "tail -f meter.csv | tern edge run --interval 900 --scale 1000 --json -",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run,
};
