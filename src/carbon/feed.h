/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/feed.h - what a source answered: a series that owns its slots, and where it is from.
 *
 * Parsers add slots in any order; ti_feed_close() sorts them, and refuses what contradicts
 * itself.  A value that cannot be true (negative, no number, above 5 kg/kWh, zero on an average
 * grid) is no slot: it is counted as left out, and the gap stays a gap. */
#ifndef TI_CARBON_FEED_H
#define TI_CARBON_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/jval.h"
#include "plan/series.h"

/* How a feed came to be; the later ones stand in for the earlier. */
typedef enum ti_how {
    TI_HOW_LIVE = 0, /* asked just now */
    TI_HOW_CACHE,    /* asked before, kept on disk */
    TI_HOW_DERIVED,  /* from what had happened, by plan/forecast.h */
    TI_HOW_YEARLY    /* an average of a year: says nothing about hours */
} ti_how;

/* "live", "cache", "derived", "yearly". */
const char *ti_how_text(ti_how how);

enum { TI_FEED_PLACE_MAX = 191, TI_FEED_WHY_MAX = 511, TI_FEED_LICENCE_MAX = 63 };

typedef struct ti_feed {
    ti_series series; /* valid after ti_feed_close(); series.slots is `slots` */
    ti_slot *slots;   /* owned */
    size_t cap;
    ti_how how;
    bool issued;        /* a forecast, as the source issued it: to be kept and judged later */
    int64_t obtained_s; /* when it was asked for */
    uint32_t year;      /* of a yearly figure, else 0 */
    size_t n_none;      /* moments that the source has no value for (null, empty) */
    size_t n_refused;   /* values that cannot be true */
    size_t n_estimated; /* values that the source itself calls estimates */
    char place[TI_FEED_PLACE_MAX + 1]; /* the file or address, without anything secret */
    char licence[TI_FEED_LICENCE_MAX + 1];
    char why[TI_FEED_WHY_MAX + 1]; /* why it is not what was asked for, "" when it is */
} ti_feed;

/* A feed without slots for that zone, source and basis; a name that is too long is cut. */
void ti_feed_init(ti_feed *feed, const char *zone, const char *source, ti_basis basis);

/* Frees the slots.  Zeroed is allowed. */
void ti_feed_free(ti_feed *feed);

/* Appends a text to `why`, after "; " when there is one already; cut when it is full. */
void ti_feed_because(ti_feed *feed, const char *format, ...) TI_PRINTF(2, 3);

/* Adds a slot whose value was already judged.  Errors: TERN_NOMEM, TERN_LIMIT. */
tern_status ti_feed_add(ti_feed *feed, const ti_slot *slot, tern_err *err);

/* Adds a slot of `value` g/kWh, or counts it as refused.  A zero is refused unless the basis is
 * marginal: a marginal plant can be curtailed wind, a whole grid never runs on nothing, and
 * sources send 0 for "not known".  error_mg_kwh: of the slot.  Errors: as ti_feed_add(). */
tern_status ti_feed_add_grams(ti_feed *feed, int64_t start_s, uint32_t length_s, double value,
                              ti_slot_kind kind, uint32_t error_mg_kwh, tern_err *err);

/* The same with lb/MWh, exactly: a pound is 453.59237 g (values are taken to a millionth). */
tern_status ti_feed_add_pounds(ti_feed *feed, int64_t start_s, uint32_t length_s, double value,
                               ti_slot_kind kind, tern_err *err);

/* g/kWh and lb/MWh to mg/kWh, half up; false when it cannot be true on that basis. */
bool ti_grams_to_mg(uint32_t *mg, double grams, ti_basis basis);
bool ti_pounds_to_mg(uint32_t *mg, double pounds, ti_basis basis);

/* Lengths were not given: each slot lasts until the next one, but not longer than the distance
 * that occurs most often, which is also that of the last one; `only_s` is the length of a
 * single slot.  Slots must be sorted or sortable; equal moments are refused later by
 * ti_feed_close(). */
void ti_feed_set_lengths(ti_feed *feed, uint32_t only_s);

/* Sorts, drops exact repetitions, cuts a slot that the next one begins inside of only when
 * `may_cut`, and checks everything.  After that `series` may be used.
 * Errors: TERN_CORRUPT (two values for the same moment; and those of ti_series_check()). */
tern_status ti_feed_close(ti_feed *feed, bool may_cut, tern_err *err);

/* Keeps only what overlaps [from_s, to_s); slots stay whole. */
void ti_feed_clip(ti_feed *feed, int64_t from_s, int64_t to_s);

/* Merges `more` into `into` (same zone, source and basis): what is newly known wins where both
 * have a value, but no forecast replaces what happened.  Slots that ended before `oldest_s` are
 * dropped, then the oldest beyond `max` slots.  Both closed before and after.
 * Errors: TERN_USAGE (another zone, source or basis: never mixed), TERN_NOMEM. */
tern_status ti_feed_merge(ti_feed *into, const ti_feed *more, int64_t oldest_s, size_t max,
                          tern_err *err);

/* Copies a feed and its slots.  Errors: TERN_NOMEM. */
tern_status ti_feed_copy(ti_feed *out, const ti_feed *feed, tern_err *err);

/* True when at least `n` slots over `span_s` seconds or more all have the same value: a sensor
 * that hangs, not a grid. */
bool ti_feed_is_constant(const ti_feed *feed, size_t n, int64_t span_s);

#endif
