/* SPDX-License-Identifier: Apache-2.0 */
/* Notes: taking apart, checking, signing.  Keys are in note_key.c. */
#include "ledger/note.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "ledger/base64.h"
#include "ledger/checkpoint.h"

enum { KEY_ID_BYTES = 4, TIME_BYTES = 8, SIG_MAX = KEY_ID_BYTES + TIME_BYTES + TI_ED25519_SIG };

/* U+2014 and a space. */
static const char dash[] = "\xe2\x80\x94 ";
enum { DASH_BYTES = sizeof dash - 1 };

static tern_status corrupt(tern_err *err, size_t at, const char *what)
{
    return ti_fail(err, TERN_CORRUPT, "note", at, "%s", what);
}

/* UTF-8 without control characters (below U+0020) but line feed. */
static tern_status check_text(const char *text, size_t len, tern_err *err)
{
    for (size_t at = 0; at < len;) {
        uint32_t code;
        size_t n = ti_utf8_decode(text + at, len - at, &code);
        if (n == 0) {
            return corrupt(err, at, "not UTF-8");
        }
        if (code < ' ' && code != '\n') {
            return corrupt(err, at, "a control character");
        }
        at += n;
    }
    return TERN_OK;
}

/* Where the signatures begin: after the last empty line; 0 when there is none. */
static size_t find_split(const char *text, size_t len)
{
    for (size_t at = len; at >= 2; at--) {
        if (text[at - 1] == '\n' && text[at - 2] == '\n') {
            return at;
        }
    }
    return 0;
}

/* (dash) NAME BASE64, without its newline.  `at` is its place, for messages. */
static tern_status read_sig(ti_note_sig *out, const char *line, size_t len, size_t at,
                            tern_err *err)
{
    if (len < DASH_BYTES || memcmp(line, dash, DASH_BYTES) != 0) {
        return corrupt(err, at, "a signature line does not begin with a dash and a space");
    }
    const char *name = line + DASH_BYTES;
    size_t rest = len - DASH_BYTES;
    const char *space = memchr(name, ' ', rest);
    if (!space || !ti_note_name_valid(name, (size_t)(space - name))) {
        return corrupt(err, at, "a signature line without a key's name");
    }
    ti_str base64 = {space + 1, rest - (size_t)(space + 1 - name)};
    /* 5 bytes (8 characters, one of them padding) at least: an ID and a signature. */
    uint8_t head[6];
    size_t size = sizeof head - (base64.len == 8 && base64.data[7] == '=');
    if (base64.len < 8 || !ti_base64_valid(base64.data, base64.len) ||
        !ti_base64_read(head, size, base64.data, 8)) {
        return corrupt(err, at, "a signature is not base64 of a key ID and more");
    }
    *out = (ti_note_sig){.name = {name, (size_t)(space - name)}, .base64 = base64};
    out->id =
        (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    return TERN_OK;
}

tern_status ti_note_parse(ti_signed_note *out, const char *text, size_t len, tern_err *err)
{
    if (len > TI_NOTE_MAX_BYTES) {
        return ti_fail(err, TERN_LIMIT, "note", TI_NO_OFFSET,
                       "a note of %zu bytes; the limit is %d", len, TI_NOTE_MAX_BYTES);
    }
    TI_TRY(check_text(text, len, err));
    size_t at = find_split(text, len);
    if (at == 0 || len == at || text[len - 1] != '\n') {
        return corrupt(err, len, "no signatures after an empty line");
    }
    ti_note_sig sigs[TI_NOTE_MAX_SIGS];
    uint32_t n = 0;
    size_t text_len = at - 1;
    while (at < len) {
        const char *end = memchr(text + at, '\n', len - at); /* there is one at the very end */
        size_t line = (size_t)(end - (text + at));
        if (n == TI_NOTE_MAX_SIGS) {
            return ti_fail(err, TERN_LIMIT, "note", at, "more than %d signatures",
                           TI_NOTE_MAX_SIGS);
        }
        TI_TRY(read_sig(&sigs[n++], text + at, line, at, err));
        at += line + 1;
    }
    out->text = (ti_str){text, text_len};
    out->n = n;
    memcpy(out->sigs, sigs, n * sizeof sigs[0]);
    return TERN_OK;
}

void ti_ed25519_sign(uint8_t sig[TI_ED25519_SIG], const uint8_t secret[64], const void *bytes,
                     size_t len)
{
    (void)crypto_sign_detached(sig, NULL, bytes, len, secret); /* cannot fail */
}

bool ti_ed25519_check(const uint8_t sig[TI_ED25519_SIG], const uint8_t key[TI_ED25519_KEY],
                      const void *bytes, size_t len)
{
    return crypto_sign_verify_detached(sig, bytes, len, key) == 0;
}

/* What a cosignature covers: c2sp.org/tlog-cosignature. */
static void cosigned(ti_buf *out, uint64_t time_s, ti_str text)
{
    ti_buf_addf(out, "cosignature/v1\ntime %" PRIu64 "\n", time_s);
    ti_buf_add(out, text.data, text.len);
}

/* Checks one signature of a key whose name and ID match. */
static tern_status check_sig(const ti_signed_note *note, const ti_note_sig *sig,
                             const ti_note_key *key, uint64_t *time_s, tern_err *err)
{
    uint8_t bytes[SIG_MAX];
    bool co = key->type == TI_NOTE_COSIGN_V1;
    size_t size = KEY_ID_BYTES + (co ? TIME_BYTES : 0) + TI_ED25519_SIG;
    uint64_t at_s = 0;
    bool good = ti_base64_read(bytes, size, sig->base64.data, sig->base64.len);
    if (good && co) {
        for (int i = 0; i < TIME_BYTES; i++) {
            at_s = at_s << 8 | bytes[KEY_ID_BYTES + i];
        }
        ti_buf message = {0};
        cosigned(&message, at_s, note->text);
        if (message.failed) {
            ti_buf_free(&message);
            return ti_fail_nomem(err, "note", note->text.len, "a cosigned text");
        }
        good = ti_ed25519_check(bytes + KEY_ID_BYTES + TIME_BYTES, key->key, message.data,
                                message.len);
        ti_buf_free(&message);
    } else if (good) {
        good =
            ti_ed25519_check(bytes + KEY_ID_BYTES, key->key, note->text.data, note->text.len);
    }
    if (!good) {
        return ti_fail(err, TERN_NO, "note", TI_NO_OFFSET, "the signature of '%s' is wrong",
                       key->name);
    }
    *time_s = at_s;
    return TERN_OK;
}

static bool is_by(const ti_note_sig *sig, const ti_note_key *key)
{
    return sig->id == key->id && sig->name.len == strlen(key->name) &&
           memcmp(sig->name.data, key->name, sig->name.len) == 0;
}

tern_status ti_note_check(const ti_signed_note *note, const ti_note_key *keys, size_t n,
                          bool *valid, uint64_t *times_s, tern_err *err)
{
    bool any = false;
    for (size_t k = 0; k < n; k++) {
        bool found = false;
        uint64_t time_s = 0;
        for (uint32_t i = 0; i < note->n; i++) {
            if (is_by(&note->sigs[i], &keys[k])) {
                TI_TRY(check_sig(note, &note->sigs[i], &keys[k], &time_s, err));
                found = any = true;
            }
        }
        valid[k] = found;
        if (times_s) {
            times_s[k] = time_s;
        }
    }
    return any ? TERN_OK
               : ti_fail(err, TERN_NO, "note", TI_NO_OFFSET, "not signed by %s",
                         n == 1 ? keys[0].name : "any of the keys");
}

bool ti_note_names(const ti_signed_note *note, const ti_note_key *key)
{
    for (uint32_t i = 0; i < note->n; i++) {
        if (is_by(&note->sigs[i], key)) {
            return true;
        }
    }
    return false;
}

void ti_note_copy_sig(ti_buf *out, const ti_signed_note *note, const ti_note_key *key)
{
    for (uint32_t i = 0; i < note->n; i++) {
        if (is_by(&note->sigs[i], key)) {
            ti_buf_adds(out, dash);
            ti_buf_add(out, note->sigs[i].name.data, note->sigs[i].name.len);
            ti_buf_addc(out, ' ');
            ti_buf_add(out, note->sigs[i].base64.data, note->sigs[i].base64.len);
            ti_buf_addc(out, '\n');
            return;
        }
    }
}

tern_status ti_note_open(ti_str *text, const char *note, size_t len, const ti_note_key *key,
                         tern_err *err)
{
    ti_signed_note parsed;
    bool valid;
    TI_TRY(ti_note_parse(&parsed, note, len, err));
    TI_TRY(ti_note_check(&parsed, key, 1, &valid, NULL, err));
    *text = parsed.text;
    return TERN_OK;
}

tern_status ti_note_sign_line(ti_buf *out, const ti_note_signer *signer, ti_str text,
                              uint64_t time_s, tern_err *err)
{
    if (text.len == 0 || text.data[text.len - 1] != '\n' ||
        check_text(text.data, text.len, NULL) != TERN_OK) {
        return ti_fail(err, TERN_USAGE, "note", TI_NO_OFFSET,
                       "the text of a note is UTF-8 that ends with a newline");
    }
    bool co = signer->pub.type == TI_NOTE_COSIGN_V1;
    uint8_t bytes[SIG_MAX];
    size_t n = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        bytes[n++] = (uint8_t)(signer->pub.id >> shift);
    }
    ti_buf message = {0};
    if (co) {
        for (int shift = 56; shift >= 0; shift -= 8) {
            bytes[n++] = (uint8_t)(time_s >> shift);
        }
        cosigned(&message, time_s, text);
    } else {
        ti_buf_add(&message, text.data, text.len);
    }
    if (!message.failed) {
        ti_ed25519_sign(bytes + n, signer->secret, message.data, message.len);
        ti_buf_adds(out, dash);
        ti_buf_adds(out, signer->pub.name);
        ti_buf_addc(out, ' ');
        ti_base64_write(out, bytes, n + TI_ED25519_SIG);
        ti_buf_addc(out, '\n');
    }
    bool failed = message.failed || out->failed;
    ti_buf_free(&message);
    return failed ? ti_fail_nomem(err, "note", text.len, "a signature") : TERN_OK;
}

tern_status ti_note_sign(ti_buf *out, ti_str text, const ti_note_signer *signers, size_t n,
                         uint64_t time_s, tern_err *err)
{
    ti_buf note = {0};
    tern_status status = TERN_OK;
    ti_buf_add(&note, text.data, text.len);
    ti_buf_addc(&note, '\n');
    for (size_t i = 0; i < n && status == TERN_OK; i++) {
        status = ti_note_sign_line(&note, &signers[i], text, time_s, err);
    }
    if (status == TERN_OK) {
        ti_buf_add(out, note.data, note.len);
        if (out->failed) {
            status = ti_fail_nomem(err, "note", note.len, "a note");
        }
    }
    ti_buf_free(&note);
    return status;
}
