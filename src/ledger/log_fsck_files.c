/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the tree does not need: older partial tiles, strangers, the WAL. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/log_fsck.h"

/* --- files that the tree does not need -------------------------------------------------------
 */

/* An older partial file must be the beginning of what is there now. */
static tern_status compare_partial(ti_fsck *f, const char *name, ti_tile_id id)
{
    ti_buf old = {0}, now = {0};
    tern_err why = {0};
    ti_tile_id current = id;
    current.width = ti_tile_width(id.level, id.index, f->stated.n);
    tern_status status = ti_log_read(&old, f->to.io, ti_log_name(&f->to, "%s", name),
                                     TI_LOG_BUNDLE_MAX, NULL, &why);
    if (status == TERN_OK) {
        status = ti_log_read_tile(&now, &f->to, current, &why);
    }
    status = ti_fsck_note(f, name, status, &why);
    ti_str items[TI_TILE_WIDTH];
    bool good = true;
    if (now.data) { /* else it has been reported */
        good = old.len <= now.len && memcmp(old.data, now.data, old.len) == 0;
        good =
            good && (id.level == TI_TILE_ENTRIES
                         ? ti_bundle_read(items, id.width, old.data, old.len, NULL) == TERN_OK
                         : old.len == (size_t)id.width * TI_HASH_BYTES);
    }
    if (!good) {
        ti_fsck_fault(f, name, "it is not the beginning of the tile that is there now");
    }
    f->report->files++;
    f->report->bytes += old.len;
    ti_buf_free(&old);
    ti_buf_free(&now);
    return ti_fsck_failed(f, status, &why);
}

static void walk(ti_fsck *f);

static void walk_one(void *to, const char *name, int is_dir)
{
    ti_fsck *f = to;
    size_t before = strlen(f->names);
    ti_tile_id id;
    if (f->status != TERN_OK) {
        return;
    }
    int n = snprintf(f->names + before, sizeof f->names - before, "/%s", name);
    bool fits = n >= 0 && (size_t)n < sizeof f->names - before;
    if (fits && is_dir) {
        walk(f);
    } else if (!fits || !ti_tile_path_read(&id, f->names, before + (size_t)n)) {
        ti_fsck_fault(f, f->names, "not a file of a log");
    } else {
        uint32_t now = ti_tile_width(id.level, id.index, f->stated.n);
        if (id.width > now && f->wal_next == f->stated.n) {
            ti_fsck_fault(f, f->names, "the tree does not reach so far");
        } else if (id.width < now) {
            f->status = compare_partial(f, f->names, id);
        } /* equal: compared from below; beyond: a crash left it, and opening completes it */
    }
    f->names[before] = '\0';
}

static void walk(ti_fsck *f)
{
    /* A name of its own: walk_one() uses the others while this directory is being listed. */
    ti_log_at here;
    ti_log_name(&f->at, "%s", "");
    f->status = ti_log_at_open(&here, f->at.io, f->at.text, f->err);
    if (f->status != TERN_OK) {
        return;
    }
    const char *path = ti_log_name(&here, "%s", f->names);
    int r = here.io->list(here.io->user, path, walk_one, f);
    if (r < 0 && f->status == TERN_OK) {
        ti_fsck_fault(f, f->names, "cannot be listed");
    }
    ti_log_at_close(&here);
}

tern_status ti_fsck_files(ti_fsck *f)
{
    snprintf(f->names, sizeof f->names, "tile");
    walk(f);
    return f->status;
}

/* --- the WAL ---------------------------------------------------------------------------------
 */

/* Entries that are in tiles too must be the same ones. */
static tern_status check_record(void *user, ti_log_chunk **chunk, tern_err *err)
{
    ti_fsck *f = user;
    const unsigned char *b = (const unsigned char *)(*chunk)->body.data + TI_WAL_RECORD_HEAD;
    ti_hash leaf, hashes[TI_TILE_WIDTH];
    uint64_t loaded = UINT64_MAX, first = (*chunk)->first;
    for (uint64_t i = first; i < first + (*chunk)->count && i < f->stated.n; i++) {
        size_t len = (size_t)b[0] << 8 | b[1];
        ti_tile_id id = {0, i / TI_TILE_WIDTH, 0};
        if (id.index != loaded) {
            id.width = ti_tile_width(0, id.index, f->stated.n);
            if (ti_log_tile_source(&f->to, hashes, id, NULL) != TERN_OK) {
                return TERN_OK; /* reported */
            }
            loaded = id.index;
        }
        ti_merkle_leaf(&leaf, b + 2, len);
        if (!ti_hash_equal(&leaf, &hashes[i % TI_TILE_WIDTH])) {
            return ti_fail(err, TERN_CORRUPT, "log", TI_NO_OFFSET,
                           "entry %" PRIu64 " is another one than in the tiles", i);
        }
        b += 2 + len;
    }
    return TERN_OK;
}

static tern_status check_segment(ti_fsck *f, uint64_t number, uint64_t *next)
{
    char name[64], what[96];
    tern_err why = {0};
    ti_wal wal = {.file = -1};
    uint64_t torn = 0, before = *next;
    snprintf(name, sizeof name, "wal/%010" PRIu64, number);
    tern_status status = ti_wal_scan(&wal, &f->at, number, check_record, f, next, &torn, &why);
    if (status == TERN_OK && torn > 0) {
        snprintf(what, sizeof what,
                 "%" PRIu64 " bytes at offset %" PRIu64 " are no whole record", torn, wal.end);
        ti_fsck_fault(f, name, what);
    }
    if (status == TERN_OK && before != UINT64_MAX && wal.first != before) {
        ti_fsck_fault(f, name, "it does not begin where the one before it ends");
    }
    f->report->bytes += wal.end;
    f->report->files++;
    if (wal.file >= 0) {
        (void)f->at.io->close(f->at.io->user, wal.file);
    }
    return ti_fsck_failed(f, ti_fsck_note(f, name, status, &why), &why);
}

tern_status ti_fsck_wal(ti_fsck *f)
{
    uint64_t *numbers = NULL, next = UINT64_MAX;
    size_t n = 0;
    tern_err why = {0};
    tern_status status = ti_wal_list(&numbers, &n, &f->at, &why);
    TI_TRY(ti_fsck_failed(f, ti_fsck_note(f, "wal", status, &why), &why));
    if (n == 0) {
        ti_fsck_fault(f, "wal", "it is empty");
    }
    status = TERN_OK;
    for (size_t i = 0; i < n && status == TERN_OK; i++) {
        status = check_segment(f, numbers[i], &next);
    }
    free(numbers);
    if (n > 0 && (next == UINT64_MAX || next < f->stated.n)) {
        ti_fsck_fault(f, "wal", "it ends before the tree does");
    }
    f->wal_next = next;
    return status;
}
