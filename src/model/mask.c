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

/* Sets the bits of tokens that fit; returns false for too many readings. */
static bool walk_trie(ti_matcher *m, bool finish, uint64_t *mask, size_t *found)
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
        if (node->first < last && (!finish || m->sets[to].rest < m->sets[m->state].rest)) {
            for (uint32_t k = node->first; k < last; k++) {
                set_bit(mask, t->ids[k]);
            }
            *found += last - node->first;
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

static tern_status make(ti_matcher *m, bool finish, uint64_t *mask, size_t *found,
                        tern_err *err)
{
    memset(mask, 0, m->words * sizeof *mask);
    *found = 0;
    allow_ends(m, mask, found);
    bool room = (finish && *found > 0) || walk_trie(m, finish, mask, found);
    m->n_walk = 0;
    return room ? TERN_OK : ti_matcher_too_many(err);
}

tern_status ti_matcher_mask(ti_matcher *m, bool finish, const uint64_t **mask, tern_err *err)
{
    size_t found = 0;
    uint64_t *own = m->masks + m->cap_masks * m->words;
    if (finish) {
        TI_TRY(make(m, true, own, &found, err));
        if (found > 0) {
            *mask = own;
            return TERN_OK;
        } /* an end that is near in bytes can be too deep: go on as it comes */
    }
    const ti_mset *s = &m->sets[m->state];
    if (s->mask && m->mask_of[s->mask - 1] == m->state) {
        *mask = m->masks + (s->mask - 1) * m->words;
        return TERN_OK;
    }
    size_t slot = m->next_mask;
    own = m->masks + slot * m->words;
    m->mask_of[slot] = 0;
    TI_TRY(make(m, false, own, &found, err));
    if (found == 0) {
        return no_token(m, err);
    }
    m->next_mask = (slot + 1) % m->cap_masks;
    m->mask_of[slot] = m->state;
    m->sets[m->state].mask = (uint32_t)slot + 1;
    *mask = own;
    return TERN_OK;
}
