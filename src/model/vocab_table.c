/* SPDX-License-Identifier: Apache-2.0 */
/* Two hash tables with open addressing and linear probing, filled once.  They are kept at most
 * half full, so that a probe is one or two cache lines.  Neither the order of the slots nor the
 * hash function can be seen from outside: what is found is fixed by "lowest id" and "first
 * merge". */
#include <string.h>

#include "model/vocab.h"

/* 2^64 / golden ratio: spreads small differences over the upper half of a product. */
#define MIX UINT64_C(0x9E3779B97F4A7C15)

static uint64_t stir(uint64_t h)
{
    h *= MIX;
    return h ^ h >> 32;
}

static uint32_t hash_text(const char *text, size_t len)
{
    uint64_t h = stir(len + 1);
    uint64_t word;
    for (; len >= sizeof word; text += sizeof word, len -= sizeof word) {
        memcpy(&word, text, sizeof word);
        h = stir(h ^ word);
    }
    if (len > 0) {
        word = 0;
        memcpy(&word, text, len);
        h = stir(h ^ word);
    }
    return (uint32_t)h;
}

/* The smallest power of two that holds n entries half full.  n is limited far below wrapping.
 */
static size_t table_size(size_t n)
{
    size_t size = 16;
    while (size < 2 * n) {
        size *= 2;
    }
    return size;
}

tern_status ti_vocab_index(ti_vocab *v, tern_err *err)
{
    size_t n = 0;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        n += (v->flags[id] & TI_TOKEN_LOOKUP) != 0;
    }
    size_t size = table_size(n);
    v->by_text = ti_arena_calloc(&v->arena, size, sizeof *v->by_text);
    if (!v->by_text) {
        return ti_fail_nomem(err, "tokenizer", size * sizeof *v->by_text, "the token table");
    }
    v->by_text_mask = (uint32_t)(size - 1);
    for (size_t i = 0; i < size; i++) {
        v->by_text[i].id = TI_VOCAB_NO_ID;
    }
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        ti_str text = ti_vocab_text(v, id);
        if (!(v->flags[id] & TI_TOKEN_LOOKUP) ||
            ti_vocab_find(v, text.data, text.len) != TI_VOCAB_NO_ID) {
            continue;
        }
        uint32_t hash = hash_text(text.data, text.len);
        uint32_t i = hash & v->by_text_mask;
        while (v->by_text[i].id != TI_VOCAB_NO_ID) {
            i = (i + 1) & v->by_text_mask;
        }
        v->by_text[i] = (ti_text_slot){hash, id};
    }
    return TERN_OK;
}

uint32_t ti_vocab_find(const ti_vocab *v, const char *text, size_t len)
{
    if (len == 0 || len > v->max_token_bytes) {
        return TI_VOCAB_NO_ID;
    }
    uint32_t hash = hash_text(text, len);
    for (uint32_t i = hash & v->by_text_mask;; i = (i + 1) & v->by_text_mask) {
        ti_text_slot slot = v->by_text[i];
        if (slot.id == TI_VOCAB_NO_ID) {
            return TI_VOCAB_NO_ID;
        }
        if (slot.hash == hash) {
            ti_str known = ti_vocab_text(v, slot.id);
            if (known.len == len && memcmp(known.data, text, len) == 0) {
                return slot.id;
            }
        }
    }
}

tern_status ti_merges_reserve(ti_vocab *v, size_t n, tern_err *err)
{
    size_t size = table_size(n);
    v->merges = ti_arena_calloc(&v->arena, size, sizeof *v->merges);
    if (!v->merges) {
        return ti_fail_nomem(err, "tokenizer", size * sizeof *v->merges, "the merge table");
    }
    v->merges_mask = (uint32_t)(size - 1);
    for (size_t i = 0; i < size; i++) {
        v->merges[i].left = TI_VOCAB_NO_ID;
    }
    return TERN_OK;
}

/* The slot of a pair: where it is, or where it would be put. */
static uint32_t merge_slot(const ti_vocab *v, uint32_t left, uint32_t right)
{
    uint64_t h = stir((uint64_t)left << 32 | right);
    uint32_t i = (uint32_t)h & v->merges_mask;
    while (v->merges[i].left != TI_VOCAB_NO_ID &&
           (v->merges[i].left != left || v->merges[i].right != right)) {
        i = (i + 1) & v->merges_mask;
    }
    return i;
}

void ti_merges_add(ti_vocab *v, ti_merge merge)
{
    uint32_t i = merge_slot(v, merge.left, merge.right);
    if (v->merges[i].left == TI_VOCAB_NO_ID) {
        v->merges[i] = merge;
    }
}

const ti_merge *ti_merges_find(const ti_vocab *v, uint32_t left, uint32_t right)
{
    const ti_merge *m = &v->merges[merge_slot(v, left, right)];
    return m->left == TI_VOCAB_NO_ID ? NULL : m;
}
