/* SPDX-License-Identifier: Apache-2.0 */
/* serve/pace.h - how many rows of prompts go into a pass.
 *
 * Rows of prompts make a pass longer, and everybody whose answer is in it waits for its end.
 * The pace is what was measured: passes with g answers and nothing else say how long a token
 * takes; the number of prompt rows is moved until a pass with both takes TI_PACE_PERCENT of
 * that.  Plain values: no clock, no lock. */
#ifndef TI_SERVE_PACE_H
#define TI_SERVE_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* What a pass with prompts may take of one without: under twice, with room for the noise of a
 * machine that others use as well. */
enum { TI_PACE_PERCENT = 170 };

/* Answers in a pass that are told apart; more count as that many. */
enum { TI_PACE_ANSWERS = 256 };

/* Passes of which medians are made. */
enum { TI_PACE_RECENT = 31 };

typedef struct ti_pace_recent {
    uint64_t ns[TI_PACE_RECENT];
    uint64_t n; /* ever */
} ti_pace_recent;

typedef struct ti_pace {
    uint32_t most;               /* rows of prompts in a pass */
    bool fixed;                  /* always that many */
    uint32_t rows;               /* beside answers, at the moment */
    double added_ns, added_rows; /* by prompts to passes with answers, lately */
    uint64_t row_ns;             /* of prompts alone, for one row; 0 = not known */
    uint64_t
        lean_ns[TI_PACE_ANSWERS + 1];    /* a pass with so many answers alone; 0 = not known */
    uint16_t mixed[TI_PACE_ANSWERS + 1]; /* passes with prompts since that was measured */
    ti_pace_recent lean_recent, mixed_recent;
} ti_pace;

/* Nothing is known yet.  most >= 1. */
void ti_pace_init(ti_pace *pace, uint32_t most, bool fixed);

/* How many rows of prompts the next pass should have beside `answers` answers, of `waiting`. 0:
 * none although there are some, because it must be measured again what answers alone take. */
uint32_t ti_pace_rows(const ti_pace *pace, uint32_t answers, uint64_t waiting);

/* A pass with so many answers and rows of prompts took so long. */
void ti_pace_note(ti_pace *pace, uint32_t answers, uint32_t prompt_rows, uint64_t ns);

/* The median of the recent ones; 0 = none. */
uint64_t ti_pace_median(const ti_pace_recent *recent);

#endif
