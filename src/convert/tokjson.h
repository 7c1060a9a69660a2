/* SPDX-License-Identifier: Apache-2.0 */
/* convert/tokjson.h - tokenizer.json (byte-level BPE of Hugging Face's tokenizers library) to
 * the vocabulary of a GGUF file.
 *
 * A GGUF file does not carry the pre-tokenizer but a name for it, so the pipeline in the JSON
 * is compared, part by part, with those that have a name:
 *   llama-bpe  Llama 3's expression (runs of up to three digits), whole pieces before merges
 *   dbrx       the same without looking for whole pieces
 *   qwen2      the same with single digits
 *   gpt-2      ByteLevel's own expression
 *   smollm     single digits, then ByteLevel's own expression
 * Everything that would make other tokens (another expression or normaliser, SentencePiece,
 * prefixes, tokens that strip white space) is refused by name.  Unicode normalisation form C
 * is accepted and left to the reader, as in other converters.
 *
 * Ids without a token become unused tokens "[PADn]": files reserve them to round the
 * embedding's size up. */
#ifndef TI_CONVERT_TOKJSON_H
#define TI_CONVERT_TOKJSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/jval.h"
#include "model/gguf.h"

enum {
    TI_TOKJSON_MAX_TOKENS = 1 << 22,
    TI_TOKJSON_MAX_HOLES = 1 << 16,
    TI_TOKJSON_MAX_TEMPLATE_BYTES = 1 << 20
};
#define TI_TOKJSON_MAX_BYTES ((size_t)1 << 27) /* of a tokenizer.json */

typedef struct ti_tokjson {
    const char *pre; /* tokenizer.ggml.pre */
    ti_str *tokens;  /* [n] */
    int32_t *types;  /* [n] tokenizer.ggml.token_type */
    uint32_t n;
    ti_str *merges; /* [n_merges] "left right" */
    uint32_t n_merges;
    int64_t bos, eos, pad; /* ids, -1 = none */
    int add_bos, add_eos;  /* -1 = the files do not say, which leaves it to `pre` */
    ti_str chat_template;  /* data NULL = none */
} ti_tokjson;

/* Reads a vocabulary.
 *   out        its strings and arrays live as long as the arena and the texts of the trees
 *   tokenizer  tree of tokenizer.json
 *   config     tree of tokenizer_config.json, or NULL
 *   n_vocab    tokens that the model has, 0 = as many as there are
 * Cost: O(n log n).  Errors: TERN_CORRUPT (ids that are missing, doubled or too large, merges
 * of absent tokens, ...), TERN_UNSUPPORTED (by name), TERN_LIMIT, TERN_NOMEM. */
tern_status ti_tokjson_read(ti_tokjson *out, ti_arena *arena, const ti_jval *tokenizer,
                            const ti_jval *config, uint32_t n_vocab, tern_err *err);

/* Puts the tokenizer.* keys. */
void ti_tokjson_put(ti_gguf_writer *w, const ti_tokjson *t);

/* The name of the pre-tokenizer, from the `pre_tokenizer` of a tokenizer.json and whether its
 * model has `ignore_merges`.  Errors: TERN_UNSUPPORTED. */
tern_status ti_tokjson_pre(const char **out, const ti_jval *pre_tokenizer, bool ignore_merges,
                           tern_err *err);

#endif
