/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/merkle.h - the hash tree of RFC 6962 (SHA-256), its proofs, and subtrees.
 *
 * Sizes and indexes are below 2^63.  A node is named by its level (0 = leaves) and its index
 * there; node (l, i) covers the leaves [i << l, (i + 1) << l) and is complete when all of them
 * exist.  Sources: RFC 6962 section 2.1, RFC 9162 section 2.1.3-2.1.4 (the checks without
 * recursion), draft-ietf-plants-merkle-tree-certs (subtrees). */
#ifndef TI_LEDGER_MERKLE_H
#define TI_LEDGER_MERKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    TI_HASH_BYTES = 32,
    TI_TREE_LEVELS = 63, /* of nodes that can be complete */
    TI_PROOF_MAX = 64    /* hashes in the longest proof */
};

/* Trees have fewer leaves than this. */
#define TI_TREE_SIZE_MAX (UINT64_C(1) << 63)

typedef struct ti_hash {
    uint8_t b[TI_HASH_BYTES];
} ti_hash;

/* A list of hashes, bottom up. */
typedef struct ti_proof {
    uint32_t n;
    ti_hash hashes[TI_PROOF_MAX];
} ti_proof;

/* Hashes of the empty tree, of one entry (0x00 || entry), of two children (0x01 || l || r). */
void ti_merkle_empty(ti_hash *out);
void ti_merkle_leaf(ti_hash *out, const void *entry, size_t len);
void ti_merkle_node(ti_hash *out, const ti_hash *left, const ti_hash *right);

/* True when both are the same. */
bool ti_hash_equal(const ti_hash *a, const ti_hash *b);

/* Replaces hashes[2^k] by the root of the complete subtree above them; `out` receives the root.
 * Overwrites `hashes`.  Cost: 2^k - 1 hashes. */
void ti_merkle_fold(ti_hash *out, ti_hash *hashes, size_t n);

/* --- the right edge ------------------------------------------------------------------------
 * The roots of the complete subtrees that a tree of n leaves is made of: one for each bit that
 * is set in n.  Enough to add leaves and to know the root. */
typedef struct ti_frontier {
    uint64_t n;
    ti_hash nodes[TI_TREE_LEVELS]; /* nodes[l] is valid when bit l of n is set */
} ti_frontier;

/* Adds one leaf hash; adds a complete subtree of 2^level leaves (n must be a multiple of
 * 2^level).  The caller keeps n below TI_TREE_SIZE_MAX. */
void ti_frontier_add(ti_frontier *frontier, const ti_hash *leaf);
void ti_frontier_add_node(ti_frontier *frontier, unsigned level, const ti_hash *node);

/* Writes the root; that of the empty tree for n = 0. */
void ti_frontier_root(const ti_frontier *frontier, ti_hash *out);

/* --- making proofs -------------------------------------------------------------------------
 */

/* Where hashes of complete nodes come from. */
typedef struct ti_nodes {
    tern_status (*get)(void *user, ti_hash *out, unsigned level, uint64_t index, tern_err *err);
    void *user;
} ti_nodes;

/* Root of the leaves [start, end), where [start, end) is a node of some tree: start is a
 * multiple of the power of two that is at least end - start.  Reads at most 63 nodes.
 * Errors: TERN_USAGE when it is no such range, and those of `nodes`. */
tern_status ti_merkle_range(ti_hash *out, const ti_nodes *nodes, uint64_t start, uint64_t end,
                            tern_err *err);

/* Root of the first n leaves. */
tern_status ti_merkle_root(ti_hash *out, const ti_nodes *nodes, uint64_t n, tern_err *err);

/* The frontier of the first n leaves. */
tern_status ti_merkle_frontier(ti_frontier *out, const ti_nodes *nodes, uint64_t n,
                               tern_err *err);

/* The path from complete node (level, index) to the root of the first n leaves.  What the path
 * needs right of the last complete node comes from `edge` (the frontier of n) when it is not
 * NULL, so that only nodes beside the path are read.
 * Errors: TERN_USAGE when the node is not in the tree, and those of `nodes`. */
tern_status ti_merkle_path(ti_proof *out, const ti_nodes *nodes, const ti_frontier *edge,
                           unsigned level, uint64_t index, uint64_t n, tern_err *err);

/* Proof that leaf `index` is in the tree of n leaves. */
tern_status ti_merkle_inclusion(ti_proof *out, const ti_nodes *nodes, const ti_frontier *edge,
                                uint64_t index, uint64_t n, tern_err *err);

/* Proof that the tree of n leaves begins with the tree of m leaves (0 <= m <= n); empty for
 * m = 0 and m = n. */
tern_status ti_merkle_consistency(ti_proof *out, const ti_nodes *nodes, const ti_frontier *edge,
                                  uint64_t m, uint64_t n, tern_err *err);

/* --- checking proofs -----------------------------------------------------------------------
 * Errors: TERN_NO when the proof does not show it, with the reason. */

/* Leaf `index` with that hash is in the tree of `size` leaves with that root. */
tern_status ti_merkle_check_inclusion(uint64_t index, uint64_t size, const ti_hash *leaf,
                                      const ti_hash *proof, size_t n, const ti_hash *root,
                                      tern_err *err);

/* The same for node (level, index): what ti_merkle_path() gives. */
tern_status ti_merkle_check_path(unsigned level, uint64_t index, uint64_t size,
                                 const ti_hash *node, const ti_hash *proof, size_t n,
                                 const ti_hash *root, tern_err *err);

/* The tree of `size2` leaves begins with that of `size1` leaves.  size1 = 0 is refused: nothing
 * is shown by it, and a caller who takes it for a check is mistaken. */
tern_status ti_merkle_check_consistency(uint64_t size1, uint64_t size2, const ti_hash *root1,
                                        const ti_hash *root2, const ti_hash *proof, size_t n,
                                        tern_err *err);

/* Leaf `index` is in the subtree [start, end) with that hash. */
tern_status ti_merkle_check_subtree_inclusion(uint64_t index, uint64_t start, uint64_t end,
                                              const ti_hash *leaf, const ti_hash *proof,
                                              size_t n, const ti_hash *subtree, tern_err *err);

/* The subtree [start, end) with that hash is in the tree of `size` leaves with that root.  The
 * empty one, start = end, is in every tree. */
tern_status ti_merkle_check_subtree(uint64_t start, uint64_t end, uint64_t size,
                                    const ti_hash *subtree, const ti_hash *root,
                                    const ti_hash *proof, size_t n, tern_err *err);

#endif
