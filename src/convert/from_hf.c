/* SPDX-License-Identifier: Apache-2.0 */
/* A Hugging Face directory.  What the model must consist of is one table; every tensor of the
 * table must be there with the sizes that config.json has, and nothing else may be there: a
 * tensor that is not known is a part of the network that would be left out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/le.h"
#include "convert/dir.h"
#include "convert/shards.h"
#include "convert/sources.h"

static const char MODULE[] = "convert";

enum { HF_NAME_BYTES = 96 };

/* --- what a block has -------------------------------------------------------------------- */

/* Sizes by their meaning. */
typedef enum size_name { ONE = 0, EMBD, FF, Q, KV, HEAD } size_name;

enum {
    LLAMA = 1 << TI_HF_LLAMA,
    QWEN3 = 1 << TI_HF_QWEN3,
    BITNET = 1 << TI_HF_BITNET,
    ALL = LLAMA | QWEN3 | BITNET
};

static const struct part {
    const char *hf, *gguf;
    size_name rows, k; /* rows ONE = a norm */
    bool rotated;      /* rows are what RoPE turns */
    unsigned archs;
} parts[] = {
    {"input_layernorm", "attn_norm", ONE, EMBD, false, ALL},
    {"self_attn.q_proj", "attn_q", Q, EMBD, true, ALL},
    {"self_attn.k_proj", "attn_k", KV, EMBD, true, ALL},
    {"self_attn.v_proj", "attn_v", KV, EMBD, false, ALL},
    {"self_attn.q_norm", "attn_q_norm", ONE, HEAD, false, QWEN3},
    {"self_attn.k_norm", "attn_k_norm", ONE, HEAD, false, QWEN3},
    {"self_attn.attn_sub_norm", "attn_sub_norm", ONE, Q, false, BITNET},
    {"self_attn.o_proj", "attn_output", EMBD, Q, false, ALL},
    {"post_attention_layernorm", "ffn_norm", ONE, EMBD, false, ALL},
    {"mlp.gate_proj", "ffn_gate", FF, EMBD, false, ALL},
    {"mlp.up_proj", "ffn_up", FF, EMBD, false, ALL},
    {"mlp.ffn_sub_norm", "ffn_sub_norm", ONE, FF, false, BITNET},
    {"mlp.down_proj", "ffn_down", EMBD, FF, false, ALL},
};

enum { N_PARTS = sizeof parts / sizeof parts[0], OTHERS = 4 /* tensors outside of blocks */ };

static uint64_t size_of(const ti_hf_config *c, size_name name)
{
    switch (name) {
    case EMBD:
        return c->n_embd;
    case FF:
        return c->n_ff;
    case Q:
        return (uint64_t)c->n_head * c->head_dim;
    case KV:
        return (uint64_t)c->n_head_kv * c->head_dim;
    case HEAD:
        return c->head_dim;
    default:
        return 1;
    }
}

/* --- finding tensors --------------------------------------------------------------------- */

typedef struct plan {
    const ti_hf_config *c;
    const ti_out_types *types;
    ti_shards *shards;
    ti_arena *arena;
    ti_out_tensor *items;
    size_t n;
    tern_err *err;
} plan;

static tern_status bad_tensor(const plan *p, const ti_st_tensor *t, const char *what)
{
    return ti_fail(p->err, TERN_CORRUPT, MODULE, t->offset, "tensor '%.120s': %s", t->name,
                   what);
}

/* A tensor must have exactly these dimensions (columns 0 = only one dimension). */
static tern_status check_shape(const plan *p, const ti_st_tensor *t, uint64_t rows,
                               uint64_t columns)
{
    bool flat = columns == 0;
    if (t->n_dims == (flat ? 1 : 2) && t->dims[0] == rows && (flat || t->dims[1] == columns)) {
        return TERN_OK;
    }
    return ti_fail(p->err, TERN_CORRUPT, MODULE, t->offset,
                   "tensor '%.120s': %u dimensions, %llu x %llu; %llu x %llu were expected",
                   t->name, t->n_dims, (unsigned long long)t->dims[0],
                   (unsigned long long)t->dims[1], (unsigned long long)rows,
                   (unsigned long long)(flat ? 1 : columns));
}

static tern_status float_source(const plan *p, const ti_st_tensor *t, ti_src_type *out)
{
    switch (t->dtype) {
    case TI_ST_F32:
        *out = TI_SRC_F32;
        return TERN_OK;
    case TI_ST_F16:
        *out = TI_SRC_F16;
        return TERN_OK;
    case TI_ST_BF16:
        *out = TI_SRC_BF16;
        return TERN_OK;
    default:
        return ti_fail(p->err, TERN_UNSUPPORTED, MODULE, t->offset,
                       "tensor '%.120s': numbers of type %s are not supported here", t->name,
                       t->dtype_name);
    }
}

static tern_status take(plan *p, const char *name, const ti_st_tensor **out,
                        const ti_shard **shard)
{
    *out = ti_shards_take(p->shards, name, shard);
    return *out ? TERN_OK
                : ti_fail(p->err, TERN_CORRUPT, MODULE, TI_NO_OFFSET, "tensor '%s' is missing",
                          name);
}

/* The next entry of the plan, for a tensor of floats of which only the shape is open. */
static tern_status add(plan *p, const char *gguf, const char *hf, ti_out_tensor **out,
                       const ti_st_tensor **tensor)
{
    const ti_shard *shard;
    const ti_st_tensor *t;
    TI_TRY(take(p, hf, &t, &shard));
    ti_out_tensor *o = &p->items[p->n++];
    *o = (ti_out_tensor){.source = t->name,
                         .data = t->data,
                         .offset = t->offset,
                         .map = &shard->map,
                         .map_path = shard->path};
    snprintf(o->name, sizeof o->name, "%s.weight", gguf);
    *out = o;
    *tensor = t;
    return TERN_OK;
}

static tern_status add_norm(plan *p, const char *gguf, const char *hf, uint64_t width)
{
    ti_out_tensor *o;
    const ti_st_tensor *t;
    TI_TRY(add(p, gguf, hf, &o, &t));
    TI_TRY(check_shape(p, t, width, 0));
    o->type = ti_type_info_of(TI_F32);
    o->n_dims = 1;
    o->rows = 1;
    o->k = width;
    return float_source(p, t, &o->src);
}

static tern_status add_matrix(plan *p, const char *gguf, const char *hf, uint64_t rows,
                              uint64_t k, const ti_type_info *type, ti_out_tensor **out)
{
    const ti_st_tensor *t;
    TI_TRY(add(p, gguf, hf, out, &t));
    TI_TRY(check_shape(p, t, rows, k));
    (*out)->type = type;
    (*out)->n_dims = 2;
    (*out)->rows = rows;
    (*out)->k = k;
    return float_source(p, t, &(*out)->src);
}

/* --- packed matrices --------------------------------------------------------------------- */

/* The scale beside a packed matrix: one number. */
static tern_status read_scale(plan *p, const char *hf, float *out)
{
    char name[HF_NAME_BYTES + 8];
    const ti_shard *shard;
    const ti_st_tensor *t;
    ti_src_type src;
    snprintf(name, sizeof name, "%s_scale", hf);
    TI_TRY(take(p, name, &t, &shard));
    TI_TRY(float_source(p, t, &src));
    TI_TRY(ti_map_check(&shard->map, shard->path, p->err));
    if (t->n_dims > 1 || t->dims[0] != 1) {
        return bad_tensor(p, t, "not one number");
    }
    float scale = src == TI_SRC_F32   ? ti_load_f32(t->data)
                  : src == TI_SRC_F16 ? ti_f16_to_f32(ti_load_u16(t->data))
                                      : ti_bf16_to_f32(ti_load_u16(t->data));
    if (p->c->quant == TI_HF_TRITS_DIV) {
        scale = 1.0f / scale;
    }
    if (!(scale > 0) || !(scale - scale == 0)) {
        return bad_tensor(p, t, "not a positive, finite scale");
    }
    *out = scale;
    return TERN_OK;
}

static tern_status add_packed(plan *p, const char *gguf, const char *hf, uint64_t rows,
                              uint64_t k, ti_out_tensor **out)
{
    const ti_st_tensor *t;
    TI_TRY(add(p, gguf, hf, out, &t));
    if (t->dtype != TI_ST_U8) {
        return ti_fail(p->err, TERN_UNSUPPORTED, MODULE, t->offset,
                       "tensor '%.120s': %s where packed weights (U8) were expected", t->name,
                       t->dtype_name);
    }
    if (rows % 4 != 0) {
        return bad_tensor(p, t, "its rows cannot be packed by four");
    }
    TI_TRY(check_shape(p, t, rows / 4, k));
    (*out)->src = TI_SRC_TRITS;
    (*out)->type = p->types->matrix;
    (*out)->n_dims = 2;
    (*out)->rows = rows;
    (*out)->k = k;
    return read_scale(p, hf, &(*out)->scale);
}

/* --- the whole model --------------------------------------------------------------------- */

static tern_status add_part(plan *p, uint32_t layer, const struct part *part)
{
    char hf[HF_NAME_BYTES], gguf[TI_OUT_NAME_BYTES - 8];
    const ti_hf_config *c = p->c;
    uint64_t rows = size_of(c, part->rows), k = size_of(c, part->k);
    bool packed = c->quant == TI_HF_TRITS_MUL || c->quant == TI_HF_TRITS_DIV;
    ti_out_tensor *o;
    snprintf(hf, sizeof hf, "model.layers.%u.%s.weight", layer, part->hf);
    snprintf(gguf, sizeof gguf, "blk.%u.%s", layer, part->gguf);
    if (part->rows == ONE) {
        return add_norm(p, gguf, hf, k);
    }
    TI_TRY(packed ? add_packed(p, gguf, hf, rows, k, &o)
                  : add_matrix(p, gguf, hf, rows, k, p->types->matrix, &o));
    o->absmean = c->quant == TI_HF_MASTER;
    o->rope_dim = part->rotated && c->arch == TI_HF_LLAMA ? c->head_dim : 0;
    return TERN_OK;
}

static tern_status add_head(plan *p)
{
    const ti_shard *shard;
    ti_out_tensor *o;
    if (p->c->tied) {
        (void)ti_shards_take(p->shards, "lm_head.weight", &shard); /* a copy, if it is there */
        return TERN_OK;
    }
    return add_matrix(p, "output", "lm_head.weight", p->c->n_vocab, p->c->n_embd,
                      p->types->head, &o);
}

/* rope_freqs.weight is computed, not read. */
static tern_status add_rope_factors(plan *p)
{
    uint32_t n = p->c->head_dim / 2;
    float *factors = ti_arena_calloc(p->arena, n, sizeof *factors);
    uint8_t *bytes = ti_arena_calloc(p->arena, n, 4);
    if (!factors || !bytes) {
        return ti_fail_nomem(p->err, MODULE, n * 8ull, "rope factors");
    }
    ti_hf_config_rope_factors(p->c, factors);
    for (uint32_t i = 0; i < n; i++) {
        ti_store_f32(bytes + 4 * (size_t)i, factors[i]);
    }
    p->items[p->n++] = (ti_out_tensor){.name = "rope_freqs.weight",
                                       .type = ti_type_info_of(TI_F32),
                                       .n_dims = 1,
                                       .source = "rope_scaling",
                                       .src = TI_SRC_F32,
                                       .data = bytes,
                                       .rows = 1,
                                       .k = n};
    return TERN_OK;
}

/* Refuses what the plan has no place for, but for tables that can be computed. */
static tern_status check_unused(const plan *p)
{
    static const char table[] = "rotary_emb.inv_freq";
    size_t cursor = 0;
    const char *name;
    while ((name = ti_shards_next_unused(p->shards, &cursor)) != NULL) {
        size_t n = strlen(name), tail = sizeof table - 1;
        if (n < tail || strcmp(name + n - tail, table) != 0) {
            return ti_fail(p->err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
                           "tensor '%.120s' has no place in %s", name, p->c->gguf_arch);
        }
    }
    return TERN_OK;
}

static tern_status add_all(plan *p)
{
    const ti_hf_config *c = p->c;
    size_t cap = (size_t)c->n_layer * N_PARTS + OTHERS;
    p->items = ti_arena_calloc(p->arena, cap, sizeof *p->items);
    if (!p->items) {
        return ti_fail_nomem(p->err, MODULE, cap * sizeof *p->items, "tensors");
    }
    ti_out_tensor *o;
    TI_TRY(add_matrix(p, "token_embd", "model.embed_tokens.weight", c->n_vocab, c->n_embd,
                      p->types->head, &o));
    for (uint32_t layer = 0; layer < c->n_layer; layer++) {
        for (size_t i = 0; i < N_PARTS; i++) {
            if (parts[i].archs & 1u << c->arch) {
                TI_TRY(add_part(p, layer, &parts[i]));
            }
        }
    }
    TI_TRY(add_norm(p, "output_norm", "model.norm.weight", c->n_embd));
    TI_TRY(add_head(p));
    if (c->rope_llama3) {
        TI_TRY(add_rope_factors(p));
    }
    return check_unused(p);
}

/* --- tokenizer and keys ------------------------------------------------------------------ */

/* Finds the tokenizer.json: the option may be the file or its directory. */
static tern_status find_tokenizer(char **path, ti_arena *arena, const char *in,
                                  const ti_convert_opts *opts, tern_err *err)
{
    const char *dir = opts->tokenizer ? opts->tokenizer : in;
    struct stat st;
    bool there;
    if (stat(dir, &st) == 0 && S_ISREG(st.st_mode)) {
        *path = ti_arena_strndup(arena, dir, strlen(dir));
        return *path ? TERN_OK : ti_fail_nomem(err, MODULE, strlen(dir), "a path");
    }
    TI_TRY(ti_dir_find(path, &there, arena, dir, "tokenizer.json", err));
    if (there) {
        return TERN_OK;
    }
    char *other;
    TI_TRY(ti_dir_find(&other, &there, arena, dir, "tokenizer.model", err));
    return there ? ti_fail(err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
                           "'%.100s' has only a tokenizer.model (SentencePiece), which is not "
                           "read",
                           dir)
                 : ti_fail(err, TERN_IO, MODULE, TI_NO_OFFSET, "'%.100s' has no tokenizer.json",
                           dir);
}

static tern_status put_tokenizer(ti_gguf_writer *w, ti_arena *arena, const ti_hf_config *c,
                                 const char *in, const ti_convert_opts *opts, tern_err *err)
{
    char *path;
    ti_tokjson t;
    TI_TRY(find_tokenizer(&path, arena, in, opts, err));
    TI_TRY(ti_tokjson_load(&t, arena, path, c->n_vocab, err));
    t.bos = t.bos >= 0 ? t.bos : c->bos;
    t.eos = t.eos >= 0 ? t.eos : c->eos;
    t.pad = t.pad >= 0 ? t.pad : c->pad;
    ti_tokjson_put(w, &t);
    return TERN_OK;
}

static void put_keys(ti_gguf_writer *w, const ti_hf_config *c, const ti_out_types *types)
{
    ti_arch_keys keys = {.arch = c->gguf_arch,
                         .n_vocab = c->n_vocab,
                         .n_ctx = c->n_ctx,
                         .n_embd = c->n_embd,
                         .n_layer = c->n_layer,
                         .n_ff = c->n_ff,
                         .n_head = c->n_head,
                         .n_head_kv = c->n_head_kv,
                         .head_dim = c->head_dim,
                         .rope_base = c->rope_base,
                         .rms_eps = c->rms_eps};
    ti_put_arch(w, &keys, types);
}

static tern_status convert(ti_gguf_writer *w, ti_arena *arena, ti_shards *shards,
                           const char *in, const ti_convert_opts *opts, tern_err *err)
{
    bool there;
    char *path;
    ti_jval root;
    ti_hf_config c;
    ti_out_types types;
    TI_TRY(ti_dir_find(&path, &there, arena, in, "config.json", err));
    if (!there) {
        return ti_fail(err, TERN_IO, MODULE, TI_NO_OFFSET, "'%.120s' has no config.json", in);
    }
    TI_TRY(ti_dir_read_json(&root, arena, path, TI_CONFIG_MAX_BYTES, "config.json", err));
    TI_TRY(ti_hf_config_read(&c, &root, err));
    TI_TRY(ti_out_types_choose(&types, opts->type, opts->head_type,
                               c.quant == TI_HF_PLAIN ? TI_F16 : TI_I2_S, err));
    TI_TRY(ti_shards_open(shards, in, err));
    plan p = {.c = &c, .types = &types, .shards = shards, .arena = arena, .err = err};
    TI_TRY(add_all(&p));
    ti_put_general(w, c.gguf_arch, in, opts);
    put_keys(w, &c, &types);
    TI_TRY(put_tokenizer(w, arena, &c, in, opts, err));
    return ti_emit(w, p.items, p.n, opts->progress, opts->progress_user, err);
}

tern_status ti_convert_hf(ti_gguf_writer *w, const char *in, const ti_convert_opts *opts,
                          tern_err *err)
{
    ti_arena arena = {0};
    ti_shards shards = {0};
    tern_status status = convert(w, &arena, &shards, in, opts, err);
    ti_shards_close(&shards);
    ti_arena_free(&arena);
    return status;
}
