/* SPDX-License-Identifier: Apache-2.0 */
/* kern/pack_parts.h - what kern/pack.c, pack_ternary.c and pack_blocks.c share. */
#ifndef TI_KERN_PACK_PARTS_H
#define TI_KERN_PACK_PARTS_H

#include "kern/pack.h"

/* Sources are decoded this many columns at a time: a multiple of every type's block and of
 * every layout's unit, and small enough for the stack. */
enum { TI_PACK_CHUNK = 256 };

/* The columns of a chunk that starts at `first`: TI_PACK_CHUNK, or what is left. */
static inline size_t ti_pack_chunk(uint64_t k, uint64_t first)
{
    return k - first < TI_PACK_CHUNK ? (size_t)(k - first) : (size_t)TI_PACK_CHUNK;
}

/* ti_pack_rows() for T2 and T5, for G2, and for the other layouts of 16-row panels.  `src` was
 * checked to suit the layout, r0 and r1 to suit its grain. */
tern_status ti_pack_trits(ti_layout layout, void *data, size_t kp, float *scales,
                          const ti_source *src, uint64_t r0, uint64_t r1, tern_err *err);
tern_status ti_pack_g2(void *data, size_t kp, const ti_source *src, uint64_t r0, uint64_t r1,
                       tern_err *err);
void ti_pack_blocks(ti_layout layout, void *data, size_t kp, const ti_source *src, uint64_t r0,
                    uint64_t r1);

/* True when a ternary type has a scale for each block, not one for a row or the tensor. */
bool ti_pack_scale_in_block(const ti_type_info *type);

/* True when a type's codes may be 3, which is +2 there and an error elsewhere. */
bool ti_pack_has_plus_two(const ti_type_info *type);

/* True when T2 and T5 can hold the matrix: one scale for each row, apart from blocks that are
 * all zero, and no code 3 in a type that may have it. */
bool ti_pack_uniform(const ti_source *src);

#endif
