/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for AVX-VNNI once more, with the encoding of AVX-512 for the same instruction:
 * many CPUs have only one of the two encodings, and tests run on them should cover the
 * template all the same. */
#include "kt.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TI_YMM_TARGET __attribute__((target("avx512vnni,avx512vl,avx2,f16c")))
#define TI_YMM_DOT(acc, u, s) _mm256_dpbusd_epi32(acc, u, s)
#include "kern/x86/ymm_set.h"

size_t kt_extra_sets(const ti_kern **out)
{
    static ti_kern set;
    if (!ti_kern_get(TI_ISA_AVX512)) {
        return 0;
    }
    set = *ti_kern_get(TI_ISA_AVX2);
    ymm_init(&set);
    set.name = "avxvnni/evex";
    out[0] = &set;
    return 1;
}
#else
size_t kt_extra_sets(const ti_kern **out)
{
    (void)out;
    return 0;
}
#endif
