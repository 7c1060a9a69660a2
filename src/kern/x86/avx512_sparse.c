/* SPDX-License-Identifier: Apache-2.0 */
/* Exact sparsity with AVX-512: listed rows of a matrix, listed columns of a transposed one.
 *
 * Columns are taken in pairs: the bytes of two columns are interleaved once, so that one
 * multiply-add gives code1 * q1 + code2 * q2 in int16.  Each is at most 2 * 127 * 2 = 508, so
 * 64 pairs fit before they are widened: 64 * 508 = 32,512. */
#if defined(__x86_64__)
#include "kern/x86/avx512.h"

#include <immintrin.h>

#include "kern/pack.h"

enum { PAIRS = 64, OUTPUTS = 256 };

TI_AVX512 static void t2_rows(float *y, const ti_mat *w, const ti_act *x, const uint32_t *rows,
                              size_t n)
{
    size_t row_bytes = ti_t2_row_bytes(w->kp);
    const __m512i three = _mm512_set1_epi8(3);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = (const uint8_t *)w->data + rows[i] * row_bytes;
        __m512i even = _mm512_setzero_si512(), odd = even;
        for (size_t at = 0; at < row_bytes; at += 64) {
            const int8_t *q = x->q + at * 4;
            __m512i c = _mm512_loadu_si512(row + at);
            even = _mm512_dpbusd_epi32(even, _mm512_and_si512(c, three), _mm512_loadu_si512(q));
            odd = _mm512_dpbusd_epi32(odd, _mm512_and_si512(_mm512_srli_epi16(c, 2), three),
                                      _mm512_loadu_si512(q + 64));
            even = _mm512_dpbusd_epi32(even, _mm512_and_si512(_mm512_srli_epi16(c, 4), three),
                                       _mm512_loadu_si512(q + 128));
            odd = _mm512_dpbusd_epi32(odd, _mm512_and_si512(_mm512_srli_epi16(c, 6), three),
                                      _mm512_loadu_si512(q + 192));
        }
        int32_t dot = _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd));
        y[rows[i]] = (float)(dot - x->row_sum[0]) * (w->scales[rows[i]] * x->row_scale[0]);
    }
}

/* Adds up to PAIRS pairs of columns to 256 int16 sums: sum[2 * s + h] holds half h of the
 * interleaved bytes at bits 2 * s. */
TI_AVX512_INLINE void add_pairs(__m512i sum[8], const uint8_t *base, size_t col_bytes,
                                const int8_t *q, const uint32_t *cols, size_t n)
{
    const __m512i three = _mm512_set1_epi8(3);
    for (size_t i = 0; i < n; i += 2) {
        uint32_t c1 = cols[i], c2 = i + 1 < n ? cols[i + 1] : cols[i];
        unsigned q1 = (uint8_t)q[c1], q2 = i + 1 < n ? (uint8_t)q[c2] : 0;
        __m512i v = _mm512_set1_epi16((short)(q1 | q2 << 8));
        __m512i a = _mm512_loadu_si512(base + c1 * col_bytes);
        __m512i b = _mm512_loadu_si512(base + c2 * col_bytes);
        __m512i both[2] = {_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b)};
        TI_UNROLL
        for (int s = 0; s < 4; s++) {
            TI_UNROLL
            for (int h = 0; h < 2; h++) {
                __m512i code =
                    _mm512_and_si512(_mm512_srli_epi16(both[h], (unsigned)(2 * s)), three);
                sum[2 * s + h] =
                    _mm512_add_epi16(sum[2 * s + h], _mm512_maddubs_epi16(code, v));
            }
        }
    }
}

/* Widens the sums, subtracts the sum of q, and adds them to acc[0..255]. */
TI_AVX512_INLINE void widen(int32_t *acc, const __m512i sum[8], int32_t q_sum)
{
    const __m256i minus = _mm256_set1_epi32(q_sum);
    for (int v = 0; v < 8; v++) {
        int16_t lanes[32];
        _mm512_storeu_si512(lanes, sum[v]);
        for (int l = 0; l < 4; l++) { /* byte 16 * l + 8 * half of the 64, at bits v / 2 * 2 */
            int32_t *out = acc + v / 2 * 64 + 16 * l + 8 * (v % 2);
            __m256i wide = _mm256_cvtepi16_epi32(
                _mm_loadu_si128((const __m128i *)(const void *)(lanes + 8 * l)));
            __m256i old = _mm256_loadu_si256((const __m256i *)(const void *)out);
            _mm256_storeu_si256((__m256i *)(void *)out,
                                _mm256_add_epi32(old, _mm256_sub_epi32(wide, minus)));
        }
    }
}

TI_AVX512 static void t2_cols(int32_t *acc, const ti_mat *wt, const int8_t *q,
                              const uint32_t *cols, size_t n, size_t r0, size_t r1)
{
    size_t col_bytes = ti_t2_row_bytes(wt->kp);
    for (size_t at = 0; at < n; at += 2 * PAIRS) {
        size_t some = n - at < 2 * PAIRS ? n - at : 2 * PAIRS;
        int32_t q_sum = 0;
        for (size_t i = 0; i < some; i++) {
            q_sum += q[cols[at + i]];
        }
        for (size_t r = r0; r < r1; r += OUTPUTS) {
            __m512i sum[8];
            TI_UNROLL
            for (int v = 0; v < 8; v++) {
                sum[v] = _mm512_setzero_si512();
            }
            add_pairs(sum, (const uint8_t *)wt->data + r / 4, col_bytes, q, cols + at, some);
            widen(acc + r, sum, q_sum);
        }
    }
}

void ti_avx512_init_sparse(ti_kern *k)
{
    k->t2_rows = t2_rows;
    k->t2_cols = t2_cols;
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
