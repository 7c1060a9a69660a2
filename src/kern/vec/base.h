/* SPDX-License-Identifier: Apache-2.0 */
/* kern/vec/base.h - vectors of floats, for the templates of kern/vec.h (its comment has the
 * parameters).
 *
 * A ti_vf is one register of WIDTH floats, by the compilers' vector extension.  Wider
 * vectors would be simpler to write, but gcc takes those that no register holds apart into
 * single floats.  Sixteen lanes of the contract are therefore PARTS registers: lane l is
 * lane l % WIDTH of part l / WIDTH. */
#ifndef TI_KERN_VEC_BASE_H
#define TI_KERN_VEC_BASE_H

#include <string.h>

#include "kern/kern.h"
#include "kern/unroll.h"

enum { WIDTH = TI_VEC_WIDTH, PARTS = TI_LANES / WIDTH };

typedef float ti_vf __attribute__((vector_size(4 * TI_VEC_WIDTH)));
typedef int32_t ti_vi __attribute__((vector_size(4 * TI_VEC_WIDTH)));
typedef uint32_t ti_vu __attribute__((vector_size(4 * TI_VEC_WIDTH)));
typedef float ti_v4f __attribute__((vector_size(16)));
typedef int32_t ti_v4i __attribute__((vector_size(16)));
typedef uint16_t ti_vh __attribute__((vector_size(2 * TI_VEC_WIDTH)));
typedef int8_t ti_vb __attribute__((vector_size(TI_VEC_WIDTH)));

#define TI_VEC_INLINE static inline __attribute__((always_inline)) TI_VEC_TARGET
#define TI_VEC_FN static TI_VEC_TARGET

/* --- memory ------------------------------------------------------------------------------ */

TI_VEC_INLINE ti_vf load(const float *p)
{
    ti_vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

TI_VEC_INLINE void store(float *p, ti_vf v)
{
    memcpy(p, &v, sizeof v);
}

/* Loads the n < WIDTH floats that are left, and zeros. */
TI_VEC_INLINE ti_vf load_tail(const float *p, size_t n)
{
    float all[WIDTH] = {0};
    memcpy(all, p, n * sizeof *p);
    return load(all);
}

TI_VEC_INLINE void store_tail(float *p, ti_vf v, size_t n)
{
    memcpy(p, &v, n * sizeof *p);
}

/* Sixteen floats at x + i, where n are: zeros for those that are not. */
TI_VEC_INLINE void load_lanes(ti_vf v[PARTS], const float *x, size_t i, size_t n)
{
    float all[TI_LANES] = {0};
    const float *from = x + i;
    if (n - i < TI_LANES) {
        memcpy(all, from, (n - i) * sizeof *x);
        from = all;
    }
    TI_UNROLL
    for (int p = 0; p < PARTS; p++) {
        v[p] = load(from + p * WIDTH);
    }
}

TI_VEC_INLINE void store_lanes(float *x, const ti_vf v[PARTS], size_t i, size_t n)
{
    float all[TI_LANES];
    float *to = n - i < TI_LANES ? all : x + i;
    TI_UNROLL
    for (int p = 0; p < PARTS; p++) {
        store(to + p * WIDTH, v[p]);
    }
    if (n - i < TI_LANES) {
        memcpy(x + i, all, (n - i) * sizeof *x);
    }
}

/* Halves to float32.  Without an instruction: exponent and mantissa are moved into place and
 * the product with 2^112 corrects the bias, exactly, for subnormals too; what was infinite or
 * no number is 65536 or more by then. */
TI_VEC_INLINE ti_vf half_load(const uint16_t *p)
{
#ifdef TI_VEC_F16_LOAD
    return TI_VEC_F16_LOAD(p);
#else
    ti_vh h;
    memcpy(&h, p, sizeof h);
    ti_vu u = __builtin_convertvector(h, ti_vu);
    ti_vf magnitude = (ti_vf)((u & 0x7fffu) << 13) * 0x1p112f;
    ti_vu special = (ti_vu)(magnitude >= 65536.0f) & 0x7f800000u;
    return (ti_vf)((ti_vu)magnitude | special | (u & 0x8000u) << 16);
#endif
}

TI_VEC_INLINE ti_vf byte_load(const int8_t *p)
{
#ifdef TI_VEC_I8_LOAD
    return TI_VEC_I8_LOAD(p);
#else
    ti_vb b;
    memcpy(&b, p, sizeof b);
    return __builtin_convertvector(b, ti_vf);
#endif
}

/* Stores sixteen integers of -128..127 as bytes. */
TI_VEC_INLINE void byte_store_lanes(int8_t *p, const ti_vi v[PARTS])
{
#ifdef TI_VEC_I8_STORE
    TI_VEC_I8_STORE(p, v);
#else
    TI_UNROLL
    for (int i = 0; i < PARTS; i++) {
        ti_vb b = __builtin_convertvector(v[i], ti_vb);
        memcpy(p + i * WIDTH, &b, sizeof b);
    }
#endif
}

/* --- arithmetic -------------------------------------------------------------------------- */

TI_VEC_INLINE ti_vf all_lanes(float f)
{
    return (ti_vf){0} + f;
}

/* a where the mask is set, else b. */
TI_VEC_INLINE ti_vf choose(ti_vi mask, ti_vf a, ti_vf b)
{
    return (ti_vf)(((ti_vi)a & mask) | ((ti_vi)b & ~mask));
}

TI_VEC_INLINE ti_vf larger(ti_vf a, ti_vf b)
{
    return choose(a > b, a, b);
}

TI_VEC_INLINE ti_vi larger_int(ti_vi a, ti_vi b)
{
    ti_vi mask = a > b;
    return (a & mask) | (b & ~mask);
}

/* The nearest whole numbers, half to even, of |v| < 2^22: adding 1.5 * 2^23 leaves no bits for
 * a fraction. */
TI_VEC_INLINE ti_vf whole(ti_vf v)
{
    return (v + 12582912.0f) - 12582912.0f;
}

TI_VEC_INLINE ti_vi whole_int(ti_vf v)
{
    return (ti_vi)(v + 12582912.0f) - 0x4b400000;
}

/* Four lanes of a register, from 4 * i on. */
#if TI_VEC_WIDTH == 4
#define TI_VEC_FOUR(v, i) (v)
#else
#define TI_VEC_FOUR(v, i) \
    __builtin_shufflevector(v, v, 4 * (i), 4 * (i) + 1, 4 * (i) + 2, 4 * (i) + 3)
#endif

/* The tree of the contract: lanes l and l + 8, then + 4, + 2, + 1. */
TI_VEC_INLINE float tree(const ti_vf v[PARTS])
{
#if TI_VEC_WIDTH == 16
    ti_v4f even = TI_VEC_FOUR(v[0], 0) + TI_VEC_FOUR(v[0], 2);
    ti_v4f odd = TI_VEC_FOUR(v[0], 1) + TI_VEC_FOUR(v[0], 3);
    ti_v4f s = even + odd;
#elif TI_VEC_WIDTH == 8
    ti_vf both = v[0] + v[1];
    ti_v4f s = TI_VEC_FOUR(both, 0) + TI_VEC_FOUR(both, 1);
#else
    ti_v4f s = (v[0] + v[2]) + (v[1] + v[3]);
#endif
    return (s[0] + s[2]) + (s[1] + s[3]);
}

TI_VEC_INLINE int32_t sum_lanes(const ti_vi v[PARTS])
{
    ti_vi all = v[0];
    TI_UNROLL
    for (int p = 1; p < PARTS; p++) {
        all += v[p];
    }
    ti_v4i s = TI_VEC_FOUR(all, 0);
#if TI_VEC_WIDTH >= 8
    s += TI_VEC_FOUR(all, 1);
#endif
#if TI_VEC_WIDTH == 16
    s += TI_VEC_FOUR(all, 2) + TI_VEC_FOUR(all, 3);
#endif
    return s[0] + s[2] + s[1] + s[3];
}

/* exp(x) for x <= 88, 0 below -87.  Cody-Waite reduction by multiples of ln 2 and the
 * polynomial of degree 6 whose coefficients minimise the relative error on +-ln(2)/2 (Cephes
 * expf; 2 ulp). */
TI_VEC_INLINE ti_vf exp_of(ti_vf x)
{
    ti_vf shifted = x * 1.44269504088896341f + 12582912.0f;
    ti_vf n = shifted - 12582912.0f;
    ti_vf r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    ti_vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r;
    p = p + 1.0f;
    ti_vu exponent = ((ti_vu)shifted - 0x4b400000u) << 23;
    ti_vi normal = x >= -87.0f;
    return (ti_vf)((ti_vi)((ti_vu)p + exponent) & normal);
}

#endif
