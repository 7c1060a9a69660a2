/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/trace.h - hashes of what a model computed, for each token and layer.
 *
 * The hash of (position t, layer l) is
 *   BLAKE2b-256, keyed with K, over u32 t || u32 token || u32 l || u32 n || n x float32
 * where the floats are the residual stream after block l, all little-endian, and
 *   K = SHA-256("tern.trace/1" || salt).
 * The trace root of a receipt is the RFC 6962 root over these hashes as entries, in the order
 * t * n_layers + l.  Without the key the first hash would tell the first token of the prompt to
 * anybody who has the model, the second one the second token, and so on.
 *
 * BLAKE2b, because it hashes 970 MB/s with plain AVX2 code where SHA-256 of libsodium hashes
 * 315 MB/s (the instructions that make SHA-256 faster, 1500 MB/s, are not in every CPU), and
 * takes a key without a second pass: 2.4 us for a layer of SmolLM2-135M, 10.4 us for one of a
 * 2B model with n_embd 2560, measured on an AMD EPYC. */
#ifndef TI_LEDGER_TRACE_H
#define TI_LEDGER_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger/merkle.h"
#include "ledger/receipt.h"

enum {
    TI_TRACE_HASHES_MAX = 1 << 26 /* in one trace: 2 GiB */
};

/* A trace that is being made, or that was read. */
typedef struct ti_trace {
    uint8_t key[TI_SHA256]; /* not of one that was read */
    uint32_t n_tokens;      /* room for so many */
    uint32_t n_layers;
    ti_hash *hashes; /* [n_tokens][n_layers] */
} ti_trace;

/* Makes room.  Memory is touched as tokens come.  Free with ti_trace_free().
 * Errors: TERN_LIMIT, TERN_NOMEM. */
tern_status ti_trace_init(ti_trace *out, const uint8_t salt[TI_SALT], uint32_t n_tokens,
                          uint32_t n_layers, tern_err *err);

/* Frees and wipes.  A zeroed trace is allowed. */
void ti_trace_free(ti_trace *trace);

/* A tern_trace_fn; `user` is the ti_trace, which has room for the position.  Thread-safe for
 * different (position, layer). */
void ti_trace_row(void *user, uint32_t position, tern_token token, uint32_t layer,
                  const float *x, size_t n);

/* The root over the first n_tokens tokens.  Cost: three SHA-256 blocks a hash. */
void ti_trace_root(const ti_trace *trace, uint32_t n_tokens, uint8_t root[TI_SHA256]);

/* Looks for the first token, and in it the first layer, at which two traces differ, among the
 * tokens that both have.  Layers depend on earlier layers and tokens only, so that is where the
 * computation went another way.  False when there is none.  Both have the same layers. */
bool ti_trace_difference(const ti_trace *a, const ti_trace *b, uint32_t *token,
                         uint32_t *layer);

/* Writes the first n_tokens tokens to a file: "tern-trace/1\n", u32 tokens, u32 layers,
 * the hashes.  Mode 0600.  Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_trace_save(const ti_trace *trace, uint32_t n_tokens, const char *path,
                          tern_err *err);

/* Reads it from the bytes of a file.  Errors: TERN_CORRUPT, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_trace_parse(ti_trace *out, const void *data, size_t len, tern_err *err);

#endif
