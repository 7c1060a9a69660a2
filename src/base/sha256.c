/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <stdbool.h>
#include <string.h>

/* FIPS 180-4 section 4.2.2. */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
};

/* FIPS 180-4 section 5.3.3. */
static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static void schedule(uint32_t w[64], const uint8_t *block)
{
    for (int i = 0; i < 16; i++) {
        w[i] = load_be32(block + 4 * i);
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        uint32_t s0 = rotr(a, 7) ^ rotr(a, 18) ^ a >> 3;
        uint32_t s1 = rotr(b, 17) ^ rotr(b, 19) ^ b >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
}

void ti_sha256_blocks_c(uint32_t state[8], const uint8_t *blocks, size_t n)
{
    uint32_t w[64], v[8];
    for (; n > 0; n--, blocks += TI_SHA256_BLOCK) {
        schedule(w, blocks);
        memcpy(v, state, sizeof v);
        for (int i = 0; i < 64; i++) {
            uint32_t a = v[0], e = v[4];
            uint32_t s1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
            uint32_t choice = (e & v[5]) ^ (~e & v[6]);
            uint32_t t1 = v[7] + s1 + choice + round_constants[i] + w[i];
            uint32_t s0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
            uint32_t majority = (a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]);
            memmove(v + 1, v, 7 * sizeof v[0]);
            v[4] += t1;
            v[0] = t1 + s0 + majority;
        }
        for (int i = 0; i < 8; i++) {
            state[i] += v[i];
        }
    }
}

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

/* Intel SDM volume 2B, SHA256RNDS2, SHA256MSG1, SHA256MSG2: two registers hold the state as
 * (a, b, e, f) and (c, d, g, h), each instruction does two rounds. */
__attribute__((target("sha,sse4.1,ssse3"))) static void
blocks_shani(uint32_t state[8], const uint8_t *blocks, size_t n)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i dcba = _mm_loadu_si128((const __m128i *)(const void *)state);
    __m128i hgfe = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
    __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
    for (; n > 0; n--, blocks += TI_SHA256_BLOCK) {
        __m128i abef_before = abef, cdgh_before = cdgh, w[4];
        for (int i = 0; i < 4; i++) {
            w[i] = _mm_loadu_si128((const __m128i *)(const void *)(blocks + 16 * i));
            w[i] = _mm_shuffle_epi8(w[i], swap);
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            const void *k = round_constants + 4 * i;
            __m128i sum = _mm_add_epi32(w[i & 3], _mm_loadu_si128((const __m128i *)k));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
            if (i < 12) { /* words 4i+16.. take the place of words 4i.. */
                __m128i next = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
                next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
                w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
            }
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static bool has_shani(void)
{
#if defined(__clang__)
    /* clang 14's builtin does not know SHA.  Intel SDM volume 2A, CPUID. */
    enum { LEAF1_ECX_SSSE3 = 1u << 9, LEAF1_ECX_SSE41 = 1u << 19, LEAF7_EBX_SHA = 1u << 29 };
    unsigned a, b = 0, c = 0, d, need = LEAF1_ECX_SSSE3 | LEAF1_ECX_SSE41;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & need) == need &&
           __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & LEAF7_EBX_SHA);
#else
    return __builtin_cpu_supports("sha") && __builtin_cpu_supports("ssse3") &&
           __builtin_cpu_supports("sse4.1");
#endif
}

ti_sha256_fn ti_sha256_best(void)
{
    return has_shani() ? blocks_shani : ti_sha256_blocks_c;
}

#else

ti_sha256_fn ti_sha256_best(void)
{
    return ti_sha256_blocks_c;
}

#endif

void ti_sha256_start(ti_sha256 *hash)
{
    memcpy(hash->state, initial, sizeof initial);
    hash->bytes = 0;
    hash->add = ti_sha256_best();
}

void ti_sha256_add(ti_sha256 *hash, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    size_t held = hash->bytes % TI_SHA256_BLOCK;
    hash->bytes += len;
    if (held > 0) {
        size_t room = TI_SHA256_BLOCK - held, n = len < room ? len : room;
        memcpy(hash->block + held, from, n);
        if (n < room) {
            return;
        }
        hash->add(hash->state, hash->block, 1);
        from += n;
        len -= n;
    }
    size_t whole = len / TI_SHA256_BLOCK;
    if (whole > 0) {
        hash->add(hash->state, from, whole);
        from += whole * TI_SHA256_BLOCK;
        len -= whole * TI_SHA256_BLOCK;
    }
    if (len > 0) {
        memcpy(hash->block, from, len);
    }
}

/* Appends 0x80, zeros and the length in bits to a copy of what is left. */
void ti_sha256_end(const ti_sha256 *hash, uint8_t digest[TI_SHA256_BYTES])
{
    uint8_t last[2 * TI_SHA256_BLOCK];
    uint32_t state[8];
    size_t held = hash->bytes % TI_SHA256_BLOCK;
    size_t blocks = held + 9 > TI_SHA256_BLOCK ? 2 : 1;
    memset(last + held, 0, blocks * TI_SHA256_BLOCK - held);
    uint8_t *length = last + blocks * TI_SHA256_BLOCK - 8;
    memcpy(state, hash->state, sizeof state);
    if (held > 0) {
        memcpy(last, hash->block, held);
    }
    last[held] = 0x80;
    store_be32(length, (uint32_t)(hash->bytes >> 29));
    store_be32(length + 4, (uint32_t)(hash->bytes << 3));
    hash->add(state, last, blocks);
    for (int i = 0; i < 8; i++) {
        store_be32(digest + 4 * i, state[i]);
    }
}

void ti_sha256_of(uint8_t digest[TI_SHA256_BYTES], const void *bytes, size_t len)
{
    ti_sha256 hash;
    ti_sha256_start(&hash);
    ti_sha256_add(&hash, bytes, len);
    ti_sha256_end(&hash, digest);
}
