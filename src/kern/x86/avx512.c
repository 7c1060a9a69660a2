/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for AVX-512 with VNNI and VBMI (Ice Lake, Zen 4 and later): float kernels by the
 * template, int8 attention scores, and the table. */
#if defined(__x86_64__)
#include "kern/x86/avx512.h"

#include <immintrin.h>

#define TI_VEC_TARGET TI_AVX512
#define TI_VEC_NAME(x) avx512_##x
#define TI_VEC_WIDTH 16
#define TI_VEC_F16_LOAD(ptr) ((ti_vf)_mm512_cvtph_ps(_mm256_loadu_si256((const void *)(ptr))))
#define TI_VEC_F16_STORE(ptr, v) \
    _mm256_storeu_si256((void *)(ptr), _mm512_cvtps_ph((__m512)(v), _MM_FROUND_TO_NEAREST_INT))
#define TI_VEC_I8_LOAD(ptr) \
    ((ti_vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)(ptr)))))
#define TI_VEC_I8_STORE(ptr, n) \
    _mm_storeu_si128((void *)(ptr), _mm512_cvtepi32_epi8((__m512i)(n)[0]))
#include "kern/vec.h"

/* Signed by signed: the bytes of q are offset by 128 to be the unsigned operand, which adds
 * 128 * sum(k); that sum is a dot product with ones. */
TI_AVX512_INLINE void scores_i8(float *s, const int8_t *q, float qscale, ti_kv_view k,
                                const uint32_t *rows, size_t n, size_t d, const bool listed)
{
    const __m128i flip = _mm_set1_epi8((char)0x80);
    size_t dp = (d + 15) & ~(size_t)15;
    for (size_t j = 0; j < n; j++) {
        /* cppcheck-suppress nullPointer ; no list, no rows */
        size_t at = listed ? rows[j] : j;
        const int8_t *row = (const int8_t *)k.data + at * k.stride;
        __m128i dot = _mm_setzero_si128(), sum = _mm_setzero_si128();
        for (size_t c = 0; c < dp; c += 16) {
            __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(q + c));
            __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(row + c));
            dot = _mm_dpbusd_epi32(dot, _mm_xor_si128(a, flip), b);
            sum = _mm_dpbusd_epi32(sum, flip, b);
        }
        dot = _mm_sub_epi32(dot, sum);
        dot = _mm_add_epi32(dot, _mm_shuffle_epi32(dot, 0x4e));
        dot = _mm_add_epi32(dot, _mm_shuffle_epi32(dot, 0xb1));
        s[j] = (float)_mm_cvtsi128_si32(dot) * (qscale * k.scale[at]);
    }
}

TI_AVX512 static void qk_i8(float *s, const int8_t *q, float qscale, ti_kv_view k, size_t n,
                            size_t d)
{
    scores_i8(s, q, qscale, k, NULL, n, d, false);
}

TI_AVX512 static void qk_list_i8(float *s, const int8_t *q, float qscale, ti_kv_view k,
                                 const uint32_t *rows, size_t n, size_t d)
{
    scores_i8(s, q, qscale, k, rows, n, d, true);
}

void ti_kern_init_avx512(ti_kern *k)
{
    avx512_vec_init(k);
    k->qk_i8 = qk_i8;
    k->qk_list_i8 = qk_list_i8;
    k->ternary = TI_L_T5;
    k->matmul[TI_L_T2] = ti_avx512_matmul_t2;
    k->matmul[TI_L_T5] = ti_avx512_matmul_t5;
    ti_avx512_init_blocks(k);
    ti_avx512_init_sparse(k);
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
