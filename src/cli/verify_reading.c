/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "carbon/stamp.h"
#include "cli/verify.h"
#include "ledger/key.h"
#include "ledger/reading.h"

/* *which receives the first of the keys that signed the record. */
static tern_status open_with(ti_signed_reading *out, size_t *which, const char *record,
                             size_t len, const ti_note_key *keys, size_t n, tern_err *err)
{
    tern_status status = TERN_NO;
    for (size_t i = 0; i < n && status == TERN_NO; i++) {
        status = ti_reading_open(out, record, len, &keys[i], err);
        *which = i;
    }
    return status;
}

static tern_status check_all(ti_checks *checks, const char *text, size_t len,
                             const ti_note_key *keys, size_t n_keys, tern_err *err)
{
    char device[2 * TI_READING_DEVICE + 1], from[TI_STAMP_TEXT], to[TI_STAMP_TEXT];
    ti_signed_reading first = {0}, last = {0};
    const size_t n = (len + TI_READING_BYTES - 1) / TI_READING_BYTES;
    uint64_t alarms = 0;
    size_t which = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t at = i * TI_READING_BYTES;
        const size_t size = len - at < TI_READING_BYTES ? len - at : TI_READING_BYTES;
        ti_signed_reading next;
        /* A device has one key: that of its first record. */
        tern_status status = i == 0
                                 ? open_with(&next, &which, text + at, size, keys, n_keys, err)
                                 : ti_reading_open(&next, text + at, size, &keys[which], err);
        if (status != TERN_OK) {
            return ti_check_no(checks, "signature", status, err);
        }
        status = ti_reading_follows(i > 0 ? &last : NULL, &next, err);
        if (status != TERN_OK) {
            return ti_check_no(checks, "order", status, err);
        }
        alarms += next.status >> 7 & 1; /* TERN_EDGE_ALARM; docs/formats/edge.md */
        first = i == 0 ? next : first;
        last = next;
    }
    ti_reading_device(device, &last);
    ti_check_add(checks, "signature", TI_CHECK_OK,
                 "%zu readings of %s, by a key that was given", n, device);
    ti_check_add(checks, "order", TI_CHECK_OK, "numbers %u to %u, none missing between them",
                 first.sequence, last.sequence);
    ti_check_add(checks, "statement", TI_CHECK_OK,
                 "%s to %s, counter %llu to %llu mWh, %llu alarms",
                 ti_stamp_text(from, (int64_t)(first.utc_s & INT64_MAX)),
                 ti_stamp_text(to, (int64_t)(last.utc_s & INT64_MAX)),
                 (unsigned long long)first.energy_mwh, (unsigned long long)last.energy_mwh,
                 (unsigned long long)alarms);
    return TERN_OK;
}

tern_status ti_verify_reading(ti_checks *checks, const char *text, size_t len,
                              const ti_verify_args *args, tern_err *err)
{
    ti_note_key keys[TI_OPT_LIST_MAX];
    if (args->keys.n == 0) {
        ti_check_add(checks, "signature", TI_CHECK_NO,
                     "there is no key to check it with; --key gives one");
        return TERN_OK;
    }
    for (size_t i = 0; i < args->keys.n; i++) {
        TI_TRY(ti_key_public(&keys[i], args->keys.items[i], err));
    }
    TI_TRY(check_all(checks, text, len, keys, args->keys.n, err));
    /* In a log, each record is an entry of its own. */
    if (len == TI_READING_BYTES && (args->proof || args->log)) {
        return ti_verify_logged(checks, text, len, args, err);
    }
    return TERN_OK;
}
