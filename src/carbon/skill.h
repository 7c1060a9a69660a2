/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/skill.h - how far a source's forecasts were from what then happened.
 *
 * Pure arithmetic over forecasts as they were issued and the history that followed: for each
 * length of time ahead, how often, how far, and on which side they were wrong.  For people to
 * read; the band that planning takes is that of plan/error.h, from the same pairs. */
#ifndef TI_CARBON_SKILL_H
#define TI_CARBON_SKILL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "carbon/feed.h"
#include "plan/error.h"

enum {
    TI_SKILL_LEADS = TI_LEADS, /* the classes of plan/error.h */
    TI_SKILL_ENOUGH = 24       /* pairs without which nothing is said about a lead */
};

/* One length of time ahead. */
typedef struct ti_skill_row {
    int64_t from_s, to_s;            /* of lead: middle of the slot less the time of issue */
    size_t n;                        /* pairs of forecast and actual */
    int64_t bias_mg;                 /* mean of forecast less actual */
    uint32_t mae_mg;                 /* mean distance */
    uint32_t p50_mg, p68_mg, p90_mg; /* so far away, or less, in that part of the cases */
} ti_skill_row;

typedef struct ti_skill {
    ti_skill_row leads[TI_SKILL_LEADS];
    ti_skill_row all;
    size_t n_forecasts; /* that had any pair */
} ti_skill;

/* Compares forecasts[n] with the actual slots of `history` (same zone and basis).  Slots that
 * have not wholly happened yet are left out.  Cost: O(pairs log pairs). Errors: TERN_USAGE
 * (another basis: never compared), TERN_NOMEM. */
tern_status ti_skill_of(ti_skill *out, const ti_feed *forecasts, size_t n,
                        const ti_series *history, tern_err *err);

#endif
