/* SPDX-License-Identifier: Apache-2.0 */
/* Reading many entries: each bundle once. */
#include "ledger/log.h"

/* A bundle that was read and checked. */
typedef struct scan {
    ti_log_view *view;
    uint64_t number; /* of the bundle */
    uint32_t width;  /* 0 = none yet */
    ti_buf bytes;
    ti_str items[TI_TILE_WIDTH];
} scan;

static tern_status load(scan *s, uint64_t number, tern_err *err)
{
    char path[TI_TILE_PATH];
    uint64_t size = ti_log_view_checkpoint(s->view)->size;
    if (s->width > 0 && s->number == number) {
        return TERN_OK;
    }
    ti_tile_id id = {TI_TILE_ENTRIES, number, ti_tile_width(TI_TILE_ENTRIES, number, size)};
    size_t len = ti_tile_path(path, id);
    ti_buf_clear(&s->bytes);
    s->width = 0;
    TI_TRY(ti_log_view_file(s->view, &s->bytes, path, len, err));
    TI_TRY(ti_bundle_read(s->items, id.width, s->bytes.data, s->bytes.len, err));
    s->number = number;
    s->width = id.width;
    return TERN_OK;
}

static tern_status one(scan *s, uint64_t index, ti_log_entry_fn entry, void *user,
                       tern_err *err)
{
    uint64_t size = ti_log_view_checkpoint(s->view)->size;
    if (index >= size) {
        return ti_fail(err, TERN_NO, "log", TI_NO_OFFSET,
                       "there is no entry %llu: the log has %llu", (unsigned long long)index,
                       (unsigned long long)size);
    }
    TI_TRY(load(s, index / TI_TILE_WIDTH, err));
    ti_str item = s->items[index % TI_TILE_WIDTH];
    return entry(user, index, item.data, item.len, err);
}

tern_status ti_log_view_range(ti_log_view *view, uint64_t first, uint64_t end,
                              ti_log_entry_fn entry, void *user, tern_err *err)
{
    scan s = {.view = view};
    tern_status status = TERN_OK;
    for (uint64_t i = first; i < end && status == TERN_OK; i++) {
        status = one(&s, i, entry, user, err);
    }
    ti_buf_free(&s.bytes);
    return status;
}

tern_status ti_log_view_these(ti_log_view *view, const uint64_t *indexes, size_t n,
                              ti_log_entry_fn entry, void *user, tern_err *err)
{
    scan s = {.view = view};
    tern_status status = TERN_OK;
    for (size_t i = 0; i < n && status == TERN_OK; i++) {
        status = one(&s, indexes[i], entry, user, err);
    }
    ti_buf_free(&s.bytes);
    return status;
}
