/* SPDX-License-Identifier: Apache-2.0 */
/* Binding tensors to the network and packing them for the kernels.
 *
 * First a plan: each matrix is found, its shape checked, its layout chosen, its place in one
 * region reserved.  Then all threads pack pieces of it, taking the next piece when they are
 * done with one; a piece's pages of the file are given back at once, so that the file and its
 * packed copy are never both in memory.  A matrix that the file already has in the right
 * layout (float, or written by `tern model pack`) is used where it is mapped. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/weights.h"

static const char module[] = "model";

enum { PIECE_WEIGHTS = 4 << 20, TRANSPOSE_COLUMNS = 256, SLOTS_PER_LAYER = 7 };

typedef enum job_kind {
    JOB_PACK,      /* from the file's type */
    JOB_REPACK,    /* from the other packed ternary layout */
    JOB_TRANSPOSE, /* down_t */
    JOB_CHECK      /* floats used in place: must be finite */
} job_kind;

typedef struct job {
    job_kind kind;
    const ti_gguf_tensor *tensor;
    ti_source src;
    ti_mat from; /* JOB_REPACK */
    ti_mat *mat;
    size_t at, scales_at; /* places in the region */
    float factor;         /* of all scales: an extra `.scale` tensor */
    size_t piece_rows, first_piece, n_pieces;
} job;

typedef struct loader {
    tern_model *model;
    const tern_model_opts *opts;
    job *jobs;
    size_t n_jobs, n_pieces, bytes;
    uint64_t total_weights;
    atomic_size_t next;
    atomic_uint_fast64_t done_weights;
    atomic_int failed; /* a tern_status; the first failure wins */
    tern_err err;
} loader;

/* --- names and shapes --------------------------------------------------------------------- */

size_t ti_weights_slots(tern_model *model, ti_mat_slot *slots)
{
    size_t n = 0;
    for (uint32_t i = 0; i < model->config.n_layer; i++) {
        ti_layer *l = &model->layers[i];
        const struct {
            const char *name;
            ti_mat *mat;
        } mats[SLOTS_PER_LAYER] = {{"attn_q", &l->q},      {"attn_k", &l->k},
                                   {"attn_v", &l->v},      {"attn_output", &l->o},
                                   {"ffn_gate", &l->gate}, {"ffn_up", &l->up},
                                   {"ffn_down", &l->down}};
        for (size_t j = 0; j < SLOTS_PER_LAYER; j++, n++) {
            snprintf(slots[n].name, sizeof slots[n].name, "blk.%u.%s.weight", i, mats[j].name);
            slots[n].mat = mats[j].mat;
        }
    }
    bool own_head = ti_gguf_tensor_find(&model->gguf, "output.weight") != NULL;
    snprintf(slots[n].name, sizeof slots[n].name, "%s",
             own_head ? "output.weight" : "token_embd.weight");
    slots[n].mat = &model->head;
    return n + 1;
}

static tern_status find(const tern_model *model, const char *name, uint64_t k, uint64_t rows,
                        const ti_gguf_tensor **out, tern_err *err)
{
    const ti_gguf_tensor *t = ti_gguf_tensor_find(&model->gguf, name);
    if (!t) {
        return ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET, "tensor '%s' is missing", name);
    }
    if (t->dims[0] != k || t->rows != rows) {
        return ti_fail(err, TERN_CORRUPT, module, t->offset,
                       "tensor '%s' is %llu x %llu, must be %llu x %llu", name,
                       (unsigned long long)t->dims[0], (unsigned long long)t->rows,
                       (unsigned long long)k, (unsigned long long)rows);
    }
    *out = t;
    return TERN_OK;
}

/* A vector of n floats, copied (files may hold halves) and finite. */
static tern_status load_vector(tern_model *model, const char *name, uint64_t n,
                               const float **out, tern_err *err)
{
    const ti_gguf_tensor *t = NULL;
    TI_TRY(find(model, name, n, 1, &t, err));
    ti_type type = t->type->type;
    if (type != TI_F32 && type != TI_F16 && type != TI_BF16) {
        return ti_fail(err, TERN_UNSUPPORTED, module, t->offset,
                       "tensor '%s' has type %s, must be F32, F16 or BF16", name,
                       t->type->name);
    }
    float *v = ti_arena_calloc(&model->arena, n, sizeof *v);
    if (!v) {
        return ti_fail_nomem(err, module, n * sizeof *v, name);
    }
    ti_type_to_f32(v, t->type, t->data, n, 1, 0, 0, n);
    for (uint64_t i = 0; i < n; i++) {
        if (!__builtin_isfinite(v[i])) {
            return ti_fail(err, TERN_CORRUPT, module, t->offset,
                           "tensor '%s': element %llu is not finite", name,
                           (unsigned long long)i);
        }
    }
    *out = v;
    return TERN_OK;
}

static tern_status layer_vector(tern_model *model, uint32_t layer, const char *part, uint64_t n,
                                const float **out, tern_err *err)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%u.%s.weight", layer, part);
    return load_vector(model, name, n, out, err);
}

static tern_status load_vectors(tern_model *model, tern_err *err)
{
    const ti_config *c = &model->config;
    for (uint32_t i = 0; i < c->n_layer; i++) {
        ti_layer *l = &model->layers[i];
        TI_TRY(layer_vector(model, i, "attn_norm", c->n_embd, &l->attn_norm, err));
        TI_TRY(layer_vector(model, i, "ffn_norm", c->n_embd, &l->ffn_norm, err));
        if (c->sub_norms) {
            TI_TRY(layer_vector(model, i, "attn_sub_norm", (uint64_t)c->n_head * c->head_dim,
                                &l->attn_sub_norm, err));
            TI_TRY(layer_vector(model, i, "ffn_sub_norm", c->n_ff, &l->ffn_sub_norm, err));
        }
        if (c->qk_norms) {
            TI_TRY(layer_vector(model, i, "attn_q_norm", c->head_dim, &l->q_norm, err));
            TI_TRY(layer_vector(model, i, "attn_k_norm", c->head_dim, &l->k_norm, err));
        }
    }
    TI_TRY(load_vector(model, "output_norm.weight", c->n_embd, &model->output_norm, err));
    if (ti_gguf_tensor_find(&model->gguf, "rope_freqs.weight")) {
        TI_TRY(load_vector(model, "rope_freqs.weight", c->rope_dim / 2, &model->rope_factors,
                           err));
    }
    return TERN_OK;
}

/* Every tensor of the file must be one that the network uses: a bias or a norm that is
 * silently left out makes another model of it. */
static tern_status refuse_unused(const tern_model *model, const ti_mat_slot *slots,
                                 size_t n_slots, tern_err *err)
{
    const ti_config *c = &model->config;
    static const char *const vectors[] = {"attn_norm", "ffn_norm"};
    static const char *const subs[] = {"attn_sub_norm", "ffn_sub_norm"};
    static const char *const qk[] = {"attn_q_norm", "attn_k_norm"};
    size_t known = 2 + (c->n_layer * (2u + 2u * c->sub_norms + 2u * c->qk_norms)) + n_slots - 1;
    known += ti_gguf_tensor_find(&model->gguf, "output.weight") != NULL;
    known += model->rope_factors != NULL;
    for (size_t i = 0; i < model->gguf.n_tensors; i++) {
        const char *name = model->gguf.tensors[i].name, *dot = strrchr(name, '.');
        known += dot && (strcmp(dot, ".scale") == 0 || strcmp(dot, ".row_scale") == 0);
    }
    if (known == model->gguf.n_tensors) {
        return TERN_OK;
    }
    for (size_t i = 0; i < model->gguf.n_tensors; i++) {
        const char *name = model->gguf.tensors[i].name;
        unsigned layer;
        char part[64] = "";
        bool used = strcmp(name, "token_embd.weight") == 0 ||
                    strcmp(name, "output_norm.weight") == 0 ||
                    strcmp(name, "rope_freqs.weight") == 0;
        for (size_t s = 0; s < n_slots && !used; s++) {
            used = strcmp(name, slots[s].name) == 0;
        }
        if (!used && sscanf(name, "blk.%u.%63[a-z_].", &layer, part) == 2) {
            used = layer < c->n_layer && strstr(name, ".bias") == NULL;
            bool named = false;
            for (size_t v = 0; v < 2; v++) {
                named |= strcmp(part, vectors[v]) == 0;
                named |= c->sub_norms && strcmp(part, subs[v]) == 0;
                named |= c->qk_norms && strcmp(part, qk[v]) == 0;
            }
            const char *dot = strrchr(name, '.');
            named |= strcmp(dot, ".scale") == 0 || strcmp(dot, ".row_scale") == 0;
            used = used && named;
        }
        if (!used) {
            return ti_fail(err, TERN_UNSUPPORTED, module, model->gguf.tensors[i].offset,
                           "tensor '%s' is not part of architecture %s", name, c->name);
        }
    }
    return TERN_OK;
}

/* --- the plan ----------------------------------------------------------------------------- */

static bool packed_layout(ti_type type, ti_layout *layout)
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

static bool is_ternary_layout(ti_layout layout)
{
    return layout == TI_L_T2 || layout == TI_L_T5;
}

/* Fills in a matrix that lies packed in the file. */
static tern_status bind_packed(const tern_model *model, ti_mat *mat, const ti_gguf_tensor *t,
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
    if (is_ternary_layout(layout)) {
        char name[TI_GGUF_MAX_NAME_BYTES + 16];
        size_t stem = strlen(t->name) - strlen("weight");
        snprintf(name, sizeof name, "%.*srow_scale", (int)stem, t->name);
        const ti_gguf_tensor *s = NULL;
        TI_TRY(find(model, name, t->rows, 1, &s, err));
        if (s->type->type != TI_F32 || (uintptr_t)s->data % sizeof(float) != 0) {
            return ti_fail(err, TERN_CORRUPT, module, s->offset, "tensor '%s' must be F32",
                           name);
        }
        mat->scales = (const float *)(const void *)s->data;
        mat->bytes += s->bytes;
    }
    return TERN_OK;
}

/* Factor of an optional "<stem>.scale" tensor of one number. */
static tern_status extra_scale(const tern_model *model, const ti_gguf_tensor *t, float *factor,
                               tern_err *err)
{
    char name[TI_GGUF_MAX_NAME_BYTES + 16];
    size_t len = strlen(t->name);
    *factor = 1.0f;
    if (len < 6 || strcmp(t->name + len - 6, "weight") != 0) {
        return TERN_OK;
    }
    snprintf(name, sizeof name, "%.*sscale", (int)(len - 6), t->name);
    if (!ti_gguf_tensor_find(&model->gguf, name)) {
        return TERN_OK;
    }
    const ti_gguf_tensor *s = NULL;
    TI_TRY(find(model, name, 1, 1, &s, err));
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
static tern_status reserve(loader *l, job *j, ti_layout layout, uint64_t rows, uint64_t k,
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
    if (is_ternary_layout(layout)) {
        j->scales_at = l->bytes;
        l->bytes += ti_round_up(rows * sizeof(float), TI_ALIGN);
        j->mat->bytes += rows * sizeof(float);
    }
    return TERN_OK;
}

static void cut(loader *l, job *j, uint64_t rows, uint64_t k, size_t grain)
{
    size_t some = (size_t)(PIECE_WEIGHTS / k) / grain * grain;
    j->piece_rows = some ? some : grain;
    j->first_piece = l->n_pieces;
    j->n_pieces = (size_t)((rows + j->piece_rows - 1) / j->piece_rows);
    l->n_pieces += j->n_pieces;
    l->total_weights += rows * k;
    l->n_jobs++;
}

static tern_status plan_matrix(loader *l, ti_mat *mat, const ti_gguf_tensor *t,
                               ti_layout ternary, ti_layout forced, tern_err *err)
{
    tern_model *model = l->model;
    job *j = &l->jobs[l->n_jobs];
    *j = (job){.tensor = t,
               .mat = mat,
               .src = {.type = t->type, .data = t->data, .rows = t->rows, .k = t->dims[0]}};
    TI_TRY(extra_scale(model, t, &j->factor, err));
    ti_layout layout;
    if (packed_layout(t->type->type, &layout)) {
        TI_TRY(bind_packed(model, mat, t, layout, err));
        if (is_ternary_layout(layout) && layout != ternary) {
            j->kind = JOB_REPACK;
            j->from = *mat;
            TI_TRY(reserve(l, j, ternary, t->rows, t->dims[0], err));
            cut(l, j, t->rows, t->dims[0], ti_layout_grain(ternary));
        }
        return TERN_OK;
    }
    layout = forced != TI_L_COUNT ? forced : ti_pack_choose(&j->src, ternary);
    if (layout == TI_L_COUNT) {
        return ti_fail(err, TERN_UNSUPPORTED, module, t->offset,
                       "tensor '%s': type %s cannot be a matrix", t->name, t->type->name);
    }
    if (j->factor != 1.0f && !is_ternary_layout(layout)) {
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
        j->kind = JOB_CHECK;
    } else {
        j->kind = JOB_PACK;
        TI_TRY(reserve(l, j, layout, t->rows, t->dims[0], err));
    }
    cut(l, j, t->rows, t->dims[0], ti_layout_grain(layout));
    return TERN_OK;
}

static tern_status plan_transpose(loader *l, ti_layer *layer, const ti_gguf_tensor *down,
                                  tern_err *err)
{
    job *j = &l->jobs[l->n_jobs];
    *j = (job){
        .kind = JOB_TRANSPOSE,
        .tensor = down,
        .mat = &layer->down_t,
        .factor = 1.0f,
        .from = layer->down,
        .src = {
            .type = down->type, .data = down->data, .rows = down->rows, .k = down->dims[0]}};
    TI_TRY(reserve(l, j, TI_L_T2, down->dims[0], down->rows, err));
    cut(l, j, down->dims[0], down->rows, TRANSPOSE_COLUMNS);
    return TERN_OK;
}

static ti_layout head_layout(const tern_model *model, const ti_gguf_tensor *t,
                             const char *wanted)
{
    ti_type type = t->type->type;
    bool floats = type == TI_F32 || type == TI_F16 || type == TI_BF16;
    bool whole_blocks = t->dims[0] % TI_BLOCK == 0 && t->type->decodable;
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

static tern_status plan(loader *l, const ti_mat_slot *slots, size_t n_slots, tern_err *err)
{
    tern_model *model = l->model;
    const ti_config *c = &model->config;
    ti_layout ternary = model->kern->ternary;
    if (l->opts->layout) {
        ternary = strcmp(l->opts->layout, "t5") == 0 ? TI_L_T5 : TI_L_T2;
    }
    uint64_t q_dim = (uint64_t)c->n_head * c->head_dim;
    uint64_t kv_dim = (uint64_t)c->n_head_kv * c->head_dim;
    const uint64_t shape[SLOTS_PER_LAYER][2] = {
        {c->n_embd, q_dim},   {c->n_embd, kv_dim},  {c->n_embd, kv_dim}, {q_dim, c->n_embd},
        {c->n_embd, c->n_ff}, {c->n_embd, c->n_ff}, {c->n_ff, c->n_embd}};
    for (size_t s = 0; s + 1 < n_slots; s++) {
        const uint64_t *dims = shape[s % SLOTS_PER_LAYER];
        const ti_gguf_tensor *t = NULL;
        TI_TRY(find(model, slots[s].name, dims[0], dims[1], &t, err));
        bool up = s % SLOTS_PER_LAYER == 5, down = s % SLOTS_PER_LAYER == 6;
        TI_TRY(plan_matrix(l, slots[s].mat, t, up && model->sparse ? TI_L_T2 : ternary,
                           TI_L_COUNT, err));
        ti_layer *layer = &model->layers[s / SLOTS_PER_LAYER];
        if (down && model->sparse && is_ternary_layout(layer->down.layout) &&
            layer->up.layout == TI_L_T2 && t->type->ternary) {
            TI_TRY(plan_transpose(l, layer, t, err));
        }
    }
    const ti_gguf_tensor *head = NULL;
    TI_TRY(find(model, slots[n_slots - 1].name, c->n_embd, c->n_vocab, &head, err));
    return plan_matrix(l, &model->head, head, ternary, head_layout(model, head, l->opts->head),
                       err);
}

/* --- the work ----------------------------------------------------------------------------- */

static void fail_once(loader *l, tern_status status, const tern_err *err)
{
    int expected = TERN_OK;
    if (atomic_compare_exchange_strong(&l->failed, &expected, (int)status)) {
        l->err = *err;
    }
}

/* Gives the pages of a part of the mapped file back; they can be read again if needed. */
static void drop_pages(const void *data, uint64_t bytes)
{
#ifdef MADV_DONTNEED
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)data + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)data + bytes) / page * page;
    if (to > from) {
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
#endif
}

static tern_status check_floats(const job *j, uint64_t r0, uint64_t r1, tern_err *err)
{
    const ti_source *s = &j->src;
    bool good = true;
    if (s->type->type == TI_F32) {
        const uint32_t *p = (const uint32_t *)s->data + r0 * s->k;
        for (uint64_t i = 0; i < (r1 - r0) * s->k; i++) {
            good &= (p[i] & 0x7f800000u) != 0x7f800000u;
        }
    } else {
        uint16_t exponent = s->type->type == TI_F16 ? 0x7c00 : 0x7f80;
        const uint16_t *p = (const uint16_t *)s->data + r0 * s->k;
        for (uint64_t i = 0; i < (r1 - r0) * s->k; i++) {
            good &= (p[i] & exponent) != exponent;
        }
    }
    return good ? TERN_OK
                : ti_fail(err, TERN_CORRUPT, module, j->tensor->offset,
                          "tensor '%s' has elements that are not finite", j->tensor->name);
}

static tern_status repack(const job *j, uint64_t r0, uint64_t r1, tern_err *err)
{
    const ti_mat *from = &j->from;
    size_t grain = ti_layout_grain(j->mat->layout);
    uint8_t *codes = ti_calloc(grain, from->k);
    if (!codes) {
        return ti_fail_nomem(err, module, grain * from->k, "unpacked weights");
    }
    float *scales = (float *)(uintptr_t)j->mat->scales;
    for (uint64_t r = r0; r < r1; r += grain) {
        size_t n = r1 - r < grain ? (size_t)(r1 - r) : grain;
        for (size_t i = 0; i < n; i++) {
            ti_unpack_codes(codes + i * from->k, from, (size_t)r + i);
            scales[r + i] = from->scales[r + i] * j->factor;
        }
        ti_pack_codes(j->mat->layout, (void *)(uintptr_t)j->mat->data, j->mat->kp, codes,
                      from->k, (size_t)r, n);
    }
    free(codes);
    return TERN_OK;
}

/* Columns [c0, c1) of down become rows of down_t. */
static tern_status transpose(const job *j, uint64_t c0, uint64_t c1, tern_err *err)
{
    const ti_source *s = &j->src;
    size_t n = (size_t)(c1 - c0), rows = (size_t)s->rows;
    uint8_t *codes = ti_calloc(n, rows), *run = ti_calloc(n, 1);
    float *scales = ti_calloc(n, sizeof *scales);
    tern_status status = TERN_OK;
    if (!codes || !run || !scales) {
        status = ti_fail_nomem(err, module, (uint64_t)n * rows, "a transposed matrix");
        goto out;
    }
    for (size_t r = 0; r < rows; r++) {
        uint32_t scale_run;
        if (!ti_type_to_trits(run, scales, &scale_run, s->type, s->data, s->k, s->rows, r, c0,
                              n)) {
            status = ti_fail(err, TERN_CORRUPT, module, j->tensor->offset,
                             "tensor '%s' is not ternary", j->tensor->name);
            goto out;
        }
        for (size_t c = 0; c < n; c++) {
            codes[c * rows + r] = run[c];
        }
    }
    ti_pack_codes(TI_L_T2, (void *)(uintptr_t)j->mat->data, j->mat->kp, codes, rows, (size_t)c0,
                  n);
out:
    free(codes);
    free(run);
    free(scales);
    return status;
}

static tern_status do_piece(const job *j, size_t piece, uint64_t *weights, tern_err *err)
{
    uint64_t rows = j->kind == JOB_TRANSPOSE ? j->src.k : j->src.rows;
    uint64_t r0 = piece * j->piece_rows;
    uint64_t r1 = rows - r0 < j->piece_rows ? rows : r0 + j->piece_rows;
    *weights = (r1 - r0) * (j->kind == JOB_TRANSPOSE ? j->src.rows : j->src.k);
    float *scales = (float *)(uintptr_t)j->mat->scales;
    switch (j->kind) {
    case JOB_CHECK:
        return check_floats(j, r0, r1, err);
    case JOB_REPACK:
        return repack(j, r0, r1, err);
    case JOB_TRANSPOSE:
        return transpose(j, r0, r1, err);
    case JOB_PACK:
        break;
    }
    TI_TRY(ti_pack_rows(j->mat->layout, (void *)(uintptr_t)j->mat->data, scales, &j->src, r0,
                        r1, err));
    for (uint64_t r = r0; scales && j->factor != 1.0f && r < r1; r++) {
        scales[r] *= j->factor;
    }
    uint64_t row_bytes = j->tensor->bytes / j->src.rows;
    drop_pages((const uint8_t *)j->src.data + r0 * row_bytes, (r1 - r0) * row_bytes);
    return TERN_OK;
}

static void work(void *ctx, uint32_t id, uint32_t n)
{
    loader *l = ctx;
    (void)n;
    size_t at = 0; /* jobs are in the order of their pieces */
    for (;;) {
        size_t piece = atomic_fetch_add(&l->next, 1);
        if (piece >= l->n_pieces || atomic_load(&l->failed) != TERN_OK) {
            return;
        }
        while (piece >= l->jobs[at].first_piece + l->jobs[at].n_pieces) {
            at++;
        }
        uint64_t weights = 0;
        tern_err err;
        tern_status status =
            do_piece(&l->jobs[at], piece - l->jobs[at].first_piece, &weights, &err);
        uint64_t done = atomic_fetch_add(&l->done_weights, weights) + weights;
        if (status == TERN_OK && id == 0 && l->opts->progress &&
            !l->opts->progress(l->opts->progress_user, done, l->total_weights)) {
            status =
                ti_fail(&err, TERN_CANCELLED, module, TI_NO_OFFSET, "loading was cancelled");
        }
        if (status != TERN_OK) {
            fail_once(l, status, &err);
        }
    }
}

static tern_status place_and_work(loader *l, tern_err *err)
{
    tern_model *model = l->model;
    if (l->n_pieces == 0) {
        return TERN_OK;
    }
    if (l->bytes > 0) {
        model->packed = ti_alloc_pages(l->bytes);
        if (!model->packed) {
            return ti_fail_nomem(err, module, l->bytes, "packed weights");
        }
        model->packed_bytes = l->bytes;
    }
    for (size_t i = 0; i < l->n_jobs; i++) {
        job *j = &l->jobs[i];
        if (j->kind != JOB_CHECK) {
            j->mat->data = (uint8_t *)model->packed + j->at;
            if (is_ternary_layout(j->mat->layout)) {
                j->mat->scales = (float *)(void *)((uint8_t *)model->packed + j->scales_at);
            }
        }
    }
    ti_pool *pool = NULL;
    TI_TRY(ti_pool_create(&pool, l->opts->threads, err));
    ti_pool_run(pool, work, l);
    ti_pool_destroy(pool);
    tern_status status = (tern_status)atomic_load(&l->failed);
    if (status != TERN_OK && err) {
        *err = l->err;
    }
    return status;
}

tern_status ti_weights_load(tern_model *model, const tern_model_opts *opts, tern_err *err)
{
    const ti_config *c = &model->config;
    const ti_gguf_tensor *embd = NULL;
    TI_TRY(find(model, "token_embd.weight", c->n_embd, c->n_vocab, &embd, err));
    if (!embd->type->decodable) {
        return ti_fail(err, TERN_UNSUPPORTED, module, embd->offset,
                       "tensor 'token_embd.weight': type %s is not supported here",
                       embd->type->name);
    }
    model->token_embd = embd;
    size_t max_slots = (size_t)SLOTS_PER_LAYER * c->n_layer + 1;
    model->layers = ti_arena_calloc(&model->arena, c->n_layer, sizeof *model->layers);
    ti_mat_slot *slots = ti_calloc(max_slots, sizeof *slots);
    loader l = {.model = model, .opts = opts};
    l.jobs = ti_calloc(max_slots + c->n_layer, sizeof *l.jobs);
    tern_status status = TERN_OK;
    if (!model->layers || !slots || !l.jobs) {
        status = ti_fail_nomem(err, module, max_slots * sizeof *l.jobs, "the list of matrices");
        goto out;
    }
    size_t n_slots = ti_weights_slots(model, slots);
    if ((status = load_vectors(model, err)) != TERN_OK ||
        (status = refuse_unused(model, slots, n_slots, err)) != TERN_OK ||
        (status = plan(&l, slots, n_slots, err)) != TERN_OK) {
        goto out;
    }
    status = place_and_work(&l, err);
out:
    free(slots);
    free(l.jobs);
    return status;
}
