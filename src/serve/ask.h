/* SPDX-License-Identifier: Apache-2.0 */
/* serve/ask.h - what a client asks for, read from a request's body, in either dialect.
 *
 * Pure functions: text in, an ask or a refusal out.  Nothing here knows a model.  What the two
 * dialects say of each field, and what is done with it, is a table in docs/serve.md. */
#ifndef TI_SERVE_ASK_H
#define TI_SERVE_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/jval.h"
#include "base/mem.h"
#include "base/str.h"
#include "tern/model.h"
#include "tern/session.h"

/* What a request may have at most; docs/serve.md says so to users. */
enum {
    TI_ASK_BODY_MAX = 8 << 20,     /* bytes of a body */
    TI_ASK_VALUES = 1 << 19,       /* values in it: twice 64 prompts of 4,096 tokens */
    TI_ASK_MESSAGES = 2048,        /* messages of a conversation */
    TI_ASK_PARTS = 256,            /* parts of a message */
    TI_ASK_STOPS = 16,             /* sequences that end an answer; OpenAI has 4 */
    TI_ASK_STOP_BYTES = 256,       /* of one of them: as tern_stream_create() */
    TI_ASK_CHOICES = 16,           /* n */
    TI_ASK_PROMPTS = 64,           /* prompts of a completion, times n */
    TI_ASK_INPUTS = 2048,          /* texts of embeddings, as OpenAI */
    TI_ASK_INPUT_BYTES = 1 << 17,  /* of one of them ... */
    TI_ASK_INPUT_TOKENS = 1 << 15, /* ... or tokens of it */
    TI_ASK_BIASES = 1024,          /* tokens in logit_bias */
    TI_ASK_TOP_LOGPROBS = 20,      /* alternatives of a token, as OpenAI */
    TI_ASK_TOKENS_MAX = 1 << 24
};

/* Why there is no answer, for the client: an HTTP status, and the fields of OpenAI's errors. */
typedef struct ti_refusal {
    unsigned http;     /* 400, 404, ... */
    const char *type;  /* "invalid_request_error"; a literal */
    const char *code;  /* "unsupported_value"; a literal, or NULL */
    char param[64];    /* the field that is meant, "" for none */
    char message[320]; /* one line, UTF-8 */
    uint32_t retry_s;  /* of 429 and 503; 0 = none */
} ti_refusal;

/* Which fields of `sampler` the client gave. */
enum {
    TI_GAVE_TEMPERATURE = 1u << 0,
    TI_GAVE_SEED = 1u << 1,
    TI_GAVE_MAX = 1u << 2,
    TI_GAVE_TOP_P = 1u << 3,
    TI_GAVE_TOP_K = 1u << 4,
    TI_GAVE_MIN_P = 1u << 5,
    TI_GAVE_REPEAT = 1u << 6,
    TI_GAVE_LAST_N = 1u << 7
};

typedef enum ti_ask_format {
    TI_ASK_TEXT = 0, /* anything */
    TI_ASK_JSON,     /* an object, or array, of JSON */
    TI_ASK_SCHEMA    /* JSON that a schema allows */
} ti_ask_format;

/* A prompt or text: one of both. */
typedef struct ti_ask_input {
    ti_str text;
    const tern_token *tokens; /* [n_tokens]; NULL: it is text */
    size_t n_tokens;
} ti_ask_input;

/* What is added to the score of a token. */
typedef struct ti_ask_bias {
    tern_token token;
    float bias;
} ti_ask_bias;

/* Everything lives in the arena. */
typedef struct ti_ask {
    const char *model; /* "" when none was named */

    const tern_message *messages; /* of a conversation */
    size_t n_messages;
    const ti_ask_input *inputs; /* of completions and embeddings */
    size_t n_inputs;
    bool raw; /* Ollama: no template for the prompt */

    tern_sampler_opts sampler; /* where TI_GAVE_... says so */
    uint32_t gave;
    const char *const *stops;
    size_t n_stops;
    uint32_t choices;    /* n, at least 1 */
    uint32_t max_tokens; /* 0 = no limit but the context; TI_GAVE_MAX */
    bool logprobs;
    uint32_t top_logprobs;
    const ti_ask_bias *bias; /* [n_bias] */
    size_t n_bias;
    bool echo; /* the prompt is part of the answer */

    ti_ask_format format;
    ti_str schema; /* of TI_ASK_SCHEMA: as it was sent, with a NUL */

    bool stream, include_usage;

    bool base64;         /* embeddings as text */
    uint32_t dimensions; /* 0 = as the model has */
    bool no_truncate;    /* Ollama: a long text is an error */

    int64_t keep_alive_s; /* Ollama; -1 = for ever */
    bool gave_keep_alive;

    const char *deadline; /* "tern": {"deadline": ...}; NULL = it should not wait */
} ti_ask;

/* Which request a body is of. */
typedef enum ti_ask_kind {
    TI_ASK_OPENAI_CHAT = 0,  /* /v1/chat/completions */
    TI_ASK_OPENAI_TEXT,      /* /v1/completions */
    TI_ASK_OPENAI_EMBED,     /* /v1/embeddings */
    TI_ASK_OLLAMA_CHAT,      /* /api/chat */
    TI_ASK_OLLAMA_TEXT,      /* /api/generate */
    TI_ASK_OLLAMA_EMBED,     /* /api/embed */
    TI_ASK_OLLAMA_EMBED_ONE, /* /api/embeddings */
    TI_ASK_OLLAMA_SHOW,      /* /api/show */
    TI_ASK_KINDS
} ti_ask_kind;

/* Reads a body.  False, with the reason in *why, when it is refused; `out` may then hold parts.
 *   arena  receives what the ask points to, and nothing else of the tree
 * Cost: O(len log len). */
bool ti_ask_read(ti_ask *out, ti_arena *arena, ti_ask_kind kind, const char *text, size_t len,
                 ti_refusal *why);

/* The sampler of an ask.  Without a temperature: what the model's file recommends; where that
 * is nothing, what the dialect's own server would do (OpenAI: temperature 1; Ollama: 0.8, top_k
 * 40, top_p 0.9, repeat_penalty 1.1); and in both cases what was given instead of it.  With a
 * temperature: what was given, and nothing else, as `tern run --temp` does.
 *   seed  where the client gave none */
tern_sampler_opts ti_ask_sampler(const ti_ask *ask, ti_ask_kind kind,
                                 const tern_sampler_opts *recommended, uint64_t seed);

/* Fills a refusal: 400 invalid_request_error.  `param` and `code` may be NULL.  Returns false,
 * so that a refusal is one statement. */
bool ti_refuse(ti_refusal *why, const char *param, const char *code, const char *format, ...)
    TI_PRINTF(4, 5);

/* What a failure of the engine or of a model means to a client: 400 for what it asked, 503 and
 * 500 for what it cannot help. */
void ti_refusal_of(ti_refusal *why, tern_status status, const tern_err *err);

#endif
