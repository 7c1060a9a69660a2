/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/note.h - signed notes: a text with signatures under it that anybody can check.
 *
 *     TEXT\n
 *     \n
 *     (em dash) NAME BASE64(KEY ID, SIGNATURE)\n ...
 *
 * Source: c2sp.org/signed-note v1.0.0, c2sp.org/tlog-cosignature v1.0.1; the secret key's text
 * form is that of golang.org/x/mod/sumdb/note.  Ed25519 by libsodium, which refuses keys and
 * signatures of small order and other than the one encoding. */
#ifndef TI_LEDGER_NOTE_H
#define TI_LEDGER_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    TI_NOTE_NAME_MAX = 255, /* bytes of a key's name */
    TI_NOTE_MAX_BYTES = 1 << 20,
    TI_NOTE_MAX_SIGS = 100,
    TI_NOTE_KEY_TEXT = 512, /* room for a key as text, with its NUL */
    TI_ED25519_KEY = 32,    /* bytes of a public key */
    TI_ED25519_SEED = 32,
    TI_ED25519_SIG = 64
};

/* The first byte of a key: what its signatures look like and what they cover. */
typedef enum ti_note_type {
    TI_NOTE_ED25519 = 0x01, /* over the text */
    TI_NOTE_COSIGN_V1 =
        0x04 /* time (u64, big endian), then over "cosignature/v1\ntime T\n" TEXT */
} ti_note_type;

/* A public key. */
typedef struct ti_note_key {
    char name[TI_NOTE_NAME_MAX + 1];
    uint32_t id; /* the first 4 bytes of SHA-256(name, LF, type, key), big endian */
    ti_note_type type;
    uint8_t key[TI_ED25519_KEY];
} ti_note_key;

/* A secret key.  Wipe with ti_note_signer_wipe(). */
typedef struct ti_note_signer {
    ti_note_key pub;
    uint8_t secret[64]; /* libsodium's form: seed, public key */
} ti_note_signer;

/* True for a name that a key may have: UTF-8, not empty, no white space, no control character,
 * no '+', at most TI_NOTE_NAME_MAX bytes. */
bool ti_note_name_valid(const char *name, size_t len);

/* Makes a public key from its parts.  Errors: TERN_USAGE for a bad name. */
tern_status ti_note_key_make(ti_note_key *out, const char *name, ti_note_type type,
                             const uint8_t key[TI_ED25519_KEY], tern_err *err);

/* Reads NAME+ID+BASE64(TYPE, KEY) (a "vkey"); white space at the end is allowed.
 * Errors: TERN_CORRUPT; TERN_UNSUPPORTED for a type that is none of the above. */
tern_status ti_note_key_read(ti_note_key *out, const char *text, size_t len, tern_err *err);

/* Writes it as that text, without newline. */
void ti_note_key_write(char out[TI_NOTE_KEY_TEXT], const ti_note_key *key);

/* Makes a secret key from 32 bytes.  Errors: TERN_USAGE for a bad name. */
tern_status ti_note_signer_make(ti_note_signer *out, const char *name, ti_note_type type,
                                const uint8_t seed[TI_ED25519_SEED], tern_err *err);

/* A new one from the system's random numbers.  Errors: TERN_USAGE, TERN_INTERNAL. */
tern_status ti_note_signer_new(ti_note_signer *out, const char *name, ti_note_type type,
                               tern_err *err);

/* Reads and writes PRIVATE+KEY+NAME+ID+BASE64(TYPE, SEED), without newline. */
tern_status ti_note_signer_read(ti_note_signer *out, const char *text, size_t len,
                                tern_err *err);
void ti_note_signer_write(char out[TI_NOTE_KEY_TEXT], const ti_note_signer *signer);

/* Overwrites the secret. */
void ti_note_signer_wipe(ti_note_signer *signer);

/* Ed25519 over bytes (for what is signed outside notes).  The check is true or false. */
void ti_ed25519_sign(uint8_t sig[TI_ED25519_SIG], const uint8_t secret[64], const void *bytes,
                     size_t len);
bool ti_ed25519_check(const uint8_t sig[TI_ED25519_SIG], const uint8_t key[TI_ED25519_KEY],
                      const void *bytes, size_t len);

/* One signature line of a note. */
typedef struct ti_note_sig {
    ti_str name;
    uint32_t id;
    ti_str base64; /* of key ID and signature */
} ti_note_sig;

/* A note that was taken apart; points into its text. */
typedef struct ti_signed_note {
    ti_str text; /* with its last newline */
    uint32_t n;
    ti_note_sig sigs[TI_NOTE_MAX_SIGS];
} ti_signed_note;

/* Takes a note apart, without looking at signatures.
 * Errors: TERN_CORRUPT with the offset; TERN_LIMIT. */
tern_status ti_note_parse(ti_signed_note *out, const char *text, size_t len, tern_err *err);

/* Checks the signatures of the n keys that are given; those of others are ignored.  valid[i]
 * becomes whether key i has signed; times_s[i] (NULL allowed) the time in its cosignature, or
 * 0. Errors: TERN_NO when one of these keys' signatures is wrong, or none has signed. */
tern_status ti_note_check(const ti_signed_note *note, const ti_note_key *keys, size_t n,
                          bool *valid, uint64_t *times_s, tern_err *err);

/* True when a signature line names this key. */
bool ti_note_names(const ti_signed_note *note, const ti_note_key *key);

/* Appends the first signature line that names this key, if there is one, without looking at the
 * signature.  Only one, so that nobody fills a note with his own. */
void ti_note_copy_sig(ti_buf *out, const ti_signed_note *note, const ti_note_key *key);

/* Parses and checks against one key; *text receives the signed text, which points into `note`.
 * Errors: those of both. */
tern_status ti_note_open(ti_str *text, const char *note, size_t len, const ti_note_key *key,
                         tern_err *err);

/* Appends one signature line over `text`.  `time_s` is for cosignatures.
 * Errors: TERN_USAGE when text is no text of a note, TERN_NOMEM. */
tern_status ti_note_sign_line(ti_buf *out, const ti_note_signer *signer, ti_str text,
                              uint64_t time_s, tern_err *err);

/* Appends a whole note: the text, an empty line, a line for each of the n signers. */
tern_status ti_note_sign(ti_buf *out, ti_str text, const ti_note_signer *signers, size_t n,
                         uint64_t time_s, tern_err *err);

#endif
