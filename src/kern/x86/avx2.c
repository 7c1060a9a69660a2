/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for AVX2 CPUs (Haswell, Zen and later), with F16C. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/kern.h"

#define TI_YMM_TARGET __attribute__((target("avx2,f16c")))
#include "kern/x86/ymm_set.h"
#include "kern/x86/ymm_sparse.h"

#define TI_VEC_TARGET TI_YMM_TARGET
#define TI_VEC_NAME(x) avx2_##x
#define TI_VEC_F16_LOAD(out, ptr)                                                            \
    do {                                                                                     \
        __m256 low = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(ptr))); \
        __m256 high =                                                                        \
            _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)((ptr) + 8)));    \
        memcpy((out), &low, sizeof low);                                                     \
        memcpy((char *)(out) + sizeof low, &high, sizeof high);                              \
    } while (0)
#include "kern/vec.h"

void ti_kern_init_avx2(ti_kern *k)
{
    avx2_vec_init(k);
    ymm_init(k);
    k->t2_cols = t2_cols;
    k->qk_i8 = qk_i8;
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
