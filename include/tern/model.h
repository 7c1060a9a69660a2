/* SPDX-License-Identifier: Apache-2.0 */
/* tern/model.h - a model: weights, vocabulary and chat template of one GGUF file.
 *
 * A model is immutable after tern_model_open() returns and may be used by any number of
 * threads and sessions at once.  It must outlive its sessions. */
#ifndef TERN_MODEL_H
#define TERN_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tern/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tern_model tern_model;

/* How the bytes of an I2_S tensor are laid out.  The type id is the same for all of them and
 * the file does not say which one its writer used. */
typedef enum tern_i2s_layout {
    TERN_I2S_DETECT = 0, /* decide from the data, refuse the file when it is not certain */
    TERN_I2S_X86,        /* 128 weights in 32 bytes */
    TERN_I2S_ARM         /* 64 weights in 16 bytes */
} tern_i2s_layout;

/* When the exact skipping of rows and columns behind a ReLU^2 gate is used.  Results are the
 * same bits in every mode. */
typedef enum tern_sparse_mode {
    TERN_SPARSE_AUTO = 0, /* where it was measured to be faster */
    TERN_SPARSE_OFF,
    TERN_SPARSE_ON
} tern_sparse_mode;

/* Precision of the inputs of products with 4- to 8-bit weights (Q4_0, Q4_1, Q4_K, Q6_K, Q8_0).
 * Ternary matrices always take int8, one scale a token: that is what they were trained with. */
typedef enum tern_act_mode {
    TERN_ACT_16 = 0, /* 16 bits for each block of 32: logits within 0.05 % of float64 */
    TERN_ACT_8       /* 8 bits for each block of 32, as other engines have it: faster prompts,
                        a few per cent of noise in the logits */
} tern_act_mode;

/* Reports progress of a long operation: `done` of `total` bytes.  Return false to cancel; the
 * operation then fails with TERN_CANCELLED. */
typedef bool (*tern_progress_fn)(void *user, uint64_t done, uint64_t total);

/* Options of tern_model_open().  Zero-initialise; every zero is the default. */
typedef struct tern_model_opts {
    uint32_t threads;          /* threads that repack weights; 0 = all CPUs of this process */
    const char *cpu;           /* kernel set: "scalar", "avx2", "avxvnni", "avx512", "amx",
                                  "neon", "dotprod"; NULL = environment TERN_CPU, else the
                                  fastest of this machine */
    tern_i2s_layout i2s;       /* layout of I2_S tensors */
    uint32_t q2_0_group;       /* weights a block of tensor type 42: 64 or 128; 0 = detect */
    tern_sparse_mode sparse;   /* exact sparsity */
    tern_act_mode act;         /* precision of inputs */
    const char *head;          /* type the output head is kept in: "own", "q8_0", "q4_0";
                                  NULL = the file's own, F16/BF16/F32 heads as q8_0 */
    const char *layout;        /* packing of ternary weights: "t5" (1.67 bits), "t2" (2 bits);
                                  NULL = the faster one for the kernel set */
    bool vocab_only;           /* read metadata and vocabulary, no weights */
    tern_progress_fn progress; /* called while weights are read; NULL = none */
    void *progress_user;       /* first argument of `progress` */
} tern_model_opts;

/* What a model is.  Strings belong to the model. */
typedef struct tern_model_desc {
    const char *name;           /* general.name, "" when absent */
    const char *architecture;   /* "bitnet-b1.58", "llama", "qwen3" */
    const char *weight_type;    /* type of most weights, for example "I2_S" */
    const char *layout;         /* packing that the kernels read, for example "t5" */
    const char *kernel;         /* kernel set in use, for example "avx512" */
    uint64_t n_params;          /* weights in all tensors */
    uint64_t file_bytes;        /* size of the file */
    uint64_t resident_bytes;    /* memory that the weights occupy after loading */
    uint64_t bytes_per_token;   /* weight bytes read to generate one token, without KV */
    uint64_t macs_per_token;    /* multiply-accumulates of the weight matrices, one token */
    uint32_t n_vocab;           /* tokens in the vocabulary */
    uint32_t n_ctx_train;       /* context length that the model was trained for */
    uint32_t n_embd;            /* width of the residual stream */
    uint32_t n_layer;           /* transformer blocks */
    uint32_t n_head, n_head_kv; /* attention heads; key/value heads */
    uint32_t head_dim;          /* width of one head */
    uint32_t n_ff;              /* width of the feed-forward */
} tern_model_desc;

/* Opens a GGUF file and prepares its weights for the kernels of this machine.
 *   out   receives the model; close it with tern_model_close()
 *   path  a GGUF file, version 2 or 3
 *   opts  may be NULL
 * Cost: reads the file once and repacks it, about 1 s for each GB and thread; a file written
 * by `tern model pack` is mapped and not copied.  Memory: about the size of the file.
 * Errors: TERN_IO (cannot be read), TERN_CORRUPT (with tensor or key and offset),
 * TERN_UNSUPPORTED (named type, architecture, activation or tokenizer), TERN_LIMIT,
 * TERN_USAGE (an option has no such value), TERN_UNAVAILABLE (kernel set not on this CPU),
 * TERN_NOMEM, TERN_CANCELLED. */
TERN_API TERN_MUST_USE tern_status tern_model_open(tern_model **out, const char *path,
                                                   const tern_model_opts *opts, tern_err *err);

/* Closes a model and frees its memory.  All its sessions must be gone.  NULL is allowed. */
TERN_API void tern_model_close(tern_model *model);

/* Describes a model.  `out` is filled completely.  Its strings live as long as the model. */
TERN_API void tern_model_describe(const tern_model *model, tern_model_desc *out);

/* --- vocabulary ------------------------------------------------------------------------ */

typedef int32_t tern_token;

#define TERN_TOKEN_NONE (-1)

/* How text becomes tokens. */
enum {
    TERN_TOKENIZE_BOS = 1u << 0,    /* put the begin-of-text token first if the model wants it
                                       and the text does not bring it */
    TERN_TOKENIZE_SPECIAL = 1u << 1 /* recognise special tokens written out in the text */
};

/* Turns text into tokens.
 *   out    [cap] receives the tokens; may be NULL when cap is 0
 *   cap    number of tokens that fit
 *   n      receives the number of tokens that the text has, also when that is more than cap;
 *          then nothing is written to `out` and TERN_LIMIT is returned
 *   text   [len] bytes; invalid UTF-8 is accepted and treated as the model's tokenizer does
 *   flags  TERN_TOKENIZE_...
 * Cost: O(len log len).  Thread-safe.
 * Errors: TERN_LIMIT (also for text over 256 MiB); TERN_NOMEM; TERN_UNSUPPORTED for a byte that
 * the vocabulary can express neither as itself nor as U+FFFD nor as its unknown token. */
TERN_API TERN_MUST_USE tern_status tern_model_tokenize(const tern_model *model, tern_token *out,
                                                       size_t cap, size_t *n, const char *text,
                                                       size_t len, uint32_t flags,
                                                       tern_err *err);

/* Returns the bytes that a token stands for in text and their number in `len`.  A single token
 * may be part of a UTF-8 character; tern_stream joins them.  Control tokens have no bytes.
 * Returns NULL and len 0 for an id that is not in the vocabulary.  The bytes belong to the
 * model.  Thread-safe. */
TERN_API const char *tern_model_token_bytes(const tern_model *model, tern_token token,
                                            size_t *len);

/* Returns true when a token ends an answer (end of text, end of turn).  Thread-safe. */
TERN_API bool tern_model_token_ends(const tern_model *model, tern_token token);

/* --- chat ------------------------------------------------------------------------------ */

/* One message of a conversation; strings end with NUL and belong to the caller. */
typedef struct tern_message {
    const char *role; /* "system", "user" or "assistant" */
    const char *content;
} tern_message;

/* Returns true when the model has a chat template that tern knows. */
TERN_API bool tern_model_has_chat(const tern_model *model);

/* Writes a conversation as the model's chat template has it.
 *   out     [cap] receives the text and a NUL; may be NULL when cap is 0
 *   len     receives the length of the text without NUL, also when it does not fit; then
 *           nothing is written to `out` and TERN_LIMIT is returned
 *   answer  true to end with the opening of the assistant's turn
 * Errors: TERN_UNSUPPORTED when the model has no template that tern knows, or a role that the
 * template has not; TERN_USAGE without messages.  The text starts with the begin-of-text token
 * where the model wants one; tokenize it with TERN_TOKENIZE_SPECIAL.  That also recognises
 * markers that a message contains: for text from strangers use tern_model_chat_tokens().
 * Thread-safe. */
TERN_API TERN_MUST_USE tern_status tern_model_chat(const tern_model *model, char *out,
                                                   size_t cap, size_t *len,
                                                   const tern_message *messages, size_t n,
                                                   bool answer, tern_err *err);

/* Tokenizes a conversation as the model's chat template has it, the safe way: markers such as
 * "<|im_end|>" are recognised in the template's own part only.  In a message they are ordinary
 * characters, so that nobody can end a turn or speak as the system by typing one.  (Templates
 * that mark turns with ordinary words, as "User:" of BitNet b1.58 2B-4T, cannot be protected in
 * this way; nor are tokens of type "user-defined", which models recognise in any text.)  For
 * messages without markers the tokens are those of tern_model_chat() with
 * TERN_TOKENIZE_SPECIAL.
 *   out     [cap] receives the tokens, the begin-of-text token included where the model wants
 *           one; may be NULL when cap is 0
 *   n       receives the number of tokens, also when that is more than cap; then nothing is
 *           written to `out` and TERN_LIMIT is returned
 * Errors: those of tern_model_chat() and tern_model_tokenize().  Thread-safe. */
TERN_API TERN_MUST_USE tern_status tern_model_chat_tokens(
    const tern_model *model, tern_token *out, size_t cap, size_t *n,
    const tern_message *messages, size_t n_messages, bool answer, tern_err *err);

/* --- streaming text --------------------------------------------------------------------- */

/* Joins tokens to text that is always whole UTF-8, and looks for stop sequences. */
typedef struct tern_stream tern_stream;

/* Creates a stream for one answer.
 *   stops  [n_stops] NUL-terminated strings that end the answer; copied; may be NULL
 * Errors: TERN_NOMEM; TERN_LIMIT for more than 64 stops or one over 256 bytes; TERN_USAGE for
 * a stop that is empty or no UTF-8. */
TERN_API TERN_MUST_USE tern_status tern_stream_create(tern_stream **out,
                                                      const tern_model *model,
                                                      const char *const *stops, size_t n_stops,
                                                      tern_err *err);

/* Frees a stream.  NULL is allowed. */
TERN_API void tern_stream_destroy(tern_stream *stream);

/* Adds a token and returns the text that has become certain: whole characters that cannot be
 * part of a stop sequence.  `len` receives its length (0 is usual), `stopped` is set to true
 * when a stop sequence was found; the text returned ends before it.  The text belongs to the
 * stream and is valid until the next call.  Never fails: a token without bytes adds nothing,
 * bytes that are no UTF-8 come out as U+FFFD. */
TERN_API const char *tern_stream_push(tern_stream *stream, tern_token token, size_t *len,
                                      bool *stopped);

/* Returns what was held back, at the end of an answer.  Like tern_stream_push(). */
TERN_API const char *tern_stream_flush(tern_stream *stream, size_t *len);

#ifdef __cplusplus
}
#endif

#endif
