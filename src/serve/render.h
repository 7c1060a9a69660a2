/* SPDX-License-Identifier: Apache-2.0 */
/* serve/render.h - answers as the two dialects have them: values in, JSON out.
 *
 * Pure functions that append to a buffer; want of memory is the buffer's `failed`. */
#ifndef TI_SERVE_RENDER_H
#define TI_SERVE_RENDER_H

#include "base/buf.h"
#include "carbon/footprint.h"
#include "energy/session.h"
#include "ledger/receipt.h"
#include "serve/ask.h"
#include "serve/engine.h"
#include "tern/embed.h"

/* --- what the model is ---------------------------------------------------------------------
 */

enum { TI_SERVED_NAME = 128, TI_SERVED_DIGEST = 64 };

/* The model that is served, to be copied. */
typedef struct ti_served {
    char id[TI_SERVED_NAME];   /* what clients call it */
    char name[TI_SERVED_NAME]; /* what its file says */
    char architecture[TI_RECEIPT_WORD], weight_type[TI_RECEIPT_WORD];
    char digest[TI_SERVED_DIGEST + 1]; /* SHA-256 of the file, in hex */
    ti_file_state file;                /* what that was like; all here is of this one */
    int64_t modified_s;
    uint64_t file_bytes, n_params;
    uint32_t n_ctx_train, n_ctx, n_layer, n_embd, n_head, n_head_kv, n_vocab;
    bool has_chat;
    tern_sampler_opts recommended;
} ti_served;

/* --- what an answer cost --------------------------------------------------------------------
 */

typedef struct ti_cost {
    bool has_energy, has_carbon;
    ti_energy_figure energy;
    ti_footprint carbon;  /* of energy_uj and idle_uj together */
    int64_t carbon_age_s; /* since the end of what the intensity is about */
} ti_cost;

/* Adds "energy" and "carbon"; null for what is not known. */
void ti_json_cost(ti_buf *out, const ti_cost *cost);

/* Adds null. */
void ti_json_null(ti_buf *out, const char *key);

/* --- when it was begun ----------------------------------------------------------------------
 */

enum { TI_PUT_OFF_WHY = 255 };

/* When work that may wait should begin, and why then: a line. */
typedef struct ti_put_off {
    int64_t start_s; /* 0: it is not to wait */
    char why[TI_PUT_OFF_WHY + 1];
} ti_put_off;

/* Adds "tern", where it could wait. */
void ti_json_put_off(ti_buf *out, const ti_put_off *put_off);

/* --- what was answered ----------------------------------------------------------------------
 */

/* One choice. */
typedef struct ti_choice {
    ti_str echo;     /* what comes before the text: the prompt, when that was asked for */
    ti_buf text;     /* all of it */
    ti_buf logprobs; /* items of a list, with commas between */
    ti_buf tokens, token_logprobs, top, offsets; /* of completions: four such lists */
    size_t offset;                               /* characters of the tokens so far */
    ti_serve_reason reason;
    char receipt[TI_RECEIPT_ID + 1]; /* "" when there is none */
} ti_choice;

/* Frees what it has; zeroed is allowed. */
void ti_choice_free(ti_choice *choice);

/* An answer, or the piece of one that is sent. */
typedef struct ti_told {
    ti_ask_kind kind;
    const char *id; /* "chatcmpl-..." */
    const char *model;
    const char *digest; /* of the model's file, for system_fingerprint */
    int64_t created_s;  /* Unix time */
    const ti_ask *ask;
    const ti_choice *choices; /* [n_choices]: of all prompts, in order */
    size_t n_choices;
    const ti_serve_usage *usage;
    const ti_cost *cost;
    void (*add_cost)(ti_buf *out, const void *of); /* NULL, or what another machine's answer */
    const void *add_cost_of;                       /* cost, and its receipt, instead */
    const ti_put_off *put_off;
    uint64_t load_ns; /* of the model, when it was opened for this */
} ti_told;

/* Adds what tern tells besides: joules, grams, the first choice's receipt, and when it was
 * begun where it could wait. */
void ti_json_told_cost(ti_buf *out, const ti_told *told);

/* "stop" or "length". */
const char *ti_finish_reason(ti_serve_reason reason);

/* Adds a token with its logprob to the choice's lists. */
void ti_add_logprob(ti_choice *choice, ti_ask_kind kind, const ti_serve_event *event);

/* An error in the shape of the dialect. */
void ti_render_error(ti_buf *out, ti_ask_kind kind, const ti_refusal *why);

/* The whole of an answer that is not streamed. */
void ti_render_whole(ti_buf *out, const ti_told *told);

/* A piece of a stream, in its frame ("data: ...\n\n" or a line).
 *   first  it is the choice's first one
 *   text   may be empty
 * With logprobs, those in the choice's lists are sent and removed from them. */
void ti_render_piece(ti_buf *out, const ti_told *told, uint32_t index, ti_choice *choice,
                     bool first, ti_str text);

/* The end of a stream: for each choice that it has ended, usage, cost, and the last line. */
void ti_render_end(ti_buf *out, const ti_told *told);

/* An error in a stream that has begun. */
void ti_render_stream_error(ti_buf *out, ti_ask_kind kind, const ti_refusal *why);

/* The same for each dialect; openai_render.c and ollama_render.c. */
void ti_openai_whole(ti_buf *out, const ti_told *told);
void ti_openai_piece(ti_buf *out, const ti_told *told, uint32_t index, ti_choice *choice,
                     bool first, ti_str text);
void ti_openai_end(ti_buf *out, const ti_told *told);
void ti_ollama_whole(ti_buf *out, const ti_told *told);
void ti_ollama_piece(ti_buf *out, const ti_told *told, ti_choice *choice, ti_str text);
void ti_ollama_end(ti_buf *out, const ti_told *told);

/* --- lists of models ------------------------------------------------------------------------
 */

/* An item of /v1/models. */
void ti_openai_model(ti_buf *out, const ti_served *model);

/* An item of /api/tags, and of /api/ps when `stats` is not NULL. */
void ti_ollama_model(ti_buf *out, const ti_served *model, const ti_serve_stats *stats,
                     int64_t now_s);

/* An item of /api/tags for a model of another machine; `host` is its address, or NULL. */
void ti_ollama_elsewhere(ti_buf *out, const char *name, const char *host);

/* /api/show. */
void ti_ollama_show(ti_buf *out, const ti_served *model);

/* --- embeddings -----------------------------------------------------------------------------
 */

/* Adds a representation as a vector of 2,048 numbers of length 1: 0, or 1/sqrt(41) where a bit
 * is on, so that a product of two is the part of their bits that they have in common. */
void ti_json_vector(ti_buf *out, const char *key, const tern_sdr *sdr, bool base64);

/* --- small things ---------------------------------------------------------------------------
 */

enum { TI_TIME_TEXT = 40 };

/* "2026-11-22T12:00:00.123456789Z" into out. */
const char *ti_time_text(char out[TI_TIME_TEXT], int64_t unix_ns);

#endif
