/* SPDX-License-Identifier: Apache-2.0 */
/* The float kernels and quantisation. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kt.h"

/* Lengths around the vectors of 16. */
static const size_t lengths[] = {1,  2,  3,  5,  15, 16, 17,  31,  32,  33,  47,   48,
                                 63, 64, 65, 69, 80, 96, 100, 127, 128, 255, 1000, 2560};

enum { N_LENGTHS = sizeof lengths / sizeof lengths[0], MAX_LENGTH = 2560 };

static kt_buf floats(size_t n)
{
    return kt_alloc(n * sizeof(float), sizeof(float));
}

static kt_buf copy_of(const kt_buf *b)
{
    kt_buf c = kt_alloc(b->bytes, sizeof(float));
    memcpy(c.p, b->p, b->bytes);
    return c;
}

/* Values of many magnitudes. */
static void fill(const kt_buf *b, float scale)
{
    float *p = b->p;
    for (size_t i = 0; i < b->bytes / sizeof *p; i++) {
        p[i] = kt_uniform(scale) * (kt_below(4) ? 1.0f : 0x1p-9f);
    }
}

static void check_rmsnorm(const ti_kern *k, size_t n, float scale, bool in_place)
{
    kt_buf x = floats(n), w = floats(n), y = floats(n);
    fill(&x, scale);
    fill(&w, 2.0f);
    float terms[MAX_LENGTH], want[MAX_LENGTH], *px = x.p, *pw = w.p;
    for (size_t i = 0; i < n; i++) {
        terms[i] = px[i] * px[i];
    }
    float mean = kt_ref_sum(terms, n) / (float)n, root = sqrtf(mean + 1e-5f), s = 1.0f / root;
    for (size_t i = 0; i < n; i++) {
        float scaled = px[i] * s;
        want[i] = scaled * pw[i];
    }
    k->rmsnorm(in_place ? px : y.p, px, pw, n, 1e-5f);
    char what[64];
    snprintf(what, sizeof what, "n = %zu, values up to %g", n, (double)scale);
    kt_same_floats(in_place ? px : y.p, want, n, what);
    kt_free(&x);
    kt_free(&w);
    kt_free(&y);
}

static void check_pairwise(const ti_kern *k, size_t n, float scale)
{
    kt_buf a = floats(n), b = floats(n);
    fill(&a, scale);
    fill(&b, 2.0f);
    float *pa = a.p, *pb = b.p, want[MAX_LENGTH];
    pa[n / 2] = n % 3 ? -0.0f : 0.0f;
    char what[64];
    snprintf(what, sizeof what, "n = %zu, values up to %g", n, (double)scale);

    kt_buf x = copy_of(&a);
    for (size_t i = 0; i < n; i++) {
        want[i] = pa[i] + pb[i];
    }
    kt_subject(k->name, "add");
    k->add(x.p, pb, n);
    kt_same_floats(x.p, want, n, what);

    memcpy(x.p, pa, x.bytes);
    for (size_t i = 0; i < n; i++) {
        float square = pa[i] * pa[i];
        want[i] = pa[i] > 0.0f ? square * pb[i] : 0.0f;
    }
    kt_subject(k->name, "relu2_mul");
    k->relu2_mul(x.p, pb, n);
    kt_same_floats(x.p, want, n, what);

    memcpy(x.p, pa, x.bytes);
    for (size_t i = 0; i < n; i++) {
        float e = kt_ref_exp(-pa[i] > 87.0f ? 87.0f : -pa[i]);
        float gate = pa[i] / (1.0f + e);
        want[i] = gate * pb[i];
    }
    kt_subject(k->name, "silu_mul");
    k->silu_mul(x.p, pb, n);
    kt_same_floats(x.p, want, n, what);
    kt_free(&x);
    kt_free(&a);
    kt_free(&b);
}

static void check_softmax(const ti_kern *k, size_t n, float scale)
{
    kt_buf x = floats(n);
    float want[MAX_LENGTH], *p = x.p, max = -INFINITY;
    double exact = 0.0, worst = 0.0;
    fill(&x, scale);
    if (n > 4) {
        p[kt_below((uint32_t)n)] = -INFINITY; /* a key that may not be seen */
    }
    for (size_t i = 0; i < n; i++) {
        max = p[i] > max ? p[i] : max;
    }
    for (size_t i = 0; i < n; i++) {
        want[i] = kt_ref_exp(p[i] - max);
        exact += exp((double)p[i] - (double)max);
    }
    float inverse = 1.0f / kt_ref_sum(want, n);
    for (size_t i = 0; i < n; i++) {
        want[i] = want[i] * inverse;
        worst = fmax(worst, fabs((double)want[i] - exp((double)p[i] - (double)max) / exact));
    }
    k->softmax(p, n);
    char what[64];
    snprintf(what, sizeof what, "n = %zu, values up to %g", n, (double)scale);
    kt_same_floats(p, want, n, what);
    kt_check(worst < 1e-6, "n = %zu: error %g", n, worst);
    kt_free(&x);
}

static void check_rope(const ti_kern *k, size_t n, bool interleaved)
{
    kt_buf x = floats(n), c = floats(n / 2), s = floats(n / 2);
    fill(&x, 3.0f);
    fill(&c, 1.0f);
    fill(&s, 1.0f);
    float want[MAX_LENGTH], *px = x.p, *pc = c.p, *ps = s.p;
    for (size_t i = 0; i < n / 2; i++) {
        size_t first = interleaved ? 2 * i : i, second = interleaved ? 2 * i + 1 : i + n / 2;
        float a = px[first], b = px[second], ac = a * pc[i], bs = b * ps[i];
        float as = a * ps[i], bc = b * pc[i];
        want[first] = ac - bs;
        want[second] = as + bc;
    }
    k->rope(px, pc, ps, n, interleaved);
    char what[64];
    snprintf(what, sizeof what, "n = %zu%s", n, interleaved ? ", interleaved" : "");
    kt_same_floats(px, want, n, what);
    kt_free(&x);
    kt_free(&c);
    kt_free(&s);
}

/* All halves, the middles between neighbours, what is just beside them, and the extremes. */
static void check_to_f16(const ti_kern *k)
{
    enum { CHUNK = 1024 };
    size_t n = 0;
    kt_buf x = floats(CHUNK), out = kt_alloc(CHUNK * sizeof(uint16_t), sizeof(uint16_t));
    float *px = x.p;
    const uint16_t *got = out.p;
    size_t wrong = 0;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        float a = kt_ref_half((uint16_t)h);
        float b = h < 0x7bff ? kt_ref_half((uint16_t)(h + 1)) : 65520.0f;
        float middle = (a + b) * 0.5f;
        const float values[] = {a, middle, nextafterf(middle, 0.0f), nextafterf(middle, b)};
        for (int i = 0; i < 8; i++) {
            px[n++] = i & 4 ? -values[i & 3] : values[i & 3];
        }
        if (n == CHUNK) {
            k->to_f16(out.p, px, n);
            for (size_t i = 0; i < n; i++) {
                wrong += got[i] != kt_ref_to_half(px[i]);
            }
            n = 0;
        }
    }
    kt_check(wrong == 0, "%zu values differ", wrong);
    kt_free(&x);
    kt_free(&out);
    static const float extremes[] = {65504.0f, 65519.0f, 65520.0f, 1e6f,         3.4e38f,
                                     INFINITY, 0x1p-24f, 0x1p-25f, 0x1p-26f,     0x1.8p-25f,
                                     1e-40f,   0x1p-14f, 0.0f,     0x1.ffcp-15f, 0x1.ffep-15f};
    enum { N = sizeof extremes / sizeof extremes[0] };
    for (size_t m = 1; m <= 2 * N; m++) {
        x = floats(m);
        out = kt_alloc(m * sizeof(uint16_t), sizeof(uint16_t));
        px = x.p;
        got = out.p;
        for (size_t i = 0; i < m; i++) {
            px[i] = i < N ? extremes[i] : -extremes[i - N];
        }
        k->to_f16(out.p, px, m);
        for (size_t i = 0; i < m; i++) {
            kt_check(got[i] == kt_ref_to_half(px[i]), "%a gives %04x", (double)px[i], got[i]);
        }
        kt_free(&x);
        kt_free(&out);
    }
}

void kt_test_float(const ti_kern *k)
{
    static const float scales[] = {1.0f, 50.0f, 1e4f, 1e-6f};
    for (size_t i = 0; i < N_LENGTHS; i++) {
        for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++) {
            kt_subject(k->name, "rmsnorm");
            check_rmsnorm(k, lengths[i], scales[s], i % 2);
            check_pairwise(k, lengths[i], scales[s]);
        }
    }
    kt_subject(k->name, "softmax");
    k->softmax(NULL, 0);
    for (size_t n = 1; n <= 70; n++) {
        check_softmax(k, n, 5.0f);
        check_softmax(k, n, 200.0f);
    }
    check_softmax(k, 2049, 20.0f);
    kt_subject(k->name, "rope");
    for (size_t n = 2; n <= 260; n += n < 70 ? 2 : 30) {
        check_rope(k, n, false);
        check_rope(k, n, true);
    }
    kt_subject(k->name, "to_f16");
    check_to_f16(k);
}

/* --- quantisation ------------------------------------------------------------------------ */

/* The contract, one float at a time. */
static void ref_quant(int8_t *q, float *scale, const float *f, size_t n)
{
    float max = 0.0f;
    bool bad = false;
    for (size_t i = 0; i < n; i++) {
        bad = bad || isnan(f[i]);
        max = fabsf(f[i]) > max ? fabsf(f[i]) : max;
    }
    bool zero = bad || max < 0x1p-120f || max > 0x1p120f;
    for (size_t i = 0; i < n; i++) {
        float product = zero ? 0.0f : f[i] * (127.0f / max);
        q[i] = (int8_t)nearbyint((double)product);
    }
    *scale = bad || max > 0x1p120f ? NAN : zero ? 0.0f : max / 127.0f;
}

static bool all_canaries(const kt_buf *b)
{
    const uint8_t *p = b->p;
    for (size_t i = 0; i < b->bytes; i++) {
        if (p[i] != KT_CANARY) {
            return false;
        }
    }
    return true;
}

typedef struct quantised {
    int8_t q[MAX_LENGTH + 256];
    int32_t half_sum[MAX_LENGTH / 16 + 16], row_sum;
    float block_scale[MAX_LENGTH / 32 + 8], row_scale;
} quantised;

static void expect(quantised *want, const float *f, size_t k, size_t stride, bool token)
{
    memset(want, 0, sizeof *want);
    if (token) {
        ref_quant(want->q, &want->row_scale, f, k);
    }
    for (size_t b = 0; b < stride / 32; b++) {
        want->block_scale[b] = want->row_scale;
        if (!token && b * 32 < k) {
            ref_quant(want->q + b * 32, &want->block_scale[b], f + b * 32,
                      k - b * 32 < 32 ? k - b * 32 : 32);
        }
    }
    for (size_t c = 0; c < stride; c++) {
        want->half_sum[c / 16] += want->q[c];
        want->row_sum += want->q[c];
    }
}

/* Sixteen bits as two rows.  The division is exact in double, and ties go as in float: by the
 * product with 1/254. */
static void ref_quant16(int8_t *high, int8_t *low, float *scale, const float *f, size_t n)
{
    float max = 0.0f;
    bool bad = false;
    for (size_t i = 0; i < n; i++) {
        bad = bad || isnan(f[i]);
        max = fabsf(f[i]) > max ? fabsf(f[i]) : max;
    }
    bool zero = bad || max < 0x1p-110f || max > 0x1p120f;
    for (size_t i = 0; i < n; i++) {
        float product = zero ? 0.0f : f[i] * (32384.0f / max);
        float v = (float)nearbyint((double)product), part = v * (1.0f / 254.0f);
        int h = (int)nearbyint((double)part), l = (int)v - 254 * h;
        kt_check(abs(h) <= 127 && abs(l) <= 127, "%g is split into %d and %d", (double)v, h, l);
        high[i] = (int8_t)h;
        low[i] = (int8_t)l;
    }
    *scale = bad || max > 0x1p120f ? NAN : zero ? 0.0f : max / 32384.0f;
}

/* Rows 2 and 3 of 6. */
static void check_quant16(const ti_kern *k, const kt_buf *f, size_t n)
{
    enum { ROWS = 6 };
    static quantised want[2];
    size_t stride = (n + TI_K_PAD - 1) / TI_K_PAD * TI_K_PAD;
    kt_buf q = kt_alloc(ROWS * stride, 1), block_scale = floats(ROWS * stride / 32);
    kt_buf half_sum = floats(ROWS * stride / 16);
    ti_act x = {.m = ROWS,
                .k = n,
                .stride = stride,
                .q = q.p,
                .block_scale = block_scale.p,
                .half_sum = half_sum.p};
    memset(want, 0, sizeof want);
    for (size_t c = 0; c < n; c += 32) {
        float *scale = &want[1].block_scale[c / 32];
        ref_quant16(want[0].q + c, want[1].q + c, scale, (const float *)f->p + c,
                    n - c < 32 ? n - c : 32);
        want[0].block_scale[c / 32] = *scale * 254.0f;
    }
    kt_subject(k->name, "quant_block16");
    k->quant_block16(&x, 1, f->p);
    for (size_t i = 0; i < 2; i++) {
        for (size_t c = 0; c < stride; c++) {
            want[i].half_sum[c / 16] += want[i].q[c];
        }
        int8_t *got_q = x.q + (2 + i) * stride;
        int32_t *got_sum = x.half_sum + (2 + i) * (stride / 16);
        float *got_scale = x.block_scale + (2 + i) * (stride / 32);
        kt_check(memcmp(got_q, want[i].q, stride) == 0, "q of %zu, part %zu", n, i);
        kt_check(memcmp(got_sum, want[i].half_sum, stride / 4) == 0, "half sums of %zu", n);
        kt_same_floats(got_scale, want[i].block_scale, stride / 32, "block scales");
        memset(got_q, KT_CANARY, stride);
        memset(got_sum, KT_CANARY, stride / 4);
        memset(got_scale, KT_CANARY, stride / 8);
    }
    kt_check(all_canaries(&q) && all_canaries(&half_sum) && all_canaries(&block_scale),
             "other rows changed");
    kt_free(&q);
    kt_free(&block_scale);
    kt_free(&half_sum);
}

/* Row 1 of 3: the others must stay as they are. */
static void check_quant(const ti_kern *k, const kt_buf *f, size_t n, bool token)
{
    enum { ROWS = 3 };
    static quantised want;
    size_t stride = (n + TI_K_PAD - 1) / TI_K_PAD * TI_K_PAD;
    kt_buf q = kt_alloc(ROWS * stride, 1), row_scale = floats(ROWS), row_sum = floats(ROWS);
    kt_buf block_scale = floats(ROWS * stride / 32), half_sum = floats(ROWS * stride / 16);
    ti_act x = {.m = ROWS,
                .k = n,
                .stride = stride,
                .q = q.p,
                .row_scale = row_scale.p,
                .row_sum = row_sum.p,
                .block_scale = block_scale.p,
                .half_sum = half_sum.p};
    expect(&want, f->p, n, stride, token);
    kt_subject(k->name, token ? "quant_token" : "quant_block");
    (token ? k->quant_token : k->quant_block)(&x, 1, f->p);
    kt_check(memcmp(x.q + stride, want.q, stride) == 0, "q of %zu", n);
    kt_check(memcmp(x.half_sum + stride / 16, want.half_sum, stride / 4) == 0,
             "half sums of %zu", n);
    kt_same_floats(x.block_scale + stride / 32, want.block_scale, stride / 32, "block scales");
    if (token) {
        kt_same_floats(x.row_scale + 1, &want.row_scale, 1, "row scale");
        kt_check(x.row_sum[1] == want.row_sum, "row sum of %zu", n);
    }
    memset(x.q + stride, KT_CANARY, stride);
    memset(x.half_sum + stride / 16, KT_CANARY, stride / 4);
    memset(x.block_scale + stride / 32, KT_CANARY, stride / 8);
    kt_check(all_canaries(&q) && all_canaries(&half_sum) && all_canaries(&block_scale),
             "other rows changed");
    kt_free(&q);
    kt_free(&row_scale);
    kt_free(&row_sum);
    kt_free(&block_scale);
    kt_free(&half_sum);
}

static void check_all_quant(const ti_kern *k, const kt_buf *f, size_t n)
{
    check_quant(k, f, n, true);
    check_quant(k, f, n, false);
    check_quant16(k, f, n);
}

/* Ordinary values; halves between two integers; ties between two ways to split 16 bits; and
 * one number that spoils a vector. */
void kt_test_quant(const ti_kern *k)
{
    static const float special[] = {0.0f,      -0.0f,     1e-45f,    0x1p-121f,  0x1p-120f,
                                    0x1p-111f, 0x1p-110f, -0x1p120f, 0x1.1p120f, -3.4e38f,
                                    INFINITY,  -INFINITY, NAN,       1.0f};
    for (size_t i = 0; i < N_LENGTHS; i++) {
        size_t n = lengths[i];
        kt_buf f = floats(n);
        float *p = f.p;
        fill(&f, 3.0f);
        check_all_quant(k, &f, n);
        fill(&f, 0x1p-100f);
        check_all_quant(k, &f, n);
        for (size_t c = 0; c < n; c++) {
            p[c] = c == 0 ? 127.0f : (float)((int)kt_below(254) - 127) + 0.5f;
        }
        check_all_quant(k, &f, n);
        for (size_t c = 0; c < n; c++) {
            p[c] = c % 32 == 0 ? 32384.0f : (float)((int)kt_below(255) - 127) * 254.0f + 127.0f;
        }
        check_all_quant(k, &f, n);
        for (size_t s = 0; s < sizeof special / sizeof special[0]; s++) {
            memset(p, 0, f.bytes);
            p[kt_below((uint32_t)n)] = special[s];
            check_all_quant(k, &f, n);
            fill(&f, 1.0f);
            p[kt_below((uint32_t)n)] = special[s];
            check_all_quant(k, &f, n);
        }
        kt_free(&f);
    }
}
