/* SPDX-License-Identifier: Apache-2.0 */
/* Samples: as likely as they should be, the same for the same seed, and worth what is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "ledger/audit.h"
#include "oom.h"

static ti_hash seed_of(unsigned i)
{
    ti_hash root = {.b = {1}}, seed;
    char text[2] = {(char)(i & 255), (char)(i >> 8)};
    ti_str source = {.data = text, .len = sizeof text};
    ti_audit_seed(&seed, &root, 7, &source, 1);
    return seed;
}

static void test_seed(void **state)
{
    (void)state;
    ti_hash root = {.b = {9}}, a, b;
    ti_str ab[2] = {{"ab", 2}, {"c", 1}}, moved[2] = {{"a", 1}, {"bc", 2}};
    /* From the text in the header. */
    uint8_t text[12 + 32 + 8 + 4 + 2 + 4 + 1] = {0}, digest[TI_SHA256_BYTES];
    memcpy(text, "tern.audit/1", 12);
    text[12] = 9;
    text[12 + 32 + 7] = 5;
    text[52 + 3] = 2;
    memcpy(text + 56, "ab", 2);
    text[58 + 3] = 1;
    text[62] = 'c';
    ti_sha256_of(digest, text, sizeof text);
    ti_audit_seed(&a, &root, 5, ab, 2);
    assert_memory_equal(a.b, digest, sizeof digest);
    ti_audit_seed(&b, &root, 5, moved, 2);
    assert_false(ti_hash_equal(&a, &b));
    ti_audit_seed(&b, &root, 6, ab, 2);
    assert_false(ti_hash_equal(&a, &b));
}

/* Every number and every pair is drawn as often as it should be: chi-square. */
static void test_fair(void **state)
{
    (void)state;
    enum { N = 6, K = 2, PAIRS = 15, DRAWS = 30000 };
    unsigned pairs[N][N] = {{0}};
    for (unsigned i = 0; i < DRAWS; i++) {
        uint32_t out[K];
        ti_hash seed = seed_of(i);
        assert_int_equal(ti_audit_draw(out, K, N, &seed, NULL), TERN_OK);
        assert_true(out[0] < out[1] && out[1] < N);
        pairs[out[0]][out[1]]++;
    }
    double chi = 0, expected = (double)DRAWS / PAIRS;
    for (size_t a = 0; a < N; a++) {
        for (size_t b = a + 1; b < N; b++) {
            double off = pairs[a][b] - expected;
            chi += off * off / expected;
        }
    }
    assert_true(chi < 36.1); /* 14 degrees of freedom: one in a thousand seeds is above */
}

static void test_draw(void **state)
{
    (void)state;
    uint32_t a[100], b[100];
    ti_hash seed = seed_of(3);
    tern_err err;
    assert_int_equal(ti_audit_draw(a, 100, 100, &seed, NULL), TERN_OK);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(a[i], i); /* all of them */
    }
    assert_int_equal(ti_audit_draw(a, 30, 1000000, &seed, NULL), TERN_OK);
    assert_int_equal(ti_audit_draw(b, 30, 1000000, &seed, NULL), TERN_OK);
    assert_memory_equal(a, b, 30 * sizeof *a);
    seed = seed_of(4);
    assert_int_equal(ti_audit_draw(b, 30, 1000000, &seed, NULL), TERN_OK);
    assert_memory_not_equal(a, b, 30 * sizeof *a);
    assert_int_equal(ti_audit_draw(a, 0, 0, &seed, NULL), TERN_OK);
    assert_int_equal(ti_audit_draw(a, 3, 2, &seed, &err), TERN_USAGE);
    assert_int_equal(ti_audit_draw(a, 3, UINT64_MAX, &seed, &err), TERN_LIMIT);
    oom_fail_at(0);
    assert_int_equal(ti_audit_draw(a, 1, 10, &seed, &err), TERN_NOMEM);
    assert_true(oom_disarm());
}

/* Against counting all samples of a small list. */
static void test_probability(void **state)
{
    (void)state;
    enum { N = 9 };
    for (unsigned k = 0; k <= N; k++) {
        for (unsigned m = 0; m <= N; m++) {
            unsigned all = 0, met = 0;
            for (unsigned set = 0; set < 1u << N; set++) {
                if ((unsigned)__builtin_popcount(set) == k) {
                    all++;
                    met += (set & ((1u << m) - 1)) != 0;
                }
            }
            double counted = (double)met / all, said = ti_audit_detect(N, k, m);
            assert_true(said - counted < 1e-12 && counted - said < 1e-12);
        }
    }
    /* The rule of ln(1 - c) / ln(1 - f), for long lists: 299 for 1 % and 95 %. */
    assert_int_equal(ti_audit_needed(10000000, 100000, 0.95), 299);
    assert_int_equal(ti_audit_needed(100, 1, 0.95), 95);
    assert_int_equal(ti_audit_needed(100, 100, 0.95), 1);
    assert_int_equal(ti_audit_needed(100, 0, 0.95), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_fair),
        cmocka_unit_test(test_draw),
        cmocka_unit_test(test_probability),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
