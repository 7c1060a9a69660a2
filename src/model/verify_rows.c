/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of tensors as floats, also of the packed layouts, read straight from the byte tables of
 * kern/pack.h: slow, and without a line of the kernels. */
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "model/load.h"
#include "model/verify_parts.h"

enum { T5_CODES = 27, BAD_CODE = 3 };

bool ti_row_room_new(ti_row_room *room, uint64_t k)
{
    *room = (ti_row_room){.values = ti_calloc((size_t)k, sizeof(float)),
                          .scales = ti_calloc((size_t)k, sizeof(float)),
                          .codes = ti_calloc((size_t)k, 1)};
    return room->values && room->scales && room->codes;
}

void ti_row_room_free(ti_row_room *room)
{
    free(room->values);
    free(room->scales);
    free(room->codes);
    *room = (ti_row_room){0};
}

tern_status ti_rows_open(ti_rows *rows, const ti_gguf *gguf, const ti_gguf_tensor *t,
                         tern_err *err)
{
    ti_layout layout;
    *rows = (ti_rows){.tensor = t, .ternary = t->type->ternary};
    TI_TRY(ti_load_extra_scale(gguf, t, &rows->factor, err));
    if (ti_load_packed_layout(t->type->type, &layout)) {
        TI_TRY(ti_load_bind_packed(gguf, &rows->mat, t, layout, err));
        rows->ternary = ti_layout_act(layout) == TI_ACT_TOKEN;
    } else if (!t->type->decodable) {
        return ti_fail(err, TERN_UNSUPPORTED, "verify", t->offset,
                       "tensor '%s' has type %s, which is not for weights", t->name,
                       t->type->name);
    }
    return TERN_OK;
}

/* --- packed layouts ----------------------------------------------------------------------- */

static float half_at(const uint8_t *p, size_t lane)
{
    return ti_f16_to_f32(ti_load_u16(p + 2 * lane));
}

/* Where a lane's byte for the four columns of group g begins. */
static size_t place(size_t g, size_t lane)
{
    return (g * TI_PANEL + lane) * 4;
}

/* Code of column c of 32: nibbles hold groups g and g + 4, pairs g, g + 2, g + 4, g + 6. */
static unsigned nibble_at(const uint8_t *p, size_t lane, size_t c)
{
    size_t g = c / 4;
    return p[place(g % 4, lane) + c % 4] >> (g < 4 ? 0 : 4) & 15u;
}

static unsigned pair_at(const uint8_t *p, size_t lane, size_t c)
{
    size_t g = c / 4;
    return p[place(g % 2, lane) + c % 4] >> (g / 2 * 2) & 3u;
}

enum { HALVES = 2 * TI_PANEL, NIBBLES = 4 * TI_PANEL * 4, PAIRS = 2 * TI_PANEL * 4 };

static float k4_at(const uint8_t *b, size_t lane, size_t c)
{
    const uint8_t *sub = b + 2 * HALVES + c / TI_BLOCK * (2 * TI_PANEL + NIBBLES);
    float scale = half_at(b, lane) * (float)sub[lane];
    float min = half_at(b + HALVES, lane) * (float)sub[TI_PANEL + lane];
    return scale * (float)nibble_at(sub + 2 * TI_PANEL, lane, c % TI_BLOCK) - min;
}

static float k6_at(const uint8_t *b, size_t lane, size_t c)
{
    const uint8_t *sub = b + HALVES + c / TI_BLOCK * (2 * TI_PANEL + NIBBLES + PAIRS);
    const uint8_t *codes = sub + 2 * TI_PANEL;
    size_t in = c % TI_BLOCK;
    float scale = half_at(b, lane) * (float)(int8_t)sub[in / 16 * TI_PANEL + lane];
    unsigned code = nibble_at(codes, lane, in) | pair_at(codes + NIBBLES, lane, in) << 4;
    return scale * (float)((int)code - 32);
}

/* Weight in column c of a block, which `columns` wide blocks are in a row. */
static float block_at(ti_layout layout, const uint8_t *b, size_t lane, size_t c)
{
    const uint8_t *codes = b + HALVES;
    float d = half_at(b, lane);
    switch (layout) {
    case TI_L_G8:
        return d * (float)(codes[place(c / 4, lane) + c % 4] - 128);
    case TI_L_G4:
        return d * (float)((int)nibble_at(codes, lane, c) - 8);
    case TI_L_G4M:
        return d * (float)nibble_at(codes + HALVES, lane, c) + half_at(codes, lane);
    case TI_L_G2:
        return d * (float)((int)pair_at(codes + c / 32 * PAIRS, lane, c % 32) - 1);
    case TI_L_K4:
        return k4_at(b, lane, c);
    default:
        return k6_at(b, lane, c);
    }
}

static void get_blocks(const ti_mat *mat, size_t r, float *out)
{
    static const struct {
        size_t columns, bytes;
    } shape[TI_L_COUNT] = {
        [TI_L_G2] = {64, TI_G2_BYTES},   [TI_L_G4] = {32, TI_G4_BYTES},
        [TI_L_G4M] = {32, TI_G4M_BYTES}, [TI_L_G8] = {32, TI_G8_BYTES},
        [TI_L_K4] = {256, TI_K4_BYTES},  [TI_L_K6] = {256, TI_K6_BYTES},
    };
    size_t columns = shape[mat->layout].columns, bytes = shape[mat->layout].bytes;
    const uint8_t *panel =
        (const uint8_t *)mat->data + r / TI_PANEL * (mat->kp / columns) * bytes;
    for (size_t c = 0; c < mat->k; c++) {
        out[c] = block_at(mat->layout, panel + c / columns * bytes, r % TI_PANEL, c % columns);
    }
}

/* Codes of a row of T2 or T5; BAD_CODE for what stands for no weight. */
static void get_codes(const ti_mat *mat, size_t r, uint8_t *codes)
{
    ti_unpack_codes(codes, mat, r);
    if (mat->layout != TI_L_T5) {
        return;
    }
    const uint8_t *panel = (const uint8_t *)mat->data + r / 3 * ti_t5_panel_bytes(mat->kp);
    const uint8_t *bits = panel + mat->kp / 2;
    for (size_t c = 0; c < mat->k; c++) {
        unsigned low = panel[c / 128 * 64 + c % 64] >> (c % 128 / 64 * 4) & 15u;
        unsigned five = low | (bits[c / 8] >> c % 8 & 1u) << 4;
        codes[c] = five < T5_CODES ? codes[c] : BAD_CODE;
    }
}

/* --- any tensor --------------------------------------------------------------------------- */

void ti_rows_get(const ti_rows *rows, uint64_t r, ti_row_room *room)
{
    const ti_gguf_tensor *t = rows->tensor;
    size_t k = (size_t)t->dims[0];
    if (rows->mat.data && ti_load_has_scales(rows->mat.layout)) {
        get_codes(&rows->mat, (size_t)r, room->codes);
        for (size_t c = 0; c < k; c++) {
            room->values[c] = rows->mat.scales[r] * (float)((int)room->codes[c] - 1);
        }
    } else if (rows->mat.data) {
        get_blocks(&rows->mat, (size_t)r, room->values);
    } else {
        ti_type_to_f32(room->values, t->type, t->data, k, t->rows, r, 0, k);
    }
    for (size_t c = 0; c < k && rows->factor != 1.0f; c++) {
        room->values[c] *= rows->factor;
    }
}

static bool all_finite(const float *v, size_t n)
{
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        good &= (ti_float_bits(v[i]) & 0x7f800000u) != 0x7f800000u;
    }
    return good;
}

const char *ti_rows_check(const ti_rows *rows, uint64_t r, ti_row_room *room)
{
    const ti_gguf_tensor *t = rows->tensor;
    size_t k = (size_t)t->dims[0];
    ti_rows_get(rows, r, room);
    bool good = true;
    if (rows->mat.data && ti_load_has_scales(rows->mat.layout)) {
        for (size_t c = 0; c < k; c++) {
            good &= room->codes[c] < BAD_CODE;
        }
    } else if (t->type->ternary && t->type->type != TI_Q2_0 && t->type->type != TI_PQ2_0) {
        uint32_t run = 0; /* Q2_0 may have +2: packed as such, no fault */
        good = ti_type_to_trits(room->codes, room->scales, &run, t->type, t->data, k, t->rows,
                                r, 0, k);
        if (good && !all_finite(room->scales, (k + run - 1) / run)) {
            return "has a scale that is not finite";
        }
    }
    if (!good) {
        return "has a code that stands for none of -1, 0, +1";
    }
    return all_finite(room->values, k) ? NULL : "has a weight that is not finite";
}
