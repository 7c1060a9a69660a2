/* SPDX-License-Identifier: Apache-2.0 */
#include "model/matcher.h"

#include <stdlib.h>

#include "model/matcher_parts.h"

static const char module[] = "grammar";

enum {
    SETS = 1 << 15,
    ITEMS = 1 << 17,
    ROWS = 1 << 10,
    MASKS = 32,
    SETS_LEAST = 64, /* room for a state and its next at least */
    ITEMS_LEAST = 1024
};

tern_status ti_matcher_too_many(tern_err *err)
{
    return ti_fail(err, TERN_UNSUPPORTED, module, TI_NO_OFFSET,
                   "the grammar has too many readings of this text");
}

static uint32_t or_default(uint32_t value, uint32_t least, uint32_t otherwise)
{
    return value == 0 ? otherwise : value < least ? least : value;
}

static bool allocate(ti_matcher *m, const ti_matcher_opts *opts)
{
    size_t table = 1;
    ti_arena *a = &m->arena;
    m->cap_sets = or_default(opts->sets, SETS_LEAST, SETS);
    m->cap_items = or_default(opts->items, ITEMS_LEAST, ITEMS);
    m->cap_rows = or_default(opts->rows, 1, ROWS);
    m->cap_masks = or_default(opts->masks, 1, MASKS);
    while (table < 2 * m->cap_sets) {
        table *= 2;
    }
    m->table_mask = (uint32_t)(table - 1);
    m->words = m->trie ? ((size_t)m->trie->n_vocab + 63) / 64 : 0;
    m->sets = ti_arena_calloc(a, m->cap_sets, sizeof *m->sets);
    m->items = ti_arena_calloc(a, m->cap_items, sizeof *m->items);
    m->table = ti_arena_calloc(a, table, sizeof *m->table);
    m->rows = ti_arena_calloc(a, m->cap_rows, TI_MATCHER_BYTES * sizeof *m->rows);
    m->masks = ti_arena_calloc(a, m->cap_masks + 1, m->words * sizeof *m->masks + 1);
    m->mask_of = ti_arena_calloc(a, m->cap_masks, sizeof *m->mask_of);
    m->mask_top = ti_arena_calloc(a, m->cap_masks, sizeof *m->mask_top);
    m->walk = ti_arena_calloc(a, (m->trie ? m->trie->max_depth : 0) + 2, sizeof *m->walk);
    m->work = ti_arena_calloc(a, TI_MATCHER_SCRATCH, sizeof *m->work);
    m->heads = ti_arena_calloc(a, TI_MATCHER_SCRATCH, sizeof *m->heads);
    m->tmp = ti_arena_calloc(a, TI_MATCHER_SCRATCH, sizeof *m->tmp);
    m->calls = ti_arena_calloc(a, TI_MATCHER_SCRATCH, sizeof *m->calls);
    m->seen = ti_arena_calloc(a, m->g->n_nodes, sizeof *m->seen);
    return m->sets && m->items && m->table && m->rows && m->masks && m->mask_of &&
           m->mask_top && m->walk && m->work && m->heads && m->tmp && m->calls && m->seen;
}

static tern_status begin(ti_matcher *m, tern_err *err)
{
    ti_mitem accept = {ti_mkey(TI_G_NODE_ACCEPT, 0), TI_MS_EMPTY};
    m->n_sets = 1; /* the empty one, which is in no table */
    if (ti_matcher_intern(m, &accept, 1) != TI_MS_BOTTOM) {
        return ti_matcher_too_many(err);
    }
    m->start = m->state = ti_matcher_begin(m);
    return m->start == TI_MS_FULL ? ti_matcher_too_many(err) : TERN_OK;
}

tern_status ti_matcher_create(ti_matcher **out, const tern_grammar *grammar,
                              const ti_trie *trie, const ti_matcher_opts *opts, tern_err *err)
{
    const ti_matcher_opts defaults = {0};
    if (trie && trie->n_ends == 0) {
        return ti_fail(err, TERN_UNSUPPORTED, module, TI_NO_OFFSET,
                       "the vocabulary has no token that ends an answer");
    }
    ti_matcher *m = ti_calloc(1, sizeof *m);
    if (!m) {
        return ti_fail_nomem(err, module, sizeof *m, "a grammar's state");
    }
    m->g = grammar;
    m->trie = trie;
    tern_status status = TERN_OK;
    if (!allocate(m, opts ? opts : &defaults)) {
        status = ti_fail_nomem(err, module, ITEMS * sizeof *m->items, "a grammar's state");
    }
    if (status == TERN_OK) {
        status = begin(m, err);
    }
    if (status != TERN_OK) {
        ti_matcher_destroy(m);
        return status;
    }
    *out = m;
    return TERN_OK;
}

void ti_matcher_destroy(ti_matcher *m)
{
    if (m) {
        ti_arena_free(&m->arena);
        free(m);
    }
}

uint64_t ti_matcher_bytes(const ti_matcher *m)
{
    return sizeof *m + m->arena.bytes;
}

bool ti_matcher_walk(ti_matcher *m, size_t at, uint8_t byte)
{
    m->n_walk = at + 1;
    uint32_t to = ti_matcher_step(m, m->walk[at], byte);
    if (to == TI_MS_FULL) {
        ti_matcher_forget(m);
        to = ti_matcher_step(m, m->walk[at], byte);
    }
    m->walk[at + 1] = to == TI_MS_FULL ? TI_MS_EMPTY : to;
    return to != TI_MS_FULL;
}

tern_status ti_matcher_read(ti_matcher *m, const char *bytes, size_t len, bool *fits,
                            tern_err *err)
{
    bool room = true;
    m->walk[0] = m->state;
    for (size_t i = 0; i < len && room && m->walk[0] != TI_MS_EMPTY; i++) {
        m->cost = 0;
        room = ti_matcher_walk(m, 0, (uint8_t)bytes[i]);
        m->walk[0] = m->walk[1];
    }
    m->n_walk = 0;
    if (!room) {
        return ti_matcher_too_many(err);
    }
    *fits = m->walk[0] != TI_MS_EMPTY;
    m->state = *fits ? m->walk[0] : m->state;
    return TERN_OK;
}

bool ti_matcher_whole(const ti_matcher *m)
{
    const ti_mset *s = &m->sets[m->state];
    return s->n > 0 && ti_mnode(m->items[s->first].key) == TI_G_NODE_ACCEPT;
}

uint64_t ti_matcher_rest(const ti_matcher *m)
{
    return m->sets[m->state].rest;
}

void ti_matcher_restart(ti_matcher *m)
{
    m->state = m->start;
}
