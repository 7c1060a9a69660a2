/* SPDX-License-Identifier: Apache-2.0 */
/* cli/edge_input.h - where the commands of `tern edge` take readings from, and how a detector
 * is set: options that several of them share. */
#ifndef TI_CLI_EDGE_INPUT_H
#define TI_CLI_EDGE_INPUT_H

#include <stdio.h>

#include "cli/opt.h"
#include "device/model.h"

typedef struct ti_edge_input_args {
    const char *time, *value;
    uint32_t dates; /* ti_dates */
    bool local;
    const char *fitted; /* no option: the column of a model, which counts if it is there */
    bool keep;          /* no option: ti_csv_before() is wanted */
} ti_edge_input_args;

/* UINT32_MAX and a scale of 0: not given. */
typedef struct ti_edge_set_args {
    float scale;
    uint32_t interval, max, min_deviation, budget, frozen, warm_up, hold, adapt;
    bool two_way;
} ti_edge_set_args;

#define TI_EDGE_SET_UNSET                                                                      \
    {                                                                                          \
        .interval = UINT32_MAX, .max = UINT32_MAX, .min_deviation = UINT32_MAX,                \
        .budget = UINT32_MAX, .frozen = UINT32_MAX, .warm_up = UINT32_MAX, .hold = UINT32_MAX, \
        .adapt = UINT32_MAX                                                                    \
    }

/* clang-format off */
#define TI_OPTS_EDGE_INPUT(S, m)                                                               \
    {.type = TI_OPT_HEADING, .help = "Input"},                                                 \
    {.type = TI_OPT_STR, .name = "time", .metavar = "COLUMN",                                  \
     .help = "column of the time, by name or number; A+B joins a date and a clock",            \
     .fallback = "timestamp, datetime, time, ..., else the first that holds moments",          \
     .offset = offsetof(S, m.time)},                                                           \
    {.type = TI_OPT_STR, .name = "value", .metavar = "COLUMN",                                 \
     .help = "column of the readings, by name or number",                                      \
     .fallback = "value, consumption, kwh, ..., else the only one with numbers",               \
     .offset = offsetof(S, m.value)},                                                          \
    {.type = TI_OPT_CHOICE, .name = "dates", .metavar = "ORDER",                               \
     .help = "whether 2/7/2010 has the day or the month first",                                \
     .choices = "unknown|dmy|mdy", .words = TI_WORDS_CHOICES, .offset = offsetof(S, m.dates)}, \
    {.type = TI_OPT_FLAG, .name = "local",                                                     \
     .help = "moments are of this machine's clock (TZ): those that name their offset from UTC are put on it", \
     .offset = offsetof(S, m.local)}

#define TI_EDGE_SET_U32(S, m, field, option, meta, text, usual, low, high)                     \
    {.type = TI_OPT_U32, .name = option, .metavar = meta, .help = text, .fallback = usual,     \
     .min = low, .max = high, .offset = offsetof(S, m.field)}

#define TI_OPTS_EDGE_SET(S, m, unasked)                                                        \
    {.type = TI_OPT_HEADING, .help = "Detector"},                                              \
    {.type = TI_OPT_F32, .name = "scale", .metavar = "X",                                      \
     .help = "readings are values of the file times X, rounded", .fallback = unasked,          \
     .min = TI_SCALE_MIN, .max = TI_SCALE_MAX, .offset = offsetof(S, m.scale)},                \
    TI_EDGE_SET_U32(S, m, interval, "interval", "S", "seconds from reading to reading",        \
                    unasked, 1, 86400),                                                        \
    TI_EDGE_SET_U32(S, m, max, "max", "N", "full scale: readings from N on are saturated",     \
                    unasked, 1, TERN_EDGE_MAX_VALUE),                                          \
    TI_EDGE_SET_U32(S, m, min_deviation, "min-deviation", "N",                                 \
                    "smallest deviation that counts as one, in sixteenths of a reading",       \
                    unasked, 1, 1048576),                                                      \
    TI_EDGE_SET_U32(S, m, budget, "budget", "N", "readings for one false alarm", unasked, 2,   \
                    65535),                                                                    \
    TI_EDGE_SET_U32(S, m, frozen, "frozen", "N",                                               \
                    "equal readings in a row that are believed; 0: any number", unasked, 0,    \
                    65535),                                                                    \
    TI_EDGE_SET_U32(S, m, warm_up, "warm-up", "N", "readings before the first alarm", unasked, \
                    0, 65535),                                                                 \
    TI_EDGE_SET_U32(S, m, hold, "hold", "N", "readings that belong to an event", unasked, 0,   \
                    65535),                                                                    \
    TI_EDGE_SET_U32(S, m, adapt, "adapt", "K", "baselines move by 1/2^K of what is new",       \
                    unasked, 2, 8),                                                            \
    {.type = TI_OPT_FLAG, .name = "two-way",                                                   \
     .help = "negative readings are good: the meter also feeds in",                            \
     .offset = offsetof(S, m.two_way)}
/* clang-format on */

/* A CSV that is being read. */
typedef struct ti_edge_input {
    FILE *stream;
    ti_csv *csv;
    bool local;
    int64_t last_utc_s;                 /* with `local`: of the row before */
    ti_csv_row first[TI_SETTINGS_ROWS]; /* rows that were read ahead */
    size_t n_first, given;
} ti_edge_input;

/* Opens a file, or standard input for "-".  Close with ti_edge_input_close(), which a zeroed
 * one may also get.  Errors: TERN_IO and those of ti_csv_open(). */
tern_status ti_edge_input_open(ti_edge_input *in, const char *file,
                               const ti_edge_input_args *args, tern_err *err);

/* The next row.  Errors: those of ti_csv_next(), TERN_CANCELLED. */
tern_status ti_edge_input_next(ti_edge_input *in, ti_csv_row *row, bool *more, tern_err *err);

/* Closes it; standard input stays open. */
void ti_edge_input_close(ti_edge_input *in);

/* Settings from options and, for interval and scale where no option gives them, from the first
 * rows of the input, which are read ahead only then.  `settings` holds what else counts.
 *   look  false: the settings are of a model, and rows are not asked
 * Errors: TERN_USAGE when the detector refuses them; those of ti_csv_next(). */
tern_status ti_edge_set(ti_settings *settings, const ti_edge_set_args *args, ti_edge_input *in,
                        bool look, tern_err *err);

/* Reads a model from a file; free it with ti_device_model_free().  Errors: TERN_IO and those
 * of ti_device_model_read(). */
tern_status ti_edge_model_load(ti_device_model *out, const char *file, tern_err *err);

#endif
