/* SPDX-License-Identifier: Apache-2.0 */
/* serve/engine.h - one model that answers many requests at once.
 *
 * A thread of its own advances all active requests together: a pass of the model takes one row
 * of each answer that is being made and some rows of prompts that are being read.  Requests
 * join and leave between passes.  Every answer has the same bits as the same request alone.
 *
 *     ti_serve_open(&engine, &opts, err);                  reads nothing yet
 *     ti_serve_submit(engine, &request, &job, &wait_ms, err);     never waits
 *         ... request.on_event(user, event) is called by the engine's thread:
 *             TEXT, TEXT, ..., END (one for each choice), DONE (once, the last call)
 *             (a request that never became active has DONE alone)
 *     ti_serve_cancel(job);                                any thread, any moment
 *     ti_serve_release(job);                               when nobody will cancel it any more
 *     ti_serve_end(engine);           every job is DONE now
 *         ... what is left to be said of them
 *     ti_serve_close(engine);
 *
 * THREADS.  All functions here but open, end and close may be called from any thread at any
 * time; none waits for a pass, but ti_serve_acquire(), which waits for a model that is being
 * read. Callbacks run in the engine's thread, one at a time and without a lock: between two of
 * them everybody else's answer waits, so they copy and return (ti_web_reply_write() is made for
 * that).  They may call ti_serve_cancel(), ti_serve_release(), ti_serve_submit() and
 * ti_serve_get_stats(); not acquire, end or close.
 *
 * THE MODEL is opened by the first request, closed after opts.unload_ns without one, and opened
 * again by the next.  Before a request begins, the file is looked at: one that was replaced is
 * opened anew as soon as those that were active before have ended; who means a certain file
 * (request.file) is never answered by another.  A file that shrank under
 * its mapping ends what is active with TERN_IO, and the next request tries to open it again.
 *
 * MEMORY.  A request reserves keys and values for its prompt and the longest answer that it
 * may get, in one session for each choice; opts.kv_bytes bounds their sum, and what is kept of
 * earlier requests gives way.  Whoever does not fit yet, waits in the queue, which is bounded.
 */
#ifndef TI_SERVE_ENGINE_H
#define TI_SERVE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "energy/session.h"
#include "tern/model.h"
#include "tern/session.h"

typedef struct ti_serve_engine ti_serve_engine;
typedef struct ti_serve_job ti_serve_job;

/* --- the engine --------------------------------------------------------------------------- */

/* Zero-initialise but for `path`; every zero is the default.  Strings and `energy` live as long
 * as the engine. */
typedef struct ti_serve_opts {
    const char *path;      /* of the model's file */
    tern_model_opts model; /* progress and progress_user are the engine's */
    uint32_t threads;      /* that compute, the engine's included; 0 = all CPUs */
    uint32_t n_ctx; /* tokens of a prompt and its answer at most; 0 = the model's, at most
                       4096; more than the model's counts as that */
    tern_kv_type kv;
    uint32_t slots;       /* answers that are made at once, 1 to 256; 0 = 8.  A request for n
                             choices takes n */
    uint32_t queue;       /* requests that wait, 0 = 64 */
    uint64_t kv_bytes;    /* of all keys and values; 0 = slots contexts of n_ctx tokens */
    uint64_t cache_bytes; /* of these, for prompts of earlier requests; 0 = a quarter,
                             UINT64_MAX = none */
    uint64_t unload_ns;   /* the model is closed after so long without a request; 0 = never */
    uint32_t chunk;       /* rows of prompts in one pass at most; 0 = 256 */
    bool chunk_fixed;     /* always that many; else as many as leave a pass with answers in it
                             under twice the time of one without prompts (measured) */
    ti_energy *energy; /* who knows the joules; NULL = nobody.  Sampled by the engine while it
                          works, so its own period may be long */
} ti_serve_opts;

/* Makes an engine and its thread; the model's file is looked at, not read.
 * Errors: TERN_IO (no such file, no thread), TERN_USAGE (an option), TERN_NOMEM. */
tern_status ti_serve_open(ti_serve_engine **out, const ti_serve_opts *opts, tern_err *err);

/* From now on nothing is taken; what was taken goes on for `drain_ns` at most and is cancelled
 * then.  Does not wait; the close that should follow does.  May be called again with another
 * time. */
void ti_serve_stop(ti_serve_engine *engine, uint64_t drain_ns);

/* Without a stop before: cancels everything.  Waits until every job is DONE.  What is known of
 * the engine can still be asked, and a model that is open stays so, until the close. */
void ti_serve_end(ti_serve_engine *engine);

/* Ends, if it has not ended, and frees: nobody else may use it any more.  Jobs that were not
 * released stay valid.  NULL is allowed. */
void ti_serve_close(ti_serve_engine *engine);

/* Opens the model if need be, waits for that and keeps it open until ti_serve_give_back(); for
 * tokenizing, descriptions and the like.  Hold it briefly: a replaced file waits for it.
 *   file  what the model's file is meant to be like: another one that is open gives way as soon
 *         as nobody uses it, and a model that is not of it is never given; NULL = any
 * Errors: those of tern_model_open(), TERN_UNAVAILABLE (stopped; or the file that was opened is
 * not the one that is meant). */
tern_status ti_serve_acquire(ti_serve_engine *engine, const ti_file_state *file,
                             const tern_model **out, tern_err *err);
void ti_serve_give_back(ti_serve_engine *engine);

/* The same for a model that is open, without waiting; also when the engine stops or has ended:
 * for what is left to be said of an answer.  Errors: TERN_UNAVAILABLE (none is open, or another
 * one than `file` says). */
tern_status ti_serve_acquire_open(ti_serve_engine *engine, const ti_file_state *file,
                                  const tern_model **out, tern_err *err);

/* How long the model stays open after the last request, from now on: 0 = it is closed as soon
 * as nobody uses it; TI_SERVE_FOREVER; TI_SERVE_USUAL = as the options said. */
#define TI_SERVE_FOREVER UINT64_MAX
#define TI_SERVE_USUAL (UINT64_MAX - 1)
void ti_serve_keep(ti_serve_engine *engine, uint64_t keep_ns);

/* --- a request ---------------------------------------------------------------------------- */

typedef struct ti_serve_bias {
    tern_token token;
    float bias; /* added to its logit */
} ti_serve_bias;

typedef struct ti_serve_event ti_serve_event;

/* What is asked.  Zero-initialise.  Everything is copied by ti_serve_submit(), but for what
 * `user` and `grammar` point to, which live until DONE. */
typedef struct ti_serve_request {
    /* The prompt, one of three: tokens; messages, written as the model's chat template has them
     * (the safe way: markers in them are text); text. */
    const tern_token *tokens;
    size_t n_tokens;
    const tern_message *messages;
    size_t n_messages;
    ti_str text;
    uint32_t text_flags; /* TERN_TOKENIZE_..., of `text` */

    uint32_t choices;    /* answers to it, 0 = 1; choice i is drawn with seed + i */
    uint32_t max_tokens; /* of an answer; 0 = until the context is full */
    tern_sampler_opts sampler;
    const char *const *stops; /* tern_stream_create()'s limits */
    size_t n_stops;
    const ti_serve_bias *bias;
    size_t n_bias;       /* at most 1,024 */
    bool logprobs;       /* of every token that is chosen ... */
    uint32_t n_top;      /* ... and of so many of the likeliest beside it, at most 20 */
    bool ignore_end;     /* go on after tokens that end an answer, but not with a grammar */
    bool private_prompt; /* neither use what is kept of others nor keep anything */
    const ti_file_state *file; /* of the model that must answer: when another one is there by
                                  then, it ends with TERN_UNAVAILABLE.  NULL = any */
    /* What the answers must look like (tern/grammar.h); NULL = anything.  When no more tokens
     * are left than a whole text needs, the answer is led to its end. */
    const struct tern_grammar *grammar;

    /* Until its first token is there it is told TI_SERVE_WAIT so often, between passes: for a
     * sign of life to whoever waits.  0 = never. */
    uint32_t sign_ms;

    void *user; /* of the two functions below */
    /* Returns false when the answer is not wanted any more: like a cancel. */
    bool (*on_event)(void *user, const ti_serve_event *event);
    /* Whether the client has gone; asked before each pass, also while the request waits.  Cheap
     * (ti_web_reply_gone()); NULL = never. */
    bool (*gone)(void *user);
} ti_serve_request;

/* Takes a request.  The prompt is tokenized here if the model is open, else once it is; errors
 * that show only then come as DONE.
 *   job      to be released; NULL when nobody will cancel it
 *   wait_ms  or NULL: when TERN_UNAVAILABLE comes back because the queue is full, after how
 * many milliseconds trying again makes sense (1,000 to 120,000: an estimate from how often a
 * request ends); 0 when the engine has been stopped Errors: TERN_UNAVAILABLE (see wait_ms);
 * TERN_LIMIT (prompt does not fit into n_ctx or into kv_bytes, too many choices, biases or
 * logprobs); TERN_USAGE (empty prompt, a sampler's or a stop's value, a token that is not in
 * the vocabulary); TERN_UNSUPPORTED (messages, and the model has no chat template; a role);
 * TERN_NOMEM.  Then on_event is never called. */
tern_status ti_serve_submit(ti_serve_engine *engine, const ti_serve_request *request,
                            ti_serve_job **job, uint32_t *wait_ms, tern_err *err);

/* Ends a request before the next pass (one that waits for the model to be read: after that);
 * DONE comes in any case.  Nothing if it has ended. */
void ti_serve_cancel(ti_serve_job *job);

/* Gives a job back.  It goes on if it has not ended.  NULL is allowed. */
void ti_serve_release(ti_serve_job *job);

/* --- what comes of it --------------------------------------------------------------------- */

typedef enum ti_serve_kind {
    TI_SERVE_TEXT = 0, /* text, or a token with its logprob */
    TI_SERVE_END,      /* of one choice; may bring a last text */
    TI_SERVE_DONE,     /* of the request: the last call */
    TI_SERVE_WAIT      /* no token yet, and another request.sign_ms have passed */
} ti_serve_kind;

/* Why a choice ended. */
typedef enum ti_serve_reason {
    TI_SERVE_STOP = 0,  /* the model said so, or the grammar is complete */
    TI_SERVE_SEQUENCE,  /* a stop sequence; the text ends before it */
    TI_SERVE_LENGTH,    /* max_tokens */
    TI_SERVE_CONTEXT,   /* the context is full */
    TI_SERVE_CANCELLED, /* by ti_serve_cancel(), `gone`, on_event, or the engine's end */
    TI_SERVE_ERROR      /* event->error */
} ti_serve_reason;

/* "stop", "sequence", "length", "context", "cancelled", "error". */
const char *ti_serve_reason_name(ti_serve_reason reason);

typedef struct ti_serve_top {
    tern_token token;
    float logprob; /* natural logarithm */
    ti_str bytes;  /* of the token; a part of a character, or nothing, is possible */
} ti_serve_top;

/* Of what was asked for, up to now (DONE: in the end). */
typedef struct ti_serve_usage {
    size_t prompt_tokens; /* once, whatever the number of choices */
    size_t cached_tokens; /* of these, taken from earlier requests: nothing was computed */
    size_t output_tokens; /* of all choices, tokens that end an answer included */
    uint64_t queued_ns;   /* until it became active */
    uint64_t prompt_ns;   /* active until the last token of the prompt was read */
    uint64_t first_ns;    /* from submit to the first token; 0 = there was none */
    uint64_t total_ns;    /* from submit on */
    bool has_energy;
    ti_energy_figure energy; /* DONE only: this request's part, to the microjoule (C7) */
} ti_serve_usage;

/* Everything in it is valid during the call only. */
struct ti_serve_event {
    ti_serve_kind kind;
    uint32_t choice; /* TEXT and END */
    ti_str text; /* TEXT and END: whole UTF-8 characters that no stop sequence can take back;
                    may be empty in a TEXT with a logprob, and in END */
    tern_token token; /* TEXT: the one that was just chosen.  Text of it may come later */
    bool has_logprob; /* of that token, by the model alone: before penalties, biases, grammar
                         and temperature */
    ti_serve_top logprob;
    const ti_serve_top *top; /* [n_top], likeliest first */
    size_t n_top;
    ti_serve_reason
        reason;            /* END; DONE: CANCELLED or ERROR if that ended it, else choice 0's */
    const tern_err *error; /* ERROR: why, else NULL */
    const ti_serve_usage *usage;
    const tern_model *model;   /* NULL where it could not be opened */
    const ti_file_state *file; /* what its file was like just before it was opened */
    const tern_token *prompt;  /* [usage->prompt_tokens]; DONE only, NULL if never tokenized */
    /* DONE: tokens of choice c are output[c] of output_n[c]; NULL if none was begun */
    const tern_token *const *output;
    const size_t *output_n;
};

/* --- how it goes -------------------------------------------------------------------------- */

typedef struct ti_serve_stats {
    bool loaded;                               /* the model is open */
    bool loading;                              /* is being opened */
    uint64_t resident_bytes;                   /* its weights, 0 if not open */
    uint64_t unload_in_ns;                     /* UINT64_MAX = not foreseeable */
    uint32_t slots, queue, n_ctx;              /* n_ctx 0 as long as the model was never open */
    uint32_t active;                           /* choices being made or read for */
    uint32_t queued;                           /* requests */
    uint64_t kv_bytes, kv_limit, cached_bytes; /* in use, of which kept for later */
    uint64_t cached_sessions;
    /* Since the open. */
    uint64_t loads, load_ns; /* the model was opened; how long the last time took */
    uint64_t requests, refused, cancelled, failed, answered;
    uint64_t prompt_tokens, cached_tokens, computed_tokens, output_tokens;
    uint64_t passes;
    /* Of cancelled requests: tokens that they might still have had made, at most; and what
     * these had cost at this engine's mean for an answer's token (an estimate, never added to
     * anything measured). */
    uint64_t tokens_not_made, saved_uj;
    /* Recent medians: a pass with answers only, and with prompts as well. */
    uint64_t step_ns, mixed_ns;
    uint32_t chunk; /* rows of prompts beside answers, at the moment */
} ti_serve_stats;

/* How it goes at this moment.  Cost: a lock and a copy. */
void ti_serve_get_stats(ti_serve_engine *engine, ti_serve_stats *out);

#endif
