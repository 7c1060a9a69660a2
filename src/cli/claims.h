/* SPDX-License-Identifier: Apache-2.0 */
/* cli/claims.h - what the notes that started the project say, beside what this tree computes.
 *
 * Rows without a function are not cheap to compute, or nobody can: they say what is known. */
#ifndef TI_CLI_CLAIMS_H
#define TI_CLI_CLAIMS_H

#include <stdbool.h>

#include "base/err.h"
#include "carbon/seed.h"

typedef struct ti_claim {
    const char *part;               /* heading that it stands under */
    const char *claim;              /* what is said of what */
    const char *printed;            /* the number as it is printed, with its unit */
    uint64_t low_milli, high_milli; /* the same in thousandths; high 0 = no number */
    const char *unit;               /* of `compute` */
    tern_status (*compute)(uint64_t *milli, tern_err *err); /* thousandths, or NULL */
    ti_verdict verdict;
    const char *why;
    const char *shows; /* command that shows it; "" = none */
} ti_claim;

extern const ti_claim ti_claims[]; /* those that are not in carbon/seed.h */
extern const size_t ti_n_claims;

/* Whether a verdict can stand beside what was computed: reproduced means within 3 % of the
 * printed number or range, corrected means that it is off by more than a thousandth.  Claims
 * without a number, refuted and unmeasured ones stand. */
bool ti_claim_stands(ti_verdict verdict, uint64_t low_milli, uint64_t high_milli,
                     uint64_t milli);

/* --- what is computed (cli/claims_count.c); all in thousandths ----------------------------
 * Errors: TERN_NOMEM where a pattern is built. */

/* Bits that a ternary weight needs: log2 3. */
tern_status ti_count_bits(uint64_t *milli, tern_err *err);

/* Of 100 million weights: megabytes in fp32, in int8, packed as tern packs them (T5); how many
 * times smaller than fp32 that is. */
tern_status ti_count_mb_fp32(uint64_t *milli, tern_err *err);
tern_status ti_count_mb_int8(uint64_t *milli, tern_err *err);
tern_status ti_count_mb_packed(uint64_t *milli, tern_err *err);
tern_status ti_count_times_packed(uint64_t *milli, tern_err *err);

/* Quotients and products of printed figures. */
tern_status ti_count_gpu_to_cpu(uint64_t *milli, tern_err *err);
tern_status ti_count_python_to_rust(uint64_t *milli, tern_err *err);
tern_status ti_count_product(uint64_t *milli, tern_err *err);
tern_status ti_count_cortex_mj(uint64_t *milli, tern_err *err);

/* Keys within radius 2, from the engine's list of offsets. */
tern_status ti_count_ball(uint64_t *milli, tern_err *err);

/* Pairs of 1,024 positions: all; times the ball; how many times fewer causal ones a torus of
 * side 12 keeps (its 144 places are used again and again), and one of side 32. */
tern_status ti_count_all_pairs(uint64_t *milli, tern_err *err);
tern_status ti_count_ball_pairs(uint64_t *milli, tern_err *err);
tern_status ti_count_fewer_side12(uint64_t *milli, tern_err *err);
tern_status ti_count_fewer_side32(uint64_t *milli, tern_err *err);

/* By how much twice as many positions (2,048) need more pairs: side 12, and sides that grow
 * with the root. */
tern_status ti_count_growth_side12(uint64_t *milli, tern_err *err);
tern_status ti_count_growth_root(uint64_t *milli, tern_err *err);

/* How many times fewer pairs side 12 keeps of 512 positions. */
tern_status ti_count_fewer_512(uint64_t *milli, tern_err *err);

/* How many times fewer multiply-adds a whole token needs, nothing else costing anything: the
 * small shape with that attention; the small and the large one with 2 % of the feed-forward;
 * the large one with both.  Multiplications that stay in attention, in thousands. */
tern_status ti_count_token_torus(uint64_t *milli, tern_err *err);
tern_status ti_count_token_sparse_small(uint64_t *milli, tern_err *err);
tern_status ti_count_token_sparse_large(uint64_t *milli, tern_err *err);
tern_status ti_count_token_both_large(uint64_t *milli, tern_err *err);
tern_status ti_count_attention_products(uint64_t *milli, tern_err *err);

#endif
