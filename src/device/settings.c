/* SPDX-License-Identifier: Apache-2.0 */
#include "device/settings.h"

#include <math.h>

#include "carbon/stamp.h"

enum { MONTH_DAYS = 30, WARM_UP_DAYS = 14, MAX_16 = 65535 };

void ti_settings_default(ti_settings *out)
{
    const ti_settings unasked = {
        .config = {.max_value = TERN_EDGE_MAX_VALUE,
                   .min_deviation = 10 * TERN_EDGE_UNIT,
                   .interval_s = TI_HOUR_S,
                   .adapt = 4},
        .scale = 1,
    };
    *out = unasked;
    ti_settings_times(&out->config);
}

static uint32_t readings_of(uint32_t days, uint32_t interval_s)
{
    const uint32_t n = days * TI_DAY_S / interval_s; /* a month of seconds fits */
    return n < 2 ? 2 : n > MAX_16 ? MAX_16 : n;
}

void ti_settings_times(struct tern_edge_config *config)
{
    config->budget = readings_of(MONTH_DAYS, config->interval_s);
    config->warm_up = (uint16_t)readings_of(WARM_UP_DAYS, config->interval_s);
    config->hold = (uint16_t)readings_of(1, config->interval_s);
    config->frozen_limit = config->hold;
}

/* The difference of neighbours that occurs most; of several the smallest; 0: none. */
static uint32_t usual_step(const ti_csv_row *rows, size_t n)
{
    uint32_t best = 0;
    size_t most = 0;
    for (size_t i = 1; i < n; i++) {
        int64_t step = rows[i].when.shown_s - rows[i - 1].when.shown_s;
        size_t count = 0;
        for (size_t j = 1; j < n; j++) {
            count += rows[j].when.shown_s - rows[j - 1].when.shown_s == step;
        }
        if (step > 0 && step <= TI_DAY_S &&
            (count > most || (count == most && (uint32_t)step < best))) {
            most = count;
            best = (uint32_t)step;
        }
    }
    return best;
}

double ti_settings_scale(double size)
{
    double scale = 1;
    while (size * scale < 1000 && scale < TI_SCALE_MAX) {
        scale *= 10;
    }
    while (size * scale >= 10000 && scale > TI_SCALE_MIN) {
        scale /= 10;
    }
    return scale;
}

uint32_t ti_settings_look(ti_settings *settings, const ti_csv_row *rows, size_t n)
{
    double largest = 0;
    uint32_t step = usual_step(rows, n);
    for (size_t i = 0; i < n; i++) {
        double size = fabs(rows[i].value);
        largest = size > largest ? size : largest;
    }
    settings->config.interval_s = step ? step : settings->config.interval_s;
    ti_settings_times(&settings->config);
    settings->scale = largest > 0 ? ti_settings_scale(largest) : settings->scale;
    return (step > 0 ? TI_SETTINGS_INTERVAL : 0u) | (largest > 0 ? TI_SETTINGS_SCALE : 0u);
}

int32_t ti_reading_of(const ti_csv_row *row, double scale)
{
    double value = floor(row->value * scale + 0.5);
    if (row->missing) {
        return TERN_EDGE_MISSING;
    }
    value = value > INT32_MAX ? INT32_MAX : value < -INT32_MAX ? -INT32_MAX : value;
    return (int32_t)value;
}

uint32_t ti_reading_time(const ti_csv_row *row)
{
    return (uint32_t)row->when.shown_s; /* ti_when_parse() lets nothing else through */
}

const char *ti_status_word(size_t bit)
{
    static const char *const words[] = {"missing", "saturated", "negative",   "out-of-order",
                                        "frozen",  "gap",       "warming-up", "alarm"};
    return bit < sizeof words / sizeof *words ? words[bit] : NULL;
}

void ti_when_text(ti_buf *out, const ti_when *when)
{
    char text[TI_STAMP_TEXT];
    ti_stamp_text(text, when->shown_s);
    ti_buf_addf(out, "%.19s", text);
    if (when->has_offset && when->offset_s == 0) {
        ti_buf_addc(out, 'Z');
    } else if (when->has_offset) {
        int32_t minutes = (when->offset_s < 0 ? -when->offset_s : when->offset_s) / 60;
        ti_buf_addf(out, "%c%02d:%02d", when->offset_s < 0 ? '-' : '+', minutes / 60,
                    minutes % 60);
    }
}
