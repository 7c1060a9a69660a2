/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_receipt.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/digest.h"
#include "cli/job_place.h"
#include "cli/places.h"
#include "cli/receipt_files.h"
#include "cli/receipts.h"
#include "jobs/account.h"
#include "ledger/dsse.h"
#include "ledger/key.h"
#include "ledger/log.h"
#include "ledger/receipt.h"

/* Makes the receipt once: the file in the job's directory is what goes into logs, also after a
 * crash in between. */
static tern_status make_receipt(char **text, size_t *len, const char *queue, const ti_job *job,
                                tern_err *err)
{
    char id[TI_RECEIPT_ID + 1], sha256[TI_SHA256_HEX + 1], *key_file = NULL, *path, *out = NULL;
    bool made;
    ti_note_signer key = {.pub = {.name = ""}};
    ti_buf statement = {0}, envelope = {0};
    TI_TRY(ti_queue_path(&path, queue, job->id, "receipt.json", err));
    if (ti_read_file(text, len, path, TI_DSSE_MAX, NULL) == TERN_OK) {
        free(path);
        return TERN_OK;
    }
    ti_receipt_make_id(id, ti_unix_ms());
    tern_status status = ti_queue_path(&out, queue, job->id, "out", err);
    if (status == TERN_OK) {
        status = ti_sha256_file(sha256, out, err);
    }
    if (status == TERN_OK) {
        status = ti_job_statement(&statement, job, id, tern_version(), sha256, err);
    }
    if (status == TERN_OK) {
        status = ti_receipt_key_file(&key_file, true, err);
    }
    if (status == TERN_OK) {
        status = ti_key_load_or_make(&key, key_file, "tern-receipt", &made, err);
    }
    if (status == TERN_OK) {
        status =
            ti_dsse_sign(&envelope, TI_PAYLOAD_TYPE, statement.data, statement.len, &key, err);
    }
    ti_note_signer_wipe(&key);
    if (status == TERN_OK) {
        status = ti_job_write(path, envelope.data, envelope.len, err);
    }
    if (status == TERN_OK) {
        *text = envelope.data;
        *len = envelope.len;
        envelope = (ti_buf){0};
    }
    ti_buf_free(&statement);
    ti_buf_free(&envelope);
    free(key_file);
    free(path);
    free(out);
    return status;
}

/* The user's log: TERN_LOG, else the directory log in $XDG_DATA_HOME/tern; NULL when neither is
 * one. */
static char *find_log(void)
{
    const char *said = getenv("TERN_LOG");
    char *dir = NULL;
    if (said && *said) {
        dir = strdup(said);
    } else if (ti_place_path(&dir, TI_PLACE_DATA, "log", NULL) != TERN_OK) {
        return NULL;
    }
    if (dir && !ti_log_exists(dir)) {
        free(dir);
        return NULL;
    }
    return dir;
}

/* Appends it, unless it is there: a crash may have come between the log and the queue. */
static tern_status append(int64_t *index, const char *dir, const char *text, size_t len,
                          tern_err *err)
{
    ti_log_view *view;
    ti_log *log;
    uint64_t at;
    if (ti_log_view_open(&view, dir, NULL, NULL, NULL) == TERN_OK) {
        tern_status found = ti_log_view_find(view, &at, text, len, NULL);
        ti_log_view_close(view);
        if (found == TERN_OK) {
            *index = (int64_t)at;
            return TERN_OK;
        }
    }
    TI_TRY(ti_log_open(&log, dir, NULL, err));
    tern_status status = ti_log_append(log, text, len, &at, err);
    if (status == TERN_OK) {
        *index = (int64_t)at;
        status = ti_log_publish(log, err);
    }
    ti_log_close(log);
    return status;
}

tern_status ti_job_receipt(ti_job_account *a, const char *queue, const ti_job *job,
                           tern_err *err)
{
    char *text, *dir;
    size_t len;
    TI_TRY(make_receipt(&text, &len, queue, job, err));
    dir = find_log();
    tern_status status = TERN_OK;
    if (dir) {
        status = append(&a->log_index, dir, text, len, err);
        a->state = status == TERN_OK ? TI_ACCOUNT_LOGGED : a->state;
    }
    free(dir);
    free(text);
    return status;
}
