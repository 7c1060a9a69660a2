/* SPDX-License-Identifier: Apache-2.0 */
/* Packing of ternary matrices: T2, T5 and G2.
 *
 * Every type is decoded to one byte a weight first, a few hundred columns at a time on the
 * stack.  That costs little, because both halves are plain loops over bytes that compilers turn
 * into vectors: packing is bound by reading the file.
 *
 * A block whose scale is 0 has only zero weights, whatever its codes say, so it takes part in a
 * row with any scale: its codes are replaced by 1 (zero). */
#include <string.h>

#include "base/le.h"
#include "kern/pack_parts.h"

static const char module[] = "pack";

enum {
    ZERO = 1,         /* the code of weight 0 */
    T5_SEGMENT = 128, /* columns of a unit of T5 */
    T2_SEGMENT = 256,
    MIN_BLOCK = 64, /* weights of the smallest block that has a scale */
    MAX_BLOCKS = TI_PACK_CHUNK / MIN_BLOCK
};

bool ti_pack_scale_in_block(const ti_type_info *type)
{
    return type->row_bytes == 0 && type->tensor_bytes == 0;
}

bool ti_pack_has_plus_two(const ti_type_info *type)
{
    return type->type == TI_Q2_0 || type->type == TI_PQ2_0;
}

/* --- one scale a row? -------------------------------------------------------------------- */

/* A type's half scale lies at the end of its blocks (TQ1_0, TQ2_0) or at their start. */
static const uint8_t *scale_of_block(const ti_type_info *type, const uint8_t *block)
{
    bool last = type->type == TI_TQ1_0 || type->type == TI_TQ2_0;
    return last ? block + type->block_bytes - 2 : block;
}

static bool scales_equal(const ti_source *src)
{
    enum { NO_SCALE_YET = 0, F16_MAGNITUDE = 0x7fff };
    size_t bytes = src->type->block_bytes, per_row = (size_t)src->k / src->type->block;
    const uint8_t *block = src->data;
    for (uint64_t r = 0; r < src->rows; r++) {
        uint16_t scale = NO_SCALE_YET;
        for (size_t b = 0; b < per_row; b++, block += bytes) {
            uint16_t s = ti_load_u16(scale_of_block(src->type, block));
            if (s == scale || (s & F16_MAGNITUDE) == 0) {
                continue;
            }
            if (scale != NO_SCALE_YET) {
                return false;
            }
            scale = s;
        }
    }
    return true;
}

/* No code 3 in blocks of Q2_0 and PQ2_0: a half, then pairs of bits, eight bytes at a time. */
static bool all_trits(const ti_source *src)
{
    size_t bytes = src->type->block_bytes;
    uint64_t n_blocks = src->rows * (src->k / src->type->block), both = 0;
    const uint8_t *block = src->data;
    for (uint64_t b = 0; b < n_blocks; b++, block += bytes) {
        for (size_t at = 2; at < bytes; at += 8) {
            uint64_t pairs = ti_load_u64(block + at);
            both |= pairs & pairs >> 1;
        }
    }
    return (both & 0x5555555555555555u) == 0;
}

bool ti_pack_uniform(const ti_source *src)
{
    if (!ti_pack_scale_in_block(src->type)) {
        return true;
    }
    return scales_equal(src) && (!ti_pack_has_plus_two(src->type) || all_trits(src));
}

/* --- codes to bytes ---------------------------------------------------------------------- */

static void t2_segment(uint8_t *restrict out, const uint8_t *restrict codes)
{
    for (size_t j = 0; j < 64; j++) {
        out[j] = (uint8_t)(codes[j] | codes[64 + j] << 2 | codes[128 + j] << 4 |
                           codes[192 + j] << 6);
    }
}

/* Bit 4 of eight bytes as one byte.  The product moves bit 8i to 56 + i; no two of its terms
 * meet, so nothing carries. */
static uint8_t bit4_of_8(const uint8_t *codes)
{
    uint64_t bits = ti_load_u64(codes) >> 4 & 0x0101010101010101u;
    return (uint8_t)(bits * 0x0102040810204080u >> 56);
}

static void t5_segment(uint8_t *restrict nibbles, uint8_t *restrict bits,
                       const uint8_t *restrict c0, const uint8_t *restrict c1,
                       const uint8_t *restrict c2)
{
    uint8_t codes[T5_SEGMENT];
    for (size_t i = 0; i < T5_SEGMENT; i++) {
        codes[i] = (uint8_t)(c0[i] + 3 * c1[i] + 9 * c2[i]);
    }
    for (size_t j = 0; j < T5_SEGMENT / 2; j++) {
        nibbles[j] = (uint8_t)((codes[j] & 15) | codes[T5_SEGMENT / 2 + j] << 4);
    }
    for (size_t i = 0; i < T5_SEGMENT; i += 8) {
        bits[i / 8] = bit4_of_8(codes + i);
    }
}

/* Rows of codes of one chunk of columns, filled up with ZERO. */
typedef struct chunk {
    uint8_t codes[3][TI_PACK_CHUNK];
} chunk;

/* Writes a chunk of the rows that lie together (one in T2, three in T5). */
static void put_chunk(ti_layout layout, uint8_t *data, size_t kp, uint64_t row, size_t first,
                      const chunk *c)
{
    if (layout == TI_L_T2) {
        t2_segment(data + row * ti_t2_row_bytes(kp) + first / 4, c->codes[0]);
        return;
    }
    uint8_t *panel = data + row / 3 * ti_t5_panel_bytes(kp);
    for (size_t s = 0; s < TI_PACK_CHUNK && first + s < kp; s += T5_SEGMENT) {
        t5_segment(panel + (first + s) / 2, panel + kp / 2 + (first + s) / 8, c->codes[0] + s,
                   c->codes[1] + s, c->codes[2] + s);
    }
}

static size_t rows_together(ti_layout layout)
{
    return layout == TI_L_T5 ? 3 : 1;
}

void ti_pack_codes(ti_layout layout, void *data, size_t kp, const uint8_t *codes, size_t k,
                   size_t r0, size_t n)
{
    size_t together = rows_together(layout), grain = ti_layout_grain(layout);
    TI_ASSERT((layout == TI_L_T2 || layout == TI_L_T5) && r0 % grain == 0 && k <= kp);
    size_t padded = (n + grain - 1) / grain * grain;
    for (size_t r = 0; r < padded; r += together) {
        for (size_t first = 0; first < kp; first += TI_PACK_CHUNK) {
            chunk c;
            memset(&c, ZERO, sizeof c);
            for (size_t i = 0; i < together && r + i < n && first < k; i++) {
                memcpy(c.codes[i], codes + (r + i) * k + first, ti_pack_chunk(k, first));
            }
            put_chunk(layout, data, kp, r0 + r, first, &c);
        }
    }
}

/* --- files to bytes ---------------------------------------------------------------------- */

static tern_status fail_code(const ti_source *src, uint64_t row, tern_err *err)
{
    return ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET,
                   "row %llu of a %s matrix has a code that stands for no ternary weight",
                   (unsigned long long)row, src->type->name);
}

/* Decodes a chunk of one row.  *scale is the row's scale so far, 0 before one was met. */
static tern_status get_chunk(uint8_t *codes, float *scale, const ti_source *src, uint64_t row,
                             uint64_t first, tern_err *err)
{
    float scales[MAX_BLOCKS];
    uint32_t run;
    size_t n = ti_pack_chunk(src->k, first);
    if (!ti_type_to_trits(codes, scales, &run, src->type, src->data, src->k, src->rows, row,
                          first, n)) {
        return fail_code(src, row, err);
    }
    for (size_t at = 0; at < n; at += run) {
        float s = scales[at / run];
        if (s == 0.0f) {
            memset(codes + at, ZERO, n - at < run ? n - at : run);
        } else if (*scale == 0.0f) {
            *scale = s;
        } else if (ti_float_bits(s) != ti_float_bits(*scale)) {
            return ti_fail(err, TERN_UNSUPPORTED, module, TI_NO_OFFSET,
                           "row %llu has more than one scale", (unsigned long long)row);
        }
    }
    return TERN_OK;
}

tern_status ti_pack_trits(ti_layout layout, void *data, size_t kp, float *scales,
                          const ti_source *src, uint64_t r0, uint64_t r1, tern_err *err)
{
    size_t together = rows_together(layout), grain = ti_layout_grain(layout);
    uint64_t end = (r1 + grain - 1) / grain * grain;
    for (uint64_t r = r0; r < end; r += together) {
        float scale[3] = {0};
        for (uint64_t first = 0; first < kp; first += TI_PACK_CHUNK) {
            chunk c;
            bool whole = r + together <= r1 && first + TI_PACK_CHUNK <= src->k;
            if (!whole) {
                memset(&c, ZERO, sizeof c);
            }
            for (size_t i = 0; i < together && r + i < r1 && first < src->k; i++) {
                TI_TRY(get_chunk(c.codes[i], &scale[i], src, r + i, first, err));
            }
            put_chunk(layout, data, kp, r, first, &c);
        }
        for (size_t i = 0; i < together && r + i < r1; i++) {
            scales[r + i] = scale[i];
        }
    }
    return TERN_OK;
}

/* --- G2 ---------------------------------------------------------------------------------- */

enum { G2_COLUMNS = 64, G2_HALF_BYTES = 128 };

/* Writes 64 columns of row r of a panel into their unit.  A dword has four consecutive columns
 * of a row, a code in the low bits of each byte; column groups 2 apart share a dword. */
static void g2_put(uint8_t *unit, size_t r, const uint8_t *codes, uint16_t scale)
{
    memcpy(unit + 2 * r, &scale, sizeof scale);
    for (size_t half = 0; half < 2; half++, codes += TI_BLOCK) {
        uint8_t *out = unit + 2 * TI_PANEL + half * G2_HALF_BYTES + 4 * r;
        for (size_t g = 0; g < 2; g++) {
            const uint8_t *c = codes + 4 * g;
            ti_store_u32(out + 4 * TI_PANEL * g, ti_load_u32(c) | ti_load_u32(c + 8) << 2 |
                                                     ti_load_u32(c + 16) << 4 |
                                                     ti_load_u32(c + 24) << 6);
        }
    }
}

static tern_status g2_row(uint8_t *panel, size_t r, const ti_source *src, uint64_t row,
                          tern_err *err)
{
    uint8_t codes[TI_PACK_CHUNK];
    float scales[MAX_BLOCKS];
    uint32_t run;
    for (uint64_t first = 0; first < src->k; first += TI_PACK_CHUNK) {
        size_t n = ti_pack_chunk(src->k, first);
        if (!ti_type_to_trits(codes, scales, &run, src->type, src->data, src->k, src->rows, row,
                              first, n) &&
            !ti_pack_has_plus_two(src->type)) {
            return fail_code(src, row, err);
        }
        for (size_t at = 0; at < n; at += G2_COLUMNS, panel += TI_G2_BYTES) {
            g2_put(panel, r, codes + at, ti_f32_to_f16(scales[at / run]));
        }
    }
    return TERN_OK;
}

tern_status ti_pack_g2(void *data, size_t kp, const ti_source *src, uint64_t r0, uint64_t r1,
                       tern_err *err)
{
    uint8_t zeros[G2_COLUMNS];
    memset(zeros, ZERO, sizeof zeros);
    TI_ASSERT(kp == src->k); /* every block that has a scale is a multiple of 64 */
    size_t panel_bytes = kp / G2_COLUMNS * TI_G2_BYTES;
    for (uint64_t r = r0; r < r1 || r % TI_PANEL != 0; r++) {
        uint8_t *panel = (uint8_t *)data + r / TI_PANEL * panel_bytes;
        if (r < r1) {
            TI_TRY(g2_row(panel, r % TI_PANEL, src, r, err));
            continue;
        }
        for (size_t u = 0; u < panel_bytes; u += TI_G2_BYTES) {
            g2_put(panel + u, r % TI_PANEL, zeros, 0);
        }
    }
    return TERN_OK;
}

/* --- back -------------------------------------------------------------------------------- */

void ti_unpack_codes(uint8_t *codes, const ti_mat *w, size_t row)
{
    TI_ASSERT((w->layout == TI_L_T2 || w->layout == TI_L_T5) && row < w->rows);
    if (w->layout == TI_L_T2) {
        const uint8_t *p = (const uint8_t *)w->data + row * ti_t2_row_bytes(w->kp);
        for (size_t c = 0; c < w->k; c++) {
            codes[c] = p[c / 256 * 64 + c % 64] >> (c % 256 / 64 * 2) & 3;
        }
        return;
    }
    static const uint8_t divisor[3] = {1, 3, 9};
    const uint8_t *panel = (const uint8_t *)w->data + row / 3 * ti_t5_panel_bytes(w->kp);
    const uint8_t *bits = panel + w->kp / 2;
    for (size_t c = 0; c < w->k; c++) {
        unsigned low = panel[c / 128 * 64 + c % 64] >> (c % 128 / 64 * 4) & 15u;
        unsigned five = low | (bits[c / 8] >> c % 8 & 1u) << 4;
        codes[c] = (uint8_t)(five / divisor[row % 3] % 3);
    }
}
