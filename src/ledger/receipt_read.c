/* SPDX-License-Identifier: Apache-2.0 */
/* Reading receipts. */
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jval.h"
#include "ledger/receipt_parts.h"

static const char module[] = "receipt";

/* JSON numbers that every reader has exactly (RFC 8259, section 6). */
static const uint64_t number_max = (UINT64_C(1) << 53) - 1;

static const char id_digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* --- numbers as texts -----------------------------------------------------------------------
 */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *p)
{
    while (is_digit(*p)) {
        p++;
    }
    return p;
}

/* True for a number as JSON spells it. */
static bool json_number(const char *p)
{
    p += *p == '-';
    if (!is_digit(*p) || (*p == '0' && is_digit(p[1]))) {
        return false;
    }
    p = skip_digits(p);
    if (*p == '.') {
        if (!is_digit(*++p)) {
            return false;
        }
        p = skip_digits(p);
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        if (!is_digit(*p)) {
            return false;
        }
        p = skip_digits(p);
    }
    return *p == '\0';
}

bool ti_receipt_number(float *out, const char *text)
{
    char probe[TI_RECEIPT_WORD], copy[2 * TI_RECEIPT_WORD];
    if (!json_number(text) || strlen(text) >= TI_RECEIPT_WORD) {
        return false;
    }
    /* strtof() wants the locale's point: what stands between the digits of one half. */
    snprintf(probe, sizeof probe, "%.1f", 0.5);
    size_t len = strlen(probe);
    const char *point = strchr(text, '.');
    if (point && len > 2 && len - 2 < sizeof copy - TI_RECEIPT_WORD) {
        probe[len - 1] = '\0';
        snprintf(copy, sizeof copy, "%.*s%s%s", (int)(point - text), text, probe + 1,
                 point + 1);
    } else {
        snprintf(copy, sizeof copy, "%s", text);
    }
    float value = strtof(copy, NULL);
    if (!isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

/* --- members --------------------------------------------------------------------------------
 */

/* The first failure is kept, so that a long list of members is read without a check at each. */
typedef struct reader {
    const ti_jval *root;
    tern_status status;
    tern_err *err;
} reader;

static void fail(reader *r, const ti_jval *object, const ti_jval *v, const char *key,
                 const char *what)
{
    uint64_t at = v ? v->at : object ? object->at : 0;
    if (r->status == TERN_OK) {
        r->status = ti_fail(r->err, TERN_CORRUPT, module, at, "statement at byte %llu: '%s' %s",
                            (unsigned long long)at, key, v ? what : "is not there");
    }
}

static const ti_jval *object(reader *r, const ti_jval *in, const char *key)
{
    const ti_jval *v = ti_jval_get(in, key);
    if (!v || v->type != TI_JOBJECT) {
        fail(r, in, v, key, "is no object");
        return NULL;
    }
    return v;
}

static void number(reader *r, uint64_t *out, const ti_jval *in, const char *key, uint64_t max)
{
    const ti_jval *v = ti_jval_get(in, key);
    if (!ti_jval_uint(v, max, out)) {
        fail(r, in, v, key, "is no whole number in its range");
    }
}

static void number32(reader *r, uint32_t *out, const ti_jval *in, const char *key)
{
    uint64_t wide = 0;
    number(r, &wide, in, key, UINT32_MAX);
    *out = (uint32_t)wide;
}

static void text(reader *r, char *out, size_t cap, const ti_jval *in, const char *key)
{
    const ti_jval *v = ti_jval_get(in, key);
    if (!v || v->type != TI_JSTR || v->u.str.len >= cap) {
        fail(r, in, v, key, "is no text, or too long");
        return;
    }
    memcpy(out, v->u.str.data, v->u.str.len);
    out[v->u.str.len] = '\0';
}

/* A text that is one of `words`; returns its index. */
static size_t word(reader *r, char *out, const ti_jval *in, const char *key,
                   const char *const *words)
{
    const ti_jval *v = ti_jval_get(in, key);
    for (size_t i = 0; words[i]; i++) {
        if (ti_jval_is(v, words[i])) {
            if (out) {
                snprintf(out, TI_RECEIPT_WORD, "%s", words[i]);
            }
            return i;
        }
    }
    fail(r, in, v, key, "is not one of the words that are known");
    return 0;
}

static void digest(reader *r, uint8_t out[TI_SHA256], const ti_jval *in, const char *key)
{
    const ti_jval *v = ti_jval_get(in, key);
    size_t n = 0;
    if (!v || v->type != TI_JSTR || v->u.str.len != (size_t)2 * TI_SHA256 ||
        sodium_hex2bin(out, TI_SHA256, v->u.str.data, v->u.str.len, NULL, &n, NULL) != 0 ||
        n != TI_SHA256) {
        fail(r, in, v, key, "is no SHA-256 digest");
    }
}

static void fraction(reader *r, float *out, const ti_jval *in, const char *key)
{
    char spelled[TI_RECEIPT_WORD] = "";
    text(r, spelled, sizeof spelled, in, key);
    if (r->status == TERN_OK && !ti_receipt_number(out, spelled)) {
        fail(r, in, ti_jval_get(in, key), key, "is no finite number");
    }
}

/* --- parts ----------------------------------------------------------------------------------
 */

static void read_sampler(reader *r, tern_sampler_opts *out, const ti_jval *in)
{
    const ti_jval *s = object(r, in, "sampler");
    char seed[TI_RECEIPT_WORD] = "", *end = seed;
    fraction(r, &out->temperature, s, "temperature");
    number32(r, &out->top_k, s, "top_k");
    fraction(r, &out->top_p, s, "top_p");
    fraction(r, &out->min_p, s, "min_p");
    fraction(r, &out->repeat_penalty, s, "repeat_penalty");
    fraction(r, &out->presence_penalty, s, "presence_penalty");
    fraction(r, &out->frequency_penalty, s, "frequency_penalty");
    number32(r, &out->penalty_last_n, s, "penalty_last_n");
    text(r, seed, sizeof seed, s, "seed");
    enum { DECIMAL = 10 };
    out->seed = strtoull(seed, &end, DECIMAL); /* another spelling is found by the comparison */
    if (end == seed || *end != '\0') {
        fail(r, s, ti_jval_get(s, "seed"), "seed", "is no whole number");
    }
}

static void read_origin(reader *r, ti_receipt *out, const ti_jval *p)
{
    static const char *const modes[] = {"chat", "raw", NULL};
    static const char *const stops[] = {"end",     "stop",        "length",
                                        "context", "interrupted", NULL};
    static const char *const kvs[] = {"f16", "i8", NULL};
    static const char *const acts[] = {"16", "8", NULL};
    static const char *const heads[] = {"auto", "own", "q8_0", "q4_0", NULL};
    static const char *const layouts[] = {"auto", "x86", "arm", NULL};
    static const char *const groups[] = {"auto", "64", "128", NULL};
    static const char *const grammars[] = {TI_RECEIPT_JSON_OBJECT, TI_RECEIPT_JSON_SCHEMA,
                                           TI_RECEIPT_GBNF, NULL};
    const ti_jval *in = object(r, p, "model");
    digest(r, out->model.sha256, in, "sha256");
    number(r, &out->model.file_bytes, in, "file_bytes", number_max);
    text(r, out->model.name, sizeof out->model.name, in, "name");
    text(r, out->model.architecture, sizeof out->model.architecture, in, "architecture");
    in = object(r, p, "input");
    digest(r, out->input.commitment, in, "commitment_sha256");
    word(r, out->input.mode, in, "mode", modes);
    in = object(r, p, "output");
    number(r, &out->output.bytes, in, "text_bytes", number_max);
    word(r, out->stop_reason, in, "stop_reason", stops);
    read_sampler(r, &out->sampler, p);
    in = object(r, p, "engine");
    number(r, &out->engine.context_tokens, in, "context_tokens", UINT32_MAX);
    number(r, &out->engine.max_output_tokens, in, "max_output_tokens", UINT32_MAX);
    word(r, out->engine.kv, in, "kv", kvs);
    word(r, out->engine.act, in, "act", acts);
    word(r, out->engine.head, in, "head", heads);
    word(r, out->engine.i2s, in, "i2s", layouts);
    word(r, out->engine.q2_0_group, in, "q2_0_group", groups);
    out->has_grammar = ti_jval_get(p, "grammar") != NULL;
    if (out->has_grammar) {
        in = object(r, p, "grammar");
        word(r, out->grammar.kind, in, "kind", grammars);
        digest(r, out->grammar.sha256, in, "sha256");
    }
}

static void read_evidence(reader *r, ti_receipt *out, const ti_jval *p)
{
    enum { PERMILLE_MAX = 1000000 }; /* a factor of a thousand: surely a mistake beyond */
    const ti_jval *in = ti_jval_get(p, "trace");
    out->has_trace = in != NULL;
    if (in) {
        in = object(r, p, "trace");
        digest(r, out->trace.root, in, "root_sha256");
        number(r, &out->trace.n_tokens, in, "tokens", UINT32_MAX);
        number(r, &out->trace.n_layers, in, "layers", UINT32_MAX);
    }
    in = ti_jval_get(p, "energy");
    out->has_energy = in != NULL;
    if (in) {
        in = object(r, p, "energy");
        number(r, &out->energy.energy_uj, in, "energy_uj", number_max);
        number(r, &out->energy.idle_uj, in, "idle_uj", number_max);
        out->energy.evidence =
            (ti_receipt_evidence)word(r, NULL, in, "evidence", ti_receipt_evidences);
        text(r, out->energy.meter, sizeof out->energy.meter, in, "meter");
        number(r, &out->energy.error_permille, in, "error_permille", PERMILLE_MAX);
    }
    in = ti_jval_get(p, "carbon");
    out->has_carbon = in != NULL;
    if (in) {
        in = object(r, p, "carbon");
        number(r, &out->carbon.co2_ug, in, "co2_ug", number_max);
        text(r, out->carbon.basis, sizeof out->carbon.basis, in, "basis");
        text(r, out->carbon.source, sizeof out->carbon.source, in, "source");
    }
}

static void read_circumstances(reader *r, ti_receipt *out, const ti_jval *p)
{
    const ti_jval *in = object(r, p, "work");
    number(r, &out->work.input_tokens, in, "input_tokens", UINT32_MAX);
    number(r, &out->work.output_tokens, in, "output_tokens", UINT32_MAX);
    number(r, &out->work.macs, in, "macs", number_max);
    number(r, &out->work.weight_bytes, in, "weight_bytes", number_max);
    read_evidence(r, out, p);
    in = object(r, p, "machine");
    text(r, out->machine.arch, sizeof out->machine.arch, in, "arch");
    text(r, out->machine.cpu, sizeof out->machine.cpu, in, "cpu");
    text(r, out->machine.kernel, sizeof out->machine.kernel, in, "kernel");
    number(r, &out->machine.threads, in, "threads", UINT32_MAX);
    in = object(r, p, "time");
    number(r, &out->time.started_unix_ms, in, "started_unix_ms", number_max);
    number(r, &out->time.ended_unix_ms, in, "ended_unix_ms", number_max);
    number(r, &out->time.prompt_ns, in, "prompt_ns", number_max);
    number(r, &out->time.generate_ns, in, "generate_ns", number_max);
}

/* Types and versions first: nothing else has a meaning before they are known. */
static tern_status read_types(const ti_jval *root, tern_err *err)
{
    const ti_jval *type = ti_jval_get(root, "predicateType");
    if (root->type != TI_JOBJECT ||
        !ti_jval_is(ti_jval_get(root, "_type"), TI_STATEMENT_TYPE)) {
        return ti_fail(err, TERN_UNSUPPORTED, module, root->at,
                       "is no in-toto statement of version 1");
    }
    if (ti_jval_is(type, TI_PREDICATE_TYPE)) {
        return TERN_OK;
    }
    enum { SHOWN = 100 };
    bool named = type && type->type == TI_JSTR;
    size_t shown = named && type->u.str.len < SHOWN ? type->u.str.len : named ? SHOWN : 0;
    return ti_fail(err, TERN_UNSUPPORTED, module, type ? type->at : root->at,
                   "predicate type '%.*s' is not known to this version of tern", (int)shown,
                   named ? type->u.str.data : "");
}

static tern_status read_statement(ti_receipt *out, const ti_jval *root, tern_err *err)
{
    reader r = {.root = root, .err = err};
    TI_TRY(read_types(root, err));
    const ti_jval *subject = ti_jval_get(root, "subject");
    if (!subject || subject->type != TI_JARRAY || subject->n != 1) {
        fail(&r, root, subject, "subject", "is no list of one");
    } else {
        digest(&r, out->output.sha256, object(&r, &subject->u.items[0], "digest"), "sha256");
    }
    const ti_jval *p = object(&r, root, "predicate");
    text(&r, out->id, sizeof out->id, p, "receipt_id");
    if (r.status == TERN_OK && strspn(out->id, id_digits) != TI_RECEIPT_ID) {
        fail(&r, p, ti_jval_get(p, "receipt_id"), "receipt_id", "is no ULID");
    }
    text(&r, out->tern_version, sizeof out->tern_version, p, "tern_version");
    read_origin(&r, out, p);
    read_circumstances(&r, out, p);
    return r.status;
}

/* There is one way to write a receipt; unknown members, another order, blanks, other digits are
 * found here. */
static tern_status compare(const ti_receipt *receipt, const char *text, size_t len,
                           tern_err *err)
{
    ti_buf again = {0};
    tern_status status = ti_receipt_write(&again, receipt, err);
    size_t i = 0;
    while (status == TERN_OK && i < len && i < again.len && text[i] == again.data[i]) {
        i++;
    }
    if (status == TERN_OK && (i < len || i < again.len)) {
        status = ti_fail(err, TERN_CORRUPT, module, i,
                         "statement at byte %zu: not written as receipts are", i);
    }
    ti_buf_free(&again);
    return status;
}

tern_status ti_receipt_read(ti_receipt *out, const char *text, size_t len, tern_err *err)
{
    ti_arena arena = {0};
    ti_jval root;
    ti_receipt made = {.id = ""};
    if (len > TI_RECEIPT_MAX) {
        return ti_fail(err, TERN_LIMIT, module, TI_RECEIPT_MAX, "statement is over %d bytes",
                       TI_RECEIPT_MAX);
    }
    tern_status status = ti_jval_parse(&root, &arena, text, len, module, err);
    if (status == TERN_OK) {
        status = read_statement(&made, &root, err);
    }
    ti_arena_free(&arena);
    TI_TRY(status);
    TI_TRY(compare(&made, text, len, err));
    *out = made;
    return TERN_OK;
}
