/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors by name: which the network has, their shapes, the vectors among them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/load.h"

static const char module[] = "model";

/* In the order of the slots. */
static const char *const matrix_names[TI_SLOTS_PER_LAYER] = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

size_t ti_weights_slots(tern_model *model, ti_mat_slot *slots)
{
    size_t n = 0;
    for (uint32_t i = 0; i < model->config.n_layer; i++) {
        ti_layer *l = &model->layers[i];
        ti_mat *const mats[TI_SLOTS_PER_LAYER] = {&l->q,    &l->k,  &l->v,   &l->o,
                                                  &l->gate, &l->up, &l->down};
        for (size_t j = 0; j < TI_SLOTS_PER_LAYER; j++, n++) {
            snprintf(slots[n].name, sizeof slots[n].name, "blk.%u.%s.weight", i,
                     matrix_names[j]);
            slots[n].mat = mats[j];
        }
    }
    bool own_head = ti_gguf_tensor_find(&model->gguf, "output.weight") != NULL;
    snprintf(slots[n].name, sizeof slots[n].name, "%s",
             own_head ? "output.weight" : "token_embd.weight");
    slots[n].mat = &model->head;
    return n + 1;
}

tern_status ti_load_find(const ti_gguf *gguf, const char *name, uint64_t k, uint64_t rows,
                         const ti_gguf_tensor **out, tern_err *err)
{
    const ti_gguf_tensor *t = ti_gguf_tensor_find(gguf, name);
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
    TI_TRY(ti_load_find(&model->gguf, name, n, 1, &t, err));
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

static bool has_sub_norm(const tern_model *model, uint32_t layer, const char *part)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%u.%s.weight", layer, part);
    return model->config.sub_norms &&
           (!model->config.may_lack_norms || ti_gguf_tensor_find(&model->gguf, name));
}

tern_status ti_load_vectors(tern_model *model, tern_err *err)
{
    const ti_config *c = &model->config;
    for (uint32_t i = 0; i < c->n_layer; i++) {
        ti_layer *l = &model->layers[i];
        TI_TRY(layer_vector(model, i, "attn_norm", c->n_embd, &l->attn_norm, err));
        TI_TRY(layer_vector(model, i, "ffn_norm", c->n_embd, &l->ffn_norm, err));
        if (has_sub_norm(model, i, "attn_sub_norm")) {
            TI_TRY(layer_vector(model, i, "attn_sub_norm", (uint64_t)c->n_head * c->head_dim,
                                &l->attn_sub_norm, err));
        }
        if (has_sub_norm(model, i, "ffn_sub_norm")) {
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

/* Whether a name is that of a matrix, or of a scale that belongs to it: "attn_q.weight" with
 * "attn_q.scale" or, when it lies packed in the file, "attn_q.row_scale". */
static bool is_of_matrix(const tern_model *model, const char *name, const char *stem)
{
    const char *part = strrchr(name, '.'), *last = part;
    while (last > name && last[-1] != '.') {
        last--;
    }
    if ((size_t)(part - last) != strlen(stem) || strncmp(last, stem, strlen(stem)) != 0) {
        return false;
    }
    char weight[TI_GGUF_MAX_NAME_BYTES + 16];
    snprintf(weight, sizeof weight, "%.*s.weight", (int)(part - name), name);
    const ti_gguf_tensor *t = ti_gguf_tensor_find(&model->gguf, weight);
    ti_layout layout;
    return t && (strcmp(part, ".weight") == 0 || strcmp(part, ".scale") == 0 ||
                 (strcmp(part, ".row_scale") == 0 &&
                  ti_load_packed_layout(t->type->type, &layout) && ti_load_has_scales(layout)));
}

/* Whether a name, "blk.N.part", is that of a tensor which the layers use. */
static bool is_of_layer(const tern_model *model, const char *name)
{
    const ti_config *c = &model->config;
    char *end = NULL;
    if (strncmp(name, "blk.", 4) != 0 || name[4] < '0' || name[4] > '9') {
        return false;
    }
    unsigned long layer = strtoul(name + 4, &end, 10);
    char canonical[32];
    int n = snprintf(canonical, sizeof canonical, "blk.%lu.", layer);
    if (layer >= c->n_layer || strncmp(name, canonical, (size_t)n) != 0) {
        return false;
    }
    const char *part = end + 1;
    const struct {
        const char *name;
        bool used;
    } norms[] = {{"attn_norm.weight", true},
                 {"ffn_norm.weight", true},
                 {"attn_sub_norm.weight", c->sub_norms},
                 {"ffn_sub_norm.weight", c->sub_norms},
                 {"attn_q_norm.weight", c->qk_norms},
                 {"attn_k_norm.weight", c->qk_norms}};
    for (size_t i = 0; i < sizeof norms / sizeof norms[0]; i++) {
        if (strcmp(part, norms[i].name) == 0) {
            return norms[i].used;
        }
    }
    if (!strchr(part, '.') || strchr(part, '.') != strrchr(part, '.')) {
        return false;
    }
    for (size_t i = 0; i < TI_SLOTS_PER_LAYER; i++) {
        if (is_of_matrix(model, name, matrix_names[i])) {
            return true;
        }
    }
    return false;
}

tern_status ti_load_refuse_unused(const tern_model *model, tern_err *err)
{
    for (size_t i = 0; i < model->gguf.n_tensors; i++) {
        const char *name = model->gguf.tensors[i].name;
        bool used = strcmp(name, "token_embd.weight") == 0 ||
                    strcmp(name, "output_norm.weight") == 0 ||
                    strcmp(name, "rope_freqs.weight") == 0 || is_of_layer(model, name) ||
                    (strncmp(name, "output.", 7) == 0 && !strchr(name + 7, '.') &&
                     is_of_matrix(model, name, "output"));
        if (!used) {
            return ti_fail(err, TERN_UNSUPPORTED, module, model->gguf.tensors[i].offset,
                           "tensor '%s' is not part of architecture %s", name,
                           model->config.name);
        }
    }
    return TERN_OK;
}
