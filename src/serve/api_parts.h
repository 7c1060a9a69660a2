/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the API share. */
#ifndef TI_SERVE_API_PARTS_H
#define TI_SERVE_API_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "serve/api.h"
#include "serve/metrics.h"
#include "serve/state.h"

typedef struct ti_call ti_call;
typedef struct ti_routed ti_routed;
typedef struct ti_batches ti_batches;
typedef struct ti_deferred ti_deferred;

struct ti_api {
    ti_api_opts opts;
    uint8_t token_digest[TI_SHA256];
    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t wake;
    pthread_t finisher;
    ti_call *first, *last; /* that have ended, to be finished */
    bool closing;
    ti_metrics_all metrics;
    ti_recent recent;
    uint64_t started_unix_ms;
    ti_batches *batches; /* NULL: there are none */
    ti_deferred *deferred;
    pthread_mutex_t embedding; /* one at a time: each takes all CPUs */
    unsigned slow; /* handlers that compute or wait for the model in a thread of the web */
    uint64_t ids;  /* random start, counted up: names and seeds of calls */
};

/* Answers a completion; later, if all goes well.  call.c */
void ti_call_start(ti_api *api, ti_ask_kind kind, const ti_web_request *request,
                   ti_web_reply *reply);

/* Sends the rest of a call, and frees it: the finisher's work.  finish.c */
void ti_call_finish(ti_call *call);

/* Answers a chat, of OpenAI's API or Ollama's, where a router says.  routed.c */
void ti_routed_start(ti_api *api, ti_ask_kind kind, const ti_web_request *request,
                     ti_web_reply *reply);

/* The finisher's work on a call that is routed: true when it has gone on or was ended, false
 * when this machine has answered it, and ti_call_finish() does the rest. */
bool ti_routed_finish(ti_call *call);

/* What is to become of a call that has waited. */
typedef enum ti_resume { TI_RESUME_START = 0, TI_RESUME_GONE, TI_RESUME_STOP } ti_resume;

/* Goes on with a call that has waited, in the thread of the waiting: starts it, or ends it
 * because its client has left or the server stops. */
void ti_routed_resume(ti_call *call, ti_resume how);

/* What this machine's answer took. */
void ti_routed_account(ti_call *call, const ti_cost *cost);

/* Frees it.  NULL is allowed. */
void ti_routed_free(ti_routed *routed);

/* Answers a request for embeddings, in the thread that asks.  embeddings.c */
void ti_embeddings(ti_api *api, ti_ask_kind kind, const ti_web_request *request,
                   ti_web_reply *reply);

/* The page and what it asks for; handlers.  page.c */
void ti_page_root(void *user, const ti_web_request *request, ti_web_reply *reply);
void ti_page_file(void *user, const ti_web_request *request, ti_web_reply *reply);
void ti_page_state(void *user, const ti_web_request *request, ti_web_reply *reply);
void ti_page_outlook(void *user, const ti_web_request *request, ti_web_reply *reply);
void ti_page_log(void *user, const ti_web_request *request, ti_web_reply *reply);

/* Whether what is there is the same for everybody: the page itself, without its figures. */
bool ti_page_is_public(const char *path);

/* Sends a refusal in its dialect, and counts it. */
void ti_api_refuse(ti_api *api, ti_ask_kind kind, ti_web_reply *reply, const ti_refusal *why);

/* For a client that has closed its own side and may still read; in the log, whoever has left.
 */
enum { TI_CLIENT_GONE = 499 };

/* What such a client is told. */
void ti_refuse_gone(ti_refusal *why);

/* A place among the handlers that may take long in their own thread: two, so that
 * most of the web server's threads are there for everybody else.  False: it was refused with
 * 429. */
bool ti_api_enter_slow(ti_api *api, ti_ask_kind kind, ti_web_reply *reply);
void ti_api_leave_slow(ti_api *api);

/* How long the model stays open after this answer: as its request says, else as usual. */
void ti_api_keep(ti_api *api, const ti_ask *ask);

/* Sends a JSON text; a buffer that has failed is 500. */
void ti_api_send(ti_web_reply *reply, ti_buf *json);

/* Reads a body and checks the model's name; *served is the model.  False: it was refused. */
bool ti_api_read(ti_api *api, ti_ask_kind kind, const ti_web_request *request,
                 ti_web_reply *reply, ti_arena *arena, ti_ask *ask, ti_served *served);

/* The same without an answer, of a text of which nothing is kept. */
bool ti_api_understand(ti_api *api, ti_ask_kind kind, ti_str text, ti_arena *arena, ti_ask *ask,
                       ti_served *served, ti_refusal *why);

/* Looks at the model, whatever its name.  False: refused. */
bool ti_api_know(ti_api *api, ti_served *served, ti_refusal *why);

extern const char ti_json_type[]; /* application/json */

/* Counts a status that was sent. */
void ti_api_count(ti_api *api, unsigned code);

/* The model as its file is now, or as it was last known (port.model). */
tern_status ti_api_look(ti_api *api, ti_served *out, bool at_once, tern_err *err);

/* Whether a client says that name; clients of Ollama may add a tag. */
bool ti_same_name(const char *said, const char *name);

/* Whether a client means the model that is served; and what it is told if not: false. */
bool ti_is_served(const ti_api *api, const ti_served *served, const char *said);
bool ti_no_such_model(ti_refusal *why, const char *said, const ti_served *served);

/* A new random-looking number for names; and one for a seed, below 2^53 so that every JSON
 * reader can say it again. */
uint64_t ti_api_number(ti_api *api);

/* Clocks: Unix milliseconds, and seconds; nanoseconds that only go forward. */
uint64_t ti_wall_ms(void);
int64_t ti_wall_s(void);
uint64_t ti_steady_ns(void);

/* --- a completion on its way ----------------------------------------------------------------
 */

/* A prompt of it: one request of the engine. */
typedef struct ti_part {
    ti_call *call;
    uint32_t first; /* its first choice among all */
    ti_serve_usage usage;
    tern_token *prompt;  /* [usage.prompt_tokens] */
    tern_token **output; /* [ask.choices], each [n_output[i]] */
    size_t *n_output;
    bool told; /* usage and tokens are there */
} ti_part;

/* Who gets an answer instead of a client. */
typedef struct ti_call_sink {
    void *user;
    bool (*gone)(void *user); /* nobody wants it any more; any thread */
    /* Called once, by any thread: a status of HTTP and what a client would have got. */
    void (*done)(void *user, unsigned code, const char *request_id, const ti_buf *body);
} ti_call_sink;

struct ti_call {
    ti_api *api;
    ti_call *next;
    ti_web_reply *reply; /* NULL: the sink */
    ti_call_sink sink;
    unsigned code; /* what the sink gets */
    ti_buf body;
    ti_ask_kind kind;
    ti_arena arena;
    ti_ask ask;
    ti_served served;
    tern_sampler_opts sampler;
    char id[48];
    uint64_t started_unix_ms, started_ns;
    uint64_t loads; /* of the engine, before */
    ti_part *parts;
    size_t n_parts;
    ti_choice *choices;
    bool *begun_choice; /* [n_choices]: a first piece was sent */
    size_t n_choices;
    atomic_size_t pending; /* parts that have not ended, and the one who submits them */
    atomic_bool failed;    /* nothing more is wanted */
    bool begun;            /* the stream */
    bool cancelled;
    bool lost;                 /* what was written is not taken any more */
    ti_refusal why;            /* http 0: none */
    struct tern_grammar *form; /* NULL: any text */
    ti_buf piece;              /* scratch of whose turn it is: the waiting, then the engine */
    ti_routed *routed;         /* NULL: it is not */
    const char *route;         /* the value of x-tern-route; NULL: it has none */
    ti_put_off put_off;
};

/* An empty one with its name.  NULL when there is no memory. */
ti_call *ti_call_new(ti_api *api, ti_ask_kind kind, ti_web_reply *reply);

/* Answers a text of a request for a sink: all at once, never as a stream. */
void ti_call_run(ti_api *api, ti_ask_kind kind, ti_str text, const ti_call_sink *sink);

/* Whether nobody waits for it any more. */
bool ti_call_gone(const ti_call *call);

/* Gives the answer, or what was said of it, to whoever waits; frees the call. */
void ti_call_end(ti_call *call);

/* Makes a call whose ask and served are there ready for the engine.  False: it was refused. */
bool ti_call_prepare(ti_call *call, ti_refusal *why);

/* Hands it to the engine; its reply was kept.  It may be gone at once. */
void ti_call_submit(ti_call *call);

/* Hands a call that has ended to the finisher. */
void ti_call_ended(ti_call *call);

/* Begins the answer as a stream. */
void ti_call_begin_stream(ti_call *call);

/* Seconds between signs of life: below what proxies usually wait. */
enum { TI_SIGN_S = 15 };

/* Whether it can be given signs of life: lines that clients of event streams pass over.  What
 * is routed cannot: its header is known later, and nobody else could answer after a byte. */
bool ti_call_takes_signs(const ti_call *call);

/* Sends such a line: a few words without an end of line. */
void ti_call_sign(ti_call *call, const char *words);

/* What the engine asks and tells of a part of it: ti_serve_request. */
bool ti_part_gone(void *part);
bool ti_part_event(void *part, const ti_serve_event *event);

/* Ends it for that reason.  The first one counts: threads that submit and that compute may both
 * have one. */
void ti_call_fail(ti_call *call, const ti_refusal *why);

/* One of call->pending less; the last one hands the call to the finisher. */
void ti_call_end_part(ti_call *call);

/* Sends call->why, as the state of the answer allows it. */
void ti_call_send_error(ti_call *call);

/* Tells a client that has left, or closed only its own side, that there is no answer. */
void ti_call_give_up(ti_call *call);

/* What all pieces of an answer have in common. */
ti_told ti_call_told(const ti_call *call);

/* Frees a call whose reply has ended. */
void ti_call_free(ti_call *call);

#endif
