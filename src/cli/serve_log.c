/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/receipt_files.h"
#include "ledger/log.h"
#include "ledger/receipt.h"

tern_status ti_serve_log_name(char **out, const char *dir, tern_err *err)
{
    ti_log_view *view;
    TI_TRY(ti_log_view_open(&view, dir, NULL, NULL, err));
    const char *origin = ti_log_view_checkpoint(view)->origin;
    size_t len = strlen(origin) + 1;
    char *name = ti_calloc(len, 1);
    if (name) {
        memcpy(name, origin, len);
    }
    ti_log_view_close(view);
    if (!name) {
        return ti_fail_nomem(err, "serve", len, "a name");
    }
    *out = name;
    return TERN_OK;
}

/* The entry that has the bytes of a receipt's file. */
static tern_status find(ti_buf *out, ti_log_view *view, const char *id, tern_err *err)
{
    char *path, *text;
    size_t len;
    uint64_t index;
    if (strlen(id) != TI_RECEIPT_ID ||
        strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != TI_RECEIPT_ID) {
        return TERN_NO;
    }
    TI_TRY(ti_receipt_kept(&path, id, false, err));
    tern_status status = ti_read_file(&text, &len, path, TI_ENTRY_MAX, err);
    free(path);
    if (status != TERN_OK) { /* gone, or no entry of any log */
        return status == TERN_NOMEM ? status : TERN_NO;
    }
    status = ti_log_view_find(view, &index, text, len, err);
    free(text);
    if (status == TERN_NO) { /* an answer, too: browsers complain of a 404 */
        ti_buf_adds(out, "none\n");
    } else if (status == TERN_OK) {
        ti_buf_addf(out, "%llu\n", (unsigned long long)index);
    } else {
        return status;
    }
    return out->failed ? ti_fail_nomem(err, "serve", out->len, "an index") : TERN_OK;
}

static tern_status public_key(ti_buf *out, const ti_log_view *view, tern_err *err)
{
    char text[TI_NOTE_KEY_TEXT];
    ti_note_key_write(text, ti_log_view_key(view));
    ti_buf_addf(out, "%s\n", text);
    return out->failed ? ti_fail_nomem(err, "serve", out->len, "a key") : TERN_OK;
}

tern_status ti_serve_log_file(ti_buf *out, const char *dir, const char *path, tern_err *err)
{
    static const char asked[] = "find/";
    ti_log_view *view;
    TI_TRY(ti_log_view_open(&view, dir, NULL, NULL, err));
    tern_status status;
    if (strcmp(path, "vkey") == 0) {
        status = public_key(out, view, err);
    } else if (strncmp(path, asked, sizeof asked - 1) == 0) {
        status = find(out, view, path + sizeof asked - 1, err);
    } else {
        status = ti_log_view_file(view, out, path, strlen(path), err);
    }
    ti_log_view_close(view);
    return status;
}
