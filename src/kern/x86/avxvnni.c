/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for CPUs with 256-bit dot products but without AVX-512 (Alder Lake and later): those
 * for AVX2 with one instruction in the place of two.  The set starts as a copy of AVX2's. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "kern/kern.h"

#define TI_YMM_TARGET __attribute__((target("avxvnni,avx2,f16c")))
#define TI_YMM_DOT(acc, u, s) _mm256_dpbusd_avx_epi32(acc, u, s)
#include "kern/x86/ymm_set.h"

void ti_kern_init_avxvnni(ti_kern *k)
{
    ymm_init(k);
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
