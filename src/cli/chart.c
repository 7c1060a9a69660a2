/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/chart.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "carbon/stamp.h"
#include "cli/moment.h"

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

/* The columns: n of `span_s` seconds each. */
typedef struct axis {
    int64_t from_s, span_s;
    size_t n;
    bool local; /* hours are those of the local clock, not of UTC */
} axis;

static int64_t clock_at(const axis *x, int64_t time_s)
{
    return x->local ? time_s + ti_local_offset(time_s) : time_s;
}

/* How many hours are between two that are named. */
static int64_t hours_between(const axis *x)
{
    int64_t hours = (int64_t)x->n * x->span_s / TI_HOUR_S;
    return hours < 3 ? 1 : hours < 8 ? 2 : 6;
}

/* Hours below the columns, where there is room. */
static void draw_hours(ti_buf *out, const axis *x)
{
    const int64_t every = hours_between(x) * TI_HOUR_S;
    char text[TI_STAMP_TEXT], zone[TI_ZONE_TEXT];
    size_t at = 0;
    ti_buf_addf(out, "%*.*s ", LABEL, LABEL, x->local ? ti_zone_text(zone, x->from_s) : "UTC");
    for (size_t i = 0; i < x->n; i++) {
        int64_t start = x->from_s + (int64_t)i * x->span_s;
        int64_t first = clock_at(x, start), last = clock_at(x, start + x->span_s) - 1;
        bool mark = i == 0 ? first % every == 0 : (first - 1) / every != last / every;
        if (mark && i >= at && i + 5 <= x->n) {
            ti_stamp_minutes(text, ti_stamp_floor(last, every));
            ti_buf_addf(out, "%*s%.5s", (int)(i - at), "", text + 11);
            at = i + 5;
        }
    }
    ti_buf_addc(out, '\n');
}

static void trim(ti_buf *out)
{
    while (!out->failed && out->len > 0 && out->data[out->len - 1] == ' ') {
        out->data[--out->len] = '\0';
    }
}

/* A column is marked when half of it is taken, or when a slice begins in it: short ones are
 * seen too. */
static void draw_marks(ti_buf *out, const axis *x, const ti_slice *slices, size_t n)
{
    ti_buf_addf(out, "%*s ", LABEL, "run");
    for (size_t i = 0; i < x->n; i++) {
        int64_t start = x->from_s + (int64_t)i * x->span_s, end = start + x->span_s;
        int64_t taken = 0;
        bool begins = false;
        for (size_t k = 0; k < n; k++) {
            int64_t a = slices[k].start_s, b = a + slices[k].length_s;
            begins |= a >= start && a < end;
            a = a > start ? a : start;
            b = b < end ? b : end;
            taken += b > a ? b - a : 0;
        }
        ti_buf_addc(out, begins || taken * 2 > x->span_s ? '^' : ' ');
    }
    trim(out);
    ti_buf_addc(out, '\n');
}

/* Spans of whole half hours where that is not too coarse: columns then begin at hours. */
static axis axis_of(int64_t from_s, int64_t to_s, bool local)
{
    axis x = {.local = local};
    x.span_s = (to_s - from_s + TI_CHART_COLUMNS - 1) / TI_CHART_COLUMNS;
    int64_t step = x.span_s > TI_HOUR_S / 2 ? TI_HOUR_S / 2 : TI_HOUR_S / 12;
    x.span_s = (x.span_s + step - 1) / step * step;
    x.from_s = ti_stamp_floor(from_s, step);
    x.n = (size_t)((to_s - x.from_s + x.span_s - 1) / x.span_s);
    x.n = x.n > TI_CHART_COLUMNS ? TI_CHART_COLUMNS : x.n;
    return x;
}

/* The columns' bars; false when nothing is known. */
static bool draw_bars(ti_buf *out, const ti_series *series, const axis *x, bool blocks)
{
    uint32_t mg[TI_CHART_COLUMNS], eighths[TI_CHART_COLUMNS], most = 0;
    bool known[TI_CHART_COLUMNS];
    for (size_t i = 0; i < x->n; i++) {
        int64_t start = x->from_s + (int64_t)i * x->span_s;
        known[i] = mean_of(series, start, start + x->span_s, &mg[i]);
        most = known[i] && mg[i] > most ? mg[i] : most;
    }
    if (most == 0) {
        return false;
    }
    uint32_t top = scale_of(most);
    for (size_t i = 0; i < x->n; i++) {
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
        draw_row(out, eighths, known, x->n, row, blocks);
        trim(out);
        ti_buf_addc(out, '\n');
    }
    return true;
}

void ti_chart_draw(ti_buf *out, const ti_series *series, int64_t from_s, int64_t to_s,
                   bool blocks)
{
    axis x = axis_of(from_s, to_s, false);
    if (draw_bars(out, series, &x, blocks)) {
        draw_hours(out, &x);
    }
}

void ti_chart_draw_run(ti_buf *out, const ti_series *series, int64_t from_s, int64_t to_s,
                       bool blocks, const ti_slice *slices, size_t n_slices)
{
    axis x = axis_of(from_s, to_s, true);
    if (draw_bars(out, series, &x, blocks)) {
        draw_marks(out, &x, slices, n_slices);
        draw_hours(out, &x);
    }
}
