/* SPDX-License-Identifier: Apache-2.0 */
/* Naive implementations of what kern/kern.h promises: one weight at a time, divisions instead
 * of shifts, 64-bit integers, arithmetic on values instead of bits. */
#include <math.h>
#include <string.h>

#include "kern/pack.h"
#include "kt.h"

float kt_ref_half(uint16_t h)
{
    int exponent = h / 1024 % 32, mantissa = h % 1024;
    float sign = h >= 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31) {
        return mantissa ? NAN : sign * INFINITY;
    }
    return sign * (exponent ? ldexpf((float)(1024 + mantissa), exponent - 25)
                            : ldexpf((float)mantissa, -24));
}

uint16_t kt_ref_to_half(float f)
{
    uint16_t sign = signbit(f) ? 0x8000 : 0;
    double a = fabs((double)f);
    if (a >= 65504.0) {
        return sign | 0x7bff;
    }
    /* The halves' magnitudes rise with their bits: the nearest is found by bisection. */
    uint16_t low = 0, high = 0x7bff;
    while (high - low > 1) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        if ((double)kt_ref_half(middle) <= a) {
            low = middle;
        } else {
            high = middle;
        }
    }
    double below = a - (double)kt_ref_half(low), above = (double)kt_ref_half(high) - a;
    uint16_t nearest = below < above || (below == above && low % 2 == 0) ? low : high;
    return sign | nearest;
}

float kt_ref_sum(const float *terms, size_t n)
{
    float s[16] = {0};
    for (size_t i = 0; i < (n + 15) / 16 * 16; i++) {
        s[i % 16] = s[i % 16] + (i < n ? terms[i] : 0.0f);
    }
    for (int step = 8; step >= 1; step /= 2) {
        for (int l = 0; l < step; l++) {
            s[l] = s[l] + s[l + step];
        }
    }
    return s[0];
}

float kt_ref_exp(float x)
{
    if (!(x >= -87.0f)) {
        return 0.0f;
    }
    float n = rintf(x * 1.44269504088896341f);
    float r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    static const float c[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                              4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
    float p = c[0];
    for (int i = 1; i < 6; i++) {
        float product = p * r;
        p = product + c[i];
    }
    float square = r * r;
    p = p * square;
    p = p + r;
    p = p + 1.0f;
    return ldexpf(p, (int)n);
}

/* --- weights ----------------------------------------------------------------------------- */

/* Byte of [g][16 r][4] for column c of row r, where g counts groups of four columns. */
static uint8_t byte_at(const uint8_t *p, size_t g, size_t r, size_t c)
{
    return p[(g * 16 + r) * 4 + c % 4];
}

static int nibble(const uint8_t *p, size_t r, size_t c)
{
    uint8_t byte = byte_at(p, c / 4 % 4, r, c);
    return c >= 16 ? byte / 16 : byte % 16;
}

static int pair(const uint8_t *p, size_t r, size_t c)
{
    static const int divisor[] = {1, 4, 16, 64};
    size_t g = c / 4; /* 0..7: bits 2j hold groups g + 2j */
    return byte_at(p, g % 2, r, c) / divisor[g / 2] % 4;
}

static const uint8_t *unit_of(const ti_mat *w, size_t r, size_t c, size_t columns, size_t bytes)
{
    return (const uint8_t *)w->data + (r / 16 * (w->kp / columns) + c / columns) * bytes;
}

static int weight_t5(const ti_mat *w, size_t r, size_t c)
{
    const uint8_t *panel = (const uint8_t *)w->data + r / 3 * ti_t5_panel_bytes(w->kp);
    size_t b = c / 128, j = c % 64;
    bool upper = c % 128 >= 64;
    uint8_t byte = panel[64 * b + j];
    int five = upper ? byte / 16 : byte % 16;
    const uint8_t *word = panel + w->kp / 2 + 8 * (2 * b + upper);
    if (word[j / 8] & 1 << j % 8) {
        five += 16;
    }
    static const int power[] = {1, 3, 9};
    return five / power[r % 3] % 3 - 1;
}

int kt_ref_weight(const ti_mat *w, size_t r, size_t c)
{
    const uint8_t *p = w->data;
    static const int divisor[] = {1, 4, 16, 64};
    size_t row = r % 16, column = c % 32;
    switch (w->layout) {
    case TI_L_T2:
        p += r * ti_t2_row_bytes(w->kp) + c / 256 * 64 + c % 64;
        return *p / divisor[c % 256 / 64] % 4 - 1;
    case TI_L_T5:
        return weight_t5(w, r, c);
    case TI_L_G2:
        p = unit_of(w, r, c, 64, TI_G2_BYTES) + 32 + c % 64 / 32 * 128;
        return pair(p, row, column) - 1;
    case TI_L_G4:
        return nibble(unit_of(w, r, c, 32, TI_G4_BYTES) + 32, row, column) - 8;
    case TI_L_G4M:
        return nibble(unit_of(w, r, c, 32, TI_G4M_BYTES) + 64, row, column);
    case TI_L_G8:
        return byte_at(unit_of(w, r, c, 32, TI_G8_BYTES) + 32, column / 4, row, column) - 128;
    case TI_L_K4:
        p = unit_of(w, r, c, 256, TI_K4_BYTES) + 64 + c % 256 / 32 * 288;
        return nibble(p + 32, row, column);
    default:
        p = unit_of(w, r, c, 256, TI_K6_BYTES) + 32 + c % 256 / 32 * 416;
        return nibble(p + 32, row, column) + 16 * pair(p + 288, row, column) - 32;
    }
}

/* --- matrix products --------------------------------------------------------------------- */

static float float_weight(const ti_mat *w, size_t r, size_t c)
{
    size_t at = r * w->kp + c;
    if (w->layout == TI_L_F32) {
        float f;
        memcpy(&f, (const char *)w->data + 4 * at, sizeof f);
        return f;
    }
    uint16_t h;
    memcpy(&h, (const char *)w->data + 2 * at, sizeof h);
    if (w->layout == TI_L_F16) {
        return kt_ref_half(h);
    }
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* One block of 32 columns: the numbers that its formula needs. */
typedef struct block {
    const uint8_t *unit; /* where the scales of the rows start */
    const uint8_t *sub;  /* K4, K6: the sub-block's own scales */
    size_t row;
    int64_t dot, half[2], sum;
    float xs;
} block;

static float half_in(const uint8_t *p, size_t i)
{
    return kt_ref_half((uint16_t)(p[2 * i] + 256 * p[2 * i + 1]));
}

static float add_block(float acc, ti_layout layout, const block *b)
{
    float d = half_in(b->unit, b->row), total = b->xs * (float)b->sum;
    if (layout == TI_L_K4) {
        float scale = d * (float)b->sub[b->row];
        float minimum = half_in(b->unit + 32, b->row) * (float)b->sub[16 + b->row];
        float term = scale * b->xs;
        term = term * (float)b->dot;
        acc = acc + term;
        term = minimum * total;
        return acc - term;
    }
    int64_t dot = b->dot;
    if (layout == TI_L_K6) {
        int sc0 = b->sub[b->row], sc1 = b->sub[16 + b->row];
        sc0 = sc0 > 127 ? sc0 - 256 : sc0;
        sc1 = sc1 > 127 ? sc1 - 256 : sc1;
        dot = sc0 * b->half[0] + sc1 * b->half[1];
    }
    float term = d * b->xs;
    term = term * (float)dot;
    acc = acc + term;
    if (layout == TI_L_G4M) {
        term = half_in(b->unit + 32, b->row) * total;
        acc = acc + term;
    }
    return acc;
}

static float ref_blocks(const ti_mat *w, const ti_act *x, size_t r, size_t i,
                        const int *weights)
{
    float acc = 0.0f;
    for (size_t c0 = 0; c0 < w->kp; c0 += 32) {
        block b = {.row = r % 16, .xs = x->block_scale[i * (x->stride / 32) + c0 / 32]};
        for (size_t c = c0; c < c0 + 32; c++) {
            int64_t q = x->q[i * x->stride + c];
            b.half[(c - c0) / 16] += weights[c] * q;
            b.sum += q;
        }
        b.dot = b.half[0] + b.half[1];
        switch (w->layout) {
        case TI_L_G2:
            b.unit = unit_of(w, r, c0, 64, TI_G2_BYTES);
            break;
        case TI_L_G4:
            b.unit = unit_of(w, r, c0, 32, TI_G4_BYTES);
            break;
        case TI_L_G4M:
            b.unit = unit_of(w, r, c0, 32, TI_G4M_BYTES);
            break;
        case TI_L_G8:
            b.unit = unit_of(w, r, c0, 32, TI_G8_BYTES);
            break;
        case TI_L_K4:
            b.unit = unit_of(w, r, c0, 256, TI_K4_BYTES);
            b.sub = b.unit + 64 + c0 % 256 / 32 * 288;
            break;
        default:
            b.unit = unit_of(w, r, c0, 256, TI_K6_BYTES);
            b.sub = b.unit + 32 + c0 % 256 / 32 * 416;
            break;
        }
        acc = add_block(acc, w->layout, &b);
    }
    return acc;
}

static float ref_ternary(const ti_mat *w, const ti_act *x, size_t r, size_t i,
                         const int *weights)
{
    int64_t dot = 0;
    for (size_t c = 0; c < w->kp; c++) {
        dot += weights[c] * x->q[i * x->stride + c];
    }
    float scale = w->scales[r] * x->row_scale[i];
    return (float)dot * scale;
}

static float ref_float(const ti_mat *w, const ti_act *x, size_t r, size_t i)
{
    float s[16] = {0};
    for (size_t c = 0; c < w->kp; c++) {
        float term = float_weight(w, r, c) * x->f[i * x->stride + c];
        s[c % 16] = s[c % 16] + term;
    }
    return kt_ref_sum(s, 16);
}

void kt_ref_matmul(float *y, size_t ldy, const ti_mat *w, const ti_act *x)
{
    static int weights[KT_MAX_K];
    bool floats = ti_layout_act(w->layout) == TI_ACT_F32;
    bool ternary = w->layout == TI_L_T2 || w->layout == TI_L_T5;
    for (size_t r = 0; r < w->rows; r++) {
        for (size_t c = 0; c < w->kp && !floats; c++) {
            weights[c] = kt_ref_weight(w, r, c);
        }
        for (size_t i = 0; i < x->m; i++) {
            y[i * ldy + r] = floats    ? ref_float(w, x, r, i)
                             : ternary ? ref_ternary(w, x, r, i, weights)
                                       : ref_blocks(w, x, r, i, weights);
        }
    }
}
