/* SPDX-License-Identifier: Apache-2.0 */
/* convert/llama2c.h - the "legacy" checkpoints and the tokenizers of karpathy/llama2.c.
 *
 * checkpoint, all numbers little-endian:
 *   int32 dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len
 *         (vocab_size negative: the output head has its own weights)
 *   float32 token_embedding [vocab, dim]
 *           rms_att [layers, dim]
 *           wq [layers, dim, dim], wk, wv [layers, kv_dim, dim], wo [layers, dim, dim]
 *           rms_ffn [layers, dim]
 *           w1 (gate) [layers, hidden, dim], w2 (down) [layers, dim, hidden],
 *           w3 (up) [layers, hidden, dim]
 *           rms_final [dim]
 *           two tables of seq_len x head/2 numbers that no reader uses
 *           wcls [vocab, dim], only with a negative vocab_size
 * tokenizer:
 *   uint32 bytes of the longest token, then vocab x { float32 score; int32 n; bytes[n] }
 *
 * Rotations are of neighbouring elements, as in GGUF's llama: rows stay where they are. */
#ifndef TI_CONVERT_LLAMA2C_H
#define TI_CONVERT_LLAMA2C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/gguf.h"

enum {
    TI_LLAMA2C_HEADER_BYTES = 7 * 4,
    TI_LLAMA2C_MAX_WIDTH = 1 << 20,
    TI_LLAMA2C_MAX_LAYERS = 1 << 12,
    TI_LLAMA2C_MAX_VOCAB = 1 << 22,
    TI_LLAMA2C_MAX_CONTEXT = 1 << 28,
    TI_LLAMA2C_MAX_TOKEN_BYTES = 4096
};

/* A checkpoint: sizes, and where each kind of tensor starts in the file. */
typedef struct ti_llama2c {
    uint32_t dim, hidden, n_layer, n_head, n_head_kv, n_vocab, n_ctx;
    uint64_t embedding, rms_att, wq, wk, wv, wo, rms_ffn, w1, w2, w3, rms_final;
    uint64_t head; /* 0: the embedding is the head */
} ti_llama2c;

/* Reads the header and lays out the rest; the file must have exactly the bytes that follow
 * from it.  Errors: TERN_CORRUPT, TERN_UNSUPPORTED (a newer version of the format), TERN_LIMIT
 */
tern_status ti_llama2c_parse(ti_llama2c *out, const uint8_t *data, uint64_t size,
                             tern_err *err);

/* A SentencePiece vocabulary. */
typedef struct ti_llama2c_tok {
    ti_str *tokens; /* [n] as GGUF has them: spaces are U+2581 */
    float *scores;  /* [n] */
    int32_t *types; /* [n] tokenizer.ggml.token_type */
    uint32_t n;
} ti_llama2c_tok;

/* Reads a tokenizer of n tokens; everything goes to the arena.  Tokens 0, 1, 2 are unknown,
 * begin and end of text, as llama2.c has it.
 * Errors: TERN_CORRUPT (lengths, scores that are not finite, bytes left over), TERN_LIMIT,
 * TERN_NOMEM. */
tern_status ti_llama2c_tok_parse(ti_llama2c_tok *out, ti_arena *arena, const uint8_t *data,
                                 uint64_t size, uint32_t n, tern_err *err);

/* Puts the tokenizer.* keys. */
void ti_llama2c_tok_put(ti_gguf_writer *w, const ti_llama2c_tok *t);

#endif
