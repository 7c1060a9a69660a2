/* SPDX-License-Identifier: Apache-2.0 */
/* base/le.h - little-endian numbers at any address, on any machine.
 *
 * Compilers turn each of these into one load or store where the machine allows it. */
#ifndef TI_BASE_LE_H
#define TI_BASE_LE_H

#include <stdint.h>
#include <string.h>

static inline uint16_t ti_load_u16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t ti_load_u32(const void *p)
{
    const uint8_t *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t ti_load_u64(const void *p)
{
    const uint8_t *b = p;
    return ti_load_u32(b) | (uint64_t)ti_load_u32(b + 4) << 32;
}

static inline void ti_store_u16(void *p, uint16_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

static inline void ti_store_u32(void *p, uint32_t v)
{
    uint8_t *b = p;
    ti_store_u16(b, (uint16_t)v);
    ti_store_u16(b + 2, (uint16_t)(v >> 16));
}

static inline void ti_store_u64(void *p, uint64_t v)
{
    uint8_t *b = p;
    ti_store_u32(b, (uint32_t)v);
    ti_store_u32(b + 4, (uint32_t)(v >> 32));
}

/* A float and its bits. */
static inline uint32_t ti_float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float ti_bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline float ti_load_f32(const void *p)
{
    return ti_bits_float(ti_load_u32(p));
}

static inline void ti_store_f32(void *p, float f)
{
    ti_store_u32(p, ti_float_bits(f));
}

static inline double ti_load_f64(const void *p)
{
    uint64_t u = ti_load_u64(p);
    double d;
    memcpy(&d, &u, sizeof d);
    return d;
}

#endif
