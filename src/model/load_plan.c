/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of loading: which layout each matrix gets, and its place in one region. */
#include <stdio.h>
#include <string.h>

#include "kern/cpu.h"
#include "model/load.h"

static const char module[] = "model";

enum { PIECE_WEIGHTS = 4 << 20, TRANSPOSE_COLUMNS = 256 };

bool ti_load_packed_layout(ti_type type, ti_layout *layout)
{
    static const struct {
        ti_type type;
        ti_layout layout;
    } map[] = {{TI_PACK_T2, TI_L_T2}, {TI_PACK_T5, TI_L_T5},   {TI_PACK_G8, TI_L_G8},
               {TI_PACK_G4, TI_L_G4}, {TI_PACK_G4M, TI_L_G4M}, {TI_PACK_K4, TI_L_K4},
               {TI_PACK_K6, TI_L_K6}, {TI_PACK_G2, TI_L_G2}};
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (map[i].type == type) {
            *layout = map[i].layout;
            return true;
        }
    }
    return false;
}

tern_status ti_load_bind_packed(const ti_gguf *gguf, ti_mat *mat, const ti_gguf_tensor *t,
                                ti_layout layout, tern_err *err)
{
    uint32_t kp = 0;
    size_t need = ti_pack_bytes(layout, t->rows, t->dims[0], &kp);
    if (need == 0 || t->bytes < need || (uintptr_t)t->data % TI_ALIGN != 0) {
        return ti_fail(err, TERN_CORRUPT, module, t->offset,
                       "tensor '%s': packed data is too short or not aligned", t->name);
    }
    *mat = (ti_mat){.layout = layout,
                    .rows = (uint32_t)t->rows,
                    .k = (uint32_t)t->dims[0],
                    .kp = kp,
                    .data = t->data,
                    .bytes = need};
    if (ti_load_has_scales(layout)) {
        char name[TI_GGUF_MAX_NAME_BYTES + 16];
        size_t stem = strlen(t->name) - strlen("weight"); /* slots' names end so */
        snprintf(name, sizeof name, "%.*srow_scale", (int)stem, t->name);
        const ti_gguf_tensor *s = NULL;
        TI_TRY(ti_load_find(gguf, name, t->rows, 1, &s, err));
        if (s->type->type != TI_F32 || (uintptr_t)s->data % sizeof(float) != 0) {
            return ti_fail(err, TERN_CORRUPT, module, s->offset, "tensor '%s' must be F32",
                           name);
        }
        mat->scales = (const float *)(const void *)s->data;
        mat->bytes += s->bytes;
        for (uint64_t r = 0; r < t->rows; r++) {
            if (!__builtin_isfinite(mat->scales[r])) {
                return ti_fail(err, TERN_CORRUPT, module, s->offset,
                               "tensor '%s': element %llu is not finite", name,
                               (unsigned long long)r);
            }
        }
    }
    return TERN_OK;
}

tern_status ti_load_extra_scale(const ti_gguf *gguf, const ti_gguf_tensor *t, float *factor,
                                tern_err *err)
{
    char name[TI_GGUF_MAX_NAME_BYTES + 16];
    size_t len = strlen(t->name);
    *factor = 1.0f;
    if (len < 6 || strcmp(t->name + len - 6, "weight") != 0) {
        return TERN_OK;
    }
    snprintf(name, sizeof name, "%.*sscale", (int)(len - 6), t->name);
    if (!ti_gguf_tensor_find(gguf, name)) {
        return TERN_OK;
    }
    const ti_gguf_tensor *s = NULL;
    TI_TRY(ti_load_find(gguf, name, 1, 1, &s, err));
    if (s->type->type != TI_F32) {
        return ti_fail(err, TERN_UNSUPPORTED, module, s->offset, "tensor '%s' must be F32",
                       name);
    }
    ti_type_to_f32(factor, s->type, s->data, 1, 1, 0, 0, 1);
    if (!__builtin_isfinite(*factor)) {
        return ti_fail(err, TERN_CORRUPT, module, s->offset, "tensor '%s' is not finite", name);
    }
    return TERN_OK;
}

/* Reserves a place for a matrix in the region. */
static tern_status reserve(ti_loader *l, ti_job *j, ti_layout layout, uint64_t rows, uint64_t k,
                           tern_err *err)
{
    uint32_t kp = 0;
    size_t bytes = ti_pack_bytes(layout, rows, k, &kp);
    if (bytes == 0) {
        return ti_fail(err, TERN_LIMIT, module, j->tensor->offset, "tensor '%s' is too large",
                       j->tensor->name);
    }
    *j->mat = (ti_mat){.layout = layout, .rows = (uint32_t)rows, .k = (uint32_t)k, .kp = kp};
    j->at = l->bytes;
    l->bytes += ti_round_up(bytes, TI_ALIGN);
    j->mat->bytes = bytes;
    if (ti_load_has_scales(layout)) {
        j->scales_at = l->bytes;
        l->bytes += ti_round_up(rows * sizeof(float), TI_ALIGN);
        j->mat->bytes += rows * sizeof(float);
    }
    return TERN_OK;
}

static void cut(ti_loader *l, ti_job *j, uint64_t rows, uint64_t k, size_t grain)
{
    size_t some = (size_t)(PIECE_WEIGHTS / k) / grain * grain;
    j->piece_rows = some ? some : grain;
    j->first_piece = l->n_pieces;
    j->n_pieces = (size_t)((rows + j->piece_rows - 1) / j->piece_rows);
    l->n_pieces += j->n_pieces;
    l->total_weights += rows * k;
    l->n_jobs++;
}

/* What is wanted of a matrix. */
typedef struct wish {
    ti_layout ternary; /* of ternary weights */
    ti_layout forced;  /* whatever the file has; TI_L_COUNT = its own */
    bool repack;       /* also ternary weights that are packed in the file already */
} wish;

/* A matrix that is packed in the file is used where it lies, even if another layout were
 * faster here: whoever packed it chose, and memory stays shared.  It is packed again when that
 * is asked for. */
static tern_status plan_packed(ti_loader *l, ti_job *j, ti_layout layout, wish want,
                               tern_err *err)
{
    const ti_gguf_tensor *t = j->tensor;
    if (j->factor != 1.0f || (want.forced != TI_L_COUNT && want.forced != layout)) {
        return ti_fail(err, TERN_UNSUPPORTED, module, t->offset,
                       "tensor '%s' is packed as %s and cannot %s", t->name,
                       ti_layout_name(layout),
                       j->factor != 1.0f ? "have a .scale tensor" : "get another type");
    }
    TI_TRY(ti_load_bind_packed(&l->model->gguf, j->mat, t, layout, err));
    if (ti_load_has_scales(layout) && layout != want.ternary && want.repack) {
        j->kind = TI_JOB_REPACK;
        j->from = *j->mat;
        TI_TRY(reserve(l, j, want.ternary, t->rows, t->dims[0], err));
        cut(l, j, t->rows, t->dims[0], ti_layout_grain(want.ternary));
    }
    return TERN_OK;
}

static tern_status plan_matrix(ti_loader *l, ti_mat *mat, const ti_gguf_tensor *t, wish want,
                               tern_err *err)
{
    tern_model *model = l->model;
    ti_job *j = &l->jobs[l->n_jobs];
    *j = (ti_job){.tensor = t,
                  .mat = mat,
                  .src = {.type = t->type, .data = t->data, .rows = t->rows, .k = t->dims[0]}};
    TI_TRY(ti_load_extra_scale(&model->gguf, t, &j->factor, err));
    ti_layout layout;
    if (ti_load_packed_layout(t->type->type, &layout)) {
        return plan_packed(l, j, layout, want, err);
    }
    layout = want.forced != TI_L_COUNT ? want.forced : ti_pack_choose(&j->src, want.ternary);
    if (layout == TI_L_COUNT) {
        return ti_fail(err, TERN_UNSUPPORTED, module, t->offset,
                       "tensor '%s': type %s cannot be a matrix", t->name, t->type->name);
    }
    if (j->factor != 1.0f && !ti_load_has_scales(layout)) {
        return ti_fail(err, TERN_UNSUPPORTED, module, t->offset,
                       "tensor '%s': a .scale tensor needs ternary weights", t->name);
    }
    size_t width = layout == TI_L_F32 ? sizeof(float) : sizeof(uint16_t);
    if (layout <= TI_L_BF16 && t->dims[0] % TI_LANES == 0 && (uintptr_t)t->data % width == 0) {
        *mat = (ti_mat){.layout = layout,
                        .rows = (uint32_t)t->rows,
                        .k = (uint32_t)t->dims[0],
                        .kp = (uint32_t)t->dims[0],
                        .data = t->data,
                        .bytes = t->bytes};
        j->kind = TI_JOB_CHECK;
    } else {
        j->kind = TI_JOB_PACK;
        TI_TRY(reserve(l, j, layout, t->rows, t->dims[0], err));
    }
    cut(l, j, t->rows, t->dims[0], ti_layout_grain(layout));
    return TERN_OK;
}

static tern_status plan_transpose(ti_loader *l, ti_layer *layer, const ti_gguf_tensor *down,
                                  tern_err *err)
{
    ti_job *j = &l->jobs[l->n_jobs];
    *j = (ti_job){
        .kind = TI_JOB_TRANSPOSE,
        .tensor = down,
        .mat = &layer->down_t,
        .factor = 1.0f,
        .src = {
            .type = down->type, .data = down->data, .rows = down->rows, .k = down->dims[0]}};
    ti_layout layout;
    if (ti_load_packed_layout(down->type->type, &layout)) {
        TI_TRY(ti_load_bind_packed(&l->model->gguf, &j->from, down, layout, err));
    }
    TI_TRY(reserve(l, j, TI_L_T2, down->dims[0], down->rows, err));
    cut(l, j, down->dims[0], down->rows, TRANSPOSE_COLUMNS);
    return TERN_OK;
}

static ti_layout head_layout(const tern_model *model, const ti_gguf_tensor *t,
                             const char *wanted)
{
    ti_type type = t->type->type;
    bool floats = type == TI_F32 || type == TI_F16 || type == TI_BF16;
    bool whole_blocks =
        t->dims[0] % TI_BLOCK == 0 && (t->type->decodable || type >= TI_PACK_FIRST);
    if (wanted && strcmp(wanted, "q8_0") == 0 && whole_blocks) {
        return TI_L_G8;
    }
    if (wanted && strcmp(wanted, "q4_0") == 0 && whole_blocks) {
        return TI_L_G4;
    }
    /* A float head of a quantised model costs more than all the rest of a step and gains
     * nothing measurable over int8; in a float model it is kept as everything else is. */
    const ti_gguf_tensor *body = ti_gguf_tensor_find(&model->gguf, "blk.0.ffn_up.weight");
    ti_type body_type = body ? body->type->type : TI_F32;
    bool float_body = body_type == TI_F32 || body_type == TI_F16 || body_type == TI_BF16;
    if (!wanted && floats && !float_body && whole_blocks) {
        return TI_L_G8;
    }
    return TI_L_COUNT; /* its own */
}

/* The layout of ternary weights.  What stays in a cache is not bound by bytes, and T2 takes
 * fewer instructions: 1.13 times the tokens at 100M weights (docs/performance.md). */
static ti_layout ternary_layout(const tern_model *model)
{
    const ti_config *c = &model->config;
    uint64_t per_layer =
        (uint64_t)c->n_embd * c->head_dim * (2 * c->n_head + 2 * c->n_head_kv) +
        3 * (uint64_t)c->n_embd * c->n_ff;
    bool cached = per_layer * c->n_layer / 4 <= ti_cpu_cache_bytes();
    return cached ? TI_L_T2 : model->kern->ternary;
}

tern_status ti_load_plan(ti_loader *l, const ti_mat_slot *slots, size_t n_slots, tern_err *err)
{
    tern_model *model = l->model;
    const ti_config *c = &model->config;
    wish want = {ternary_layout(model), TI_L_COUNT, l->opts->layout != NULL};
    if (l->opts->layout) {
        want.ternary = strcmp(l->opts->layout, "t5") == 0 ? TI_L_T5 : TI_L_T2;
    }
    const wish skipped = {TI_L_T2, TI_L_COUNT, true}; /* rows that exact sparsity skips */
    uint64_t q_dim = (uint64_t)c->n_head * c->head_dim;
    uint64_t kv_dim = (uint64_t)c->n_head_kv * c->head_dim;
    const uint64_t shape[TI_SLOTS_PER_LAYER][2] = {
        {c->n_embd, q_dim},   {c->n_embd, kv_dim},  {c->n_embd, kv_dim}, {q_dim, c->n_embd},
        {c->n_embd, c->n_ff}, {c->n_embd, c->n_ff}, {c->n_ff, c->n_embd}};
    for (size_t s = 0; s + 1 < n_slots; s++) {
        const uint64_t *dims = shape[s % TI_SLOTS_PER_LAYER];
        const ti_gguf_tensor *t = NULL;
        TI_TRY(ti_load_find(&model->gguf, slots[s].name, dims[0], dims[1], &t, err));
        bool up = s % TI_SLOTS_PER_LAYER == 5, down = s % TI_SLOTS_PER_LAYER == 6;
        TI_TRY(plan_matrix(l, slots[s].mat, t, up && model->sparse ? skipped : want, err));
        ti_layer *layer = &model->layers[s / TI_SLOTS_PER_LAYER];
        if (down && model->sparse && ti_load_has_scales(layer->down.layout) &&
            layer->up.layout == TI_L_T2) {
            TI_TRY(plan_transpose(l, layer, t, err));
        }
    }
    const ti_gguf_tensor *head = NULL;
    TI_TRY(
        ti_load_find(&model->gguf, slots[n_slots - 1].name, c->n_embd, c->n_vocab, &head, err));
    want.forced = head_layout(model, head, l->opts->head);
    return plan_matrix(l, &model->head, head, want, err);
}
