/* SPDX-License-Identifier: Apache-2.0 */
/* oom.h - makes the n-th request for memory fail.
 *
 * For a test program that was registered with `tern_test(... OOM ...)`: the linker then sends
 * what the project's own objects ask of malloc, calloc, realloc, aligned_alloc and mmap
 * (anonymous memory) through the functions below.  Include it in one file of the program.
 *
 *     for (long n = 0;; n++) {
 *         oom_fail_at(n);
 *         status = work();
 *         bool failed = oom_disarm();
 *         ... failed: TERN_NOMEM, outputs untouched, nothing leaked; else: the right result
 *         if (!failed) { break; }
 *     } */
#ifndef TESTS_OOM_H
#define TESTS_OOM_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>

static atomic_long oom_left = -1; /* requests that still succeed; -1 = all */
static atomic_long oom_requests;  /* seen since oom_fail_at() */
static atomic_bool oom_failed;

/* The n-th request from now (0 = the next one) fails, and only that one; those after it
 * succeed, so that clean-up and error paths are tried too. */
static inline void oom_fail_at(long n)
{
    atomic_store(&oom_failed, false);
    atomic_store(&oom_requests, 0);
    atomic_store(&oom_left, n);
}

/* Lets all requests succeed again.  Returns whether one failed. */
static inline bool oom_disarm(void)
{
    atomic_store(&oom_left, -1);
    return atomic_load(&oom_failed);
}

/* How many requests came since oom_fail_at(): a hot loop that must not allocate has none. */
static inline long oom_count(void)
{
    return atomic_load(&oom_requests);
}

static inline bool oom_now(void)
{
    atomic_fetch_add(&oom_requests, 1);
    long left = atomic_load(&oom_left);
    while (left >= 0 && !atomic_compare_exchange_weak(&oom_left, &left, left - 1)) {
    }
    if (left != 0) {
        return false;
    }
    atomic_store(&oom_failed, true);
    errno = ENOMEM;
    return true;
}

/* A request that is too large for any machine must be NULL under sanitizers too. */
#if defined(__GNUC__)
#define OOM_EXPORTED __attribute__((visibility("default")))
OOM_EXPORTED const char *__asan_default_options(void);
OOM_EXPORTED const char *__tsan_default_options(void);
OOM_EXPORTED const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
OOM_EXPORTED const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}
#endif

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);

void *__wrap_malloc(size_t size)
{
    return oom_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return oom_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return oom_now() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return oom_now() ? NULL : __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_ANONYMOUS) && oom_now()) {
        return MAP_FAILED;
    }
    return __real_mmap(address, size, protection, flags, fd, offset);
}

#endif
