/* SPDX-License-Identifier: Apache-2.0 */
/* Loops that do one thing as fast as a CPU can.
 *
 * The products are assembly: ten or more independent chains that stay in registers, so that
 * neither latency nor spilling nor a compiler that sees through the loop is measured.  Their
 * operands are not zero, because some CPUs clock higher on zeros. */
#include "kern/ceiling_loops.h"

#include "base/le.h"
#include "base/mem.h"

/* --- any CPU -------------------------------------------------------------------------------
 */

static uint64_t read_plain(const void *p, size_t bytes)
{
    const uint64_t *word = p;
    uint64_t sum[4] = {0};
    for (size_t i = 0; i < bytes / 8; i += 8) {
        for (size_t l = 0; l < 4; l++) {
            sum[l] += word[i + l] ^ word[i + l + 4];
        }
    }
    return sum[0] + sum[1] + sum[2] + sum[3];
}

enum { PLAIN_BYTES = 1024 };

/* What a compiler makes of the scalar kernels' inner loop, in the first-level cache. */
static void mac_plain(uint64_t rounds)
{
    int8_t a[PLAIN_BYTES];
    uint8_t b[PLAIN_BYTES];
    volatile int32_t sink;
    for (int i = 0; i < PLAIN_BYTES; i++) {
        a[i] = (int8_t)(i * 7);
        b[i] = (uint8_t)(i % 3);
    }
    for (uint64_t r = 0; r < rounds; r++) {
        int32_t sum = 0;
        for (int i = 0; i < PLAIN_BYTES; i++) {
            sum += a[i] * b[i];
        }
        sink = sum;
        a[r % PLAIN_BYTES] = (int8_t)r; /* the next sum is another one */
    }
    (void)sink;
}

static const ti_ceiling_loops plain = {read_plain, mac_plain, PLAIN_BYTES, "plain C"};

/* Bytes that are neither zero nor all equal, for the operands. */
static void fill_operands(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)(i * 37 + 1);
    }
}

#if defined(__x86_64__)

#include <immintrin.h>

__attribute__((target("avx512f"))) static uint64_t read_avx512(const void *p, size_t bytes)
{
    const uint8_t *at = p, *end = at + bytes;
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
    for (; at < end; at += TI_CEILING_STEP) {
        s0 = _mm512_add_epi64(s0, _mm512_load_si512(at));
        s1 = _mm512_add_epi64(s1, _mm512_load_si512(at + 64));
        s2 = _mm512_add_epi64(s2, _mm512_load_si512(at + 128));
        s3 = _mm512_add_epi64(s3, _mm512_load_si512(at + 192));
    }
    s0 = _mm512_add_epi64(_mm512_add_epi64(s0, s1), _mm512_add_epi64(s2, s3));
    uint64_t lanes[8], sum = 0;
    _mm512_storeu_si512(lanes, s0);
    for (size_t l = 0; l < 8; l++) {
        sum += lanes[l];
    }
    return sum;
}

__attribute__((target("avx2"))) static uint64_t read_avx2(const void *p, size_t bytes)
{
    const __m256i *at = p, *end = at + bytes / 32;
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    for (; at < end; at += 4) {
        s0 = _mm256_add_epi64(s0, _mm256_load_si256(at));
        s1 = _mm256_add_epi64(s1, _mm256_load_si256(at + 1));
        s2 = _mm256_add_epi64(s2, _mm256_load_si256(at + 2));
        s3 = _mm256_add_epi64(s3, _mm256_load_si256(at + 3));
    }
    s0 = _mm256_add_epi64(_mm256_add_epi64(s0, s1), _mm256_add_epi64(s2, s3));
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i *)lanes, s0);
    return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

#define CLOBBERS                                                                             \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory"

/* Twelve chains; the operands are in registers 12 and 13. */
enum { CHAINS = 12 };

static void mac_avx512(uint64_t rounds)
{
    uint8_t operands[128];
    fill_operands(operands, sizeof operands);
    __asm__ volatile("vmovdqu64 (%1), %%zmm12\n"
                     "vmovdqu64 64(%1), %%zmm13\n"
                     "1:\n"
                     ".irp acc, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"
                     "vpdpbusd %%zmm12, %%zmm13, %%zmm\\acc\n"
                     ".endr\n"
                     "sub $1, %0\n"
                     "jnz 1b\n"
                     "vzeroupper\n"
                     : "+r"(rounds)
                     : "r"(operands)
                     : CLOBBERS, "cc");
}

static void mac_avxvnni(uint64_t rounds)
{
    uint8_t operands[64];
    fill_operands(operands, sizeof operands);
    __asm__ volatile("vmovdqu (%1), %%ymm12\n"
                     "vmovdqu 32(%1), %%ymm13\n"
                     "1:\n"
                     ".irp acc, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"
                     "%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm\\acc\n"
                     ".endr\n"
                     "sub $1, %0\n"
                     "jnz 1b\n"
                     "vzeroupper\n"
                     : "+r"(rounds)
                     : "r"(operands)
                     : CLOBBERS, "cc");
}

/* Products of bytes are added in pairs to 16 bits, which the kernels sum as 16 bits for as long
 * as that cannot wrap.  Only the addition is a chain, of one cycle a step, so four do. */
enum { MADD_CHAINS = 4, MADD_UNROLL = 3 };

static void mac_avx2(uint64_t rounds)
{
    uint8_t operands[64];
    fill_operands(operands, sizeof operands);
    __asm__ volatile("vmovdqu (%1), %%ymm14\n"
                     "vmovdqu 32(%1), %%ymm15\n"
                     "1:\n"
                     ".rept %c2\n"
                     ".irp acc, 0, 1, 2, 3\n"
                     "vpmaddubsw %%ymm14, %%ymm15, %%ymm1\\acc\n"
                     "vpaddw %%ymm1\\acc, %%ymm\\acc, %%ymm\\acc\n"
                     ".endr\n"
                     ".endr\n"
                     "sub $1, %0\n"
                     "jnz 1b\n"
                     "vzeroupper\n"
                     : "+r"(rounds)
                     : "r"(operands), "i"(MADD_UNROLL)
                     : CLOBBERS, "cc");
}

enum { TILE_BYTES = 1024, TILE_CHAINS = 6, TILE_MACS = 16 * 16 * 64 };

/* Six result tiles and two operand tiles, all eight of 16 rows of 64 bytes.  The configuration
 * is a memory operand of all its 64 bytes: compilers that know only of an address have dropped
 * the stores before it. */
static void mac_amx(uint64_t rounds)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    _Alignas(64) uint8_t operands[2 * TILE_BYTES];
    uint64_t stride = 64;
    for (int t = 0; t < 8; t++) {
        config.row_bytes[t] = 64;
        config.rows[t] = 16;
    }
    fill_operands(operands, sizeof operands);
    __asm__ volatile("ldtilecfg %1\n"
                     "tileloadd (%2,%4,1), %%tmm6\n"
                     "tileloadd (%3,%4,1), %%tmm7\n"
                     ".irp acc, 0, 1, 2, 3, 4, 5\n"
                     "tilezero %%tmm\\acc\n"
                     ".endr\n"
                     "1:\n"
                     ".irp acc, 0, 1, 2, 3, 4, 5\n"
                     "tdpbusd %%tmm7, %%tmm6, %%tmm\\acc\n"
                     ".endr\n"
                     "sub $1, %0\n"
                     "jnz 1b\n"
                     "tilerelease\n"
                     : "+r"(rounds)
                     : "m"(config), "r"(operands), "r"(operands + TILE_BYTES), "r"(stride)
                     : "memory", "cc");
}

ti_ceiling_loops ti_ceiling_loops_of(ti_isa isa)
{
    switch (isa) {
    case TI_ISA_AVX2:
        return (ti_ceiling_loops){read_avx2, mac_avx2, MADD_UNROLL * MADD_CHAINS * 32,
                                  "vpmaddubsw + vpaddw ymm"};
    case TI_ISA_AVXVNNI:
        return (ti_ceiling_loops){read_avx2, mac_avxvnni, CHAINS * 32, "vpdpbusd ymm"};
    case TI_ISA_AVX512:
        return (ti_ceiling_loops){read_avx512, mac_avx512, CHAINS * 64, "vpdpbusd zmm"};
    case TI_ISA_AMX:
        return (ti_ceiling_loops){read_avx512, mac_amx, TILE_CHAINS * TILE_MACS, "tdpbusd"};
    default:
        return plain;
    }
}

#elif defined(__aarch64__)

#include <arm_neon.h>

static uint64_t read_neon(const void *p, size_t bytes)
{
    const uint64_t *at = p, *end = at + bytes / 8;
    uint64x2_t s0 = vdupq_n_u64(0), s1 = s0, s2 = s0, s3 = s0;
    for (; at < end; at += 8) {
        s0 = vaddq_u64(s0, vld1q_u64(at));
        s1 = vaddq_u64(s1, vld1q_u64(at + 2));
        s2 = vaddq_u64(s2, vld1q_u64(at + 4));
        s3 = vaddq_u64(s3, vld1q_u64(at + 6));
    }
    return vaddvq_u64(vaddq_u64(vaddq_u64(s0, s1), vaddq_u64(s2, s3)));
}

#define CLOBBERS                                                                            \
    "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", \
        "v14", "v15", "v16", "v17", "memory", "cc"

/* Sixteen chains; the operands are in registers 16 and 17. */
enum { CHAINS = 16 };

static void mac_neon(uint64_t rounds)
{
    uint8_t operands[32];
    fill_operands(operands, sizeof operands);
    __asm__ volatile("ldp q16, q17, [%1]\n"
                     "1:\n"
                     ".irp acc, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
                     "smlal v\\acc\\().8h, v16.8b, v17.8b\n"
                     ".endr\n"
                     "subs %0, %0, #1\n"
                     "b.ne 1b\n"
                     : "+r"(rounds)
                     : "r"(operands)
                     : CLOBBERS);
}

/* The instruction is sdot vACC.4s, v16.16b, v17.16b as a number (Arm ARM, C7.2 SDOT): compilers
 * do not agree on how to be told that the CPU has it. */
static void mac_dotprod(uint64_t rounds)
{
    uint8_t operands[32];
    fill_operands(operands, sizeof operands);
    __asm__ volatile("ldp q16, q17, [%1]\n"
                     "1:\n"
                     ".irp acc, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
                     ".inst 0x4e919600 + \\acc\n"
                     ".endr\n"
                     "subs %0, %0, #1\n"
                     "b.ne 1b\n"
                     : "+r"(rounds)
                     : "r"(operands)
                     : CLOBBERS);
}

ti_ceiling_loops ti_ceiling_loops_of(ti_isa isa)
{
    switch (isa) {
    case TI_ISA_NEON:
        return (ti_ceiling_loops){read_neon, mac_neon, CHAINS * 8, "smlal"};
    case TI_ISA_DOTPROD:
        return (ti_ceiling_loops){read_neon, mac_dotprod, CHAINS * 16, "sdot"};
    default:
        return plain;
    }
}

#else

ti_ceiling_loops ti_ceiling_loops_of(ti_isa isa)
{
    (void)isa;
    (void)fill_operands;
    return plain;
}

#endif
