/* SPDX-License-Identifier: Apache-2.0 */
/* A receipt in a log: inclusion, and that the log has not been rewritten since. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "carbon/stamp.h"
#include "cli/verify.h"
#include "ledger/key.h"
#include "ledger/log.h"
#include "ledger/policy.h"

enum { PROOF_MAX = 1 << 20 };

/* A checkpoint that the user has kept: signed by the same log. */
static tern_status read_old(ti_checkpoint *out, const char *file, const ti_note_key *key,
                            tern_err *err)
{
    char *text;
    size_t size;
    TI_TRY(ti_read_file(&text, &size, file, PROOF_MAX, err));
    tern_status status = ti_checkpoint_open(out, text, size, key, err);
    free(text);
    return status;
}

/* Who has signed a head: what the policy asks for, as a line; *by_log becomes the log's key.
 * *good: it is so. */
static tern_status by_policy(ti_checks *checks, ti_str note, const ti_verify_args *args,
                             const ti_note_key *log_key, ti_note_key *by_log, bool *good,
                             tern_err *err)
{
    ti_policy policy;
    ti_policy_found found;
    char when[TI_STAMP_TEXT];
    TI_TRY(ti_policy_load(&policy, args->policy, err));
    tern_status status = ti_policy_check(&found, &policy, log_key, note.data, note.len, err);
    *good = status == TERN_OK;
    if (status != TERN_OK) {
        status = ti_check_no(checks, "witnesses", status, err);
    } else {
        *by_log = found.log;
        ti_check_add(checks, "witnesses", TI_CHECK_OK, "%s%s%s%s",
                     found.witnesses ? "cosigned by " : "the policy asks for none",
                     found.witnesses ? found.names.data : "", found.witnesses ? ", first " : "",
                     found.witnesses ? ti_stamp_text(when, (int64_t)found.first_time_s) : "");
        ti_buf_free(&found.names);
    }
    ti_policy_free(&policy);
    return status;
}

static tern_status check_proof(ti_checks *checks, const char *text, size_t size,
                               const char *entry, size_t len, const ti_verify_args *args,
                               const ti_note_key *key, tern_err *err)
{
    uint64_t index;
    ti_checkpoint head;
    ti_note_key by_log;
    if (args->policy) {
        ti_tlog_proof proof;
        bool good = false;
        TI_TRY(ti_tlog_proof_read(&proof, text, size, err));
        TI_TRY(by_policy(checks, proof.checkpoint, args, key, &by_log, &good, err));
        if (!good) {
            return TERN_OK;
        }
        key = &by_log;
    }
    tern_status status = ti_tlog_proof_check(text, size, entry, len, key, &head, &index, err);
    if (status != TERN_OK) {
        return ti_check_no(checks, "inclusion", status, err);
    }
    ti_check_add(checks, "inclusion", TI_CHECK_OK, "entry %llu of %llu in %s",
                 (unsigned long long)index, (unsigned long long)head.size, head.origin);
    return TERN_OK;
}

static tern_status by_proof(ti_checks *checks, const char *entry, size_t len,
                            const ti_verify_args *args, const ti_note_key *key, tern_err *err)
{
    char *text;
    size_t size;
    TI_TRY(ti_read_file(&text, &size, args->proof, PROOF_MAX, err));
    tern_status status = check_proof(checks, text, size, entry, len, args, key, err);
    free(text);
    return status;
}

static tern_status consistency(ti_checks *checks, ti_log_view *view, const char *file,
                               tern_err *err)
{
    ti_checkpoint old;
    ti_hash root;
    ti_proof proof;
    const ti_checkpoint *head = ti_log_view_checkpoint(view);
    tern_status status = read_old(&old, file, ti_log_view_key(view), err);
    if (status == TERN_OK && old.size > head->size) {
        status = ti_fail(err, TERN_NO, "verify", TI_NO_OFFSET,
                         "the log has fewer entries than the checkpoint that was kept");
    }
    if (status == TERN_OK) {
        status = ti_log_view_consistency(view, &proof, &root, old.size, err);
    }
    if (status == TERN_OK && !ti_hash_equal(&root, &old.root)) {
        status = ti_fail(err, TERN_NO, "verify", TI_NO_OFFSET,
                         "the log has another history than the checkpoint that was kept");
    }
    if (status != TERN_OK) {
        return ti_check_no(checks, "consistency", status, err);
    }
    ti_check_add(checks, "consistency", TI_CHECK_OK, "%llu entries are the first of these %llu",
                 (unsigned long long)old.size, (unsigned long long)head->size);
    return TERN_OK;
}

static tern_status in_view(ti_checks *checks, const char *entry, size_t len, ti_log_view *view,
                           const char *since, tern_err *err)
{
    uint64_t index;
    ti_proof proof;
    const ti_checkpoint *head = ti_log_view_checkpoint(view);
    tern_status status = ti_log_view_find(view, &index, entry, len, err);
    if (status == TERN_OK) {
        status = ti_log_view_inclusion(view, &proof, NULL, index, err);
    }
    if (status == TERN_OK) {
        ti_check_add(checks, "inclusion", TI_CHECK_OK, "entry %llu of %llu in %s",
                     (unsigned long long)index, (unsigned long long)head->size, head->origin);
    } else {
        TI_TRY(ti_check_no(checks, "inclusion", status, err));
    }
    return since ? consistency(checks, view, since, err) : TERN_OK;
}

static tern_status in_directory(ti_checks *checks, const char *entry, size_t len,
                                const ti_verify_args *args, const ti_note_key *key,
                                tern_err *err)
{
    ti_log_view *view = NULL;
    tern_status status = ti_log_view_open(&view, args->log, key, NULL, err);
    if (status != TERN_OK) {
        return ti_check_no(checks, "inclusion", status, err);
    }
    if (args->policy) {
        ti_note_key by_log;
        bool good;
        status = by_policy(checks, ti_log_view_note(view), args, ti_log_view_key(view), &by_log,
                           &good, err);
    }
    if (status == TERN_OK) {
        status = in_view(checks, entry, len, view, args->since, err);
    }
    ti_log_view_close(view);
    return status;
}

tern_status ti_verify_logged(ti_checks *checks, const char *entry, size_t len,
                             const ti_verify_args *args, tern_err *err)
{
    ti_note_key key;
    if (!args->proof && !args->log) {
        ti_check_add(checks, "inclusion", TI_CHECK_OPEN,
                     "--proof FILE or --log DIR shows that it was logged");
        return TERN_OK;
    }
    if (args->log_key) {
        TI_TRY(ti_key_public(&key, args->log_key, err));
    }
    if (args->proof) {
        TI_TRY(by_proof(checks, entry, len, args, args->log_key ? &key : NULL, err));
    }
    return args->log ? in_directory(checks, entry, len, args, args->log_key ? &key : NULL, err)
                     : TERN_OK;
}
