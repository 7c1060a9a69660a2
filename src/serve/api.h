/* SPDX-License-Identifier: Apache-2.0 */
/* serve/api.h - the HTTP API: OpenAI's and Ollama's, over one engine.
 *
 * What it does with files, keys, grids and receipts it does through a port, which cli fills.
 *
 *     ti_api_open(&api, &opts, err);
 *     web = {.routes = ti_api_routes, .user = api, .admit = ti_api_admit,
 *            .error = ti_api_error, ...}          and serve
 *     ti_api_hurry(api) as the web server stops; then ti_api_stop(api), ti_serve_end(engine),
 * ti_api_close(api), ti_serve_close(engine), in this order (with a router: its stop before, its
 * close after these)
 *
 * THREADS.  Handlers run in the threads of the web server; text is sent by the engine's; what
 * comes at the end of an answer (receipt, grams, the last bytes) is done by a thread of its
 * own, so that neither waits for a disk. */
#ifndef TI_SERVE_API_H
#define TI_SERVE_API_H

#include "http/server.h"
#include "serve/render.h"
#include "tern/grammar.h"

typedef struct ti_api ti_api;

/* A choice that has ended, for its receipt. */
typedef struct ti_api_answer {
    const ti_served *model;
    const tern_token *prompt, *output; /* [n_prompt], [n_output] */
    size_t n_prompt, n_output;
    size_t n_fed; /* tokens of the prompt that were computed for this choice */
    ti_str text;
    const char *const *stops;
    size_t n_stops;
    tern_sampler_opts sampler; /* with the choice's own seed */
    uint32_t max_tokens, n_ctx;
    bool chat;          /* written in the model's template */
    bool biased;        /* by logit_bias, which a receipt cannot say: there is none */
    tern_grammar *form; /* of the answer, and what it was made from; NULL = none */
    ti_ask_format format;
    ti_str schema;
    ti_serve_reason reason;
    uint64_t prompt_ns, generate_ns, started_unix_ms;
    const ti_cost *cost; /* this choice's part */
} ti_api_answer;

/* Called by any thread, by several at once. */
typedef struct ti_api_port {
    void *user;
    /* The model as its file is now; waits for what was put in its place to be read and hashed.
     * At once: what was last known of it where that would take long, or much is going on.
     * Errors: those of tern_model_open(); TERN_UNAVAILABLE (too many wait already). */
    tern_status (*model)(void *user, ti_served *out, bool at_once, tern_err *err);
    /* Fills cost->carbon from cost->energy where a grid is known. */
    void (*carbon)(void *user, ti_cost *cost);
    /* Signs and keeps a receipt; its id goes to `id`.  NULL = there are none. */
    tern_status (*receipt)(void *user, char id[TI_RECEIPT_ID + 1], const ti_api_answer *answer,
                           tern_err *err);
    /* Appends a receipt, as `tern verify` takes it.  Errors: TERN_NO when there is none. */
    tern_status (*receipt_text)(void *user, ti_buf *out, const char *id, tern_err *err);
    /* Appends the public key of receipts, a line.  Errors: TERN_NO. */
    tern_status (*receipt_key)(void *user, ti_buf *out, tern_err *err);
    /* Appends what is expected of the grid (docs/serve.md).  NULL = nothing ever is.
     * Errors: TERN_NO, TERN_UNAVAILABLE, with the reason.  May wait for a network. */
    tern_status (*outlook)(void *user, ti_buf *json, tern_err *err);
    /* When work that may wait should begin: so many seconds of it, to be done by the deadline.
     * `zone` is of the grid, NULL this machine's; `id` spreads many over equally good hours;
     * `why` is a line.  NULL = at once.  May wait for a network.
     * Errors: TERN_NO (no grid is known), TERN_UNAVAILABLE. */
    tern_status (*defer)(void *user, int64_t *start_s, char *why, size_t size, const char *zone,
                         uint64_t id, int64_t deadline_s, uint64_t work_s, tern_err *err);
    /* "8h", "tomorrow 9:00": when that is.  NULL = deadlines are refused.
     * Errors: TERN_USAGE, TERN_LIMIT. */
    tern_status (*moment)(void *user, int64_t *time_s, const char *text, int64_t now_s,
                          tern_err *err);
    const char *log_name; /* origin of the log of receipts that is shown; NULL = none */
    /* Appends a file of that log: "checkpoint", "tile/...", "vkey"; or "find/ID", a line with
     * the index of the entry that is this receipt, or "none".  Errors: TERN_NO when there is
     * none. */
    tern_status (*log_file)(void *user, ti_buf *out, const char *path, tern_err *err);
    void (*note)(void *user, const char *line); /* of an answer or refusal; NULL = no log */
    void (*warn)(void *user, const tern_err *err);
} ti_api_port;

/* Everything lives as long as the API. */
typedef struct ti_api_opts {
    ti_serve_engine *engine;
    ti_energy *energy; /* NULL = nobody knows */
    ti_api_port port;
    const char *token;          /* that a client must bear; NULL = none */
    const char *const *aliases; /* [n_aliases] other names of the model; "*" = any name */
    size_t n_aliases;
    struct ti_router *router;  /* of chats; NULL: everything is answered here */
    const char *batches;       /* directory of files and batches; NULL: there are none */
    bool log_prompts;          /* prompts and answers go to port.note too */
    tern_session_opts session; /* of embeddings */
} ti_api_opts;

/* Errors: TERN_NOMEM, TERN_UNAVAILABLE (no thread), those of ti_batches_open(). */
tern_status ti_api_open(ti_api **out, const ti_api_opts *opts, tern_err *err);

/* Clients that wait for a cleaner hour are told that there is none: before the web server ends.
 * Does not wait; may be called again. */
void ti_api_hurry(ti_api *api);

/* Nothing is begun any more that no client waits for: before the engine ends.  NULL is allowed.
 */
void ti_api_stop(ti_api *api);

/* Finishes what has ended, and frees.  The engine must have ended, and is closed after it: what
 * an answer has cost is asked of it.  NULL is allowed. */
void ti_api_close(ti_api *api);

/* For ti_web_opts, whose `user` is the ti_api. */
extern const ti_web_route ti_api_routes[];
bool ti_api_admit(void *user, const ti_web_request *request, ti_web_reply *reply);
const char *ti_api_error(void *user, ti_buf *body, const char *target, unsigned code,
                         const char *why);

#endif
