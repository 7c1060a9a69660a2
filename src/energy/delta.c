/* SPDX-License-Identifier: Apache-2.0 */
/* From readings to energy.  What cannot be known is zero and flagged, never guessed. */
#include "energy/meter.h"

__extension__ typedef unsigned __int128 wide;

enum {
    NS_PER_S = 1000000000,
    /* Counters are updated about every millisecond and readers are scheduled late: a meter may
     * show what it used in this much more time than lies between two reads. */
    SLACK_NS = 50000000,
    /* The two clocks are read one after the other; a difference over this is sleep. */
    SLEEP_NS = 100000000
};

/* Energy at a power over a time, rounded down, in microjoules; the largest value if too large.
 */
static wide energy_at(uint64_t power_uw, wide time_ns)
{
    wide product = 0;
    if (__builtin_mul_overflow((wide)power_uw, time_ns, &product)) {
        product = ~(wide)0;
    }
    return product / NS_PER_S;
}

/* What the clocks say of the interval. */
static uint32_t look_at_clocks(const ti_time *prev, const ti_time *cur)
{
    if (cur->boot_ns < prev->boot_ns) {
        return TI_DELTA_RESET;
    }
    if (cur->mono_ns <= prev->mono_ns) {
        return TI_DELTA_CLOCK;
    }
    uint64_t awake_ns = cur->mono_ns - prev->mono_ns;
    uint64_t all_ns = cur->boot_ns - prev->boot_ns;
    return all_ns > awake_ns && all_ns - awake_ns > SLEEP_NS ? TI_DELTA_SLEPT : 0;
}

/* out->dt_ns and the clocks' flags are there. */
static void counter_delta(ti_delta *out, const ti_meter_info *info, uint64_t prev_uj,
                          uint64_t cur_uj, uint64_t boot_dt_ns)
{
    /* While it sleeps a machine may go on counting, at less than its maximum. */
    uint64_t counting_ns = out->flags & TI_DELTA_SLEPT ? boot_dt_ns : out->dt_ns;
    wide most_uj = energy_at(info->max_power_uw, (wide)counting_ns + SLACK_NS);
    uint64_t range_uj = info->range_uj;
    if (range_uj > 0 && energy_at(info->max_power_uw, out->dt_ns) >= range_uj) {
        out->flags |= TI_DELTA_WRAPS;
        return;
    }
    uint64_t energy_uj = 0;
    if (cur_uj >= prev_uj) {
        energy_uj = cur_uj - prev_uj;
        if (energy_uj > most_uj) {
            out->flags |= TI_DELTA_JUMP;
            return;
        }
    } else {
        /* One wrap, or a counter that started again.  A wrap needs the energy up to the end of
         * the range; and over a sleep nobody can tell. */
        bool can_wrap = range_uj >= prev_uj && !(out->flags & TI_DELTA_SLEPT);
        if (!can_wrap || (wide)(range_uj - prev_uj) + cur_uj > most_uj) {
            out->flags |= TI_DELTA_RESET;
            return;
        }
        energy_uj = range_uj - prev_uj + cur_uj;
        out->flags |= TI_DELTA_WRAP;
    }
    out->energy_uj = energy_uj;
}

static void power_delta(ti_delta *out, const ti_meter_info *info, uint64_t prev_uw,
                        uint64_t cur_uw)
{
    if (prev_uw > info->max_power_uw || cur_uw > info->max_power_uw) {
        out->flags |= TI_DELTA_JUMP;
    } else if (out->dt_ns > TI_POWER_GAP_NS) {
        out->flags |= TI_DELTA_SPARSE;
    } else {
        wide sum_uw = (wide)prev_uw + cur_uw; /* times at most 2^36 ns: fits */
        wide energy_uj = sum_uw * out->dt_ns / 2 / NS_PER_S;
        out->energy_uj = energy_uj > UINT64_MAX ? UINT64_MAX : (uint64_t)energy_uj;
    }
}

void ti_meter_delta(ti_delta *out, const ti_meter_info *info, const ti_reading *prev,
                    const ti_reading *cur)
{
    TI_ASSERT(info->max_power_uw > 0);
    ti_delta delta = {0};
    if (cur->flags || prev->flags) {
        delta.flags = cur->flags ? TI_DELTA_FAILED : TI_DELTA_FIRST;
        *out = delta;
        return;
    }
    delta.flags = look_at_clocks(&prev->time, &cur->time);
    if (!(delta.flags & TI_DELTA_LOST)) {
        delta.dt_ns = cur->time.mono_ns - prev->time.mono_ns;
        if (info->is_power) {
            power_delta(&delta, info, prev->power_uw, cur->power_uw);
        } else {
            counter_delta(&delta, info, prev->energy_uj, cur->energy_uj,
                          cur->time.boot_ns - prev->time.boot_ns);
        }
    }
    *out = delta;
}

uint64_t ti_meter_period_ns(const ti_meter_info *info)
{
    if (info->is_power || info->range_uj == 0) {
        return 0;
    }
    wide period_ns = (wide)info->range_uj * NS_PER_S / (2 * (wide)info->max_power_uw);
    if (period_ns == 0) {
        return 1;
    }
    return period_ns > UINT64_MAX ? UINT64_MAX : (uint64_t)period_ns;
}

/* --- following a meter --------------------------------------------------------------------
 *
 * A reading that cannot be joined to the last good one is only a suspect: the counter may have
 * started again, or this one reading may be wrong.  The next one tells: when it joins the last
 * good one, the suspect was wrong and is forgotten; when it joins the suspect, counting goes on
 * from there. */

static void take_failure(ti_track *track, const ti_meter_info *info, uint32_t read_flags,
                         ti_delta *out)
{
    *out = (ti_delta){.flags = TI_DELTA_FAILED};
    track->failed_since = true;
    track->n_failed++;
    if (info->is_power && (read_flags & TI_READ_OFF)) {
        track->has_last = false; /* the battery was charged: its power is not the machine's */
        track->has_suspect = false;
    }
}

/* The reading joins `from`, or it does not. */
static bool join(ti_track *track, const ti_meter_info *info, const ti_reading *from,
                 const ti_reading *reading, ti_delta *out)
{
    ti_meter_delta(out, info, from, reading);
    if (out->flags & TI_DELTA_LOST) {
        return false;
    }
    track->last = *reading;
    track->has_suspect = false;
    track->n_wraps += (out->flags & TI_DELTA_WRAP) != 0;
    track->energy_uj += out->energy_uj;
    return true;
}

static void take_good(ti_track *track, const ti_meter_info *info, const ti_reading *reading,
                      ti_delta *out)
{
    bool gap = track->failed_since || track->has_suspect;
    if (join(track, info, &track->last, reading, out)) {
        out->flags |= gap ? TI_DELTA_GAP : 0;
    } else if (out->flags & TI_DELTA_CLOCK &&
               reading->time.mono_ns == track->last.time.mono_ns) {
        return; /* read twice at one moment: the next reading covers this one */
    } else {
        ti_delta second;
        if (track->has_suspect && join(track, info, &track->suspect, reading, &second)) {
            *out = second;
            out->flags |= track->failed_since ? TI_DELTA_GAP : 0;
        } else {
            track->suspect = *reading;
            track->has_suspect = true;
            track->n_lost++;
        }
    }
    track->failed_since = false;
}

void ti_track_step(ti_track *track, const ti_meter_info *info, const ti_reading *reading,
                   ti_delta *out)
{
    if (reading->flags) {
        take_failure(track, info, reading->flags, out);
    } else if (!track->has_last) {
        *out = (ti_delta){.flags = TI_DELTA_FIRST};
        track->last = *reading;
        track->has_last = true;
        track->failed_since = false;
    } else {
        take_good(track, info, reading, out);
    }
    track->flags |= out->flags;
}
