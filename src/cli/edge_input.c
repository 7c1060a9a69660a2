/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/edge_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "carbon/stamp.h"
#include "cli/moment.h"
#include "cli/out.h"

static tern_status read_stream(void *user, char *to, size_t cap, size_t *n, tern_err *err)
{
    ti_edge_input *in = user;
    if (ti_interrupted()) {
        return ti_fail(err, TERN_CANCELLED, "edge", TI_NO_OFFSET, "interrupted");
    }
    /* Not fread(), which waits for all of it: what comes through a pipe is answered then. */
    ssize_t got;
    do {
        got = read(fileno(in->stream), to, cap);
    } while (got < 0 && errno == EINTR && !ti_interrupted());
    if (got < 0) {
        return ti_fail_errno(err, errno, "edge", "cannot read the readings");
    }
    *n = (size_t)got;
    return TERN_OK;
}

tern_status ti_edge_input_open(ti_edge_input *in, const char *file,
                               const ti_edge_input_args *args, tern_err *err)
{
    const bool standard = strcmp(file, "-") == 0;
    const ti_csv_opts how = {.time = args->time,
                             .value = args->value,
                             .preferred = args->fitted,
                             .keep = args->keep,
                             .dates = (ti_dates)args->dates};
    memset(in, 0, sizeof *in);
    in->local = args->local;
    in->stream = standard ? stdin : fopen(file, "rb");
    if (!in->stream) {
        return ti_fail_errno(err, errno, "edge", "cannot open '%s'", file);
    }
    tern_status status =
        ti_csv_open(&in->csv, read_stream, in, standard ? "standard input" : file, &how, err);
    if (status == TERN_CORRUPT) {
        ti_hint("--time, --value and --dates say what the columns are");
    }
    return status;
}

/* The moment at which this machine's clock shows that; of an hour that comes twice the first
 * that is after the row before. */
static int64_t utc_of(int64_t shown_s, int64_t last_utc_s)
{
    const int32_t before = ti_local_offset(shown_s - TI_DAY_S),
                  after = ti_local_offset(shown_s + TI_DAY_S);
    const int64_t first = shown_s - (before > after ? before : after);
    const int64_t second = shown_s - (before > after ? after : before);
    const bool is_first = first + ti_local_offset(first) == shown_s;
    const bool is_second = second + ti_local_offset(second) == shown_s;
    return is_first && !(is_second && first <= last_utc_s) ? first : second;
}

static tern_status read_row(ti_edge_input *in, ti_csv_row *row, bool *more, tern_err *err)
{
    TI_TRY(ti_csv_next(in->csv, row, more, err));
    if (*more && in->local) {
        const int64_t utc_s = row->when.has_offset ? row->when.shown_s - row->when.offset_s
                                                   : utc_of(row->when.shown_s, in->last_utc_s);
        row->when.has_offset = true;
        row->when.offset_s = ti_local_offset(utc_s);
        row->when.shown_s = utc_s + row->when.offset_s;
        in->last_utc_s = utc_s;
        if (row->when.shown_s < 0 || row->when.shown_s > (int64_t)UINT32_MAX) {
            return ti_fail(err, TERN_LIMIT, "edge", TI_NO_OFFSET,
                           "line %llu is outside the years 1970 to 2105",
                           (unsigned long long)row->line);
        }
    }
    return TERN_OK;
}

tern_status ti_edge_input_next(ti_edge_input *in, ti_csv_row *row, bool *more, tern_err *err)
{
    if (in->given < in->n_first) {
        *row = in->first[in->given++];
        *more = true;
        return TERN_OK;
    }
    return read_row(in, row, more, err);
}

void ti_edge_input_close(ti_edge_input *in)
{
    ti_csv_close(in->csv);
    if (in->stream && in->stream != stdin) {
        fclose(in->stream);
    }
    memset(in, 0, sizeof *in);
}

static void take(uint32_t given, uint32_t *to)
{
    if (given != UINT32_MAX) {
        *to = given;
    }
}

static void take_short(uint32_t given, uint16_t *to)
{
    if (given != UINT32_MAX) {
        *to = (uint16_t)given; /* the table of options has the bound */
    }
}

static void take_options(struct tern_edge_config *c, const ti_edge_set_args *args)
{
    uint32_t value;
    value = (uint32_t)c->max_value;
    take(args->max, &value);
    c->max_value = (int32_t)value;
    value = (uint32_t)c->min_deviation;
    take(args->min_deviation, &value);
    c->min_deviation = (int32_t)value;
    take(args->interval, &c->interval_s);
    take(args->budget, &c->budget);
    take_short(args->frozen, &c->frozen_limit);
    take_short(args->warm_up, &c->warm_up);
    take_short(args->hold, &c->hold);
    if (args->adapt != UINT32_MAX) {
        c->adapt = (uint8_t)args->adapt;
    }
    if (args->two_way) {
        c->two_way = 1;
    }
}

/* The number of the fewest digits that this is: 0.1, and not the 0.100000001 of its bits. */
static double as_typed(float x)
{
    enum { FEWEST = 6, MOST = 9, TEXT = 32 };
    char text[TEXT];
    for (int digits = FEWEST; digits <= MOST; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (!(strtof(text, NULL) < x) && !(strtof(text, NULL) > x)) {
            break;
        }
    }
    return strtod(text, NULL);
}

/* The counters of the detector end before a month of very short intervals does. */
static void say_budget(const struct tern_edge_config *c)
{
    enum { MONTH_S = 30 * 86400, HOUR_S = 3600 };
    if ((uint64_t)c->budget * c->interval_s < MONTH_S - c->interval_s) {
        ti_warn("one false alarm in %u readings, the most there is, is one in %u hours",
                c->budget, c->budget * c->interval_s / HOUR_S);
    }
}

tern_status ti_edge_set(ti_settings *settings, const ti_edge_set_args *args, ti_edge_input *in,
                        bool look, tern_err *err)
{
    struct tern_edge_meter meter;
    const bool ahead = look && (args->interval == UINT32_MAX || !(args->scale > 0));
    bool more = ahead;
    while (more && in->n_first < TI_SETTINGS_ROWS) {
        TI_TRY(read_row(in, &in->first[in->n_first], &more, err));
        in->n_first += more;
    }
    const uint32_t given = (args->interval != UINT32_MAX ? TI_SETTINGS_INTERVAL : 0u) |
                           (args->scale > 0 ? TI_SETTINGS_SCALE : 0u);
    const uint32_t wanted = (TI_SETTINGS_INTERVAL | TI_SETTINGS_SCALE) & ~given;
    if (ahead && (ti_settings_look(settings, in->first, in->n_first) & wanted) != wanted) {
        ti_warn("the first rows do not tell the interval and the size of readings; taken are "
                "%u s and a scale of %g",
                settings->config.interval_s, settings->scale);
    }
    if (args->scale > 0) {
        settings->scale = as_typed(args->scale);
    }
    if (look && args->interval != UINT32_MAX) { /* what follows from it, before what is said */
        settings->config.interval_s = args->interval;
        ti_settings_times(&settings->config);
    }
    take_options(&settings->config, args);
    if (look && args->budget == UINT32_MAX) {
        say_budget(&settings->config);
    }
    if (!tern_edge_meter_init(&meter, &settings->config, NULL, NULL, NULL)) {
        return ti_fail(err, TERN_USAGE, "edge", TI_NO_OFFSET,
                       "the detector refuses these settings (--frozen 1 is none)");
    }
    return TERN_OK;
}

tern_status ti_edge_model_load(ti_device_model *out, const char *file, tern_err *err)
{
    char *data;
    size_t size;
    TI_TRY(ti_read_file(&data, &size, file, TI_DEVICE_MODEL_MAX, err));
    tern_status status = ti_device_model_read(out, data, size, err);
    free(data);
    return status;
}
