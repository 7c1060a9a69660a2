/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for AVX2 CPUs (Haswell, Zen and later), with F16C. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/kern.h"

#define TI_YMM_TARGET __attribute__((target("avx2,f16c")))
#include "kern/x86/ymm_set.h"
#include "kern/x86/ymm_sparse.h"

/* Sixteen int32 of -128..127 as bytes: packing works on halves of a register. */
static inline __attribute__((always_inline)) TI_YMM_TARGET void store_bytes(void *p, __m256i a,
                                                                            __m256i b)
{
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
    __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(p, bytes);
}

#define TI_VEC_TARGET TI_YMM_TARGET
#define TI_VEC_NAME(x) avx2_##x
#define TI_VEC_WIDTH 8
#define TI_VEC_F16_LOAD(ptr) ((ti_vf)_mm256_cvtph_ps(_mm_loadu_si128((const void *)(ptr))))
#define TI_VEC_F16_STORE(ptr, v) \
    _mm_storeu_si128((void *)(ptr), _mm256_cvtps_ph((__m256)(v), _MM_FROUND_TO_NEAREST_INT))
#define TI_VEC_I8_LOAD(ptr) \
    ((ti_vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(ptr)))))
#define TI_VEC_I8_STORE(ptr, n) store_bytes((ptr), (__m256i)(n)[0], (__m256i)(n)[1])
#include "kern/vec.h"

void ti_kern_init_avx2(ti_kern *k)
{
    avx2_vec_init(k);
    ymm_init(k);
    k->t2_cols = t2_cols;
    k->qk_i8 = qk_i8;
    k->qk_list_i8 = qk_list_i8;
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
