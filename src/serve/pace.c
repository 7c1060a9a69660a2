/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/pace.h"

#include <string.h>

enum {
    FIRST_ROWS = 8, /* beside answers, before anything is known */
    STALE = 32      /* passes with prompts, after which one without is due: 2 % of the time */
};

/* Without answers nobody waits for a token, but everybody for a cancel and for his turn. */
static const uint64_t alone_ns = 400000000;
enum { ALONE_LEAST = 16 };

static uint32_t kind_of(uint32_t answers)
{
    return answers < TI_PACE_ANSWERS ? answers : TI_PACE_ANSWERS;
}

static void remember(ti_pace_recent *recent, uint64_t ns)
{
    recent->ns[recent->n % TI_PACE_RECENT] = ns;
    recent->n++;
}

uint64_t ti_pace_median(const ti_pace_recent *recent)
{
    uint64_t sorted[TI_PACE_RECENT];
    uint32_t n = recent->n < TI_PACE_RECENT ? (uint32_t)recent->n : TI_PACE_RECENT;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] > recent->ns[i]; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = recent->ns[i];
    }
    return n > 0 ? sorted[n / 2] : 0;
}

void ti_pace_init(ti_pace *pace, uint32_t most, bool fixed)
{
    memset(pace, 0, sizeof *pace);
    pace->most = most;
    pace->fixed = fixed;
    pace->rows = fixed || most < FIRST_ROWS ? most : FIRST_ROWS;
}

uint32_t ti_pace_rows(const ti_pace *pace, uint32_t answers, uint64_t waiting)
{
    uint64_t rows = pace->most;
    if (waiting == 0) {
        return 0;
    }
    if (pace->fixed) {
        return (uint32_t)(waiting < rows ? waiting : rows);
    }
    if (answers > 0) {
        uint32_t kind = kind_of(answers);
        if (pace->lean_ns[kind] == 0 || pace->mixed[kind] >= STALE) {
            return 0;
        }
        rows = pace->rows;
    } else if (pace->row_ns > 0 && alone_ns / pace->row_ns < rows) {
        rows = alone_ns / pace->row_ns;
        rows = rows > ALONE_LEAST ? rows : ALONE_LEAST;
        rows = rows < pace->most ? rows : pace->most;
    }
    return (uint32_t)(waiting < rows ? waiting : rows);
}

/* What is known moves a quarter of the way to what was measured; by no more than a sixteenth
 * upwards, because most of what takes longer is somebody else who had the CPU. */
static void move_towards(uint64_t *value, uint64_t ns)
{
    enum { PART = 4, UP = 4 };
    uint64_t most = *value + *value / UP + 1;
    ns = ns > 0 ? ns : 1;
    if (*value == 0) {
        *value = ns;
        return;
    }
    ns = ns < most ? ns : most;
    *value = (*value * (PART - 1) + ns + PART / 2) / PART;
}

/* As many rows as fit by what rows have cost lately: the sum of what passes took longer, over
 * the sum of their rows, so that passes with many rows, of which more can be learnt, count
 * more.  More rows come slowly, and only after a pass that had all that it was allowed. */
static void adapt(ti_pace *pace, uint32_t answers, uint32_t prompt_rows, uint64_t ns)
{
    enum { HUNDRED = 100, GROWTH = 8, OUTLIER = 3 };
    const double keep = 0.95; /* of the sums, at each pass */
    double lean = (double)pace->lean_ns[kind_of(answers)], took = (double)ns;
    if (lean <= 0 || pace->fixed) {
        return;
    }
    took = took < OUTLIER * lean ? took : OUTLIER * lean;
    pace->added_ns = pace->added_ns * keep + (took - lean);
    pace->added_rows = pace->added_rows * keep + (double)prompt_rows;
    double allowed = lean * (TI_PACE_PERCENT - HUNDRED) / HUNDRED * pace->added_rows;
    uint32_t rows = pace->rows, more = prompt_rows >= rows ? rows + 1 + rows / GROWTH : rows;
    bool fits = pace->added_ns * (double)more <= allowed;
    rows = fits ? more : (uint32_t)(allowed / pace->added_ns);
    rows = rows < pace->most ? rows : pace->most;
    pace->rows = rows > 0 ? rows : 1;
}

void ti_pace_note(ti_pace *pace, uint32_t answers, uint32_t prompt_rows, uint64_t ns)
{
    uint32_t kind = kind_of(answers);
    if (prompt_rows == 0) {
        move_towards(&pace->lean_ns[kind], ns);
        pace->mixed[kind] = 0;
        remember(&pace->lean_recent, ns);
    } else if (answers == 0) {
        move_towards(&pace->row_ns, ns / prompt_rows);
    } else {
        pace->mixed[kind]++;
        remember(&pace->mixed_recent, ns);
        adapt(pace, answers, prompt_rows, ns);
    }
}
