/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/feed.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/basis.h"
#include "carbon/units.h"

enum { FIRST_CAP = 128, MG_PER_G = 1000 };

/* 1 lb/MWh = 453.59237 g / 1000 kWh = 453.59237 mg/kWh (the international pound, 1959). */
#define POUND_NUM UINT64_C(45359237)
#define POUND_DEN UINT64_C(100000)
#define MICRO UINT64_C(1000000)

const char *ti_how_text(ti_how how)
{
    static const char *const names[] = {"live", "cache", "derived", "yearly"};
    return names[how];
}

static void put_name(char *out, size_t cap, const char *name)
{
    snprintf(out, cap, "%s", name);
}

void ti_feed_init(ti_feed *feed, const char *zone, const char *source, ti_basis basis)
{
    memset(feed, 0, sizeof *feed);
    put_name(feed->series.zone, sizeof feed->series.zone, zone);
    put_name(feed->series.source, sizeof feed->series.source, source);
    feed->series.basis = basis;
}

void ti_feed_free(ti_feed *feed)
{
    free(feed->slots);
    feed->slots = NULL;
    feed->series.slots = NULL;
    feed->series.n = feed->cap = 0;
}

void ti_feed_because(ti_feed *feed, const char *format, ...)
{
    size_t n = strlen(feed->why);
    va_list args;
    if (n > 0 && n + 2 < sizeof feed->why) {
        memcpy(feed->why + n, "; ", 3);
        n += 2;
    }
    va_start(args, format);
    vsnprintf(feed->why + n, sizeof feed->why - n, format, args);
    va_end(args);
}

static tern_status reserve(ti_feed *feed, size_t n, tern_err *err)
{
    if (n > TI_SERIES_SLOTS_MAX) {
        return ti_fail(err, TERN_LIMIT, feed->series.source, TI_NO_OFFSET,
                       "more than %d moments", TI_SERIES_SLOTS_MAX);
    }
    if (n <= feed->cap) {
        return TERN_OK;
    }
    size_t cap = feed->cap ? feed->cap * 2 : FIRST_CAP;
    cap = cap < n ? n : cap;
    ti_slot *slots = realloc(feed->slots, cap * sizeof *slots);
    if (!slots) {
        return ti_fail_nomem(err, "series", cap * sizeof *slots, "intensities");
    }
    feed->slots = slots;
    feed->series.slots = slots;
    feed->cap = cap;
    return TERN_OK;
}

tern_status ti_feed_add(ti_feed *feed, const ti_slot *slot, tern_err *err)
{
    TI_TRY(reserve(feed, feed->series.n + 1, err));
    feed->slots[feed->series.n++] = *slot;
    return TERN_OK;
}

static bool may_be(uint64_t mg, ti_basis basis)
{
    return mg <= TI_INTENSITY_MAX_MG_KWH && (mg > 0 || basis.kind == TI_MARGINAL);
}

bool ti_grams_to_mg(uint32_t *mg, double grams, ti_basis basis)
{
    double scaled = grams * MG_PER_G;
    if (!(scaled >= 0 && scaled <= (double)TI_INTENSITY_MAX_MG_KWH)) { /* NaN too */
        return false;
    }
    uint64_t value = (uint64_t)floor(scaled + 0.5);
    if (!may_be(value, basis)) {
        return false;
    }
    *mg = (uint32_t)value;
    return true;
}

bool ti_pounds_to_mg(uint32_t *mg, double pounds, ti_basis basis)
{
    double scaled = pounds * (double)MICRO;
    uint64_t value;
    if (!(scaled >= 0 && scaled <= (double)(TI_INTENSITY_MAX_MG_KWH * MICRO))) {
        return false;
    }
    const uint64_t num[] = {(uint64_t)floor(scaled + 0.5), POUND_NUM};
    const uint64_t den[] = {MICRO, POUND_DEN};
    if (!ti_ratio_u64(&value, num, 2, den, 2) || !may_be(value, basis)) {
        return false;
    }
    *mg = (uint32_t)value;
    return true;
}

static tern_status add_judged(ti_feed *feed, bool good, ti_slot slot, tern_err *err)
{
    if (!good) {
        feed->n_refused++;
        return TERN_OK;
    }
    return ti_feed_add(feed, &slot, err);
}

tern_status ti_feed_add_grams(ti_feed *feed, int64_t start_s, uint32_t length_s, double value,
                              ti_slot_kind kind, uint32_t error_mg_kwh, tern_err *err)
{
    ti_slot slot = {
        .start_s = start_s, .length_s = length_s, .kind = kind, .error_mg_kwh = error_mg_kwh};
    bool good = ti_grams_to_mg(&slot.intensity_mg_kwh, value, feed->series.basis);
    return add_judged(feed, good, slot, err);
}

tern_status ti_feed_add_pounds(ti_feed *feed, int64_t start_s, uint32_t length_s, double value,
                               ti_slot_kind kind, tern_err *err)
{
    ti_slot slot = {.start_s = start_s,
                    .length_s = length_s,
                    .kind = kind,
                    .error_mg_kwh = kind == TI_SLOT_ACTUAL ? 0 : TI_ERROR_UNKNOWN};
    bool good = ti_pounds_to_mg(&slot.intensity_mg_kwh, value, feed->series.basis);
    return add_judged(feed, good, slot, err);
}

/* --- order -------------------------------------------------------------------------------- */

/* By start; what happened in front of what was expected, so that it is the one to stay. */
static int by_start(const void *a, const void *b)
{
    const ti_slot *x = a, *y = b;
    if (x->start_s != y->start_s) {
        return x->start_s < y->start_s ? -1 : 1;
    }
    return (x->kind > y->kind) - (x->kind < y->kind);
}

static void sort(ti_feed *feed)
{
    size_t i = 1, n = feed->series.n;
    while (i < n && by_start(&feed->slots[i - 1], &feed->slots[i]) <= 0) {
        i++;
    }
    if (i < n) {
        qsort(feed->slots, n, sizeof *feed->slots, by_start);
    }
}

static int by_length(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The distance between neighbours that occurs most often (the shorter one of equals), counted
 * over the first slots: that is how often the source speaks.  0 when there is none. */
static uint32_t usual_distance(const ti_feed *feed)
{
    enum { LOOKED_AT = 512 };
    uint32_t seen[LOOKED_AT], best = 0;
    size_t n = 0, most = 0;
    for (size_t i = 1; i < feed->series.n && n < LOOKED_AT; i++) {
        int64_t d = feed->slots[i].start_s - feed->slots[i - 1].start_s;
        if (d > 0 && d <= UINT32_MAX) {
            seen[n++] = (uint32_t)d;
        }
    }
    if (n == 0) {
        return 0;
    }
    qsort(seen, n, sizeof *seen, by_length);
    for (size_t i = 0, run = 0; i < n; i++) {
        run = i > 0 && seen[i] == seen[i - 1] ? run + 1 : 1;
        if (run > most) {
            most = run;
            best = seen[i];
        }
    }
    return best;
}

void ti_feed_set_lengths(ti_feed *feed, uint32_t only_s)
{
    sort(feed);
    uint32_t usual = usual_distance(feed);
    usual = usual ? usual : only_s;
    for (size_t i = 0; i < feed->series.n; i++) {
        int64_t d = i + 1 < feed->series.n ? feed->slots[i + 1].start_s - feed->slots[i].start_s
                                           : (int64_t)usual;
        feed->slots[i].length_s = d > 0 && d < (int64_t)usual ? (uint32_t)d : usual;
    }
}

tern_status ti_feed_close(ti_feed *feed, bool may_cut, tern_err *err)
{
    ti_slot *s = feed->slots;
    size_t kept = 0;
    sort(feed);
    for (size_t i = 0; i < feed->series.n; i++) {
        ti_slot *last = kept > 0 ? &s[kept - 1] : NULL;
        if (last && last->start_s == s[i].start_s) {
            if (last->kind != s[i].kind) {
                continue; /* what was expected, and it has happened */
            }
            if (last->intensity_mg_kwh != s[i].intensity_mg_kwh) {
                return ti_fail(err, TERN_CORRUPT, feed->series.source, i,
                               "two values for the same moment");
            }
            continue;
        }
        if (last && may_cut && last->start_s + last->length_s > s[i].start_s) {
            last->length_s = (uint32_t)(s[i].start_s - last->start_s);
        }
        s[kept++] = s[i];
    }
    feed->series.slots = s;
    feed->series.n = kept;
    return ti_series_check(&feed->series, err);
}

void ti_feed_clip(ti_feed *feed, int64_t from_s, int64_t to_s)
{
    size_t first = ti_series_find(&feed->series, from_s), n = 0;
    for (size_t i = first; i < feed->series.n && feed->slots[i].start_s < to_s; i++) {
        feed->slots[n++] = feed->slots[i];
    }
    feed->series.n = n;
}

tern_status ti_feed_copy(ti_feed *out, const ti_feed *feed, tern_err *err)
{
    ti_feed copy = *feed;
    copy.slots = NULL;
    copy.cap = 0;
    TI_TRY(reserve(&copy, feed->series.n, err));
    if (feed->series.n > 0) {
        memcpy(copy.slots, feed->slots, feed->series.n * sizeof *feed->slots);
    }
    copy.series.slots = copy.slots;
    *out = copy;
    return TERN_OK;
}

bool ti_feed_is_constant(const ti_feed *feed, size_t n, int64_t span_s)
{
    const ti_series *s = &feed->series;
    if (s->n < n || s->n == 0) {
        return false;
    }
    const ti_slot *last = &s->slots[s->n - 1];
    for (size_t i = 1; i < s->n; i++) {
        if (s->slots[i].intensity_mg_kwh != s->slots[0].intensity_mg_kwh) {
            return false;
        }
    }
    return last->start_s + last->length_s - s->slots[0].start_s >= span_s;
}

/* --- merging ------------------------------------------------------------------------------ */

/* True when `a` stays and `b` is cut where both are. */
static bool stronger(const ti_slot *a, bool a_new, const ti_slot *b)
{
    bool a_real = a->kind == TI_SLOT_ACTUAL, b_real = b->kind == TI_SLOT_ACTUAL;
    return a_real != b_real ? a_real : a_new;
}

/* Adds `slot` behind what is there, cut to what lies at or after the end of that. */
static tern_status push_after(ti_feed *out, ti_slot slot, tern_err *err)
{
    if (out->series.n > 0) {
        const ti_slot *last = &out->slots[out->series.n - 1];
        int64_t end = last->start_s + last->length_s, mine = slot.start_s + slot.length_s;
        if (mine <= end) {
            return TERN_OK;
        }
        if (slot.start_s < end) {
            slot.length_s = (uint32_t)(mine - end);
            slot.start_s = end;
        }
    }
    return ti_feed_add(out, &slot, err);
}

/* Walks both in order of time.  Where they overlap, the weaker one is cut to what is left. */
static tern_status merge_slots(ti_feed *out, const ti_feed *old, const ti_feed *more,
                               tern_err *err)
{
    size_t i = 0, j = 0;
    ti_slot a = {0}, b = {0}; /* what is left of old's slot i and of more's slot j */
    if (old->series.n > 0) {
        a = old->slots[0];
    }
    if (more->series.n > 0) {
        b = more->slots[0];
    }
    while (i < old->series.n && j < more->series.n) {
        int64_t a_end = a.start_s + a.length_s, b_end = b.start_s + b.length_s;
        bool b_wins = stronger(&b, true, &a);
        ti_slot *first = a.start_s < b.start_s || (a.start_s == b.start_s && !b_wins) ? &a : &b;
        ti_slot *other = first == &a ? &b : &a;
        int64_t first_end = first == &a ? a_end : b_end;
        bool first_wins = (first == &b) == b_wins;
        ti_slot rest = {0};
        if (!first_wins && first_end > other->start_s) { /* what lies in front of the winner */
            int64_t other_end = other->start_s + other->length_s;
            if (first_end > other_end) { /* and behind it */
                rest = *first;
                rest.start_s = other_end;
                rest.length_s = (uint32_t)(first_end - other_end);
            }
            first->length_s = (uint32_t)(other->start_s - first->start_s);
        }
        if (first->length_s > 0) {
            TI_TRY(push_after(out, *first, err));
        }
        if (rest.length_s > 0) {
            *first = rest;
            continue;
        }
        if (first == &a && ++i < old->series.n) {
            a = old->slots[i];
        } else if (first == &b && ++j < more->series.n) {
            b = more->slots[j];
        }
    }
    while (i < old->series.n) {
        TI_TRY(push_after(out, a, err));
        a = ++i < old->series.n ? old->slots[i] : a;
    }
    while (j < more->series.n) {
        TI_TRY(push_after(out, b, err));
        b = ++j < more->series.n ? more->slots[j] : b;
    }
    return TERN_OK;
}

static void forget(ti_feed *feed, int64_t oldest_s, size_t max)
{
    size_t first = ti_series_find(&feed->series, oldest_s);
    if (feed->series.n - first > max) {
        first = feed->series.n - max;
    }
    memmove(feed->slots, feed->slots + first, (feed->series.n - first) * sizeof *feed->slots);
    feed->series.n -= first;
}

tern_status ti_feed_merge(ti_feed *into, const ti_feed *more, int64_t oldest_s, size_t max,
                          tern_err *err)
{
    const ti_series *a = &into->series, *b = &more->series;
    if (strcmp(a->zone, b->zone) != 0 || strcmp(a->source, b->source) != 0) {
        return ti_fail(err, TERN_USAGE, "series", TI_NO_OFFSET,
                       "%s of %s and %s of %s are not one series", a->zone, a->source, b->zone,
                       b->source);
    }
    if (!ti_basis_equal(a->basis, b->basis)) {
        char x[TI_BASIS_TEXT], y[TI_BASIS_TEXT];
        return ti_fail(err, TERN_USAGE, "series", TI_NO_OFFSET,
                       "intensities on the basis %s and on the basis %s cannot be one series",
                       ti_basis_text(x, a->basis), ti_basis_text(y, b->basis));
    }
    ti_feed out = *more;
    out.slots = NULL;
    out.cap = out.series.n = 0;
    tern_status status = reserve(&out, a->n + b->n + 1, err);
    if (status == TERN_OK) {
        status = merge_slots(&out, into, more, err);
    }
    if (status != TERN_OK) {
        ti_feed_free(&out);
        return status;
    }
    forget(&out, oldest_s, max);
    ti_feed_free(into);
    *into = out;
    into->series.slots = into->slots;
    return TERN_OK;
}
