/* SPDX-License-Identifier: Apache-2.0 */
/* plan/breaker.h - whether somebody who failed is asked again: a circuit breaker as a value.
 *
 * Closed, everything goes through.  After `failures_to_open` failures without a success between
 * them it opens: nobody is sent there for a pause, which doubles with each opening up to a
 * longest one.  When the pause is over one request tries (half open); its success closes, its
 * failure opens again.  (M. Nygard, "Release It!", 2007, chapter 5.)  No clock: who calls says
 * what time it is. */
#ifndef TI_PLAN_BREAKER_H
#define TI_PLAN_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

typedef enum ti_breaker_state {
    TI_BREAKER_CLOSED = 0,
    TI_BREAKER_OPEN,
    TI_BREAKER_HALF_OPEN /* the next request is a trial */
} ti_breaker_state;

typedef struct ti_breaker_policy {
    uint32_t failures_to_open; /* > 0 */
    uint32_t pause_s;          /* of the first opening; > 0 */
    uint32_t pause_max_s;      /* at least pause_s */
} ti_breaker_policy;

#define TI_BREAKER_DEFAULT \
    ((ti_breaker_policy){.failures_to_open = 3, .pause_s = 10, .pause_max_s = 600})

/* Zeroed is a closed one that nothing is known of.  No pointers: may be copied and stored. */
typedef struct ti_breaker {
    uint32_t failures; /* since the last success, while closed */
    uint32_t openings; /* since the last success */
    int64_t until_s;   /* when the pause ends; meaningful with openings > 0 */
    bool trying;       /* half open, and its one request is on its way */
} ti_breaker;

/* Open while the pause lasts, and while the one trial is on its way. */
ti_breaker_state ti_breaker_state_at(const ti_breaker *breaker, int64_t now_s);

/* True when a request may be sent.  Half open, it takes the one trial: who got true must report
 * what became of it, or take it back. */
bool ti_breaker_take(ti_breaker *breaker, int64_t now_s);

/* It answered; it failed; neither (the client left before anybody knew). */
void ti_breaker_succeeded(ti_breaker *breaker);
void ti_breaker_failed(ti_breaker *breaker, const ti_breaker_policy *policy, int64_t now_s);
void ti_breaker_taken_back(ti_breaker *breaker);

#endif
