/* SPDX-License-Identifier: Apache-2.0 */
/* base/rng.h - random numbers that are the same on every machine.
 *
 * xoshiro256++ seeded by splitmix64 (D. Blackman and S. Vigna, "Scrambled linear pseudorandom
 * number generators", 2018; both in the public domain).  Integers only, so nothing depends on
 * floating-point modes.  Not for secrets. */
#ifndef TI_BASE_RNG_H
#define TI_BASE_RNG_H

#include <stdint.h>

typedef struct ti_rng {
    uint64_t s[4];
} ti_rng;

/* One step of splitmix64: a bijective mix of *state, for seeds and hashes of numbers. */
static inline uint64_t ti_splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Starts the sequence that belongs to a seed; every seed is good. */
static inline void ti_rng_seed(ti_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        rng->s[i] = ti_splitmix64(&seed);
    }
}

static inline uint64_t ti_rotl64(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

/* The next 64 random bits. */
static inline uint64_t ti_rng_next(ti_rng *rng)
{
    uint64_t *s = rng->s, result = ti_rotl64(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = ti_rotl64(s[3], 45);
    return result;
}

/* A number in [0, 1) with 24 random bits: exact in float32. */
static inline float ti_rng_unit(ti_rng *rng)
{
    return (float)(ti_rng_next(rng) >> 40) * 0x1p-24f;
}

#endif
