/* SPDX-License-Identifier: Apache-2.0 */
/* tiny.h - very small models with random weights, right or wrong on purpose.
 *
 * Unlike ti_synth(), which makes the shapes of real models, this makes any shape: rows that are
 * no multiple of a panel, heads that are no multiple of a vector, another type for each matrix;
 * and any damage.  The same spec gives the same file on every machine. */
#ifndef TESTS_MODEL_TINY_H
#define TESTS_MODEL_TINY_H

#include <stdbool.h>
#include <stdint.h>

#include "tern/session.h"

enum { TINY_MATRICES = 7, TINY_MAX_EDITS = 4, TINY_PATH_BYTES = 256, TINY_MIN_VOCAB = 320 };

/* A key put after the ordinary ones; it replaces one of the same name.  "*" at the start of the
 * name stands for the architecture.  Text, else a float when `f` is not 0, else `u`. */
typedef struct tiny_key {
    const char *name, *text;
    float f;
    uint32_t u;
} tiny_key;

typedef enum tiny_change {
    TINY_NONE = 0,
    TINY_DROP,  /* the tensor is left out */
    TINY_GROW,  /* one row more */
    TINY_WIDEN, /* `value` columns more */
    TINY_TYPE,  /* of type `type` */
    TINY_ADD,   /* a tensor that does not belong there, [value] of type `type` (NULL = F32) */
    TINY_BYTES  /* the bytes at place `at` of its data become `value`, two bytes low first */
} tiny_change;

typedef struct tiny_edit {
    tiny_change change;
    const char *tensor; /* "blk.0.attn_q.weight" */
    const char *type;
    uint32_t value;
    uint32_t at;
} tiny_edit;

/* The keys of "smdr"; those that are 0 or NULL are not put. */
typedef struct tiny_smdr {
    const char *kinds; /* "torus,full": one for each layer */
    uint32_t side, radius, budget, stride, seed, sinks, top_k;
    const char *activation;
    bool bare; /* without sub-norms */
} tiny_smdr;

/* Zeros are the defaults. */
typedef struct tiny_spec {
    const char *arch;                 /* "llama", "bitnet-b1.58", "qwen3", "smdr" */
    const char *type;                 /* of all matrices of the layers */
    const char *types[TINY_MATRICES]; /* q k v o gate up down, where they differ from it */
    const char *embd;                 /* of the embedding */
    const char *head;                 /* of the output head; NULL = tied to the embedding */
    const char *norm;                 /* of the norms; NULL = F32 */
    uint32_t n_embd, n_ff, n_layer;
    uint32_t n_head, n_head_kv, head_dim;
    uint32_t n_ctx;    /* 0 = 128 */
    uint32_t n_vocab;  /* 0 = 331 */
    uint32_t rope_dim; /* 0 = head_dim */
    bool vary_scales;  /* ternary: another scale for each block (IQ1_BN, IQ2_BN: each row) */
    bool rope_factors; /* with a tensor rope_freqs.weight */
    tiny_smdr smdr;
    bool tensor_scale; /* with a .scale tensor beside each ffn_up */
    tiny_key keys[TINY_MAX_EDITS];
    tiny_edit edits[TINY_MAX_EDITS];
    uint64_t seed;
} tiny_spec;

/* Writes the model.  Ends the program with a message when that cannot be done: a test has no
 * use for half a model. */
void tiny_write(const tiny_spec *spec, const char *path);

/* A directory for this run of the program, removed with its files at exit; path of `name` in
 * it.  The text is static and good for the next fifteen calls. */
const char *tiny_path(const char *name);

/* n tokens that any spec's vocabulary has; another sequence for each `which`. */
void tiny_tokens(tern_token *out, size_t n, uint32_t which);

/* FNV-1a over the bits of floats, going on from h; start with TINY_HASH. */
#define TINY_HASH 0xcbf29ce484222325u
uint64_t tiny_hash(uint64_t h, const float *v, size_t n);

#endif
