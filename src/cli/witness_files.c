/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/witness_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/out.h"
#include "ledger/key.h"

tern_status ti_witness_path(ti_buf *out, const char *dir, const char *name, tern_err *err)
{
    ti_buf_addf(out, "%s/%s", dir, name);
    return out->failed ? ti_fail_nomem(err, "witness", strlen(dir), "a path") : TERN_OK;
}

tern_status ti_witness_vkey(ti_note_key *out, const char *dir, tern_err *err)
{
    ti_buf path = {0};
    char *text = NULL;
    size_t len;
    tern_status status = ti_witness_path(&path, dir, "vkey", err);
    if (status == TERN_OK && access(path.data, F_OK) != 0 && errno == ENOENT) {
        ti_hint("'tern witness init %s' makes one", dir);
        status =
            ti_fail(err, TERN_USAGE, "witness", TI_NO_OFFSET, "'%.150s' is no witness", dir);
    }
    if (status == TERN_OK) {
        status = ti_read_file(&text, &len, path.data, TI_NOTE_KEY_TEXT, err);
    }
    if (status == TERN_OK) {
        status = ti_note_key_read(out, text, len, err);
    }
    free(text);
    ti_buf_free(&path);
    return status;
}

static bool has_quorum(const char *text, size_t len)
{
    static const char word[] = "quorum";
    for (size_t at = 0; at + sizeof word - 1 <= len;) {
        if (memcmp(text + at, word, sizeof word - 1) == 0) {
            return true;
        }
        const char *end = memchr(text + at, '\n', len - at);
        at = end ? (size_t)(end - text) + 1 : len;
    }
    return false;
}

tern_status ti_witness_logs_read(ti_policy *out, const char *text, size_t len, const char *file,
                                 tern_err *err)
{
    ti_buf whole = {0};
    tern_err why = {0};
    ti_buf_add(&whole, text, len);
    ti_buf_adds(&whole, has_quorum(text, len) ? "" : "\nquorum none\n");
    tern_status status = whole.failed ? ti_fail_nomem(&why, "witness", len, "the logs")
                                      : ti_policy_read(out, whole.data, whole.len, &why);
    ti_buf_free(&whole);
    return status == TERN_OK
               ? status
               : ti_fail(err, status, "witness", why.offset, "'%s': %s", file, why.message);
}

tern_status ti_witness_logs(ti_policy *out, const char *dir, const char *file, tern_err *err)
{
    ti_buf path = {0};
    char *text = NULL;
    size_t len;
    tern_status status = TERN_OK;
    if (!file) {
        status = ti_witness_path(&path, dir, "logs", err);
        file = path.data;
    }
    if (status == TERN_OK) {
        status = ti_read_file(&text, &len, file, TI_POLICY_BYTES, err);
    }
    if (status == TERN_OK) {
        status = ti_witness_logs_read(out, text, len, file, err);
    }
    free(text);
    ti_buf_free(&path);
    return status;
}
