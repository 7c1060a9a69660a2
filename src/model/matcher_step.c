/* SPDX-License-Identifier: Apache-2.0 */
/* One byte further.  What the byte leaves behind (and what that returns to) is looked at one by
 * one; rules that are called from there are entered once for each depth, with everything that
 * called them below: callers come first in the order of rules, as nothing calls itself before
 * it reads.  A rule that may be empty is entered and passed over at its call, so inside it the
 * return needs no thought. */
#include <string.h>

#include "model/matcher_parts.h"

static bool fits_depth(const ti_matcher *m, uint32_t node, uint32_t depth)
{
    return m->g->need[node] != TI_G_NEVER && m->g->need[node] + depth <= m->g->max_depth;
}

static void spend(ti_matcher *m, size_t n)
{
    m->cost += n;
    m->full = m->full || m->cost > TI_MATCHER_COST;
}

static void add_head(ti_matcher *m, uint32_t node, uint32_t depth, uint32_t set)
{
    if (m->n_heads == TI_MATCHER_SCRATCH) {
        m->full = true;
    } else if (fits_depth(m, node, depth)) {
        m->heads[m->n_heads++] = (ti_mitem){ti_mkey(node, depth), set};
    }
}

/* Adds what must be looked at, once. */
static void reach(ti_matcher *m, uint32_t node, uint32_t depth, uint32_t set)
{
    ti_mitem item = {ti_mkey(node, depth), set};
    if (!fits_depth(m, node, depth)) {
        return;
    }
    spend(m, 1);
    for (size_t i = m->n_work; m->seen[node] == m->epoch && i-- > 0 && !m->full;) {
        if (m->work[i].key == item.key && m->work[i].set == set) {
            return;
        }
        spend(m, 1);
    }
    if (m->n_work == TI_MATCHER_SCRATCH) {
        m->full = true;
        return;
    }
    m->seen[node] = m->epoch;
    m->work[m->n_work++] = item;
}

/* --- calls ----------------------------------------------------------------------------------
 */

static void add_call(ti_matcher *m, uint32_t order, ti_mitem back)
{
    if (m->n_calls == TI_MATCHER_SCRATCH) {
        m->full = true;
        return;
    }
    spend(m, 1);
    size_t lo = 0, hi = m->n_calls; /* the highest order stands first, equals as they come */
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (m->calls[mid].order >= order) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    memmove(m->calls + lo + 1, m->calls + lo, (m->n_calls - lo) * sizeof *m->calls);
    m->calls[lo] = (ti_mcall){order, back};
    m->n_calls++;
}

/* A call whose return would only return leaves no frame. */
static void call(ti_matcher *m, const ti_gnode *node, uint32_t depth, uint32_t set)
{
    uint32_t order = m->g->rules[node->other].order << 8 | (depth + node->cost);
    if (!ti_g_is_tail(m->g, node)) {
        add_call(m, order, (ti_mitem){ti_mkey(node->next, depth), set});
        return;
    }
    const ti_mset *s = &m->sets[set];
    for (uint32_t i = 0; i < s->n && !m->full; i++) {
        add_call(m, order, m->items[s->first + i]);
    }
}

/* Enters the rule that comes first in the order, from all its callers at one depth. */
static void enter(ti_matcher *m)
{
    uint32_t order = m->calls[m->n_calls - 1].order, depth = order & 0xff;
    const ti_gentry *rule = &m->g->rules[m->g->rule_of_order[order >> 8]];
    size_t n = 0;
    for (; m->n_calls > 0 && m->calls[m->n_calls - 1].order == order; m->n_calls--) {
        m->tmp[n++] = m->calls[m->n_calls - 1].back;
    }
    m->n_tmp = n;
    spend(m, n);
    uint32_t set = ti_matcher_intern(m, m->tmp, n);
    m->n_tmp = 0;
    if (set == TI_MS_FULL) {
        m->full = true;
        return;
    }
    for (uint32_t i = 0; i < rule->n; i++) {
        uint32_t at = m->g->firsts[rule->first + i];
        const ti_gnode *node = &m->g->nodes[at];
        if (node->kind == TI_G_BYTE) {
            add_head(m, at, depth, set);
        } else if (fits_depth(m, at, depth)) {
            call(m, node, depth, set);
        }
    }
}

/* --- steps ----------------------------------------------------------------------------------
 */

static void look_at(ti_matcher *m, ti_mitem item)
{
    uint32_t at = ti_mnode(item.key), depth = ti_mdepth(item.key);
    const ti_gnode *node = &m->g->nodes[at];
    const ti_mset *below = &m->sets[item.set];
    switch (node->kind) {
    case TI_G_BYTE:
    case TI_G_ACCEPT:
        add_head(m, at, depth, item.set);
        break;
    case TI_G_SPLIT:
        reach(m, node->next, depth, item.set);
        reach(m, node->other, depth, item.set);
        break;
    case TI_G_CALL:
        call(m, node, depth, item.set);
        if (m->g->rest[m->g->rules[node->other].node] == 0) {
            reach(m, node->next, depth, item.set);
        }
        break;
    case TI_G_RETURN:
        for (uint32_t i = 0; i < below->n && !m->full; i++) {
            ti_mitem to = m->items[below->first + i];
            reach(m, ti_mnode(to.key), ti_mdepth(to.key), to.set);
        }
        break;
    default:
        break;
    }
}

static void prepare(ti_matcher *m)
{
    m->n_work = m->n_heads = m->n_calls = m->n_tmp = 0;
    m->full = false;
    if (++m->epoch == 0) {
        memset(m->seen, 0, m->g->n_nodes * sizeof *m->seen);
        m->epoch = 1;
    }
}

static uint32_t close(ti_matcher *m)
{
    for (size_t i = 0; i < m->n_work && !m->full; i++) {
        look_at(m, m->work[i]);
    }
    while (m->n_calls > 0 && !m->full) {
        enter(m);
    }
    spend(m, m->n_heads);
    return m->full ? TI_MS_FULL : ti_matcher_intern(m, m->heads, m->n_heads);
}

uint32_t ti_matcher_begin(ti_matcher *m)
{
    prepare(m);
    m->cost = 0;
    reach(m, TI_G_NODE_START, 0, TI_MS_BOTTOM);
    return close(m);
}

static uint32_t compute(ti_matcher *m, uint32_t set, uint8_t byte)
{
    const ti_mset *s = &m->sets[set];
    prepare(m);
    spend(m, s->n);
    for (uint32_t i = 0; i < s->n && !m->full; i++) {
        ti_mitem item = m->items[s->first + i];
        const ti_gnode *node = &m->g->nodes[ti_mnode(item.key)];
        if (node->kind == TI_G_BYTE && byte >= node->lo && byte <= node->hi) {
            reach(m, node->next, ti_mdepth(item.key), item.set);
        }
    }
    return close(m);
}

uint32_t ti_matcher_step(ti_matcher *m, uint32_t set, uint8_t byte)
{
    ti_mset *s = &m->sets[set];
    if (s->row == 0 && m->n_rows < m->cap_rows) {
        s->row = (uint32_t)++m->n_rows;
        memset(m->rows + (size_t)(s->row - 1) * TI_MATCHER_BYTES, 0xff,
               TI_MATCHER_BYTES * sizeof *m->rows);
    }
    uint32_t *known = s->row ? m->rows + (size_t)(s->row - 1) * TI_MATCHER_BYTES + byte : NULL;
    if (known && *known != TI_MS_FULL) {
        return *known;
    }
    uint32_t to = compute(m, set, byte);
    if (known) {
        *known = to;
    }
    return to;
}
