/* SPDX-License-Identifier: Apache-2.0 */
/* serve/batch_work.h - a batch whose lines are being run: its file, and what is answered of it.
 */
#ifndef TI_SERVE_BATCH_WORK_H
#define TI_SERVE_BATCH_WORK_H

#include "serve/batch_parts.h"

typedef enum ti_line_state { TI_LINE_OPEN = 0, TI_LINE_RUNNING, TI_LINE_DONE } ti_line_state;

typedef struct ti_batch_work ti_batch_work;

typedef struct ti_batch_line {
    ti_batch_work *work;
    const char *custom_id;
    ti_str body; /* in the text */
    ti_line_state state;
} ti_batch_line;

struct ti_batch_work {
    ti_batches *batches;
    ti_batch *batch;
    char *text; /* of the input */
    ti_arena arena;
    ti_batch_line *lines; /* [n] */
    size_t n, next;
    size_t left, running; /* lines without an answer; with the engine */
    uint64_t tokens;      /* that they may take, roughly */
    uint64_t pause_ms;    /* nothing is begun before */
    int output, failures; /* files of results, -1 = not open */
    atomic_bool stop;     /* what runs is not wanted any more */
};

/* Reads and checks the file, and what was answered before.  False, with the reason and the line
 * (0 = the whole), when it cannot be run.  With the mutex, as all below. */
bool ti_batch_work_open(ti_batch_work *out, ti_batches *b, ti_batch *batch, uint32_t *line,
                        ti_refusal *why);
void ti_batch_work_close(ti_batch_work *w);

/* A line that nobody has begun; NULL when there is none. */
ti_batch_line *ti_batch_work_next(ti_batch_work *w);

/* Appends an answer to the results, synced, and counts it.  Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_batch_work_result(ti_batch_work *w, const ti_batch_line *line, unsigned code,
                                 const char *request_id, const ti_buf *body, tern_err *err);

/* Says of all lines that are left that they are too late.  Errors: as above. */
tern_status ti_batch_work_expire(ti_batch_work *w, tern_err *err);

/* Size of a file of results.  Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_batch_results_bytes(const ti_batches *b, const char *id, uint64_t *bytes,
                                   tern_err *err);

/* Reads the lines of text[len] for an endpoint: slices of it.  As ti_batch_work_open(). */
bool ti_batch_lines(ti_batch_line *lines, size_t *n, uint64_t *tokens, ti_arena *arena,
                    const char *endpoint, ti_str text, uint32_t *line, ti_refusal *why);

#endif
