/* SPDX-License-Identifier: Apache-2.0 */
/* serve/ration.h - what is left of a day's carbon budget, kept over crashes and restarts.
 *
 *     ti_ration_look(r, now_s, &used_ug, &renews_s);          for the decision
 *     ti_ration_take(r, &share, now_s, expected_ug, err);     before anything is sent
 *     ti_ration_settle(r, &share, actual_ug, err);            when it is known
 *
 * What is expected is in the file, synced, before a request goes out: whoever pulls the plug
 * has charged it.  A day is one of the local clock.  A clock that is set back does not give a
 * day twice.  One process at a time has the file (a lock beside it).
 *
 * THREADS.  Any, at any time, but for open and close. */
#ifndef TI_SERVE_RATION_H
#define TI_SERVE_RATION_H

#include <stdint.h>

#include "base/basis.h"
#include "base/err.h"

typedef struct ti_ration ti_ration;

/* What was taken for a request. */
typedef struct ti_ration_share {
    uint64_t ug;
    uint32_t day; /* 20261122 */
} ti_ration_share;

/* Reads the file, if there is one: JSON, schema tern.budget/1.
 * Errors: TERN_UNAVAILABLE (another process has it), TERN_CORRUPT (a file that is none is never
 * taken for an unused day), TERN_USAGE (it counted on another basis today), TERN_IO,
 * TERN_NOMEM. */
tern_status ti_ration_open(ti_ration **out, const char *path, ti_basis basis, int64_t now_s,
                           tern_err *err);

/* What the day was charged, and when the next one begins. */
void ti_ration_look(ti_ration *ration, int64_t now_s, uint64_t *used_ug, int64_t *renews_s);

/* Charges `ug`; returns when it is on disk.  Errors: TERN_IO, TERN_NOMEM; then nothing is
 * charged. */
tern_status ti_ration_take(ti_ration *ration, ti_ration_share *out, int64_t now_s, uint64_t ug,
                           tern_err *err);

/* Puts `ug` in the place of what the share is: what it took where that is known, or another
 * expectation.  A share of a day that is over changes nothing.  Errors: TERN_IO; the figure
 * stands in memory. */
tern_status ti_ration_settle(ti_ration *ration, ti_ration_share *share, uint64_t ug,
                             tern_err *err);

/* NULL is allowed. */
void ti_ration_close(ti_ration *ration);

/* The next midnight of the local clock. */
int64_t ti_next_day_s(int64_t now_s);

#endif
