/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, the hash tree and its proofs, tiles, tlog-proofs: against vectors of others, against
 * the recursive definition, and by changing each thing that a proof depends on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/sha256.h"
#include "ledger/base64.h"
#include "ledger/proof.h"
#include "ledger/tile.h"
#include "vectors.h"

static void hex_of(char out[65], const uint8_t digest[32])
{
    for (int i = 0; i < 32; i++) {
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
}

/* --- SHA-256 --------------------------------------------------------------------------------
 */

static void digest_is(const char *text, size_t len, const char *want)
{
    uint8_t digest[32];
    char hex[65];
    ti_sha256_of(digest, text, len);
    hex_of(hex, digest);
    assert_string_equal(hex, want);
}

/* FIPS 180-4 examples (NIST CSRC, "SHA256.pdf"), and a million times 'a'. */
static void test_sha256(void **state)
{
    (void)state;
    digest_is("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest_is("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    assert_non_null(million);
    memset(million, 'a', 1000000);
    digest_is(million, 1000000,
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

/* The CPU's instructions and plain C give the same, for every length and every division. */
static void test_sha256_kinds_and_pieces(void **state)
{
    uint8_t data[300], whole[32], pieces[32], plain[32];
    ti_rng rng;
    (void)state;
    ti_rng_seed(&rng, 4);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)ti_rng_next(&rng);
    }
    for (size_t len = 0; len <= sizeof data; len++) {
        ti_sha256 hash;
        ti_sha256_of(whole, data, len);
        ti_sha256_start(&hash);
        for (size_t at = 0; at < len;) {
            size_t n = 1 + ti_rng_next(&rng) % 90;
            n = n < len - at ? n : len - at;
            ti_sha256_add(&hash, data + at, n);
            at += n;
        }
        ti_sha256_end(&hash, pieces);
        assert_memory_equal(whole, pieces, 32);
        ti_sha256_start(&hash);
        hash.add = ti_sha256_blocks_c;
        ti_sha256_add(&hash, data, len);
        ti_sha256_end(&hash, plain);
        assert_memory_equal(whole, plain, 32);
    }
}

/* --- vectors
 * ---------------------------------------------------------------------------------- */

/* A hash in base64.  Some roots of the vectors are other texts ("don't care 1"), which are only
 * compared with each other: they are filled up with zeros. */
static bool hash_of(ti_hash *out, const ti_jval *v)
{
    for (size_t len = 1; v && v->type == TI_JSTR && len <= 32; len++) {
        memset(out, 0, sizeof *out);
        if (ti_base64_read(out->b, len, v->u.str.data, v->u.str.len)) {
            return true;
        }
    }
    return false;
}

static uint64_t number_of(const ti_jval *v, const char *key)
{
    /* Some vectors have numbers up to 2^64 - 1, which are no sizes and not whole numbers of
     * the reader either. */
    uint64_t n;
    return ti_jval_uint(ti_jval_get(v, key), UINT64_MAX >> 1, &n) ? n : UINT64_MAX;
}

static bool case_holds(const ti_jval *c, const char *file)
{
    ti_hash a, b, proof[64];
    const ti_jval *list = ti_jval_get(c, "proof");
    uint32_t n = list && list->type == TI_JARRAY ? list->n : 0;
    bool whole = n <= 64;
    for (uint32_t i = 0; i < n && whole; i++) {
        whole = hash_of(&proof[i], &list->u.items[i]);
    }
    bool consistency = strncmp(file, "consistency/", 12) == 0;
    bool sub = strncmp(file, "subtree", 7) == 0;
    bool sub_consistency = strncmp(file, "subtreeconsistency/", 19) == 0;
    if (consistency || sub_consistency) {
        whole = whole && hash_of(&a, ti_jval_get(c, "root1")) &&
                hash_of(&b, ti_jval_get(c, "root2"));
    } else {
        whole = whole && hash_of(&a, ti_jval_get(c, "leafHash")) &&
                hash_of(&b, ti_jval_get(c, "root"));
    }
    if (!whole) {
        return false;
    }
    tern_status status;
    if (consistency) {
        status = ti_merkle_check_consistency(number_of(c, "size1"), number_of(c, "size2"), &a,
                                             &b, proof, n, NULL);
    } else if (sub_consistency) {
        status = ti_merkle_check_subtree(number_of(c, "start"), number_of(c, "end"),
                                         number_of(c, "size"), &a, &b, proof, n, NULL);
    } else if (sub) {
        status =
            ti_merkle_check_subtree_inclusion(number_of(c, "leafIdx"), number_of(c, "start"),
                                              number_of(c, "end"), &a, proof, n, &b, NULL);
    } else {
        status = ti_merkle_check_inclusion(number_of(c, "leafIdx"), number_of(c, "treeSize"),
                                           &a, proof, n, &b, NULL);
    }
    return status == TERN_OK;
}

static void test_vectors(void **state)
{
    vectors v;
    unsigned good = 0;
    (void)state;
    vectors_open(&v, "ledger/merkle.json");
    for (uint32_t i = 0; i < v.root.n; i++) {
        const ti_jval *c = &v.root.u.items[i], *file = ti_jval_get(c, "file");
        const ti_jval *want = ti_jval_get(c, "wantErr");
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)file->u.str.len, file->u.str.data);
        bool holds = case_holds(c, name);
        if (holds == want->u.boolean) {
            fail_msg("%s: %s", name, holds ? "accepted" : "refused");
        }
        good += holds;
    }
    assert_int_equal(v.root.n, 398);
    assert_true(good >= 20);
    vectors_close(&v);
}

/* RFC 6962 trees of the eight leaves that implementations share. */
static void test_known_roots(void **state)
{
    static const struct {
        const char *leaf;
        size_t len;
    } leaves[8] = {{"", 0},
                   {"\0", 1},
                   {"\x10", 1},
                   {"\x20\x21", 2},
                   {"\x30\x31", 2},
                   {"\x40\x41\x42\x43", 4},
                   {"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
                   {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16}};
    static const char *const roots[9] = {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    };
    ti_frontier frontier = {0};
    (void)state;
    for (int n = 0; n <= 8; n++) {
        ti_hash root, leaf;
        char hex[65];
        ti_frontier_root(&frontier, &root);
        hex_of(hex, root.b);
        assert_string_equal(hex, roots[n]);
        if (n < 8) {
            ti_merkle_leaf(&leaf, leaves[n].leaf, leaves[n].len);
            ti_frontier_add(&frontier, &leaf);
        }
    }
}

/* --- proofs that are made
 * ---------------------------------------------------------------------- */

enum { LEAVES = 150 };
static ti_hash all_leaves[LEAVES];

/* RFC 6962 section 2.1, word for word. */
static ti_hash tree_hash(const ti_hash *leaves, size_t n)
{
    ti_hash h;
    size_t k = 1;
    if (n == 1) {
        return leaves[0];
    }
    while (2 * k < n) {
        k *= 2;
    }
    ti_hash left = tree_hash(leaves, k), right = tree_hash(leaves + k, n - k);
    ti_merkle_node(&h, &left, &right);
    return h;
}

static tern_status node_of(void *user, ti_hash *out, unsigned level, uint64_t index,
                           tern_err *err)
{
    (void)user;
    (void)err;
    assert_true((index + 1) << level <= LEAVES);
    *out = tree_hash(all_leaves + (index << level), (size_t)1 << level);
    return TERN_OK;
}

static const ti_hash *make_leaves(void)
{
    for (unsigned i = 0; i < LEAVES; i++) {
        uint8_t b = (uint8_t)i;
        ti_merkle_leaf(&all_leaves[i], &b, 1);
    }
    return all_leaves;
}

/* A proof with one bit changed, one hash fewer, one more, must not hold. */
static void test_inclusion_of_all(void **state)
{
    const ti_hash *leaves = make_leaves();
    ti_nodes nodes = {node_of, NULL};
    (void)state;
    for (uint64_t n = 1; n <= LEAVES; n += n < 40 ? 1 : 13) {
        ti_hash root = tree_hash(leaves, (size_t)n), made;
        ti_frontier edge;
        assert_int_equal(ti_merkle_root(&made, &nodes, n, NULL), TERN_OK);
        assert_true(ti_hash_equal(&made, &root));
        assert_int_equal(ti_merkle_frontier(&edge, &nodes, n, NULL), TERN_OK);
        ti_frontier_root(&edge, &made);
        assert_true(ti_hash_equal(&made, &root));
        for (uint64_t i = 0; i < n; i++) {
            ti_proof p, q;
            assert_int_equal(ti_merkle_inclusion(&p, &nodes, NULL, i, n, NULL), TERN_OK);
            assert_int_equal(ti_merkle_inclusion(&q, &nodes, &edge, i, n, NULL), TERN_OK);
            assert_int_equal(p.n, q.n);
            assert_memory_equal(p.hashes, q.hashes, p.n * sizeof p.hashes[0]);
            assert_int_equal(
                ti_merkle_check_inclusion(i, n, &leaves[i], p.hashes, p.n, &root, NULL),
                TERN_OK);
            assert_int_equal(
                ti_merkle_check_inclusion(i, n, &leaves[i], p.hashes, p.n + 1, &root, NULL),
                TERN_NO);
            if (p.n > 0) {
                assert_int_equal(
                    ti_merkle_check_inclusion(i, n, &leaves[i], p.hashes, p.n - 1, &root, NULL),
                    TERN_NO);
                p.hashes[i % p.n].b[i % 32] ^= 1;
                assert_int_equal(
                    ti_merkle_check_inclusion(i, n, &leaves[i], p.hashes, p.n, &root, NULL),
                    TERN_NO);
            }
        }
    }
}

static void test_consistency_of_all(void **state)
{
    const ti_hash *leaves = make_leaves();
    ti_hash empty;
    ti_nodes nodes = {node_of, NULL};
    (void)state;
    ti_merkle_empty(&empty);
    for (uint64_t n = 1; n <= LEAVES; n += n < 36 ? 1 : 19) {
        ti_hash newer = tree_hash(leaves, (size_t)n);
        for (uint64_t m = 0; m <= n; m++) {
            ti_hash older = m ? tree_hash(leaves, (size_t)m) : empty;
            ti_proof p;
            assert_int_equal(ti_merkle_consistency(&p, &nodes, NULL, m, n, NULL), TERN_OK);
            assert_int_equal(
                ti_merkle_check_consistency(m, n, &older, &newer, p.hashes, p.n, NULL),
                m > 0 ? TERN_OK : TERN_NO);
            if (p.n > 0) {
                p.hashes[m % p.n].b[0] ^= 0x80;
                assert_int_equal(
                    ti_merkle_check_consistency(m, n, &older, &newer, p.hashes, p.n, NULL),
                    TERN_NO);
            }
            older.b[3] ^= 1;
            p.hashes[p.n ? m % p.n : 0].b[0] ^= 0x80;
            assert_int_equal(
                ti_merkle_check_consistency(m, n, &older, &newer, p.hashes, p.n, NULL),
                TERN_NO);
        }
    }
}

/* Every subtree has the root that the definition gives; other ranges are refused. */
static void test_every_subtree(void **state)
{
    const ti_hash *leaves = make_leaves();
    ti_nodes nodes = {node_of, NULL};
    unsigned n = 0;
    (void)state;
    for (uint64_t end = 1; end <= 130; end++) {
        for (uint64_t start = 0; start < end; start++) {
            ti_hash h, want;
            uint64_t width = 1;
            while (width < end - start) {
                width *= 2;
            }
            tern_status status = ti_merkle_range(&h, &nodes, start, end, NULL);
            assert_int_equal(status, start % width == 0 ? TERN_OK : TERN_USAGE);
            if (status == TERN_OK) {
                want = tree_hash(leaves + start, (size_t)(end - start));
                assert_true(ti_hash_equal(&h, &want));
                n++;
            }
        }
    }
    assert_true(n > 500);
}

/* --- all subtrees of small trees
 * ---------------------------------------------------------------
 *
 * draft-ietf-plants-merkle-tree-certs-07, appendix C.1: one SHA-256 over a line for each case
 * of a tree whose leaf i is the byte i, sizes up to 130, empty subtrees included. */

enum { APPENDIX = 130 };

/* Of the leaves [start, end), by the definition; each is computed once. */
static ti_hash range_hash(uint64_t start, uint64_t end)
{
    static ti_hash known[APPENDIX + 1][APPENDIX + 1];
    static bool have[APPENDIX + 1][APPENDIX + 1];
    ti_hash *h = &known[start][end];
    uint64_t k = 1;
    if (have[start][end]) {
        return *h;
    }
    while (2 * k < end - start) {
        k *= 2;
    }
    if (start == end) {
        ti_merkle_empty(h);
    } else if (end - start == 1) {
        *h = all_leaves[start];
    } else {
        ti_hash left = range_hash(start, start + k), right = range_hash(start + k, end);
        ti_merkle_node(h, &left, &right);
    }
    have[start][end] = true;
    return *h;
}

static bool is_subtree(uint64_t start, uint64_t end)
{
    uint64_t width = 1;
    while (width < end - start) {
        width *= 2;
    }
    return start % width == 0;
}

/* Nodes of the tree whose first leaf is *user. */
static tern_status node_from(void *user, ti_hash *out, unsigned level, uint64_t index,
                             tern_err *err)
{
    uint64_t first = *(const uint64_t *)user + (index << level);
    (void)err;
    *out = range_hash(first, first + (UINT64_C(1) << level));
    return TERN_OK;
}

static void push(ti_proof *p, ti_hash h)
{
    assert_true(p->n < sizeof p->hashes / sizeof *p->hashes);
    p->hashes[p->n++] = h;
}

/* Section 4.4.1: that [start, end) is in the tree of the leaves [first, last). */
static void subproof(ti_proof *p, uint64_t start, uint64_t end, uint64_t first, uint64_t last,
                     bool known)
{
    uint64_t k = 1;
    if (start == first && end == last) {
        if (!known) {
            push(p, range_hash(first, last));
        }
        return;
    }
    while (2 * k < last - first) {
        k *= 2;
    }
    if (end <= first + k) {
        subproof(p, start, end, first, first + k, known);
        push(p, range_hash(first + k, last));
    } else {
        bool within = start >= first + k;
        subproof(p, within ? start : first + k, end, first + k, last, within && known);
        push(p, range_hash(first, first + k));
    }
}

static void add_line(ti_sha256 *sum, const char *head, const ti_hash *hashes, size_t n)
{
    char hex[65];
    ti_sha256_add(sum, head, strlen(head));
    for (size_t i = 0; i < n; i++) {
        hex_of(hex, hashes[i].b);
        ti_sha256_add(sum, " ", 1);
        ti_sha256_add(sum, hex, 64);
    }
    ti_sha256_add(sum, "\n", 1);
}

static void sum_is(ti_sha256 *sum, const char *want)
{
    uint8_t digest[32];
    char hex[65];
    ti_sha256_end(sum, digest);
    hex_of(hex, digest);
    assert_string_equal(hex, want);
}

static void test_appendix_inclusion(void **state)
{
    ti_sha256 hashes, proofs;
    char head[80];
    (void)state;
    (void)make_leaves();
    ti_sha256_start(&hashes);
    ti_sha256_start(&proofs);
    for (uint64_t end = 0; end <= APPENDIX; end++) {
        for (uint64_t start = 0; start <= end; start++) {
            ti_hash root = range_hash(start, end);
            ti_nodes nodes = {node_from, &start};
            if (!is_subtree(start, end)) {
                continue;
            }
            snprintf(head, sizeof head, "[%d, %d)", (int)start, (int)end);
            add_line(&hashes, head, &root, 1);
            for (uint64_t i = start; i < end; i++) {
                ti_proof p;
                uint64_t n = end - start;
                assert_int_equal(ti_merkle_inclusion(&p, &nodes, NULL, i - start, n, NULL),
                                 TERN_OK);
                for (size_t cut = 0; cut < 2 && cut <= p.n; cut++) {
                    assert_int_equal(ti_merkle_check_subtree_inclusion(i, start, end,
                                                                       &all_leaves[i], p.hashes,
                                                                       p.n - cut, &root, NULL),
                                     cut ? TERN_NO : TERN_OK);
                }
                snprintf(head, sizeof head, "%d [%d, %d)", (int)i, (int)start, (int)end);
                add_line(&proofs, head, p.hashes, p.n);
            }
        }
    }
    sum_is(&hashes, "b82806ad4265bb151c1119c0f4db437bb4d1a1f887b3a7fba1cd4ebf552e3e81");
    sum_is(&proofs, "ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f");
}

/* Holds as it is; not with a hash more or fewer, nor with a bit of either root changed. */
static void subtree_holds(const ti_proof *proof, uint64_t start, uint64_t end, uint64_t size)
{
    ti_proof p = *proof;
    ti_hash sub = range_hash(start, end), root = range_hash(0, size), other = sub;
    other.b[(start + size) % 32] ^= 1;
    push(&p, root);
    assert_int_equal(
        ti_merkle_check_subtree(start, end, size, &sub, &root, p.hashes, p.n - 1, NULL),
        TERN_OK);
    assert_int_equal(
        ti_merkle_check_subtree(start, end, size, &sub, &root, p.hashes, p.n, NULL), TERN_NO);
    assert_int_equal(
        ti_merkle_check_subtree(start, end, size, &other, &root, p.hashes, p.n - 1, NULL),
        TERN_NO);
    if (p.n > 1) {
        assert_int_equal(
            ti_merkle_check_subtree(start, end, size, &sub, &root, p.hashes, p.n - 2, NULL),
            TERN_NO);
    }
    other = root;
    other.b[end % 32] ^= 1;
    assert_int_equal(
        ti_merkle_check_subtree(start, end, size, &sub, &other, p.hashes, p.n - 1, NULL),
        start < end ? TERN_NO : TERN_OK);
}

static void test_appendix_consistency(void **state)
{
    ti_sha256 proofs;
    char head[80];
    (void)state;
    (void)make_leaves();
    ti_sha256_start(&proofs);
    for (uint64_t size = 0; size <= APPENDIX; size++) {
        for (uint64_t end = 0; end <= size; end++) {
            for (uint64_t start = 0; start <= end; start++) {
                ti_proof p = {.n = 0};
                if (!is_subtree(start, end)) {
                    continue;
                }
                if (start < end) {
                    subproof(&p, start, end, 0, size, true);
                }
                subtree_holds(&p, start, end, size);
                snprintf(head, sizeof head, "[%d, %d) %d", (int)start, (int)end, (int)size);
                add_line(&proofs, head, p.hashes, p.n);
            }
        }
    }
    sum_is(&proofs, "10fa99b37bf9bf9ffa26b412fbd98bd75363256d0b75d61bc4538b9c9c5a0a74");
}

/* --- tiles
 * --------------------------------------------------------------------------------------- */

static void path_is(ti_tile_id id, const char *want)
{
    char path[TI_TILE_PATH];
    ti_tile_id back;
    assert_int_equal(ti_tile_path(path, id), strlen(want));
    assert_string_equal(path, want);
    assert_true(ti_tile_path_read(&back, path, strlen(path)));
    assert_true(back.level == id.level && back.index == id.index && back.width == id.width);
}

static void test_tile_paths(void **state)
{
    static const char *const wrong[] = {
        "",
        "tile",
        "tile/0/",
        "tile/0/00",
        "tile/0/0000",
        "tile/8/000",
        "tile/00/000",
        "tile/-1/000",
        "tile/0/x000/000",
        "tile/0/x001",
        "tile/0/x001/",
        "tile/0/001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/1",
        "tile/0/000.p/1x",
        "tile/entries/",
        "tile/entries/0a0",
        "/tile/0/000",
        "tile/0/../0/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    };
    (void)state;
    path_is((ti_tile_id){0, 1234067, 256}, "tile/0/x001/x234/067"); /* from the specification */
    path_is((ti_tile_id){0, 273, 112}, "tile/0/273.p/112");
    path_is((ti_tile_id){2, 0, 1}, "tile/2/000.p/1");
    path_is((ti_tile_id){TI_TILE_ENTRIES, 1000, 255}, "tile/entries/x001/000.p/255");
    path_is((ti_tile_id){7, 0, 256}, "tile/7/000");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ti_tile_id id;
        if (ti_tile_path_read(&id, wrong[i], strlen(wrong[i]))) {
            fail_msg("'%s' was taken for a path", wrong[i]);
        }
    }
    /* Sizes of the specification's examples. */
    assert_int_equal(ti_tile_width(0, 272, 70000), 256);
    assert_int_equal(ti_tile_width(0, 273, 70000), 112);
    assert_int_equal(ti_tile_width(0, 274, 70000), 0);
    assert_int_equal(ti_tile_width(1, 0, 70000), 256);
    assert_int_equal(ti_tile_width(1, 1, 70000), 17);
    assert_int_equal(ti_tile_width(2, 0, 70000), 1);
    assert_int_equal(ti_tile_width(3, 0, 70000), 0);
    assert_int_equal(ti_tile_width(1, 0, 256), 1);
    assert_int_equal(ti_tile_width(7, UINT64_MAX, UINT64_MAX), 0);
}

static void test_bundles(void **state)
{
    ti_buf bundle = {0};
    ti_str items[3] = {{0}};
    tern_err err;
    (void)state;
    ti_bundle_add(&bundle, "one", 3);
    ti_bundle_add(&bundle, "", 0);
    ti_bundle_add(&bundle, "three", 5);
    assert_int_equal(ti_bundle_read(items, 3, bundle.data, bundle.len, &err), TERN_OK);
    assert_memory_equal(items[2].data, "three", 5);
    assert_int_equal(items[1].len, 0);
    for (size_t cut = 0; cut < bundle.len; cut++) {
        assert_int_equal(ti_bundle_read(items, 3, bundle.data, cut, &err), TERN_CORRUPT);
    }
    assert_int_equal(ti_bundle_read(items, 2, bundle.data, bundle.len, &err), TERN_CORRUPT);
    ti_buf_free(&bundle);
}

/* A tree in which every leaf is the same: the tiles of any size are known without it. */
static tern_status same_tile(void *user, ti_hash *hashes, ti_tile_id id, tern_err *err)
{
    const ti_hash *levels = user; /* [64] the complete node of each level */
    (void)err;
    for (uint32_t i = 0; i < id.width; i++) {
        hashes[i] = levels[id.level * TI_TILE_HEIGHT];
    }
    return TERN_OK;
}

/* A proof in a log of 16 million entries reads at most three tiles, and one of 2^40 at most
 * five: one for each eight levels. */
static void test_tiles_of_a_proof(void **state)
{
    static const uint64_t sizes[] = {16000000, 1 << 24, (1 << 24) - 1, 257, UINT64_C(1) << 40};
    ti_hash levels[TI_TREE_LEVELS];
    ti_tiles *tiles = malloc(sizeof *tiles);
    ti_rng rng;
    (void)state;
    assert_non_null(tiles);
    ti_rng_seed(&rng, 1);
    ti_merkle_leaf(&levels[0], "same", 4);
    for (int i = 1; i < TI_TREE_LEVELS; i++) {
        ti_merkle_node(&levels[i], &levels[i - 1], &levels[i - 1]);
    }
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        ti_frontier edge = {.n = sizes[s]};
        ti_hash root;
        for (int i = 0; i < TI_TREE_LEVELS; i++) {
            edge.nodes[i] = levels[i];
        }
        ti_frontier_root(&edge, &root);
        uint64_t most = sizes[s] <= 1 << 24 ? 3 : 5;
        for (int k = 0; k < 200; k++) {
            uint64_t i = k == 0 ? sizes[s] - 1 : ti_rng_next(&rng) % sizes[s];
            ti_proof p;
            ti_tiles_start(tiles, (ti_tile_source){same_tile, levels}, sizes[s]);
            ti_nodes nodes = ti_tiles_nodes(tiles);
            assert_int_equal(ti_merkle_inclusion(&p, &nodes, &edge, i, sizes[s], NULL),
                             TERN_OK);
            assert_int_equal(
                ti_merkle_check_inclusion(i, sizes[s], &levels[0], p.hashes, p.n, &root, NULL),
                TERN_OK);
            assert_true(tiles->reads <= most);
        }
    }
    free(tiles);
}

/* --- tlog-proof
 * ------------------------------------------------------------------------------------ */

static void test_tlog_proof(void **state)
{
    ti_note_signer signer;
    uint8_t seed[32] = {7};
    const ti_hash *leaves = make_leaves();
    ti_nodes nodes = {node_of, NULL};
    ti_buf note = {0}, text = {0}, again = {0};
    ti_checkpoint c = {.origin = "example.com/log", .size = 100}, got;
    ti_tlog_proof p = {.index = 42, .extra = {"AAEC", 4}}, back;
    uint64_t index;
    uint8_t entry = 42;
    tern_err err;
    (void)state;
    c.root = tree_hash(leaves, 100);
    assert_int_equal(
        ti_note_signer_make(&signer, "example.com/log", TI_NOTE_ED25519, seed, &err), TERN_OK);
    assert_int_equal(ti_checkpoint_sign(&note, &c, &signer, &err), TERN_OK);
    assert_int_equal(ti_merkle_inclusion(&p.path, &nodes, NULL, 42, 100, &err), TERN_OK);
    p.checkpoint = (ti_str){note.data, note.len};
    ti_tlog_proof_write(&text, &p);
    assert_int_equal(ti_tlog_proof_read(&back, text.data, text.len, &err), TERN_OK);
    ti_tlog_proof_write(&again, &back);
    assert_string_equal(text.data, again.data);
    assert_int_equal(
        ti_tlog_proof_check(text.data, text.len, &entry, 1, &signer.pub, &got, &index, &err),
        TERN_OK);
    assert_int_equal(index, 42);
    assert_int_equal(got.size, 100);
    entry = 43;
    assert_int_equal(
        ti_tlog_proof_check(text.data, text.len, &entry, 1, &signer.pub, NULL, NULL, &err),
        TERN_NO);
    entry = 42;
    for (size_t at = 0; at < text.len; at++) { /* every byte counts, but for the extra data */
        text.data[at] ^= 1;
        tern_status status =
            ti_tlog_proof_check(text.data, text.len, &entry, 1, &signer.pub, NULL, NULL, &err);
        bool extra = at >= 29 && at < 33;
        assert_true(extra ? status == TERN_OK || status == TERN_CORRUPT : status != TERN_OK);
        text.data[at] ^= 1;
    }
    for (size_t cut = 0; cut < text.len; cut++) {
        assert_int_not_equal(
            ti_tlog_proof_check(text.data, cut, &entry, 1, &signer.pub, NULL, NULL, &err),
            TERN_OK);
    }
    ti_buf_free(&note);
    ti_buf_free(&text);
    ti_buf_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_sha256_kinds_and_pieces),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_known_roots),
        cmocka_unit_test(test_inclusion_of_all),
        cmocka_unit_test(test_consistency_of_all),
        cmocka_unit_test(test_every_subtree),
        cmocka_unit_test(test_appendix_inclusion),
        cmocka_unit_test(test_appendix_consistency),
        cmocka_unit_test(test_tile_paths),
        cmocka_unit_test(test_bundles),
        cmocka_unit_test(test_tiles_of_a_proof),
        cmocka_unit_test(test_tlog_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
