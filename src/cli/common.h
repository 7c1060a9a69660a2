/* SPDX-License-Identifier: Apache-2.0 */
/* cli/common.h - options that several commands share, and what is made from them.
 *
 * A command embeds the struct and puts the macro of the same group into its table; `S` is the
 * command's struct, `m` the member. */
#ifndef TI_CLI_COMMON_H
#define TI_CLI_COMMON_H

#include "base/buf.h"
#include "cli/models.h"
#include "cli/opt.h"
#include "tern/tern.h"

/* --- the model ---------------------------------------------------------------------------- */

typedef struct ti_model_args {
    const char *model;
    uint32_t threads;
    const char *cpu;
    uint32_t i2s;    /* tern_i2s_layout */
    uint32_t q2_0;   /* index into "auto|64|128" */
    uint32_t sparse; /* tern_sparse_mode */
    uint32_t act;    /* tern_act_mode */
    const char *head, *layout;
} ti_model_args;

/* clang-format off */
#define TI_OPT_MODEL(S, m)                                                                     \
    {.type = TI_OPT_STR, .name = "model", .letter = 'm', .metavar = "MODEL",                   \
     .help = "a GGUF file, or the name of a model that is in the cache",                       \
     .fallback = TI_DEFAULT_MODEL, .words = TI_WORDS_MODEL,                             \
     .offset = offsetof(S, m.model)}

#define TI_OPTS_READING(S, m)                                                                  \
    {.type = TI_OPT_CHOICE, .name = "i2s", .metavar = "LAYOUT",                                \
     .help = "how I2_S tensors were written; auto refuses a file that leaves it open",         \
     .choices = "auto|x86|arm", .words = TI_WORDS_CHOICES, .offset = offsetof(S, m.i2s)},      \
    {.type = TI_OPT_CHOICE, .name = "q2-0-group", .metavar = "N",                              \
     .help = "weights in a block of tensor type 42, which two projects use differently",       \
     .choices = "auto|64|128", .words = TI_WORDS_CHOICES, .offset = offsetof(S, m.q2_0)}

/* With what a model computes, which changes no bit of the result. */
#define TI_OPTS_COMPUTE(S, m)                                                                  \
    {.type = TI_OPT_U32, .name = "threads", .letter = 't', .metavar = "N",                     \
     .help = "threads that compute", .fallback = "all CPUs of this process",                   \
     .min = 0, .max = 256, .offset = offsetof(S, m.threads)},                                  \
    {.type = TI_OPT_STR, .name = "cpu", .metavar = "SET",                                      \
     .help = "kernel set; all of them give the same bits",                                     \
     .fallback = "TERN_CPU, else the fastest",                                                 \
     .choices = "scalar|avx2|avxvnni|avx512|amx|neon|dotprod", .words = TI_WORDS_CHOICES,      \
     .offset = offsetof(S, m.cpu)}

#define TI_OPTS_ENGINE(S, m)                                                                   \
    TI_OPTS_COMPUTE(S, m),                                                                     \
    {.type = TI_OPT_STR, .name = "head", .metavar = "TYPE",                                    \
     .help = "type that the output head is kept in",                                           \
     .fallback = "the file's, 16-bit and 32-bit heads as q8_0", .choices = "own|q8_0|q4_0",    \
     .words = TI_WORDS_CHOICES, .offset = offsetof(S, m.head)},                                \
    {.type = TI_OPT_STR, .name = "layout", .metavar = "NAME",                                  \
     .help = "packing of ternary weights: 1.67 or 2 bits",                                     \
     .fallback = "the faster one", .choices = "t5|t2", .words = TI_WORDS_CHOICES,              \
     .offset = offsetof(S, m.layout)},                                                         \
    {.type = TI_OPT_CHOICE, .name = "sparse", .metavar = "WHEN",                               \
     .help = "skip what a zero gate makes unnecessary; the bits are the same either way",      \
     .choices = "auto|off|on", .words = TI_WORDS_CHOICES, .offset = offsetof(S, m.sparse)},    \
    {.type = TI_OPT_CHOICE, .name = "act", .metavar = "BITS",                                  \
     .help = "bits of the inputs of 4- to 8-bit matrices; ternary ones always have 8",         \
     .choices = "16|8", .words = TI_WORDS_CHOICES, .offset = offsetof(S, m.act)}

/* --- the session -------------------------------------------------------------------------- */

#define TI_OPTS_SESSION(S, m)                                                                  \
    {.type = TI_OPT_U32, .name = "ctx", .metavar = "N",                                        \
     .help = "tokens that fit, prompt and answer together",                                    \
     .fallback = "the model's, at most 4096", .offset = offsetof(S, m.ctx)},                   \
    {.type = TI_OPT_CHOICE, .name = "kv", .metavar = "TYPE",                                   \
     .help = "how keys and values are kept; i8 takes half the memory",                         \
     .choices = "f16|i8", .words = TI_WORDS_CHOICES, .offset = offsetof(S, m.kv)},             \
    {.type = TI_OPT_U32, .name = "chunk", .metavar = "N",                                      \
     .help = "prompt tokens read together", .fallback = "512", .max = 65536,                   \
     .offset = offsetof(S, m.chunk)}

/* --- the sampler -------------------------------------------------------------------------- */

/* No temperature was given: then ti_open_session() takes what the model's file recommends, less
 * what was given. */
#define TI_SAMPLER_UNSET -1.0f

#define TI_OPTS_SAMPLER(S, m)                                                                  \
    {.type = TI_OPT_F32, .name = "temp", .metavar = "X",                                       \
     .help = "temperature; 0 always takes the likeliest token",                                \
     .fallback = "what the model's file recommends, with its limits below; else 0",            \
     .max = 100, .offset = offsetof(S, m.temperature)},                                        \
    {.type = TI_OPT_U64, .name = "seed", .metavar = "N",                                       \
     .help = "start of the random sequence; the same seed gives the same text everywhere",     \
     .offset = offsetof(S, m.seed)},                                                           \
    {.type = TI_OPT_U32, .name = "top-k", .metavar = "K",                                      \
     .help = "choose among the K likeliest tokens", .fallback = "0, all of them",              \
     .offset = offsetof(S, m.top_k)},                                                          \
    {.type = TI_OPT_F32, .name = "top-p", .metavar = "P",                                      \
     .help = "choose among the likeliest tokens that sum to P", .fallback = "1, all of them",  \
     .max = 1, .offset = offsetof(S, m.top_p)},                                                \
    {.type = TI_OPT_F32, .name = "min-p", .metavar = "P",                                      \
     .help = "drop tokens less likely than P times the likeliest", .max = 1,                   \
     .offset = offsetof(S, m.min_p)},                                                          \
    {.type = TI_OPT_F32, .name = "repeat-penalty", .metavar = "X",                             \
     .help = "divide the scores of recent tokens", .fallback = "1, off", .max = 100,           \
     .offset = offsetof(S, m.repeat_penalty)},                                                 \
    {.type = TI_OPT_F32, .name = "presence-penalty", .metavar = "X",                           \
     .help = "subtract from the scores of recent tokens", .min = -100, .max = 100,             \
     .offset = offsetof(S, m.presence_penalty)},                                               \
    {.type = TI_OPT_F32, .name = "frequency-penalty", .metavar = "X",                          \
     .help = "subtract for each time a recent token occurs", .min = -100, .max = 100,          \
     .offset = offsetof(S, m.frequency_penalty)},                                              \
    {.type = TI_OPT_U32, .name = "penalty-last-n", .metavar = "N",                             \
     .help = "how many tokens count as recent", .fallback = "64",                              \
     .offset = offsetof(S, m.penalty_last_n)}
/* clang-format on */

typedef struct ti_session_args {
    uint32_t ctx, kv, chunk;
} ti_session_args;

/* --- what is made from them ----------------------------------------------------------------
 */

/* Turns options into those of tern_model_open(), without a progress function. */
void ti_model_opts(tern_model_opts *out, const ti_model_args *args);

/* Finds and opens a model, with a progress bar.  Interrupted: TERN_CANCELLED. */
tern_status ti_open_model(tern_model **out, const ti_model_args *args, tern_err *err);

/* Creates a session and sets its sampler; tern_session_sampler() tells which. */
tern_status ti_open_session(tern_session **out, const tern_model *model,
                            const ti_model_args *args, const ti_session_args *session,
                            const tern_sampler_opts *sampler, tern_err *err);

/* How many tokens such a session holds: what tern_session_create() makes of ctx 0. */
uint32_t ti_context_of(const tern_model *model, const ti_session_args *session);

/* Tokenizes text into a new array; free *tokens with free(). */
tern_status ti_tokenize(tern_token **tokens, size_t *n, const tern_model *model,
                        const char *text, size_t len, uint32_t flags, tern_err *err);

/* Tokenizes a conversation, with the opening of the next answer; free *tokens with free(). */
tern_status ti_chat_tokens(tern_token **tokens, size_t *n, const tern_model *model,
                           const tern_message *messages, size_t n_messages, tern_err *err);

/* Adds {name, architecture, ...} of a model under "model". */
void ti_json_model(ti_buf *json, const tern_model_desc *desc);

#endif
