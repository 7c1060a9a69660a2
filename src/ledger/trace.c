/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/trace.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/le.h"
#include "base/mem.h"
#include "base/sha256.h"

static const char module[] = "trace";
static const char magic[] = "tern-trace/1\n";

enum { MAGIC = sizeof magic - 1, U32 = 4, HEADER = MAGIC + 2 * U32 };

tern_status ti_trace_init(ti_trace *out, const uint8_t salt[TI_SALT], uint32_t n_tokens,
                          uint32_t n_layers, tern_err *err)
{
    static const char domain[] = "tern.trace/1";
    uint64_t n = (uint64_t)n_tokens * n_layers;
    ti_sha256 hash;
    ti_trace made = {.n_tokens = n_tokens, .n_layers = n_layers};
    if (n > TI_TRACE_HASHES_MAX) {
        return ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                       "%u tokens of %u layers are more than a trace holds", n_tokens,
                       n_layers);
    }
    made.hashes = ti_calloc(n ? (size_t)n : 1, sizeof *made.hashes);
    if (!made.hashes) {
        return ti_fail_nomem(err, module, n * sizeof *made.hashes, "a trace");
    }
    ti_sha256_start(&hash);
    ti_sha256_add(&hash, domain, strlen(domain));
    ti_sha256_add(&hash, salt, TI_SALT);
    ti_sha256_end(&hash, made.key);
    *out = made;
    return TERN_OK;
}

void ti_trace_free(ti_trace *trace)
{
    free(trace->hashes);
    sodium_memzero(trace, sizeof *trace);
}

static ti_hash *hash_at(const ti_trace *trace, size_t token, size_t layer)
{
    return trace->hashes + token * trace->n_layers + layer;
}

/* Adds numbers as little-endian bytes, on any machine. */
static void add_floats(crypto_generichash_blake2b_state *hash, const float *x, size_t n)
{
    const uint16_t one = 1;
    uint8_t low;
    memcpy(&low, &one, 1);
    if (low == 1) {
        crypto_generichash_blake2b_update(hash, (const uint8_t *)x, n * sizeof *x);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[U32];
        ti_store_f32(bytes, x[i]);
        crypto_generichash_blake2b_update(hash, bytes, sizeof bytes);
    }
}

void ti_trace_row(void *user, uint32_t position, tern_token token, uint32_t layer,
                  const float *x, size_t n)
{
    const ti_trace *trace = user;
    uint8_t head[4 * U32];
    crypto_generichash_blake2b_state hash;
    TI_ASSERT(position < trace->n_tokens && layer < trace->n_layers);
    ti_store_u32(head, position);
    ti_store_u32(head + U32, (uint32_t)token);
    ti_store_u32(head + 2 * U32, layer);
    ti_store_u32(head + 3 * U32, (uint32_t)n);
    crypto_generichash_blake2b_init(&hash, trace->key, sizeof trace->key, TI_HASH_BYTES);
    crypto_generichash_blake2b_update(&hash, head, sizeof head);
    add_floats(&hash, x, n);
    crypto_generichash_blake2b_final(&hash, hash_at(trace, position, layer)->b, TI_HASH_BYTES);
}

void ti_trace_root(const ti_trace *trace, uint32_t n_tokens, uint8_t root[TI_SHA256])
{
    ti_frontier frontier = {.n = 0};
    ti_hash leaf, top;
    TI_ASSERT(n_tokens <= trace->n_tokens);
    for (size_t i = 0; i < (size_t)n_tokens * trace->n_layers; i++) {
        ti_merkle_leaf(&leaf, trace->hashes[i].b, sizeof trace->hashes[i].b);
        ti_frontier_add(&frontier, &leaf);
    }
    ti_frontier_root(&frontier, &top);
    memcpy(root, top.b, TI_SHA256);
}

bool ti_trace_difference(const ti_trace *a, const ti_trace *b, uint32_t *token, uint32_t *layer)
{
    uint32_t n = a->n_tokens < b->n_tokens ? a->n_tokens : b->n_tokens;
    TI_ASSERT(a->n_layers == b->n_layers);
    for (uint32_t t = 0; t < n; t++) {
        for (uint32_t l = 0; l < a->n_layers; l++) {
            if (!ti_hash_equal(hash_at(a, t, l), hash_at(b, t, l))) {
                *token = t;
                *layer = l;
                return true;
            }
        }
    }
    return false;
}

/* --- files ----------------------------------------------------------------------------------
 */

tern_status ti_trace_save(const ti_trace *trace, uint32_t n_tokens, const char *path,
                          tern_err *err)
{
    uint8_t header[HEADER];
    ti_out out = {0};
    TI_ASSERT(n_tokens <= trace->n_tokens);
    memcpy(header, magic, MAGIC);
    ti_store_u32(header + MAGIC, n_tokens);
    ti_store_u32(header + MAGIC + U32, trace->n_layers);
    TI_TRY(ti_out_open(&out, path, err));
    (void)fchmod(fileno(out.stream), S_IRUSR | S_IWUSR);
    fwrite(header, 1, sizeof header, out.stream);
    fwrite(trace->hashes, sizeof *trace->hashes, (size_t)n_tokens * trace->n_layers,
           out.stream);
    tern_status status = ti_out_commit(&out, err); /* knows of failed writes */
    ti_out_abandon(&out);
    return status;
}

tern_status ti_trace_parse(ti_trace *out, const void *data, size_t len, tern_err *err)
{
    const uint8_t *bytes = data;
    if (len < HEADER || memcmp(bytes, magic, MAGIC) != 0) {
        return ti_fail(err, TERN_CORRUPT, module, 0, "is no trace of version 1");
    }
    ti_trace made = {.n_tokens = ti_load_u32(bytes + MAGIC),
                     .n_layers = ti_load_u32(bytes + MAGIC + U32)};
    uint64_t n = (uint64_t)made.n_tokens * made.n_layers;
    if (n > TI_TRACE_HASHES_MAX) {
        return ti_fail(err, TERN_LIMIT, module, MAGIC, "%llu hashes are too many",
                       (unsigned long long)n);
    }
    if (len - HEADER != n * TI_HASH_BYTES) {
        return ti_fail(err, TERN_CORRUPT, module, HEADER,
                       "%u tokens of %u layers need %llu bytes, but %zu are there",
                       made.n_tokens, made.n_layers, (unsigned long long)n * TI_HASH_BYTES,
                       len - HEADER);
    }
    made.hashes = ti_calloc(n ? (size_t)n : 1, sizeof *made.hashes);
    if (!made.hashes) {
        return ti_fail_nomem(err, module, n * TI_HASH_BYTES, "a trace");
    }
    memcpy(made.hashes, bytes + HEADER, len - HEADER);
    *out = made;
    return TERN_OK;
}
