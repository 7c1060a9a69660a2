/* SPDX-License-Identifier: Apache-2.0 */
#include "model/trie.h"

#include <stdlib.h>
#include <string.h>

#include "model/vocab.h"

#define MODULE "trie"

typedef struct word {
    ti_str text;
    uint32_t id;
} word;

static int by_bytes(const void *a, const void *b)
{
    const word *x = a, *y = b;
    size_t n = x->text.len < y->text.len ? x->text.len : y->text.len;
    int order = memcmp(x->text.data, y->text.data, n);
    if (order == 0 && x->text.len != y->text.len) {
        order = x->text.len < y->text.len ? -1 : 1;
    }
    return order != 0 ? order : x->id < y->id ? -1 : 1;
}

static size_t common(ti_str a, ti_str b)
{
    size_t n = 0;
    while (n < a.len && n < b.len && a.data[n] == b.data[n]) {
        n++;
    }
    return n;
}

/* At least 1, so that there is something to allocate. */
static size_t count_ends(const ti_vocab *v)
{
    size_t n = 0;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        n += ti_vocab_ends(v, (tern_token)id);
    }
    return n > 0 ? n : 1;
}

/* The tokens that stand for bytes, sorted; returns their number. */
static size_t take_words(word *words, ti_trie *t, const ti_vocab *v)
{
    size_t n = 0;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        size_t len;
        const char *text = ti_vocab_bytes(v, (tern_token)id, &len);
        if (ti_vocab_ends(v, (tern_token)id)) {
            t->ends[t->n_ends++] = id;
        } else if (len > 0) {
            words[n++] = (word){{text, len}, id};
            t->max_depth = len > t->max_depth ? len : t->max_depth;
        }
    }
    if (n > 1) {
        qsort(words, n, sizeof *words, by_bytes);
    }
    return n;
}

/* Each word adds a node for every byte that it does not share with the one before it. */
static size_t count_nodes(const word *words, size_t n)
{
    size_t nodes = 0;
    for (size_t i = 0; i < n; i++) {
        nodes += words[i].text.len - (i > 0 ? common(words[i - 1].text, words[i].text) : 0);
    }
    return nodes;
}

/*   path  [max_depth + 1]: the node of each depth that is open */
static void fill(ti_trie *t, const word *words, size_t n, uint32_t *path)
{
    size_t used = 0, depth = 0;
    for (size_t i = 0; i < n; i++) {
        ti_str text = words[i].text;
        size_t shared = i > 0 ? common(words[i - 1].text, text) : 0;
        for (; depth > shared; depth--) {
            t->nodes[path[depth]].end = (uint32_t)used;
        }
        while (depth < text.len) {
            path[depth + 1] = (uint32_t)used;
            t->nodes[used++] = (ti_trie_node){.first = (uint32_t)i,
                                              .depth = (uint16_t)(depth + 1),
                                              .byte = (uint8_t)text.data[depth]};
            depth++;
        }
        t->ids[i] = words[i].id;
    }
    for (; depth > 0; depth--) {
        t->nodes[path[depth]].end = (uint32_t)used;
    }
    t->nodes[used].first = (uint32_t)n;
    /* A node made for a word holds the words from there on that are exactly its bytes; nodes on
     * the way to it begin at the same word and hold none, as the next node begins there too. */
    t->n = used;
}

static tern_status build(ti_trie *t, const ti_vocab *v, tern_err *err)
{
    word *words = ti_calloc(v->n_tokens, sizeof *words);
    uint32_t *path = ti_calloc((size_t)v->max_token_bytes + 2, sizeof *path);
    t->n_vocab = v->n_tokens;
    t->ids = ti_calloc(v->n_tokens, sizeof *t->ids);
    t->ends = ti_calloc(count_ends(v), sizeof *t->ends);
    tern_status status = TERN_OK;
    if (words && path && t->ids && t->ends) {
        size_t n = take_words(words, t, v);
        t->nodes = ti_calloc(count_nodes(words, n) + 1, sizeof *t->nodes);
        if (t->nodes) {
            fill(t, words, n, path);
        }
    }
    if (!t->nodes) {
        status = ti_fail_nomem(err, MODULE, v->n_tokens * sizeof *words,
                               "the tokens by their bytes");
    }
    free(words);
    free(path);
    return status;
}

void ti_trie_free(ti_trie *trie)
{
    if (trie) {
        free(trie->nodes);
        free(trie->ids);
        free(trie->ends);
        free(trie);
    }
}

uint64_t ti_trie_bytes(const ti_trie *trie)
{
    return sizeof *trie + (trie->n + 1) * sizeof *trie->nodes +
           trie->n_vocab * sizeof *trie->ids + (trie->n_ends + 1) * sizeof *trie->ends;
}

/* Two threads may both build one; the first to be done is kept. */
tern_status ti_vocab_trie(const ti_trie **out, const ti_vocab *vocab, tern_err *err)
{
    ti_vocab *v = (ti_vocab *)(uintptr_t)vocab; /* all but this member is immutable */
    ti_trie *known = atomic_load(&v->trie);
    if (!known) {
        ti_trie *made = ti_calloc(1, sizeof *made);
        if (!made) {
            return ti_fail_nomem(err, MODULE, sizeof *made, "the tokens by their bytes");
        }
        tern_status status = build(made, v, err);
        if (status != TERN_OK) {
            ti_trie_free(made);
            return status;
        }
        if (atomic_compare_exchange_strong(&v->trie, &known, made)) {
            known = made;
        } else {
            ti_trie_free(made);
        }
    }
    *out = known;
    return TERN_OK;
}
