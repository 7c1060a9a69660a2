/* SPDX-License-Identifier: Apache-2.0 */
/* Packing of the quantised layouts G8, G4, G4M, K4 and K6.
 *
 * A file's blocks go over nibble by nibble, never through floats, so nothing is lost.  A source
 * of another type is first quantised to the file's block (Q8_0 for G8, Q4_0 for G4), a chunk at
 * a time, and that is packed.  One function for each layout puts one block of one row into the
 * panel's unit; the padding rows are blocks of zero weights. */
#include <string.h>

#include "base/le.h"
#include "kern/pack_parts.h"

enum {
    GROUP = 4 * TI_PANEL, /* bytes of four consecutive columns, or pairs, of all rows */
    K_BLOCK = 256,        /* columns of a block of Q4_K and Q6_K */
    SUBS = K_BLOCK / TI_BLOCK,
    K4_SUB_BYTES = 288,
    K6_SUB_BYTES = 416,
    Q6_K_BYTES = 210,
    MAX_BLOCK_BYTES = 256,
    CHUNK_BLOCKS = TI_PACK_CHUNK / TI_BLOCK
};

static void copy_half(uint8_t *out, size_t r, const uint8_t *half)
{
    memcpy(out + 2 * r, half, 2);
}

/* Sixteen bytes, one or two nibbles of each of 32 columns, as four groups. */
static void put_nibbles(uint8_t *out, size_t r, const uint8_t *nibbles)
{
    for (size_t g = 0; g < 4; g++) {
        memcpy(out + GROUP * g + 4 * r, nibbles + 4 * g, 4);
    }
}

/* Q8_0: f16 d; 32 int8. */
static void put_g8(uint8_t *unit, size_t r, const uint8_t *block)
{
    copy_half(unit, r, block);
    for (size_t g = 0; g < 8; g++) { /* adding 128 to an int8 turns its top bit */
        ti_store_u32(unit + 32 + GROUP * g + 4 * r,
                     ti_load_u32(block + 2 + 4 * g) ^ 0x80808080u);
    }
}

/* Q4_0: f16 d; byte j has columns j and 16 + j, as the layout has them. */
static void put_g4(uint8_t *unit, size_t r, const uint8_t *block)
{
    copy_half(unit, r, block);
    put_nibbles(unit + 32, r, block + 2);
}

/* Q4_1: f16 d, f16 m; nibbles as Q4_0. */
static void put_g4m(uint8_t *unit, size_t r, const uint8_t *block)
{
    copy_half(unit, r, block);
    copy_half(unit + 32, r, block + 2);
    put_nibbles(unit + 64, r, block + 4);
}

/* The 6-bit scale and minimum of sub-block s: the first four in bytes s and 4 + s; the last
 * four have their low nibbles in byte 4 + s and their high pairs on top of the first eight. */
static void q4_k_scales(uint8_t *scale, uint8_t *min, const uint8_t *p, size_t s)
{
    if (s < 4) {
        *scale = p[s] & 63;
        *min = p[4 + s] & 63;
    } else {
        *scale = (uint8_t)((p[4 + s] & 15) | p[s - 4] >> 6 << 4);
        *min = (uint8_t)(p[4 + s] >> 4 | p[s] >> 6 << 4);
    }
}

/* Q4_K: f16 d, f16 dmin, 12 bytes of scales, 128 bytes of nibbles: 32 bytes have two
 * sub-blocks, the first in the low nibbles. */
static void put_k4(uint8_t *unit, size_t r, const uint8_t *block)
{
    copy_half(unit, r, block);
    copy_half(unit + 32, r, block + 2);
    for (size_t s = 0; s < SUBS; s++) {
        uint8_t *sub = unit + 64 + K4_SUB_BYTES * s, nibbles[16];
        const uint8_t *q = block + 16 + s / 2 * 32;
        q4_k_scales(sub + r, sub + 16 + r, block + 4, s);
        for (size_t j = 0; j < 16; j++) {
            unsigned shift = s % 2 * 4;
            nibbles[j] = (uint8_t)((q[j] >> shift & 15) | (q[16 + j] >> shift & 15) << 4);
        }
        put_nibbles(sub + 32, r, nibbles);
    }
}

/* Q6_K: 128 bytes of low nibbles, 64 of high pairs, 16 int8 scales, f16 d.  Each half of 128
 * columns is four runs of 32: runs 0, 2 and 1, 3 share bytes of nibbles, all four share pairs.
 */
static void put_k6(uint8_t *unit, size_t r, const uint8_t *block)
{
    copy_half(unit, r, block + 208);
    for (size_t s = 0; s < SUBS; s++) {
        uint8_t *sub = unit + 32 + K6_SUB_BYTES * s, nibbles[16], pairs[8];
        size_t half = s / 4, run = s % 4;
        const uint8_t *low = block + 64 * half + 32 * (run % 2);
        const uint8_t *high = block + 128 + 32 * half;
        unsigned low_shift = run < 2 ? 0 : 4, high_shift = (unsigned)(2 * run);
        sub[r] = block[192 + 2 * s];
        sub[16 + r] = block[192 + 2 * s + 1];
        for (size_t j = 0; j < 16; j++) {
            nibbles[j] =
                (uint8_t)((low[j] >> low_shift & 15) | (low[16 + j] >> low_shift & 15) << 4);
        }
        put_nibbles(sub + 32, r, nibbles);
        for (size_t j = 0; j < 8; j++) {
            pairs[j] =
                (uint8_t)((high[j] >> high_shift & 3) | (high[8 + j] >> high_shift & 3) << 2 |
                          (high[16 + j] >> high_shift & 3) << 4 |
                          (high[24 + j] >> high_shift & 3) << 6);
        }
        memcpy(sub + 288 + 4 * r, pairs, 4);
        memcpy(sub + 288 + GROUP + 4 * r, pairs + 4, 4);
    }
}

/* A layout, the type whose blocks it holds, and the bytes of a unit. */
typedef struct form {
    void (*put)(uint8_t *unit, size_t r, const uint8_t *block);
    ti_type type;
    size_t unit_bytes;
} form;

static form form_of(ti_layout layout)
{
    switch (layout) {
    case TI_L_G8:
        return (form){put_g8, TI_Q8_0, TI_G8_BYTES};
    case TI_L_G4:
        return (form){put_g4, TI_Q4_0, TI_G4_BYTES};
    case TI_L_G4M:
        return (form){put_g4m, TI_Q4_1, TI_G4M_BYTES};
    case TI_L_K4:
        return (form){put_k4, TI_Q4_K, TI_K4_BYTES};
    case TI_L_K6:
        return (form){put_k6, TI_Q6_K, TI_K6_BYTES};
    default:
        break;
    }
    TI_ASSERT(!"a layout of blocks");
    return (form){NULL, TI_Q8_0, 1};
}

/* A block of zero weights: where codes have an offset, that. */
static void zero_block(uint8_t block[MAX_BLOCK_BYTES], ti_type type)
{
    memset(block, 0, MAX_BLOCK_BYTES);
    if (type == TI_Q4_0) {
        memset(block + 2, 0x88, 16);
    } else if (type == TI_Q6_K) {
        memset(block + 128, 0xaa, 64);
    }
}

/* Packs row `row` of the source by quantising it. */
static void quantise_row(uint8_t *panel, size_t kp, form f, const ti_source *src, uint64_t row)
{
    const ti_type_info *type = ti_type_info_of(f.type);
    float x[TI_PACK_CHUNK];
    uint8_t blocks[CHUNK_BLOCKS * MAX_BLOCK_BYTES];
    for (size_t first = 0; first < kp; first += TI_PACK_CHUNK) {
        size_t n = ti_pack_chunk(src->k, first), padded = ti_pack_chunk(kp, first);
        ti_type_to_f32(x, src->type, src->data, src->k, src->rows, row, first, n);
        memset(x + n, 0, (padded - n) * sizeof *x);
        bool done = ti_type_from_f32(blocks, type, x, padded);
        TI_ASSERT(done);
        for (size_t b = 0; b < padded / TI_BLOCK; b++, panel += f.unit_bytes) {
            f.put(panel, row % TI_PANEL, blocks + b * type->block_bytes);
        }
    }
}

void ti_pack_blocks(ti_layout layout, void *data, size_t kp, const ti_source *src, uint64_t r0,
                    uint64_t r1)
{
    form f = form_of(layout);
    const ti_type_info *type = ti_type_info_of(f.type);
    size_t n_blocks = kp / type->block, panel_bytes = n_blocks * f.unit_bytes;
    size_t row_bytes = n_blocks * type->block_bytes;
    uint8_t zeros[MAX_BLOCK_BYTES];
    zero_block(zeros, f.type);
    for (uint64_t r = r0; r < r1 || r % TI_PANEL != 0; r++) {
        uint8_t *panel = (uint8_t *)data + r / TI_PANEL * panel_bytes;
        if (r < r1 && src->type->type != f.type) {
            quantise_row(panel, kp, f, src, r);
            continue;
        }
        const uint8_t *block = (const uint8_t *)src->data + r * row_bytes;
        for (size_t b = 0; b < n_blocks; b++) {
            f.put(panel + b * f.unit_bytes, r % TI_PANEL, r < r1 ? block : zeros);
            block += r < r1 ? type->block_bytes : 0;
        }
    }
}
