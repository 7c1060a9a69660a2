/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/merkle.h"

#include <string.h>

#include "base/sha256.h"

enum { LEAF_PREFIX = 0x00, NODE_PREFIX = 0x01 }; /* RFC 6962 section 2.1 */

void ti_merkle_empty(ti_hash *out)
{
    ti_sha256_of(out->b, "", 0);
}

void ti_merkle_leaf(ti_hash *out, const void *entry, size_t len)
{
    static const uint8_t prefix = LEAF_PREFIX;
    ti_sha256 hash;
    ti_sha256_start(&hash);
    ti_sha256_add(&hash, &prefix, 1);
    ti_sha256_add(&hash, entry, len);
    ti_sha256_end(&hash, out->b);
}

void ti_merkle_node(ti_hash *out, const ti_hash *left, const ti_hash *right)
{
    uint8_t bytes[1 + 2 * TI_HASH_BYTES] = {NODE_PREFIX};
    memcpy(bytes + 1, left->b, TI_HASH_BYTES);
    memcpy(bytes + 1 + TI_HASH_BYTES, right->b, TI_HASH_BYTES);
    ti_sha256_of(out->b, bytes, sizeof bytes);
}

bool ti_hash_equal(const ti_hash *a, const ti_hash *b)
{
    return memcmp(a->b, b->b, TI_HASH_BYTES) == 0;
}

void ti_merkle_fold(ti_hash *out, ti_hash *hashes, size_t n)
{
    TI_ASSERT(n > 0 && (n & (n - 1)) == 0);
    for (; n > 1; n /= 2) {
        for (size_t i = 0; i < n / 2; i++) {
            ti_merkle_node(&hashes[i], &hashes[2 * i], &hashes[2 * i + 1]);
        }
    }
    *out = hashes[0];
}

void ti_frontier_add_node(ti_frontier *frontier, unsigned level, const ti_hash *node)
{
    uint64_t leaves = UINT64_C(1) << level;
    TI_ASSERT(level < TI_TREE_LEVELS && frontier->n % leaves == 0);
    TI_ASSERT(frontier->n < TI_TREE_SIZE_MAX - leaves);
    ti_hash carry = *node;
    for (; frontier->n >> level & 1; level++) {
        ti_merkle_node(&carry, &frontier->nodes[level], &carry);
    }
    frontier->nodes[level] = carry;
    frontier->n += leaves;
}

void ti_frontier_add(ti_frontier *frontier, const ti_hash *leaf)
{
    ti_frontier_add_node(frontier, 0, leaf);
}

void ti_frontier_root(const ti_frontier *frontier, ti_hash *out)
{
    bool some = false;
    ti_hash root = {{0}};
    ti_merkle_empty(&root);
    for (unsigned level = 0; level < TI_TREE_LEVELS; level++) {
        if (!(frontier->n >> level & 1)) {
            continue;
        }
        if (some) {
            ti_merkle_node(&root, &frontier->nodes[level], &root);
        } else {
            root = frontier->nodes[level];
        }
        some = true;
    }
    *out = root;
}

static tern_status refused(tern_err *err, const char *why)
{
    return ti_fail(err, TERN_NO, "merkle", TI_NO_OFFSET, "%s", why);
}

/* RFC 9162 section 2.1.3.2 with the leaf replaced by a complete node: its index and that of
 * the last node of its level walk up together. */
tern_status ti_merkle_check_path(unsigned level, uint64_t index, uint64_t size,
                                 const ti_hash *node, const ti_hash *proof, size_t n,
                                 const ti_hash *root, tern_err *err)
{
    if (size > TI_TREE_SIZE_MAX || level >= TI_TREE_LEVELS || index >= size >> level) {
        return refused(err, "inclusion: the index is not in the tree");
    }
    uint64_t at = index, last = (size - 1) >> level;
    ti_hash hash = *node;
    for (size_t i = 0; i < n; i++) {
        if (last == 0) {
            return refused(err, "inclusion: the proof is too long");
        }
        if ((at & 1) || at == last) {
            ti_merkle_node(&hash, &proof[i], &hash);
            while (!(at & 1) && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            ti_merkle_node(&hash, &hash, &proof[i]);
        }
        at >>= 1;
        last >>= 1;
    }
    if (last != 0) {
        return refused(err, "inclusion: the proof is too short");
    }
    return ti_hash_equal(&hash, root)
               ? TERN_OK
               : refused(err, "inclusion: the proof leads to another root");
}

tern_status ti_merkle_check_inclusion(uint64_t index, uint64_t size, const ti_hash *leaf,
                                      const ti_hash *proof, size_t n, const ti_hash *root,
                                      tern_err *err)
{
    return ti_merkle_check_path(0, index, size, leaf, proof, n, root, err);
}

/* RFC 9162 section 2.1.4.2 for a tree of 0 < size1 < size2 is the case start = 0 of a subtree
 * that is checked against a tree. */
tern_status ti_merkle_check_consistency(uint64_t size1, uint64_t size2, const ti_hash *root1,
                                        const ti_hash *root2, const ti_hash *proof, size_t n,
                                        tern_err *err)
{
    if (size1 > size2 || size2 > TI_TREE_SIZE_MAX) {
        return refused(err, "consistency: the older tree is larger");
    }
    if (size1 == 0) {
        return refused(err, "consistency: an empty tree is the beginning of every tree");
    }
    return ti_merkle_check_subtree(0, size1, size2, root1, root2, proof, n, err);
}

/* A node of some tree: its size is at most 2^k and its start a multiple of 2^k. */
static bool is_subtree(uint64_t start, uint64_t end)
{
    if (start >= end || end > TI_TREE_SIZE_MAX) {
        return false;
    }
    uint64_t width = 1;
    while (width < end - start) {
        width <<= 1;
    }
    return start % width == 0;
}

tern_status ti_merkle_check_subtree_inclusion(uint64_t index, uint64_t start, uint64_t end,
                                              const ti_hash *leaf, const ti_hash *proof,
                                              size_t n, const ti_hash *subtree, tern_err *err)
{
    if (!is_subtree(start, end) || index < start || index >= end) {
        return refused(err, "inclusion: the index is not in such a subtree");
    }
    return ti_merkle_check_path(0, index - start, end - start, leaf, proof, n, subtree, err);
}

typedef struct climb {
    uint64_t first, last, tree_last; /* indexes at the present level */
} climb;

static void up(climb *c)
{
    c->first >>= 1;
    c->last >>= 1;
    c->tree_last >>= 1;
}

/* draft-ietf-plants-merkle-tree-certs, "Verifying a subtree consistency proof": the walk of
 * RFC 9162 with a third index, that of the subtree's first node. */
tern_status ti_merkle_check_subtree(uint64_t start, uint64_t end, uint64_t size,
                                    const ti_hash *subtree, const ti_hash *root,
                                    const ti_hash *proof, size_t n, tern_err *err)
{
    if (start == end && end <= size && size <= TI_TREE_SIZE_MAX) {
        ti_hash empty;
        ti_merkle_empty(&empty);
        return n == 0 && ti_hash_equal(subtree, &empty)
                   ? TERN_OK
                   : refused(err,
                             "consistency: an empty subtree has another hash and no proof");
    }
    if (!is_subtree(start, end) || end > size || size > TI_TREE_SIZE_MAX) {
        return refused(err, "consistency: there is no such subtree in the tree");
    }
    climb c = {start, end - 1, size - 1};
    while (c.first != c.last && (c.last == c.tree_last || (c.last & 1))) {
        up(&c);
    }
    size_t i = 0;
    ti_hash sub = *subtree, tree = *subtree;
    if (c.first != c.last) {
        if (n == 0) {
            return refused(err, "consistency: the proof is too short");
        }
        sub = tree = proof[i++];
    }
    for (; i < n; i++) {
        if (c.tree_last == 0) {
            return refused(err, "consistency: the proof is too long");
        }
        if ((c.last & 1) || c.last == c.tree_last) {
            if (c.first < c.last) {
                ti_merkle_node(&sub, &proof[i], &sub);
            }
            ti_merkle_node(&tree, &proof[i], &tree);
            while (!(c.last & 1) && c.last != 0) {
                up(&c);
            }
        } else {
            ti_merkle_node(&tree, &tree, &proof[i]);
        }
        up(&c);
    }
    if (c.tree_last != 0) {
        return refused(err, "consistency: the proof is too short");
    }
    if (!ti_hash_equal(&sub, subtree)) {
        return refused(err, "consistency: the proof does not lead to the older root");
    }
    return ti_hash_equal(&tree, root)
               ? TERN_OK
               : refused(err, "consistency: the proof does not lead to the newer root");
}
