/* SPDX-License-Identifier: Apache-2.0 */
/* model/matcher_parts.h - what the files of the matcher share; private to them.
 *
 *   matcher.c       creation, reading bytes
 *   matcher_sets.c  sets that are kept once
 *   matcher_step.c  where a byte leads
 *   mask.c          masks over the vocabulary */
#ifndef TI_MODEL_MATCHER_PARTS_H
#define TI_MODEL_MATCHER_PARTS_H

#include "model/matcher.h"

/* Sets that are always there. */
enum { TI_MS_EMPTY = 0, TI_MS_BOTTOM, TI_MS_FIXED };

#define TI_MS_FULL UINT32_MAX /* instead of a set: no room */

enum { TI_MATCHER_SCRATCH = 1 << 14, TI_MATCHER_BYTES = 256 };

/* Items that a mask may cost, and a byte that is read: the answers of others wait for it.  A
 * count, and no clock: the same answer has the same end everywhere. */
enum { TI_MATCHER_COST = 1 << 22 };

/* A node at a depth, and a set of what is below it. */
typedef struct ti_mitem {
    uint32_t key; /* depth << 24 | node */
    uint32_t set;
} ti_mitem;

typedef struct ti_mset {
    uint32_t first, n; /* items, sorted by key, each key once */
    uint32_t rest;     /* fewest bytes to a whole text */
    uint32_t row;      /* number + 1 of its row, or 0 */
    uint32_t mask;     /* number + 1 of its mask, or 0 */
} ti_mset;

typedef struct ti_mcall {
    uint32_t order; /* of the rule << 8 | depth */
    ti_mitem back;  /* where it returns to */
} ti_mcall;

struct ti_matcher {
    const tern_grammar *g;
    const ti_trie *trie;
    ti_arena arena;
    uint32_t state, start;
    uint32_t *walk; /* [n_walk]: states that are kept when memory is used up */
    size_t n_walk;
    ti_mset *sets;
    ti_mitem *items;
    size_t n_sets, cap_sets, n_items, cap_items;
    uint32_t *table; /* [mask + 1] numbers of sets by hash, 0 = none */
    uint32_t table_mask;
    uint32_t *rows; /* [n_rows][256]: where each byte leads; FULL = not known */
    size_t n_rows, cap_rows;
    uint64_t *masks;   /* [cap_masks + 1][words]; the last one is not kept */
    uint32_t *mask_of; /* [cap_masks]: whose it is, or 0 */
    int64_t *mask_top; /* [cap_masks]: most bytes that one of its tokens leaves to be read */
    size_t words, cap_masks, next_mask;
    /* scratch of a step, [TI_MATCHER_SCRATCH] each */
    ti_mitem *work, *heads, *tmp;
    ti_mcall *calls; /* sorted, the lowest order last */
    size_t n_work, n_heads, n_tmp, n_calls;
    uint32_t *seen; /* [n_nodes]: `epoch` where work has the node */
    uint32_t epoch;
    bool full;
    uint64_t cost; /* items that were looked at for this mask, or byte */
};

static inline uint32_t ti_mkey(uint32_t node, uint32_t depth)
{
    return depth << 24 | node;
}

static inline uint32_t ti_mnode(uint32_t key)
{
    return key & 0xffffff;
}

static inline uint32_t ti_mdepth(uint32_t key)
{
    return key >> 24;
}

/* The number of the set with these items, which are sorted in place and of which those with the
 * same key are united; TI_MS_FULL when there is no room. */
uint32_t ti_matcher_intern(ti_matcher *m, ti_mitem *list, size_t n);

/* Forgets all sets but those that the state, the start and the walk need, and all rows and
 * masks; the numbers of those three change. */
void ti_matcher_forget(ti_matcher *m);

/* Where a byte leads from a set: a set, TI_MS_EMPTY when it does not fit, TI_MS_FULL. */
uint32_t ti_matcher_step(ti_matcher *m, uint32_t set, uint8_t byte);

/* The state before the first byte, or TI_MS_FULL. */
uint32_t ti_matcher_begin(ti_matcher *m);

/* walk[at + 1] = where the byte leads from walk[at]; false: too many readings. */
bool ti_matcher_walk(ti_matcher *m, size_t at, uint8_t byte);

/* Says so. */
tern_status ti_matcher_too_many(tern_err *err);

#endif
