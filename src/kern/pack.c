/* SPDX-License-Identifier: Apache-2.0 */
/* Which layout, how many bytes, and the layouts that need no packing.
 *
 * Rows are padded to the layout's grain with weights that are zero, written as such (not left
 * as zero bytes, which are -1 in a ternary layout): a packed matrix is the same bytes whoever
 * packed it and in however many parts. */
#include "kern/pack.h"

#include <string.h>

#include "base/mem.h"
#include "kern/pack_parts.h"

static const char module[] = "pack";

/* A layout as a grid: units of `columns` x `rows` weights in `bytes`. */
typedef struct unit {
    uint32_t columns, rows, bytes;
} unit;

static unit unit_of(ti_layout layout)
{
    switch (layout) {
    case TI_L_F32:
        return (unit){16, 1, 64};
    case TI_L_F16:
    case TI_L_BF16:
        return (unit){16, 1, 32};
    case TI_L_T2:
        return (unit){256, 1, 64};
    case TI_L_T5: /* without the zeros at the end of the panel */
        return (unit){128, 3, 80};
    case TI_L_G2:
        return (unit){64, TI_PANEL, TI_G2_BYTES};
    case TI_L_G4:
        return (unit){TI_BLOCK, TI_PANEL, TI_G4_BYTES};
    case TI_L_G4M:
        return (unit){TI_BLOCK, TI_PANEL, TI_G4M_BYTES};
    case TI_L_G8:
        return (unit){TI_BLOCK, TI_PANEL, TI_G8_BYTES};
    case TI_L_K4:
        return (unit){256, TI_PANEL, TI_K4_BYTES};
    case TI_L_K6:
        return (unit){256, TI_PANEL, TI_K6_BYTES};
    case TI_L_COUNT:
        break;
    }
    TI_ASSERT(!"a layout");
    return (unit){1, 1, 1};
}

size_t ti_pack_bytes(ti_layout layout, uint64_t rows, uint64_t k, uint32_t *kp)
{
    unit u = unit_of(layout);
    uint64_t grain = ti_layout_grain(layout), bytes;
    if (rows > UINT32_MAX - grain || k > UINT32_MAX - u.columns) {
        return 0;
    }
    uint64_t across = (k + u.columns - 1) / u.columns;
    uint64_t panels = (rows + grain - 1) / grain * grain / u.rows;
    uint64_t panel = across * u.bytes; /* below 2^32 * 8 */
    if (layout == TI_L_T5) {
        panel = ti_t5_panel_bytes((size_t)across * u.columns);
    }
    if (!ti_mul_u64(panels, panel, &bytes) || bytes > PTRDIFF_MAX) {
        return 0;
    }
    *kp = (uint32_t)(across * u.columns);
    return (size_t)bytes;
}

ti_layout ti_pack_choose(const ti_source *src, ti_layout ternary)
{
    if (src->type->ternary) {
        return ti_pack_uniform(src) ? ternary : TI_L_G2;
    }
    switch (src->type->type) {
    case TI_F32:
        return TI_L_F32;
    case TI_F16:
        return TI_L_F16;
    case TI_BF16:
        return TI_L_BF16;
    case TI_Q4_0:
        return TI_L_G4;
    case TI_Q4_1:
        return TI_L_G4M;
    case TI_Q8_0:
        return TI_L_G8;
    case TI_Q4_K:
        return TI_L_K4;
    case TI_Q6_K:
        return TI_L_K6;
    default:
        return TI_L_COUNT;
    }
}

/* Whether a type can be packed into a layout. */
static bool suits(ti_layout layout, const ti_type_info *type)
{
    switch (layout) {
    case TI_L_T2:
    case TI_L_T5:
        return type->ternary;
    case TI_L_G2:
        return type->ternary && ti_pack_scale_in_block(type);
    case TI_L_G8:
    case TI_L_G4:
        return type->decodable;
    case TI_L_F32:
        return type->type == TI_F32;
    case TI_L_F16:
        return type->type == TI_F16;
    case TI_L_BF16:
        return type->type == TI_BF16;
    case TI_L_G4M:
        return type->type == TI_Q4_1;
    case TI_L_K4:
        return type->type == TI_Q4_K;
    case TI_L_K6:
        return type->type == TI_Q6_K;
    case TI_L_COUNT:
        break;
    }
    return false;
}

/* Rows as the file has them, only farther apart; `data` was zero, so the padding is. */
static void copy_rows(void *data, size_t kp, const ti_source *src, uint64_t r0, uint64_t r1)
{
    size_t width = src->type->block_bytes, row_bytes = (size_t)src->k * width;
    for (uint64_t r = r0; r < r1; r++) {
        memcpy((uint8_t *)data + r * kp * width, (const uint8_t *)src->data + r * row_bytes,
               row_bytes);
    }
}

tern_status ti_pack_rows(ti_layout layout, void *data, float *scales, const ti_source *src,
                         uint64_t r0, uint64_t r1, tern_err *err)
{
    size_t grain = ti_layout_grain(layout);
    TI_ASSERT(r0 <= r1 && r1 <= src->rows && r0 % grain == 0);
    TI_ASSERT(r1 % grain == 0 || r1 == src->rows);
    uint32_t kp;
    if (!suits(layout, src->type)) {
        return ti_fail(err, TERN_UNSUPPORTED, module, TI_NO_OFFSET,
                       "type %s cannot be packed as %s", src->type->name,
                       ti_layout_name(layout));
    }
    if (ti_pack_bytes(layout, src->rows, src->k, &kp) == 0) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "the matrix is empty or too large");
    }
    switch (layout) {
    case TI_L_F32:
    case TI_L_F16:
    case TI_L_BF16:
        copy_rows(data, kp, src, r0, r1);
        return TERN_OK;
    case TI_L_T2:
    case TI_L_T5:
        return ti_pack_trits(layout, data, kp, scales, src, r0, r1, err);
    case TI_L_G2:
        return ti_pack_g2(data, kp, src, r0, r1, err);
    default:
        ti_pack_blocks(layout, data, kp, src, r0, r1);
        return TERN_OK;
    }
}
