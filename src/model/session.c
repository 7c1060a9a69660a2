/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: tokens, cache, rotation tables, sampling. */
#include "model/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/detmath.h"

static const char module[] = "session";

enum { DEFAULT_CONTEXT = 4096, DEFAULT_CHUNK = 512, MAX_CHUNK = 1 << 14 };

/* --- creation ----------------------------------------------------------------------------- */

bool ti_kv_lay_out(ti_kv_layer *layers, const tern_model *model, uint32_t n_ctx,
                   uint64_t *vectors)
{
    const ti_config *c = &model->config;
    bool has_ring = false;
    *vectors = 0;
    for (uint32_t l = 0; l < c->n_layer; l++) {
        const ti_pattern *p = ti_pattern_of(model, l);
        uint64_t ring = (uint64_t)ti_pattern_reach(p, n_ctx) + TI_KV_STEP - 1;
        ti_kv_layer layer = {
            .first = (size_t)*vectors, .rows = n_ctx, .linear = n_ctx, .ring = 1};
        if (p->first && p->sinks + ring < n_ctx) {
            layer.linear = p->sinks;
            layer.ring = (uint32_t)ring;
            layer.rows = p->sinks + (size_t)ring;
            has_ring = true;
        }
        *vectors += layer.rows * c->n_head_kv; /* 2^24 * 2^10 * 2^10 at most */
        if (layers) {
            layers[l] = layer;
        }
    }
    return has_ring;
}

tern_status ti_kv_create(tern_session *s, tern_kv_type type, tern_err *err)
{
    const ti_config *c = &s->model->config;
    ti_kv *kv = &s->kv;
    size_t width = type == TERN_KV_F16 ? sizeof(uint16_t) : sizeof(int8_t);
    kv->type = type;
    kv->stride = ti_round_up(c->head_dim, TI_LANES);
    kv->n_ctx = s->n_ctx;
    uint64_t vectors, numbers, bytes, scales = 0;
    kv->layers = ti_arena_calloc(&s->arena, c->n_layer, sizeof *kv->layers);
    if (!kv->layers) {
        return ti_fail_nomem(err, module, c->n_layer * sizeof *kv->layers, "a list of layers");
    }
    kv->has_ring = ti_kv_lay_out(kv->layers, s->model, s->n_ctx, &vectors);
    if (!ti_mul_u64(vectors, kv->stride * width, &numbers) || numbers > PTRDIFF_MAX / 8) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "a context of %u tokens is too large", s->n_ctx);
    }
    numbers = ti_round_up(numbers, TI_ALIGN);
    if (type == TERN_KV_I8) {
        scales = ti_round_up(vectors * sizeof(float), TI_ALIGN);
    }
    bytes = 2 * numbers + 2 * scales;
    kv->memory = ti_alloc_pages(bytes);
    if (!kv->memory) {
        return ti_fail_nomem(err, module, bytes, "keys and values");
    }
    kv->bytes = bytes;
    kv->k = kv->memory;
    kv->v = (uint8_t *)kv->memory + numbers;
    if (type == TERN_KV_I8) {
        kv->k_scale = (float *)(void *)((uint8_t *)kv->memory + 2 * numbers);
        kv->v_scale = (float *)(void *)((uint8_t *)kv->memory + 2 * numbers + scales);
    }
    return TERN_OK;
}

/* Angles p / base^(2i/n) (Su et al. 2021, equation 15), in double by own code, so that the
 * table has the same bits everywhere. */
tern_status ti_rope_create(ti_rope *out, const tern_model *model, uint32_t n_ctx,
                           ti_arena *arena, tern_err *err)
{
    const ti_config *c = &model->config;
    size_t half = c->rope_dim / 2;
    out->cosine = ti_arena_calloc(arena, (size_t)n_ctx * half, sizeof(float));
    out->sine = ti_arena_calloc(arena, (size_t)n_ctx * half, sizeof(float));
    if (!out->cosine || !out->sine) {
        return ti_fail_nomem(err, module, (uint64_t)n_ctx * half * 2 * sizeof(float),
                             "rotation tables");
    }
    double ln_base = ti_log((double)c->rope_base);
    for (size_t i = 0; i < half; i++) {
        double frequency = ti_exp(-2.0 * (double)i / (double)c->rope_dim * ln_base);
        if (model->rope_factors) {
            frequency = frequency / (double)model->rope_factors[i];
        }
        for (size_t p = 0; p < n_ctx; p++) {
            double sine, cosine;
            ti_sincos((double)p * frequency, &sine, &cosine);
            out->cosine[p * half + i] = (float)cosine;
            out->sine[p * half + i] = (float)sine;
        }
    }
    return TERN_OK;
}

static tern_status create_rest(tern_session *s, const tern_session_opts *opts, tern_err *err)
{
    uint32_t n_vocab = s->model->config.n_vocab;
    s->tokens = ti_arena_calloc(&s->arena, s->n_ctx, sizeof *s->tokens);
    s->logits = ti_arena_calloc(&s->arena, n_vocab, sizeof *s->logits);
    s->sampler_scratch = ti_arena_alloc(&s->arena, ti_sampler_scratch_bytes(n_vocab));
    if (!s->tokens || !s->logits || !s->sampler_scratch) {
        return ti_fail_nomem(err, module, s->n_ctx * sizeof *s->tokens, "a session");
    }
    const tern_sampler_opts greedy = {0};
    TI_TRY(ti_sampler_init(&s->sampler, &greedy, err));
    TI_TRY(ti_rope_create(&s->rope, s->model, s->n_ctx, &s->arena, err));
    TI_TRY(ti_kv_create(s, opts->kv, err));
    return ti_batch_new(&s->batch, s->model, opts->threads, s->chunk, s->n_ctx, err);
}

tern_status tern_session_create(tern_session **out, const tern_model *model,
                                const tern_session_opts *opts, tern_err *err)
{
    const tern_session_opts defaults = {0};
    opts = opts ? opts : &defaults;
    if (model->vocab_only) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       "the model was opened for its vocabulary only");
    }
    if (opts->kv != TERN_KV_F16 && opts->kv != TERN_KV_I8) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "no such kind of cache: %d",
                       (int)opts->kv);
    }
    uint32_t trained = model->config.n_ctx;
    uint32_t n_ctx = opts->n_ctx;
    if (n_ctx == 0) {
        n_ctx = trained < DEFAULT_CONTEXT ? trained : DEFAULT_CONTEXT;
    }
    if (n_ctx > trained) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "a context of %u tokens: the model was trained for %u", n_ctx, trained);
    }
    if (opts->chunk > MAX_CHUNK) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET, "chunk %u, at most %d",
                       opts->chunk, MAX_CHUNK);
    }
    tern_session *s = ti_calloc(1, sizeof *s);
    if (!s) {
        return ti_fail_nomem(err, module, sizeof *s, "a session");
    }
    uint32_t chunk = opts->chunk ? opts->chunk : DEFAULT_CHUNK;
    *s = (tern_session){.model = model, .n_ctx = n_ctx, .chunk = chunk < n_ctx ? chunk : n_ctx};
    tern_status status = create_rest(s, opts, err);
    if (status != TERN_OK) {
        tern_session_destroy(s);
        return status;
    }
    *out = s;
    return TERN_OK;
}

void tern_session_destroy(tern_session *session)
{
    if (session) {
        if (!session->guest) {
            tern_batch_destroy(session->batch);
        }
        ti_constraint_free(session->constraint);
        ti_free_pages(session->kv.memory, session->kv.bytes);
        ti_arena_free(&session->arena);
        free(session);
    }
}

uint64_t tern_session_bytes(const tern_session *session)
{
    return sizeof *session + session->arena.bytes + session->kv.bytes +
           ti_constraint_bytes(session->constraint) +
           (session->guest ? 0 : ti_batch_bytes(session->batch));
}

void tern_session_set_trace(tern_session *session, tern_trace_fn fn, void *user)
{
    session->trace = fn;
    session->trace_user = user;
}

const tern_sampler_opts *tern_session_sampler(const tern_session *session)
{
    return &session->sampler.opts;
}

tern_status tern_session_set_sampler(tern_session *session, const tern_sampler_opts *opts,
                                     tern_err *err)
{
    ti_sampler fresh;
    TI_TRY(ti_sampler_init(&fresh, opts, err));
    session->sampler = fresh;
    return TERN_OK;
}

/* --- moving forward ----------------------------------------------------------------------- */

tern_status ti_session_check_tokens(const tern_session *s, const tern_token *tokens, size_t n,
                                    tern_err *err)
{
    if (n == 0) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "no tokens");
    }
    if (n > s->n_ctx - s->n_tokens) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "%zu tokens do not fit: the context holds %u and has %zu", n, s->n_ctx,
                       s->n_tokens);
    }
    for (size_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= s->model->config.n_vocab) {
            return ti_fail(err, TERN_USAGE, module, i,
                           "token %d is not in the vocabulary of %u", (int)tokens[i],
                           s->model->config.n_vocab);
        }
    }
    return TERN_OK;
}

size_t ti_session_rows(tern_session *s, const tern_token *tokens, size_t n, ti_row *rows)
{
    size_t waiting = s->n_tokens - s->n_done;
    ti_kv_note(&s->kv, s->n_tokens + n);
    for (size_t i = 0; i < waiting + n; i++) {
        rows[i] =
            (ti_row){.session = s,
                     .position = (uint32_t)(s->n_done + i),
                     .token = i < waiting ? s->tokens[s->n_done + i] : tokens[i - waiting],
                     .logits = i + 1 == waiting + n ? s->logits : NULL};
    }
    return waiting + n;
}

void ti_session_commit(tern_session *s, const tern_token *tokens, size_t n)
{
    if (tokens) {
        memcpy(s->tokens + s->n_tokens, tokens, n * sizeof *tokens);
    }
    s->n_tokens += n;
    s->n_done = s->n_tokens;
    s->has_logits = true;
}

/* Runs the tokens from n_done to `end`, which are already in s->tokens, chunk by chunk. */
static tern_status run_to(tern_session *s, size_t end, tern_err *err)
{
    size_t at = s->n_done;
    s->has_logits = false;
    while (at < end) {
        size_t n = end - at < s->chunk ? end - at : s->chunk;
        ti_row *rows = ti_batch_rows(s->batch);
        for (size_t i = 0; i < n; i++) {
            rows[i] = (ti_row){.session = s,
                               .position = (uint32_t)(at + i),
                               .token = s->tokens[at + i],
                               .logits = at + i + 1 == end ? s->logits : NULL};
        }
        ti_kv_note(&s->kv, at + n);
        TI_TRY(ti_forward(s->batch, rows, n, err));
        at += n;
    }
    s->n_done = end;
    s->has_logits = true;
    return TERN_OK;
}

/* Forgets a cache of which parts were overwritten. */
static void forget_lost(tern_session *s)
{
    if (ti_kv_lost(&s->kv, s->n_done)) {
        s->n_done = 0;
        s->kv.reached = 0;
    }
}

tern_status ti_session_settle(tern_session *s, tern_err *err)
{
    size_t end = s->n_done;
    forget_lost(s);
    return s->n_done < end ? run_to(s, end, err) : TERN_OK;
}

static tern_status catch_up(tern_session *s, size_t end, tern_err *err)
{
    forget_lost(s);
    return run_to(s, end, err);
}

tern_status tern_session_feed(tern_session *session, const tern_token *tokens, size_t n,
                              tern_err *err)
{
    TI_TRY(ti_session_check_tokens(session, tokens, n, err));
    memmove(session->tokens + session->n_tokens, tokens, n * sizeof *tokens);
    TI_TRY(catch_up(session, session->n_tokens + n, err));
    session->n_tokens += n;
    return TERN_OK;
}

tern_status tern_session_feed_text(tern_session *session, const char *text, tern_err *err)
{
    size_t len = strlen(text), n = 0, cap = session->n_ctx;
    uint32_t flags = TERN_TOKENIZE_SPECIAL | (session->n_tokens == 0 ? TERN_TOKENIZE_BOS : 0u);
    tern_token *tokens = ti_calloc(cap, sizeof *tokens);
    if (!tokens) {
        return ti_fail_nomem(err, module, cap * sizeof *tokens, "tokens");
    }
    tern_status status =
        tern_model_tokenize(session->model, tokens, cap, &n, text, len, flags, err);
    if (status == TERN_OK) {
        status = tern_session_feed(session, tokens, n, err);
    }
    free(tokens);
    return status;
}

const float *tern_session_logits(tern_session *session, tern_err *err)
{
    if (session->n_tokens == 0) {
        ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "no logits before the first token");
        return NULL;
    }
    if (!session->has_logits) {
        if (session->n_done == session->n_tokens) {
            session->n_done--; /* run the last token again: same bits, and its logits */
        }
        if (catch_up(session, session->n_tokens, err) != TERN_OK) {
            return NULL;
        }
    }
    return session->logits;
}

tern_status tern_session_next(tern_session *session, tern_token *token, tern_err *err)
{
    if (session->n_tokens >= session->n_ctx) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "the context of %u tokens is full", session->n_ctx);
    }
    tern_err local = {.status = TERN_INTERNAL};
    const float *logits = tern_session_logits(session, &local);
    if (!logits) {
        if (err) {
            *err = local;
        }
        return local.status;
    }
    const uint64_t *allowed = NULL;
    if (session->constraint) {
        TI_TRY(ti_constraint_mask(session->constraint, &allowed, err));
    }
    tern_token chosen = TERN_TOKEN_NONE;
    TI_TRY(ti_sampler_pick_of(&session->sampler, logits, session->model->config.n_vocab,
                              allowed, session->tokens, session->n_tokens,
                              session->sampler_scratch, &chosen, err));
    if (session->constraint) {
        TI_TRY(ti_constraint_take(session->constraint, session->model, chosen, err));
    }
    session->tokens[session->n_tokens++] = chosen;
    session->has_logits = false;
    *token = chosen;
    return TERN_OK;
}

const tern_token *tern_session_tokens(const tern_session *session, size_t *n)
{
    *n = session->n_tokens;
    return session->tokens;
}

tern_status tern_session_truncate(tern_session *session, size_t n, tern_err *err)
{
    if (n > session->n_tokens) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "cannot keep %zu tokens of %zu",
                       n, session->n_tokens);
    }
    if (n < session->n_tokens) {
        session->has_logits = false;
    }
    session->n_tokens = n;
    session->n_done = n < session->n_done ? n : session->n_done;
    return TERN_OK;
}
