/* SPDX-License-Identifier: Apache-2.0 */
/* What must be known of a grammar before a text is begun: how near the end is from everywhere,
 * and that no rule can call itself without having read a byte. */
#include <stdlib.h>
#include <string.h>

#include "model/grammar.h"

static const char module[] = "grammar";

enum { MAX_VISITS = 1 << 26 }; /* of nodes, until the distances stand: some 0.2 s */

/* --- an order of rules ---------------------------------------------------------------------
 */

/* Edges of a graph of rules: the i-th rule that `rule` goes to, or NEVER after the last. */
typedef uint32_t edge_fn(const tern_grammar *g, uint32_t rule, uint32_t *i);

/* Rules that it calls anywhere. */
static uint32_t called(const tern_grammar *g, uint32_t rule, uint32_t *i)
{
    const ti_gentry *e = &g->rules[rule];
    while (e->begin_nodes + *i < e->ends) {
        const ti_gnode *node = &g->nodes[e->begin_nodes + (*i)++];
        if (node->kind == TI_G_CALL) {
            return node->other;
        }
    }
    return TI_G_NEVER;
}

/* Rules that it calls before it has read anything. */
static uint32_t called_first(const tern_grammar *g, uint32_t rule, uint32_t *i)
{
    const ti_gentry *e = &g->rules[rule];
    while (*i < e->n) {
        const ti_gnode *node = &g->nodes[g->firsts[e->first + (*i)++]];
        if (node->kind == TI_G_CALL) {
            return node->other;
        }
    }
    return TI_G_NEVER;
}

/* Writes the rules to order [n_rules], each after those that it goes to.  Returns a rule that
 * leads back to itself, or NEVER; some such rules have no order, which is as good as any.
 *   scratch  [3 * n_rules] */
static uint32_t post_order(const tern_grammar *g, edge_fn *edge, uint32_t *order,
                           uint32_t *scratch)
{
    enum { NEW, OPEN, DONE };
    size_t n = g->n_rules, done = 0, depth = 0;
    uint32_t *state = scratch, *stack = scratch + n, *at = scratch + 2 * n;
    uint32_t looped = TI_G_NEVER;
    memset(scratch, 0, 3 * n * sizeof *scratch);
    for (uint32_t root = 0; root < n; root++) {
        if (state[root] != NEW) {
            continue;
        }
        state[root] = OPEN;
        stack[depth++] = root;
        while (depth > 0) {
            uint32_t rule = stack[depth - 1], to = edge(g, rule, &at[rule]);
            if (to == TI_G_NEVER) {
                state[rule] = DONE;
                order[done++] = rule;
                depth--;
            } else if (state[to] == NEW) {
                state[to] = OPEN;
                stack[depth++] = to;
            } else if (state[to] == OPEN) {
                looped = to;
            }
        }
    }
    return looped;
}

/* --- distances -----------------------------------------------------------------------------
 */

static uint32_t plus(uint32_t a, uint32_t b)
{
    if (a == TI_G_NEVER || b == TI_G_NEVER) {
        return TI_G_NEVER;
    }
    return a < TI_G_NEVER - 1 - b ? a + b : TI_G_NEVER - 1;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Computes one node from those after it; returns whether it came nearer. */
static bool update(tern_grammar *g, uint32_t i)
{
    const ti_gnode *node = &g->nodes[i];
    uint32_t rest, need;
    switch (node->kind) {
    case TI_G_BYTE:
        rest = plus(1, g->rest[node->next]);
        need = g->need[node->next];
        break;
    case TI_G_SPLIT:
        rest = least(g->rest[node->next], g->rest[node->other]);
        need = least(g->need[node->next], g->need[node->other]);
        break;
    case TI_G_CALL: {
        uint32_t entry = g->rules[node->other].node;
        rest = plus(g->rest[entry], g->rest[node->next]);
        need = most(plus(node->cost, g->need[entry]), g->need[node->next]);
        break;
    }
    default:
        rest = need = node->kind == TI_G_FAIL ? TI_G_NEVER : 0;
        break;
    }
    bool nearer = rest < g->rest[i] || need < g->need[i];
    g->rest[i] = rest;
    g->need[i] = need;
    return nearer;
}

/* From the callees to the callers, again and again until nothing comes nearer. */
static tern_status measure(tern_grammar *g, const uint32_t *order, tern_err *err)
{
    size_t visits = 0;
    bool again = true;
    memset(g->rest, 0xff, g->n_nodes * sizeof *g->rest);
    memset(g->need, 0xff, g->n_nodes * sizeof *g->need);
    (void)update(g, TI_G_NODE_ACCEPT);
    (void)update(g, TI_G_NODE_RETURN);
    while (again) {
        again = false;
        for (size_t r = 0; r < g->n_rules; r++) {
            const ti_gentry *e = &g->rules[order[r]];
            for (uint32_t i = e->begin_nodes; i < e->ends; i++) {
                again |= update(g, i);
            }
        }
        visits += g->n_nodes;
        if (visits > MAX_VISITS) {
            return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                           "the grammar is too large and too recursive");
        }
    }
    (void)update(g, TI_G_NODE_START);
    return TERN_OK;
}

/* --- what a rule can begin with ------------------------------------------------------------
 */

/* Nodes that a rule reaches without reading; what cannot be left is left out.
 *   stack  [n_nodes]
 *   seen   [n_nodes], rule + 1 where it was */
static size_t collect(tern_grammar *g, uint32_t rule, size_t n, uint32_t *stack, uint32_t *seen)
{
    size_t depth = 0;
    stack[depth++] = g->rules[rule].node;
    g->rules[rule].first = (uint32_t)n;
    while (depth > 0) {
        uint32_t i = stack[--depth];
        const ti_gnode *node = &g->nodes[i];
        if (seen[i] == rule + 1 || g->rest[i] == TI_G_NEVER) {
            continue;
        }
        seen[i] = rule + 1;
        if (node->kind == TI_G_BYTE || node->kind == TI_G_CALL) {
            g->firsts[n++] = i;
        }
        if (node->kind == TI_G_SPLIT) {
            stack[depth++] = node->other;
            stack[depth++] = node->next;
        } else if (node->kind == TI_G_CALL && g->rest[g->rules[node->other].node] == 0) {
            stack[depth++] = node->next;
        }
    }
    g->rules[rule].n = (uint32_t)n - g->rules[rule].first;
    return n;
}

/* Every node belongs to one rule, but for the fixed ones, which are not collected; so they fit
 * n_nodes.  The stack grows by one at most for each node that is taken the first time. */
static void collect_all(tern_grammar *g, uint32_t *stack, uint32_t *seen)
{
    size_t n = 0;
    memset(seen, 0, g->n_nodes * sizeof *seen);
    for (uint32_t r = 0; r < g->n_rules; r++) {
        n = collect(g, r, n, stack, seen);
    }
}

static tern_status conclude(tern_grammar *g, const ti_gbuild *b, uint32_t *order,
                            uint32_t *scratch, tern_err *err)
{
    if (g->rest[TI_G_NODE_START] == TI_G_NEVER) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       "no finite text fits the grammar");
    }
    if (g->need[TI_G_NODE_START] > g->max_depth) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "every text of the grammar nests deeper than %u", g->max_depth);
    }
    uint32_t looped = post_order(g, called_first, order, scratch);
    if (looped != TI_G_NEVER) {
        const ti_grule *rule = &b->rules[looped];
        return ti_fail(err, TERN_UNSUPPORTED, module, rule->at,
                       "rule '%s' calls itself before it has read anything (left recursion)",
                       rule->name);
    }
    for (size_t i = 0; i < g->n_rules; i++) { /* callers first */
        uint32_t rule = order[g->n_rules - 1 - i];
        g->rules[rule].order = (uint32_t)i;
        g->rule_of_order[i] = rule;
    }
    return TERN_OK;
}

tern_status ti_grammar_check(tern_grammar *g, const ti_gbuild *b, tern_err *err)
{
    size_t n = g->n_nodes, most_of = n > 2 * g->n_rules ? n : 2 * g->n_rules;
    uint32_t *order = ti_calloc(g->n_rules, sizeof *order);
    uint32_t *scratch = ti_calloc(2 * most_of + 2, sizeof *scratch);
    g->rest = ti_calloc(n, sizeof *g->rest);
    g->need = ti_calloc(n, sizeof *g->need);
    g->firsts = ti_calloc(n, sizeof *g->firsts);
    g->rule_of_order = ti_calloc(g->n_rules, sizeof *g->rule_of_order);
    tern_status status;
    if (!order || !scratch || !g->rest || !g->need || !g->firsts || !g->rule_of_order) {
        status = ti_fail_nomem(err, module, 6 * n * sizeof *g->rest, "a grammar");
    } else {
        (void)post_order(g, called, order, scratch);
        status = measure(g, order, err);
    }
    if (status == TERN_OK) {
        collect_all(g, scratch, scratch + most_of + 2);
        status = conclude(g, b, order, scratch, err);
    }
    free(order);
    free(scratch);
    return status;
}
