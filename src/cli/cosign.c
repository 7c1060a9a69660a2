/* SPDX-License-Identifier: Apache-2.0 */
/* The log's side of c2sp.org/tlog-witness. */
#include "cli/cosign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/out.h"
#include "cli/post.h"
#include "ledger/witness.h"

enum { TRIES = 3 /* another process may ask at the same time */ };

/* A head, and what is published so far. */
typedef struct asking {
    ti_cosigning *c;
    ti_log *log;
    ti_str text;
    ti_checkpoint head;
    ti_log_view *view;     /* NULL when nothing is published yet */
    ti_signed_note before; /* its note */
    bool same;             /* it is about the same head */
} asking;

static bool askable(const ti_policy_node *node)
{
    return !node->group && node->url.len > 0;
}

tern_status ti_cosigning_start(ti_cosigning *out, const char *dir, const ti_policy *policy,
                               bool need_quorum, tern_err *err)
{
    ti_cosigning c = {.dir = dir, .policy = policy, .need_quorum = need_quorum};
    size_t n = 0;
    for (size_t i = 0; i < policy->n_nodes; i++) {
        n += askable(&policy->nodes[i]);
    }
    if (n == 0) {
        return ti_fail(err, TERN_USAGE, "cosign", TI_NO_OFFSET,
                       "the policy names no witness with an address to ask");
    }
    c.said = ti_calloc(n, sizeof *c.said);
    if (!c.said) {
        return ti_fail_nomem(err, "cosign", n * sizeof *c.said, "answers");
    }
    for (size_t i = 0; i < policy->n_nodes; i++) {
        if (askable(&policy->nodes[i])) {
            c.said[c.n++].witness = &policy->nodes[i];
        }
    }
    *out = c;
    return TERN_OK;
}

void ti_cosigning_free(ti_cosigning *cosigning)
{
    free(cosigning->said);
    *cosigning = (ti_cosigning){0};
}

/* --- one witness -------------------------------------------------------------------------- */

/* Its valid cosignature in what is published; *time_s is then its time. */
static bool cosigned_before(const asking *a, const ti_note_key *key, uint64_t *time_s)
{
    bool valid;
    return a->view && ti_note_names(&a->before, key) &&
           ti_note_check(&a->before, key, 1, &valid, time_s, NULL) == TERN_OK;
}

static void say_why(ti_cosigned *said, long code, const ti_buf *body)
{
    size_t len = body->len ? strcspn(body->data, "\r\n") : 0;
    tern_err why; /* makes bytes of others harmless */
    (void)ti_fail(&why, TERN_UNAVAILABLE, "cosign", TI_NO_OFFSET, "%ld%s%.*s", code,
                  len ? ": " : "", len < 120 ? (int)len : 120, len ? body->data : "");
    snprintf(said->why, sizeof said->why, "%.*s", (int)sizeof said->why - 1, why.message);
}

/* 409: what the witness has seen last. */
static bool read_size(uint64_t *size, const ti_posted *answer)
{
    const ti_buf *b = &answer->body;
    return answer->code == 409 && strncmp(answer->type, "text/x.tlog.size", 16) == 0 &&
           b->len > 1 && b->data[b->len - 1] == '\n' &&
           ti_decimal_read(size, b->data, b->len - 1);
}

/* Takes an answer.  True when `old` is to be tried again with what the witness has seen. */
static tern_status take(const asking *a, ti_cosigned *said, const ti_posted *answer,
                        uint64_t *old, bool *again, ti_buf *lines, tern_err *err)
{
    uint64_t size;
    tern_err why = {0};
    if (answer->code == 200) {
        tern_status status = ti_witness_answer_read(lines, &said->witness->key, a->text,
                                                    answer->body.len ? answer->body.data : "",
                                                    answer->body.len, &why);
        said->has = status == TERN_OK;
        snprintf(said->why, sizeof said->why, "%.*s", (int)sizeof said->why - 1, why.message);
        return status == TERN_NOMEM ? ti_fail_nomem(err, "cosign", 1, "a cosignature")
                                    : TERN_OK;
    }
    if (!read_size(&size, answer)) {
        say_why(said, answer->code, &answer->body);
        said->refused = answer->code == 422;
    } else if (size > a->head.size) {
        said->refused = true;
        snprintf(said->why, sizeof said->why,
                 "it has seen %llu entries, more than there are here: is this an old copy of "
                 "the log?",
                 (unsigned long long)size);
    } else {
        snprintf(said->why, sizeof said->why, "what it has seen changes all the time");
        *again = size != *old;
        *old = size;
    }
    return TERN_OK;
}

static tern_status ask_once(const asking *a, ti_cosigned *said, const char *url, uint64_t *old,
                            bool *again, ti_str note, ti_buf *lines, tern_err *err)
{
    ti_witness_request request = {.old_size = *old, .note = note};
    ti_posted answer = {0};
    ti_buf body = {0};
    tern_err why = {0};
    TI_TRY(ti_log_growth(a->log, &request.proof, *old, err));
    ti_witness_request_write(&body, &request);
    tern_status status =
        body.failed ? ti_fail_nomem(err, "cosign", note.len, "a request")
                    : ti_post(&answer, url, "text/plain", (ti_str){body.data, body.len}, &why);
    if (status == TERN_OK) {
        status = take(a, said, &answer, old, again, lines, err);
    } else if (status == TERN_UNAVAILABLE || status == TERN_USAGE) {
        snprintf(said->why, sizeof said->why, "%.*s", (int)sizeof said->why - 1, why.message);
        status = TERN_OK;
    } else if (!body.failed && err) {
        *err = why;
    }
    ti_buf_free(&answer.body);
    ti_buf_free(&body);
    return status;
}

/* Asks one, and appends its line. */
static tern_status ask(const asking *a, ti_cosigned *said, ti_str note, ti_buf *lines,
                       tern_err *err)
{
    const ti_policy_node *w = said->witness;
    ti_buf url = {0};
    uint64_t time_s = 0, old = 0;
    size_t len = w->url.len;
    bool before = cosigned_before(a, &w->key, &time_s);
    while (len > 0 && w->url.data[len - 1] == '/') {
        len--;
    }
    ti_buf_add(&url, w->url.data, len);
    ti_buf_adds(&url, "/add-checkpoint");
    if (url.failed) {
        return ti_fail_nomem(err, "cosign", len, "an address");
    }
    old = before ? ti_log_view_checkpoint(a->view)->size : 0;
    said->has = said->kept = said->refused = false;
    said->why[0] = '\0';
    bool again = true;
    tern_status status = TERN_OK;
    for (int i = 0; i < TRIES && again && status == TERN_OK; i++) {
        again = false;
        status = ask_once(a, said, url.data, &old, &again, note, lines, err);
    }
    if (status == TERN_OK && !said->has && before && a->same) {
        said->has = said->kept = true;
        ti_note_copy_sig(lines, &a->before, &w->key);
    }
    ti_buf_free(&url);
    return status;
}

/* --- all of them -------------------------------------------------------------------------- */

static void find_before(asking *a)
{
    ti_str note;
    if (ti_log_view_open(&a->view, a->c->dir, NULL, NULL, NULL) != TERN_OK) {
        a->view = NULL;
        return;
    }
    note = ti_log_view_note(a->view);
    if (ti_note_parse(&a->before, note.data, note.len, NULL) != TERN_OK) {
        ti_log_view_close(a->view);
        a->view = NULL;
        return;
    }
    a->same = a->before.text.len == a->text.len &&
              memcmp(a->before.text.data, a->text.data, a->text.len) == 0;
}

/* Is the quorum reached, and when did each cosign? */
static tern_status judge(ti_cosigning *c, const ti_buf *note, tern_err *err)
{
    ti_signed_note parsed;
    bool *valid = ti_calloc(c->policy->n_nodes + 1, sizeof *valid);
    tern_status status = valid ? ti_note_parse(&parsed, note->data, note->len, err)
                               : ti_fail_nomem(err, "cosign", 1, "witnesses");
    c->has = 0;
    for (size_t i = 0; i < c->n && status == TERN_OK; i++) {
        ti_cosigned *said = &c->said[i];
        bool ok;
        if (said->has && ti_note_check(&parsed, &said->witness->key, 1, &ok, &said->time_s,
                                       NULL) == TERN_OK) {
            valid[said->witness - c->policy->nodes] = true;
            c->has++;
        }
    }
    c->reached = status == TERN_OK && ti_policy_reached(c->policy, valid);
    free(valid);
    return status;
}

tern_status ti_cosign_ask(void *user, ti_log *log, ti_buf *note, ti_str text, tern_err *err)
{
    ti_cosigning *c = user;
    asking *a = calloc(1, sizeof *a);
    ti_buf lines = {0};
    if (!a) {
        return ti_fail_nomem(err, "cosign", sizeof *a, "a question");
    }
    *a = (asking){.c = c, .log = log, .text = text};
    tern_status status = ti_checkpoint_read(&a->head, text.data, text.len, err);
    find_before(a);
    ti_str asked = {note->data, note->len};
    for (size_t i = 0; i < c->n && status == TERN_OK; i++) {
        status = ask(a, &c->said[i], asked, &lines, err);
    }
    ti_buf_add(note, lines.data ? lines.data : "", lines.len);
    if (status == TERN_OK && (lines.failed || note->failed)) {
        status = ti_fail_nomem(err, "cosign", lines.len, "cosignatures");
    }
    if (status == TERN_OK) {
        status = judge(c, note, err);
        c->asked = true;
    }
    if (status == TERN_OK && !c->reached && c->need_quorum) {
        ti_str name = c->policy->nodes[c->policy->quorum].name;
        status = ti_fail(err, TERN_UNAVAILABLE, "cosign", TI_NO_OFFSET,
                         "not published: %zu of %zu witnesses have cosigned, and the quorum "
                         "'%.*s' is not reached",
                         c->has, c->n, name.len < 60 ? (int)name.len : 60, name.data);
    }
    ti_log_view_close(a->view);
    ti_buf_free(&lines);
    free(a);
    return status;
}
