/* SPDX-License-Identifier: Apache-2.0 */
/* Models with random weights.
 *
 * A plan of all tensors is made first, because a GGUF file announces them before any data; then
 * each is made row by row from its own random sequence and written, so that the largest model
 * needs no more memory than the smallest. */
#include "model/synth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kern/quantize.h"
#include "model/synth_parts.h"

typedef struct shape {
    const char *name, *arch, *pre;
    uint32_t n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim, n_vocab, n_ctx;
    float rope_base, rms_eps;
    bool tied, sub_norms, qk_norms;
} shape;

/* clang-format off */
static const shape shapes[] = {
    {"2b4t", "bitnet-b1.58", "llama-bpe", 30, 2560, 6912, 20, 5, 128, 128256, 4096,
     500000, 1e-5f, true, true, false},
    {"falcon3-1b", "llama", "llama-bpe", 18, 2048, 8192, 8, 4, 256, 131072, 8192,
     1000042, 1e-6f, false, false, false},
    {"100m", "llama", "llama-bpe", 12, 768, 2048, 12, 12, 64, 32000, 2048,
     10000, 1e-5f, false, false, false},
    {"tiny-bitnet", "bitnet-b1.58", "llama-bpe", 2, 256, 768, 4, 2, 64, 320, 2048,
     500000, 1e-5f, true, true, false},
    {"tiny-llama", "llama", "llama-bpe", 2, 256, 768, 4, 2, 64, 320, 2048,
     10000, 1e-5f, false, false, false},
    {"tiny-qwen3", "qwen3", "qwen2", 2, 256, 512, 4, 2, 128, 320, 2048,
     1000000, 1e-6f, true, false, true},
    {"tiny-smdr", "smdr", "gpt-2", 2, 256, 768, 4, 2, 64, 320, 1024,
     10000, 1e-5f, true, true, false},
    {"smdr-5m", "smdr", "gpt-2", 8, 256, 768, 4, 4, 64, 4096, 1024,
     10000, 1e-5f, true, true, false},
};
/* clang-format on */

enum {
    N_SHAPES = sizeof shapes / sizeof shapes[0],
    SCALE_RUN = 256,          /* weights that share a scale when scales vary */
    MAX_LAYER_TENSORS = 13,   /* seven matrices, two norms, four more norms of some archs */
    MAX_SMDR_LAYERS = 8,      /* of the smdr shapes above */
    CHUNK_BYTES = 1024 * 1024 /* of encoded rows that are written together */
};

typedef enum tensor_kind { NORM, MATRIX, BELL } tensor_kind;

typedef struct planned {
    char name[48];
    tensor_kind kind; /* BELL: embedding and head */
    const ti_type_info *type;
    uint64_t k, rows; /* rows 0: a vector */
    uint64_t bytes;
} planned;

typedef struct synth {
    const shape *shape;
    const ti_synth_opts *opts;
    const char *arch;
    const ti_type_info *matrix, *embd, *head;
    planned *plan;
    size_t n_plan;
    uint64_t total, done; /* bytes of tensor data */
    uint8_t *codes;       /* [k] of one row */
    float *row;           /* [k], and scales */
    uint8_t *chunk;       /* [CHUNK_BYTES], or one row if that is larger */
} synth;

/* --- plan -------------------------------------------------------------------------------- */

static void plan_tensor(synth *s, tensor_kind kind, const ti_type_info *type, uint64_t k,
                        uint64_t rows, const char *name)
{
    planned *p = &s->plan[s->n_plan++];
    *p = (planned){.kind = kind, .type = type, .k = k, .rows = rows};
    snprintf(p->name, sizeof p->name, "%s.weight", name);
}

static void plan_layer(synth *s, uint32_t layer)
{
    const shape *h = s->shape;
    uint64_t q = (uint64_t)h->n_head * h->head_dim, kv = (uint64_t)h->n_head_kv * h->head_dim;
    const ti_type_info *f32 = ti_type_info_of(TI_F32), *type = s->matrix;
    const struct {
        const char *part;
        tensor_kind kind;
        uint64_t k, rows;
        bool wanted;
    } parts[MAX_LAYER_TENSORS] = {
        {"attn_norm", NORM, h->n_embd, 0, true},
        {"attn_q", MATRIX, h->n_embd, q, true},
        {"attn_k", MATRIX, h->n_embd, kv, true},
        {"attn_v", MATRIX, h->n_embd, kv, true},
        {"attn_q_norm", NORM, h->head_dim, 0, h->qk_norms},
        {"attn_k_norm", NORM, h->head_dim, 0, h->qk_norms},
        {"attn_sub_norm", NORM, q, 0, h->sub_norms},
        {"attn_output", MATRIX, q, h->n_embd, true},
        {"ffn_norm", NORM, h->n_embd, 0, true},
        {"ffn_gate", MATRIX, h->n_embd, h->n_ff, true},
        {"ffn_up", MATRIX, h->n_embd, h->n_ff, true},
        {"ffn_sub_norm", NORM, h->n_ff, 0, h->sub_norms},
        {"ffn_down", MATRIX, h->n_ff, h->n_embd, true},
    };
    for (int i = 0; i < MAX_LAYER_TENSORS; i++) {
        if (parts[i].wanted) {
            char name[32];
            snprintf(name, sizeof name, "blk.%u.%s", layer, parts[i].part);
            plan_tensor(s, parts[i].kind, parts[i].kind == NORM ? f32 : type, parts[i].k,
                        parts[i].rows, name);
        }
    }
}

static tern_status plan_all(synth *s, tern_err *err)
{
    const shape *h = s->shape;
    s->plan = ti_calloc((size_t)h->n_layer * MAX_LAYER_TENSORS + 3, sizeof *s->plan);
    if (!s->plan) {
        return ti_fail_nomem(err, "synth", h->n_layer * sizeof *s->plan, "a plan");
    }
    plan_tensor(s, BELL, s->embd, h->n_embd, h->n_vocab, "token_embd");
    plan_tensor(s, NORM, ti_type_info_of(TI_F32), h->n_embd, 0, "output_norm");
    if (!h->tied) {
        plan_tensor(s, BELL, s->head, h->n_embd, h->n_vocab, "output");
    }
    for (uint32_t layer = 0; layer < h->n_layer; layer++) {
        plan_layer(s, layer);
    }
    for (size_t i = 0; i < s->n_plan; i++) {
        planned *p = &s->plan[i];
        if (!ti_type_tensor_bytes(p->type, p->k, p->rows ? p->rows : 1, &p->bytes)) {
            return ti_fail(err, TERN_USAGE, "synth", TI_NO_OFFSET,
                           "%s: rows of %llu weights are no multiple of %s's block of %u",
                           p->name, (unsigned long long)p->k, p->type->name, p->type->block);
        }
        s->total += p->bytes;
    }
    return TERN_OK;
}

/* --- keys -------------------------------------------------------------------------------- */

static void put_u32(ti_gguf_writer *w, const synth *s, const char *key, uint32_t value)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", s->arch, key);
    ti_gguf_put_u32(w, name, value);
}

static void put_f32(ti_gguf_writer *w, const synth *s, const char *key, float value)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", s->arch, key);
    ti_gguf_put_f32(w, name, value);
}

/* general.file_type of files whose matrices are mostly of a type: llama.cpp's numbers, for I2_S
 * bitnet.cpp's, for the BN types ik_llama.cpp's. */
static void put_file_type(ti_gguf_writer *w, ti_type type)
{
    static const struct {
        ti_type type;
        uint32_t value;
    } map[] = {{TI_F32, 0},   {TI_F16, 1},   {TI_Q4_0, 2},  {TI_Q4_1, 3},     {TI_Q8_0, 7},
               {TI_Q4_K, 14}, {TI_Q6_K, 18}, {TI_BF16, 32}, {TI_TQ1_0, 36},   {TI_TQ2_0, 37},
               {TI_I2_S, 40}, {TI_Q1_0, 40}, {TI_Q2_0, 41}, {TI_IQ1_BN, 136}, {TI_IQ2_BN, 137}};
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (map[i].type == type) {
            ti_gguf_put_u32(w, "general.file_type", map[i].value);
        }
    }
}

static bool is_smdr(const shape *h)
{
    return strcmp(h->arch, "smdr") == 0;
}

static uint32_t context_of(const synth *s)
{
    return s->opts->smdr.n_ctx ? s->opts->smdr.n_ctx : s->shape->n_ctx;
}

/* Side of the least torus on which nobody sees round it. */
static uint32_t torus_side(uint64_t n_ctx, uint64_t radius)
{
    uint64_t side = 2 * radius + 1;
    while (side * (side - radius) < n_ctx) {
        side++;
    }
    return (uint32_t)side;
}

static void put_smdr(ti_gguf_writer *w, const synth *s)
{
    const ti_synth_smdr *o = &s->opts->smdr;
    const char *kinds = o->kinds ? o->kinds : "torus", *at = kinds;
    uint32_t radius = o->radius ? o->radius : 3;
    uint32_t side = torus_side(context_of(s), radius);
    ti_str items[MAX_SMDR_LAYERS];
    for (uint32_t i = 0; i < s->shape->n_layer; i++) {
        size_t len = strcspn(at, ",");
        items[i] = (ti_str){at, len};
        at = at[len] ? at + len + 1 : kinds;
    }
    ti_gguf_put_strs(w, "smdr.attention.kinds", items, s->shape->n_layer);
    put_u32(w, s, "attention.torus_side", side);
    put_u32(w, s, "attention.torus_radius", radius);
    put_u32(w, s, "attention.key_budget", o->budget ? o->budget : radius * radius + radius + 1);
    put_u32(w, s, "attention.stride", side);
    put_u32(w, s, "attention.random_seed", (uint32_t)s->opts->seed);
    put_u32(w, s, "attention.sink_tokens", o->sinks);
    if (o->top_k) {
        put_u32(w, s, "feed_forward.top_k", o->top_k);
    }
}

static tern_status put_keys(ti_gguf_writer *w, const synth *s, tern_err *err)
{
    static const char about[] = "random weights, for measuring and testing";
    const shape *h = s->shape;
    char name[64];
    int len = snprintf(name, sizeof name, "synthetic %s", h->name);
    ti_gguf_put_str(w, "general.architecture", s->arch, strlen(s->arch));
    ti_gguf_put_str(w, "general.name", name, (size_t)len);
    ti_gguf_put_str(w, "general.type", "model", 5);
    ti_gguf_put_str(w, "general.description", about, sizeof about - 1);
    ti_gguf_put_u32(w, "general.quantization_version", 2);
    put_file_type(w, s->matrix->type);
    if (s->matrix->type == TI_I2_S) {
        ti_gguf_put_str(w, TI_GGUF_KEY_I2S_LAYOUT, "x86", 3);
    }
    put_u32(w, s, "vocab_size", h->n_vocab);
    put_u32(w, s, "context_length", context_of(s));
    put_u32(w, s, "embedding_length", h->n_embd);
    put_u32(w, s, "block_count", h->n_layer);
    put_u32(w, s, "feed_forward_length", h->n_ff);
    put_u32(w, s, "attention.head_count", h->n_head);
    put_u32(w, s, "attention.head_count_kv", h->n_head_kv);
    put_f32(w, s, "attention.layer_norm_rms_epsilon", h->rms_eps);
    put_u32(w, s, "rope.dimension_count", h->head_dim);
    put_f32(w, s, "rope.freq_base", h->rope_base);
    if (h->head_dim * h->n_head != h->n_embd) {
        put_u32(w, s, "attention.key_length", h->head_dim);
        put_u32(w, s, "attention.value_length", h->head_dim);
    }
    if (is_smdr(h)) {
        put_smdr(w, s);
    }
    return ti_synth_vocab(w, h->n_vocab, h->pre, err);
}

/* --- weights ----------------------------------------------------------------------------- */

/* The sequence of one row; `row` UINT64_MAX is the tensor's own, for what rows share. */
static void seed_row(ti_rng *rng, const synth *s, const planned *p, uint64_t row)
{
    uint64_t state = s->opts->seed;
    state = ti_splitmix64(&state) ^ (uint64_t)(p - s->plan);
    state = ti_splitmix64(&state) ^ row;
    ti_rng_seed(rng, state);
}

static float to_half(float x)
{
    return ti_f16_to_f32(ti_f32_to_f16(x));
}

/* 1.22/sqrt(n): about 1/sqrt(n) of deviation when a third of the weights is zero.  sqrt is
 * correctly rounded everywhere. */
static float base_scale(uint64_t k)
{
    return to_half((float)(1.22 / sqrt((double)k)));
}

/* Bytes become codes 0, 1, 2 in shares of 86, 85 and 85 of 256. */
static void random_codes(uint8_t *codes, uint64_t k, ti_rng *rng)
{
    for (uint64_t i = 0; i < k; i += 8) { /* every block is a multiple of 8 */
        uint64_t bits = ti_rng_next(rng);
        for (unsigned j = 0; j < 8; j++) {
            codes[i + j] = (uint8_t)((bits >> (8 * j) & 0xff) * 3 >> 8);
        }
    }
}

/* Roughly normal with that deviation: the sum of four uniform numbers of 16 bits, which has the
 * deviation 65536/sqrt(3). */
static void random_bell(float *x, uint64_t k, float deviation, ti_rng *rng)
{
    float unit = deviation * (float)(1.7320508075688772 / 65536);
    for (uint64_t i = 0; i < k; i++) {
        uint64_t bits = ti_rng_next(rng);
        int32_t sum = (int32_t)((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                (bits >> 32 & 0xffff) + (bits >> 48)) -
                      2 * 65535;
        x[i] = (float)sum * unit;
    }
}

/* Scales of a row, as many as its type has; `out` has room for one a block. */
static void row_scales(float *out, const synth *s, const planned *p, ti_rng *rng)
{
    float base = base_scale(p->k);
    uint64_t n = p->type->row_bytes || p->type->tensor_bytes ? 1 : p->k / p->type->block;
    float scale = base;
    for (uint64_t i = 0; i < n; i++) {
        if (s->opts->vary_scales && i * p->type->block % SCALE_RUN == 0) {
            scale = to_half(base * (0.5f + ti_rng_unit(rng)));
        }
        out[i] = scale;
    }
}

static void make_row(const synth *s, const planned *p, uint64_t row, uint8_t *out)
{
    ti_rng rng;
    seed_row(&rng, s, p, row);
    if (p->kind == NORM) {
        for (uint64_t i = 0; i < p->k; i++) {
            s->row[i] = 0.75f + 0.5f * ti_rng_unit(&rng);
        }
    } else if (p->kind == MATRIX && p->type->ternary) {
        random_codes(s->codes, p->k, &rng);
        if (p->type->tensor_bytes) {
            ti_i2s_encode(out, s->codes, p->k, 1, 0);
        } else {
            row_scales(s->row, s, p, &rng);
            (void)ti_type_from_trits(out, p->type, s->codes, s->row, p->k);
        }
        return;
    } else {
        random_bell(s->row, p->k, (float)(1.0 / sqrt((double)p->k)), &rng);
    }
    (void)ti_type_from_f32(out, p->type, s->row, p->k); /* type was checked */
}

static tern_status write_bytes(synth *s, ti_gguf_writer *w, uint64_t bytes, tern_err *err)
{
    TI_TRY(ti_gguf_write_data(w, s->chunk, bytes, err));
    s->done += bytes;
    if (s->opts->progress && !s->opts->progress(s->opts->progress_user, s->done, s->total)) {
        return ti_fail(err, TERN_CANCELLED, "synth", TI_NO_OFFSET, "cancelled");
    }
    return TERN_OK;
}

static tern_status write_tensor(synth *s, ti_gguf_writer *w, const planned *p, tern_err *err)
{
    uint64_t rows = p->rows ? p->rows : 1;
    uint64_t row_bytes = (p->bytes - p->type->tensor_bytes) / rows;
    uint64_t together = CHUNK_BYTES / row_bytes ? CHUNK_BYTES / row_bytes : 1;
    for (uint64_t row = 0; row < rows;) {
        uint64_t n = rows - row < together ? rows - row : together;
        for (uint64_t i = 0; i < n; i++) {
            /* I2_S: its tail is overwritten by the next row; the chunk has room for it */
            make_row(s, p, row + i, s->chunk + i * row_bytes);
        }
        TI_TRY(write_bytes(s, w, n * row_bytes, err));
        row += n;
    }
    if (p->type->tensor_bytes) {
        ti_rng rng;
        seed_row(&rng, s, p, UINT64_MAX);
        row_scales(s->row, s, p, &rng);
        ti_i2s_encode(s->chunk, s->codes, 0, 0, s->row[0]);
        TI_TRY(write_bytes(s, w, p->type->tensor_bytes, err));
    }
    return TERN_OK;
}

/* --- the whole --------------------------------------------------------------------------- */

static tern_status pick_type(const ti_type_info **out, const char *name, ti_type fallback,
                             bool matrix, tern_err *err)
{
    const ti_type_info *type = name ? ti_type_by_name(name) : ti_type_info_of(fallback);
    bool tail = type && type->tensor_bytes; /* I2_S is for whole matrices, and only on x86 */
    if (!type || !type->decodable || type->type == TI_I2_S_ARM || (tail && !matrix)) {
        return ti_fail(err, TERN_USAGE, "synth", TI_NO_OFFSET, "no %s can be made of type '%s'",
                       matrix ? "matrix" : "embedding", name);
    }
    *out = type;
    return TERN_OK;
}

static tern_status prepare(synth *s, const char *name, tern_err *err)
{
    for (int i = 0; i < N_SHAPES; i++) {
        if (strcmp(shapes[i].name, name) == 0) {
            s->shape = &shapes[i];
        }
    }
    if (!s->shape) {
        return ti_fail(err, TERN_USAGE, "synth", TI_NO_OFFSET, "there is no shape '%s'", name);
    }
    const ti_synth_opts *o = s->opts;
    const char *embd = o->embd ? o->embd : o->head;
    s->arch = o->arch ? o->arch : s->shape->arch;
    if (strlen(s->arch) > 32 || s->arch[0] == '\0') {
        return ti_fail(err, TERN_USAGE, "synth", TI_NO_OFFSET, "no architecture is named '%s'",
                       s->arch);
    }
    const ti_synth_smdr *d = &o->smdr;
    if (!is_smdr(s->shape) &&
        (d->kinds || d->n_ctx || d->radius || d->budget || d->sinks || d->top_k)) {
        return ti_fail(err, TERN_USAGE, "synth", TI_NO_OFFSET,
                       "shape '%s' has no options of smdr", s->shape->name);
    }
    if (d->radius > TI_SYNTH_MAX_RADIUS) {
        return ti_fail(err, TERN_USAGE, "synth", TI_NO_OFFSET, "radius %u, at most %d",
                       d->radius, TI_SYNTH_MAX_RADIUS);
    }
    TI_TRY(pick_type(&s->matrix, o->type, TI_TQ2_0, true, err));
    TI_TRY(pick_type(&s->head, o->head, TI_Q6_K, false, err));
    TI_TRY(pick_type(&s->embd, embd, TI_Q6_K, false, err));
    TI_TRY(plan_all(s, err));
    size_t k = s->shape->n_ff > s->shape->n_embd ? s->shape->n_ff : s->shape->n_embd;
    size_t q = (size_t)s->shape->n_head * s->shape->head_dim;
    k = q > k ? q : k;
    s->codes = ti_calloc(k, 1);
    s->row = ti_calloc(k, sizeof *s->row);
    s->chunk = ti_calloc(CHUNK_BYTES + 4 * k, 1);
    if (!s->codes || !s->row || !s->chunk) {
        return ti_fail_nomem(err, "synth", CHUNK_BYTES, "rows");
    }
    return TERN_OK;
}

static tern_status write_all(synth *s, ti_gguf_writer *w, tern_err *err)
{
    TI_TRY(put_keys(w, s, err));
    for (size_t i = 0; i < s->n_plan; i++) {
        const planned *p = &s->plan[i];
        const uint64_t dims[] = {p->k, p->rows};
        TI_TRY(ti_gguf_add_tensor(w, p->name, p->type->type, dims, p->rows ? 2 : 1, p->bytes,
                                  err));
    }
    TI_TRY(ti_gguf_begin_data(w, err));
    for (size_t i = 0; i < s->n_plan; i++) {
        TI_TRY(write_tensor(s, w, &s->plan[i], err));
    }
    return ti_gguf_writer_finish(w, err);
}

tern_status ti_synth(const char *shape_name, const char *path, const ti_synth_opts *opts,
                     tern_err *err)
{
    static const ti_synth_opts defaults = {0};
    synth s = {.opts = opts ? opts : &defaults};
    ti_gguf_writer *w = NULL;
    tern_status status = prepare(&s, shape_name, err);
    if (status == TERN_OK) {
        status = ti_gguf_writer_create(&w, path, err);
    }
    if (status == TERN_OK) {
        status = write_all(&s, w, err);
    }
    ti_gguf_writer_destroy(w);
    free(s.plan);
    free(s.codes);
    free(s.row);
    free(s.chunk);
    return status;
}
