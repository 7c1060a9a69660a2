/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for ARMv8.0, whose vector instructions every 64-bit ARM CPU has. */
#if defined(__aarch64__)
#include <arm_neon.h>

#include "kern/kern.h"

#define TI_ASIMD_TARGET
#include "kern/arm/asimd_set.h"

#define TI_VEC_TARGET
#define TI_VEC_NAME(x) neon_##x
#define TI_VEC_F16_LOAD(out, ptr)                                                       \
    do {                                                                                \
        for (int j = 0; j < 16; j += 4) {                                               \
            float32x4_t four = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((ptr) + j))); \
            memcpy((char *)(out) + 4 * j, &four, sizeof four);                          \
        }                                                                               \
    } while (0)
#define TI_VEC_F16_STORE(ptr, v)                                           \
    do {                                                                   \
        for (int j = 0; j < 16; j += 4) {                                  \
            float32x4_t four;                                              \
            memcpy(&four, (const char *)(v) + 4 * j, sizeof four);         \
            vst1_u16((ptr) + j, vreinterpret_u16_f16(vcvt_f16_f32(four))); \
        }                                                                  \
    } while (0)
#include "kern/vec.h"

void ti_kern_init_neon(ti_kern *k)
{
    neon_vec_init(k);
    asimd_init(k);
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
