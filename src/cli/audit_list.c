/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit_list.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/receipt_files.h"
#include "ledger/dsse.h"
#include "ledger/log.h"
#include "ledger/receipt.h"

static const char module[] = "audit";

/* Takes over `text`. */
static tern_status add(ti_audit_list *list, ti_buf *text, const char *file, uint64_t index,
                       tern_err *err)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 64;
        ti_audit_item *items = realloc(list->items, cap * sizeof *items);
        if (!items) {
            return ti_fail_nomem(err, module, cap * sizeof *items, "a list");
        }
        list->items = items;
        list->cap = cap;
    }
    ti_audit_item *item = &list->items[list->n];
    *item = (ti_audit_item){.index = index};
    if (file) {
        TI_TRY(ti_receipt_beside(&item->file, file, "", err));
    }
    item->text = *text;
    *text = (ti_buf){0};
    ti_merkle_leaf(&item->leaf, item->text.data, item->text.len);
    list->n++;
    return TERN_OK;
}

static void set_root(ti_audit_list *list)
{
    ti_frontier frontier = {.n = 0};
    for (size_t i = 0; i < list->n; i++) {
        ti_frontier_add(&frontier, &list->items[i].leaf);
    }
    ti_frontier_root(&frontier, &list->root);
}

static int by_leaf(const void *a, const void *b)
{
    return memcmp(((const ti_audit_item *)a)->leaf.b, ((const ti_audit_item *)b)->leaf.b,
                  TI_HASH_BYTES);
}

static void free_item(ti_audit_item *item)
{
    ti_buf_free(&item->text);
    free(item->file);
}

static tern_status add_file(ti_audit_list *list, const char *name, tern_err *err)
{
    char *file = NULL, *data = NULL;
    size_t size;
    ti_buf text = {0};
    tern_status status = ti_receipt_file(&file, name, err);
    if (status == TERN_OK) {
        status = ti_read_file(&data, &size, file, TI_DSSE_MAX, err);
    }
    if (status == TERN_OK) {
        ti_buf_add(&text, data, size);
        status = text.failed ? ti_fail_nomem(err, module, size, "a receipt")
                             : add(list, &text, file, 0, err);
    }
    ti_buf_free(&text);
    free(data);
    free(file);
    return status;
}

tern_status ti_audit_list_files(ti_audit_list *out, const ti_operands *files, tern_err *err)
{
    ti_audit_list made = {0};
    size_t kept = 0;
    for (int i = 0; i < files->n; i++) {
        tern_status status = add_file(&made, files->items[i], err);
        if (status != TERN_OK) {
            ti_audit_list_free(&made);
            return status;
        }
    }
    if (made.n > 0) {
        qsort(made.items, made.n, sizeof *made.items, by_leaf);
    }
    for (size_t i = 0; i < made.n; i++) { /* one that is named twice would count twice */
        if (kept > 0 && by_leaf(&made.items[kept - 1], &made.items[i]) == 0) {
            free_item(&made.items[i]);
        } else {
            made.items[kept++] = made.items[i];
        }
    }
    made.n = kept;
    set_root(&made);
    *out = made;
    return TERN_OK;
}

/* A ti_log_entry_fn; `user` is the list.  What is no receipt is left out. */
static tern_status add_entry(void *user, uint64_t index, const char *entry, size_t len,
                             tern_err *err)
{
    ti_dsse envelope;
    ti_buf text = {0};
    tern_status status = ti_dsse_parse(&envelope, entry, len, err);
    if (status != TERN_OK) {
        return status == TERN_NOMEM ? status : TERN_OK;
    }
    bool receipt = strcmp(envelope.type, TI_PAYLOAD_TYPE) == 0;
    ti_dsse_free(&envelope);
    if (!receipt) {
        return TERN_OK;
    }
    ti_buf_add(&text, entry, len);
    status = text.failed ? ti_fail_nomem(err, module, len, "a receipt")
                         : add(user, &text, NULL, index, err);
    ti_buf_free(&text);
    return status;
}

tern_status ti_audit_list_log(ti_audit_list *out, const char *directory, tern_err *err)
{
    ti_audit_list made = {.of_log = true};
    ti_log_view *view = NULL;
    TI_TRY(ti_log_view_open(&view, directory, NULL, NULL, err));
    made.head = *ti_log_view_checkpoint(view);
    tern_status status = ti_log_view_range(view, 0, made.head.size, add_entry, &made, err);
    ti_log_view_close(view);
    if (status != TERN_OK) {
        ti_audit_list_free(&made);
        return status;
    }
    set_root(&made);
    *out = made;
    return TERN_OK;
}

void ti_audit_list_free(ti_audit_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free_item(&list->items[i]);
    }
    free(list->items);
    *list = (ti_audit_list){0};
}

/* --- seeds ----------------------------------------------------------------------------------
 */

static tern_status from_file(ti_buf *out, const char *path, tern_err *err)
{
    char *data;
    size_t size;
    TI_TRY(ti_read_file(&data, &size, path, TI_AUDIT_SOURCE_MAX, err));
    ti_buf_add(out, data, size);
    free(data);
    return TERN_OK;
}

static tern_status from_hex(ti_buf *out, const char *digits, tern_err *err)
{
    uint8_t bytes[TI_AUDIT_SOURCE_MAX];
    size_t n = 0;
    if (sodium_hex2bin(bytes, sizeof bytes, digits, strlen(digits), NULL, &n, NULL) != 0) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "'%.40s' is not hexadecimal",
                       digits);
    }
    ti_buf_add(out, bytes, n);
    return TERN_OK;
}

tern_status ti_audit_source_read(ti_audit_source *out, const char *spec, tern_err *err)
{
    static const char *const kinds[] = {"file", "hex", "text", "random"};
    const char *colon = strchr(spec, ':');
    size_t len = colon ? (size_t)(colon - spec) : strlen(spec);
    ti_audit_source made = {.kind = NULL};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool wants_value = i < 3;
        if (strlen(kinds[i]) == len && memcmp(kinds[i], spec, len) == 0 &&
            wants_value == (colon != NULL)) {
            made.kind = kinds[i];
        }
    }
    if (!made.kind) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       "'%.40s' is no source: file:PATH, hex:DIGITS, text:WORDS or random",
                       spec);
    }
    tern_status status = TERN_OK;
    if (made.kind == kinds[0]) {
        status = from_file(&made.bytes, colon + 1, err);
    } else if (made.kind == kinds[1]) {
        status = from_hex(&made.bytes, colon + 1, err);
    } else if (made.kind == kinds[2]) {
        ti_buf_adds(&made.bytes, colon + 1);
    } else {
        uint8_t bytes[TI_HASH_BYTES];
        randombytes_buf(bytes, sizeof bytes);
        ti_buf_add(&made.bytes, bytes, sizeof bytes);
    }
    if (status == TERN_OK && made.bytes.len == 0) {
        status = ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "'%.40s' is empty", spec);
    }
    if (status == TERN_OK && made.bytes.len > TI_AUDIT_SOURCE_MAX) {
        status = ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET, "a source of over %d bytes",
                         TI_AUDIT_SOURCE_MAX);
    }
    if (status == TERN_OK && made.bytes.failed) {
        status = ti_fail_nomem(err, module, TI_AUDIT_SOURCE_MAX, "a source");
    }
    if (status != TERN_OK) {
        ti_buf_free(&made.bytes);
        return status;
    }
    *out = made;
    return TERN_OK;
}
