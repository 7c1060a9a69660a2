/* SPDX-License-Identifier: Apache-2.0 */
/* Exact sparsity with AVX-512: the largest activations, listed rows of a matrix, listed columns
 * of a transposed one.
 *
 * Listed rows and columns are too far apart for the hardware's prefetchers: what comes next is
 * asked for beforehand.
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
    size_t ahead = 1 + TI_PREFETCH_BYTES / row_bytes;
    const __m512i three = _mm512_set1_epi8(3);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = (const uint8_t *)w->data + rows[i] * row_bytes;
        const uint8_t *later =
            (const uint8_t *)w->data + rows[i + ahead < n ? i + ahead : i] * row_bytes;
        __m512i even = _mm512_setzero_si512(), odd = even;
        for (size_t at = 0; at < row_bytes; at += 64) {
            const int8_t *q = x->q + at * 4;
            _mm_prefetch((const char *)later + at, _MM_HINT_T1);
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

/* What is read next: 64 bytes of each of n columns. */
typedef struct soon {
    const uint8_t *base;
    const uint32_t *cols;
    size_t n;
} soon;

/* Adds up to PAIRS pairs of columns to 256 int16 sums: sum[2 * s + h] holds half h of the
 * interleaved bytes at bits 2 * s. */
TI_AVX512_INLINE void add_pairs(__m512i sum[8], const uint8_t *base, size_t col_bytes,
                                const int8_t *q, const uint32_t *cols, size_t n, soon next)
{
    const __m512i three = _mm512_set1_epi8(3);
    for (size_t i = 0; i < n; i += 2) {
        if (i + 1 < next.n) {
            _mm_prefetch((const char *)next.base + next.cols[i] * col_bytes, _MM_HINT_T0);
            _mm_prefetch((const char *)next.base + next.cols[i + 1] * col_bytes, _MM_HINT_T0);
        }
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
        size_t left = n - at - some, after = left < 2 * PAIRS ? left : 2 * PAIRS;
        for (size_t r = r0; r < r1; r += OUTPUTS) {
            bool last = r + OUTPUTS >= r1;
            soon next = {(const uint8_t *)wt->data + (last ? r0 : r + OUTPUTS) / 4,
                         cols + at + (last ? some : 0), last ? after : some};
            __m512i sum[8];
            TI_UNROLL
            for (int v = 0; v < 8; v++) {
                sum[v] = _mm512_setzero_si512();
            }
            add_pairs(sum, (const uint8_t *)wt->data + r / 4, col_bytes, q, cols + at, some,
                      next);
            widen(acc + r, sum, q_sum);
        }
    }
}

/* --- the largest activations -------------------------------------------------------------- */

/* As kern/vec/top.h does it, with masks in place of lanes that count.  Bits of magnitudes are
 * in the order of the magnitudes, NaN above all. */
enum { OCTAVE = 1 << 23 };

TI_AVX512_INLINE __m512i magnitudes(const float *a, size_t i, size_t n)
{
    __mmask16 there = n - i < TI_LANES ? (__mmask16)((1u << (n - i)) - 1) : 0xffff;
    return _mm512_and_si512(_mm512_maskz_loadu_epi32(there, a + i),
                            _mm512_set1_epi32(0x7fffffff));
}

/* How many are `least` or more; least >= 1. */
TI_AVX512_INLINE size_t count_from(const float *a, size_t n, uint32_t least)
{
    const __m512i from = _mm512_set1_epi32((int32_t)least);
    size_t even = 0, odd = 0, i = 0;
    for (; i + 2 * TI_LANES <= n; i += 2 * TI_LANES) {
        __m512i x = magnitudes(a, i, n), y = magnitudes(a, i + TI_LANES, n);
        even += (unsigned)__builtin_popcount(_mm512_cmpge_epu32_mask(x, from));
        odd += (unsigned)__builtin_popcount(_mm512_cmpge_epu32_mask(y, from));
    }
    for (; i < n; i += TI_LANES) {
        even +=
            (unsigned)__builtin_popcount(_mm512_cmpge_epu32_mask(magnitudes(a, i, n), from));
    }
    return even + odd;
}

/* The bits from which on there are k, or the highest from which on there are more because some
 * are equal; more than k are not zero. */
TI_AVX512_INLINE uint32_t threshold(const float *a, size_t n, size_t k, bool *exact)
{
    uint32_t low = 1, high = 1u << 31; /* from `low` on more than k, from `high` on fewer */
    __m512i top = _mm512_set1_epi32(OCTAVE);
    for (size_t i = 0; i < n; i += TI_LANES) {
        top = _mm512_max_epu32(top, magnitudes(a, i, n));
    }
    uint32_t guess = _mm512_reduce_max_epu32(top);
    *exact = true;
    for (uint32_t step = 2 * OCTAVE; high - low > 1; step *= 2) {
        uint32_t middle = low + (high - low) / 2;
        if (guess > low + step && step < 32u * OCTAVE) {
            middle = guess - step;
        } else {
            guess = 0;
        }
        size_t count = count_from(a, n, middle);
        if (count == k) {
            return middle;
        }
        if (count > k) {
            low = middle;
            guess = 0;
        } else {
            high = middle;
        }
    }
    *exact = false;
    return low;
}

/* The lowest `n` bits that are set. */
TI_AVX512_INLINE __mmask16 first_bits(__mmask16 mask, size_t n)
{
    unsigned rest = mask;
    for (; n > 0 && rest; n--) {
        rest &= rest - 1;
    }
    return (__mmask16)(mask & ~rest);
}

TI_AVX512 static size_t top_k(uint32_t *list, const float *a, size_t n, size_t k)
{
    bool exact = true;
    uint32_t least = 1;
    size_t count = 0, ties = 0;
    if (count_from(a, n, 1) > k) {
        least = threshold(a, n, k, &exact);
    }
    if (!exact) { /* of those at the threshold only the first */
        ties = k - count_from(a, n, ++least);
    }
    const __m512i from = _mm512_set1_epi32((int32_t)least),
                  tie = _mm512_set1_epi32((int32_t)(least - 1));
    __m512i index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (size_t i = 0; i < n; i += TI_LANES) {
        __m512i bits = magnitudes(a, i, n);
        __mmask16 kept = _mm512_cmpge_epu32_mask(bits, from);
        if (ties > 0) {
            __mmask16 equal = first_bits(_mm512_cmpeq_epi32_mask(bits, tie), ties);
            ties -= (unsigned)__builtin_popcount(equal);
            kept |= equal;
        }
        unsigned some = (unsigned)__builtin_popcount(kept);
        _mm512_mask_storeu_epi32(list + count, (__mmask16)((1u << some) - 1),
                                 _mm512_maskz_compress_epi32(kept, index));
        count += some;
        index = _mm512_add_epi32(index, _mm512_set1_epi32(TI_LANES));
    }
    return count;
}

void ti_avx512_init_sparse(ti_kern *k)
{
    k->top_k = top_k;
    k->t2_rows = t2_rows;
    k->t2_cols = t2_cols;
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
