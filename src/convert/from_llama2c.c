/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "convert/llama2c.h"
#include "convert/sources.h"

static const char MODULE[] = "llama2.c";

/* The format has no place for them: run.c has these values. */
static const double ROPE_BASE = 10000.0, RMS_EPS = 1e-5;

typedef struct plan {
    const ti_llama2c *m;
    const ti_map *map;
    const char *path;
    const ti_out_types *types;
    ti_out_tensor *items;
    size_t n;
} plan;

/* One tensor of `rows` x k floats; norms (rows 1) stay F32. */
static ti_out_tensor *add(plan *p, const char *name, uint64_t at, uint64_t rows, uint64_t k,
                          const ti_type_info *type)
{
    ti_out_tensor *t = &p->items[p->n++];
    *t = (ti_out_tensor){.type = rows == 1 ? ti_type_info_of(TI_F32) : type,
                         .n_dims = rows == 1 ? 1 : 2,
                         .src = TI_SRC_F32,
                         .data = p->map->data + at,
                         .rows = rows,
                         .k = k,
                         .offset = at,
                         .map = p->map,
                         .map_path = p->path};
    snprintf(t->name, sizeof t->name, "%s.weight", name);
    t->source = t->name; /* the format has no names of its own */
    return t;
}

/* The part of layer i of a tensor whose layers start at `begin`. */
static void add_layer(plan *p, uint32_t i, const char *name, uint64_t begin, uint64_t rows,
                      uint64_t k)
{
    char full[TI_OUT_NAME_BYTES - 8];
    snprintf(full, sizeof full, "blk.%u.%s", i, name);
    ti_out_tensor *t = add(p, full, begin + 4 * rows * k * i, rows, k, p->types->matrix);
    t->n_dims = rows == 1 ? 1 : 2;
}

static void add_all(plan *p)
{
    const ti_llama2c *m = p->m;
    uint64_t d = m->dim, h = m->hidden, kv = d / m->n_head * m->n_head_kv;
    add(p, "token_embd", m->embedding, m->n_vocab, d, p->types->head);
    for (uint32_t i = 0; i < m->n_layer; i++) {
        add_layer(p, i, "attn_norm", m->rms_att, 1, d);
        add_layer(p, i, "attn_q", m->wq, d, d);
        add_layer(p, i, "attn_k", m->wk, kv, d);
        add_layer(p, i, "attn_v", m->wv, kv, d);
        add_layer(p, i, "attn_output", m->wo, d, d);
        add_layer(p, i, "ffn_norm", m->rms_ffn, 1, d);
        add_layer(p, i, "ffn_gate", m->w1, h, d);
        add_layer(p, i, "ffn_down", m->w2, d, h);
        add_layer(p, i, "ffn_up", m->w3, h, d);
    }
    add(p, "output_norm", m->rms_final, 1, d, p->types->head);
    if (m->head) {
        add(p, "output", m->head, m->n_vocab, d, p->types->head);
    }
}

static tern_status write_model(ti_gguf_writer *w, ti_arena *arena, const ti_map *map,
                               const char *in, const ti_convert_opts *opts, tern_err *err)
{
    enum { PER_LAYER = 9, OTHERS = 3 };
    ti_llama2c m;
    ti_out_types types;
    TI_TRY(ti_out_types_choose(&types, opts->type, opts->head_type, TI_F32, err));
    TI_TRY(ti_llama2c_parse(&m, map->data, map->size, err));
    size_t n = (size_t)m.n_layer * PER_LAYER + OTHERS;
    plan p = {.m = &m, .map = map, .path = in, .types = &types};
    p.items = ti_arena_calloc(arena, n, sizeof *p.items);
    if (!p.items) {
        return ti_fail_nomem(err, MODULE, n * sizeof *p.items, "tensors");
    }
    add_all(&p);
    ti_arch_keys keys = {.arch = "llama",
                         .n_vocab = m.n_vocab,
                         .n_ctx = m.n_ctx,
                         .n_embd = m.dim,
                         .n_layer = m.n_layer,
                         .n_ff = m.hidden,
                         .n_head = m.n_head,
                         .n_head_kv = m.n_head_kv,
                         .head_dim = m.dim / m.n_head,
                         .rope_base = ROPE_BASE,
                         .rms_eps = RMS_EPS};
    ti_llama2c_tok tok;
    ti_map file;
    TI_TRY(ti_map_open(&file, opts->tokenizer, err));
    tern_status status =
        ti_llama2c_tok_parse(&tok, arena, file.data, file.size, m.n_vocab, err);
    ti_map_close(&file);
    if (status != TERN_OK) {
        return status;
    }
    ti_put_general(w, keys.arch, in, opts);
    ti_put_arch(w, &keys, &types);
    ti_llama2c_tok_put(w, &tok);
    return ti_emit(w, p.items, p.n, opts->progress, opts->progress_user, err);
}

tern_status ti_convert_llama2c(ti_gguf_writer *w, const char *in, const ti_convert_opts *opts,
                               tern_err *err)
{
    ti_map map;
    ti_arena arena = {0};
    if (!opts->tokenizer) {
        return ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                       "a llama2.c checkpoint needs its tokenizer file");
    }
    TI_TRY(ti_map_open(&map, in, err));
    tern_status status = write_model(w, &arena, &map, in, opts, err);
    ti_arena_free(&arena);
    ti_map_close(&map);
    return status;
}
