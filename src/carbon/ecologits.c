/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/ecologits.h"

#include "base/detmath.h"
#include "carbon/units.h"

/* Constants of EcoLogits v0.9. */
#define BATCH 64.0
#define ENERGY_ALPHA 1.1665273170451914e-6 /* Wh a token and billion active parameters */
#define ENERGY_BETA (-0.011205921025579175)
#define ENERGY_GAMMA 4.052928146734005e-5 /* Wh a token */
#define LATENCY_ALPHA 6.785088094353663e-4
#define LATENCY_BETA 3.119310311688259e-4
#define LATENCY_GAMMA 0.019473717579473387
#define WEIGHT_BYTES 2.0    /* 16 bits */
#define MEMORY_OVERHEAD 1.2 /* beside the weights */
#define GPU_MEMORY_GB 80.0  /* H100 */
#define SERVER_KW 1.2       /* without its cards */
#define SERVER_GPUS 8.0
#define SERVER_KG 5700.0 /* embodied, without its cards */
#define GPU_KG 164.0
#define LIFETIME_S (3.0 * 365 * 86400)

#define PARAMETERS_MAX_B 1e6
#define TOKENS_MAX UINT64_C(1000000000)

/* The power of two that has memory for the model. */
static uint32_t gpus_for(double total_b)
{
    double needed = MEMORY_OVERHEAD * total_b * WEIGHT_BYTES / GPU_MEMORY_GB;
    uint32_t n = 1;
    while ((double)n < needed) {
        n *= 2;
    }
    return n;
}

static tern_status check(const ti_remote_ask *ask, tern_err *err)
{
    const char *wrong = NULL;
    if (!(ask->active_b > 0 && ask->total_b >= ask->active_b)) {
        wrong = "parameters: more than 0, and not more active than there are";
    } else if (ask->tokens == 0) {
        wrong = "an answer of no tokens";
    } else if (ask->pue_permille < TI_PERMILLE) {
        wrong = "a PUE under 1";
    } else if (!(ask->latency_s >= 0 && ask->latency_s < 1e9)) {
        wrong = "a latency that is no number of seconds";
    }
    if (wrong) {
        return ti_fail(err, TERN_USAGE, "remote", TI_NO_OFFSET, "%s", wrong);
    }
    if (ask->total_b > PARAMETERS_MAX_B || ask->tokens > TOKENS_MAX) {
        return ti_fail(err, TERN_LIMIT, "remote", TI_NO_OFFSET,
                       "more than 1000000 billion parameters or 1000000000 tokens");
    }
    return TERN_OK;
}

/* A whole number, and the ends of its range.  False when they do not fit. */
static bool whole(double value, uint64_t *mid, uint64_t *low, uint64_t *high)
{
    const double most = 1e18; /* ten times this is still under 2^64 */
    const uint64_t range = TI_REMOTE_RANGE;
    if (!(value < most)) {
        return false;
    }
    *mid = (uint64_t)(value + 0.5);
    *high = *mid * range;
    return ti_ratio_u64(low, mid, 1, &range, 1);
}

tern_status ti_remote_estimate(ti_remote *out, const ti_remote_ask *ask, tern_err *err)
{
    TI_TRY(check(ask, err));
    double tokens = (double)ask->tokens, pue = (double)ask->pue_permille / TI_PERMILLE;
    double gpu_wh =
        tokens * (ENERGY_ALPHA * ti_exp(ENERGY_BETA * BATCH) * ask->active_b + ENERGY_GAMMA);
    double latency =
        tokens * (LATENCY_ALPHA * ask->active_b + LATENCY_BETA * BATCH + LATENCY_GAMMA);
    if (ask->latency_s > 0 && ask->latency_s < latency) {
        latency = ask->latency_s;
    }
    ti_remote r = {.gpus = gpus_for(ask->total_b), .latency_s = latency};
    double gpus = (double)r.gpus, servers = gpus / SERVER_GPUS;
    double server_kwh = latency / 3600 * SERVER_KW * servers / BATCH;
    r.energy_kwh = pue * (server_kwh + gpus * gpu_wh / 1000);
    r.embodied_kg = latency / (LIFETIME_S * BATCH) * (servers * SERVER_KG + gpus * GPU_KG);
    if (!whole(r.energy_kwh * (double)TI_UJ_PER_KWH, &r.energy_uj, &r.energy_low_uj,
               &r.energy_high_uj) ||
        !whole(r.embodied_kg * (double)TI_UG_PER_KG, &r.embodied_ug, &r.embodied_low_ug,
               &r.embodied_high_ug)) {
        return ti_fail(err, TERN_LIMIT, "remote", TI_NO_OFFSET,
                       "an estimate that is too large");
    }
    *out = r;
    return TERN_OK;
}
