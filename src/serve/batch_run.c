/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of batches: one at a time, each when its hour has come. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "serve/batch_work.h"
#include "serve/deferred.h"

enum {
    POLL_MS = 20,       /* while lines are there and the engine has no room */
    PAUSE_MS = 1000,    /* after a refusal that may pass */
    REPLAN_S = 30 * 60, /* forecasts get better */
    RETRY_S = 30,       /* a disk that could not be written */
    NS_PER_MS = 1000000,
    MS = 1000
};

/* With the mutex: sleeps until somebody signals, or that long. */
static void sleep_ms(ti_batches *b, uint64_t ms)
{
    uint64_t until = ti_wall_ms() + ms;
    const struct timespec t = {.tv_sec = (time_t)(until / MS),
                               .tv_nsec = (long)(until % MS) * NS_PER_MS};
    (void)pthread_cond_timedwait(&b->wake, &b->mutex, &t);
}

static void warn(const ti_batches *b, const tern_err *err)
{
    const ti_api_port *port = &b->api->opts.port;
    if (port->warn) {
        port->warn(port->user, err);
    }
}

static bool save(const ti_batches *b, const ti_batch *batch)
{
    tern_err err = {0};
    bool good = ti_batch_save(b, batch, &err) == TERN_OK;
    if (!good) {
        warn(b, &err);
    }
    return good;
}

/* Decides when it begins.  The mutex is let go meanwhile: a service may be asked. */
static void plan(ti_batches *b, ti_batch *batch, uint64_t tokens)
{
    int64_t deadline = batch->expires_s;
    ti_put_off put_off;
    uint64_t id = strtoull(batch->id + sizeof "batch_" - 1, NULL, 16);
    pthread_mutex_unlock(&b->mutex);
    ti_put_off_decide(&put_off, b->api, NULL, id, deadline, tokens);
    pthread_mutex_lock(&b->mutex);
    batch->planned_s = ti_wall_s();
    batch->put_off = put_off;
}

/* --- its beginning and end ------------------------------------------------------------------
 */

static void fail(ti_batches *b, ti_batch *batch, const ti_refusal *why, uint32_t line)
{
    batch->status = TI_BATCH_FAILED;
    batch->ended_s = ti_wall_s();
    batch->error_line = line;
    snprintf(batch->error_code, sizeof batch->error_code, "%s", why->code);
    snprintf(batch->error, sizeof batch->error, "%.*s", TI_BATCH_WHY, why->message);
    (void)save(b, batch);
}

/* Makes a file of results seen, where it has something. */
static bool show(ti_batches *b, const ti_batch *batch, const char *id, uint32_t n,
                 const char *what)
{
    tern_err err = {0};
    ti_batch_file f = {.created_s = ti_wall_s(), .output = true};
    if (n == 0) {
        char *path = ti_batch_path(b, id, ".jsonl"); /* it is empty */
        if (path) {
            (void)unlink(path);
        }
        free(path);
        return true;
    }
    if (ti_batch_file_get(b, id)) {
        return true;
    }
    snprintf(f.id, sizeof f.id, "%s", id);
    snprintf(f.name, sizeof f.name, "%s_%s.jsonl", batch->id, what);
    if (ti_batch_results_bytes(b, id, &f.bytes, &err) != TERN_OK ||
        ti_batch_add_file(b, &f, NULL, &err) != TERN_OK) {
        warn(b, &err);
        return false;
    }
    return true;
}

/* Files first, then the batch: what a client finds ended has its files. */
static void conclude(ti_batches *b, ti_batch *batch, ti_batch_status status)
{
    ti_batch_status before = batch->status;
    if (status == TI_BATCH_COMPLETED) {
        batch->status = TI_BATCH_FINALIZING;
        batch->finalizing_s = ti_wall_s();
    }
    if (show(b, batch, batch->output, batch->completed, "output") &&
        show(b, batch, batch->failures, batch->failed, "error")) {
        batch->status = status;
        batch->ended_s = ti_wall_s();
        if (save(b, batch)) {
            return;
        }
    }
    batch->status = before; /* the disk may have room again later */
    batch->planned_s = ti_wall_s();
    sleep_ms(b, (uint64_t)RETRY_S * MS);
}

/* --- lines ----------------------------------------------------------------------------------
 */

static bool gone(void *user)
{
    const ti_batch_line *l = user;
    return atomic_load(&l->work->stop);
}

/* In the finisher's thread, or in this one for what was refused at once. */
static void done(void *user, unsigned code, const char *request_id, const ti_buf *body)
{
    enum { TOO_MANY = 429, UNAVAILABLE = 503 };
    ti_batch_line *l = user;
    ti_batch_work *w = l->work;
    ti_batches *b = w->batches;
    tern_err err = {0};
    bool later =
        code == TI_CLIENT_GONE || code == TOO_MANY || code == UNAVAILABLE || body->failed;
    pthread_mutex_lock(&b->mutex);
    if (!later && ti_batch_work_result(w, l, code, request_id, body, &err) != TERN_OK) {
        warn(b, &err);
        w->pause_ms = ti_wall_ms() + (uint64_t)RETRY_S * MS;
        later = true;
    } else if (later) {
        w->pause_ms = ti_wall_ms() + PAUSE_MS;
    }
    l->state = later ? TI_LINE_OPEN : TI_LINE_DONE;
    w->left -= !later;
    w->running--;
    pthread_cond_broadcast(&b->wake);
    pthread_mutex_unlock(&b->mutex);
}

/* Whether a line may go to the engine now: nobody waits there, and one place stays free. */
static bool has_room(const ti_batches *b)
{
    ti_serve_stats stats;
    ti_serve_get_stats(b->api->opts.engine, &stats);
    uint32_t most = stats.slots > 1 ? stats.slots - 1 : 1;
    return stats.queued == 0 && stats.active < most;
}

static void launch(ti_batch_work *w, ti_batch_line *l)
{
    ti_batches *b = w->batches;
    const ti_call_sink sink = {.user = l, .gone = gone, .done = done};
    l->state = TI_LINE_RUNNING;
    w->running++;
    pthread_mutex_unlock(&b->mutex);
    ti_call_run(b->api, ti_batch_endpoints[w->batch->endpoint].kind, l->body, &sink);
    pthread_mutex_lock(&b->mutex);
}

/* Its lines, until all are answered, or somebody says that it is over. */
static void run_lines(ti_batch_work *w)
{
    ti_batches *b = w->batches;
    ti_batch *batch = w->batch;
    while (!b->closing && batch->status == TI_BATCH_IN_PROGRESS &&
           ti_wall_s() < batch->expires_s && w->left > 0) {
        ti_batch_line *l = ti_wall_ms() >= w->pause_ms ? ti_batch_work_next(w) : NULL;
        if (l && has_room(b)) {
            launch(w, l);
        } else {
            sleep_ms(b, w->left > w->running ? POLL_MS : PAUSE_MS);
        }
    }
    atomic_store(&w->stop, true);
    while (w->running > 0) {
        pthread_cond_wait(&b->wake, &b->mutex);
    }
}

static void run_batch(ti_batches *b, ti_batch *batch, ti_batch_work *w)
{
    tern_err err = {0};
    run_lines(w);
    if (b->closing && w->left > 0) {
        (void)save(b, batch);
        return; /* the next server goes on */
    }
    if (batch->status == TI_BATCH_CANCELLING) {
        conclude(b, batch, TI_BATCH_CANCELLED);
    } else if (w->left == 0) {
        conclude(b, batch, TI_BATCH_COMPLETED);
    } else if (ti_batch_work_expire(w, &err) == TERN_OK) {
        conclude(b, batch, TI_BATCH_EXPIRED);
    } else {
        warn(b, &err);
        sleep_ms(b, (uint64_t)RETRY_S * MS);
    }
}

/* One step of a batch: its validation and plan, or its lines. */
static void process(ti_batches *b, ti_batch *batch)
{
    ti_refusal why = {0};
    ti_batch_work w;
    uint32_t line = 0;
    if (!ti_batch_work_open(&w, b, batch, &line, &why)) {
        fail(b, batch, &why, line);
        return;
    }
    if (batch->status == TI_BATCH_VALIDATING ||
        (batch->status == TI_BATCH_IN_PROGRESS && batch->put_off.start_s > ti_wall_s() &&
         batch->expires_s > ti_wall_s())) {
        plan(b, batch, w.tokens);
        if (batch->status == TI_BATCH_VALIDATING) { /* and not cancelled meanwhile */
            batch->status = TI_BATCH_IN_PROGRESS;
            batch->begun_s = ti_wall_s();
        }
        (void)save(b, batch);
    } else {
        if (batch->status == TI_BATCH_FINALIZING) {
            batch->status = TI_BATCH_IN_PROGRESS; /* a server ended meanwhile */
        }
        run_batch(b, batch, &w);
    }
    ti_batch_work_close(&w);
}

/* --- the thread -----------------------------------------------------------------------------
 */

/* When there is something to do with it; INT64_MAX: never. */
static int64_t due_s(const ti_batch *batch)
{
    if (ti_batch_is_final(batch->status)) {
        return INT64_MAX;
    }
    if (batch->status != TI_BATCH_IN_PROGRESS) {
        return 0;
    }
    int64_t again = batch->planned_s + REPLAN_S;
    return batch->put_off.start_s < again ? batch->put_off.start_s : again;
}

void *ti_batches_run(void *user)
{
    const int64_t hour_s = 3600;
    ti_batches *b = user;
    pthread_mutex_lock(&b->mutex);
    while (!b->closing) {
        ti_batch *first = NULL;
        for (size_t i = 0; i < b->n; i++) {
            if (!first || due_s(b->items[i]) < due_s(first)) {
                first = b->items[i];
            }
        }
        int64_t due = first ? due_s(first) : INT64_MAX, now = ti_wall_s();
        if (first && due <= now) {
            process(b, first);
        } else if (due == INT64_MAX) {
            pthread_cond_wait(&b->wake, &b->mutex);
        } else {
            sleep_ms(b, (uint64_t)(due - now < hour_s ? due - now : hour_s) * MS);
        }
    }
    pthread_mutex_unlock(&b->mutex);
    return NULL;
}
