/* SPDX-License-Identifier: Apache-2.0 */
/* Models: opening, describing, closing; the vocabulary's public face. */
#include <stdlib.h>
#include <string.h>

#include "model/load.h"

static const char module[] = "model";

/* --- opening ------------------------------------------------------------------------------ */

static bool one_of(const char *text, const char *a, const char *b, const char *c)
{
    return !text || strcmp(text, a) == 0 || strcmp(text, b) == 0 || (c && strcmp(text, c) == 0);
}

static tern_status check_opts(const tern_model_opts *o, tern_err *err)
{
    if (o->i2s > TERN_I2S_ARM || o->sparse > TERN_SPARSE_ON || o->act > TERN_ACT_8 ||
        (o->q2_0_group != 0 && o->q2_0_group != 64 && o->q2_0_group != 128)) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "an option has no such value");
    }
    if (!one_of(o->head, "own", "q8_0", "q4_0")) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       "head '%s' is not one of own, q8_0, q4_0", o->head);
    }
    if (!one_of(o->layout, "t5", "t2", NULL)) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "layout '%s' is not t5 or t2",
                       o->layout);
    }
    return TERN_OK;
}

static tern_status choose_kernels(tern_model *model, const tern_model_opts *o, tern_err *err)
{
    const char *name = o->cpu && o->cpu[0] ? o->cpu : getenv("TERN_CPU");
    model->kern = ti_kern_select(name);
    if (!model->kern) {
        return ti_fail(err, TERN_UNAVAILABLE, module, TI_NO_OFFSET,
                       "kernel set '%s' is not to be had on this CPU, which has: %s",
                       name ? name : "", ti_kern_names());
    }
    return TERN_OK;
}

/* The forward pass keeps one int8 form of an input vector at a time. */
static tern_status check_kinds(const tern_model *model, tern_err *err)
{
    for (uint32_t i = 0; i < model->config.n_layer; i++) {
        const ti_layer *l = &model->layers[i];
        unsigned kinds[2] = {0, 0};
        const ti_mat *first[3] = {&l->q, &l->k, &l->v}, *second[2] = {&l->gate, &l->up};
        for (size_t j = 0; j < 3; j++) {
            kinds[0] |= 1u << ti_layout_act(first[j]->layout);
        }
        for (size_t j = 0; j < 2; j++) {
            kinds[1] |= 1u << ti_layout_act(second[j]->layout);
        }
        const unsigned both = 1u << TI_ACT_TOKEN | 1u << TI_ACT_BLOCK;
        if ((kinds[0] & both) == both || (kinds[1] & both) == both) {
            return ti_fail(err, TERN_UNSUPPORTED, module, TI_NO_OFFSET,
                           "layer %u mixes ternary and other quantised matrices on one input",
                           i);
        }
    }
    return TERN_OK;
}

/* FNV-1a over the file's directory and the first bytes of each tensor: enough to notice that a
 * saved session belongs to another model. */
static uint64_t digest_of(const ti_gguf *gguf)
{
    enum { SAMPLE = 256 };
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        const ti_gguf_tensor *t = &gguf->tensors[i];
        const struct {
            const void *data;
            size_t n;
        } parts[] = {{t->name, strlen(t->name)},
                     {t->dims, sizeof t->dims},
                     {t->data, t->bytes < SAMPLE ? (size_t)t->bytes : SAMPLE}};
        for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
            for (size_t b = 0; b < parts[p].n; b++) {
                h = (h ^ ((const uint8_t *)parts[p].data)[b]) * 0x100000001b3u;
            }
        }
    }
    return h ^ gguf->size;
}

/* A text of the file, "" when there is none. */
static tern_status copy_key(tern_model *model, const char *key, const char **out, tern_err *err)
{
    ti_str s = {"", 0};
    (void)ti_gguf_get_str(&model->gguf, key, false, &s, NULL);
    *out = ti_arena_strndup(&model->arena, s.data, s.len);
    return *out ? TERN_OK : ti_fail_nomem(err, module, s.len, key);
}

static void describe_weights(tern_model *model)
{
    const ti_config *c = &model->config;
    tern_model_desc *d = &model->desc;
    for (uint32_t i = 0; i <= c->n_layer; i++) {
        const ti_layer *l = &model->layers[i < c->n_layer ? i : 0];
        const ti_mat *mats[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
        const ti_mat *head = &model->head;
        size_t n = i < c->n_layer ? sizeof mats / sizeof mats[0] : 1;
        for (size_t j = 0; j < n; j++) {
            const ti_mat *m = i < c->n_layer ? mats[j] : head;
            d->bytes_per_token += m->bytes;
            d->macs_per_token += (uint64_t)m->rows * m->k;
            d->resident_bytes += m->bytes;
        }
        d->resident_bytes += i < c->n_layer ? l->down_t.bytes : 0;
    }
    d->layout = ti_layout_name(model->layers[0].gate.layout);
    const ti_gguf_tensor *body = ti_gguf_tensor_find(&model->gguf, "blk.0.ffn_gate.weight");
    d->weight_type = body ? body->type->name : "";
}

/* Weights of all tensors; what packing added to the file is counted once. */
static uint64_t count_params(const ti_gguf *gguf)
{
    uint64_t n = 0;
    bool tied = false;
    (void)ti_gguf_get_bool(gguf, TI_KEY_PACK_TIED, false, &tied, NULL);
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        const ti_gguf_tensor *t = &gguf->tensors[i];
        const char *dot = strrchr(t->name, '.');
        bool added = (dot && strcmp(dot, ".row_scale") == 0) ||
                     (tied && strcmp(t->name, "output.weight") == 0);
        n += added ? 0 : t->dims[0] * t->rows;
    }
    return n;
}

static tern_status describe(tern_model *model, tern_err *err)
{
    const ti_config *c = &model->config;
    tern_model_desc *d = &model->desc;
    *d = (tern_model_desc){.architecture = c->name,
                           .weight_type = "",
                           .layout = "",
                           .kernel = model->kern->name,
                           .file_bytes = model->gguf.size,
                           .n_vocab = c->n_vocab,
                           .n_ctx_train = c->n_ctx,
                           .n_embd = c->n_embd,
                           .n_layer = c->n_layer,
                           .n_head = c->n_head,
                           .n_head_kv = c->n_head_kv,
                           .head_dim = c->head_dim,
                           .n_ff = c->n_ff};
    d->n_params = count_params(&model->gguf);
    if (!model->vocab_only) {
        describe_weights(model);
    }
    return copy_key(model, "general.name", &d->name, err);
}

tern_status tern_model_chat_tokens(const tern_model *model, tern_token *out, size_t cap,
                                   size_t *n, const tern_message *messages, size_t n_messages,
                                   bool answer, tern_err *err)
{
    return ti_vocab_chat_tokens(model->vocab, out, cap, n, messages, n_messages, answer, err);
}

static tern_status build_patterns(tern_model *model, tern_err *err)
{
    for (uint32_t l = 0; l < model->config.n_layer; l++) {
        ti_attn_kind kind = model->config.attn.kind[l];
        ti_pattern *p = &model->patterns[kind];
        if (p->n_lists == 0) {
            TI_TRY(ti_pattern_build(p, &model->config, kind, &model->arena, err));
        }
        if (p->first && p->most_keys > model->most_listed) {
            model->most_listed = p->most_keys;
        }
    }
    return TERN_OK;
}

/* The share of open gates up to which the sparse products win (docs/performance.md, exact
 * sparsity).  Where it was not measured, a share that any processor should gain from. */
static float crossover_of(const ti_kern *kern)
{
    switch (kern->isa) {
    case TI_ISA_AVX512:
    case TI_ISA_AMX:
        return 0.40f;
    case TI_ISA_SCALAR:
    case TI_ISA_AVX2:
    case TI_ISA_AVXVNNI:
        return 0.35f;
    default:
        return 0.15f;
    }
}

/* Whether matrices are packed for skipping, and until when it is done. */
static tern_status choose_sparsity(tern_model *model, const tern_model_opts *o, tern_err *err)
{
    const float crossover = crossover_of(model->kern);
    const ti_config *c = &model->config;
    float active = c->top_k ? (float)c->top_k / (float)c->n_ff : 1.0f;
    TI_TRY(ti_gguf_get_f32(&model->gguf, "tern.ffn_active_fraction", false, &active, err));
    bool has_zeros = c->relu2 || c->top_k;
    model->sparse = has_zeros && (o->sparse == TERN_SPARSE_ON ||
                                  (o->sparse == TERN_SPARSE_AUTO && active <= crossover));
    model->sparse_limit =
        o->sparse == TERN_SPARSE_ON ? c->n_ff : (uint32_t)(crossover * (float)c->n_ff);
    return TERN_OK;
}

static tern_status fill(tern_model *model, const char *path, const tern_model_opts *o,
                        tern_err *err)
{
    const ti_gguf_opts gguf_opts = {
        .i2s = (int)o->i2s, .q2_0_group = o->q2_0_group, .directory_only = o->vocab_only};
    TI_TRY(choose_kernels(model, o, err));
    TI_TRY(ti_gguf_open(&model->gguf, path, &gguf_opts, err));
    model->path = ti_arena_strndup(&model->arena, path, strlen(path));
    if (!model->path) {
        return ti_fail_nomem(err, module, strlen(path), "a path");
    }
    TI_TRY(ti_vocab_create(&model->vocab, &model->gguf, err));
    if (o->vocab_only) {
        model->vocab_only = true;
        model->config.n_vocab = ti_vocab_size(model->vocab);
        TI_TRY(describe(model, err));
        return copy_key(model, "general.architecture", &model->desc.architecture, err);
    }
    TI_TRY(ti_recommended_sampler(&model->recommended, &model->gguf, err));
    TI_TRY(ti_config_read(&model->config, &model->gguf, err));
    model->config.n_vocab = ti_vocab_size(model->vocab);
    model->act = o->act;
    TI_TRY(build_patterns(model, err));
    TI_TRY(choose_sparsity(model, o, err));
    TI_TRY(ti_weights_load(model, o, err));
    TI_TRY(check_kinds(model, err));
    model->digest = digest_of(&model->gguf);
    return describe(model, err);
}

tern_status tern_model_open(tern_model **out, const char *path, const tern_model_opts *opts,
                            tern_err *err)
{
    const tern_model_opts defaults = {0};
    opts = opts ? opts : &defaults;
    TI_TRY(check_opts(opts, err));
    tern_model *model = ti_calloc(1, sizeof *model);
    if (!model) {
        return ti_fail_nomem(err, module, sizeof *model, "a model");
    }
    tern_status status = fill(model, path, opts, err);
    if (status != TERN_OK) {
        tern_model_close(model);
        return status;
    }
    *out = model;
    return TERN_OK;
}

void tern_model_close(tern_model *model)
{
    if (model) {
        ti_vocab_destroy(model->vocab);
        ti_free_pages(model->packed, model->packed_bytes);
        ti_gguf_close(&model->gguf);
        ti_arena_free(&model->arena);
        free(model);
    }
}

void tern_model_describe(const tern_model *model, tern_model_desc *out)
{
    *out = model->desc;
}

/* --- vocabulary --------------------------------------------------------------------------- */

tern_status tern_model_tokenize(const tern_model *model, tern_token *out, size_t cap, size_t *n,
                                const char *text, size_t len, uint32_t flags, tern_err *err)
{
    return ti_vocab_tokenize(model->vocab, out, cap, n, text, len, flags, err);
}

const char *tern_model_token_bytes(const tern_model *model, tern_token token, size_t *len)
{
    return ti_vocab_bytes(model->vocab, token, len);
}

bool tern_model_token_ends(const tern_model *model, tern_token token)
{
    return ti_vocab_ends(model->vocab, token);
}

bool tern_model_has_chat(const tern_model *model)
{
    return ti_vocab_has_chat(model->vocab);
}

tern_status tern_model_chat(const tern_model *model, char *out, size_t cap, size_t *len,
                            const tern_message *messages, size_t n, bool answer, tern_err *err)
{
    return ti_vocab_chat(model->vocab, out, cap, len, messages, n, answer, err);
}

tern_status tern_stream_create(tern_stream **out, const tern_model *model,
                               const char *const *stops, size_t n_stops, tern_err *err)
{
    return ti_stream_create(out, model->vocab, stops, n_stops, err);
}
