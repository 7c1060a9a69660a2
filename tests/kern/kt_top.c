/* SPDX-License-Identifier: Apache-2.0 */
/* The largest activations against a sort, activations against their products. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kt.h"

enum { MAX_N = 4099 };

typedef struct entry {
    uint32_t bits, index;
} entry;

static int larger_first(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    if (a->bits != b->bits) {
        return a->bits > b->bits ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

static int by_index(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* What the contract says, by sorting everything. */
static size_t sorted_top(uint32_t *list, const float *a, size_t n, size_t k)
{
    static entry all[MAX_N];
    for (size_t i = 0; i < n; i++) {
        memcpy(&all[i].bits, a + i, sizeof all[i].bits);
        all[i].bits &= 0x7fffffffu;
        all[i].index = (uint32_t)i;
    }
    qsort(all, n, sizeof all[0], larger_first);
    size_t count = 0;
    for (size_t i = 0; i < k && all[i].bits != 0; i++) {
        list[count++] = all[i].index;
    }
    qsort(list, count, sizeof *list, by_index);
    return count;
}

/* How the numbers are made. */
typedef enum mix { SQUARES, TIES, TINY, ALL_EQUAL, WILD, STEPS, MIXES } mix;

static float number(mix how, size_t i)
{
    static const uint32_t wild[] = {0x7f800000, 0x7fc00000, 0xffffffff, 0x00000001,
                                    0x80000000, 0x7f7fffff, 0xff800000, 0x00800000};
    float x = kt_uniform(3.0f), f;
    switch (how) {
    case SQUARES:
        return x > 0.0f ? x * x : 0.0f;
    case TIES:
        return (float)(kt_below(5)) * (kt_below(2) ? 0.25f : -0.25f);
    case TINY: {
        uint32_t bits = kt_below(7);
        memcpy(&f, &bits, sizeof f);
        return f;
    }
    case ALL_EQUAL:
        return 1.5f;
    case WILD:
        if (kt_below(3)) {
            return x;
        }
        memcpy(&f, &wild[kt_below(8)], sizeof f);
        return f;
    default: /* each a power of two apart from the next */
        return ldexpf(1.0f, (int)(i % 250) - 120);
    }
}

static void check_top(const ti_kern *k, size_t n, size_t keep, mix how)
{
    static uint32_t want[MAX_N];
    kt_buf a = kt_alloc(n * sizeof(float), sizeof(float));
    kt_buf list = kt_alloc((n + 1) * sizeof(uint32_t), sizeof(uint32_t));
    for (size_t i = 0; i < n; i++) {
        ((float *)a.p)[i] = number(how, i);
    }
    size_t wanted = sorted_top(want, a.p, n, keep);
    kt_subject(k->name, "top_k");
    size_t got = k->top_k(list.p, a.p, n, keep);
    kt_check(got == wanted && memcmp(list.p, want, got * sizeof *want) == 0,
             "%zu of %zu, mix %d: %zu instead of %zu, or others", keep, n, (int)how, got,
             wanted);
    kt_free(&a);
    kt_free(&list);
}

/* Activation and product in two steps are what the product in one is. */
static void check_steps(const ti_kern *k, size_t n)
{
    kt_buf buf[4];
    float *g[4];
    for (size_t i = 0; i < 4; i++) {
        buf[i] = kt_alloc(n * sizeof(float), sizeof(float));
        g[i] = buf[i].p;
    }
    for (size_t i = 0; i < n; i++) {
        g[0][i] = i % 7 == 3 ? 0.0f : kt_uniform(i % 5 ? 4.0f : 200.0f);
        g[1][i] = kt_uniform(2.0f);
    }
    char what[40];
    snprintf(what, sizeof what, "n = %zu", n);
    for (int relu2 = 0; relu2 < 2; relu2++) {
        memcpy(g[2], g[0], n * sizeof(float));
        memcpy(g[3], g[1], n * sizeof(float));
        (relu2 ? k->relu2 : k->silu)(g[2], n);
        k->gate(g[3], g[2], n);
        memcpy(g[2], g[0], n * sizeof(float));
        (relu2 ? k->relu2_mul : k->silu_mul)(g[2], g[1], n);
        for (size_t i = 0; i < n; i++) {
            g[2][i] = g[2][i] == 0.0f ? 0.0f : g[2][i]; /* of a zero the sign may differ */
        }
        kt_subject(k->name, relu2 ? "relu2, gate" : "silu, gate");
        kt_same_floats(g[3], g[2], n, what);
    }
    for (size_t i = 0; i < 4; i++) {
        kt_free(&buf[i]);
    }
}

void kt_test_top(const ti_kern *k)
{
    static const size_t sizes[] = {1, 2, 15, 16, 17, 63, 64, 65, 100, 256, 1000, MAX_N};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t n = sizes[i];
        for (int how = 0; how < MIXES; how++) {
            const size_t keep[] = {1,
                                   n,
                                   n / 2 ? n / 2 : 1,
                                   n / 10 ? n / 10 : 1,
                                   n - (n > 1),
                                   1 + kt_below((uint32_t)n)};
            for (size_t j = 0; j < sizeof keep / sizeof keep[0]; j++) {
                check_top(k, n, keep[j], (mix)how);
            }
        }
        check_steps(k, n);
    }
}
