/* SPDX-License-Identifier: Apache-2.0 */
/* The write-ahead log: entries are durable here before anything else is done with them. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "ledger/log_parts.h"

static const char segment_magic[] = "ternwal1", record_magic[] = "tREC";
enum {
    MAGIC = 8,
    HEAD_SUM = 16,
    RECORD_SUM_AT = 20, /* sum of the entries */
    RECORD_SUM = 16,
    RECORD_HEAD_SUM_AT = 36,
    RECORD_HEAD_SUM = 12,
    RECORD_MAX = 1 << 30
};

static void put_be(uint8_t *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
    }
}

static uint64_t get_be(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

ti_log_chunk *ti_log_chunk_new(uint64_t first)
{
    static const char room[TI_WAL_RECORD_HEAD];
    ti_log_chunk *chunk = calloc(1, sizeof *chunk);
    if (chunk) {
        chunk->first = first;
        ti_buf_add(&chunk->body, room, sizeof room);
        if (chunk->body.failed) {
            ti_log_chunk_free(chunk);
            return NULL;
        }
    }
    return chunk;
}

void ti_log_chunk_free(ti_log_chunk *chunk)
{
    if (chunk) {
        ti_buf_free(&chunk->body);
        free(chunk);
    }
}

/* The nonce, known to nobody outside, keeps an entry that imitates a record from being taken
 * for one. */
static void record_sum(uint8_t sum[TI_SHA256_BYTES], const uint8_t nonce[TI_WAL_NONCE],
                       const uint8_t *head)
{
    ti_sha256 hash;
    ti_sha256_start(&hash);
    ti_sha256_add(&hash, nonce, TI_WAL_NONCE);
    ti_sha256_add(&hash, head, RECORD_HEAD_SUM_AT);
    ti_sha256_end(&hash, sum);
}

/* Fills the head of a chunk that is about to be written into a segment. */
static void seal(ti_log_chunk *chunk, const uint8_t nonce[TI_WAL_NONCE])
{
    uint8_t *head = (uint8_t *)chunk->body.data, sum[TI_SHA256_BYTES];
    size_t bytes = chunk->body.len - TI_WAL_RECORD_HEAD;
    TI_ASSERT(bytes <= RECORD_MAX);
    memcpy(head, record_magic, 4);
    put_be(head + 4, bytes, 4);
    put_be(head + 8, chunk->count, 4);
    put_be(head + 12, chunk->first, 8);
    ti_sha256_of(sum, head + TI_WAL_RECORD_HEAD, bytes);
    memcpy(head + RECORD_SUM_AT, sum, RECORD_SUM);
    record_sum(sum, nonce, head);
    memcpy(head + RECORD_HEAD_SUM_AT, sum, RECORD_HEAD_SUM);
}

/* Writes the file of a segment whole and opens it. */
static tern_status begin_with(ti_wal *wal, ti_log_at *at, ti_wal *next, const void *bytes,
                              size_t len, tern_err *err)
{
    char name[64];
    snprintf(name, sizeof name, "wal/%010" PRIu64, next->number);
    TI_TRY(ti_log_replace(at, name, bytes, len, false, err));
    const char *path = ti_log_name(at, "%s", name);
    next->end = len;
    next->file = at->io->open(at->io->user, path, TI_IO_WRITE);
    if (next->file < 0) {
        return ti_log_failed(err, next->file, "open", path);
    }
    if (wal->file >= 0) {
        (void)at->io->close(at->io->user, wal->file); /* synced after its last record */
    }
    *wal = *next;
    return TERN_OK;
}

tern_status ti_wal_begin(ti_wal *wal, ti_log_at *at, uint64_t number, uint64_t first,
                         ti_log_chunk *chunks, tern_err *err)
{
    uint8_t head[TI_WAL_HEAD], sum[TI_SHA256_BYTES];
    ti_wal next = {.number = number, .first = first};
    randombytes_buf(next.nonce, sizeof next.nonce);
    memcpy(head, segment_magic, MAGIC);
    put_be(head + MAGIC, first, 8);
    memcpy(head + MAGIC + 8, next.nonce, TI_WAL_NONCE);
    ti_sha256_of(sum, head, TI_WAL_HEAD - HEAD_SUM);
    memcpy(head + TI_WAL_HEAD - HEAD_SUM, sum, HEAD_SUM);
    if (!chunks) {
        return begin_with(wal, at, &next, head, sizeof head, err);
    }
    ti_buf all = {0};
    ti_buf_add(&all, head, sizeof head);
    for (ti_log_chunk *c = chunks; c; c = c->next) {
        seal(c, next.nonce);
        ti_buf_add(&all, c->body.data, c->body.len);
    }
    tern_status status = all.failed ? ti_fail_nomem(err, "log", all.len, "the WAL")
                                    : begin_with(wal, at, &next, all.data, all.len, err);
    ti_buf_free(&all);
    return status;
}

tern_status ti_wal_write(ti_wal *wal, ti_log_at *at, ti_log_chunk *chunk, tern_err *err)
{
    const ti_log_io *io = at->io;
    seal(chunk, wal->nonce);
    int64_t r = io->pwrite(io->user, wal->file, chunk->body.data, chunk->body.len, wal->end);
    if (r >= 0) {
        r = io->sync(io->user, wal->file);
    }
    if (r < 0) {
        return ti_log_failed(err, r, "write", ti_log_name(at, "wal/%010" PRIu64, wal->number));
    }
    wal->end += chunk->body.len;
    return TERN_OK;
}

/* True for the head of a record of this segment. */
static bool is_head(const ti_wal *wal, const uint8_t *head)
{
    uint8_t sum[TI_SHA256_BYTES];
    if (memcmp(head, record_magic, 4) != 0) {
        return false;
    }
    record_sum(sum, wal->nonce, head);
    return memcmp(sum, head + RECORD_HEAD_SUM_AT, RECORD_HEAD_SUM) == 0;
}

/* The entries of a body must be as many as its head says. */
static bool counts(const uint8_t *body, size_t len, uint32_t count)
{
    size_t at = 0;
    for (; count > 0 && len - at >= 2; count--) {
        size_t n = (size_t)get_be(body + at, 2);
        if (len - at - 2 < n) {
            return false;
        }
        at += 2 + n;
    }
    return count == 0 && at == len;
}

/* The record at `at`: *size is its length, 0 when there is no whole one. */
static bool whole_record(size_t *size, const ti_wal *wal, const uint8_t *bytes, size_t len,
                         uint64_t index)
{
    uint8_t sum[TI_SHA256_BYTES];
    if (len < TI_WAL_RECORD_HEAD || !is_head(wal, bytes)) {
        return false;
    }
    size_t body = (size_t)get_be(bytes + 4, 4);
    if (body > len - TI_WAL_RECORD_HEAD || get_be(bytes + 12, 8) != index) {
        return false;
    }
    ti_sha256_of(sum, bytes + TI_WAL_RECORD_HEAD, body);
    if (memcmp(sum, bytes + RECORD_SUM_AT, RECORD_SUM) != 0 ||
        !counts(bytes + TI_WAL_RECORD_HEAD, body, (uint32_t)get_be(bytes + 8, 4))) {
        return false;
    }
    *size = TI_WAL_RECORD_HEAD + body;
    return true;
}

/* A record is written when the one before it is durable.  So a record's head behind damage
 * means that the damage is not a torn write.  (The nonce makes heads unforgeable.) */
static bool head_follows(const ti_wal *wal, const uint8_t *bytes, size_t len)
{
    for (size_t at = 1; len - at >= TI_WAL_RECORD_HEAD && at < len; at++) {
        const uint8_t *next = memchr(bytes + at, record_magic[0], len - at);
        if (!next || (size_t)(bytes + len - next) < TI_WAL_RECORD_HEAD) {
            return false;
        }
        at = (size_t)(next - bytes);
        if (is_head(wal, next)) {
            return true;
        }
    }
    return false;
}

static tern_status give(ti_wal_record_fn record, void *user, const uint8_t *bytes, size_t size,
                        tern_err *err)
{
    ti_log_chunk *chunk = ti_log_chunk_new(get_be(bytes + 12, 8));
    if (chunk) {
        chunk->count = (uint32_t)get_be(bytes + 8, 4);
        ti_buf_add(&chunk->body, bytes + TI_WAL_RECORD_HEAD, size - TI_WAL_RECORD_HEAD);
    }
    tern_status status = !chunk || chunk->body.failed
                             ? ti_fail_nomem(err, "log", size, "a record of the WAL")
                             : record(user, &chunk, err);
    ti_log_chunk_free(chunk);
    return status;
}

static tern_status scan_records(ti_wal *wal, const char *path, const uint8_t *bytes, size_t len,
                                ti_wal_record_fn record, void *user, uint64_t *next,
                                uint64_t *torn, tern_err *err)
{
    size_t at = TI_WAL_HEAD, size;
    uint64_t index = wal->first;
    while (whole_record(&size, wal, bytes + at, len - at, index)) {
        TI_TRY(give(record, user, bytes + at, size, err));
        index += get_be(bytes + at + 8, 4);
        at += size;
    }
    if (head_follows(wal, bytes + at, len - at)) {
        return ti_fail(err, TERN_CORRUPT, "log", at,
                       "'%s': the record of entry %" PRIu64 " is damaged, and not the last one",
                       path, index);
    }
    wal->end = at;
    *next = index;
    *torn = len - at;
    return TERN_OK;
}

tern_status ti_wal_scan(ti_wal *wal, ti_log_at *at, uint64_t number, ti_wal_record_fn record,
                        void *user, uint64_t *next, uint64_t *torn, tern_err *err)
{
    ti_wal seen = {.file = -1, .number = number};
    ti_buf text = {0};
    uint8_t sum[TI_SHA256_BYTES] = {0};
    const char *path = ti_log_name(at, "wal/%010" PRIu64, number);
    TI_TRY(ti_log_read(&text, at->io, path, SIZE_MAX / 2, NULL, err));
    const uint8_t *bytes = (const uint8_t *)text.data;
    tern_status status = TERN_OK;
    if (text.len >= TI_WAL_HEAD) {
        ti_sha256_of(sum, bytes, TI_WAL_HEAD - HEAD_SUM);
    }
    if (text.len < TI_WAL_HEAD || memcmp(bytes, segment_magic, MAGIC) != 0 ||
        memcmp(sum, bytes + TI_WAL_HEAD - HEAD_SUM, HEAD_SUM) != 0) {
        status = ti_fail(err, TERN_CORRUPT, "log", 0, "the head of '%s' is damaged", path);
    } else {
        seen.first = get_be(bytes + MAGIC, 8);
        memcpy(seen.nonce, bytes + MAGIC + 8, TI_WAL_NONCE);
        status = scan_records(&seen, path, bytes, text.len, record, user, next, torn, err);
    }
    ti_buf_free(&text);
    TI_TRY(status);
    seen.file = at->io->open(at->io->user, path, TI_IO_WRITE);
    if (seen.file < 0) {
        return ti_log_failed(err, seen.file, "open", path);
    }
    *wal = seen;
    return TERN_OK;
}

typedef struct numbers {
    uint64_t *items;
    size_t n, cap;
    bool failed;
} numbers;

static void add_number(void *to, const char *name, int is_dir)
{
    numbers *list = to;
    size_t len = strlen(name);
    if (is_dir || len < 10 || strspn(name, "0123456789") != len || len > 18) {
        return; /* NAME.new of a crash */
    }
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 16;
        uint64_t *items = realloc(list->items, cap * sizeof *items);
        if (!items) {
            list->failed = true;
            return;
        }
        list->items = items;
        list->cap = cap;
    }
    list->items[list->n++] = strtoull(name, NULL, 10);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

tern_status ti_wal_list(uint64_t **out, size_t *n, ti_log_at *at, tern_err *err)
{
    numbers list = {0};
    const char *path = ti_log_name(at, "wal");
    int r = at->io->list(at->io->user, path, add_number, &list);
    if (r < 0 || list.failed) {
        free(list.items);
        return r < 0 ? ti_log_failed(err, r, "list", path)
                     : ti_fail_nomem(err, "log", list.n * sizeof *list.items, "a list");
    }
    if (list.n > 0) {
        qsort(list.items, list.n, sizeof *list.items, by_number);
    }
    *out = list.items;
    *n = list.n;
    return TERN_OK;
}
