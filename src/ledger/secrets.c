/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/secrets.h"

#include <sodium.h>
#include <string.h>

#include "base/jval.h"

static const char module[] = "private";
static const char schema[] = "tern.receipt-private/1";

static void write_tokens(ti_buf *out, const char *key, const tern_token *tokens, size_t n)
{
    ti_json_open(out, key, '[');
    for (size_t i = 0; i < n; i++) {
        ti_json_int(out, NULL, tokens[i]);
    }
    ti_json_close(out, ']');
}

tern_status ti_secrets_write(ti_buf *out, const ti_secrets *secrets, tern_err *err)
{
    char salt[2 * TI_SALT + 1];
    ti_buf made = {0};
    sodium_bin2hex(salt, sizeof salt, secrets->salt, TI_SALT);
    ti_json_open(&made, NULL, '{');
    ti_json_str(&made, "schema", schema);
    ti_json_str(&made, "receipt_id", secrets->id);
    ti_json_str(&made, "salt", salt);
    sodium_memzero(salt, sizeof salt);
    if (secrets->has_input) {
        write_tokens(&made, "input_tokens", secrets->input, secrets->n_input);
        ti_json_open(&made, "stops", '[');
        for (size_t i = 0; i < secrets->n_stops; i++) {
            ti_json_str(&made, NULL, secrets->stops[i]);
        }
        ti_json_close(&made, ']');
        if (secrets->grammar) {
            ti_json_str(&made, "grammar", secrets->grammar);
        }
        write_tokens(&made, "output_tokens", secrets->output, secrets->n_output);
    }
    ti_json_close(&made, '}');
    ti_buf_addc(&made, '\n');
    if (!made.failed) {
        ti_buf_add(out, made.data, made.len);
    }
    bool failed = made.failed || out->failed;
    ti_buf_free(&made);
    return failed ? ti_fail_nomem(err, module, secrets->n_input, "the private part") : TERN_OK;
}

/* --- reading --------------------------------------------------------------------------------
 */

static tern_status bad(tern_err *err, const ti_jval *root, const ti_jval *v, const char *key,
                       const char *what)
{
    uint64_t at = (v ? v : root)->at;
    return ti_fail(err, TERN_CORRUPT, module, at, "private part at byte %llu: '%s' %s",
                   (unsigned long long)at, key, v ? what : "is not there");
}

static tern_status read_tokens(const tern_token **out, size_t *n, ti_arena *arena,
                               const ti_jval *root, const char *key, tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, key);
    uint64_t token;
    if (!v || v->type != TI_JARRAY) {
        return bad(err, root, v, key, "is no list");
    }
    tern_token *made = ti_arena_calloc(arena, v->n ? v->n : 1, sizeof *made);
    if (!made) {
        return ti_fail_nomem(err, module, v->n, key);
    }
    for (size_t i = 0; i < v->n; i++) {
        if (!ti_jval_uint(&v->u.items[i], INT32_MAX, &token)) {
            return bad(err, root, &v->u.items[i], key, "has something that is no token");
        }
        made[i] = (tern_token)token;
    }
    *out = made;
    *n = v->n;
    return TERN_OK;
}

static tern_status read_stops(ti_secrets *out, const ti_jval *root, tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, "stops");
    if (!v || v->type != TI_JARRAY) {
        return bad(err, root, v, "stops", "is no list");
    }
    char **made = ti_arena_calloc(&out->arena, v->n ? v->n : 1, sizeof *made);
    for (size_t i = 0; made && i < v->n; i++) {
        const ti_jval *item = &v->u.items[i];
        if (item->type != TI_JSTR) {
            return bad(err, root, item, "stops", "has something that is no text");
        }
        made[i] = ti_arena_strndup(&out->arena, item->u.str.data, item->u.str.len);
        made = made[i] ? made : NULL;
    }
    if (!made) {
        return ti_fail_nomem(err, module, v->n, "stops");
    }
    out->stops = (const char *const *)made;
    out->n_stops = v->n;
    return TERN_OK;
}

static tern_status read_grammar(ti_secrets *out, const ti_jval *root, tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, "grammar");
    if (!v) {
        return TERN_OK;
    }
    if (v->type != TI_JSTR) {
        return bad(err, root, v, "grammar", "is no text");
    }
    out->grammar = ti_arena_strndup(&out->arena, v->u.str.data, v->u.str.len);
    return out->grammar ? TERN_OK : ti_fail_nomem(err, module, v->u.str.len, "a grammar");
}

static tern_status read_all(ti_secrets *out, const ti_jval *root, tern_err *err)
{
    const ti_jval *id = ti_jval_get(root, "receipt_id"), *salt = ti_jval_get(root, "salt");
    size_t n = 0;
    if (root->type != TI_JOBJECT || !ti_jval_is(ti_jval_get(root, "schema"), schema)) {
        return ti_fail(err, TERN_UNSUPPORTED, module, root->at, "is no %s", schema);
    }
    if (!id || id->type != TI_JSTR || id->u.str.len != TI_RECEIPT_ID) {
        return bad(err, root, id, "receipt_id", "is no id");
    }
    memcpy(out->id, id->u.str.data, TI_RECEIPT_ID);
    if (!salt || salt->type != TI_JSTR || salt->u.str.len != (size_t)2 * TI_SALT ||
        sodium_hex2bin(out->salt, TI_SALT, salt->u.str.data, salt->u.str.len, NULL, &n, NULL) !=
            0 ||
        n != TI_SALT) {
        return bad(err, root, salt, "salt", "is no salt");
    }
    out->has_input = ti_jval_get(root, "input_tokens") != NULL;
    if (!out->has_input) {
        return TERN_OK;
    }
    TI_TRY(read_tokens(&out->input, &out->n_input, &out->arena, root, "input_tokens", err));
    TI_TRY(read_tokens(&out->output, &out->n_output, &out->arena, root, "output_tokens", err));
    TI_TRY(read_grammar(out, root, err));
    return read_stops(out, root, err);
}

tern_status ti_secrets_parse(ti_secrets *out, const char *text, size_t len, tern_err *err)
{
    ti_arena scratch = {0};
    ti_jval root;
    ti_secrets made = {.id = ""};
    if (len > TI_SECRETS_MAX) {
        return ti_fail(err, TERN_LIMIT, module, TI_SECRETS_MAX, "is over %d bytes",
                       TI_SECRETS_MAX);
    }
    tern_status status = ti_jval_parse(&root, &scratch, text, len, module, err);
    if (status == TERN_OK) {
        status = read_all(&made, &root, err);
    }
    ti_arena_free(&scratch);
    if (status != TERN_OK) {
        ti_secrets_free(&made);
        return status;
    }
    *out = made;
    return TERN_OK;
}

void ti_secrets_free(ti_secrets *secrets)
{
    ti_arena_free(&secrets->arena);
    sodium_memzero(secrets, sizeof *secrets);
}
