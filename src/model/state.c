/* SPDX-License-Identifier: Apache-2.0 */
/* Saved sessions.  Little-endian:
 *
 *   offset  0  "TERNSESS"
 *           8  u32 version, 1
 *          12  u32 kind of cache (tern_kv_type)
 *          16  u64 model digest
 *          24  u64 tokens
 *          32  u64 tokens in the cache (at most `tokens`)
 *          40  u32 bytes of sampler state; u32 0
 *          48  sampler state, padded to 8
 *              tokens, i32 each, padded to 8
 *              for each layer, head: keys of the cached tokens, [n][head_dim] halves or int8
 *                                    (int8: n float32 scales before them); values likewise.
 *                                    Of a layer that keeps few: its first and its last ones,
 *                                    those that the next token can need
 *    at end    u64 FNV-1a of everything before
 *
 * The logits are not saved: they are computed again from the last token, which gives the same
 * bits. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/session.h"

static const char module[] = "session";
static const char magic[8] = "TERNSESS";

enum { VERSION = 1, HEADER_BYTES = 48 };
#define MAX_FILE_BYTES ((size_t)1 << 40)

/* --- writing ------------------------------------------------------------------------------ */

typedef struct sink {
    FILE *stream;
    uint64_t hash;
} sink;

static uint64_t fnv(uint64_t h, const void *data, size_t n)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ p[i]) * 0x100000001b3u;
    }
    return h;
}

static void put(sink *s, const void *data, size_t n)
{
    s->hash = fnv(s->hash, data, n);
    (void)fwrite(data, 1, n, s->stream); /* ti_out_commit() looks at ferror() */
}

static void put_u32(sink *s, uint32_t v)
{
    const uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
                          (uint8_t)(v >> 24)};
    put(s, b, sizeof b);
}

static void put_u64(sink *s, uint64_t v)
{
    put_u32(s, (uint32_t)v);
    put_u32(s, (uint32_t)(v >> 32));
}

static void pad8(sink *s, size_t written)
{
    static const uint8_t zeros[8];
    put(s, zeros, (8 - written % 8) % 8);
}

static size_t n_saved(const ti_kv_layer *layer, size_t n)
{
    ti_kv_part parts[2];
    ti_kv_parts(parts, layer, n);
    return parts[0].to - parts[0].from + parts[1].to - parts[1].from;
}

/* One head's cached vectors, without the padding that memory has. */
static void put_head(sink *s, const ti_kv *kv, const ti_kv_layer *layer, size_t index,
                     bool keys, size_t n, size_t d)
{
    size_t width = kv->type == TERN_KV_F16 ? sizeof(uint16_t) : sizeof(int8_t);
    const float *scale = keys ? kv->k_scale : kv->v_scale;
    const uint8_t *data = keys ? kv->k : kv->v;
    ti_kv_part parts[2];
    ti_kv_parts(parts, layer, n);
    for (size_t i = 0; scale && i < 2; i++) {
        for (size_t p = parts[i].from; p < parts[i].to; p++) {
            put(s, scale + index + ti_kv_row(layer, p), sizeof *scale);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        for (size_t p = parts[i].from; p < parts[i].to; p++) {
            put(s, data + (index + ti_kv_row(layer, p)) * kv->stride * width, d * width);
        }
    }
}

tern_status tern_session_save(const tern_session *session, const char *path, tern_err *err)
{
    const ti_config *c = &session->model->config;
    const ti_kv *kv = &session->kv;
    /* Whoever asks for logits runs the last token again, which looks back one further. */
    bool lost = session->n_done > 0 && ti_kv_lost(kv, session->n_done - 1);
    size_t n_done = lost ? 0 : session->n_done;
    ti_out out;
    TI_TRY(ti_out_open(&out, path, err));
    sink s = {.stream = out.stream, .hash = 0xcbf29ce484222325u};
    put(&s, magic, sizeof magic);
    put_u32(&s, VERSION);
    put_u32(&s, (uint32_t)kv->type);
    put_u64(&s, session->model->digest);
    put_u64(&s, session->n_tokens);
    put_u64(&s, n_done);
    put_u32(&s, (uint32_t)sizeof session->sampler);
    put_u32(&s, 0);
    put(&s, &session->sampler, sizeof session->sampler);
    pad8(&s, sizeof session->sampler);
    put(&s, session->tokens, session->n_tokens * sizeof *session->tokens);
    pad8(&s, session->n_tokens * sizeof *session->tokens);
    for (size_t h = 0; h < (size_t)c->n_layer * c->n_head_kv; h++) {
        const ti_kv_layer *layer = &kv->layers[h / c->n_head_kv];
        size_t index = ti_kv_index(kv, h / c->n_head_kv, h % c->n_head_kv);
        put_head(&s, kv, layer, index, true, n_done, c->head_dim);
        put_head(&s, kv, layer, index, false, n_done, c->head_dim);
    }
    uint64_t hash = s.hash;
    put_u64(&s, hash);
    return ti_out_commit(&out, err);
}

/* --- reading ------------------------------------------------------------------------------ */

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get_u64(const uint8_t *p)
{
    return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

typedef struct saved {
    uint64_t n_tokens, n_done;
    const uint8_t *sampler, *tokens, *cache;
} saved;

/* Checks everything that the file says against its length and the session. */
static tern_status parse(saved *out, const tern_session *s, const uint8_t *p, size_t size,
                         tern_err *err)
{
    const ti_config *c = &s->model->config;
    if (size < HEADER_BYTES + 8 || memcmp(p, magic, sizeof magic) != 0 ||
        get_u32(p + 8) != VERSION || get_u32(p + 40) != sizeof(ti_sampler)) {
        return ti_fail(err, TERN_CORRUPT, module, 0, "not a saved session of this version");
    }
    if (fnv(0xcbf29ce484222325u, p, size - 8) != get_u64(p + size - 8)) {
        return ti_fail(err, TERN_CORRUPT, module, size - 8, "checksum of the session is wrong");
    }
    if (get_u64(p + 16) != s->model->digest || get_u32(p + 12) != (uint32_t)s->kv.type) {
        return ti_fail(err, TERN_USAGE, module, 12,
                       "the session belongs to another model or kind of cache");
    }
    saved v = {.n_tokens = get_u64(p + 24), .n_done = get_u64(p + 32)};
    if (v.n_tokens > s->n_ctx) {
        return ti_fail(err, TERN_LIMIT, module, 24,
                       "the saved session has %llu tokens, this one holds %u",
                       (unsigned long long)v.n_tokens, s->n_ctx);
    }
    size_t width = s->kv.type == TERN_KV_F16 ? sizeof(uint16_t) : sizeof(int8_t);
    size_t vector = c->head_dim * width + (s->kv.type == TERN_KV_I8 ? sizeof(float) : 0);
    size_t at = HEADER_BYTES;
    v.sampler = p + at;
    at += ti_round_up(sizeof(ti_sampler), 8);
    v.tokens = p + at;
    at += ti_round_up((size_t)v.n_tokens * sizeof(tern_token), 8);
    v.cache = p + at;
    size_t vectors = 0;
    for (uint32_t l = 0; l < c->n_layer && v.n_done <= v.n_tokens; l++) {
        vectors += n_saved(&s->kv.layers[l], (size_t)v.n_done) * c->n_head_kv * 2;
    }
    at += vectors * vector + 8;
    if (v.n_done > v.n_tokens || at != size) {
        return ti_fail(err, TERN_CORRUPT, module, 24, "lengths of the session do not fit");
    }
    for (size_t i = 0; i < v.n_tokens; i++) {
        if (get_u32(v.tokens + 4 * i) >= c->n_vocab) {
            return ti_fail(err, TERN_CORRUPT, module, (uint64_t)(v.tokens - p) + 4 * i,
                           "token %zu of the session is not in the vocabulary", i);
        }
    }
    *out = v;
    return TERN_OK;
}

static const uint8_t *get_head(const uint8_t *from, const ti_kv *kv, const ti_kv_layer *layer,
                               size_t index, bool keys, size_t n, size_t d)
{
    size_t width = kv->type == TERN_KV_F16 ? sizeof(uint16_t) : sizeof(int8_t);
    float *scale = keys ? kv->k_scale : kv->v_scale;
    uint8_t *data = keys ? kv->k : kv->v;
    ti_kv_part parts[2];
    ti_kv_parts(parts, layer, n);
    for (size_t i = 0; scale && i < 2; i++) {
        for (size_t p = parts[i].from; p < parts[i].to; p++, from += sizeof *scale) {
            memcpy(scale + index + ti_kv_row(layer, p), from, sizeof *scale);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        for (size_t p = parts[i].from; p < parts[i].to; p++, from += d * width) {
            memcpy(data + (index + ti_kv_row(layer, p)) * kv->stride * width, from, d * width);
        }
    }
    return from;
}

tern_status tern_session_load(tern_session *session, const char *path, tern_err *err)
{
    char *data = NULL;
    size_t size = 0;
    TI_TRY(ti_read_file(&data, &size, path, MAX_FILE_BYTES, err));
    saved v = {0};
    tern_status status = parse(&v, session, (const uint8_t *)data, size, err);
    ti_sampler sampler;
    if (status == TERN_OK) {
        memcpy(&sampler, v.sampler, sizeof sampler);
        status = ti_sampler_check(&sampler, err);
    }
    if (status == TERN_OK) {
        const ti_config *c = &session->model->config;
        ti_kv *kv = &session->kv;
        const uint8_t *from = v.cache;
        for (size_t h = 0; h < (size_t)c->n_layer * c->n_head_kv; h++) {
            const ti_kv_layer *layer = &kv->layers[h / c->n_head_kv];
            size_t index = ti_kv_index(kv, h / c->n_head_kv, h % c->n_head_kv);
            size_t n = (size_t)v.n_done;
            from = get_head(from, kv, layer, index, true, n, c->head_dim);
            from = get_head(from, kv, layer, index, false, n, c->head_dim);
        }
        /* A ring has the last ones only: nothing more can be taken back. */
        kv->reached = (size_t)v.n_done + (v.n_done > 0 ? TI_KV_STEP - 1 : 0);
        for (size_t i = 0; i < v.n_tokens; i++) {
            session->tokens[i] = (tern_token)get_u32(v.tokens + 4 * i);
        }
        session->n_tokens = (size_t)v.n_tokens;
        session->n_done = (size_t)v.n_done;
        session->has_logits = false;
        session->sampler = sampler;
    }
    free(data);
    return status;
}
