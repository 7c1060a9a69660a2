/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_readings.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "ledger/key.h"
#include "ledger/log.h"

/* The newest reading of a device that is known. */
typedef struct chain {
    const ti_note_key *key;
    bool any;
    ti_signed_reading last;
} chain;

/* An entry of the log: readings by other keys and entries of other kinds do not matter. */
static tern_status see(void *user, uint64_t index, const char *entry, size_t len, tern_err *err)
{
    chain *c = user;
    ti_signed_reading r;
    (void)index;
    (void)err;
    if (ti_reading_is(entry, len) && ti_reading_open(&r, entry, len, c->key, NULL) == TERN_OK &&
        (!c->any || r.sequence > c->last.sequence)) {
        c->last = r;
        c->any = true;
    }
    return TERN_OK;
}

static tern_status check_file(chain *c, const char *file, tern_err *err)
{
    char *data;
    size_t size;
    TI_TRY(ti_read_file(&data, &size, file, TI_READINGS_FILE_MAX, err));
    tern_status status = TERN_OK;
    for (size_t at = 0; status == TERN_OK && (at < size || size == 0); at += TI_READING_BYTES) {
        ti_signed_reading next;
        const size_t left = size - at;
        status = ti_reading_open(
            &next, data + at, left < TI_READING_BYTES ? left : TI_READING_BYTES, c->key, err);
        if (status == TERN_OK) {
            status = ti_reading_follows(c->any ? &c->last : NULL, &next, err);
        }
        if (status == TERN_OK) {
            c->last = next;
            c->any = true;
        }
    }
    free(data);
    return status;
}

tern_status ti_log_readings_check(const char *dir, const char *key, char **files, int n,
                                  tern_err *err)
{
    ti_note_key public_key;
    ti_log_view *view;
    chain c = {.key = &public_key};
    if (sodium_init() < 0) {
        return ti_fail(err, TERN_INTERNAL, "log", TI_NO_OFFSET, "libsodium cannot start");
    }
    TI_TRY(ti_key_public(&public_key, key, err));
    TI_TRY(ti_log_view_open(&view, dir, NULL, NULL, err));
    const uint64_t size = ti_log_view_checkpoint(view)->size;
    tern_status status = ti_log_view_range(view, 0, size, see, &c, err);
    ti_log_view_close(view);
    for (int i = 0; i < n && status == TERN_OK; i++) {
        status = check_file(&c, files[i], err);
    }
    return status;
}
