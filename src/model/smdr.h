/* SPDX-License-Identifier: Apache-2.0 */
/* model/smdr.h - what is particular to the architecture `smdr`: which keys a query sees, and
 * how many gates stay open (docs/formats/smdr.md). */
#ifndef TI_MODEL_SMDR_H
#define TI_MODEL_SMDR_H

#include "model/arch.h"

/* Reads and checks the keys smdr.*; `c` has everything else.  What is read is in c->attn and
 * c->top_k, c->relu2.  Errors: TERN_CORRUPT (contradictions), TERN_LIMIT, TERN_UNSUPPORTED; all
 * name the key. */
tern_status ti_smdr_read(ti_config *c, const ti_gguf *gguf, tern_err *err);

/* A pattern: which keys a query sees, as distances to them.  The query at position p sees
 * itself and every key p - o for the offsets o of its list that are not above p, and the first
 * `sinks` positions. */
typedef struct ti_pattern {
    uint32_t n_lists; /* list of position p: p % n_lists */
    uint32_t sinks;
    uint32_t most_keys;      /* that a query can see */
    const uint32_t *first;   /* [n_lists + 1] where each list begins; NULL: sees everything */
    const uint32_t *offsets; /* falling within each list; the last is 0 */
} ti_pattern;

/* Builds the pattern of a kind in the arena.  TI_ATTN_FULL gives one without lists.
 * Cost: the offsets' number; for random ones also the context's length in bits.
 * Errors: TERN_LIMIT (names the key), TERN_NOMEM. */
tern_status ti_pattern_build(ti_pattern *out, const ti_config *c, ti_attn_kind kind,
                             ti_arena *arena, tern_err *err);

/* How many positions, its own included, must be kept so that a query of a context of n_ctx
 * finds every key of its list: the largest offset at which one finds a key, + 1. */
uint32_t ti_pattern_reach(const ti_pattern *p, uint32_t n_ctx);

/* "full", "torus", ... as in the file. */
const char *ti_attn_kind_name(ti_attn_kind kind);

#endif
