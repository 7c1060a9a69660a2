/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for ARMv8.0, whose vector instructions every 64-bit ARM CPU has. */
#if defined(__aarch64__)
#include <arm_neon.h>

#include "kern/kern.h"

#define TI_ASIMD_TARGET
#include "kern/arm/asimd_set.h"

/* Four int8 as floats. */
static inline __attribute__((always_inline)) float32x4_t load_bytes(const int8_t *p)
{
    return vcvtq_f32_s32(scales4((const uint8_t *)p));
}

/* Sixteen int32 of -128..127 as bytes. */
static inline __attribute__((always_inline)) void store_bytes(int8_t *p, const int32x4_t n[4])
{
    int16x8_t low = vcombine_s16(vmovn_s32(n[0]), vmovn_s32(n[1]));
    int16x8_t high = vcombine_s16(vmovn_s32(n[2]), vmovn_s32(n[3]));
    vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}

#define TI_VEC_TARGET
#define TI_VEC_NAME(x) neon_##x
#define TI_VEC_WIDTH 4
#define TI_VEC_F16_LOAD(ptr) ((ti_vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(ptr))))
#define TI_VEC_F16_STORE(ptr, v) \
    vst1_u16((ptr), vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)(v))))
#define TI_VEC_I8_LOAD(ptr) ((ti_vf)load_bytes(ptr))
#define TI_VEC_I8_STORE(ptr, n) store_bytes((ptr), (const int32x4_t *)(n))
#include "kern/vec.h"

void ti_kern_init_neon(ti_kern *k)
{
    neon_vec_init(k);
    asimd_init(k);
}
#else
typedef int ti_not_on_this_cpu; /* a translation unit may not be empty */
#endif
