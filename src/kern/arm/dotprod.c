/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for ARMv8.2 CPUs with the dot product (Cortex-A55 and A75, Neoverse N1, Apple A11 and
 * later).  The set starts as a copy of NEON's. */
#if defined(__aarch64__)
#include <arm_neon.h>

#include "kern/kern.h"

#if defined(__clang__)
#define TI_ASIMD_TARGET __attribute__((target("dotprod")))
#else
#define TI_ASIMD_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

/* clang 14 has vdotq_s32() only where the whole file is for ARMv8.2. */
static inline __attribute__((always_inline)) TI_ASIMD_TARGET int32x4_t dot(int32x4_t acc,
                                                                           int8x16_t a,
                                                                           int8x16_t b)
{
#if defined(__clang__) && !defined(__ARM_FEATURE_DOTPROD)
    __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(acc) : "w"(a), "w"(b));
    return acc;
#else
    return vdotq_s32(acc, a, b);
#endif
}
#define TI_ASIMD_DOT(acc, a, b) dot(acc, a, b)
#include "kern/arm/asimd_set.h"

void ti_kern_init_dotprod(ti_kern *k)
{
    asimd_init(k);
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
