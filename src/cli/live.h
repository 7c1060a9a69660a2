/* SPDX-License-Identifier: Apache-2.0 */
/* cli/live.h - what an answer takes, in the last line of the terminal while it is given.
 *
 * The last line is kept out of the part that scrolls (DECSTBM; source: DEC, VT100 User
 * Guide, chapter 3), so that it stands still while text goes by above, and is written four
 * times a second at most.  Nothing is shown where standard output is no terminal, one of under
 * five lines, or TERM=dumb, nor with --quiet.  Joules are what the meter or the model says of
 * this process so far, above idle, with how that is known; grams are of these and the idle
 * line, as in the receipt. */
#ifndef TI_CLI_LIVE_H
#define TI_CLI_LIVE_H

#include "cli/grams.h"
#include "energy/session.h"

typedef struct ti_live {
    bool on;           /* the terminal can show it */
    bool drawn;        /* its line is kept free */
    ti_grams grams;    /* no row: no grams */
    ti_energy *energy; /* of this answer; NULL: no joules */
    unsigned rows;     /* of the terminal, when the line was placed */
    char undo[48];     /* what gives the line back to the terminal */
    uint64_t drawn_ns; /* when last; 0: not yet */
} ti_live;

/* Looks at the terminal and, where it will do, for the grid: `zone` or NULL, the user's.  A
 * grid that is not known is none here.  Close with ti_live_close(). */
void ti_live_open(ti_live *live, const char *zone);

/* An answer begins, at the beginning of a line.  NULL is allowed, here and below. */
void ti_live_begin(ti_live *live);

/* It has so many tokens; the first took until now and `generate_ns` the others. */
void ti_live_step(ti_live *live, size_t n_tokens, uint64_t generate_ns);

/* It has ended: the terminal is as before; so it is when a signal ends or stops the program
 * before (cli/terminal.h). */
void ti_live_end(ti_live *live);

/* Frees. */
void ti_live_close(ti_live *live);

#endif
