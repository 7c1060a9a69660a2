/* SPDX-License-Identifier: Apache-2.0 */
/* How sure a gain is: errors of two runs, and the normal distribution in whole numbers. */
#include "plan/curve.h"

/* P(x < k/10 sigma) of a normal value, in permille, k = 0 to 40. */
static const uint16_t normal[] = {500,  540,  579,  618,  655,  691,  726,  758, 788, 816, 841,
                                  864,  885,  903,  919,  933,  945,  955,  964, 971, 977, 982,
                                  986,  989,  992,  994,  995,  997,  997,  998, 999, 999, 999,
                                  1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000};

enum { TENTHS_MAX = 40, NORMAL_HALF = 500, NORMAL_ALL = 1000, STEP_MILLI = 100, PERCENT = 100 };

uint32_t ti_normal_permille(int64_t tenths)
{
    int64_t k = tenths < 0 ? -tenths : tenths;
    uint32_t p = k < TENTHS_MAX ? normal[k] : NORMAL_ALL;
    return tenths < 0 ? NORMAL_ALL - p : p;
}

uint32_t ti_normal_sigma(uint32_t permille)
{
    if (permille <= NORMAL_HALF) {
        return 0;
    }
    for (uint32_t k = 1; k <= TENTHS_MAX; k++) {
        if (normal[k] >= permille) {
            uint32_t low = normal[k - 1], width = normal[k] - low;
            return (k - 1) * STEP_MILLI + (permille - low) * STEP_MILLI / width;
        }
    }
    return TENTHS_MAX * STEP_MILLI;
}

/* Integer part of the square root. */
static uint64_t root(uint64_t x)
{
    uint64_t r = 0;
    for (uint64_t bit = UINT64_C(1) << 62; bit > 0; bit >>= 2) {
        if (x >= r + bit) {
            x -= r + bit;
            r = (r >> 1) + bit;
        } else {
            r >>= 1;
        }
    }
    return r;
}

/* Error times seconds over [from_s, to_s); false when it is not known. */
static bool error_sum(uint64_t *sum, const ti_series *s, int64_t from_s, int64_t to_s)
{
    for (size_t i = ti_series_find(s, from_s); i < s->n && s->slots[i].start_s < to_s; i++) {
        const ti_slot *slot = &s->slots[i];
        int64_t a = slot->start_s > from_s ? slot->start_s : from_s;
        int64_t b = ti_slot_end(slot) < to_s ? ti_slot_end(slot) : to_s;
        if (slot->error_mg_kwh == TI_ERROR_UNKNOWN) {
            return false;
        }
        *sum += (uint64_t)(b - a) * slot->error_mg_kwh;
    }
    return true;
}

/* The parts of [from_s, to_s) outside of [cut_from, cut_to). */
static bool error_outside(uint64_t *sum, const ti_series *s, int64_t from_s, int64_t to_s,
                          int64_t cut_from, int64_t cut_to)
{
    int64_t left = to_s < cut_from ? to_s : cut_from;
    int64_t right = from_s > cut_to ? from_s : cut_to;
    if (from_s < left && !error_sum(sum, s, from_s, left)) {
        return false;
    }
    return right >= to_s || error_sum(sum, s, right, to_s);
}

/* What the slices leave of [from_s, to_s). */
static bool error_between(uint64_t *sum, const ti_series *s, const ti_slice *slices, size_t n,
                          int64_t from_s, int64_t to_s)
{
    for (size_t i = 0; i < n && from_s < to_s; i++) {
        int64_t end = slices[i].start_s + slices[i].length_s;
        int64_t stop = slices[i].start_s < to_s ? slices[i].start_s : to_s;
        if (from_s < stop && !error_sum(sum, s, from_s, stop)) {
            return false;
        }
        from_s = end > from_s ? end : from_s;
    }
    return from_s >= to_s || error_sum(sum, s, from_s, to_s);
}

uint32_t ti_gain_error(const ti_planner *planner, size_t zone, const ti_slice *slices, size_t n,
                       int64_t now_s, uint32_t now_len_s)
{
    const ti_series *s = planner->curves[zone].series;
    int64_t now_end = now_s + now_len_s;
    uint64_t later = 0, now = 0, run = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t end = slices[i].start_s + slices[i].length_s;
        bool known = zone == 0
                         ? error_outside(&later, s, slices[i].start_s, end, now_s, now_end)
                         : error_sum(&later, s, slices[i].start_s, end);
        if (!known) {
            return TI_ERROR_UNKNOWN;
        }
        run += slices[i].length_s;
    }
    if (!error_between(&now, planner->curves[0].series, slices, zone == 0 ? n : 0, now_s,
                       now_end)) {
        return TI_ERROR_UNKNOWN;
    }
    uint64_t a = later / run, b = now / now_len_s;
    a = a < TI_INTENSITY_MAX_MG_KWH ? a : TI_INTENSITY_MAX_MG_KWH;
    b = b < TI_INTENSITY_MAX_MG_KWH ? b : TI_INTENSITY_MAX_MG_KWH;
    return (uint32_t)root(a * a + b * b);
}

uint32_t ti_gain_assumed(uint64_t now_mg, uint64_t later_mg)
{
    uint64_t a = now_mg < TI_INTENSITY_MAX_MG_KWH ? now_mg : TI_INTENSITY_MAX_MG_KWH;
    uint64_t b = later_mg < TI_INTENSITY_MAX_MG_KWH ? later_mg : TI_INTENSITY_MAX_MG_KWH;
    return (uint32_t)(root(a * a + b * b) * TI_ASSUMED_PERCENT / PERCENT);
}
