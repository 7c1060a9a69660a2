/* SPDX-License-Identifier: Apache-2.0 */
/* Detection by CPUID itself: the compilers' builtins do not know AMX, and a level needs the
 * operating system's consent too (XCR0, and for the tiles a permission of the process). */
#define _GNU_SOURCE /* syscall */
#include "kern/cpu.h"

#include <unistd.h>

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>
#include <sys/syscall.h>

/* Intel SDM volume 2A, CPUID; volume 1, section 13.3 for XCR0. */
enum {
    LEAF1_ECX_OSXSAVE = 1u << 27,
    LEAF1_ECX_F16C = 1u << 29,
    LEAF7_EBX_AVX2 = 1u << 5,
    LEAF7_EBX_AVX512F = 1u << 16,
    LEAF7_EBX_AVX512DQ = 1u << 17,
    LEAF7_EBX_AVX512BW = 1u << 30,
    LEAF7_ECX_VBMI = 1u << 1,
    LEAF7_ECX_VNNI = 1u << 11,
    LEAF7_EDX_AMX_TILE = 1u << 24,
    LEAF7_EDX_AMX_INT8 = 1u << 25,
    LEAF7_1_EAX_AVXVNNI = 1u << 4,
    XCR0_YMM = 0x6,
    XCR0_ZMM = 0xe6,
    XCR0_TILES = 0x60000
};
#define LEAF7_EBX_AVX512VL (1u << 31)

typedef struct cpuid_regs {
    unsigned a, b, c, d;
} cpuid_regs;

static cpuid_regs cpuid(unsigned leaf, unsigned sub)
{
    cpuid_regs r = {0, 0, 0, 0};
    if (__get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d) == 0) {
        r = (cpuid_regs){0, 0, 0, 0};
    }
    return r;
}

static uint64_t xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Linux gives the 8 KB of tile state only to a process that asks (arch_prctl(2)). */
static bool tiles_permitted(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return false;
#endif
}

bool ti_cpu_has(ti_isa isa)
{
    cpuid_regs one = cpuid(1, 0), seven = cpuid(7, 0), seven_1 = cpuid(7, 1);
    uint64_t state = one.c & LEAF1_ECX_OSXSAVE ? xcr0() : 0;
    bool avx2 = (state & XCR0_YMM) == XCR0_YMM && (seven.b & LEAF7_EBX_AVX2) != 0 &&
                (one.c & LEAF1_ECX_F16C) != 0;
    unsigned need_b =
        LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512BW | LEAF7_EBX_AVX512VL;
    unsigned need_c = LEAF7_ECX_VBMI | LEAF7_ECX_VNNI;
    bool avx512 = avx2 && (state & XCR0_ZMM) == XCR0_ZMM && (seven.b & need_b) == need_b &&
                  (seven.c & need_c) == need_c;
    unsigned need_d = LEAF7_EDX_AMX_TILE | LEAF7_EDX_AMX_INT8;
    switch (isa) {
    case TI_ISA_SCALAR:
        return true;
    case TI_ISA_AVX2:
        return avx2;
    case TI_ISA_AVXVNNI:
        return avx2 && seven.a >= 1 && (seven_1.a & LEAF7_1_EAX_AVXVNNI) != 0;
    case TI_ISA_AVX512:
        return avx512;
    case TI_ISA_AMX:
        return avx512 && (seven.d & need_d) == need_d && (state & XCR0_TILES) == XCR0_TILES &&
               tiles_permitted();
    default:
        return false;
    }
}

#elif defined(__aarch64__) && defined(__linux__)

#include <sys/auxv.h>

bool ti_cpu_has(ti_isa isa)
{
    enum { HWCAP_DOTPROD = 1 << 20 }; /* Linux arm64 ELF hwcaps: ASIMDDP */
    switch (isa) {
    case TI_ISA_SCALAR:
    case TI_ISA_NEON: /* part of ARMv8.0 */
        return true;
    case TI_ISA_DOTPROD:
        return (getauxval(AT_HWCAP) & HWCAP_DOTPROD) != 0;
    default:
        return false;
    }
}

#else

bool ti_cpu_has(ti_isa isa)
{
    return isa == TI_ISA_SCALAR;
}

#endif

size_t ti_cpu_cache_bytes(void)
{
    long largest = 0;
#if defined(_SC_LEVEL3_CACHE_SIZE)
    largest = sysconf(_SC_LEVEL3_CACHE_SIZE);
    if (largest <= 0) {
        largest = sysconf(_SC_LEVEL2_CACHE_SIZE);
    }
#endif
    return largest > 0 ? (size_t)largest : 0;
}
