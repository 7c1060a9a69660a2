/* SPDX-License-Identifier: Apache-2.0 */
/* kern/vec.h - the float kernels, written once for all CPUs.
 *
 * Included by one source file for each level, which defines before it:
 *   TI_VEC_TARGET   attribute that lets the compiler use the level's instructions, or empty
 *   TI_VEC_NAME(x)  name of a function of this level
 *   TI_VEC_WIDTH    floats in a register: 4, 8 or 16
 * and, where an instruction does what the compilers do not find by themselves (v is a ti_vf or
 * converts to one):
 *   TI_VEC_F16_LOAD(ptr)      WIDTH halves as floats
 *   TI_VEC_F16_STORE(ptr, v)  WIDTH floats as halves, to nearest even
 *   TI_VEC_I8_LOAD(ptr)       WIDTH int8 as floats
 *   TI_VEC_I8_STORE(ptr, n)   sixteen integers of -128..127, ti_vi n[16 / WIDTH], as int8
 * Each operation is IEEE and separately rounded, so all levels give the same bits; nothing in
 * these templates may be reordered. */
#ifndef TI_VEC_TARGET
#error "kern/vec.h is a template: see its comment"
#endif

#include "kern/vec/attention.h"
#include "kern/vec/base.h"
#include "kern/vec/dense.h"
#include "kern/vec/group.h"
#include "kern/vec/quant.h"
#include "kern/vec/top.h"

TI_VEC_FN void TI_VEC_NAME(rmsnorm)(float *y, const float *x, const float *w, size_t n,
                                    float eps)
{
    ti_vf sum[PARTS] = {{0}}, v[PARTS];
    for (size_t i = 0; i < n; i += TI_LANES) {
        load_lanes(v, x, i, n);
        TI_UNROLL
        for (int p = 0; p < PARTS; p++) {
            sum[p] = sum[p] + v[p] * v[p];
        }
    }
    float mean = tree(sum) / (float)n;
    float s = 1.0f / __builtin_sqrtf(mean + eps);
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        store(y + i, (load(x + i) * s) * load(w + i));
    }
    for (; i < n; i++) {
        y[i] = (x[i] * s) * w[i];
    }
}

TI_VEC_FN void TI_VEC_NAME(add)(float *x, const float *y, size_t n)
{
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        store(x + i, load(x + i) + load(y + i));
    }
    for (; i < n; i++) {
        x[i] = x[i] + y[i];
    }
}

TI_VEC_FN void TI_VEC_NAME(relu2_mul)(float *g, const float *u, size_t n)
{
    const ti_vf zero = all_lanes(0.0f);
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        ti_vf v = load(g + i);
        store(g + i, choose(v > zero, v * v * load(u + i), zero));
    }
    for (; i < n; i++) {
        float product = g[i] * g[i] * u[i];
        g[i] = g[i] > 0.0f ? product : 0.0f;
    }
}

TI_VEC_INLINE ti_vf silu_product(ti_vf g, ti_vf u)
{
    /* exp(-g) of very negative g would overflow; at 87 the quotient is already 1e-36 * g. */
    const ti_vf limit = all_lanes(87.0f);
    ti_vf e = exp_of(choose(-g > limit, limit, -g));
    return g / (1.0f + e) * u;
}

TI_VEC_FN void TI_VEC_NAME(silu_mul)(float *g, const float *u, size_t n)
{
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        store(g + i, silu_product(load(g + i), load(u + i)));
    }
    if (i < n) {
        store_tail(g + i, silu_product(load_tail(g + i, n - i), load_tail(u + i, n - i)),
                   n - i);
    }
}

TI_VEC_FN void TI_VEC_NAME(silu)(float *g, size_t n)
{
    const ti_vf one = all_lanes(1.0f); /* a product with it is exact */
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        store(g + i, silu_product(load(g + i), one));
    }
    if (i < n) {
        store_tail(g + i, silu_product(load_tail(g + i, n - i), one), n - i);
    }
}

TI_VEC_INLINE float max_of(const float *x, size_t n)
{
    float lanes[WIDTH], max = x[0];
    ti_vf top = all_lanes(max);
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        top = larger(load(x + i), top);
    }
    store(lanes, top);
    for (int l = 0; l < WIDTH; l++) {
        max = lanes[l] > max ? lanes[l] : max;
    }
    for (; i < n; i++) {
        max = x[i] > max ? x[i] : max;
    }
    return max;
}

TI_VEC_FN void TI_VEC_NAME(softmax)(float *x, size_t n)
{
    if (n == 0) {
        return;
    }
    ti_vf sum[PARTS] = {{0}}, v[PARTS];
    float max = max_of(x, n);
    for (size_t i = 0; i < n; i += TI_LANES) {
        load_lanes(v, x, i, n);
        TI_UNROLL
        for (int p = 0; p < PARTS; p++) {
            v[p] = exp_of(v[p] - max);
        }
        store_lanes(x, v, i, n);
        if (n - i < TI_LANES) { /* what is past the end counts as zero */
            load_lanes(v, x, i, n);
        }
        TI_UNROLL
        for (int p = 0; p < PARTS; p++) {
            sum[p] = sum[p] + v[p];
        }
    }
    float inverse = 1.0f / tree(sum);
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        store(x + i, load(x + i) * inverse);
    }
    for (; i < n; i++) {
        x[i] = x[i] * inverse;
    }
}

TI_VEC_FN void TI_VEC_NAME(rope)(float *x, const float *c, const float *s, size_t n,
                                 bool interleaved)
{
    size_t half = n / 2, i = 0;
    if (interleaved) {
        for (; i < half; i++) {
            float a = x[2 * i], b = x[2 * i + 1];
            x[2 * i] = a * c[i] - b * s[i];
            x[2 * i + 1] = a * s[i] + b * c[i];
        }
        return;
    }
    for (; i + WIDTH <= half; i += WIDTH) {
        ti_vf a = load(x + i), b = load(x + i + half), ci = load(c + i), si = load(s + i);
        store(x + i, a * ci - b * si);
        store(x + i + half, a * si + b * ci);
    }
    for (; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a * c[i] - b * s[i];
        x[i + half] = a * s[i] + b * c[i];
    }
}

TI_VEC_FN void TI_VEC_NAME(vec_init)(ti_kern *k)
{
    k->matmul[TI_L_F32] = TI_VEC_NAME(matmul_f32);
    k->matmul[TI_L_F16] = TI_VEC_NAME(matmul_f16);
    k->matmul[TI_L_BF16] = TI_VEC_NAME(matmul_bf16);
    k->quant_token = TI_VEC_NAME(quant_token);
    k->quant_block = TI_VEC_NAME(quant_block);
    k->quant_block16 = TI_VEC_NAME(quant_block16);
    k->rmsnorm = TI_VEC_NAME(rmsnorm);
    k->add = TI_VEC_NAME(add);
    k->relu2_mul = TI_VEC_NAME(relu2_mul);
    k->silu_mul = TI_VEC_NAME(silu_mul);
    k->relu2 = TI_VEC_NAME(relu2);
    k->silu = TI_VEC_NAME(silu);
    k->gate = TI_VEC_NAME(gate);
    k->top_k = TI_VEC_NAME(top_k);
    k->softmax = TI_VEC_NAME(softmax);
    k->rope = TI_VEC_NAME(rope);
    k->to_f16 = TI_VEC_NAME(to_f16);
    k->qk_f16 = TI_VEC_NAME(qk_f16);
    k->qk_i8 = TI_VEC_NAME(qk_i8);
    k->pv_f16 = TI_VEC_NAME(pv_f16);
    k->pv_i8 = TI_VEC_NAME(pv_i8);
    k->qk_list_f16 = TI_VEC_NAME(qk_list_f16);
    k->qk_list_i8 = TI_VEC_NAME(qk_list_i8);
    k->pv_list_f16 = TI_VEC_NAME(pv_list_f16);
    k->pv_list_i8 = TI_VEC_NAME(pv_list_i8);
    k->group_qk_f16 = TI_VEC_NAME(group_qk_f16);
    k->group_qk_i8 = TI_VEC_NAME(group_qk_i8);
    k->group_softmax = TI_VEC_NAME(group_softmax);
    k->group_pv_f16 = TI_VEC_NAME(group_pv_f16);
    k->group_pv_i8 = TI_VEC_NAME(group_pv_i8);
}
