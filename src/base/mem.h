/* SPDX-License-Identifier: Apache-2.0 */
/* base/mem.h - checked sizes, aligned memory, and arenas.
 *
 * Memory has three lifetimes: model, session, step.  Each is an arena that is freed at once.
 * All memory of the library comes from malloc, calloc, realloc, aligned_alloc and mmap, so
 * that a test can make the n-th request fail. */
#ifndef TI_BASE_MEM_H
#define TI_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every block that a kernel reads starts on a cache line. */
#define TI_ALIGN 64

/* Returns n rounded up to a multiple of `to` (a power of two).  The caller knows that it does
 * not overflow. */
static inline size_t ti_round_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

/* Multiply and add that refuse to wrap: true when *out is the exact result. */
static inline bool ti_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool ti_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool ti_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* Returns zeroed memory for n objects of `size` bytes, or NULL (also when n * size wraps).
 * Free with free(). */
void *ti_calloc(size_t n, size_t size);

/* Returns a block of `size` bytes on a TI_ALIGN boundary, not initialised, or NULL.  Free with
 * free(). */
void *ti_alloc_aligned(size_t size);

/* Returns `size` bytes of zeroed memory straight from the kernel, in huge pages where the
 * kernel offers them (a weight matrix of 500 MB needs 250 TLB entries instead of 127,000), or
 * NULL.  Free with ti_free_pages() and the same size. */
void *ti_alloc_pages(size_t size);
void ti_free_pages(void *memory, size_t size);

/* An arena: many small objects, freed together. */
typedef struct ti_arena {
    struct ti_arena_block *blocks; /* newest first; NULL = empty arena */
    size_t bytes;                  /* total size of all blocks */
} ti_arena;

/* Returns `size` zeroed bytes aligned to 16 from the arena, or NULL.  A zeroed ti_arena is a
 * valid, empty one. */
void *ti_arena_alloc(ti_arena *arena, size_t size);

/* Returns zeroed memory for n objects, or NULL (also when n * size wraps). */
void *ti_arena_calloc(ti_arena *arena, size_t n, size_t size);

/* Copies `len` bytes and a NUL into the arena; NULL when there is no memory. */
char *ti_arena_strndup(ti_arena *arena, const char *text, size_t len);

/* Frees everything and leaves the arena empty. */
void ti_arena_free(ti_arena *arena);

#endif
