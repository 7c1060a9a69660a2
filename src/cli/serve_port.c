/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_port.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/moment.h"
#include "cli/out.h"
#include "cli/receipt_files.h"
#include "cli/serve_log.h"
#include "cli/serve_outlook.h"

enum { RECEIPT_FILE_MAX = 1 << 20 };

/* --- the model ------------------------------------------------------------------------------
 */

#define SET(field, text) snprintf(field, sizeof(field), "%s", text)

/* What clients call it: the file's name without ".gguf". */
static void set_id(ti_served *out, const char *path)
{
    static const char suffix[] = ".gguf";
    const char *slash = strrchr(path, '/');
    SET(out->id, slash ? slash + 1 : path);
    size_t n = strlen(out->id), less = sizeof suffix - 1;
    if (n > less && strcmp(out->id + n - less, suffix) == 0) {
        out->id[n - less] = '\0';
    }
}

static void set_model(ti_served *out, const tern_model *model, const ti_session_args *session)
{
    tern_model_desc desc;
    tern_model_describe(model, &desc);
    SET(out->name, desc.name);
    SET(out->architecture, desc.architecture);
    SET(out->weight_type, desc.weight_type);
    out->file_bytes = desc.file_bytes;
    out->n_params = desc.n_params;
    out->n_ctx_train = desc.n_ctx_train;
    out->n_ctx = ti_context_of(model, session);
    out->n_ctx = out->n_ctx < desc.n_ctx_train ? out->n_ctx : desc.n_ctx_train;
    out->n_layer = desc.n_layer;
    out->n_embd = desc.n_embd;
    out->n_head = desc.n_head;
    out->n_head_kv = desc.n_head_kv;
    out->n_vocab = desc.n_vocab;
    out->has_chat = tern_model_has_chat(model);
    tern_model_recommended_sampler(model, &out->recommended);
}

/* Describes what the engine opens, with the digest of that very file, which is remembered from
 * earlier times.  Waits for requests that the model before still answers. */
static tern_status describe(ti_serve_port *p, tern_err *err)
{
    const int64_t ns = 1000000000;
    const tern_model *model;
    ti_served served = {.id = ""};
    uint8_t digest[TI_SHA256];
    TI_TRY(ti_model_digest(digest, &served.file, p->path, err));
    TI_TRY(ti_serve_acquire(p->engine, &served.file, &model, err));
    set_model(&served, model, p->session_args);
    ti_serve_give_back(p->engine);
    set_id(&served, p->path);
    sodium_bin2hex(served.digest, sizeof served.digest, digest, sizeof digest);
    served.modified_s = served.file.modified_ns / ns;
    pthread_mutex_lock(&p->mutex);
    p->served = served;
    p->known = true;
    pthread_mutex_unlock(&p->mutex);
    return TERN_OK;
}

/* Whether what is known is of the file as it is now.  One that was removed: the engine goes on
 * with what it has open. */
static bool is_fresh(ti_serve_port *p)
{
    ti_file_state now;
    bool there = ti_file_look(&now, p->path, NULL) == TERN_OK;
    pthread_mutex_lock(&p->mutex);
    bool fresh = p->known && (!there || ti_file_same(&now, &p->served.file));
    pthread_mutex_unlock(&p->mutex);
    return fresh;
}

/* One after the other: who comes second finds that it is done. */
static tern_status describe_once(ti_serve_port *p, tern_err *err)
{
    tern_status status = TERN_OK;
    pthread_mutex_lock(&p->describing);
    if (!is_fresh(p)) {
        status = describe(p, err);
    }
    pthread_mutex_unlock(&p->describing);
    return status;
}

/* Whether somebody may wait until the model is described; they wait in threads of the web
 * server, so there are few.  Who wants an answer at once waits only while nothing else is done.
 */
static bool may_wait(ti_serve_port *p, bool at_once)
{
    enum { WAIT_MOST = 4 };
    ti_serve_stats stats;
    ti_serve_get_stats(p->engine, &stats);
    pthread_mutex_lock(&p->mutex);
    bool idle = p->n_waiting == 0 && stats.active == 0 && stats.queued == 0;
    bool may = !p->known || (at_once ? idle : p->n_waiting < WAIT_MOST);
    p->n_waiting += may;
    pthread_mutex_unlock(&p->mutex);
    return may;
}

static tern_status port_model(void *user, ti_served *out, bool at_once, tern_err *err)
{
    ti_serve_port *p = user;
    tern_status status = TERN_OK;
    if (!is_fresh(p)) {
        if (may_wait(p, at_once)) {
            status = describe_once(p, err);
            pthread_mutex_lock(&p->mutex);
            p->n_waiting--;
            pthread_mutex_unlock(&p->mutex);
        } else if (!at_once) {
            return ti_fail(err, TERN_UNAVAILABLE, "serve", TI_NO_OFFSET,
                           "the model's file was replaced and is being read; try again");
        }
    }
    if (status == TERN_OK) {
        pthread_mutex_lock(&p->mutex);
        *out = p->served;
        pthread_mutex_unlock(&p->mutex);
    }
    return status;
}

/* --- grams ----------------------------------------------------------------------------------
 */

static void port_carbon(void *user, ti_cost *cost)
{
    enum { EPOCH_YEAR = 1900 };
    const ti_serve_port *p = user;
    tern_err err;
    if (!p->grams.row) {
        return;
    }
    cost->has_carbon =
        ti_grams_of(&cost->carbon, &p->grams, cost->energy.energy_uj + cost->energy.idle_uj,
                    &err) == TERN_OK;
    struct tm end = {.tm_year = (int)cost->carbon.year + 1 - EPOCH_YEAR, .tm_mday = 1};
    cost->carbon_age_s = (int64_t)time(NULL) - (int64_t)timegm(&end);
}

/* One at a time, and what was answered counts for a while: however many pages are open, a
 * service is asked as often as by one. */
static tern_status port_outlook(void *user, ti_buf *json, tern_err *err)
{
    enum { GOOD_S = 60 };
    ti_serve_port *p = user;
    tern_status status = TERN_OK;
    pthread_mutex_lock(&p->looking);
    time_t now = time(NULL);
    if (p->outlook.len == 0 || now < p->outlook_s || now - p->outlook_s > GOOD_S) {
        ti_buf fresh = {0};
        status = ti_serve_outlook(&fresh, p->receipt_args->zone, err);
        if (status == TERN_OK) {
            ti_buf_free(&p->outlook);
            p->outlook = fresh;
            p->outlook_s = now;
        } else {
            ti_buf_free(&fresh);
        }
    }
    if (status == TERN_OK) {
        ti_buf_add(json, p->outlook.data, p->outlook.len);
    }
    pthread_mutex_unlock(&p->looking);
    return status;
}

static tern_status port_defer(void *user, int64_t *start_s, char *why, size_t size,
                              const char *zone, uint64_t id, int64_t deadline_s,
                              uint64_t work_s, tern_err *err)
{
    ti_serve_port *p = user;
    pthread_mutex_lock(&p->looking);
    tern_status status = ti_serve_defer(start_s, why, size, zone ? zone : p->receipt_args->zone,
                                        id, deadline_s, work_s, err);
    pthread_mutex_unlock(&p->looking);
    return status;
}

static tern_status port_moment(void *user, int64_t *time_s, const char *text, int64_t now_s,
                               tern_err *err)
{
    const ti_moment_ask ask = {.what = "deadline", .now_s = now_s, .after_s = now_s};
    (void)user;
    return ti_moment_parse(time_s, text, &ask, err);
}

/* --- receipts -------------------------------------------------------------------------------
 */

static const ti_stop stops_of[] = {[TI_SERVE_STOP] = TI_STOP_END,
                                   [TI_SERVE_SEQUENCE] = TI_STOP_SEQUENCE,
                                   [TI_SERVE_LENGTH] = TI_STOP_LENGTH,
                                   [TI_SERVE_CONTEXT] = TI_STOP_CONTEXT,
                                   [TI_SERVE_CANCELLED] = TI_STOP_INTERRUPTED,
                                   [TI_SERVE_ERROR] = TI_STOP_INTERRUPTED};

static void set_energy(ti_receipt_job *job, const ti_cost *cost)
{
    job->receipt.has_energy = cost->has_energy;
    if (cost->has_energy) {
        ti_receipt_set_energy(&job->receipt.energy, &cost->energy);
    }
}

static tern_status fill_and_write(ti_serve_port *p, ti_receipt_job *job, const ti_api_answer *a,
                                  const tern_token *tokens, tern_err *err)
{
    ti_opt_list stops = {.n = a->n_stops};
    ti_session_args session = *p->session_args;
    const tern_model *model;
    for (size_t i = 0; i < a->n_stops; i++) {
        stops.items[i] = a->stops[i];
    }
    session.ctx = a->n_ctx;
    /* The text is only read. */
    ti_answer answer = {.text = {.data = (char *)(uintptr_t)a->text.data, .len = a->text.len},
                        .first = a->n_prompt,
                        .n_tokens = a->n_output,
                        .stop = stops_of[a->reason],
                        .generate_ns = a->generate_ns};
    const ti_answer_form form = {.grammar = a->form,
                                 .kind = a->format == TI_ASK_SCHEMA ? TERN_GRAMMAR_SCHEMA
                                                                    : TERN_GRAMMAR_JSON,
                                 .text = (char *)(uintptr_t)a->schema.data,
                                 .len = a->schema.len};
    ti_receipt_facts facts = {.form = a->form ? &form : NULL,
                              .tokens = tokens,
                              .n_tokens = a->n_prompt + a->n_output,
                              .sampler = &a->sampler,
                              .model_args = p->model_args,
                              .session_args = &session,
                              .stops = &stops,
                              .answer = &answer,
                              .n_input = a->n_prompt,
                              .n_fed = a->n_fed,
                              .max_tokens = a->max_tokens,
                              .chat = a->chat,
                              .prompt_ns = a->prompt_ns};
    if (ti_serve_acquire_open(p->engine, &a->model->file, &model, err) != TERN_OK) {
        TI_TRY(ti_serve_acquire(p->engine, &a->model->file, &model, err));
    }
    facts.model = model;
    tern_status status = ti_receipt_finish(job, &facts, err);
    ti_serve_give_back(p->engine);
    return status;
}

static tern_status port_receipt(void *user, char id[TI_RECEIPT_ID + 1], const ti_api_answer *a,
                                tern_err *err)
{
    ti_serve_port *p = user;
    ti_receipt_job job = {.args = p->receipt_args,
                          .wanted = true,
                          .model_path = p->path,
                          .model_state = a->model->file};
    size_t n = a->n_prompt + a->n_output;
    if (a->biased) { /* a receipt would say less than what was asked */
        id[0] = '\0';
        return TERN_OK;
    }
    tern_token *tokens = ti_calloc(n, sizeof *tokens);
    if (!tokens) {
        return ti_fail_nomem(err, "serve", n * sizeof *tokens, "tokens");
    }
    memcpy(tokens, a->prompt, a->n_prompt * sizeof *tokens);
    if (a->n_output > 0) {
        memcpy(tokens + a->n_prompt, a->output, a->n_output * sizeof *tokens);
    }
    randombytes_buf(job.salt, sizeof job.salt);
    job.receipt.time.started_unix_ms = a->started_unix_ms;
    set_energy(&job, a->cost);
    tern_status status = fill_and_write(p, &job, a, tokens, err);
    memcpy(id, job.receipt.id, sizeof job.receipt.id);
    sodium_memzero(&job, sizeof job);
    free(tokens);
    return status;
}

/* Appends a file of receipts; TERN_NO when it is not there. */
static tern_status add_file(ti_buf *out, const char *path, tern_err *err)
{
    char *text;
    size_t len;
    if (access(path, F_OK) != 0) {
        return TERN_NO;
    }
    TI_TRY(ti_read_file(&text, &len, path, RECEIPT_FILE_MAX, err));
    ti_buf_add(out, text, len);
    free(text);
    return out->failed ? ti_fail_nomem(err, "serve", len, "a receipt") : TERN_OK;
}

static tern_status port_receipt_text(void *user, ti_buf *out, const char *id, tern_err *err)
{
    char *path;
    (void)user;
    TI_TRY(ti_receipt_kept(&path, id, false, err));
    tern_status status = add_file(out, path, err);
    free(path);
    return status;
}

static tern_status port_receipt_key(void *user, ti_buf *out, tern_err *err)
{
    char *secret, *path;
    (void)user;
    TI_TRY(ti_receipt_key_file(&secret, false, err));
    tern_status status = ti_receipt_beside(&path, secret, ".pub", err);
    free(secret);
    TI_TRY(status);
    status = add_file(out, path, err);
    free(path);
    return status;
}

static tern_status port_log_file(void *user, ti_buf *out, const char *path, tern_err *err)
{
    const ti_serve_port *p = user;
    return ti_serve_log_file(out, p->log_dir, path, err);
}

/* --- the log --------------------------------------------------------------------------------
 */

static void port_note(void *user, const char *line)
{
    (void)user;
    ti_note("%s", line);
}

static void port_warn(void *user, const tern_err *err)
{
    (void)user;
    ti_warn("%s: %s", err->module, err->message);
}

/* --- beginning and end ----------------------------------------------------------------------
 */

tern_status ti_serve_port_open(ti_serve_port *out, const ti_model_args *model,
                               const ti_session_args *session, const ti_receipt_args *receipts,
                               tern_err *err)
{
    const ti_grams_args grams = {.zone = receipts->zone};
    ti_serve_port p = {.model_args = model, .session_args = session, .receipt_args = receipts};
    if (sodium_init() < 0 || pthread_mutex_init(&p.mutex, NULL) != 0) {
        return ti_fail(err, TERN_INTERNAL, "serve", TI_NO_OFFSET, "libsodium cannot start");
    }
    if (pthread_mutex_init(&p.looking, NULL) != 0) {
        pthread_mutex_destroy(&p.mutex);
        return ti_fail_nomem(err, "serve", sizeof p.looking, "a lock");
    }
    if (pthread_mutex_init(&p.describing, NULL) != 0) {
        pthread_mutex_destroy(&p.looking);
        pthread_mutex_destroy(&p.mutex);
        return ti_fail_nomem(err, "serve", sizeof p.describing, "a lock");
    }
    tern_status status = ti_model_path(&p.path, model->model, err);
    if (status == TERN_OK) {
        status = ti_grams_open(&p.grams, &grams, err);
    }
    if (status != TERN_OK) {
        ti_serve_port_close(&p);
        return status;
    }
    *out = p;
    return TERN_OK;
}

void ti_serve_port_close(ti_serve_port *p)
{
    ti_grams_close(&p->grams);
    ti_buf_free(&p->outlook);
    pthread_mutex_destroy(&p->describing);
    pthread_mutex_destroy(&p->looking);
    pthread_mutex_destroy(&p->mutex);
    free(p->log_name);
    free(p->path);
}

tern_status ti_serve_port_look(ti_serve_port *port, ti_serve_engine *engine, tern_err *err)
{
    ti_served served;
    port->engine = engine;
    return port_model(port, &served, false, err);
}

tern_status ti_serve_port_log(ti_serve_port *port, const char *dir, tern_err *err)
{
    if (dir) {
        TI_TRY(ti_serve_log_name(&port->log_name, dir, err));
        port->log_dir = dir;
    }
    return TERN_OK;
}

ti_api_port ti_serve_port_functions(ti_serve_port *p, bool log)
{
    return (ti_api_port){.user = p,
                         .model = port_model,
                         .carbon = port_carbon,
                         .receipt = p->receipt_args->off ? NULL : port_receipt,
                         .receipt_text = port_receipt_text,
                         .receipt_key = port_receipt_key,
                         .outlook = port_outlook,
                         .defer = port_defer,
                         .moment = port_moment,
                         .log_name = p->log_name,
                         .log_file = port_log_file,
                         .note = log ? port_note : NULL,
                         .warn = port_warn};
}
