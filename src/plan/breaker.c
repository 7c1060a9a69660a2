/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/breaker.h"

#include "base/err.h"

ti_breaker_state ti_breaker_state_at(const ti_breaker *breaker, int64_t now_s)
{
    if (breaker->openings == 0) {
        return TI_BREAKER_CLOSED;
    }
    return now_s < breaker->until_s || breaker->trying ? TI_BREAKER_OPEN : TI_BREAKER_HALF_OPEN;
}

bool ti_breaker_take(ti_breaker *breaker, int64_t now_s)
{
    ti_breaker_state state = ti_breaker_state_at(breaker, now_s);
    breaker->trying = breaker->trying || state == TI_BREAKER_HALF_OPEN;
    return state != TI_BREAKER_OPEN;
}

void ti_breaker_succeeded(ti_breaker *breaker)
{
    *breaker = (ti_breaker){0};
}

/* The pause of opening number n (from 1): doubled n - 1 times, and no longer than the longest.
 */
static uint32_t pause_of(const ti_breaker_policy *policy, uint32_t n)
{
    uint32_t pause = policy->pause_s;
    for (uint32_t i = 1; i < n && pause < policy->pause_max_s; i++) {
        pause = pause > policy->pause_max_s / 2 ? policy->pause_max_s : pause * 2;
    }
    return pause;
}

void ti_breaker_failed(ti_breaker *breaker, const ti_breaker_policy *policy, int64_t now_s)
{
    TI_ASSERT(policy->failures_to_open > 0 && policy->pause_s > 0 &&
              policy->pause_max_s >= policy->pause_s);
    bool trial = breaker->trying;
    if (breaker->openings > 0 && !trial) {
        return; /* sent before it opened: it says nothing new, and must not prolong the pause */
    }
    breaker->trying = false;
    breaker->failures += breaker->failures < UINT32_MAX;
    if (trial || breaker->failures >= policy->failures_to_open) {
        breaker->failures = 0;
        breaker->openings += breaker->openings < UINT32_MAX;
        breaker->until_s = now_s + pause_of(policy, breaker->openings);
    }
}

void ti_breaker_taken_back(ti_breaker *breaker)
{
    breaker->trying = false;
}
