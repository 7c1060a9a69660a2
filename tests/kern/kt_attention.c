/* SPDX-License-Identifier: Apache-2.0 */
/* Scores and mixtures of keys and values, as halves and as int8. */
#include <stdio.h>
#include <string.h>

#include "kt.h"

typedef struct head {
    size_t n, d, dp, stride;
    kt_buf halves, bytes, scale; /* [n][stride], the last row [dp] */
    kt_buf q, q8;                /* [dp] */
    kt_buf p;                    /* [n] */
    char what[64];
} head;

/* Zeros from d to dp; what lies between dp and stride must not matter. */
static head make(size_t n, size_t d, size_t gap, bool extreme)
{
    head h = {.n = n, .d = d, .dp = (d + 15) / 16 * 16};
    h.stride = h.dp + gap;
    size_t count = n ? (n - 1) * h.stride + h.dp : 0;
    h.halves = kt_alloc(count * 2, 2);
    h.bytes = kt_alloc(count, 1);
    h.scale = kt_alloc(n * sizeof(float), sizeof(float));
    h.q = kt_alloc(h.dp * sizeof(float), sizeof(float));
    h.q8 = kt_alloc(h.dp, 1);
    h.p = kt_alloc(n * sizeof(float), sizeof(float));
    for (size_t i = 0; i < count; i++) {
        uint16_t random = (uint16_t)kt_random();
        random = (random & 0x7c00) == 0x7c00 ? (uint16_t)(random & 0xbfff) : random;
        bool used = i % h.stride < d, pad = i % h.stride < h.dp;
        ((uint16_t *)h.halves.p)[i] = used ? random : pad ? 0 : 0x3c00;
        ((int8_t *)h.bytes.p)[i] =
            (int8_t)(used ? extreme ? (i & 1 ? 127 : -128) : (int)kt_below(256) - 128
                          : (pad ? 0 : 99));
    }
    for (size_t c = 0; c < h.dp; c++) {
        ((float *)h.q.p)[c] = c < d ? kt_uniform(2.0f) : 0.0f;
        ((int8_t *)h.q8.p)[c] =
            (int8_t)(c < d ? extreme ? (c & 1 ? 127 : -128) : (int)kt_below(256) - 128 : 0);
    }
    for (size_t j = 0; j < n; j++) {
        ((float *)h.scale.p)[j] = kt_uniform(0.1f);
        ((float *)h.p.p)[j] = kt_below(4) ? kt_uniform(1.0f) : 0.0f;
    }
    snprintf(h.what, sizeof h.what, "%zu rows of %zu, stride %zu", n, d, h.stride);
    return h;
}

static void destroy(head *h)
{
    kt_free(&h->halves);
    kt_free(&h->bytes);
    kt_free(&h->scale);
    kt_free(&h->q);
    kt_free(&h->q8);
    kt_free(&h->p);
}

static void check_scores(const ti_kern *k, const head *h)
{
    enum { MAX_D = 512 };
    kt_buf got = kt_alloc(h->n * sizeof(float), sizeof(float));
    kt_buf want = kt_alloc(h->n * sizeof(float), sizeof(float));
    ti_kv_view halves = {h->halves.p, NULL, h->stride},
               bytes = {h->bytes.p, h->scale.p, h->stride};
    float *w = want.p, terms[MAX_D];
    const float *q = h->q.p, *scale = h->scale.p;
    for (size_t j = 0; j < h->n; j++) {
        for (size_t c = 0; c < h->dp; c++) {
            terms[c] = q[c] * kt_ref_half(((const uint16_t *)halves.data)[j * h->stride + c]);
        }
        w[j] = kt_ref_sum(terms, h->dp) * 0.37f;
    }
    kt_subject(k->name, "qk_f16");
    k->qk_f16(got.p, q, halves, h->n, h->d, 0.37f);
    kt_same_floats(got.p, w, h->n, h->what);

    for (size_t j = 0; j < h->n; j++) {
        int64_t dot = 0;
        for (size_t c = 0; c < h->d; c++) {
            dot +=
                ((const int8_t *)h->q8.p)[c] * ((const int8_t *)bytes.data)[j * h->stride + c];
        }
        float both = 0.011f * scale[j];
        w[j] = (float)dot * both;
    }
    kt_subject(k->name, "qk_i8");
    k->qk_i8(got.p, h->q8.p, 0.011f, bytes, h->n, h->d);
    kt_same_floats(got.p, w, h->n, h->what);
    kt_free(&got);
    kt_free(&want);
}

static void check_mixtures(const ti_kern *k, const head *h)
{
    kt_buf got = kt_alloc(h->dp * sizeof(float), sizeof(float));
    kt_buf want = kt_alloc(h->dp * sizeof(float), sizeof(float));
    ti_kv_view halves = {h->halves.p, NULL, h->stride},
               bytes = {h->bytes.p, h->scale.p, h->stride};
    float *w = want.p;
    const float *p = h->p.p, *scale = h->scale.p;
    for (size_t c = 0; c < h->dp; c++) {
        w[c] = 0.0f;
        for (size_t j = 0; j < h->n; j++) {
            float term = p[j] * kt_ref_half(((const uint16_t *)halves.data)[j * h->stride + c]);
            w[c] = w[c] + term;
        }
    }
    kt_subject(k->name, "pv_f16");
    k->pv_f16(got.p, p, halves, h->n, h->d);
    kt_same_floats(got.p, w, h->dp, h->what);

    for (size_t c = 0; c < h->dp; c++) {
        w[c] = 0.0f;
        for (size_t j = 0; j < h->n; j++) {
            float both = p[j] * scale[j];
            float term = both * (float)((const int8_t *)bytes.data)[j * h->stride + c];
            w[c] = w[c] + term;
        }
    }
    kt_subject(k->name, "pv_i8");
    k->pv_i8(got.p, p, bytes, h->n, h->d);
    kt_same_floats(got.p, w, h->dp, h->what);
    kt_free(&got);
    kt_free(&want);
}

void kt_test_attention(const ti_kern *k)
{
    static const size_t sizes[] = {1,  8,  15, 16,  17,  32,  40,  64,
                                   72, 80, 96, 112, 128, 192, 256, 320};
    static const size_t counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 33};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = 0; j < sizeof counts / sizeof counts[0]; j++) {
            head h = make(counts[j], sizes[i], (i + j) % 3 * 16, j % 3 == 2);
            check_scores(k, &h);
            check_mixtures(k, &h);
            destroy(&h);
        }
    }
}
