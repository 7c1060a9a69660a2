/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "model/matcher_parts.h"

/* Shell's sort with Ciura's gaps (2001): lists are short and often sorted, and qsort() may
 * allocate. */
static void sort(ti_mitem *list, size_t n)
{
    static const size_t gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < sizeof gaps / sizeof gaps[0]; g++) {
        size_t gap = gaps[g];
        for (size_t i = gap; i < n; i++) {
            ti_mitem moving = list[i];
            size_t at = i;
            for (; at >= gap &&
                   (list[at - gap].key > moving.key ||
                    (list[at - gap].key == moving.key && list[at - gap].set > moving.set));
                 at -= gap) {
                list[at] = list[at - gap];
            }
            list[at] = moving;
        }
    }
}

/* As deep as the stacks are. */
static uint32_t unite(ti_matcher *m, uint32_t a, uint32_t b)
{
    const ti_mset *x = &m->sets[a], *y = &m->sets[b];
    size_t base = m->n_tmp, n = (size_t)x->n + y->n;
    m->cost += n;
    if (n > TI_MATCHER_SCRATCH - base || m->cost > TI_MATCHER_COST) {
        return TI_MS_FULL;
    }
    memcpy(m->tmp + base, m->items + x->first, x->n * sizeof *m->tmp);
    memcpy(m->tmp + base + x->n, m->items + y->first, y->n * sizeof *m->tmp);
    m->n_tmp = base + n;
    uint32_t made = ti_matcher_intern(m, m->tmp + base, n);
    m->n_tmp = base;
    return made;
}

/* FNV-1a over the items. */
static uint32_t hash_of(const ti_mitem *list, size_t n)
{
    uint32_t h = 0x811c9dc5u;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ list[i].key) * 0x01000193u;
        h = (h ^ list[i].set) * 0x01000193u;
    }
    return h ^ h >> 15;
}

static uint32_t rest_of(const ti_matcher *m, const ti_mitem *list, size_t n)
{
    uint64_t least = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        uint64_t rest = (uint64_t)m->g->rest[ti_mnode(list[i].key)] + m->sets[list[i].set].rest;
        least = rest < least ? rest : least;
    }
    return (uint32_t)least;
}

static void put_in_table(ti_matcher *m, uint32_t id)
{
    const ti_mset *s = &m->sets[id];
    uint32_t at = hash_of(m->items + s->first, s->n) & m->table_mask;
    while (m->table[at]) {
        at = (at + 1) & m->table_mask;
    }
    m->table[at] = id;
}

static uint32_t find(const ti_matcher *m, const ti_mitem *list, size_t n)
{
    uint32_t at = hash_of(list, n) & m->table_mask;
    for (; m->table[at]; at = (at + 1) & m->table_mask) {
        const ti_mset *s = &m->sets[m->table[at]];
        if (s->n == n && memcmp(m->items + s->first, list, n * sizeof *list) == 0) {
            return m->table[at];
        }
    }
    return TI_MS_FULL;
}

uint32_t ti_matcher_intern(ti_matcher *m, ti_mitem *list, size_t n)
{
    size_t kept = 0;
    if (n == 0) {
        return TI_MS_EMPTY;
    }
    sort(list, n);
    for (size_t i = 0; i < n; i++) {
        ti_mitem *last = kept > 0 ? &list[kept - 1] : NULL;
        if (!last || last->key != list[i].key) {
            list[kept++] = list[i];
        } else if (last->set != list[i].set) {
            uint32_t both = unite(m, last->set, list[i].set);
            if (both == TI_MS_FULL) {
                return TI_MS_FULL;
            }
            last->set = both;
        }
    }
    uint32_t known = find(m, list, kept);
    if (known != TI_MS_FULL) {
        return known;
    }
    if (m->n_sets == m->cap_sets || kept > m->cap_items - m->n_items) {
        return TI_MS_FULL;
    }
    memcpy(m->items + m->n_items, list, kept * sizeof *list);
    m->sets[m->n_sets] = (ti_mset){
        .first = (uint32_t)m->n_items, .n = (uint32_t)kept, .rest = rest_of(m, list, kept)};
    m->n_items += kept;
    put_in_table(m, (uint32_t)m->n_sets);
    return (uint32_t)m->n_sets++;
}

/* What is below was there before what stands on it, so numbers only fall: one pass downwards
 * finds what is needed, one upwards moves it together. */
void ti_matcher_forget(ti_matcher *m)
{
    m->cost += m->n_sets;
    uint32_t *to = m->table; /* new numbers, until the table is made again */
    memset(to, 0, m->cap_sets * sizeof *to);
    to[m->state] = to[m->start] = to[TI_MS_BOTTOM] = 1;
    for (size_t i = 0; i < m->n_walk; i++) {
        to[m->walk[i]] = 1;
    }
    for (size_t id = m->n_sets; id-- > TI_MS_FIXED;) {
        for (size_t i = 0; to[id] && i < m->sets[id].n; i++) {
            to[m->items[m->sets[id].first + i].set] = 1;
        }
    }
    size_t n_sets = 1, n_items = 0;
    to[TI_MS_EMPTY] = TI_MS_EMPTY;
    for (size_t id = 1; id < m->n_sets; id++) {
        ti_mset s = m->sets[id];
        if (!to[id]) {
            continue;
        }
        for (uint32_t i = 0; i < s.n; i++) {
            ti_mitem item = m->items[s.first + i];
            m->items[n_items + i] = (ti_mitem){item.key, to[item.set]};
        }
        m->sets[n_sets] = (ti_mset){.first = (uint32_t)n_items, .n = s.n, .rest = s.rest};
        n_items += s.n;
        to[id] = (uint32_t)n_sets++;
    }
    m->state = to[m->state];
    m->start = to[m->start];
    for (size_t i = 0; i < m->n_walk; i++) {
        m->walk[i] = to[m->walk[i]];
    }
    m->n_sets = n_sets;
    m->n_items = n_items;
    m->n_rows = 0;
    memset(m->mask_of, 0, m->cap_masks * sizeof *m->mask_of);
    memset(m->table, 0, ((size_t)m->table_mask + 1) * sizeof *m->table);
    for (uint32_t id = 1; id < n_sets; id++) {
        put_in_table(m, id);
    }
}
