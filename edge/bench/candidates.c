/* SPDX-License-Identifier: Apache-2.0 */
#include "candidates.h"

#include <stddef.h>

/* ------------------------------------------------- the instructions that C has no words for */
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
static inline int32_t smlad(uint32_t a, uint32_t b, int32_t sum)
{
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}
static inline uint32_t sxtb16(uint32_t a)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(a));
    return r;
}
static inline uint32_t sxtb16_8(uint32_t a)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(a));
    return r;
}
/* Bytes of a where the four flags GE (bits 16 to 19 of flags) are set, else of b; their sum is
 * added. */
static inline uint32_t select_and_add(uint32_t flags, uint32_t a, uint32_t sum)
{
    const uint32_t zero = 0;
    uint32_t r;
    __asm__("msr apsr_g, %2\n\tsel %0, %3, %4\n\tusada8 %1, %0, %4, %1"
            : "=&r"(r), "+r"(sum)
            : "r"(flags), "r"(a), "r"(zero));
    return sum;
}
#else
static inline int32_t half(uint32_t v)
{
    return (int16_t)(uint16_t)v;
}
static inline int32_t smlad(uint32_t a, uint32_t b, int32_t sum)
{
    return sum + half(a) * half(b) + half(a >> 16) * half(b >> 16);
}
static inline uint32_t sxtb16(uint32_t a)
{
    return (uint16_t)(int16_t)(int8_t)(uint8_t)a |
           (uint32_t)(uint16_t)(int16_t)(int8_t)(uint8_t)(a >> 16) << 16;
}
static inline uint32_t sxtb16_8(uint32_t a)
{
    return sxtb16(a >> 8);
}
static inline uint32_t select_and_add(uint32_t flags, uint32_t a, uint32_t sum)
{
    for (uint32_t i = 0; i < 4; i++) {
        sum += (flags >> (16 + i) & 1) ? (a >> (8 * i) & 255) : 0;
    }
    return sum;
}
#endif

static inline uint32_t pair(int32_t low, int32_t high)
{
    return (uint32_t)(uint16_t)(int16_t)low | (uint32_t)(uint16_t)(int16_t)high << 16;
}

static inline uint32_t word_at(const uint8_t *p)
{
    uint32_t w;
    __builtin_memcpy(&w, p, 4);
    return w;
}

/* ------------------------------------------------- dense int8: what a ternary core must beat
 */
static void dense_pack(const int8_t *weights, uint32_t n_in, uint32_t n_out, uint8_t *packed)
{
    for (uint32_t i = 0; i < n_in * n_out; i++) {
        packed[i] = (uint8_t)weights[i];
    }
}

static void dense_run(const uint8_t *packed, const int8_t *x, uint32_t n_in, uint32_t n_out,
                      int32_t *sums, void *work)
{
    const int8_t *w = (const int8_t *)packed;
    (void)work;
    for (uint32_t row = 0; row < n_out; row++) {
        int32_t sum = 0;
        for (uint32_t i = 0; i < n_in; i++) {
            sum += w[i] * x[i];
        }
        w += n_in;
        sums[row] = sum;
    }
}

/* Inputs become pairs of 16 bits once, (x0, x2) and (x1, x3), as sxtb16 splits the weights;
 * four rows share the loads of the inputs. */
static void dense_smlad_run(const uint8_t *packed, const int8_t *x, uint32_t n_in,
                            uint32_t n_out, int32_t *sums, void *work)
{
    uint32_t *pairs = work;
    for (uint32_t i = 0; i < n_in; i += 4) {
        const uint32_t w = word_at((const uint8_t *)x + i);
        pairs[i / 2] = sxtb16(w);
        pairs[i / 2 + 1] = sxtb16_8(w);
    }
    for (uint32_t row = 0; row < n_out; row += 4) {
        const uint8_t *w0 = packed + (size_t)row * n_in;
        const uint8_t *w1 = w0 + n_in, *w2 = w1 + n_in, *w3 = w2 + n_in;
        int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        const uint32_t *end = pairs + n_in / 2;
        for (const uint32_t *p = pairs; p < end; p += 2) {
            const uint32_t even = p[0], odd = p[1];
            uint32_t w;
            w = word_at(w0), w0 += 4, s0 = smlad(sxtb16(w), even, smlad(sxtb16_8(w), odd, s0));
            w = word_at(w1), w1 += 4, s1 = smlad(sxtb16(w), even, smlad(sxtb16_8(w), odd, s1));
            w = word_at(w2), w2 += 4, s2 = smlad(sxtb16(w), even, smlad(sxtb16_8(w), odd, s2));
            w = word_at(w3), w3 += 4, s3 = smlad(sxtb16(w), even, smlad(sxtb16_8(w), odd, s3));
        }
        sums[row] = s0, sums[row + 1] = s1, sums[row + 2] = s2, sums[row + 3] = s3;
    }
}

/* ------------------------------------------------- five to a byte, taken out one after another
 */
static uint32_t base3(const int8_t *w)
{
    uint32_t v = 0;
    for (uint32_t k = 0; k < 5; k++) {
        v = v * 3 + (uint32_t)(w[k] + 1);
    }
    return v;
}

static void fraction_pack(const int8_t *weights, uint32_t n_in, uint32_t n_out, uint8_t *packed)
{
    for (uint32_t i = 0; i < n_in * n_out; i += 5) {
        *packed++ = (uint8_t)((base3(weights + i) * 256 + 242) / 243);
    }
}

static void fraction_run(const uint8_t *packed, const int8_t *x, uint32_t n_in, uint32_t n_out,
                         int32_t *sums, void *work)
{
    int32_t all = 0;
    (void)work;
    for (uint32_t i = 0; i < n_in; i++) {
        all += x[i];
    }
    for (uint32_t row = 0; row < n_out; row++) {
        int32_t sum = -all;
        for (uint32_t i = 0; i < n_in; i += 5) {
            uint32_t rest = (uint32_t)*packed++ << 24;
#define NEXT(k)                                 \
    do {                                        \
        const uint64_t t = (uint64_t)rest * 3;  \
        rest = (uint32_t)t;                     \
        sum += (int32_t)(t >> 32) * x[i + (k)]; \
    } while (0)
            NEXT(0);
            NEXT(1);
            NEXT(2);
            NEXT(3);
            NEXT(4);
#undef NEXT
        }
        sums[row] = sum;
    }
}

/* ------------------------------------------------- five to a byte, decoded by a table of pairs
 */
/* The table (243 * 12 bytes) is made in work for the test; a device would have it in flash. */
static void decode_run(const uint8_t *packed, const int8_t *x, uint32_t n_in, uint32_t n_out,
                       int32_t *sums, void *work)
{
    const uint32_t(*table)[3] = (const uint32_t(*)[3])work;
    uint32_t *pairs = (uint32_t *)work + 243 * 3;
    for (uint32_t i = 0, p = 0; i < n_in; i += 5, p += 3) {
        pairs[p] = pair(x[i], x[i + 1]);
        pairs[p + 1] = pair(x[i + 2], x[i + 3]);
        pairs[p + 2] = pair(x[i + 4], 0);
    }
    const uint32_t bytes = n_in / 5;
    for (uint32_t row = 0; row < n_out; row += 4) {
        const uint8_t *c0 = packed + row * bytes, *c1 = c0 + bytes, *c2 = c1 + bytes,
                      *c3 = c2 + bytes;
        int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        const uint32_t *end = pairs + 3 * bytes;
        for (const uint32_t *p = pairs; p < end; p += 3) {
            const uint32_t a = p[0], b = p[1], c = p[2];
            const uint32_t *t;
            t = table[*c0++], s0 = smlad(t[0], a, smlad(t[1], b, smlad(t[2], c, s0)));
            t = table[*c1++], s1 = smlad(t[0], a, smlad(t[1], b, smlad(t[2], c, s1)));
            t = table[*c2++], s2 = smlad(t[0], a, smlad(t[1], b, smlad(t[2], c, s2)));
            t = table[*c3++], s3 = smlad(t[0], a, smlad(t[1], b, smlad(t[2], c, s3)));
        }
        sums[row] = s0, sums[row + 1] = s1, sums[row + 2] = s2, sums[row + 3] = s3;
    }
}

static void decode_pack(const int8_t *weights, uint32_t n_in, uint32_t n_out, uint8_t *packed)
{
    for (uint32_t i = 0; i < n_in * n_out; i += 5) {
        *packed++ = (uint8_t)base3(weights + i);
    }
}

/* ------------------------------------------------- two bits each, in the high bits of 16-bit
 * lanes */
/* A word has 16 weights of a row: weight 2j in bits 2j of the low half, 2j+1 in those of the
 * high half; shifted and masked they are the weights times 2^14 in lanes of 16 bits. */
static void lanes_pack(const int8_t *weights, uint32_t n_in, uint32_t n_out, uint8_t *packed)
{
    for (uint32_t i = 0; i < n_in * n_out; i += 16) {
        uint32_t w = 0;
        for (uint32_t j = 0; j < 8; j++) {
            w |= ((uint32_t)weights[i + 2 * j] & 3u) << (2 * j);
            w |= ((uint32_t)weights[i + 2 * j + 1] & 3u) << (16 + 2 * j);
        }
        __builtin_memcpy(packed, &w, 4);
        packed += 4;
    }
}

static void lanes_run(const uint8_t *packed, const int8_t *x, uint32_t n_in, uint32_t n_out,
                      int32_t *sums, void *work)
{
    uint32_t *pairs = work;
    const uint32_t mask = 0xc000c000u;
    for (uint32_t i = 0; i < n_in; i += 2) {
        pairs[i / 2] = pair(x[i], x[i + 1]);
    }
    const uint32_t bytes = n_in / 4;
    for (uint32_t row = 0; row < n_out; row += 4) {
        const uint8_t *c0 = packed + row * bytes, *c1 = c0 + bytes, *c2 = c1 + bytes,
                      *c3 = c2 + bytes;
        int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        const uint32_t *end = pairs + n_in / 2;
        for (const uint32_t *p = pairs; p < end; p += 8) {
            const uint32_t w0 = word_at(c0), w1 = word_at(c1), w2 = word_at(c2),
                           w3 = word_at(c3);
            c0 += 4, c1 += 4, c2 += 4, c3 += 4;
#define NEXT(j)                                          \
    s0 = smlad(mask & (w0 << (14 - 2 * (j))), p[j], s0); \
    s1 = smlad(mask & (w1 << (14 - 2 * (j))), p[j], s1); \
    s2 = smlad(mask & (w2 << (14 - 2 * (j))), p[j], s2); \
    s3 = smlad(mask & (w3 << (14 - 2 * (j))), p[j], s3)
            NEXT(0);
            NEXT(1);
            NEXT(2);
            NEXT(3);
            NEXT(4);
            NEXT(5);
            NEXT(6);
            NEXT(7);
#undef NEXT
        }
        /* |sum| <= 640 * 128 * 2^14 < 2^31; exact multiples of 2^14 */
        sums[row] = s0 / 16384, sums[row + 1] = s1 / 16384;
        sums[row + 2] = s2 / 16384, sums[row + 3] = s3 / 16384;
    }
}

/* ------------------------------------------------- two bit planes, bytes chosen by the GE
 * flags */
/* For 32 weights of a row a word of "is +1" and a word of "is -1"; before them, how many more
 * +1 than -1 the row has: inputs plus 128 are bytes without sign, and that takes off what they
 * add. */
static void planes_pack(const int8_t *weights, uint32_t n_in, uint32_t n_out, uint8_t *packed)
{
    for (uint32_t row = 0; row < n_out; row++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < n_in; i++) {
            count += (uint32_t)weights[row * n_in + i];
        }
        __builtin_memcpy(packed, &count, 4);
        packed += 4;
        for (uint32_t i = 0; i < n_in; i += 32) {
            uint32_t plus = 0, minus = 0;
            for (uint32_t j = 0; j < 32; j++) {
                plus |= (uint32_t)(weights[row * n_in + i + j] > 0) << j;
                minus |= (uint32_t)(weights[row * n_in + i + j] < 0) << j;
            }
            __builtin_memcpy(packed, &plus, 4);
            __builtin_memcpy(packed + 4, &minus, 4);
            packed += 8;
        }
    }
}

static void planes_run(const uint8_t *packed, const int8_t *x, uint32_t n_in, uint32_t n_out,
                       int32_t *sums, void *work)
{
    uint32_t *bytes = work;
    for (uint32_t i = 0; i < n_in; i += 4) {
        bytes[i / 4] = word_at((const uint8_t *)x + i) ^ 0x80808080u; /* x + 128 */
    }
    for (uint32_t row = 0; row < n_out; row++) {
        uint32_t up = 0, down = 0;
        const int32_t count = (int32_t)word_at(packed);
        packed += 4;
        for (uint32_t i = 0; i < n_in; i += 32) {
            const uint32_t plus = word_at(packed), minus = word_at(packed + 4);
            const uint32_t *b = bytes + i / 4;
            packed += 8;
/* Bits 4 j to 4 j + 3 of w, rotated to where the flags are. */
#define FLAGS(w, j) ((w) >> ((4u * (j) + 16u) & 31u) | (w) << ((48u - 4u * (j)) & 31u))
#define NEXT(j)                                    \
    up = select_and_add(FLAGS(plus, j), b[j], up); \
    down = select_and_add(FLAGS(minus, j), b[j], down)
            NEXT(0u);
            NEXT(1u);
            NEXT(2u);
            NEXT(3u);
            NEXT(4u);
            NEXT(5u);
            NEXT(6u);
            NEXT(7u);
#undef NEXT
#undef FLAGS
        }
        sums[row] = (int32_t)(up - down) - 128 * count;
    }
}

/* ------------------------------------------------- tables of sums, four inputs to a byte */
static void four_pack(const int8_t *weights, uint32_t n_in, uint32_t n_out, uint8_t *packed)
{
    for (uint32_t i = 0; i < n_in; i += 4) {
        for (uint32_t row = 0; row < n_out; row++) {
            const int8_t *w = weights + (size_t)row * n_in + i;
            *packed++ = (uint8_t)(((w[0] + 1) * 3 + w[1] + 1) * 9 + (w[2] + 1) * 3 + w[3] + 1);
        }
    }
}

/* 81 sums of four inputs, 32 bits each. */
static void four_table(const int8_t *x, int32_t *t)
{
    int32_t nine[9];
    for (int32_t i = 0; i < 9; i++) {
        nine[i] = (i / 3 - 1) * x[2] + (i % 3 - 1) * x[3];
    }
    for (int32_t i = 0; i < 9; i++) {
        const int32_t c = (i / 3 - 1) * x[0] + (i % 3 - 1) * x[1];
        for (uint32_t j = 0; j < 9; j++) {
            *t++ = c + nine[j];
        }
    }
}

static void four_run(const uint8_t *packed, const int8_t *x, uint32_t n_in, uint32_t n_out,
                     int32_t *sums, void *work)
{
    int32_t *t = work;
    for (uint32_t row = 0; row < n_out; row++) {
        sums[row] = 0;
    }
    for (uint32_t i = 0; i < n_in; i += 16) {
        for (uint32_t k = 0; k < 4; k++) {
            four_table(x + i + 4 * k, t + 81 * k);
        }
        for (uint32_t row = 0; row < n_out; row++) {
            sums[row] += t[packed[row]] + t[81 + packed[n_out + row]] +
                         t[162 + packed[2 * n_out + row]] + t[243 + packed[3 * n_out + row]];
        }
        packed += 4 * n_out;
    }
}

/* ------------------------------------------------- the other way round: buckets of patterns */
/* Five rows to a byte.  An input is added to the bucket of its pattern of five weights; at the
 * end a row is the sum of the buckets with its signs, made by folding 243 to 81 to 27 ... */
static void bucket_pack(const int8_t *weights, uint32_t n_in, uint32_t n_out, uint8_t *packed)
{
    for (uint32_t row = 0; row < n_out; row += 5) {
        for (uint32_t i = 0; i < n_in; i++) {
            int8_t w[5];
            for (uint32_t k = 0; k < 5; k++) {
                w[k] = row + k < n_out ? weights[(size_t)(row + k) * n_in + i] : (int8_t)0;
            }
            *packed++ = (uint8_t)base3(w);
        }
    }
}

void candidate_bucket_run(const uint8_t *packed, const int8_t *x, uint32_t n_in, uint32_t n_out,
                          int32_t *sums, void *work)
{
    int32_t *b = work;
    for (uint32_t row = 0; row < n_out; row += 5) {
        for (uint32_t i = 0; i < 243; i++) {
            b[i] = 0;
        }
        for (uint32_t i = 0; i < n_in; i += 4) {
            b[packed[0]] += x[i];
            b[packed[1]] += x[i + 1];
            b[packed[2]] += x[i + 2];
            b[packed[3]] += x[i + 3];
            packed += 4;
        }
        uint32_t size = 81;
        for (uint32_t k = 0; k < 5; k++) {
            int32_t minus = 0, plus = 0;
            for (uint32_t i = 0; i < size; i++) {
                minus += b[i];
                plus += b[2 * size + i];
                b[i] += b[size + i] + b[2 * size + i];
            }
            if (row + k < n_out) {
                sums[row + k] = plus - minus;
            }
            size /= 3;
        }
    }
}

const struct candidate candidates[] = {
    {"dense int8, C", 800, dense_pack, dense_run},
    {"dense int8, SMLAD, 4 rows", 800, dense_pack, dense_smlad_run},
    {"bit planes, SEL and USADA8", 200, planes_pack, planes_run},
    {"base 3 by multiplication", 160, fraction_pack, fraction_run},
    {"base 3 by table, SMLAD", 160, decode_pack, decode_run},
    {"2-bit lanes, SMLAD, 4 rows", 200, lanes_pack, lanes_run},
    {"buckets of patterns, 5 rows", 160, bucket_pack, candidate_bucket_run},
    {"tables of sums, 4 inputs, C", 200, four_pack, four_run},
};
const uint32_t n_candidates = sizeof candidates / sizeof candidates[0];

void candidate_decode_table(void *work)
{
    uint32_t *t = work;
    for (uint32_t v = 0; v < 243; v++) {
        int32_t w[5];
        uint32_t rest = v;
        for (uint32_t k = 5; k-- > 0; rest /= 3) {
            w[k] = (int32_t)(rest % 3) - 1;
        }
        *t++ = pair(w[0], w[1]);
        *t++ = pair(w[2], w[3]);
        *t++ = pair(w[4], 0);
    }
}
