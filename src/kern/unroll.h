/* SPDX-License-Identifier: Apache-2.0 */
/* kern/unroll.h - TI_UNROLL before a loop over registers: it is unrolled wholly, at every level
 * of optimisation above -O0.  Not under sanitizers, which would check every step of every copy:
 * the compiler would take minutes for a file. */
#ifndef TI_KERN_UNROLL_H
#define TI_KERN_UNROLL_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define TI_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TI_SANITIZED 1
#endif

#if defined(TI_SANITIZED)
#define TI_UNROLL
#elif defined(__clang__)
#define TI_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TI_UNROLL _Pragma("GCC unroll 16")
#endif

#endif
