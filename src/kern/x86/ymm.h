/* SPDX-License-Identifier: Apache-2.0 */
/* kern/x86/ymm.h - the integer kernels for 256-bit registers: what their templates share.
 *
 * A template, included by one source file for each level, which defines before it:
 *   TI_YMM_TARGET         attribute that lets the compiler use the level's instructions
 *   TI_YMM_DOT(acc, u, s) optional: acc + products of unsigned and signed bytes, four by four,
 *                         in int32 lanes (dpbusd)
 * Without TI_YMM_DOT sums of pairs (maddubs) are kept in int16 lanes, for as many additions as
 * they cannot wrap; each use says how many these are:
 *   one product of a pair is at most 2 * code * 127 in magnitude, and 32767 / (2 * 127) = 129,
 *   so that up to 129 / code additions fit, code being the largest code. */
#ifndef TI_KERN_X86_YMM_H
#define TI_KERN_X86_YMM_H

#include <immintrin.h>
#include <string.h>

#include "base/mem.h"
#include "kern/pack.h"
#include "kern/unroll.h"

#define TI_YMM_INLINE static inline __attribute__((always_inline)) TI_YMM_TARGET
#define TI_YMM_FN static TI_YMM_TARGET

/* Says that a register changes here.  Without it gcc 12 holds two copies of each sum of a long
 * loop, one for the next turn and one for the exit, and spills. */
#define TI_YMM_KEEP(v) __asm__("" : "+x"(v))

TI_YMM_INLINE __m256i load32(const void *p)
{
    return _mm256_loadu_si256(p);
}

/* Four bytes, in every int32 lane. */
TI_YMM_INLINE __m256i repeat4(const int8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
}

/* acc + codes * q.  Lanes of acc: int16 without TI_YMM_DOT, int32 with it. */
TI_YMM_INLINE __m256i dot_add(__m256i acc, __m256i codes, __m256i q)
{
#ifdef TI_YMM_DOT
    return TI_YMM_DOT(acc, codes, q);
#else
    return _mm256_add_epi16(acc, _mm256_maddubs_epi16(codes, q));
#endif
}

/* Such a sum as int32 lanes. */
TI_YMM_INLINE __m256i dot_widen(__m256i acc)
{
#ifdef TI_YMM_DOT
    return acc;
#else
    return _mm256_madd_epi16(acc, _mm256_set1_epi16(1));
#endif
}

/* Such sums, of codes and of four times codes (whose sum divides exactly), as one. */
TI_YMM_INLINE __m256i dot_widen_1_4(__m256i one, __m256i four)
{
#ifdef TI_YMM_DOT
    return _mm256_add_epi32(one, _mm256_srai_epi32(four, 2));
#else
    return dot_widen(_mm256_add_epi16(one, _mm256_srai_epi16(four, 2)));
#endif
}

/* Lane l = sum of the int32 lanes of a[l]. */
TI_YMM_INLINE __m128i reduce4(const __m256i a[4])
{
    __m256i ab = _mm256_hadd_epi32(a[0], a[1]), cd = _mm256_hadd_epi32(a[2], a[3]);
    __m256i s = _mm256_hadd_epi32(ab, cd);
    return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

/* Reads 16 bytes at p + i * stride, i < 8, as four int32; out[d] has the d-th of each, so that
 * lane = i. */
TI_YMM_INLINE void transpose8x4(__m256i out[4], const uint8_t *p, size_t stride)
{
    __m256i a[4];
    TI_UNROLL
    for (size_t i = 0; i < 4; i++) {
        __m128i low = _mm_loadu_si128((const void *)(p + i * stride));
        __m128i high = _mm_loadu_si128((const void *)(p + (i + 4) * stride));
        a[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    }
    __m256i t0 = _mm256_unpacklo_epi32(a[0], a[1]), t1 = _mm256_unpackhi_epi32(a[0], a[1]);
    __m256i t2 = _mm256_unpacklo_epi32(a[2], a[3]), t3 = _mm256_unpackhi_epi32(a[2], a[3]);
    out[0] = _mm256_unpacklo_epi64(t0, t2);
    out[1] = _mm256_unpackhi_epi64(t0, t2);
    out[2] = _mm256_unpacklo_epi64(t1, t3);
    out[3] = _mm256_unpackhi_epi64(t1, t3);
}

/* Stores n <= 8 floats. */
TI_YMM_INLINE void store_some(float *p, __m256 v, size_t n)
{
    if (n >= 8) {
        _mm256_storeu_ps(p, v);
    } else {
        float all[8];
        _mm256_storeu_ps(all, v);
        memcpy(p, all, n * sizeof *p);
    }
}

#endif
