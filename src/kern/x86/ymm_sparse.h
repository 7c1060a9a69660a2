/* SPDX-License-Identifier: Apache-2.0 */
/* kern/x86/ymm_sparse.h - sums of columns and scores of int8 keys, with 256-bit registers
 * (template: kern/x86/ymm.h).  The dot product instruction is of no use to them.
 *
 * What int16 lanes hold in sums of columns: one addition is of two columns, at most
 * 2 * 2 * 127 = 508; 64 of them are 32512. */
#ifndef TI_KERN_X86_YMM_SPARSE_H
#define TI_KERN_X86_YMM_SPARSE_H

#include "kern/x86/ymm.h"

enum { PAIRS = 64, PAIRS_AHEAD = 6 };

/* Up to 128 columns, by twos; an odd one has itself with q = 0 for company. */
typedef struct column_pairs {
    const uint8_t *a[PAIRS], *b[PAIRS];
    int16_t q[PAIRS]; /* two int8 */
    size_t n;
    int32_t sum; /* of q */
} column_pairs;

TI_YMM_INLINE void pair_up(column_pairs *p, const ti_mat *wt, const int8_t *q,
                           const uint32_t *cols, size_t n)
{
    size_t row_bytes = ti_t2_row_bytes(wt->kp);
    p->n = (n + 1) / 2;
    p->sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        bool both = 2 * i + 1 < n;
        uint32_t a = cols[2 * i], b = both ? cols[2 * i + 1] : a;
        int8_t two[2] = {q[a], both ? q[b] : 0};
        p->a[i] = (const uint8_t *)wt->data + a * row_bytes;
        p->b[i] = (const uint8_t *)wt->data + b * row_bytes;
        memcpy(&p->q[i], two, sizeof two);
        p->sum += two[0] + two[1];
    }
}

/* acc[0..7] and acc[16..23] += the int16 lanes - sum. */
TI_YMM_INLINE void add_lanes(int32_t *acc, __m256i lanes, __m256i sum)
{
    __m256i low = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(lanes));
    __m256i high = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(lanes, 1));
    low = _mm256_add_epi32(_mm256_sub_epi32(low, sum), load32(acc));
    high = _mm256_add_epi32(_mm256_sub_epi32(high, sum), load32(acc + 16));
    _mm256_storeu_si256((void *)acc, low);
    _mm256_storeu_si256((void *)(acc + 16), high);
}

/* The 128 rows whose codes are in 32 bytes from `at` on; acc is that of the first. */
TI_YMM_INLINE void add_columns(int32_t *acc, const column_pairs *p, size_t at)
{
    const __m256i mask = _mm256_set1_epi8(3);
    __m256i s[4][2]; /* rows 64 * i + { 0..7, 16..23 } and 64 * i + { 8..15, 24..31 } */
    TI_UNROLL
    for (int i = 0; i < 4; i++) {
        s[i][0] = s[i][1] = _mm256_setzero_si256();
    }
    for (size_t j = 0; j < p->n; j++) {
        size_t ahead = j + PAIRS_AHEAD < p->n ? j + PAIRS_AHEAD : j;
        _mm_prefetch((const void *)(p->a[ahead] + at), _MM_HINT_T0);
        _mm_prefetch((const void *)(p->b[ahead] + at), _MM_HINT_T0);
        __m256i a = load32(p->a[j] + at), b = load32(p->b[j] + at);
        __m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpackhi_epi8(a, b);
        __m256i q = _mm256_set1_epi16(p->q[j]);
        TI_UNROLL
        for (int i = 0; i < 4; i++) {
            __m256i l = _mm256_and_si256(_mm256_srli_epi16(low, 2 * i), mask);
            __m256i h = _mm256_and_si256(_mm256_srli_epi16(high, 2 * i), mask);
            s[i][0] = _mm256_add_epi16(s[i][0], _mm256_maddubs_epi16(l, q));
            s[i][1] = _mm256_add_epi16(s[i][1], _mm256_maddubs_epi16(h, q));
        }
        TI_UNROLL
        for (int i = 0; i < 4; i++) {
            TI_YMM_KEEP(s[i][0]);
            TI_YMM_KEEP(s[i][1]);
        }
    }
    __m256i sum = _mm256_set1_epi32(p->sum);
    TI_UNROLL
    for (int i = 0; i < 4; i++) {
        add_lanes(acc + 64 * i, s[i][0], sum);
        add_lanes(acc + 64 * i + 8, s[i][1], sum);
    }
}

TI_YMM_FN void t2_cols(int32_t *acc, const ti_mat *wt, const int8_t *q, const uint32_t *cols,
                       size_t n, size_t r0, size_t r1)
{
    for (size_t i = 0; i < n; i += 2 * PAIRS) {
        column_pairs p;
        pair_up(&p, wt, q, cols + i, n - i < 2 * PAIRS ? n - i : 2 * PAIRS);
        for (size_t r = r0; r < r1; r += 256) {
            add_columns(acc + r, &p, r / 4);
            add_columns(acc + r + 32, &p, r / 4 + 32);
        }
    }
}

/* Sixteen int8 as int16: their products with others fit in int32 by pairs, -128 included. */
TI_YMM_INLINE __m256i bytes16(const int8_t *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)p));
}

/* Four keys at a time; when fewer are left, the last one is taken again. */
TI_YMM_INLINE void scores_i8(float *s, const int8_t *q, float qscale, ti_kv_view k,
                             const uint32_t *rows, size_t n, size_t d, const bool listed)
{
    for (size_t j = 0; j < n; j += 4) {
        const int8_t *row[4];
        size_t at[4];
        __m256i sum[4];
        TI_UNROLL
        for (size_t i = 0; i < 4; i++) {
            size_t key = j + i < n ? j + i : n - 1;
            /* cppcheck-suppress nullPointer ; no list, no rows */
            at[i] = listed ? rows[key] : key;
            row[i] = (const int8_t *)k.data + at[i] * k.stride;
            sum[i] = _mm256_setzero_si256();
        }
        for (size_t c = 0; c < d; c += 16) {
            __m256i a = bytes16(q + c);
            TI_UNROLL
            for (int i = 0; i < 4; i++) {
                sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(a, bytes16(row[i] + c)));
            }
        }
        int32_t dots[4];
        _mm_storeu_si128((void *)dots, reduce4(sum));
        for (size_t i = 0; i < 4 && j + i < n; i++) {
            s[j + i] = (float)dots[i] * (qscale * k.scale[at[i]]);
        }
    }
}

TI_YMM_FN void qk_i8(float *s, const int8_t *q, float qscale, ti_kv_view k, size_t n, size_t d)
{
    scores_i8(s, q, qscale, k, NULL, n, d, false);
}

TI_YMM_FN void qk_list_i8(float *s, const int8_t *q, float qscale, ti_kv_view k,
                          const uint32_t *rows, size_t n, size_t d)
{
    scores_i8(s, q, qscale, k, rows, n, d, true);
}

#endif
