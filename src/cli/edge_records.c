/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/edge_records.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "cli/out.h"
#include "ledger/key.h"
#include "ledger/reading.h"

static int port_sign(void *user, const uint8_t *bytes, size_t length, uint8_t signature[64])
{
    const ti_note_signer *signer = user;
    ti_ed25519_sign(signature, signer->secret, bytes, length);
    return 1;
}

static int port_sha256(void *user, const uint8_t *bytes, size_t length, uint8_t digest[32])
{
    (void)user;
    ti_sha256_of(digest, bytes, length);
    return 1;
}

/* The records that a file has already: the chain stands behind the last one, and the bytes go
 * into the file that will take its place. */
static tern_status go_on(ti_edge_records *r, const char *file, tern_err *err)
{
    char *data;
    size_t size;
    ti_signed_reading last = {0};
    if (access(file, F_OK) != 0 && errno == ENOENT) {
        return TERN_OK;
    }
    TI_TRY(ti_read_file(&data, &size, file, TI_READINGS_FILE_MAX, err));
    tern_status status = TERN_OK;
    for (size_t at = 0; at < size && status == TERN_OK; at += TI_READING_BYTES) {
        ti_signed_reading next;
        const size_t left = size - at;
        status =
            ti_reading_open(&next, data + at, left < TI_READING_BYTES ? left : TI_READING_BYTES,
                            &r->signer.pub, err);
        if (status == TERN_OK) {
            status = ti_reading_follows(at > 0 ? &last : NULL, &next, err);
        }
        last = status == TERN_OK ? next : last;
    }
    if (status == TERN_OK && size > 0 &&
        memcmp(last.device, r->chain.device, sizeof last.device) != 0) {
        status = ti_fail(err, TERN_USAGE, "edge", TI_NO_OFFSET,
                         "'%s' has records of another device", file);
    }
    if (status == TERN_OK && size > 0) {
        memcpy(r->chain.previous, last.digest, sizeof r->chain.previous);
        r->chain.sequence = last.sequence;
        r->energy_mwh = (double)last.energy_mwh;
        r->utc_s = last.utc_s;
        r->n_before = size / TI_READING_BYTES;
        r->goes_on = true;
        (void)fwrite(data, 1, size, r->out.stream); /* commit sees the stream's error */
    }
    free(data);
    return status;
}

tern_status ti_edge_records_open(ti_edge_records *r, const char *file, const char *key,
                                 const char *device, tern_err *err)
{
    const size_t len = strlen(device);
    bool made;
    if (len == 0 || len > TERN_EDGE_DEVICE_BYTES) {
        return ti_fail(err, TERN_USAGE, "edge", TI_NO_OFFSET,
                       "a device's name has 1 to %u bytes", TERN_EDGE_DEVICE_BYTES);
    }
    if (sodium_init() < 0) {
        return ti_fail(err, TERN_INTERNAL, "edge", TI_NO_OFFSET, "libsodium cannot start");
    }
    memset(r, 0, sizeof *r);
    memcpy(r->chain.device, device, len);
    TI_TRY(ti_key_load_or_make(&r->signer, key, "tern-device", &made, err));
    if (made) {
        ti_note("made a key: %s, and %s.pub for those who check", key, key);
    }
    TI_TRY(ti_out_open(&r->out, file, err));
    return go_on(r, file, err);
}

/* A step of the clock that the detector did not believe, or would not: of a reading that is
 * missing it does not look at the time. */
static bool is_leap(const ti_edge_records *r, int64_t utc_s, uint32_t status)
{
    const uint64_t last = r->utc_s, now = utc_s > 0 ? (uint64_t)utc_s : 0;
    if (status & TERN_EDGE_IS_MISSING) {
        return last > 0 && (now > last ? now - last : last - now) > TERN_EDGE_LEAP_S;
    }
    return (status & TERN_EDGE_OUT_OF_ORDER) && (status & TERN_EDGE_GAP);
}

/* Whether a value counts in the counter: it is one, frozen or not; and it was not there before,
 * as a row is that stands twice.  (Of the hour that comes twice both do, if their offsets from
 * UTC are known.) */
static bool counts(const ti_edge_records *r, int64_t utc_s, uint32_t status)
{
    const uint32_t none = TERN_EDGE_IS_MISSING | TERN_EDGE_SATURATED | TERN_EDGE_NEGATIVE;
    return !(status & none) &&
           (!(status & TERN_EDGE_OUT_OF_ORDER) || is_leap(r, utc_s, status) ||
            (utc_s > 0 && (uint64_t)utc_s > r->utc_s));
}

tern_status ti_edge_records_add(ti_edge_records *r, const ti_csv_row *row, int32_t reading,
                                const struct tern_edge_result *result, tern_err *err)
{
    uint8_t record[TERN_EDGE_RECORD_BYTES];
    const struct tern_edge_port port = {port_sign, port_sha256, &r->signer};
    const int64_t utc_s = row->when.shown_s - row->when.offset_s;
    const bool later =
        utc_s > 0 && (uint64_t)utc_s > r->utc_s && !is_leap(r, utc_s, result->status);
    if (!row->when.has_offset && !r->no_offset) {
        r->no_offset = true;
        ti_warn(
            "times do not say how far from UTC they are, and are signed as UTC; --local takes "
            "them for this machine's clock (TZ)");
    }
    if (r->goes_on && !later) {
        return TERN_OK;
    }
    r->goes_on = false;
    if (row->value > 0 && counts(r, utc_s, result->status)) {
        r->energy_mwh += row->value * 1000;
    }
    if (later) {
        r->utc_s = (uint64_t)utc_s;
    }
    if (!(r->energy_mwh < 1e18) ||
        tern_edge_record_make(&r->chain, &port, r->utc_s, (uint64_t)r->energy_mwh, reading,
                              result, record) != 1) {
        return ti_fail(err, TERN_LIMIT, "edge", TI_NO_OFFSET,
                       "more energy or records than a counter holds");
    }
    r->n_added++;
    (void)fwrite(record, 1, sizeof record, r->out.stream); /* commit sees the stream's error */
    return TERN_OK;
}

tern_status ti_edge_records_close(ti_edge_records *r, bool keep, tern_err *err)
{
    tern_status status = TERN_OK;
    if (keep && r->out.stream) {
        status = ti_out_commit(&r->out, err);
        if (status == TERN_OK && r->n_before > 0) {
            ti_note("%zu records were there, %zu are new", r->n_before, r->n_added);
        }
    } else {
        ti_out_abandon(&r->out);
    }
    ti_note_signer_wipe(&r->signer);
    return status;
}
