/* SPDX-License-Identifier: Apache-2.0 */
/* The sampler against a plain one written here: sort everything, then filter.  Which tokens a
 * filter keeps shows at a very high temperature, where all of them are drawn equally often. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/sampler.h"

enum { MAX_VOCAB = 50000 };

static void *scratch;
static bool seen[MAX_VOCAB], wanted[MAX_VOCAB];
static float logits[MAX_VOCAB];

static int setup(void **state)
{
    (void)state;
    scratch = malloc(ti_sampler_scratch_bytes(MAX_VOCAB));
    return scratch == NULL;
}

static int teardown(void **state)
{
    (void)state;
    free(scratch);
    return 0;
}

static ti_sampler sampler_of(tern_sampler_opts opts)
{
    ti_sampler s;
    assert_int_equal(TERN_OK, ti_sampler_init(&s, &opts, NULL));
    return s;
}

static tern_token pick(ti_sampler *s, const float *x, size_t n)
{
    tern_token token = -1;
    memset(scratch, 0xa5, ti_sampler_scratch_bytes(n)); /* nothing is expected of it */
    assert_int_equal(TERN_OK, ti_sampler_pick(s, x, n, NULL, 0, scratch, &token, NULL));
    assert_in_range(token, 0, n - 1);
    return token;
}

static tern_token pick_after(tern_sampler_opts opts, const float *x, size_t n,
                             const tern_token *recent, size_t n_recent)
{
    ti_sampler s = sampler_of(opts);
    tern_token token = -1;
    assert_int_equal(TERN_OK,
                     ti_sampler_pick(&s, x, n, recent, n_recent, scratch, &token, NULL));
    return token;
}

static ti_rng test_rng;

static float random_logit(void)
{
    float a = 0;
    for (int i = 0; i < 6; i++) {
        a += ti_rng_unit(&test_rng) - 0.5f;
    }
    return a * 5.0f;
}

/* --- greedy ------------------------------------------------------------------------------ */

static void greedy(void **state)
{
    (void)state;
    ti_sampler s = sampler_of((tern_sampler_opts){.seed = 9});
    ti_sampler before = s;
    float x[40];
    for (size_t n = 1; n <= 40; n++) {
        for (size_t best = 0; best < n; best++) {
            for (size_t i = 0; i < n; i++) {
                x[i] = -3.0f;
            }
            x[best] = -1.0f;
            if (best % 2 == 0) {
                x[n - 1] = -1.0f; /* a tie */
            }
            assert_int_equal(pick(&s, x, n), best);
        }
    }
    assert_memory_equal(&s, &before, sizeof s); /* no random number was used */
    float zeros[] = {-0.0f, 0.0f, -1.0f};
    assert_int_equal(pick(&s, zeros, 3), 0);
    float extremes[] = {-FLT_MAX, FLT_MAX, FLT_MAX, FLT_MIN};
    assert_int_equal(pick(&s, extremes, 4), 1);
}

/* --- filters ------------------------------------------------------------------------------ */

typedef struct ranked {
    double logit;
    int id;
} ranked;

static int compare_ranked(const void *va, const void *vb)
{
    const ranked *a = va, *b = vb;
    if (a->logit != b->logit) {
        return a->logit > b->logit ? -1 : 1;
    }
    return a->id - b->id;
}

/* Fills `wanted` by the plain method; returns how many. */
static size_t plain_filter(const float *x, size_t n, tern_sampler_opts o)
{
    ranked *r = malloc(n * sizeof *r);
    assert_non_null(r);
    for (size_t i = 0; i < n; i++) {
        r[i] = (ranked){(double)x[i], (int)i};
    }
    qsort(r, n, sizeof *r, compare_ranked);
    size_t kept = o.top_k > 0 && o.top_k < n ? o.top_k : n;
    if (o.top_p > 0 && o.top_p < 1) {
        double total = 0, sum = 0;
        for (size_t i = 0; i < kept; i++) {
            total += exp(r[i].logit - r[0].logit);
        }
        for (size_t i = 0; i < kept; i++) {
            sum += exp(r[i].logit - r[0].logit) / total;
            if (sum >= (double)o.top_p) {
                kept = i + 1;
            }
        }
    }
    while (kept > 1 && exp(r[kept - 1].logit - r[0].logit) < (double)o.min_p) {
        kept--;
    }
    memset(wanted, 0, n * sizeof *wanted);
    for (size_t i = 0; i < kept; i++) {
        wanted[r[i].id] = true;
    }
    free(r);
    return kept;
}

/* Draws until every kept token should have come, and compares. */
static void check_set(const float *x, size_t n, tern_sampler_opts o)
{
    o.temperature = 1e6f;
    o.seed = 5;
    size_t kept = plain_filter(x, n, o);
    ti_sampler s = sampler_of(o);
    memset(seen, 0, n * sizeof *seen);
    for (size_t i = 0; i < 40 * kept; i++) {
        seen[pick(&s, x, n)] = true;
    }
    for (size_t i = 0; i < n; i++) {
        if (seen[i] != wanted[i]) {
            fail_msg("k %u p %g min %g of %zu: token %zu is %s", o.top_k, (double)o.top_p,
                     (double)o.min_p, n, i, seen[i] ? "drawn" : "missing");
        }
    }
}

static void filters(void **state)
{
    (void)state;
    static const uint32_t ks[] = {0, 1, 2, 7, 40, 299, 300, 301};
    static const float ps[] = {0, 1e-6f, 0.1f, 0.5f, 0.9f, 0.999f, 1};
    static const float mins[] = {0, 0.01f, 0.2f, 1};
    ti_rng_seed(&test_rng, 1);
    for (size_t i = 0; i < 300; i++) {
        logits[i] = random_logit();
    }
    for (size_t k = 0; k < sizeof ks / sizeof ks[0]; k++) {
        for (size_t p = 0; p < sizeof ps / sizeof ps[0]; p++) {
            for (size_t m = 0; m < sizeof mins / sizeof mins[0]; m++) {
                tern_sampler_opts o = {.top_k = ks[k], .top_p = ps[p], .min_p = mins[m]};
                check_set(logits, 300, o);
                check_set(logits, 1, o);
                check_set(logits, 17, o);
            }
        }
    }
}

static void ties(void **state)
{
    (void)state;
    static const float levels[] = {1.0f, 0.0f, -0.0f, -1.5f};
    ti_rng_seed(&test_rng, 2);
    for (size_t i = 0; i < 100; i++) {
        logits[i] = levels[ti_rng_next(&test_rng) % 4];
    }
    for (uint32_t k = 1; k <= 100; k += 3) {
        check_set(logits, 100, (tern_sampler_opts){.top_k = k});
    }
    for (int p = 1; p < 20; p++) {
        check_set(logits, 100, (tern_sampler_opts){.top_p = (float)p * 0.0501f});
        check_set(logits, 100, (tern_sampler_opts){.top_p = (float)p * 0.0501f, .top_k = 60});
    }
}

static void large_vocabulary(void **state)
{
    (void)state;
    ti_rng_seed(&test_rng, 3);
    for (size_t i = 0; i < MAX_VOCAB; i++) {
        logits[i] = random_logit();
    }
    for (size_t i = 0; i < 40; i++) {
        logits[ti_rng_next(&test_rng) % MAX_VOCAB] = 11.0f + random_logit();
    }
    check_set(logits, MAX_VOCAB, (tern_sampler_opts){.top_k = 50});
    check_set(logits, MAX_VOCAB, (tern_sampler_opts){.top_p = 0.5f});
    check_set(logits, MAX_VOCAB, (tern_sampler_opts){.top_p = 0.8f, .min_p = 0.05f});
    check_set(logits, MAX_VOCAB, (tern_sampler_opts){.min_p = 0.05f});
}

/* --- distribution ---------------------------------------------------------------------------
 */

/* Pearson's statistic of many draws against exp(logit / T) / sum, over the kept tokens. */
static void check_distribution(tern_sampler_opts o, const float *x, size_t n)
{
    enum { DRAWS = 100000 };
    double p[32], total = 0, chi2 = 0;
    size_t counts[32] = {0}, kept = plain_filter(x, n, o);
    assert_true(n <= 32);
    for (size_t i = 0; i < n; i++) {
        p[i] = wanted[i] ? exp((double)x[i] / (double)o.temperature) : 0;
        total += p[i];
    }
    ti_sampler s = sampler_of(o);
    for (size_t i = 0; i < DRAWS; i++) {
        counts[pick(&s, x, n)]++;
    }
    for (size_t i = 0; i < n; i++) {
        double expected = p[i] / total * DRAWS;
        if (!wanted[i]) {
            assert_int_equal(counts[i], 0);
        } else {
            assert_true(expected > 5);
            chi2 += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
        }
    }
    double df = (double)kept - 1; /* mean df, variance 2 df: 5 sigma each way */
    assert_true(chi2 < df + 5 * sqrt(2 * df) + 5);
    assert_true(df < 20 || chi2 > df - 5 * sqrt(2 * df));
}

static void distribution(void **state)
{
    (void)state;
    float x[24];
    ti_rng_seed(&test_rng, 4);
    for (size_t i = 0; i < 24; i++) {
        x[i] = random_logit() * 0.25f;
    }
    check_distribution((tern_sampler_opts){.temperature = 1.0f, .seed = 1}, x, 24);
    check_distribution((tern_sampler_opts){.temperature = 0.7f, .seed = 2}, x, 24);
    check_distribution((tern_sampler_opts){.temperature = 3.0f, .seed = 3}, x, 24);
    check_distribution((tern_sampler_opts){.temperature = 0.8f, .top_k = 10, .seed = 4}, x, 24);
    check_distribution((tern_sampler_opts){.temperature = 1.2f, .top_p = 0.8f, .seed = 5}, x,
                       24);
    check_distribution((tern_sampler_opts){.temperature = 1.2f, .min_p = 0.1f, .seed = 6}, x,
                       24);
}

/* --- the same everywhere ---------------------------------------------------------------------
 */

static void golden(void **state)
{
    (void)state;
    static const tern_token all[] = {35, 12, 47, 31, 35, 27, 4,  27,
                                     8,  43, 27, 39, 31, 4,  20, 27};
    static const tern_token filtered[] = {27, 4,  16, 8, 1,  35, 16, 31,
                                          28, 27, 27, 4, 16, 27, 35, 27};
    float x[50];
    for (int i = 0; i < 50; i++) {
        x[i] = (float)(i * 37 % 50) * 0.125f;
    }
    ti_sampler a = sampler_of((tern_sampler_opts){.temperature = 0.9f, .seed = 42});
    ti_sampler f = sampler_of((tern_sampler_opts){
        .temperature = 1.1f, .top_k = 20, .top_p = 0.9f, .min_p = 0.05f, .seed = 7});
    for (int i = 0; i < 16; i++) {
        assert_int_equal(pick(&a, x, 50), all[i]);
        assert_int_equal(pick(&f, x, 50), filtered[i]);
    }
}

static void state_is_data(void **state)
{
    (void)state;
    float x[64];
    ti_rng_seed(&test_rng, 5);
    for (size_t i = 0; i < 64; i++) {
        x[i] = random_logit();
    }
    ti_sampler a = sampler_of((tern_sampler_opts){.temperature = 2.0f, .seed = 11}), b;
    for (int i = 0; i < 10; i++) {
        (void)pick(&a, x, 64);
    }
    memcpy(&b, &a, sizeof b);
    assert_int_equal(TERN_OK, ti_sampler_check(&b, NULL));
    int same_as_other_seed = 0;
    ti_sampler other = sampler_of((tern_sampler_opts){.temperature = 2.0f, .seed = 12});
    for (int i = 0; i < 100; i++) {
        tern_token t = pick(&a, x, 64);
        assert_int_equal(t, pick(&b, x, 64));
        same_as_other_seed += t == pick(&other, x, 64);
    }
    assert_true(same_as_other_seed < 50);
    assert_int_equal(sizeof(ti_sampler), sizeof(tern_sampler_opts) + 32); /* no padding */
}

/* --- penalties
 * --------------------------------------------------------------------------------- */

static void penalties(void **state)
{
    (void)state;
    const float x[] = {2.0f, 1.5f, -1.0f, -0.5f};
    const tern_token zero[] = {0}, thrice[] = {0, 0, 0}, one_zero[] = {1, 0};
    /* Division of positive, multiplication of negative logits. */
    assert_int_equal(0, pick_after((tern_sampler_opts){.repeat_penalty = 1.3f}, x, 4, zero, 1));
    assert_int_equal(1, pick_after((tern_sampler_opts){.repeat_penalty = 1.4f}, x, 4, zero, 1));
    const float negative[] = {-0.5f, -0.7f};
    assert_int_equal(
        1, pick_after((tern_sampler_opts){.repeat_penalty = 1.5f}, negative, 2, zero, 1));
    /* Once, however often the token came. */
    assert_int_equal(0,
                     pick_after((tern_sampler_opts){.repeat_penalty = 1.3f}, x, 4, thrice, 3));
    assert_int_equal(
        0, pick_after((tern_sampler_opts){.presence_penalty = 0.4f}, x, 4, thrice, 3));
    assert_int_equal(
        1, pick_after((tern_sampler_opts){.presence_penalty = 0.6f}, x, 4, thrice, 3));
    /* For each time. */
    assert_int_equal(0,
                     pick_after((tern_sampler_opts){.frequency_penalty = 0.2f}, x, 4, zero, 1));
    assert_int_equal(
        1, pick_after((tern_sampler_opts){.frequency_penalty = 0.2f}, x, 4, thrice, 3));
    /* A negative penalty is a reward. */
    assert_int_equal(
        1, pick_after((tern_sampler_opts){.presence_penalty = -0.6f}, x, 2, one_zero, 1));
    /* The window: the newest ones. */
    tern_sampler_opts window = {.presence_penalty = 0.6f, .penalty_last_n = 1};
    assert_int_equal(1, pick_after(window, x, 4, one_zero, 2));
    const tern_token zero_one[] = {0, 1};
    assert_int_equal(0, pick_after(window, x, 4, zero_one, 2));
    tern_token long_ago[65] = {0};
    for (int i = 1; i < 65; i++) {
        long_ago[i] = 3;
    }
    tern_sampler_opts usual = {.presence_penalty = 0.6f};
    assert_int_equal(0, pick_after(usual, x, 4, long_ago, 65)); /* 64 is the default */
    assert_int_equal(1, pick_after(usual, x, 4, long_ago, 64));
    /* Tokens that are not in the vocabulary do nothing. */
    const tern_token strange[] = {-1, 4, INT32_MAX, INT32_MIN, 0};
    assert_int_equal(1, pick_after(usual, x, 4, strange, 5));
    /* They count for drawn tokens too, before the filters. */
    tern_sampler_opts drawn = {.temperature = 1, .top_k = 1, .presence_penalty = 0.6f};
    assert_int_equal(1, pick_after(drawn, x, 4, zero, 1));
}

/* Penalties that overflow stay finite: the other token wins, or the least bad. */
static void penalty_extremes(void **state)
{
    (void)state;
    const float x[] = {FLT_MAX, 1.0f};
    const float low[] = {-FLT_MAX, -2.0f};
    const tern_token both[] = {0, 1, 1, 1};
    for (int t = 0; t < 2; t++) {
        tern_sampler_opts o = {.temperature = (float)t, .presence_penalty = FLT_MAX};
        assert_int_equal(1, pick_after(o, x, 2, both, 1));
        o = (tern_sampler_opts){.temperature = (float)t, .frequency_penalty = FLT_MAX};
        assert_int_equal(0, pick_after(o, x, 2, both, 4));
        o = (tern_sampler_opts){.temperature = (float)t, .repeat_penalty = FLT_MIN};
        assert_int_equal(0, pick_after(o, x, 2, both, 4));
        o = (tern_sampler_opts){.temperature = (float)t, .repeat_penalty = FLT_MAX};
        assert_int_equal(1, pick_after(o, low, 2, both, 1));
    }
}

/* --- refusals
 * ------------------------------------------------------------------------------------ */

static void not_finite(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t n = 1; n < 40; n++) {
        for (size_t at = 0; at < n; at++) {
            for (size_t b = 0; b < 3; b++) {
                float x[40] = {0};
                x[at] = bad[b];
                ti_sampler s = sampler_of((tern_sampler_opts){.temperature = (float)(at % 2)});
                ti_sampler before = s;
                tern_token token = 77;
                tern_err err = {0};
                assert_int_equal(TERN_CORRUPT,
                                 ti_sampler_pick(&s, x, n, NULL, 0, scratch, &token, &err));
                assert_string_equal(err.message, "logits are not finite");
                assert_int_equal(token, 77);
                assert_memory_equal(&s, &before, sizeof s);
            }
        }
    }
}

static void wrong_options(void **state)
{
    (void)state;
    const tern_sampler_opts wrong[] = {{.temperature = -0.1f},
                                       {.temperature = NAN},
                                       {.temperature = INFINITY},
                                       {.top_p = -0.1f},
                                       {.top_p = 1.1f},
                                       {.top_p = NAN},
                                       {.min_p = -0.1f},
                                       {.min_p = 1.1f},
                                       {.min_p = NAN},
                                       {.repeat_penalty = -1.0f},
                                       {.repeat_penalty = NAN},
                                       {.repeat_penalty = INFINITY},
                                       {.presence_penalty = NAN},
                                       {.frequency_penalty = NAN},
                                       {.presence_penalty = INFINITY},
                                       {.frequency_penalty = -INFINITY}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ti_sampler s, untouched;
        tern_err err = {0};
        memset(&s, 0x5a, sizeof s);
        untouched = s;
        assert_int_equal(TERN_USAGE, ti_sampler_init(&s, &wrong[i], &err));
        assert_memory_equal(&s, &untouched, sizeof s);
        assert_int_equal(TERN_USAGE, err.status);
        s = sampler_of((tern_sampler_opts){0});
        s.opts = wrong[i];
        assert_int_equal(TERN_CORRUPT, ti_sampler_check(&s, &err));
    }
    ti_sampler dead = sampler_of((tern_sampler_opts){0});
    memset(&dead.rng, 0, sizeof dead.rng);
    assert_int_equal(TERN_CORRUPT, ti_sampler_check(&dead, NULL));
}

/* Temperatures and logits at the ends of float. */
static void extremes(void **state)
{
    (void)state;
    static const float temperatures[] = {1e-45f, FLT_MIN, 1e-3f, 1.0f, FLT_MAX};
    float x[] = {-FLT_MAX, 1.0f, FLT_MAX, 0.0f, FLT_MAX};
    for (size_t t = 0; t < 5; t++) {
        tern_sampler_opts o = {.temperature = temperatures[t], .seed = 3};
        for (uint32_t k = 0; k < 3; k++) {
            o.top_k = k;
            ti_sampler s = sampler_of(o);
            bool two = false, four = false;
            for (int i = 0; i < 100; i++) {
                tern_token token = pick(&s, x, 5);
                two = two || token == 2;
                four = four || token == 4;
                assert_true(token == 2 || (token == 4 && k != 1) || t == 4);
            }
            assert_true(two && (four || k == 1));
        }
    }
    float one = -7.0f;
    ti_sampler s = sampler_of((tern_sampler_opts){.temperature = 1, .top_p = 0.5f});
    assert_int_equal(pick(&s, &one, 1), 0);
    float flat[1000] = {0}; /* all alike */
    ti_sampler p = sampler_of((tern_sampler_opts){.temperature = 1, .top_p = 0.01f});
    for (int i = 0; i < 100; i++) {
        assert_in_range(pick(&p, flat, 1000), 0, 9);
    }
}

/* Choosing among some tokens is choosing from a vocabulary that has no others, penalties
 * included. */
static void some_allowed(void **state)
{
    enum { N = 300, ROUNDS = 200 };
    (void)state;
    ti_rng_seed(&test_rng, 21);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t allowed[(N + 63) / 64] = {0};
        float few[N];
        tern_token ids[N], recent[8], recent_few[8];
        size_t n = 0, n_few = 0;
        const tern_sampler_opts opts = {.temperature = round % 4 ? 1.0f : 0.0f,
                                        .top_k = round % 3 ? 0 : 7,
                                        .top_p = round % 2 ? 0.9f : 0.0f,
                                        .min_p = round % 5 ? 0.0f : 0.05f,
                                        .repeat_penalty = 1.3f,
                                        .seed = (uint64_t)round};
        for (size_t i = 0; i < N; i++) {
            logits[i] = random_logit();
            if (ti_rng_next(&test_rng) % 8 == 0 || i == N - 1) {
                allowed[i / 64] |= (uint64_t)1 << i % 64;
                few[n] = logits[i];
                ids[n++] = (tern_token)i;
            }
        }
        for (size_t i = 0; i < 8; i++) {
            size_t k = ti_rng_next(&test_rng) % n;
            recent[i] = ids[k];
            recent_few[n_few++] = (tern_token)k;
        }
        ti_sampler a = sampler_of(opts), b = sampler_of(opts);
        tern_token one = -1, two = -1;
        assert_int_equal(
            ti_sampler_pick_of(&a, logits, N, allowed, recent, 8, scratch, &one, NULL),
            TERN_OK);
        assert_int_equal(ti_sampler_pick(&b, few, n, recent_few, n_few, scratch, &two, NULL),
                         TERN_OK);
        assert_int_equal(one, ids[two]);
        assert_memory_equal(&a.rng, &b.rng, sizeof a.rng);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(greedy),
                                       cmocka_unit_test(filters),
                                       cmocka_unit_test(ties),
                                       cmocka_unit_test(large_vocabulary),
                                       cmocka_unit_test(distribution),
                                       cmocka_unit_test(golden),
                                       cmocka_unit_test(state_is_data),
                                       cmocka_unit_test(penalties),
                                       cmocka_unit_test(penalty_extremes),
                                       cmocka_unit_test(not_finite),
                                       cmocka_unit_test(wrong_options),
                                       cmocka_unit_test(extremes),
                                       cmocka_unit_test(some_allowed)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
