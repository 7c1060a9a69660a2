/* SPDX-License-Identifier: Apache-2.0 */
/* Making proofs from nodes that somebody has. */
#include "ledger/merkle.h"

/* Root of the leaves [start, start + n), from the small pieces at the right to the large ones.
 * `edge`, when given, has these pieces already. */
static tern_status join(ti_hash *out, const ti_nodes *nodes, const ti_frontier *edge,
                        uint64_t start, uint64_t n, tern_err *err)
{
    ti_hash root = {{0}}, piece;
    bool some = false;
    uint64_t end = start + n;
    for (unsigned level = 0; level < TI_TREE_LEVELS; level++) {
        if (!(n >> level & 1)) {
            continue;
        }
        end -= UINT64_C(1) << level;
        if (edge) {
            piece = edge->nodes[level];
        } else {
            TI_TRY(nodes->get(nodes->user, &piece, level, end >> level, err));
        }
        if (some) {
            ti_merkle_node(&root, &piece, &root);
        } else {
            root = piece;
        }
        some = true;
    }
    *out = root;
    return TERN_OK;
}

tern_status ti_merkle_range(ti_hash *out, const ti_nodes *nodes, uint64_t start, uint64_t end,
                            tern_err *err)
{
    uint64_t width = 1;
    while (end > start && end <= TI_TREE_SIZE_MAX && width < end - start) {
        width <<= 1;
    }
    if (start >= end || end > TI_TREE_SIZE_MAX || start % width != 0) {
        return ti_fail(err, TERN_USAGE, "merkle", TI_NO_OFFSET,
                       "[%llu, %llu) is no node of a tree", (unsigned long long)start,
                       (unsigned long long)end);
    }
    return join(out, nodes, NULL, start, end - start, err);
}

tern_status ti_merkle_root(ti_hash *out, const ti_nodes *nodes, uint64_t n, tern_err *err)
{
    if (n == 0) {
        ti_merkle_empty(out);
        return TERN_OK;
    }
    return ti_merkle_range(out, nodes, 0, n, err);
}

tern_status ti_merkle_frontier(ti_frontier *out, const ti_nodes *nodes, uint64_t n,
                               tern_err *err)
{
    ti_frontier edge = {.n = n};
    for (unsigned level = 0; level < TI_TREE_LEVELS; level++) {
        if (n >> level & 1) {
            /* The piece of level l starts where the bits of n above l end. */
            uint64_t index = (n >> level) - 1;
            TI_TRY(nodes->get(nodes->user, &edge.nodes[level], level, index, err));
        }
    }
    *out = edge;
    return TERN_OK;
}

tern_status ti_merkle_path(ti_proof *out, const ti_nodes *nodes, const ti_frontier *edge,
                           unsigned level, uint64_t index, uint64_t n, tern_err *err)
{
    if (n > TI_TREE_SIZE_MAX || level >= TI_TREE_LEVELS || index >= n >> level) {
        return ti_fail(err, TERN_USAGE, "merkle", TI_NO_OFFSET,
                       "node %llu of level %u is not in a tree of %llu entries",
                       (unsigned long long)index, level, (unsigned long long)n);
    }
    TI_ASSERT(!edge || edge->n == n);
    ti_proof path = {0};
    for (; (n - 1) >> level > 0; level++, index >>= 1) {
        uint64_t sibling = index ^ 1;
        if (sibling > (n - 1) >> level) {
            continue; /* the last node of its level goes up alone */
        }
        ti_hash *hash = &path.hashes[path.n++];
        if (sibling < n >> level) {
            TI_TRY(nodes->get(nodes->user, hash, level, sibling, err));
        } else {
            uint64_t start = sibling << level;
            TI_TRY(join(hash, nodes, edge, start, n - start, err));
        }
    }
    *out = path;
    return TERN_OK;
}

tern_status ti_merkle_inclusion(ti_proof *out, const ti_nodes *nodes, const ti_frontier *edge,
                                uint64_t index, uint64_t n, tern_err *err)
{
    return ti_merkle_path(out, nodes, edge, 0, index, n, err);
}

/* RFC 9162 section 2.1.4.1: the path of the older tree's last piece; that piece itself first,
 * unless the piece is the older tree, whose root everybody knows. */
tern_status ti_merkle_consistency(ti_proof *out, const ti_nodes *nodes, const ti_frontier *edge,
                                  uint64_t m, uint64_t n, tern_err *err)
{
    if (m > n) {
        return ti_fail(err, TERN_USAGE, "merkle", TI_NO_OFFSET,
                       "a tree of %llu entries does not begin with one of %llu",
                       (unsigned long long)n, (unsigned long long)m);
    }
    ti_proof proof = {0};
    if (m > 0 && m < n) {
        unsigned level = (unsigned)__builtin_ctzll(m);
        uint64_t index = (m >> level) - 1;
        TI_TRY(ti_merkle_path(&proof, nodes, edge, level, index, n, err));
        if (index > 0) {
            TI_ASSERT(proof.n < TI_PROOF_MAX);
            for (uint32_t i = proof.n; i > 0; i--) {
                proof.hashes[i] = proof.hashes[i - 1];
            }
            TI_TRY(nodes->get(nodes->user, &proof.hashes[0], level, index, err));
            proof.n++;
        }
    }
    *out = proof;
    return TERN_OK;
}
