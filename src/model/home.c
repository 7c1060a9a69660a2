/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions that share what one thread needs once, and sessions that begin as a copy of what
 * another has read.  A key or value is the same number whoever computed it, so a copy changes
 * no bit of what follows. */
#include <stdlib.h>
#include <string.h>

#include "model/forward.h"

static const char module[] = "session";

/* Tokens from which on threads are woken for a copy: some MB of a model of usual size. */
enum { WORTH_THREADS = 64 };

tern_status ti_home_create(ti_home *out, const tern_model *model, uint32_t threads,
                           uint32_t max_rows, uint32_t n_ctx, tern_err *err)
{
    ti_home home = {.model = model, .n_ctx = n_ctx};
    TI_ASSERT(n_ctx > 0 && n_ctx <= model->config.n_ctx && max_rows > 0);
    tern_status status = ti_rope_create(&home.rope, model, n_ctx, &home.arena, err);
    if (status == TERN_OK) {
        status = ti_batch_new(&home.batch, model, threads, max_rows, n_ctx, err);
    }
    if (status != TERN_OK) {
        ti_arena_free(&home.arena);
        return status;
    }
    *out = home;
    return TERN_OK;
}

void ti_home_destroy(ti_home *home)
{
    tern_batch_destroy(home->batch);
    ti_arena_free(&home->arena);
    *home = (ti_home){.model = NULL};
}

tern_status ti_home_session(tern_session **out, const ti_home *home, uint32_t n_ctx,
                            tern_kv_type kv, tern_err *err)
{
    uint32_t n_vocab = home->model->config.n_vocab;
    TI_ASSERT(n_ctx > 0 && n_ctx <= home->n_ctx);
    tern_session *s = ti_calloc(1, sizeof *s);
    if (!s) {
        return ti_fail_nomem(err, module, sizeof *s, "a session");
    }
    *s = (tern_session){.model = home->model,
                        .batch = home->batch,
                        .guest = true,
                        .n_ctx = n_ctx,
                        .chunk = home->batch->max_rows,
                        .rope = home->rope};
    s->tokens = ti_arena_calloc(&s->arena, n_ctx, sizeof *s->tokens);
    s->logits = ti_arena_calloc(&s->arena, n_vocab, sizeof *s->logits);
    const tern_sampler_opts greedy = {0};
    tern_status status = TERN_OK;
    if (!s->tokens || !s->logits) {
        status = ti_fail_nomem(err, module, n_ctx * sizeof *s->tokens, "a session");
    }
    if (status == TERN_OK) {
        status = ti_sampler_init(&s->sampler, &greedy, err);
    }
    if (status == TERN_OK) {
        status = ti_kv_create(s, kv, err);
    }
    if (status != TERN_OK) {
        tern_session_destroy(s);
        return status;
    }
    *out = s;
    return TERN_OK;
}

uint64_t ti_home_session_bytes(const ti_home *home, uint32_t n_ctx, tern_kv_type kv)
{
    const ti_config *c = &home->model->config;
    /* What is small beside keys and values: the struct, blocks of the arena, padding. */
    enum { REST = 1 << 16 };
    uint64_t width = kv == TERN_KV_I8 ? sizeof(int8_t) : sizeof(uint16_t), vectors, bytes, all;
    uint64_t scale = kv == TERN_KV_I8 ? sizeof(float) : 0;
    (void)ti_kv_lay_out(NULL, home->model, n_ctx, &vectors);
    bool fits =
        ti_mul_u64(vectors, 2 * (ti_round_up(c->head_dim, TI_LANES) * width + scale), &bytes) &&
        ti_add_u64(bytes,
                   (uint64_t)n_ctx * sizeof(tern_token) + (uint64_t)c->n_vocab * sizeof(float) +
                       REST,
                   &all);
    return fits ? all : UINT64_MAX;
}

/* --- copies ---------------------------------------------------------------------------------
 */

/* One head's vectors of a layer at positions [part.from, part.to). */
static void copy_part(ti_kv *to, const ti_kv *from, size_t l, size_t head, ti_kv_part part)
{
    const size_t width = from->type == TERN_KV_F16 ? sizeof(uint16_t) : sizeof(int8_t);
    const ti_kv_layer *a = &from->layers[l], *b = &to->layers[l];
    size_t run = 1;
    for (size_t p = part.from; p < part.to; p += run) {
        bool straight = p < a->linear && p < b->linear; /* rows that lie side by side in both */
        size_t end = a->linear < b->linear ? a->linear : b->linear;
        run = straight ? (end < part.to ? end : part.to) - p : 1;
        size_t i = ti_kv_index(from, l, head) + ti_kv_row(a, p);
        size_t j = ti_kv_index(to, l, head) + ti_kv_row(b, p);
        size_t bytes = run * from->stride * width, at = i * from->stride * width,
               into = j * from->stride * width;
        memcpy((uint8_t *)to->k + into, (const uint8_t *)from->k + at, bytes);
        memcpy((uint8_t *)to->v + into, (const uint8_t *)from->v + at, bytes);
        if (from->type == TERN_KV_I8) {
            memcpy(to->k_scale + j, from->k_scale + i, run * sizeof(float));
            memcpy(to->v_scale + j, from->v_scale + i, run * sizeof(float));
        }
    }
}

typedef struct copies {
    tern_session *to;
    const tern_session *from;
    size_t n;
} copies;

/* This thread's heads. */
static void copy_share(void *ctx, uint32_t id, uint32_t n_threads)
{
    const copies *c = ctx;
    size_t heads = c->from->model->config.n_head_kv;
    for (size_t t = id; t < heads * c->from->model->config.n_layer; t += n_threads) {
        size_t l = t / heads;
        ti_kv_part parts[2];
        bool ring = c->from->kv.layers[l].linear < c->from->n_ctx;
        ti_kv_parts(parts, ring ? &c->from->kv.layers[l] : &c->to->kv.layers[l], c->n);
        copy_part(&c->to->kv, &c->from->kv, l, t % heads, parts[0]);
        copy_part(&c->to->kv, &c->from->kv, l, t % heads, parts[1]);
    }
}

size_t ti_session_adopt(tern_session *to, const tern_session *from, size_t n)
{
    const ti_config *c = &from->model->config;
    TI_ASSERT(to->model == from->model && to->kv.type == from->kv.type && to->n_tokens == 0);
    TI_ASSERT(n <= from->n_done && n <= to->n_ctx);
    /* Whoever asks for logits runs the last token again, which looks back one further. */
    if (n == 0 || (from->kv.has_ring && (!to->kv.has_ring || ti_kv_lost(&from->kv, n - 1)))) {
        return 0;
    }
    copies all = {.to = to, .from = from, .n = n};
    if (n < WORTH_THREADS) {
        copy_share(&all, 0, 1);
    } else {
        ti_pool_run(to->batch->pool, copy_share, &all);
    }
    /* A ring has the last ones only: nothing more can be taken back. */
    to->kv.reached = n + (to->kv.has_ring ? TI_KV_STEP - 1 : 0);
    memcpy(to->tokens, from->tokens, n * sizeof *to->tokens);
    to->n_tokens = n;
    to->n_done = n;
    to->has_logits = from->has_logits && from->n_tokens == n;
    if (to->has_logits) {
        memcpy(to->logits, from->logits, c->n_vocab * sizeof *to->logits);
    }
    return n;
}
