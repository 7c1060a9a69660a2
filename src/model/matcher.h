/* SPDX-License-Identifier: Apache-2.0 */
/* model/matcher.h - where a text stands in a grammar, and which tokens may come next.
 *
 * A state is a set of stacks, which a set of (node, what is below it) describes: what is below
 * is a set of the same kind, so that all readings of an ambiguous grammar share what they have
 * in common.  Sets are kept once (equal sets have one number), and so is where a byte leads
 * from each: what was computed for one token is there for the next.  When the memory is used
 * up, all but what is needed is forgotten.
 *
 * All memory is allocated at creation. */
#ifndef TI_MODEL_MATCHER_H
#define TI_MODEL_MATCHER_H

#include "model/grammar.h"
#include "model/trie.h"

/* Sizes of a matcher, for tests with little memory; zero is the default. */
typedef struct ti_matcher_opts {
    uint32_t sets, items, rows, masks;
} ti_matcher_opts;

typedef struct ti_matcher ti_matcher;

/* Creates a matcher at the beginning of a text.  Grammar and trie must outlive it.
 *   trie  NULL = bytes only, no masks
 * Memory: some 3 MB, and 4 bytes a node of the grammar, and 33 masks of a bit a token.
 * Errors: TERN_NOMEM; TERN_UNSUPPORTED when the vocabulary has no token that ends an answer, or
 * the grammar has too many readings. */
tern_status ti_matcher_create(ti_matcher **out, const tern_grammar *grammar,
                              const ti_trie *trie, const ti_matcher_opts *opts, tern_err *err);

/* Frees a matcher.  NULL is allowed. */
void ti_matcher_destroy(ti_matcher *m);

/* Bytes that a matcher holds. */
uint64_t ti_matcher_bytes(const ti_matcher *m);

/* Reads bytes.  `*fits` says whether the text with them is still the beginning of one of the
 * grammar; else the state is as before.  Errors: TERN_UNSUPPORTED: too many readings. */
tern_status ti_matcher_read(ti_matcher *m, const char *bytes, size_t len, bool *fits,
                            tern_err *err);

/* True when the text is whole. */
bool ti_matcher_whole(const ti_matcher *m);

/* Fewest bytes until it is. */
uint64_t ti_matcher_rest(const ti_matcher *m);

/* Back to the beginning of a text. */
void ti_matcher_restart(ti_matcher *m);

/* Gives the tokens that may come next: bit i % 64 of (*mask)[i / 64] for token i.  A token of
 * bytes may when they fit, one that ends an answer when the text is whole.
 *   left  tokens that may still be chosen, this one and the one that ends the answer included,
 *         or UINT64_MAX: only those are given after which single bytes can still make the text
 *         whole in time; when it is too late for that, those that bring the end nearer
 * The mask is the matcher's, valid until its next call.  Cost: a walk over the part of the trie
 * that fits; for a state that was asked for lately nothing, unless `left` is near;
 * never more than some 2^22 items of sets.
 * Errors: TERN_UNSUPPORTED when there is no such token (names a byte that would fit), or too
 * many readings, or more than that. */
tern_status ti_matcher_mask(ti_matcher *m, uint64_t left, const uint64_t **mask, tern_err *err);

#endif
