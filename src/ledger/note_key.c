/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of notes, and their text forms. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "base/utf8.h"
#include "ledger/base64.h"
#include "ledger/note.h"

static const char secret_prefix[] = "PRIVATE+KEY+";
enum { ID_HEX = 8, KEY_BYTES = 1 + TI_ED25519_KEY, KEY_BASE64 = 44 };

/* White space as Unicode has it (property White_Space); U+0085 and those below U+0020 are also
 * control characters. */
static bool is_space(uint32_t c)
{
    return c <= ' ' || c == 0x7f || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

bool ti_note_name_valid(const char *name, size_t len)
{
    if (len == 0 || len > TI_NOTE_NAME_MAX) {
        return false;
    }
    for (size_t at = 0; at < len;) {
        uint32_t code;
        size_t n = ti_utf8_decode(name + at, len - at, &code);
        if (n == 0 || is_space(code) || code == '+') {
            return false;
        }
        at += n;
    }
    return true;
}

static uint32_t key_id(const char *name, const uint8_t typed[KEY_BYTES])
{
    uint8_t digest[TI_SHA256_BYTES];
    ti_sha256 hash;
    ti_sha256_start(&hash);
    ti_sha256_add(&hash, name, strlen(name));
    ti_sha256_add(&hash, "\n", 1);
    ti_sha256_add(&hash, typed, KEY_BYTES);
    ti_sha256_end(&hash, digest);
    return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
           digest[3];
}

tern_status ti_note_key_make(ti_note_key *out, const char *name, ti_note_type type,
                             const uint8_t key[TI_ED25519_KEY], tern_err *err)
{
    uint8_t typed[KEY_BYTES];
    size_t len = strlen(name);
    if (!ti_note_name_valid(name, len)) {
        return ti_fail(err, TERN_USAGE, "note", TI_NO_OFFSET,
                       "a key cannot have the name '%.80s'", name);
    }
    typed[0] = (uint8_t)type;
    memcpy(typed + 1, key, TI_ED25519_KEY);
    *out = (ti_note_key){.type = type};
    memcpy(out->name, name, len);
    memcpy(out->key, key, TI_ED25519_KEY);
    out->id = key_id(out->name, typed);
    return TERN_OK;
}

/* NAME+ID+BASE64: the name, the ID, the 33 bytes of type and key. */
static tern_status split_key(char name[TI_NOTE_NAME_MAX + 1], uint32_t *id,
                             uint8_t typed[KEY_BYTES], const char *text, size_t len,
                             tern_err *err)
{
    while (len > 0 && strchr(" \t\r\n", text[len - 1])) {
        len--;
    }
    const char *plus = memchr(text, '+', len);
    size_t name_len = plus ? (size_t)(plus - text) : 0;
    if (!plus || !ti_note_name_valid(text, name_len)) {
        return ti_fail(err, TERN_CORRUPT, "key", 0, "a key begins with a name and '+'");
    }
    size_t at = name_len + 1;
    uint32_t value = 0;
    if (len - at < ID_HEX + 1 || text[at + ID_HEX] != '+') {
        return ti_fail(err, TERN_CORRUPT, "key", at, "after the name stand 8 digits and '+'");
    }
    for (int i = 0; i < ID_HEX; i++) {
        char c = text[at + (size_t)i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'f')) {
            return ti_fail(err, TERN_CORRUPT, "key", at, "the key ID is not hexadecimal");
        }
        value = value << 4 | (uint32_t)(digit ? c - '0' : c - 'a' + 10);
    }
    at += ID_HEX + 1;
    uint8_t first[3];
    bool some = len - at >= 4 && ti_base64_read(first, sizeof first, text + at, 4);
    if (some && first[0] != TI_NOTE_ED25519 && first[0] != TI_NOTE_COSIGN_V1) {
        return ti_fail(err, TERN_UNSUPPORTED, "key", at, "a key of type 0x%02x", first[0]);
    }
    if (!ti_base64_read(typed, KEY_BYTES, text + at, len - at)) {
        return ti_fail(err, TERN_CORRUPT, "key", at, "not base64 of a type and 32 bytes");
    }
    memcpy(name, text, name_len);
    name[name_len] = '\0';
    *id = value;
    return TERN_OK;
}

static tern_status wrong_id(tern_err *err, const ti_note_key *key)
{
    return ti_fail(err, TERN_CORRUPT, "key", TI_NO_OFFSET,
                   "the ID of the key '%.80s' is not %08" PRIx32, key->name, key->id);
}

tern_status ti_note_key_read(ti_note_key *out, const char *text, size_t len, tern_err *err)
{
    char name[TI_NOTE_NAME_MAX + 1];
    uint8_t typed[KEY_BYTES];
    uint32_t id;
    ti_note_key key;
    TI_TRY(split_key(name, &id, typed, text, len, err));
    TI_TRY(ti_note_key_make(&key, name, (ti_note_type)typed[0], typed + 1, err));
    if (key.id != id) {
        return wrong_id(err, &key);
    }
    *out = key;
    return TERN_OK;
}

/* NAME+ID+BASE64 after what is in out[0..at). */
static void write_key(char *out, size_t at, const ti_note_key *key, const uint8_t bytes[32])
{
    uint8_t typed[KEY_BYTES];
    char base64[KEY_BASE64 + 1];
    typed[0] = (uint8_t)key->type;
    memcpy(typed + 1, bytes, 32);
    sodium_bin2base64(base64, sizeof base64, typed, sizeof typed,
                      sodium_base64_VARIANT_ORIGINAL);
    snprintf(out + at, TI_NOTE_KEY_TEXT - at, "%s+%08" PRIx32 "+%s", key->name, key->id,
             base64);
    sodium_memzero(typed, sizeof typed);
    sodium_memzero(base64, sizeof base64);
}

void ti_note_key_write(char out[TI_NOTE_KEY_TEXT], const ti_note_key *key)
{
    write_key(out, 0, key, key->key);
}

tern_status ti_note_signer_make(ti_note_signer *out, const char *name, ti_note_type type,
                                const uint8_t seed[TI_ED25519_SEED], tern_err *err)
{
    ti_note_signer signer;
    uint8_t key[TI_ED25519_KEY];
    if (sodium_init() < 0) {
        return ti_fail(err, TERN_INTERNAL, "key", TI_NO_OFFSET, "libsodium cannot start");
    }
    (void)crypto_sign_seed_keypair(key, signer.secret, seed); /* cannot fail */
    tern_status status = ti_note_key_make(&signer.pub, name, type, key, err);
    if (status == TERN_OK) {
        *out = signer;
    }
    sodium_memzero(&signer, sizeof signer);
    return status;
}

tern_status ti_note_signer_new(ti_note_signer *out, const char *name, ti_note_type type,
                               tern_err *err)
{
    uint8_t seed[TI_ED25519_SEED];
    if (sodium_init() < 0) {
        return ti_fail(err, TERN_INTERNAL, "key", TI_NO_OFFSET, "libsodium cannot start");
    }
    randombytes_buf(seed, sizeof seed);
    tern_status status = ti_note_signer_make(out, name, type, seed, err);
    sodium_memzero(seed, sizeof seed);
    return status;
}

tern_status ti_note_signer_read(ti_note_signer *out, const char *text, size_t len,
                                tern_err *err)
{
    char name[TI_NOTE_NAME_MAX + 1];
    uint8_t typed[KEY_BYTES];
    uint32_t id;
    ti_note_signer signer = {0};
    size_t prefix = sizeof secret_prefix - 1;
    if (len < prefix || memcmp(text, secret_prefix, prefix) != 0) {
        return ti_fail(err, TERN_CORRUPT, "key", 0, "a secret key begins with %s",
                       secret_prefix);
    }
    tern_status status = split_key(name, &id, typed, text + prefix, len - prefix, err);
    if (status == TERN_OK) {
        status = ti_note_signer_make(&signer, name, (ti_note_type)typed[0], typed + 1, err);
    }
    if (status == TERN_OK && signer.pub.id != id) {
        status = wrong_id(err, &signer.pub);
    }
    if (status == TERN_OK) {
        *out = signer;
    }
    sodium_memzero(typed, sizeof typed);
    sodium_memzero(&signer, sizeof signer);
    return status;
}

void ti_note_signer_write(char out[TI_NOTE_KEY_TEXT], const ti_note_signer *signer)
{
    size_t prefix = sizeof secret_prefix - 1;
    memcpy(out, secret_prefix, prefix);
    write_key(out, prefix, &signer->pub, signer->secret); /* the seed stands first */
}

void ti_note_signer_wipe(ti_note_signer *signer)
{
    sodium_memzero(signer, sizeof *signer);
}
