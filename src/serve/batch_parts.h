/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of batches share: batch_store.c keeps them on disk, batch_render.c says what
 * they are, batch_files.c and batch_http.c take requests, batch_run.c runs them.
 *
 * A file is ID.json, which says what it is, and ID.jsonl; it is there once the former is.  A
 * batch is ID.json, replaced whole at each change; the answers of its lines are appended to the
 * .jsonl of its two files of results, synced, whose ID.json come when it has ended.  So after a
 * crash what was answered is known line by line, and the rest is run again. */
#ifndef TI_SERVE_BATCH_PARTS_H
#define TI_SERVE_BATCH_PARTS_H

#include "serve/batch.h"

enum {
    TI_BATCH_ID = 31,    /* "batch_" or "file-", and 16 hex digits */
    TI_BATCH_NAME = 255, /* bytes of a file's name */
    TI_BATCH_WHY = 255,
    TI_BATCH_FILE_BYTES = 32 << 20,
    TI_BATCH_LINES = 10000,
    TI_BATCH_FILES_MAX = 512,
    TI_BATCHES_MAX = 256,
    TI_BATCH_METADATA_BYTES = 16 << 10,
    TI_BATCH_PAIRS = 16,
    TI_BATCH_KEY = 64,
    TI_BATCH_VALUE = 512
};

typedef enum ti_batch_status {
    TI_BATCH_VALIDATING = 0,
    TI_BATCH_IN_PROGRESS,
    TI_BATCH_FINALIZING,
    TI_BATCH_CANCELLING,
    TI_BATCH_COMPLETED, /* this and the following are final */
    TI_BATCH_FAILED,
    TI_BATCH_EXPIRED,
    TI_BATCH_CANCELLED,
    TI_BATCH_STATUSES
} ti_batch_status;

typedef struct ti_batch_file {
    char id[TI_BATCH_ID + 1], name[TI_BATCH_NAME + 1];
    uint64_t bytes;
    int64_t created_s;
    bool output; /* purpose: batch_output, else batch */
} ti_batch_file;

typedef struct ti_batch {
    char id[TI_BATCH_ID + 1];
    char input[TI_BATCH_ID + 1];
    char output[TI_BATCH_ID + 1], failures[TI_BATCH_ID + 1]; /* files of results */
    uint32_t endpoint;                                       /* ti_batch_endpoints */
    ti_batch_status status;
    uint32_t window_h;
    int64_t created_s, begun_s, expires_s, finalizing_s, cancelling_s,
        ended_s;                       /* 0 = not yet */
    int64_t planned_s;                 /* when that was decided; not kept */
    ti_put_off put_off;                /* when its lines are to be run; start_s 0: undecided */
    uint32_t total, completed, failed; /* lines */
    char error_code[48], error[TI_BATCH_WHY + 1]; /* why it FAILED ... */
    uint32_t error_line;                          /* ... and where; 0 = as a whole */
    char *metadata;                               /* a JSON object, or NULL */
} ti_batch;

extern const char *const ti_batch_status_names[TI_BATCH_STATUSES];

/* What lines may ask for. */
typedef struct ti_batch_endpoint {
    const char *path;
    ti_ask_kind kind;
} ti_batch_endpoint;
enum { TI_BATCH_ENDPOINTS = 2 };
extern const ti_batch_endpoint ti_batch_endpoints[TI_BATCH_ENDPOINTS];

struct ti_batches {
    ti_api *api;
    char *dir;
    int lock_fd;           /* -1: the directory is not there yet, or another server has it */
    pthread_mutex_t mutex; /* of all below, and of the directory */
    pthread_cond_t wake;
    pthread_t thread;
    bool closing;
    ti_batch_file files[TI_BATCH_FILES_MAX];
    size_t n_files;
    ti_batch *items[TI_BATCHES_MAX]; /* as they came */
    size_t n;
};

/* Nothing more will come of it. */
bool ti_batch_is_final(ti_batch_status status);

/* --- batch_store.c: with the mutex ----------------------------------------------------------
 */

/* Makes the directory if `make`, locks it, reads what is there.  Nothing when that was done, or
 * there is none and it is not to be made.  Errors: TERN_UNAVAILABLE (another server has it),
 * TERN_IO, TERN_CORRUPT, TERN_NOMEM. */
tern_status ti_batch_store_open(ti_batches *b, bool make, tern_err *err);

/* Path of ID and a suffix, in a new string; NULL without memory. */
char *ti_batch_path(const ti_batches *b, const char *id, const char *suffix);

/* Writes a batch, or a file's description; synced.  Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_batch_save(const ti_batches *b, const ti_batch *batch, tern_err *err);

/* Adds a file: its bytes (data NULL: they are there), then its description.
 * Errors: TERN_LIMIT (too many), TERN_IO, TERN_NOMEM. */
tern_status ti_batch_add_file(ti_batches *b, const ti_batch_file *file, const char *data,
                              tern_err *err);

/* Removes a file, description first. */
void ti_batch_remove_file(ti_batches *b, size_t index);

/* Adds a batch that was made by malloc, and takes it over; the oldest that is final gives way.
 * Errors: TERN_LIMIT (as many are under way), those of ti_batch_save(). */
tern_status ti_batch_add(ti_batches *b, ti_batch *batch, tern_err *err);

/* NULL when there is none. */
ti_batch_file *ti_batch_file_get(ti_batches *b, const char *id);
ti_batch *ti_batch_get(ti_batches *b, const char *id);

/* Frees one that is in no list.  NULL is allowed. */
void ti_batch_free(ti_batch *batch);

/* A new name: prefix and 16 hex digits. */
void ti_batch_name(ti_batches *b, char out[TI_BATCH_ID + 1], const char *prefix);

/* --- batch_render.c -------------------------------------------------------------------------
 */

/* OpenAI's objects.  `kept`: with what only the file on disk has. */
void ti_batch_render_file(ti_buf *out, const ti_batch_file *file);
void ti_batch_render(ti_buf *out, const ti_batch *batch, bool kept);

/* Reads what was kept.  Errors: TERN_CORRUPT, TERN_NOMEM. */
tern_status ti_batch_parse(ti_batch *out, const char *text, size_t len, tern_err *err);
tern_status ti_batch_parse_file(ti_batch_file *out, const char *text, size_t len,
                                tern_err *err);

/* --- batch.c --------------------------------------------------------------------------------
 */

/* True with the mutex held; false: it was refused.  `make`: also the directory. */
bool ti_batch_enter(ti_api *api, ti_web_reply *reply, bool make);
void ti_batch_leave(ti_api *api);

/* Refusals in OpenAI's shape, counted; answers. */
void ti_batch_refuse(ti_api *api, ti_web_reply *reply, const ti_refusal *why);
void ti_batch_refuse_status(ti_api *api, ti_web_reply *reply, tern_status status,
                            const tern_err *err);
void ti_batch_not_found(ti_api *api, ti_web_reply *reply, const char *what, const char *id);
void ti_batch_send(ti_api *api, ti_web_reply *reply, ti_buf *json);

/* A list's members around its items; first NULL: it has none. */
void ti_batch_begin_list(ti_buf *json);
void ti_batch_end_list(ti_buf *json, const char *first, const char *last, bool more);

/* Splits "ID" or "ID/what"; false where the id is none. */
bool ti_batch_split(const char *rest, char id[TI_BATCH_ID + 1], const char **what);

/* --- batch_run.c ----------------------------------------------------------------------------
 */

/* The thread; `user` is the ti_batches. */
void *ti_batches_run(void *user);

#endif
