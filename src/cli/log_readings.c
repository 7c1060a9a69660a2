/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_readings.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "ledger/key.h"
#include "ledger/log.h"

enum { BACK = 256 /* entries that are read at once, from the newest back */ };

/* The newest reading of a device that is known. */
typedef struct chain {
    const ti_note_key *key;
    bool any;
    ti_signed_reading last;
    size_t n; /* records of the part of the log that is being read */
    char records[BACK][TI_READING_BYTES];
} chain;

static tern_status keep(void *user, uint64_t index, const char *entry, size_t len,
                        tern_err *err)
{
    chain *c = user;
    (void)index;
    (void)err;
    if (len == TI_READING_BYTES && ti_reading_is(entry, len)) {
        memcpy(c->records[c->n++], entry, len);
    }
    return TERN_OK;
}

/* The reading with the largest number by this key; readings by other keys and entries of other
 * kinds do not matter.  It usually is the newest, and then no other signature is checked. */
static tern_status find_last(chain *c, ti_log_view *view, tern_err *err)
{
    for (uint64_t end = ti_log_view_checkpoint(view)->size; end > 0;) {
        const uint64_t first = end > BACK ? end - BACK : 0;
        c->n = 0;
        TI_TRY(ti_log_view_range(view, first, end, keep, c, err));
        while (c->n > 0) {
            const char *record = c->records[--c->n];
            ti_signed_reading r;
            if (ti_reading_parse(&r, record, TI_READING_BYTES, NULL) == TERN_OK &&
                (!c->any || r.sequence > c->last.sequence) &&
                ti_reading_open(&r, record, TI_READING_BYTES, c->key, NULL) == TERN_OK) {
                c->last = r;
                c->any = true;
            }
        }
        end = first;
    }
    return TERN_OK;
}

/* Where in a file that begins before the chain's last reading the next one stands; 0 where the
 * last is not in it, or nothing follows. */
static size_t new_from(const chain *c, const char *data, size_t size)
{
    ti_signed_reading r;
    for (size_t at = 0; c->any && size - at > TI_READING_BYTES; at += TI_READING_BYTES) {
        if (ti_reading_open(&r, data + at, TI_READING_BYTES, c->key, NULL) != TERN_OK ||
            r.sequence > c->last.sequence) {
            break;
        }
        if (r.sequence == c->last.sequence) {
            return memcmp(r.digest, c->last.digest, sizeof r.digest) == 0
                       ? at + TI_READING_BYTES
                       : 0;
        }
    }
    return 0;
}

static tern_status check_file(chain *c, ti_buf *out, const char *file, tern_err *err)
{
    char *data;
    size_t size;
    TI_TRY(ti_read_file(&data, &size, file, TI_READINGS_FILE_MAX, err));
    tern_status status = TERN_OK;
    for (size_t at = new_from(c, data, size); status == TERN_OK && (at < size || size == 0);
         at += TI_READING_BYTES) {
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
            ti_buf_add(out, data + at, TI_READING_BYTES);
        }
    }
    free(data);
    return status;
}

tern_status ti_log_readings_check(ti_buf *out, const char *dir, const char *key, char **files,
                                  int n, tern_err *err)
{
    ti_note_key public_key;
    ti_log_view *view;
    if (sodium_init() < 0) {
        return ti_fail(err, TERN_INTERNAL, "log", TI_NO_OFFSET, "libsodium cannot start");
    }
    TI_TRY(ti_key_public(&public_key, key, err));
    chain *c = calloc(1, sizeof *c);
    if (!c) {
        return ti_fail_nomem(err, "log", sizeof *c, "readings");
    }
    c->key = &public_key;
    tern_status status = ti_log_view_open(&view, dir, NULL, NULL, err);
    if (status == TERN_OK) {
        status = find_last(c, view, err);
        ti_log_view_close(view);
    }
    for (int i = 0; i < n && status == TERN_OK; i++) {
        status = check_file(c, out, files[i], err);
    }
    free(c);
    return status == TERN_OK && out->failed ? ti_fail_nomem(err, "log", out->len, "readings")
                                            : status;
}
