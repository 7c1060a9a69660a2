/* SPDX-License-Identifier: Apache-2.0 */
/* kern/arm/asimd.h - the integer kernels for ARM's 128-bit registers: what their templates
 * share.
 *
 * A template, included by one source file for each level, which defines before it:
 *   TI_ASIMD_TARGET          attribute that lets the compiler use the level's instructions, or
 *                            empty
 *   TI_ASIMD_DOT(acc, a, b)  optional: acc + products of signed bytes, four by four, in int32
 *                            lanes (sdot)
 * Weights are codes of at most 63 (or int8), so that they can be signed bytes as the inputs
 * are. Without TI_ASIMD_DOT sums are kept in int16 lanes, for as many additions as they
 * cannot wrap: 32767 / (127 * code) = 258 / code, code being the largest; each use says how
 * many. */
#ifndef TI_KERN_ARM_ASIMD_H
#define TI_KERN_ARM_ASIMD_H

#include <arm_neon.h>
#include <string.h>

#include "base/mem.h"
#include "kern/pack.h"
#include "kern/unroll.h"

#define TI_ASIMD_INLINE static inline __attribute__((always_inline)) TI_ASIMD_TARGET
#define TI_ASIMD_FN static TI_ASIMD_TARGET

/* A sum of products whose lanes are columns. */
#ifdef TI_ASIMD_DOT
typedef int32x4_t col_sum;
#else
typedef int16x8_t col_sum; /* of columns l and l + 8 */
#endif

TI_ASIMD_INLINE col_sum col_zero(void)
{
#ifdef TI_ASIMD_DOT
    return vdupq_n_s32(0);
#else
    return vdupq_n_s16(0);
#endif
}

/* Adds sixteen products; in an int16 lane two of them. */
TI_ASIMD_INLINE col_sum col_add(col_sum sum, uint8x16_t codes, int8x16_t q)
{
    int8x16_t w = vreinterpretq_s8_u8(codes);
#ifdef TI_ASIMD_DOT
    return TI_ASIMD_DOT(sum, w, q);
#else
    sum = vmlal_s8(sum, vget_low_s8(w), vget_low_s8(q));
    return vmlal_high_s8(sum, w, q);
#endif
}

TI_ASIMD_INLINE int32x4_t col_widen(col_sum sum)
{
#ifdef TI_ASIMD_DOT
    return sum;
#else
    return vpaddlq_s16(sum);
#endif
}

/* Lane l = sum of the lanes of a[l]. */
TI_ASIMD_INLINE int32x4_t reduce4(const int32x4_t a[4])
{
    return vpaddq_s32(vpaddq_s32(a[0], a[1]), vpaddq_s32(a[2], a[3]));
}

/* The codes of 64 columns: of those at bits 0, 2, 4, 6 of sixteen bytes. */
TI_ASIMD_INLINE void t2_decode(uint8x16_t codes[4], const uint8_t *p)
{
    const uint8x16_t mask = vdupq_n_u8(3);
    uint8x16_t bytes = vld1q_u8(p);
    codes[0] = vandq_u8(bytes, mask);
    codes[1] = vandq_u8(vshrq_n_u8(bytes, 2), mask);
    codes[2] = vandq_u8(vshrq_n_u8(bytes, 4), mask);
    codes[3] = vshrq_n_u8(bytes, 6);
}

#endif
