/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/reading.h"

#include <stdio.h>
#include <string.h>

#include "base/le.h"
#include "base/sha256.h"

enum {
    AT_DEVICE = 8,
    AT_SEQUENCE = 24,
    AT_STATUS = 28,
    AT_TIME = 32,
    AT_ENERGY = 40,
    AT_VALUE = 48,
    AT_SCORE = 52,
    AT_THRESHOLD = 56,
    AT_ZERO = 60,
    AT_PREVIOUS = 64
};

static const char magic[] = "TERNREC1";

bool ti_reading_is(const void *bytes, size_t len)
{
    return len >= AT_DEVICE && memcmp(bytes, magic, AT_DEVICE) == 0;
}

tern_status ti_reading_parse(ti_signed_reading *out, const void *bytes, size_t len,
                             tern_err *err)
{
    const uint8_t *p = bytes;
    ti_signed_reading r;
    if (len != TI_READING_BYTES || !ti_reading_is(bytes, len)) {
        return ti_fail(err, TERN_CORRUPT, "reading", TI_NO_OFFSET,
                       "no signed reading: %zu bytes, wanted are %d that begin with %s", len,
                       TI_READING_BYTES, magic);
    }
    memcpy(r.device, p + AT_DEVICE, sizeof r.device);
    r.sequence = ti_load_u32(p + AT_SEQUENCE);
    r.status = ti_load_u32(p + AT_STATUS);
    r.utc_s = ti_load_u64(p + AT_TIME);
    r.energy_mwh = ti_load_u64(p + AT_ENERGY);
    r.value = (int32_t)ti_load_u32(p + AT_VALUE);
    r.score_16 = (int32_t)ti_load_u32(p + AT_SCORE);
    r.threshold_16 = (int32_t)ti_load_u32(p + AT_THRESHOLD);
    memcpy(r.previous, p + AT_PREVIOUS, sizeof r.previous);
    if (r.sequence == 0 || ti_load_u32(p + AT_ZERO) != 0) {
        return ti_fail(err, TERN_CORRUPT, "reading", r.sequence == 0 ? AT_SEQUENCE : AT_ZERO,
                       "a number of a signed reading is none");
    }
    ti_sha256_of(r.digest, p, TI_READING_BYTES);
    *out = r;
    return TERN_OK;
}

tern_status ti_reading_open(ti_signed_reading *out, const void *bytes, size_t len,
                            const ti_note_key *key, tern_err *err)
{
    const uint8_t *p = bytes;
    ti_signed_reading r;
    TI_TRY(ti_reading_parse(&r, bytes, len, err));
    if (!ti_ed25519_check(p + TI_READING_SIGNED, key->key, p, TI_READING_SIGNED)) {
        return ti_fail(err, TERN_NO, "reading", TI_NO_OFFSET,
                       "reading %u: the signature is wrong, or by another key", r.sequence);
    }
    *out = r;
    return TERN_OK;
}

tern_status ti_reading_follows(const ti_signed_reading *before, const ti_signed_reading *next,
                               tern_err *err)
{
    static const uint8_t zeros[32];
    const char *why = NULL;
    if (!before) {
        return next->sequence != 1 || memcmp(next->previous, zeros, sizeof zeros) == 0
                   ? TERN_OK
                   : ti_fail(err, TERN_NO, "reading", TI_NO_OFFSET,
                             "reading 1 names one before it");
    }
    if (memcmp(before->device, next->device, sizeof next->device) != 0) {
        why = "is of another device";
    } else if (next->sequence <= before->sequence) {
        why = "was there before, or one with a later number was";
    } else if (next->sequence != before->sequence + 1) {
        why = "does not follow: readings between are missing";
    } else if (memcmp(next->previous, before->digest, sizeof next->previous) != 0) {
        why = "names another one before it";
    } else if (next->utc_s < before->utc_s || next->energy_mwh < before->energy_mwh) {
        why = "goes back in time or energy";
    }
    return why ? ti_fail(err, TERN_NO, "reading", TI_NO_OFFSET, "reading %u after %u %s",
                         next->sequence, before->sequence, why)
               : TERN_OK;
}

void ti_reading_device(char out[2 * TI_READING_DEVICE + 1], const ti_signed_reading *reading)
{
    const uint8_t *d = reading->device;
    size_t n = 0;
    while (n < TI_READING_DEVICE && d[n] > ' ' && d[n] < 0x7f) {
        n++;
    }
    size_t rest = n;
    while (rest < TI_READING_DEVICE && d[rest] == 0) {
        rest++;
    }
    if (n > 0 && rest == TI_READING_DEVICE) {
        memcpy(out, d, n);
        out[n] = '\0';
        return;
    }
    for (size_t i = 0; i < TI_READING_DEVICE; i++) {
        snprintf(out + 2 * i, 3, "%02x", d[i]);
    }
}
