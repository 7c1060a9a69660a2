/* SPDX-License-Identifier: Apache-2.0 */
/* What a witness answers.  The order of the checks is that of c2sp.org/tlog-witness. */
#include "ledger/witness.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "ledger/witness_parts.h"

static const char type_text[] = "text/plain; charset=utf-8";
static const char type_size[] = "text/x.tlog.size";

/* A request on its way through the checks. */
typedef struct asking {
    ti_witness_request request;
    ti_signed_note note;
    ti_checkpoint head;
    ti_witness_log *log;
    ti_witness_answer answer;
} asking;

/* The answer is a refusal. */
static tern_status refuse(asking *a, unsigned code, const char *why)
{
    a->answer.code = code;
    a->answer.type = type_text;
    ti_buf_clear(&a->answer.body);
    ti_buf_addf(&a->answer.body, "%s\n", why);
    return TERN_OK;
}

/* What is wrong with a text that could not be read; running out of memory is no answer. */
static tern_status malformed(asking *a, tern_status status, const tern_err *why, tern_err *err)
{
    if (status == TERN_NOMEM) {
        return ti_fail_nomem(err, "witness", TI_WITNESS_REQUEST_MAX, "a request");
    }
    return refuse(a, 400, why->message);
}

static ti_witness_log *find_log(ti_witness *w, const char *origin)
{
    for (size_t i = 0; i < w->n_logs; i++) {
        if (strcmp(w->logs[i].origin, origin) == 0) {
            return &w->logs[i];
        }
    }
    return NULL;
}

/* One of the log's keys must have signed, and none of them wrongly. */
static tern_status check_signature(const ti_witness *w, asking *a, tern_err *err)
{
    tern_err why = {0};
    unsigned good = 0;
    for (size_t i = 0; i < w->policy->n_logs; i++) {
        const ti_note_key *key = &w->policy->logs[i].key;
        bool valid;
        if (strcmp(key->name, a->log->origin) != 0 || !ti_note_names(&a->note, key)) {
            continue;
        }
        tern_status status = ti_note_check(&a->note, key, 1, &valid, NULL, &why);
        if (status == TERN_NOMEM) {
            return ti_fail_nomem(err, "witness", a->note.text.len, "a check");
        }
        if (status != TERN_OK) {
            return refuse(a, 403, "invalid signature of the log");
        }
        good++;
    }
    return good > 0 ? TERN_OK : refuse(a, 403, "no signature by a known key of the log");
}

/* Everything that needs no state. */
static tern_status check_request(ti_witness *w, asking *a, const char *body, size_t len,
                                 tern_err *err)
{
    tern_err why = {0};
    tern_status status = ti_witness_request_read(&a->request, body, len, &why);
    if (status == TERN_OK) {
        status = ti_note_parse(&a->note, a->request.note.data, a->request.note.len, &why);
    }
    if (status == TERN_OK) {
        status = ti_checkpoint_read(&a->head, a->note.text.data, a->note.text.len, &why);
    }
    if (status != TERN_OK) {
        return malformed(a, status, &why, err);
    }
    a->log = find_log(w, a->head.origin);
    if (!a->log) {
        return refuse(a, 404, "unknown log");
    }
    TI_TRY(check_signature(w, a, err));
    if (a->answer.code == 0 && a->request.old_size > a->head.size) {
        return refuse(a, 400, "the old size is larger than the checkpoint's");
    }
    return TERN_OK;
}

/* The checkpoint must continue what was cosigned before. */
static tern_status check_history(asking *a)
{
    const ti_witness_log *log = a->log;
    const ti_proof *proof = &a->request.proof;
    uint64_t known = log->seen ? log->head.size : 0;
    ti_hash empty;
    ti_merkle_empty(&empty);
    if (a->request.old_size != known) {
        a->answer.code = 409;
        a->answer.type = type_size;
        ti_buf_addf(&a->answer.body, "%" PRIu64 "\n", known);
        return TERN_OK;
    }
    if (a->head.size == 0 && !ti_hash_equal(&a->head.root, &empty)) {
        return refuse(a, 422, "the empty tree has another root");
    }
    if (known == 0) { /* every tree continues the empty one */
        return proof->n == 0 ? TERN_OK
                             : refuse(a, 422, "the consistency proof from size 0 is empty");
    }
    /* Equal sizes: an empty proof and the same root, or it fails. */
    tern_err why = {0};
    return ti_merkle_check_consistency(known, a->head.size, &log->head.root, &a->head.root,
                                       proof->hashes, proof->n, &why) == TERN_OK
               ? TERN_OK
               : refuse(a, 422, "the consistency proof does not hold");
}

/* Signs into the answer, and puts what is to be kept into *note. */
static tern_status cosign(ti_witness *w, asking *a, ti_buf *note, uint64_t *time_s,
                          tern_err *err)
{
    uint64_t now = w->clock_s(w->clock_user);
    if (now == 0 || now > INT64_MAX) {
        return ti_fail(err, TERN_UNAVAILABLE, "witness", TI_NO_OFFSET,
                       "the clock does not know what time it is");
    }
    /* "As of this time, this is the largest tree": an earlier time than the last would
     * contradict it. */
    *time_s = a->log->seen && a->log->time_s > now ? a->log->time_s : now;
    TI_TRY(ti_note_sign_line(&a->answer.body, &w->signer, a->note.text, *time_s, err));
    a->answer.type = type_text;
    ti_buf_add(note, a->note.text.data, a->note.text.len);
    ti_buf_addc(note, '\n');
    for (size_t i = 0; i < w->policy->n_logs; i++) {
        if (strcmp(w->policy->logs[i].key.name, a->log->origin) == 0) {
            ti_note_copy_sig(note, &a->note, &w->policy->logs[i].key);
        }
    }
    ti_buf_add(note, a->answer.body.data, a->answer.body.len);
    return note->failed ? ti_fail_nomem(err, "witness", a->note.text.len, "a checkpoint")
                        : TERN_OK;
}

/* Cosigns; the answer is 200 once it is durable. */
static tern_status keep(ti_witness *w, asking *a, tern_err *err)
{
    ti_buf note = {0};
    tern_err why = {0};
    uint64_t time_s = 0;
    tern_status status = cosign(w, a, &note, &time_s, err);
    if (status == TERN_OK) {
        status = ti_log_replace(&w->at, a->log->file, note.data, note.len, false, &why);
        if (status != TERN_OK) {
            w->dead = true; /* which of the two states is on disk now, nobody knows */
            w->why = why;
            if (err) {
                *err = why;
            }
        }
    }
    if (status == TERN_OK) {
        ti_buf old = a->log->note;
        a->log->note = note;
        note = old;
        a->log->head = a->head;
        a->log->time_s = time_s;
        a->log->seen = true;
        a->answer.code = 200;
    }
    ti_buf_free(&note);
    return status;
}

static tern_status update(ti_witness *w, asking *a, tern_err *err)
{
    pthread_mutex_lock(&w->mutex);
    tern_status status = TERN_OK;
    if (w->dead) {
        status = ti_fail(err, w->why.status, "witness", TI_NO_OFFSET,
                         "not usable any more, start it again: %s", w->why.message);
    } else {
        status = check_history(a);
        if (status == TERN_OK && a->answer.code == 0) {
            status = keep(w, a, err);
        }
    }
    pthread_mutex_unlock(&w->mutex);
    return status;
}

tern_status ti_witness_add(ti_witness *witness, ti_witness_answer *out, const char *body,
                           size_t len, tern_err *err)
{
    TI_ASSERT(witness->magic == TI_WITNESS_MAGIC);
    asking a = {.answer = {.code = 0}};
    tern_status status = check_request(witness, &a, body, len, err);
    if (status == TERN_OK && a.answer.code == 0) {
        status = update(witness, &a, err);
    }
    if (status == TERN_OK && a.answer.body.failed) {
        status = ti_fail_nomem(err, "witness", len, "an answer");
    }
    if (status != TERN_OK) {
        ti_buf_free(&a.answer.body);
        return status;
    }
    *out = a.answer;
    return TERN_OK;
}

tern_status ti_witness_latest(ti_witness *witness, ti_witness_answer *out, const char *hash,
                              size_t len, tern_err *err)
{
    ti_witness_answer answer = {.code = 404, .type = type_text};
    TI_ASSERT(witness->magic == TI_WITNESS_MAGIC);
    pthread_mutex_lock(&witness->mutex);
    for (size_t i = 0; i < witness->n_logs; i++) {
        const ti_witness_log *log = &witness->logs[i];
        if (len == sizeof log->file - 1 && memcmp(log->file, hash, len) == 0 && log->seen) {
            answer.code = 200;
            ti_buf_add(&answer.body, log->note.data, log->note.len);
        }
    }
    pthread_mutex_unlock(&witness->mutex);
    if (answer.code == 404) {
        ti_buf_adds(&answer.body, "nothing was cosigned for this log\n");
    }
    if (answer.body.failed) {
        ti_buf_free(&answer.body);
        return ti_fail_nomem(err, "witness", len, "an answer");
    }
    *out = answer;
    return TERN_OK;
}

bool ti_witness_alive(ti_witness *witness)
{
    pthread_mutex_lock(&witness->mutex);
    bool dead = witness->dead;
    pthread_mutex_unlock(&witness->mutex);
    return !dead;
}
