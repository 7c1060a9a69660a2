/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/reading.h - signed readings of a device, as edge/record makes them.
 *
 * A record has 160 bytes and one form; docs/formats/edge.md has the layout.  A file has one or
 * more, in order.  The name of the device in a record proves nothing: the key does. */
#ifndef TI_LEDGER_READING_H
#define TI_LEDGER_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/note.h"

enum {
    TI_READING_BYTES = 160,
    TI_READING_SIGNED = 96,
    TI_READING_DEVICE = 16,
    TI_READINGS_FILE_MAX = 1 << 24 /* bytes of a file */
};

typedef struct ti_signed_reading {
    uint8_t device[TI_READING_DEVICE];
    uint32_t sequence, status;
    uint64_t utc_s, energy_mwh;
    int32_t value, score_16, threshold_16; /* value INT32_MIN: none */
    uint8_t previous[32];                  /* SHA-256 of the record before */
    uint8_t digest[32];                    /* of this one */
} ti_signed_reading;

/* True when the bytes begin as a record does. */
bool ti_reading_is(const void *bytes, size_t len);

/* Reads a record, and does not look at who signed it.  Errors: TERN_CORRUPT for another length,
 * another beginning, a sequence of 0, bytes that must be zero. */
tern_status ti_reading_parse(ti_signed_reading *out, const void *bytes, size_t len,
                             tern_err *err);

/* The same, and checks the signature.  Errors: also TERN_NO for one that is not of this key. */
tern_status ti_reading_open(ti_signed_reading *out, const void *bytes, size_t len,
                            const ti_note_key *key, tern_err *err);

/* Whether `next` may follow `before` (NULL: the first that is seen, which may be any record but
 * must have zeros for the digest if it is number 1).  The sequence counts up by one, the digest
 * is that of `before`, neither time nor energy goes back.  Errors: TERN_NO, saying what. */
tern_status ti_reading_follows(const ti_signed_reading *before, const ti_signed_reading *next,
                               tern_err *err);

/* The name of a device as text: its bytes up to the first zero where all of them can be shown,
 * else in hexadecimal. */
void ti_reading_device(char out[2 * TI_READING_DEVICE + 1], const ti_signed_reading *reading);

#endif
