/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/dsse.h"

#include <string.h>

#include "base/jval.h"
#include "ledger/base64.h"

static const char module[] = "dsse";

void ti_dsse_pae(ti_buf *out, const char *type, const void *payload, size_t len)
{
    ti_buf_addf(out, "DSSEv1 %zu %s %zu ", strlen(type), type, len);
    ti_buf_add(out, payload, len);
}

/* --- writing --------------------------------------------------------------------------------
 */

static tern_status add_base64(ti_buf *out, const char *key, const void *data, size_t len,
                              tern_err *err)
{
    ti_buf text = {0};
    ti_base64_write(&text, data, len);
    ti_json_strn(out, key, text.data ? text.data : "", text.len);
    bool failed = text.failed;
    ti_buf_free(&text);
    return failed ? ti_fail_nomem(err, module, len, "base64") : TERN_OK;
}

tern_status ti_dsse_sign(ti_buf *out, const char *type, const void *payload, size_t len,
                         const ti_note_signer *key, tern_err *err)
{
    uint8_t sig[TI_ED25519_SIG];
    char keyid[TI_NOTE_KEY_TEXT];
    ti_buf pae = {0}, made = {0};
    ti_dsse_pae(&pae, type, payload, len);
    if (pae.failed) {
        ti_buf_free(&pae);
        return ti_fail_nomem(err, module, len, "what is signed");
    }
    ti_ed25519_sign(sig, key->secret, pae.data, pae.len);
    ti_buf_free(&pae);
    ti_note_key_write(keyid, &key->pub);
    ti_json_open(&made, NULL, '{');
    ti_json_str(&made, "payloadType", type);
    tern_status status = add_base64(&made, "payload", payload, len, err);
    ti_json_open(&made, "signatures", '[');
    ti_json_open(&made, NULL, '{');
    ti_json_str(&made, "keyid", keyid);
    if (status == TERN_OK) {
        status = add_base64(&made, "sig", sig, sizeof sig, err);
    }
    ti_json_close(&made, '}');
    ti_json_close(&made, ']');
    ti_json_close(&made, '}');
    if (status == TERN_OK && !made.failed) {
        ti_buf_add(out, made.data, made.len);
    }
    if (status == TERN_OK && (made.failed || out->failed)) {
        status = ti_fail_nomem(err, module, len, "an envelope");
    }
    ti_buf_free(&made);
    return status;
}

/* --- reading --------------------------------------------------------------------------------
 */

static tern_status bad(tern_err *err, const ti_jval *at, const char *what)
{
    return ti_fail(err, TERN_CORRUPT, module, at->at, "envelope at byte %llu: %s",
                   (unsigned long long)at->at, what);
}

/* A member that must be a string. */
static tern_status need_string(ti_str *out, const ti_jval *object, const char *key,
                               tern_err *err)
{
    const ti_jval *v = ti_jval_get(object, key);
    if (!v || v->type != TI_JSTR) {
        return ti_fail(err, TERN_CORRUPT, module, (v ? v : object)->at,
                       "envelope at byte %llu: '%s' is not there or is no string",
                       (unsigned long long)(v ? v : object)->at, key);
    }
    *out = v->u.str;
    return TERN_OK;
}

static tern_status decode(uint8_t **out, size_t *n, ti_arena *arena, const ti_jval *object,
                          const char *key, tern_err *err)
{
    ti_str text;
    TI_TRY(need_string(&text, object, key, err));
    size_t cap = text.len / 4 * 3 + 3, used = 0;
    uint8_t *data = ti_arena_alloc(arena, cap + 1);
    if (!data) {
        return ti_fail_nomem(err, module, cap, key);
    }
    if (!ti_base64_decode(data, cap, &used, text.data, text.len, TI_BASE64) &&
        !ti_base64_decode(data, cap, &used, text.data, text.len, TI_BASE64_URL)) {
        return bad(err, ti_jval_get(object, key), "is no base64");
    }
    data[used] = 0;
    *out = data;
    *n = used;
    return TERN_OK;
}

static tern_status read_signature(ti_dsse_sig *out, ti_arena *arena, const ti_jval *v,
                                  tern_err *err)
{
    const ti_jval *keyid = ti_jval_get(v, "keyid");
    ti_str id = {.data = "", .len = 0};
    if (v->type != TI_JOBJECT) {
        return bad(err, v, "a signature is no object");
    }
    if (!ti_jval_none(keyid)) {
        TI_TRY(need_string(&id, v, "keyid", err));
    }
    out->keyid = ti_arena_strndup(arena, id.data, id.len);
    if (!out->keyid) {
        return ti_fail_nomem(err, module, id.len, "a key id");
    }
    return decode(&out->sig, &out->len, arena, v, "sig", err);
}

static tern_status read_envelope(ti_dsse *out, const ti_jval *root, tern_err *err)
{
    ti_str type;
    const ti_jval *sigs = ti_jval_get(root, "signatures");
    if (root->type != TI_JOBJECT) {
        return bad(err, root, "is no object");
    }
    TI_TRY(need_string(&type, root, "payloadType", err));
    TI_TRY(decode(&out->payload, &out->len, &out->arena, root, "payload", err));
    if (!sigs || sigs->type != TI_JARRAY || sigs->n == 0) {
        return bad(err, sigs ? sigs : root, "has no signatures");
    }
    if (sigs->n > TI_DSSE_SIGS_MAX) {
        return ti_fail(err, TERN_LIMIT, module, sigs->at, "more than %d signatures",
                       TI_DSSE_SIGS_MAX);
    }
    out->type = ti_arena_strndup(&out->arena, type.data, type.len);
    out->sigs = ti_arena_calloc(&out->arena, sigs->n, sizeof *out->sigs);
    if (!out->type || !out->sigs) {
        return ti_fail_nomem(err, module, type.len, "an envelope");
    }
    for (; out->n_sigs < sigs->n; out->n_sigs++) {
        TI_TRY(read_signature(&out->sigs[out->n_sigs], &out->arena, &sigs->u.items[out->n_sigs],
                              err));
    }
    return TERN_OK;
}

tern_status ti_dsse_parse(ti_dsse *out, const char *text, size_t len, tern_err *err)
{
    ti_arena scratch = {0};
    ti_jval root;
    ti_dsse made = {0};
    if (len > TI_DSSE_MAX) {
        return ti_fail(err, TERN_LIMIT, module, TI_DSSE_MAX, "envelope is over %d bytes",
                       TI_DSSE_MAX);
    }
    tern_status status = ti_jval_parse(&root, &scratch, text, len, module, err);
    if (status == TERN_OK) {
        status = read_envelope(&made, &root, err);
    }
    ti_arena_free(&scratch);
    if (status != TERN_OK) {
        ti_dsse_free(&made);
        return status;
    }
    *out = made;
    return TERN_OK;
}

void ti_dsse_free(ti_dsse *envelope)
{
    ti_arena_free(&envelope->arena);
    *envelope = (ti_dsse){0};
}

tern_status ti_dsse_verify(const ti_dsse *envelope, const ti_note_key *keys, size_t n,
                           size_t *which, tern_err *err)
{
    ti_buf pae = {0};
    bool good = false;
    ti_dsse_pae(&pae, envelope->type, envelope->payload, envelope->len);
    if (pae.failed) {
        ti_buf_free(&pae);
        return ti_fail_nomem(err, module, envelope->len, "what is signed");
    }
    for (size_t i = 0; i < envelope->n_sigs * n && !good; i++) {
        const ti_dsse_sig *sig = &envelope->sigs[i / n];
        good = sig->len == TI_ED25519_SIG &&
               ti_ed25519_check(sig->sig, keys[i % n].key, pae.data, pae.len);
        if (good) {
            *which = i % n;
        }
    }
    ti_buf_free(&pae);
    return good ? TERN_OK
                : ti_fail(err, TERN_NO, module, TI_NO_OFFSET, "no signature is by %s",
                          n == 1 ? "the key that is trusted" : "a trusted key");
}
