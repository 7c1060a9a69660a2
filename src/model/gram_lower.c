/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions to nodes.  Everything is made from its end to its beginning, so that each node
 * knows where it goes on; only loops are closed afterwards. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "model/grammar.h"

static const char module[] = "grammar";

enum { MAX_WORK = 1 << 21, MAX_UTF8 = 4 };

typedef struct lowering {
    tern_grammar *g;
    size_t cap, work;
    bool json, failed, limit;
    const ti_gbuild *build;
    uint32_t more[MAX_UTF8]; /* [i]: i continuation bytes, then what follows a set */
} lowering;

static uint32_t add(lowering *l, ti_gnode node)
{
    tern_grammar *g = l->g;
    if (l->failed || l->limit) {
        return TI_G_NODE_RETURN;
    }
    if (g->n_nodes == TI_GRAMMAR_MAX_NODES) {
        l->limit = true;
        return TI_G_NODE_RETURN;
    }
    if (g->n_nodes == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 256;
        ti_gnode *nodes = realloc(g->nodes, cap * sizeof *nodes);
        if (!nodes) {
            l->failed = true;
            return TI_G_NODE_RETURN;
        }
        g->nodes = nodes;
        l->cap = cap;
    }
    g->nodes[g->n_nodes] = node;
    return (uint32_t)g->n_nodes++;
}

static uint32_t add_byte(lowering *l, unsigned lo, unsigned hi, uint32_t next)
{
    return add(
        l, (ti_gnode){.kind = TI_G_BYTE, .lo = (uint8_t)lo, .hi = (uint8_t)hi, .next = next});
}

static uint32_t add_split(lowering *l, uint32_t a, uint32_t b)
{
    return add(l, (ti_gnode){.kind = TI_G_SPLIT, .next = a, .other = b});
}

/* --- characters --------------------------------------------------------------------------- */

static bool all_are(const uint8_t *bytes, size_t n, uint8_t value)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != value) {
            return false;
        }
    }
    return true;
}

/* n continuation bytes of any value, then what follows the set. */
static uint32_t any_more(lowering *l, size_t n)
{
    if (l->more[n] == TI_G_NEVER) {
        l->more[n] = add_byte(l, 0x80, 0xbf, any_more(l, n - 1));
    }
    return l->more[n];
}

/* Byte sequences between lo and hi, both of n bytes and well formed (RFC 3629): a first byte
 * whose rest is bounded below, first bytes with any rest, one whose rest is bounded above. */
static uint32_t between(lowering *l, const uint8_t *lo, const uint8_t *hi, size_t n)
{
    static const uint8_t least[MAX_UTF8] = {0x80, 0x80, 0x80, 0x80},
                         most[MAX_UTF8] = {0xbf, 0xbf, 0xbf, 0xbf};
    if (n == 0) {
        return l->more[0];
    }
    if (lo[0] == hi[0]) {
        return add_byte(l, lo[0], lo[0], between(l, lo + 1, hi + 1, n - 1));
    }
    unsigned from = lo[0], to = hi[0];
    uint32_t made = TI_G_NEVER;
    if (!all_are(lo + 1, n - 1, 0x80)) {
        made = add_byte(l, from, from, between(l, lo + 1, most, n - 1));
        from++;
    }
    if (!all_are(hi + 1, n - 1, 0xbf)) {
        uint32_t last = add_byte(l, to, to, between(l, least, hi + 1, n - 1));
        made = made == TI_G_NEVER ? last : add_split(l, made, last);
        to--;
    }
    if (from <= to) {
        uint32_t middle = add_byte(l, from, to, any_more(l, n - 1));
        made = made == TI_G_NEVER ? middle : add_split(l, made, middle);
    }
    return made;
}

static uint32_t lower_set(lowering *l, const ti_gexpr *x, uint32_t next)
{
    static const uint32_t last_of_length[MAX_UTF8] = {0x7f, 0x7ff, 0xffff, 0x10ffff};
    uint32_t made = TI_G_NEVER;
    memset(l->more, 0xff, sizeof l->more);
    l->more[0] = next;
    for (size_t i = x->n; i-- > 0;) {
        uint32_t from = x->ranges[i].lo;
        for (size_t len = 0; len < MAX_UTF8 && from <= x->ranges[i].hi; len++) {
            uint32_t to = last_of_length[len];
            to = to < x->ranges[i].hi ? to : x->ranges[i].hi;
            if (from > to) {
                continue;
            }
            char lo[MAX_UTF8], hi[MAX_UTF8];
            (void)ti_utf8_encode(from, lo);
            (void)ti_utf8_encode(to, hi);
            uint32_t part = between(l, (const uint8_t *)lo, (const uint8_t *)hi, len + 1);
            made = made == TI_G_NEVER ? part : add_split(l, part, made);
            from = to + 1;
        }
    }
    return made == TI_G_NEVER ? add(l, (ti_gnode){.kind = TI_G_FAIL}) : made;
}

/* --- expressions -------------------------------------------------------------------------- */

static uint32_t lower(lowering *l, const ti_gexpr *x, uint32_t next);

static uint32_t lower_repeat(lowering *l, const ti_gexpr *x, uint32_t next)
{
    uint32_t at = next;
    if (x->max == TI_GX_FOREVER) {
        uint32_t loop = add_split(l, next, next);
        uint32_t body = lower(l, x->first, loop);
        if (!l->failed && !l->limit) {
            l->g->nodes[loop].next = body;
        }
        at = loop;
    }
    for (uint32_t i = x->min; x->max != TI_GX_FOREVER && i < x->max && !l->limit; i++) {
        at = add_split(l, lower(l, x->first, at), next);
    }
    for (uint32_t i = 0; i < x->min && !l->limit; i++) {
        at = lower(l, x->first, at);
    }
    return at;
}

static uint32_t lower_alt(lowering *l, const ti_gexpr *x, uint32_t next)
{
    uint32_t made = TI_G_NEVER;
    for (const ti_gexpr *part = x->first; part; part = part->sibling) {
        uint32_t one = lower(l, part, next);
        made = made == TI_G_NEVER ? one : add_split(l, one, made);
    }
    return made == TI_G_NEVER ? add(l, (ti_gnode){.kind = TI_G_FAIL}) : made;
}

/* The node that begins with x and goes on to `next`.  As deep as the expression, which front
 * ends bound. */
static uint32_t lower(lowering *l, const ti_gexpr *x, uint32_t next)
{
    if (l->failed || l->limit || ++l->work > MAX_WORK) {
        l->limit = l->limit || !l->failed;
        return TI_G_NODE_RETURN;
    }
    switch (x->kind) {
    case TI_GX_TEXT:
        for (size_t i = x->text.len; i-- > 0;) {
            unsigned byte = (unsigned char)x->text.data[i];
            next = add_byte(l, byte, byte, next);
        }
        return next;
    case TI_GX_SET:
        return lower_set(l, x, next);
    case TI_GX_SEQ:
        for (const ti_gexpr *part = x->first; part; part = part->sibling) {
            next = lower(l, part, next);
        }
        return next;
    case TI_GX_ALT:
        return lower_alt(l, x, next);
    case TI_GX_REPEAT:
        return lower_repeat(l, x, next);
    default: { /* TI_GX_RULE */
        bool tail = next == TI_G_NODE_RETURN;
        bool counts = !tail && (!l->json || l->build->rules[x->min].deep);
        return add(
            l, (ti_gnode){.kind = TI_G_CALL, .other = x->min, .next = next, .cost = counts});
    }
    }
}

tern_status ti_grammar_lower(tern_grammar *g, const ti_gbuild *b, tern_err *err)
{
    lowering l = {.g = g, .build = b, .json = b->json};
    g->max_depth = b->max_depth;
    g->n_rules = b->n_rules;
    g->rules = ti_calloc(b->n_rules, sizeof *g->rules);
    if (!g->rules) {
        return ti_fail_nomem(err, module, b->n_rules * sizeof *g->rules, "rules");
    }
    add(&l, (ti_gnode){.kind = TI_G_ACCEPT});
    add(&l, (ti_gnode){.kind = TI_G_RETURN});
    add(&l, (ti_gnode){.kind = TI_G_CALL, .other = 0, .next = TI_G_NODE_RETURN});
    for (size_t r = 0; r < b->n_rules; r++) {
        g->rules[r].begin_nodes = (uint32_t)g->n_nodes;
        g->rules[r].node = lower(&l, b->rules[r].body, TI_G_NODE_RETURN);
        g->rules[r].ends = (uint32_t)g->n_nodes;
    }
    if (l.failed) {
        return ti_fail_nomem(err, module, 2 * l.cap * sizeof *g->nodes, "a grammar");
    }
    if (l.limit) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "the grammar unfolds to more than %d steps", TI_GRAMMAR_MAX_NODES);
    }
    return TERN_OK;
}
