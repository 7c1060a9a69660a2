/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_receipt.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* --- what it wrote --------------------------------------------------------------------------
 */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_output(const struct dirent *e)
{
    return strncmp(e->d_name, "out.", 4) == 0 && e->d_name[4] != '\0' &&
           e->d_name[4 + strspn(e->d_name + 4, "0123456789")] == '\0';
}

/* "DIGEST  NAME" for one file, as sha256sum(1) writes it. */
static tern_status add_sum(ti_buf *sums, const char *queue, int64_t id, const char *name,
                           tern_err *err)
{
    char *path, hex[TI_SHA256_HEX + 1];
    TI_TRY(ti_queue_path(&path, queue, id, name, err));
    tern_status status = ti_sha256_file(hex, path, err);
    free(path);
    if (status == TERN_OK) {
        ti_buf_addf(sums, "%s  %s\n", hex, name);
    }
    return status;
}

/* The tasks of an array: a list of digests, which is written beside them. */
static tern_status sum_tasks(ti_job_output *out, const char *queue, int64_t id, const char *dir,
                             tern_err *err)
{
    struct dirent **names;
    char *path = NULL;
    ti_buf sums = {0};
    int n = scandir(dir, &names, is_output, by_name);
    if (n < 0) {
        return ti_fail_errno(err, errno, "jobs", "cannot list '%s'", dir);
    }
    tern_status status = TERN_OK;
    for (int i = 0; i < n; i++) {
        status = status == TERN_OK ? add_sum(&sums, queue, id, names[i]->d_name, err) : status;
        free(names[i]);
    }
    free(names);
    ti_buf_adds(&sums, "");
    if (status == TERN_OK && sums.failed) {
        status = ti_fail_nomem(err, "jobs", sums.len, "digests");
    }
    if (status == TERN_OK) {
        status = ti_queue_path(&path, queue, id, "SHA256SUMS", err);
    }
    if (status == TERN_OK) {
        status = ti_job_write(path, sums.data, sums.len, err);
    }
    if (status == TERN_OK) {
        ti_sha256_text(out->sha256, sums.data);
        snprintf(out->name, sizeof out->name, "SHA256SUMS");
    }
    free(path);
    ti_buf_free(&sums);
    return status;
}

static tern_status sum_output(ti_job_output *out, const char *queue, int64_t id, tern_err *err)
{
    char *path, *dir;
    TI_TRY(ti_queue_path(&dir, queue, id, "", err));
    tern_status status = ti_queue_path(&path, queue, id, "out", err);
    if (status == TERN_OK && access(path, F_OK) == 0) {
        snprintf(out->name, sizeof out->name, "stdout");
        status = ti_sha256_file(out->sha256, path, err);
        free(path);
    } else if (status == TERN_OK) {
        status = sum_tasks(out, queue, id, dir, err);
        free(path);
    }
    free(dir);
    return status;
}

/* --- the command ----------------------------------------------------------------------------
 */

bool ti_job_words_read(uint8_t salt[TI_JOB_SALT], ti_job *job, char *text, size_t len)
{
    size_t n = 0, at = sizeof TI_JOB_WORDS + 2 * TI_JOB_SALT + 1;
    const char *hex = text + sizeof TI_JOB_WORDS;
    if (len <= at || memcmp(text, TI_JOB_WORDS, sizeof TI_JOB_WORDS) != 0 ||
        sodium_hex2bin(salt, TI_JOB_SALT, hex, (size_t)2 * TI_JOB_SALT, NULL, &n, NULL) != 0 ||
        n != TI_JOB_SALT || text[at - 1] != '\0' || text[len - 1] != '\0') {
        return false;
    }
    job->command = text + at;
    job->command_len = len - at;
    return true;
}

/* The commitment of its words.  Salt and words are kept beside the receipt, for who is to be
 * shown them; what is there is taken again. */
static tern_status commit(char hex[TI_SHA256_HEX + 1], const char *queue, const ti_job *job,
                          tern_err *err)
{
    uint8_t salt[TI_JOB_SALT];
    char salt_hex[2 * TI_JOB_SALT + 1], *path, *old = NULL;
    size_t len = 0;
    ti_buf text = {0};
    ti_job kept = {0};
    TI_TRY(ti_queue_path(&path, queue, job->id, "words", err));
    bool there = ti_read_file(&old, &len, path, TI_JOB_COMMAND_MAX + 256, NULL) == TERN_OK &&
                 ti_job_words_read(salt, &kept, old, len);
    free(old); /* the words were in it */
    tern_status status = TERN_OK;
    if (!there) {
        randombytes_buf(salt, sizeof salt);
        sodium_bin2hex(salt_hex, sizeof salt_hex, salt, sizeof salt);
        ti_buf_add(&text, TI_JOB_WORDS, sizeof TI_JOB_WORDS);
        ti_buf_add(&text, salt_hex, sizeof salt_hex);
        ti_buf_add(&text, job->command, job->command_len);
        status = text.failed ? ti_fail_nomem(err, "jobs", text.len, "a command")
                             : ti_job_write(path, text.data, text.len, err);
        ti_buf_free(&text);
    }
    free(path);
    if (status == TERN_OK) {
        ti_job_commit(hex, salt, job);
    }
    return status;
}

/* --- the receipt ----------------------------------------------------------------------------
 */

static tern_status sign(ti_buf *envelope, const char *queue, const ti_job *job, tern_err *err)
{
    char id[TI_RECEIPT_ID + 1], *key_file = NULL, commitment[TI_SHA256_HEX + 1];
    bool made;
    ti_job_output output;
    ti_note_signer key = {.pub = {.name = ""}};
    ti_buf statement = {0};
    ti_receipt_make_id(id, ti_unix_ms());
    TI_TRY(sum_output(&output, queue, job->id, err));
    TI_TRY(commit(commitment, queue, job, err));
    tern_status status =
        ti_job_statement(&statement, job, id, tern_version(), &output, commitment, err);
    if (status == TERN_OK) {
        status = ti_receipt_key_file(&key_file, true, err);
    }
    if (status == TERN_OK) {
        status = ti_key_load_or_make(&key, key_file, "tern-receipt", &made, err);
    }
    if (status == TERN_OK) {
        status =
            ti_dsse_sign(envelope, TI_PAYLOAD_TYPE, statement.data, statement.len, &key, err);
    }
    ti_note_signer_wipe(&key);
    ti_buf_free(&statement);
    free(key_file);
    return status;
}

/* Makes the receipt once: the file in the job's directory is what goes into logs, also after a
 * crash in between. */
static tern_status make_receipt(char **text, size_t *len, const char *queue, const ti_job *job,
                                tern_err *err)
{
    char *path;
    ti_buf envelope = {0};
    TI_TRY(ti_queue_path(&path, queue, job->id, "receipt.json", err));
    if (access(path, F_OK) == 0) {
        tern_status there = ti_read_file(text, len, path, TI_DSSE_MAX, err);
        free(path);
        return there;
    }
    tern_status status = sign(&envelope, queue, job, err);
    if (status == TERN_OK) {
        status = ti_job_write(path, envelope.data, envelope.len, err);
    }
    free(path);
    if (status != TERN_OK) {
        ti_buf_free(&envelope);
        return status;
    }
    *text = envelope.data;
    *len = envelope.len;
    return TERN_OK;
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

/* Where it is among what was published; TERN_NO when it is not there. */
static tern_status find(int64_t *index, const char *dir, const char *text, size_t len,
                        tern_err *err)
{
    ti_log_view *view;
    uint64_t at;
    TI_TRY(ti_log_view_open(&view, dir, NULL, NULL, err));
    tern_status status = ti_log_view_find(view, &at, text, len, err);
    ti_log_view_close(view);
    if (status == TERN_OK) {
        *index = (int64_t)at;
    }
    return status;
}

/* Appends it, unless it is there: a crash may have come between the log and the queue. */
static tern_status append(int64_t *index, const char *dir, const char *text, size_t len,
                          tern_err *err)
{
    ti_log *log;
    uint64_t at;
    /* Opening publishes what a crash left unpublished, and from then on nobody else appends. */
    TI_TRY(ti_log_open(&log, dir, NULL, err));
    tern_status status = find(index, dir, text, len, err);
    if (status == TERN_NO) {
        status = ti_log_append(log, text, len, &at, err);
        if (status == TERN_OK) {
            *index = (int64_t)at;
            status = ti_log_publish(log, err);
        }
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
