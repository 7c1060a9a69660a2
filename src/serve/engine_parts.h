/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the engine share.
 *
 * engine.c       life, and the functions that any thread may call
 * engine_job.c   a request: copied, made tokens of, told about, given back
 * engine_loop.c  the thread: sleeps, opens and closes the model, lets requests in
 * engine_step.c  a pass: what goes into it, what becomes of it
 * engine_pick.c  the next token of an answer, and its probability
 * engine_kept.c  what is kept of earlier requests
 * pace.c         how much of a prompt goes into a pass
 *
 * `lock` is held for moments only: never during a pass, a callback, or while a model or prompt
 * is read.  Members without a note belong to the engine's thread. */
#ifndef TI_SERVE_ENGINE_PARTS_H
#define TI_SERVE_ENGINE_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/session.h"
#include "serve/engine.h"
#include "serve/pace.h"
#include "tern/grammar.h"

enum {
    TI_SERVE_SLOTS_MAX = 256,
    TI_SERVE_QUEUE_MAX = 65536,
    TI_SERVE_CHUNK_MAX = 8192,
    TI_SERVE_BIAS_MAX = 1024,
    TI_SERVE_TOP_MAX = 20,
    TI_SERVE_KEPT_MAX = 256,  /* sessions of earlier requests */
    TI_SERVE_ROUND = 64,      /* sessions are made for multiples of so many tokens */
    TI_SERVE_SHARED_LEAST = 8 /* tokens in common that are worth a copy */
};

/* One answer. */
typedef struct ti_choice {
    ti_serve_job *job;
    uint32_t index;
    tern_session *session; /* NULL until it is active */
    tern_stream *stream;
    size_t n_output;
    bool ended;
    ti_serve_reason reason;
    float *held; /* [n_bias] logits that the biases were added to */
    /* What came of the last pick. */
    tern_status status;
    tern_err error;
    tern_token token;
    ti_serve_top own, top[TI_SERVE_TOP_MAX];
    size_t n_top;
} ti_choice;

struct ti_serve_job {
    ti_serve_engine *engine;
    atomic_uint refs; /* the requester's and the engine's */
    atomic_bool cancelled;
    ti_serve_job *next;       /* in the queue; the lock's */
    ti_serve_request request; /* its pointers are into the arena */
    ti_file_state file;       /* request.file, where it is one */
    ti_arena arena;
    tern_token *prompt; /* [n_prompt], for the model `generation` */
    size_t n_prompt;
    uint64_t generation; /* 0 = not tokenized */
    uint32_t capacity;   /* tokens of each session */
    ti_choice *choices;  /* [n_choices] */
    uint32_t n_choices;
    bool active;
    size_t n_read;  /* tokens of the prompt that the first session has */
    uint64_t bytes; /* of its sessions */
    uint64_t submitted_ns, active_ns, sign_ns;
    ti_serve_usage usage;
    uint64_t computed; /* rows of its prompt that were computed */
    bool metered;
    uint32_t energy_id;
};

/* A session that is kept. */
typedef struct ti_kept {
    tern_session *session;
    uint64_t used; /* when, by counting */
} ti_kept;

struct ti_serve_engine {
    ti_serve_opts opts;
    atomic_uint refs; /* the owner's, and one of each job */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;    /* the engine's thread */
    pthread_cond_t changed; /* those who wait for a model */

    /* The lock's. */
    ti_serve_job *first, *last;    /* the queue */
    uint32_t n_queued;             /* requests in it, and those that are on their way into it */
    bool stopping, ended, closing; /* ended: nothing is left; closing: nobody asks any more */
    uint64_t stop_ns;              /* what is left then is cancelled */
    tern_model *model;             /* written by the engine's thread */
    bool stale;                    /* another file is there now, or this one is damaged */
    uint64_t generation;           /* of the model, from 1 on */
    uint32_t users;                /* who use it outside the engine's thread */
    bool wanted;                   /* by somebody who waits, since the last reading ... */
    uint32_t waiting; /* ... and how many do: it is not closed before they have it */
    uint64_t load_failures;
    tern_err load_error;
    uint32_t n_ctx;
    uint64_t idle_since_ns;
    uint64_t keep_ns;             /* after that the model is closed; TI_SERVE_FOREVER */
    uint64_t done_ns, between_ns; /* the last DONE with somebody waiting; mean between two */
    ti_serve_stats stats;
    uint64_t energy_uj, energy_work; /* given to requests, and their weighted work */

    ti_home home; /* since the model is open; n_ctx, model: read under the lock or as a user */
    uint64_t kv_limit;
    ti_file_state state;   /* of the file that is open; written under the lock */
    void **scratch;        /* [threads] for samplers */
    ti_serve_job **active; /* [slots] in the order of their coming */
    uint32_t n_active, n_choices;
    ti_batch_part *parts; /* [slots] */
    ti_choice **picks;    /* [slots] whose logits are there */
    uint32_t *reading;    /* [slots] rows of each prompt in this pass */
    uint32_t turn;        /* whose prompt comes first */
    uint64_t active_bytes, kept_bytes;
    ti_kept kept[TI_SERVE_KEPT_MAX];
    uint32_t n_kept;
    uint64_t clock; /* of `kept` */
    uint64_t sampled_ns;
    ti_pace pace;
};

/* Why somebody who means one file is not served from another. */
#define TI_MODEL_REPLACED "the model's file was replaced meanwhile; try again"

/* Whether the file under the name is the one that was opened last.  One that has been removed
 * is still there for those who have it open.  The engine's thread, or under the lock. */
bool ti_engine_is_current(const ti_serve_engine *e);

/* Nanoseconds of a clock that only goes forward. */
uint64_t ti_engine_now(void);

/* --- engine_job.c ------------------------------------------------------------------------- */

/* Checks what can be checked without a model, and copies. */
tern_status ti_job_create(ti_serve_job **out, ti_serve_engine *e,
                          const ti_serve_request *request, tern_err *err);

/* Makes tokens of the prompt for this model, which the caller keeps open, and looks whether the
 * request can ever run. */
tern_status ti_job_prepare(ti_serve_job *job, const tern_model *model, uint64_t generation,
                           tern_err *err);

/* Tokens that each of its answers can have at most. */
size_t ti_serve_longest(const ti_serve_job *job);

/* Nobody wants it any more. */
bool ti_job_unwanted(const ti_serve_job *job);

/* Tells a request without a token that it is not forgotten, when it is time to. */
void ti_job_sign(ti_serve_job *job);

/* Sends an event; whatever is not given is filled in. */
void ti_job_tell(ti_serve_job *job, ti_serve_event *event);

/* The end of a choice: what waited in its stream, and why. */
void ti_job_end_choice(ti_choice *choice, ti_serve_reason reason, const tern_err *error);

/* DONE: tells, keeps or frees its sessions, counts, and gives the engine's reference back. */
void ti_job_finish(ti_serve_job *job, ti_serve_reason reason, const tern_err *error);

/* --- engine_loop.c ------------------------------------------------------------------------ */

/* What the thread does, from the open to the close. */
void *ti_engine_main(void *engine);

/* Whether what is left must be cancelled now. */
bool ti_engine_must_end(ti_serve_engine *e);

/* --- engine_step.c ------------------------------------------------------------------------ */

/* One pass of all active requests, and what comes of it. */
void ti_engine_step(ti_serve_engine *e);

/* --- engine_pick.c ------------------------------------------------------------------------ */

/* Chooses the next token of e->picks[0 .. n). */
void ti_engine_pick(ti_serve_engine *e, uint32_t n);

/* --- engine_kept.c ------------------------------------------------------------------------ */

/* Bytes of a session for so many tokens. */
uint64_t ti_engine_session_bytes(const ti_serve_engine *e, uint32_t n_ctx);

/* Makes the sessions of a job, beginning with what is known of its prompt.  *fit is false, and
 * nothing was done, when it must wait for others to end.  Errors: TERN_NOMEM. */
tern_status ti_engine_make_sessions(ti_serve_engine *e, ti_serve_job *job, bool *fit,
                                    tern_err *err);

/* Whether a job that is reading should wait for another one, which reads the same beginning;
 * takes over what that one has read as soon as it is there. */
bool ti_engine_follow(ti_serve_engine *e, uint32_t job);

/* Takes the sessions of a job: keeps the first if that is worth it. */
void ti_engine_take_back(ti_serve_engine *e, ti_serve_job *job, bool worth);

/* Forgets everything that is kept. */
void ti_engine_forget(ti_serve_engine *e);

#endif
