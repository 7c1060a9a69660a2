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

/* --- listed rows ------------------------------------------------------------------------- */

/* Rows that are listed give what they give when they lie one behind the other; the same row may
 * be listed twice. */
static void check_listed(const ti_kern *k, const head *h)
{
    enum { MAX_LISTED = 40 };
    size_t n = h->n ? 1 + kt_below(MAX_LISTED) : 0;
    kt_buf rows = kt_alloc(n * sizeof(uint32_t), sizeof(uint32_t));
    kt_buf halves = kt_alloc(n * h->dp * 2, 2), bytes = kt_alloc(n * h->dp, 1);
    kt_buf scale = kt_alloc(n * sizeof(float), sizeof(float));
    kt_buf p = kt_alloc(n * sizeof(float), sizeof(float));
    float got[MAX_LISTED + 512], want[MAX_LISTED + 512];
    for (size_t i = 0; i < n; i++) {
        size_t row = kt_below((uint32_t)h->n);
        ((uint32_t *)rows.p)[i] = (uint32_t)row;
        memcpy((uint16_t *)halves.p + i * h->dp, (uint16_t *)h->halves.p + row * h->stride,
               h->dp * 2);
        memcpy((int8_t *)bytes.p + i * h->dp, (int8_t *)h->bytes.p + row * h->stride, h->dp);
        ((float *)scale.p)[i] = ((float *)h->scale.p)[row];
        ((float *)p.p)[i] = kt_uniform(1.0f);
    }
    ti_kv_view far16 = {h->halves.p, NULL, h->stride}, near16 = {halves.p, NULL, h->dp};
    ti_kv_view far8 = {h->bytes.p, h->scale.p, h->stride}, near8 = {bytes.p, scale.p, h->dp};
    kt_subject(k->name, "qk_list_f16");
    k->qk_f16(want, h->q.p, near16, n, h->d, 0.37f);
    k->qk_list_f16(got, h->q.p, far16, rows.p, n, h->d, 0.37f);
    kt_same_floats(got, want, n, h->what);
    kt_subject(k->name, "qk_list_i8");
    k->qk_i8(want, h->q8.p, 0.011f, near8, n, h->d);
    k->qk_list_i8(got, h->q8.p, 0.011f, far8, rows.p, n, h->d);
    kt_same_floats(got, want, n, h->what);
    kt_subject(k->name, "pv_list_f16");
    k->pv_f16(want, p.p, near16, n, h->d);
    k->pv_list_f16(got, p.p, far16, rows.p, n, h->d);
    kt_same_floats(got, want, h->dp, h->what);
    kt_subject(k->name, "pv_list_i8");
    k->pv_i8(want, p.p, near8, n, h->d);
    k->pv_list_i8(got, p.p, far8, rows.p, n, h->d);
    kt_same_floats(got, want, h->dp, h->what);
    kt_free(&rows);
    kt_free(&halves);
    kt_free(&bytes);
    kt_free(&scale);
    kt_free(&p);
}

/* --- groups ------------------------------------------------------------------------------ */

enum { MAX_KEYS = 112 };

/* Query i of a group and what it should give, by the entries for one query of a set. */
typedef struct one_query {
    float s[MAX_KEYS], p[MAX_KEYS], o[1024];
} one_query;

typedef struct group_test {
    ti_group g;
    head h;
    kt_buf q, q8, s, o, scratch;
    size_t ld; /* of queries and results */
    bool bytes;
    char what[96];
} group_test;

/* How many keys the queries see: the same for heads of one row, rising for rows. */
static void set_counts(ti_group *g, uint32_t n, uint32_t step, uint32_t heads)
{
    for (uint32_t i = 0; i < g->m; i++) {
        uint32_t behind = ((uint32_t)g->m - 1 - i) / heads * step;
        g->n[i] = n > behind ? n - behind : 1;
    }
}

static group_test make_group(size_t n, size_t d, size_t m, bool bytes)
{
    group_test t = {.h = make(n, d, n % 3 * 16, m % 3 == 2), .bytes = bytes};
    size_t n16 = (n + 15) / 16 * 16;
    t.ld = d + (m % 2 ? 0 : 5);
    t.q = kt_alloc(((m - 1) * t.ld + d) * sizeof(float), sizeof(float));
    t.o = kt_alloc(((m - 1) * t.ld + d) * sizeof(float), sizeof(float));
    t.q8 = kt_alloc((m - 1) * t.ld + d, 1);
    t.s = kt_alloc(n16 * TI_GROUP * sizeof(float), 64);
    t.scratch = kt_alloc(ti_group_scratch(d) * sizeof(float), 64);
    for (size_t i = 0; i < (m - 1) * t.ld + d; i++) {
        ((float *)t.q.p)[i] = kt_uniform(1.0f) * 0x1p-8f;
        ((int8_t *)t.q8.p)[i] =
            (int8_t)(m % 3 == 2 ? (i & 1 ? 127 : -128) : (int)kt_below(256) - 128);
    }
    t.g = (ti_group){.m = m, .d = d, .s = t.s.p, .scratch = t.scratch.p};
    for (size_t i = 0; i < m; i++) {
        t.g.q[i] = (const float *)t.q.p + i * t.ld;
        t.g.q8[i] = (const int8_t *)t.q8.p + i * t.ld;
        t.g.qscale[i] = kt_uniform(1e-3f);
        t.g.o[i] = (float *)t.o.p + i * t.ld;
    }
    return t;
}

static void destroy_group(group_test *t)
{
    destroy(&t->h);
    kt_free(&t->q);
    kt_free(&t->q8);
    kt_free(&t->s);
    kt_free(&t->o);
    kt_free(&t->scratch);
}

static void attend_one(const ti_kern *k, const group_test *t, size_t i, one_query *want)
{
    static float q[1024];
    static int8_t q8[1024];
    const head *h = &t->h;
    ti_kv_view halves = {h->halves.p, NULL, h->stride},
               bytes = {h->bytes.p, h->scale.p, h->stride};
    size_t n = t->g.n[i];
    memset(q, 0, sizeof q);
    memset(q8, 0, sizeof q8);
    memcpy(q, t->g.q[i], h->d * sizeof *q);
    memcpy(q8, t->g.q8[i], h->d);
    if (t->bytes) {
        k->qk_i8(want->s, q8, t->g.qscale[i], bytes, n, h->d);
    } else {
        k->qk_f16(want->s, q, halves, n, h->d, 0.37f);
    }
    memcpy(want->p, want->s, n * sizeof(float));
    k->softmax(want->p, n);
    if (t->bytes) {
        k->pv_i8(want->o, want->p, bytes, n, h->d);
    } else {
        k->pv_f16(want->o, want->p, halves, n, h->d);
    }
}

/* Column i of the scores. */
static void check_column(const group_test *t, size_t i, const float *want)
{
    float got[MAX_KEYS];
    for (size_t j = 0; j < t->g.n[i]; j++) {
        got[j] = t->g.s[j * TI_GROUP + i];
    }
    kt_same_floats(got, want, t->g.n[i], t->what);
}

/* What lies between the rows of results stays as it is. */
static void check_gaps(const group_test *t)
{
    const uint8_t *o = t->o.p;
    bool same = true;
    for (size_t i = 0; i + 1 < t->g.m; i++) {
        for (size_t b = (i * t->ld + t->h.d) * 4; b < (i + 1) * t->ld * 4; b++) {
            same = same && o[b] == KT_CANARY;
        }
    }
    kt_check(same, "%s: written between the rows", t->what);
}

/* Each query must get what it would get alone, from this set and from the scalar one. */
static void check_group(const ti_kern *k, group_test *t)
{
    static one_query want[2][TI_GROUP];
    const ti_kern *sets[2] = {k, ti_kern_get(TI_ISA_SCALAR)};
    const head *h = &t->h;
    ti_kv_view halves = {h->halves.p, NULL, h->stride},
               bytes = {h->bytes.p, h->scale.p, h->stride};
    size_t m = t->g.m;
    snprintf(t->what, sizeof t->what, "%zu queries of %zu, %u to %u keys, stride %zu", m, h->d,
             t->g.n[0], t->g.n[m - 1], h->stride);
    memset(t->o.p, KT_CANARY, t->o.bytes);
    for (size_t i = 0; i < 2 * m; i++) {
        attend_one(sets[i % 2], t, i / 2, &want[i % 2][i / 2]);
    }
    kt_subject(k->name, t->bytes ? "group_qk_i8" : "group_qk_f16");
    if (t->bytes) {
        k->group_qk_i8(&t->g, bytes);
    } else {
        k->group_qk_f16(&t->g, halves, 0.37f);
    }
    for (size_t i = 0; i < 2 * m; i++) {
        check_column(t, i / 2, want[i % 2][i / 2].s);
    }
    kt_subject(k->name, "group_softmax");
    k->group_softmax(&t->g);
    for (size_t i = 0; i < 2 * m; i++) {
        check_column(t, i / 2, want[i % 2][i / 2].p);
    }
    kt_subject(k->name, t->bytes ? "group_pv_i8" : "group_pv_f16");
    if (t->bytes) {
        k->group_pv_i8(&t->g, bytes);
    } else {
        k->group_pv_f16(&t->g, halves);
    }
    for (size_t i = 0; i < 2 * m; i++) {
        kt_same_floats(t->g.o[i / 2], want[i % 2][i / 2].o, h->d, t->what);
    }
    check_gaps(t);
}

static void test_groups(const ti_kern *k, size_t n, size_t d, size_t m)
{
    for (int bytes = 0; bytes < 2; bytes++) {
        group_test t = make_group(n, d, m, bytes);
        set_counts(&t.g, (uint32_t)n, 1, 1); /* neighbours */
        check_group(k, &t);
        set_counts(&t.g, (uint32_t)n, 1, 4); /* four heads each */
        check_group(k, &t);
        set_counts(&t.g, (uint32_t)n, 23, 3); /* farther from each other than a span */
        check_group(k, &t);
        /* What a query does not see may be anything; a sum of products that are all -0. */
        uint16_t *last = (uint16_t *)t.h.halves.p + (n - 1) * t.h.stride;
        memset(t.h.halves.p, 0, t.h.halves.bytes);
        for (size_t c = 0; c < d && n > 1; c++) {
            last[c] = c % 2 ? 0x7e00 : 0x7c00;
        }
        for (size_t c = 0; c < t.q.bytes / sizeof(float); c++) {
            ((float *)t.q.p)[c] = -1.0f;
        }
        memset(t.q8.p, 0, t.q8.bytes);
        check_group(k, &t);
        destroy_group(&t);
    }
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
            check_listed(k, &h);
            destroy(&h);
        }
    }
    static const size_t group_sizes[] = {2, 32, 64, 80, 96, 102, 128, 256};
    static const size_t group_counts[] = {1, 2, 7, 15, 16, 17, 33, 34, 63, 112};
    for (size_t i = 0; i < sizeof group_sizes / sizeof group_sizes[0]; i++) {
        for (size_t j = 0; j < sizeof group_counts / sizeof group_counts[0]; j++) {
            test_groups(k, group_counts[j], group_sizes[i], 1 + kt_below(TI_GROUP));
            test_groups(k, group_counts[j], group_sizes[i], TI_GROUP);
        }
    }
    for (size_t m = 1; m <= TI_GROUP; m++) {
        test_groups(k, 35, 64, m);
    }
    test_groups(k, 19, 1024, 14); /* the largest sums of int8 */
}
