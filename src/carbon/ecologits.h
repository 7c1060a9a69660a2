/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/ecologits.h - what a request to somebody else's model may have cost.
 *
 * The formula and constants of EcoLogits v0.9 (its documentation, "LLM inference"; fitted to
 * measurements on H100 by its authors): output tokens only, a batch of 64, 16-bit weights on
 * 80 GB cards, the providers' sizes of models often guesses.  From its version 0.8 to 0.9 the
 * result for the same request moved by a factor of 44.  So this is an estimate, declared as
 * such, and always shown as a range from a tenth to ten times. */
#ifndef TI_CARBON_ECOLOGITS_H
#define TI_CARBON_ECOLOGITS_H

#include <stdint.h>

#include "base/err.h"

#define TI_REMOTE_METHOD "EcoLogits v0.9"

enum {
    TI_REMOTE_RANGE = 10,         /* the range is value / 10 to value x 10 */
    TI_REMOTE_PUE_PERMILLE = 1200 /* its providers: 1.09 to 1.20; the larger one */
};

typedef struct ti_remote_ask {
    double active_b, total_b; /* parameters in billions: used for a token; all */
    uint64_t tokens;          /* of the answer */
    uint32_t pue_permille;
    double latency_s; /* as measured, which bounds the modelled one; 0 = not measured */
} ti_remote_ask;

typedef struct ti_remote {
    uint32_t gpus;     /* cards that hold the model */
    double latency_s;  /* of the answer */
    double energy_kwh; /* cards, their share of the server, PUE */
    double embodied_kg;
    uint64_t energy_uj, embodied_ug; /* the same as whole numbers */
    uint64_t energy_low_uj, energy_high_uj, embodied_low_ug, embodied_high_ug;
} ti_remote;

/* Estimates.  Errors: TERN_USAGE (no tokens, no parameters, more active than all, PUE under 1,
 * a latency that is no number); TERN_LIMIT (more than 10^6 billion parameters, 10^9 tokens). */
tern_status ti_remote_estimate(ti_remote *out, const ti_remote_ask *ask, tern_err *err);

#endif
