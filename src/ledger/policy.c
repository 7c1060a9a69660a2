/* SPDX-License-Identifier: Apache-2.0 */
/* Reading policies.  Whether a quorum is reached is policy_check.c's. */
#include "ledger/policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

enum { SHOWN = 80 }; /* bytes of a word in a message */

/* One line that is being read. */
typedef struct reader {
    ti_policy *policy;
    bool has_quorum;
    unsigned long line; /* its number, from 1 */
    uint64_t offset;    /* of its first byte */
    ti_str rest;        /* what has not been read of it */
} reader;

static tern_status wrong(const reader *r, tern_err *err, tern_status status, const char *what)
{
    return ti_fail(err, status, "policy", r->offset, "line %lu: %s", r->line, what);
}

static tern_status wrong_name(const reader *r, tern_err *err, const char *what, ti_str name)
{
    int len = name.len < SHOWN ? (int)name.len : SHOWN;
    return ti_fail(err, TERN_CORRUPT, "policy", r->offset, "line %lu: %s '%.*s'", r->line, what,
                   len, name.data);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes the next word off the line; false at its end. */
static bool next_word(reader *r, ti_str *word)
{
    const char *at = r->rest.data, *end = at + r->rest.len;
    while (at < end && is_blank(*at)) {
        at++;
    }
    const char *from = at;
    while (at < end && !is_blank(*at)) {
        at++;
    }
    *word = (ti_str){from, (size_t)(at - from)};
    r->rest = (ti_str){at, (size_t)(end - at)};
    return word->len > 0;
}

static bool is_word(ti_str word, const char *text)
{
    return word.len == strlen(text) && memcmp(word.data, text, word.len) == 0;
}

/* The index of a name, or -1. */
static int find(const ti_policy *policy, ti_str name)
{
    for (size_t i = 0; i < policy->n_nodes; i++) {
        ti_str known = policy->nodes[i].name;
        if (known.len == name.len && memcmp(known.data, name.data, name.len) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static tern_status read_key(reader *r, ti_note_key *out, ti_note_type type, tern_err *err)
{
    ti_str word;
    tern_err why = {0};
    if (!next_word(r, &word)) {
        return wrong(r, err, TERN_CORRUPT, "a key is missing");
    }
    tern_status status = ti_note_key_read(out, word.data, word.len, &why);
    if (status != TERN_OK) {
        return wrong(r, err, status, why.message);
    }
    if (out->type != type) {
        return wrong(r, err, TERN_CORRUPT,
                     type == TI_NOTE_ED25519 ? "a log's key has type 1 (Ed25519)"
                                             : "a witness's key has type 4 (cosignature/v1)");
    }
    return TERN_OK;
}

/* [URL], and the line's end. */
static tern_status read_url(reader *r, ti_str *url, tern_err *err)
{
    ti_str more;
    if (!next_word(r, url)) {
        *url = (ti_str){"", 0};
    }
    return next_word(r, &more) ? wrong_name(r, err, "too many words, from", more) : TERN_OK;
}

static tern_status read_log(reader *r, tern_err *err)
{
    ti_policy *p = r->policy;
    ti_policy_log *log = &p->logs[p->n_logs];
    if (p->n_logs == TI_POLICY_LOGS) {
        return wrong(r, err, TERN_LIMIT, "too many logs");
    }
    TI_TRY(read_key(r, &log->key, TI_NOTE_ED25519, err));
    TI_TRY(read_url(r, &log->url, err));
    for (size_t i = 0; i < p->n_logs; i++) {
        if (memcmp(p->logs[i].key.key, log->key.key, sizeof log->key.key) == 0) {
            return wrong(r, err, TERN_CORRUPT, "this log's key was there already");
        }
    }
    p->n_logs++;
    return TERN_OK;
}

/* The name of a new node, which is then the one after the last. */
static tern_status read_name(reader *r, tern_err *err)
{
    ti_policy *p = r->policy;
    ti_str name;
    if (p->n_nodes == TI_POLICY_NODES) {
        return wrong(r, err, TERN_LIMIT, "too many witnesses and groups");
    }
    if (!next_word(r, &name)) {
        return wrong(r, err, TERN_CORRUPT, "a name is missing");
    }
    if (is_word(name, "none") || find(p, name) >= 0) {
        return wrong_name(r, err, "there is already something called", name);
    }
    p->nodes[p->n_nodes] = (ti_policy_node){.name = name, .url = {"", 0}};
    return TERN_OK;
}

static tern_status read_witness(reader *r, tern_err *err)
{
    ti_policy *p = r->policy;
    TI_TRY(read_name(r, err));
    ti_policy_node *node = &p->nodes[p->n_nodes];
    TI_TRY(read_key(r, &node->key, TI_NOTE_COSIGN_V1, err));
    TI_TRY(read_url(r, &node->url, err));
    for (size_t i = 0; i < p->n_nodes; i++) {
        if (!p->nodes[i].group &&
            memcmp(p->nodes[i].key.key, node->key.key, sizeof node->key.key) == 0) {
            return wrong(r, err, TERN_CORRUPT, "this witness's key was there already");
        }
    }
    p->n_nodes++;
    return TERN_OK;
}

static tern_status read_member(reader *r, ti_policy_node *group, ti_str name, tern_err *err)
{
    ti_policy *p = r->policy;
    int at = find(p, name); /* not the group itself: it is not among the nodes yet */
    if (at < 0) {
        return wrong_name(r, err, "no line before this one defines", name);
    }
    if (p->nodes[at].is_member) {
        return wrong_name(r, err, "there is already a group with", name);
    }
    p->nodes[at].is_member = true;
    p->members[p->n_members++] = (uint32_t)at; /* each node once: there is room */
    group->n++;
    return TERN_OK;
}

static tern_status read_group(reader *r, tern_err *err)
{
    ti_policy *p = r->policy;
    ti_str threshold, name;
    uint64_t k = 0;
    TI_TRY(read_name(r, err));
    ti_policy_node *group = &p->nodes[p->n_nodes];
    group->group = true;
    group->first = (uint32_t)p->n_members;
    if (!next_word(r, &threshold)) {
        return wrong(r, err, TERN_CORRUPT, "'all', 'any' or a number is missing");
    }
    while (next_word(r, &name)) {
        TI_TRY(read_member(r, group, name, err));
    }
    if (is_word(threshold, "all")) {
        k = group->n;
    } else if (is_word(threshold, "any")) {
        k = 1;
    } else if (!ti_decimal_read(&k, threshold.data, threshold.len)) {
        return wrong_name(r, err, "neither 'all' nor 'any' nor a number:", threshold);
    }
    if (group->n == 0 || k == 0 || k > group->n) {
        return wrong(r, err, TERN_CORRUPT,
                     "a group needs one of its members at least, and all "
                     "of them at most");
    }
    group->threshold = (uint32_t)k;
    p->n_nodes++;
    return TERN_OK;
}

static tern_status read_quorum(reader *r, tern_err *err)
{
    ti_str name, more;
    if (r->has_quorum) {
        return wrong(r, err, TERN_CORRUPT, "a second quorum");
    }
    if (!next_word(r, &name)) {
        return wrong(r, err, TERN_CORRUPT, "a name is missing");
    }
    if (next_word(r, &more)) {
        return wrong_name(r, err, "too many words, from", more);
    }
    r->policy->quorum = is_word(name, "none") ? TI_POLICY_NONE : find(r->policy, name);
    if (r->policy->quorum < 0 && !is_word(name, "none")) {
        return wrong_name(r, err, "no line before this one defines", name);
    }
    r->has_quorum = true;
    return TERN_OK;
}

static tern_status read_line(reader *r, tern_err *err)
{
    ti_str word;
    for (size_t i = 0; i < r->rest.len; i++) {
        unsigned char c = (unsigned char)r->rest.data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return wrong(r, err, TERN_CORRUPT, "a control character");
        }
    }
    if (!next_word(r, &word) || word.data[0] == '#') {
        return TERN_OK;
    }
    return is_word(word, "log")       ? read_log(r, err)
           : is_word(word, "witness") ? read_witness(r, err)
           : is_word(word, "group")   ? read_group(r, err)
           : is_word(word, "quorum")
               ? read_quorum(r, err)
               : wrong_name(r, err, "not 'log', 'witness', 'group' or 'quorum' but", word);
}

static tern_status read_lines(reader *r, size_t len, tern_err *err)
{
    const char *text = r->policy->text;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n = end ? (size_t)(end - (text + at)) : len - at;
        r->rest = (ti_str){text + at, n};
        r->offset = at;
        r->line++;
        TI_TRY(read_line(r, err));
        at += n + (end != NULL);
    }
    return r->has_quorum ? TERN_OK
                         : ti_fail(err, TERN_CORRUPT, "policy", len,
                                   "no line 'quorum NAME' ('quorum none' asks for no witness)");
}

/* At most one thing a line: no array needs to grow. */
static tern_status make_room(reader *r, const char *text, size_t len, tern_err *err)
{
    ti_policy *p = r->policy;
    size_t lines = 1;
    for (size_t i = 0; i < len; i++) {
        lines += text[i] == '\n';
    }
    size_t logs = lines < TI_POLICY_LOGS ? lines : TI_POLICY_LOGS;
    size_t nodes = lines < TI_POLICY_NODES ? lines : TI_POLICY_NODES;
    p->text = malloc(len + 1);
    p->logs = ti_calloc(logs + 1, sizeof *p->logs);
    p->nodes = ti_calloc(nodes + 1, sizeof *p->nodes);
    p->members = ti_calloc(nodes + 1, sizeof *p->members);
    if (!p->text || !p->logs || !p->nodes || !p->members) {
        return ti_fail_nomem(err, "policy", len, "a policy");
    }
    memcpy(p->text, text, len);
    p->text[len] = '\0';
    return TERN_OK;
}

tern_status ti_policy_read(ti_policy *out, const char *text, size_t len, tern_err *err)
{
    ti_policy policy = {.quorum = TI_POLICY_NONE};
    reader r = {.policy = &policy};
    if (len > TI_POLICY_BYTES) {
        return ti_fail(err, TERN_LIMIT, "policy", TI_NO_OFFSET,
                       "a policy of %zu bytes; the limit is %d", len, TI_POLICY_BYTES);
    }
    tern_status status = make_room(&r, text, len, err);
    if (status == TERN_OK) {
        status = read_lines(&r, len, err);
    }
    if (status != TERN_OK) {
        ti_policy_free(&policy);
        return status;
    }
    *out = policy;
    return TERN_OK;
}

tern_status ti_policy_load(ti_policy *out, const char *path, tern_err *err)
{
    char *text;
    size_t size;
    tern_err why = {0};
    TI_TRY(ti_read_file(&text, &size, path, TI_POLICY_BYTES, err));
    tern_status status = ti_policy_read(out, text, size, &why);
    free(text);
    return status == TERN_OK
               ? status
               : ti_fail(err, status, "policy", why.offset, "'%s': %s", path, why.message);
}

void ti_policy_free(ti_policy *policy)
{
    free(policy->text);
    free(policy->logs);
    free(policy->nodes);
    free(policy->members);
    *policy = (ti_policy){.quorum = TI_POLICY_NONE};
}
