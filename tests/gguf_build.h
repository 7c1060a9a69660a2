/* SPDX-License-Identifier: Apache-2.0 */
/* gguf_build.h - GGUF files byte by byte in memory, right or wrong on purpose, and a walk over
 * everything that a reader offers. */
#ifndef TESTS_GGUF_BUILD_H
#define TESTS_GGUF_BUILD_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/le.h"
#include "model/gguf.h"

static inline void gb_u32(ti_buf *b, uint32_t v)
{
    uint8_t bytes[4];
    ti_store_u32(bytes, v);
    ti_buf_add(b, bytes, 4);
}

static inline void gb_u64(ti_buf *b, uint64_t v)
{
    uint8_t bytes[8];
    ti_store_u64(bytes, v);
    ti_buf_add(b, bytes, 8);
}

static inline void gb_str(ti_buf *b, const char *text)
{
    gb_u64(b, strlen(text));
    ti_buf_adds(b, text);
}

/* Starts a file (an empty ti_buf). */
static inline void gb_head(ti_buf *b, uint32_t version, uint64_t n_tensors, uint64_t n_kv)
{
    ti_buf_adds(b, "GGUF");
    gb_u32(b, version);
    gb_u64(b, n_tensors);
    gb_u64(b, n_kv);
}

/* A key and its type; the value follows. */
static inline void gb_key(ti_buf *b, const char *key, uint32_t type)
{
    gb_str(b, key);
    gb_u32(b, type);
}

static inline void gb_kv_str(ti_buf *b, const char *key, const char *value)
{
    gb_key(b, key, TI_GGUF_STRING);
    gb_str(b, value);
}

static inline void gb_kv_u32(ti_buf *b, const char *key, uint32_t value)
{
    gb_key(b, key, TI_GGUF_U32);
    gb_u32(b, value);
}

/* A matrix of `rows` rows of k weights; rows 0 = one dimension. */
static inline void gb_tensor(ti_buf *b, const char *name, uint64_t k, uint64_t rows,
                             uint32_t type, uint64_t offset)
{
    gb_str(b, name);
    gb_u32(b, rows ? 2 : 1);
    gb_u64(b, k);
    if (rows) {
        gb_u64(b, rows);
    }
    gb_u32(b, type);
    gb_u64(b, offset);
}

static inline void gb_pad(ti_buf *b, size_t alignment)
{
    while (b->len % alignment != 0) {
        ti_buf_addc(b, 0);
    }
}

static inline void gb_fill(ti_buf *b, size_t n, int byte)
{
    for (size_t i = 0; i < n; i++) {
        ti_buf_addc(b, (char)byte);
    }
}

/* Uses all that was read; returns a sum, so that nothing is optimised away. */
static inline double gb_walk(const ti_gguf *g)
{
    double sum = (double)g->alignment;
    for (size_t i = 0; i < g->n_kv; i++) {
        const ti_gguf_kv *kv = &g->kv[i];
        char *key = malloc(kv->key.len + 1);
        if (!key) {
            return 0;
        }
        memcpy(key, kv->key.data, kv->key.len);
        key[kv->key.len] = '\0';
        sum += ti_gguf_find(g, key) == kv ? 1 : -1e9;
        uint32_t u;
        float f;
        bool t;
        ti_str s;
        sum += ti_gguf_get_u32(g, key, true, &u, NULL) == TERN_OK ? u : 0;
        sum += ti_gguf_get_f32(g, key, true, &f, NULL) == TERN_OK ? (double)f : 0;
        sum += ti_gguf_get_bool(g, key, true, &t, NULL) == TERN_OK ? t : 0;
        sum += ti_gguf_get_str(g, key, true, &s, NULL) == TERN_OK && s.len ? s.data[0] : 0;
        free(key);
        uint64_t cursor = 0;
        while (ti_gguf_is_str_array(kv) && ti_gguf_next_str(kv, &cursor, &s)) {
            sum += s.len ? s.data[s.len - 1] : 0;
        }
        for (uint64_t j = 0; ti_gguf_is_int_array(kv) && j < kv->n; j++) {
            sum += (double)ti_gguf_int_at(kv, j);
        }
        for (uint64_t j = 0; ti_gguf_is_float_array(kv) && j < kv->n; j++) {
            sum += ti_gguf_float_at(kv, j);
        }
    }
    for (size_t i = 0; i < g->n_tensors; i++) {
        const ti_gguf_tensor *t = &g->tensors[i];
        sum += ti_gguf_tensor_find(g, t->name) == t ? 1 : -1e9;
        sum += t->data ? t->data[0] + t->data[t->bytes - 1] : 0;
        float out[256];
        if (t->data && t->type->decodable && t->rows < 1000 && t->dims[0] < 100000) {
            for (uint64_t r = 0; r < t->rows; r++) {
                for (uint64_t at = 0; at < t->dims[0]; at += t->type->block) {
                    ti_type_to_f32(out, t->type, t->data, t->dims[0], t->rows, r, at,
                                   t->type->block);
                    sum += (double)out[0];
                }
            }
        }
    }
    return sum;
}

#endif
