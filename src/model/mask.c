/* SPDX-License-Identifier: Apache-2.0 */
/* Masks: a walk over the vocabulary's trie that leaves a branch as soon as its byte does not
 * fit.  Where nothing has changed since a state was last asked for, which is usual inside texts
 * and lists, there is no walk. */
#include <string.h>

#include "model/matcher_parts.h"

static const char module[] = "grammar";

static void set_bit(uint64_t *mask, uint32_t id)
{
    mask[id / 64] |= (uint64_t)1 << id % 64;
}

/* Sets the bits of tokens after which at most `limit` bytes are needed; `*top` is the most that
 * any of them needs.  Returns false for too many readings. */
static bool walk_trie(ti_matcher *m, int64_t limit, uint64_t *mask, size_t *found, int64_t *top)
{
    const ti_trie *t = m->trie;
    m->walk[0] = m->state;
    for (size_t i = 0; i < t->n;) {
        const ti_trie_node *node = &t->nodes[i];
        if (!ti_matcher_walk(m, node->depth - 1u, node->byte)) {
            return false;
        }
        uint32_t to = m->walk[node->depth];
        if (to == TI_MS_EMPTY) {
            i = node->end;
            continue;
        }
        uint32_t last = node[1].first;
        int64_t rest = m->sets[to].rest;
        if (node->first < last && rest <= limit) {
            for (uint32_t k = node->first; k < last; k++) {
                set_bit(mask, t->ids[k]);
            }
            *found += last - node->first;
            *top = rest > *top ? rest : *top;
        }
        i++;
    }
    return true;
}

static void allow_ends(const ti_matcher *m, uint64_t *mask, size_t *found)
{
    for (size_t i = 0; ti_matcher_whole(m) && i < m->trie->n_ends; i++) {
        set_bit(mask, m->trie->ends[i]);
        ++*found;
    }
}

static tern_status no_token(ti_matcher *m, tern_err *err)
{
    unsigned byte = 0;
    m->walk[0] = m->state;
    while (byte < TI_MATCHER_BYTES - 1 &&
           (!ti_matcher_walk(m, 0, (uint8_t)byte) || m->walk[1] == TI_MS_EMPTY)) {
        byte++;
    }
    return ti_fail(err, TERN_UNSUPPORTED, module, TI_NO_OFFSET,
                   "no token of the vocabulary fits the grammar here; byte 0x%02x would", byte);
}

static tern_status make(ti_matcher *m, int64_t limit, uint64_t *mask, size_t *found,
                        int64_t *top, tern_err *err)
{
    memset(mask, 0, m->words * sizeof *mask);
    *found = 0;
    *top = 0;
    allow_ends(m, mask, found);
    bool room = walk_trie(m, limit, mask, found, top);
    m->n_walk = 0;
    return room ? TERN_OK : ti_matcher_too_many(err);
}

/* The mask without a limit. */
static tern_status usual(ti_matcher *m, const uint64_t **mask, int64_t *top, tern_err *err)
{
    size_t found = 0;
    const ti_mset *s = &m->sets[m->state];
    if (s->mask && m->mask_of[s->mask - 1] == m->state) {
        *mask = m->masks + (s->mask - 1) * m->words;
        *top = m->mask_top[s->mask - 1];
        return TERN_OK;
    }
    size_t slot = m->next_mask;
    uint64_t *own = m->masks + slot * m->words;
    m->mask_of[slot] = 0;
    TI_TRY(make(m, INT64_MAX, own, &found, top, err));
    if (found == 0) {
        return no_token(m, err);
    }
    m->next_mask = (slot + 1) % m->cap_masks;
    m->mask_of[slot] = m->state;
    m->mask_top[slot] = *top;
    m->sets[m->state].mask = (uint32_t)slot + 1;
    *mask = own;
    return TERN_OK;
}

tern_status ti_matcher_mask(ti_matcher *m, uint64_t left, const uint64_t **mask, tern_err *err)
{
    int64_t top, rest = m->sets[m->state].rest, limit = INT64_MAX;
    size_t found = 0;
    m->cost = 0;
    if (left < INT64_MAX) { /* this token, and the one that ends the answer */
        limit = (int64_t)left - 2;
        limit = limit > rest - 1 ? limit : rest - 1;
    }
    TI_TRY(usual(m, mask, &top, err));
    if (top <= limit) {
        return TERN_OK;
    }
    uint64_t *own = m->masks + m->cap_masks * m->words;
    TI_TRY(make(m, limit, own, &found, &top, err));
    /* Without one: an end that is near in bytes can be too deep; then it goes on as it comes.
     */
    *mask = found > 0 ? own : *mask;
    return TERN_OK;
}
