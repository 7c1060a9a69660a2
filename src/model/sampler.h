/* SPDX-License-Identifier: Apache-2.0 */
/* model/sampler.h - from logits to the next token.
 *
 * The steps and their order are those that users of other engines know: penalties, top-k,
 * top-p, min-p, temperature, draw.  Probabilities for top-p and min-p are those at temperature
 * 1.  Tokens are ordered by logit, then by lower id, so every set and every draw is the same on
 * every machine. */
#ifndef TI_MODEL_SAMPLER_H
#define TI_MODEL_SAMPLER_H

#include <stddef.h>

#include "base/err.h"
#include "base/rng.h"
#include "tern/session.h"

/* Plain data without padding: it is saved and loaded with a session. */
typedef struct ti_sampler {
    tern_sampler_opts opts;
    ti_rng rng;
} ti_sampler;

/* Starts a sampler at its seed.  Errors: TERN_USAGE when a number is not finite, when
 * temperature or repeat_penalty is negative, or top_p or min_p is not in 0..1. */
tern_status ti_sampler_init(ti_sampler *out, const tern_sampler_opts *opts, tern_err *err);

/* Checks a sampler that was loaded.  Errors: TERN_CORRUPT. */
tern_status ti_sampler_check(const ti_sampler *sampler, tern_err *err);

/* Bytes of scratch for a vocabulary. */
size_t ti_sampler_scratch_bytes(size_t n_vocab);

/* Chooses a token.
 *   logits   [n_vocab], unchanged; n_vocab is 1..INT32_MAX
 *   recent   [n_recent] tokens so far, the newest last; penalties look at the last
 *            penalty_last_n of them
 *   scratch  ti_sampler_scratch_bytes(n_vocab), on an 8-byte boundary
 * Cost: a few passes over the logits; no full sort.  Allocates nothing.
 * Errors: TERN_CORRUPT when a logit is not finite. */
tern_status ti_sampler_pick(ti_sampler *sampler, const float *logits, size_t n_vocab,
                            const tern_token *recent, size_t n_recent, void *scratch,
                            tern_token *out, tern_err *err);

/* The same among some of the tokens only: those of which bit i % 64 of allowed[i / 64] is set,
 * at least one; NULL = all.  What is not allowed does not count anywhere: top-p, min-p and the
 * draw see what is left as if it were all there is. */
tern_status ti_sampler_pick_of(ti_sampler *sampler, const float *logits, size_t n_vocab,
                               const uint64_t *allowed, const tern_token *recent,
                               size_t n_recent, void *scratch, tern_token *out, tern_err *err);

#endif
