/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/edge_records.h"

#include <sodium.h>
#include <string.h>

#include "base/sha256.h"
#include "cli/out.h"
#include "ledger/key.h"

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
    return ti_out_open(&r->out, file, err);
}

tern_status ti_edge_records_add(ti_edge_records *r, const ti_csv_row *row, int32_t reading,
                                const struct tern_edge_result *result, tern_err *err)
{
    uint8_t record[TERN_EDGE_RECORD_BYTES];
    const struct tern_edge_port port = {port_sign, port_sha256, &r->signer};
    const int64_t utc_s = row->when.shown_s - row->when.offset_s;
    if (!(result->status & TERN_EDGE_REFUSED) && row->value > 0) {
        r->energy_mwh += row->value * 1000;
    }
    if (utc_s > 0 && (uint64_t)utc_s > r->utc_s) {
        r->utc_s = (uint64_t)utc_s;
    }
    if (!(r->energy_mwh < 1e18) ||
        tern_edge_record_make(&r->chain, &port, r->utc_s, (uint64_t)r->energy_mwh, reading,
                              result, record) != 1) {
        return ti_fail(err, TERN_LIMIT, "edge", TI_NO_OFFSET,
                       "more energy or records than a counter holds");
    }
    (void)fwrite(record, 1, sizeof record, r->out.stream); /* commit sees the stream's error */
    return TERN_OK;
}

tern_status ti_edge_records_close(ti_edge_records *r, bool keep, tern_err *err)
{
    tern_status status = TERN_OK;
    if (keep && r->out.stream) {
        status = ti_out_commit(&r->out, err);
    } else {
        ti_out_abandon(&r->out);
    }
    ti_note_signer_wipe(&r->signer);
    return status;
}
