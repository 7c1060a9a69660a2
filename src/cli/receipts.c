/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/receipts.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/metering.h"
#include "cli/models.h"
#include "cli/out.h"
#include "cli/receipt_files.h"
#include "ledger/dsse.h"
#include "ledger/key.h"
#include "ledger/secrets.h"

static const char key_name[] = "tern-receipt";

uint64_t ti_unix_ms(void)
{
    enum { MS = 1000, NS_PER_MS = 1000000 };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * MS + (uint64_t)now.tv_nsec / NS_PER_MS;
}

/* --- before the answer ----------------------------------------------------------------------
 */

/* A failure is an error for those who asked for a receipt, else a warning and the end of it. */
static tern_status forgive(ti_receipt_job *job, tern_status status, const tern_err *local,
                           tern_err *err)
{
    if (status == TERN_OK) {
        return TERN_OK;
    }
    job->receipt.id[0] = '\0';
    job->wanted = false;
    job->broken = status != TERN_CANCELLED;
    if (job->args->file || job->args->trace || job->args->zone || status == TERN_CANCELLED) {
        if (err) {
            *err = *local;
        }
        return status;
    }
    ti_warn("no receipt: %s: %s", local->module, local->message);
    return TERN_OK;
}

static void start(ti_receipt_job *job)
{
    randombytes_buf(job->salt, sizeof job->salt);
    job->receipt.time.started_unix_ms = ti_unix_ms();
}

static tern_status begin(ti_receipt_job *job, const ti_model_args *model, tern_err *err)
{
    if (sodium_init() < 0) {
        return ti_fail(err, TERN_INTERNAL, "receipt", TI_NO_OFFSET, "libsodium cannot start");
    }
    start(job);
    TI_TRY(ti_model_path(&job->model_path, model->model, err));
    return ti_file_look(&job->model_state, job->model_path, err);
}

tern_status ti_receipt_begin(ti_receipt_job *job, const ti_receipt_args *args,
                             const ti_model_args *model, tern_err *err)
{
    tern_err local;
    *job = (ti_receipt_job){.args = args, .wanted = !args->off};
    if (args->off && (args->file || args->trace || args->keep)) {
        return ti_fail(err, TERN_USAGE, "receipt", TI_NO_OFFSET,
                       "--no-receipt leaves nothing for %s",
                       args->file    ? "--receipt"
                       : args->trace ? "--trace"
                                     : "--keep-input");
    }
    if (!job->wanted) {
        return TERN_OK;
    }
    tern_status status = begin(job, model, &local);
    job->wanted = status == TERN_OK;
    if (status != TERN_OK && (args->file || args->trace)) {
        if (err) {
            *err = local;
        }
        return status;
    }
    return TERN_OK; /* a model that is not there is reported when it is opened */
}

void ti_receipt_again(ti_receipt_job *job)
{
    if (job->args->off || job->broken || !job->model_path) {
        return;
    }
    ti_energy_close(job->energy);
    job->energy = NULL;
    ti_trace_free(&job->trace);
    job->receipt = (ti_receipt){.id = ""};
    job->wanted = true;
    start(job);
}

/* A receipt without joules is still one: what goes wrong here is told and forgotten. */
static void watch_energy(ti_receipt_job *job)
{
    static const ti_metering_args defaults = TI_METERING_DEFAULT;
    tern_err local;
    if (ti_metering_open(&job->energy, &defaults, TI_METERING_CALIBRATED, NULL, NULL, &local) !=
        TERN_OK) {
        ti_warn("the receipt will say nothing of energy: %s: %s", local.module, local.message);
        job->energy = NULL;
    } else if (ti_energy_begin(job->energy, &job->energy_id, NULL) != TERN_OK) {
        ti_energy_close(job->energy);
        job->energy = NULL;
    }
}

tern_status ti_receipt_watch(ti_receipt_job *job, const tern_model *model,
                             const ti_session_args *args, tern_session *session, tern_err *err)
{
    tern_model_desc desc;
    if (!job->wanted) {
        return TERN_OK;
    }
    watch_energy(job);
    if (!job->args->trace) {
        return TERN_OK;
    }
    tern_model_describe(model, &desc);
    TI_TRY(
        ti_trace_init(&job->trace, job->salt, ti_context_of(model, args), desc.n_layer, err));
    tern_session_set_trace(session, ti_trace_row, &job->trace);
    return TERN_OK;
}

/* --- files ----------------------------------------------------------------------------------
 */

static tern_status write_secrets(const ti_receipt_job *job, const ti_receipt_facts *f,
                                 const char *file, tern_err *err)
{
    size_t n;
    const tern_token *tokens = ti_receipt_tokens(f, &n);
    ti_secrets secrets = {
        .has_input = job->args->keep || job->args->file,
        .input = tokens,
        .n_input = f->n_input,
        .output = tokens + f->answer->first,
        .n_output = n - f->answer->first,
        .stops = f->stops->items,
        .n_stops = f->stops->n,
        .grammar = f->form ? f->form->text : NULL,
    };
    char *path = NULL;
    ti_buf text = {0};
    memcpy(secrets.id, job->receipt.id, sizeof secrets.id);
    memcpy(secrets.salt, job->salt, sizeof secrets.salt);
    tern_status status = ti_receipt_beside(&path, file, ".private", err);
    if (status == TERN_OK) {
        status = ti_secrets_write(&text, &secrets, err);
    }
    if (status == TERN_OK) {
        status = ti_receipt_write_file(path, text.data, text.len, true, err);
    }
    sodium_memzero(secrets.salt, sizeof secrets.salt);
    if (text.data) {
        sodium_memzero(text.data, text.len);
    }
    ti_buf_free(&text);
    free(path);
    return status;
}

static tern_status write_trace(const ti_receipt_job *job, const char *file, tern_err *err)
{
    char *path;
    TI_TRY(ti_receipt_beside(&path, file, ".trace", err));
    tern_status status = TERN_OK;
    if (job->receipt.has_trace) {
        status = ti_trace_save(&job->trace, (uint32_t)job->receipt.trace.n_tokens, path, err);
    } else {
        (void)unlink(path); /* of an earlier receipt of that name */
    }
    free(path);
    return status;
}

/* Signs the statement and writes the envelope. */
static tern_status write_envelope(const ti_receipt_job *job, const char *file, tern_err *err)
{
    char *key_file = NULL;
    bool made = false;
    ti_note_signer key = {.pub = {.name = ""}};
    ti_buf statement = {0}, envelope = {0};
    tern_status status = ti_receipt_key_file(&key_file, true, err);
    if (status == TERN_OK) {
        status = ti_key_load_or_make(&key, key_file, key_name, &made, err);
    }
    if (status == TERN_OK) {
        status = ti_receipt_write(&statement, &job->receipt, err);
    }
    if (status == TERN_OK) {
        status =
            ti_dsse_sign(&envelope, TI_PAYLOAD_TYPE, statement.data, statement.len, &key, err);
    }
    ti_note_signer_wipe(&key);
    if (status == TERN_OK) {
        ti_buf_addc(&envelope, '\n');
        status = envelope.failed
                     ? ti_fail_nomem(err, "receipt", envelope.len, "an envelope")
                     : ti_receipt_write_file(file, envelope.data, envelope.len, false, err);
    }
    if (status == TERN_OK && made && (job->args->file || ti_stderr_is_tty())) {
        ti_note("made the key that signs receipts: %s", key_file);
    }
    ti_buf_free(&statement);
    ti_buf_free(&envelope);
    free(key_file);
    return status;
}

/* The receipt comes last: where it is, the others are too. */
static tern_status write_all(const ti_receipt_job *job, const ti_receipt_facts *f,
                             tern_err *err)
{
    char *file = NULL;
    tern_status status = job->args->file ? ti_receipt_beside(&file, job->args->file, "", err)
                                         : ti_receipt_kept(&file, job->receipt.id, true, err);
    if (status == TERN_OK) {
        status = write_secrets(job, f, file, err);
    }
    if (status == TERN_OK) {
        status = write_trace(job, file, err);
    }
    if (status == TERN_OK) {
        status = write_envelope(job, file, err);
    }
    if (status == TERN_OK && !job->args->file) {
        ti_receipts_prune(job->receipt.id);
    }
    free(file);
    return status;
}

tern_status ti_receipt_finish(ti_receipt_job *job, const ti_receipt_facts *facts, tern_err *err)
{
    tern_err local = {.status = TERN_OK};
    if (!job->wanted) {
        return TERN_OK;
    }
    tern_status status = ti_receipt_fill(job, facts, &local);
    if (status == TERN_OK) {
        status = write_all(job, facts, &local);
    }
    return forgive(job, status, &local, err);
}

void ti_receipt_end(ti_receipt_job *job)
{
    ti_energy_close(job->energy);
    free(job->model_path);
    ti_trace_free(&job->trace);
    sodium_memzero(job, sizeof *job);
}
