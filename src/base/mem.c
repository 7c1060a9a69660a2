/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BLOCK_BYTES = 64 * 1024, ARENA_ALIGN = 16, HUGE_PAGE_BYTES = 2 * 1024 * 1024 };

struct ti_arena_block {
    struct ti_arena_block *next;
    size_t used, size; /* of `data` */
    _Alignas(ARENA_ALIGN) unsigned char data[];
};

void *ti_calloc(size_t n, size_t size)
{
    return calloc(n ? n : 1, size ? size : 1);
}

void *ti_alloc_aligned(size_t size)
{
    if (size > SIZE_MAX - TI_ALIGN) {
        return NULL;
    }
    return aligned_alloc(TI_ALIGN, ti_round_up(size ? size : 1, TI_ALIGN));
}

void *ti_alloc_pages(size_t size)
{
    void *p =
        mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
#ifdef MADV_HUGEPAGE
    if (size >= HUGE_PAGE_BYTES) {
        (void)madvise(p, size, MADV_HUGEPAGE); /* advice only: small pages work as well */
    }
#endif
    return p;
}

void ti_free_pages(void *memory, size_t size)
{
    if (memory) {
        (void)munmap(memory, size ? size : 1);
    }
}

static struct ti_arena_block *new_block(size_t size)
{
    if (size > SIZE_MAX - sizeof(struct ti_arena_block)) {
        return NULL;
    }
    struct ti_arena_block *b = malloc(sizeof *b + size);
    if (b) {
        b->next = NULL;
        b->used = 0;
        b->size = size;
    }
    return b;
}

void *ti_arena_alloc(ti_arena *arena, size_t size)
{
    if (size > SIZE_MAX - ARENA_ALIGN) {
        return NULL;
    }
    size = ti_round_up(size ? size : 1, ARENA_ALIGN);
    struct ti_arena_block *b = arena->blocks;
    if (!b || b->size - b->used < size) {
        struct ti_arena_block *fresh = new_block(size > BLOCK_BYTES ? size : BLOCK_BYTES);
        if (!fresh) {
            return NULL;
        }
        arena->bytes += fresh->size;
        if (b && size > BLOCK_BYTES) { /* a large object must not hide a half-empty block */
            fresh->next = b->next;
            b->next = fresh;
        } else {
            fresh->next = b;
            arena->blocks = fresh;
        }
        b = fresh;
    }
    void *p = b->data + b->used;
    b->used += size;
    return memset(p, 0, size);
}

void *ti_arena_calloc(ti_arena *arena, size_t n, size_t size)
{
    size_t total;
    return ti_mul_size(n, size, &total) ? ti_arena_alloc(arena, total) : NULL;
}

char *ti_arena_strndup(ti_arena *arena, const char *text, size_t len)
{
    if (len == SIZE_MAX) {
        return NULL;
    }
    char *copy = ti_arena_alloc(arena, len + 1);
    if (copy && len > 0) {
        memcpy(copy, text, len);
    }
    return copy;
}

void ti_arena_free(ti_arena *arena)
{
    struct ti_arena_block *b = arena->blocks;
    while (b) {
        struct ti_arena_block *next = b->next;
        free(b);
        b = next;
    }
    *arena = (ti_arena){0};
}
