/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/chart.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "carbon/stamp.h"

enum { EIGHTHS = 8, MG_PER_G = 1000, LABEL = 6 };

bool ti_chart_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < 3; i++) {
        const char *v = getenv(names[i]);
        if (v && *v) {
            const char *dot = strchr(v, '.');
            return dot && (strcasecmp(dot, ".UTF-8") == 0 || strcasecmp(dot, ".utf8") == 0);
        }
    }
    return false;
}

/* Mean over what is known of a span, in *mg; false when nothing is. */
static bool mean_of(const ti_series *s, int64_t from_s, int64_t to_s, uint32_t *mg)
{
    uint64_t sum = 0, seconds = 0;
    for (size_t i = ti_series_find(s, from_s); i < s->n && s->slots[i].start_s < to_s; i++) {
        const ti_slot *slot = &s->slots[i];
        int64_t a = slot->start_s > from_s ? slot->start_s : from_s;
        int64_t end = slot->start_s + slot->length_s;
        int64_t b = end < to_s ? end : to_s;
        sum += (uint64_t)(b - a) * slot->intensity_mg_kwh;
        seconds += (uint64_t)(b - a);
    }
    if (seconds == 0) {
        return false;
    }
    *mg = (uint32_t)((sum + seconds / 2) / seconds);
    return true;
}

/* The smallest of 1, 2, 5 times a power of ten, in grams, that is not below the value. */
static uint32_t scale_of(uint32_t mg)
{
    static const uint32_t steps[] = {1, 2, 5};
    for (uint32_t power = MG_PER_G * 10;; power *= 10) {
        for (size_t i = 0; i < 3; i++) {
            if (steps[i] * power >= mg) {
                return steps[i] * power;
            }
        }
    }
}

static void draw_row(ti_buf *out, const uint32_t *eighths, const bool *known, size_t n, int row,
                     bool blocks)
{
    size_t begin = out->len;
    for (size_t i = 0; i < n; i++) {
        int full = known[i] ? (int)eighths[i] - row * EIGHTHS : 0;
        if (full <= 0) {
            ti_buf_addc(out, ' ');
        } else if (blocks) {
            full = full > EIGHTHS ? EIGHTHS : full;
            /* U+2581 (lower one eighth block) to U+2588 (full block). */
            const char code[] = {'\xe2', '\x96', (char)(0x80 + full), '\0'};
            ti_buf_adds(out, code);
        } else {
            ti_buf_addc(out, full * 2 > EIGHTHS || row == 0 ? '#' : ' ');
        }
    }
    while (!out->failed && out->len > begin && out->data[out->len - 1] == ' ') {
        out->data[--out->len] = '\0';
    }
}

/* Hours below the columns, where there is room. */
static void draw_hours(ti_buf *out, int64_t from_s, int64_t span_s, size_t n)
{
    size_t at = 0;
    ti_buf_addf(out, "%*s ", LABEL, "UTC");
    for (size_t i = 0; i < n; i++) {
        int64_t start = from_s + (int64_t)i * span_s;
        int64_t six = (int64_t)6 * TI_HOUR_S;
        bool mark = i == 0 ? start % six == 0 : (start - 1) / six != (start + span_s - 1) / six;
        if (mark && i >= at && i + 5 <= n) {
            char text[TI_STAMP_TEXT];
            ti_stamp_minutes(text, ti_stamp_floor(start + span_s - 1, six));
            ti_buf_addf(out, "%*s%.5s", (int)(i - at), "", text + 11);
            at = i + 5;
        }
    }
    ti_buf_addc(out, '\n');
}

void ti_chart_draw(ti_buf *out, const ti_series *series, int64_t from_s, int64_t to_s,
                   bool blocks)
{
    uint32_t mg[TI_CHART_COLUMNS], eighths[TI_CHART_COLUMNS], most = 0;
    bool known[TI_CHART_COLUMNS];
    int64_t span = (to_s - from_s + TI_CHART_COLUMNS - 1) / TI_CHART_COLUMNS;
    /* Spans of whole half hours where that is not too coarse: columns then begin at hours. */
    int64_t step = span > TI_HOUR_S / 2 ? TI_HOUR_S / 2 : TI_HOUR_S / 12;
    span = (span + step - 1) / step * step;
    from_s = ti_stamp_floor(from_s, step);
    size_t n = (size_t)((to_s - from_s + span - 1) / span);
    n = n > TI_CHART_COLUMNS ? TI_CHART_COLUMNS : n;
    for (size_t i = 0; i < n; i++) {
        int64_t start = from_s + (int64_t)i * span;
        known[i] = mean_of(series, start, start + span, &mg[i]);
        most = known[i] && mg[i] > most ? mg[i] : most;
    }
    if (most == 0) {
        return;
    }
    uint32_t top = scale_of(most);
    for (size_t i = 0; i < n; i++) {
        uint64_t e = known[i] ? (uint64_t)mg[i] * TI_CHART_ROWS * EIGHTHS / top : 0;
        eighths[i] = known[i] && e == 0 ? 1 : (uint32_t)e; /* known is never blank */
    }
    for (int row = TI_CHART_ROWS - 1; row >= 0; row--) {
        uint32_t line = top / TI_CHART_ROWS * (uint32_t)(row + 1);
        if (row % 2 == 1) {
            ti_buf_addf(out, "%*u ", LABEL, (unsigned)(line / MG_PER_G));
        } else {
            ti_buf_addf(out, "%*s ", LABEL, "");
        }
        draw_row(out, eighths, known, n, row, blocks);
        while (!out->failed && out->data[out->len - 1] == ' ') {
            out->data[--out->len] = '\0';
        }
        ti_buf_addc(out, '\n');
    }
    draw_hours(out, from_s, span, n);
}
