/* SPDX-License-Identifier: Apache-2.0 */
/* model/trie.h - the vocabulary as a trie over the bytes of its tokens.
 *
 * In preorder, one node after the other, so that a walk is a loop that skips what it does not
 * want: the children of a node follow it, and `end` is the node after them.  Memory: 12 bytes
 * a node and 4 a token; some 30 bytes a token of the vocabularies in use. */
#ifndef TI_MODEL_TRIE_H
#define TI_MODEL_TRIE_H

#include "model/tok.h"

typedef struct ti_trie_node {
    uint32_t end;   /* the first node that is not under it */
    uint32_t first; /* its tokens: ids[first] up to those of the next node */
    uint16_t depth; /* bytes from the root, from 1 */
    uint8_t byte;
} ti_trie_node;

typedef struct ti_trie {
    ti_trie_node *nodes; /* [n + 1]; of the last only `first` counts */
    size_t n;
    uint32_t
        *ids; /* tokens that stand for bytes and end nothing, in the order of their bytes */
    uint32_t *ends; /* [n_ends] tokens that end an answer */
    size_t n_ends;
    size_t max_depth;
    uint32_t n_vocab;
} ti_trie;

/* The trie of a vocabulary, which owns it: made when it is asked for first, by any thread.
 * Cost: O(bytes of all tokens * log).  Errors: TERN_NOMEM. */
tern_status ti_vocab_trie(const ti_trie **out, const ti_vocab *vocab, tern_err *err);

/* Frees a trie; for ti_vocab_destroy(). */
void ti_trie_free(ti_trie *trie);

/* Bytes that a trie holds. */
uint64_t ti_trie_bytes(const ti_trie *trie);

#endif
