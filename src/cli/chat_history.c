/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/chat_history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/jval.h"
#include "cli/places.h"

/* A byte takes six as \u00XX at most; the rest is for the names around. */
enum { FILE_BYTES_MAX = 6 * TI_CHAT_HISTORY_BYTES_MAX + (64 << 10) };

static const char schema[] = "tern.chat-history/1", module[] = "history";

typedef struct kept {
    char *text; /* of the file */
    ti_arena arena;
    const ti_jval *typed; /* array of strings, or NULL where there is no file */
} kept;

static void free_kept(kept *k)
{
    ti_arena_free(&k->arena);
    free(k->text);
}

static tern_status check(kept *k, ti_jval *root, const char *path, tern_err *err)
{
    const ti_jval *typed = ti_jval_get(root, "typed");
    bool good =
        ti_jval_is(ti_jval_get(root, "schema"), schema) && typed && typed->type == TI_JARRAY;
    for (size_t i = 0; good && i < typed->n; i++) {
        good = typed->u.items[i].type == TI_JSTR;
    }
    if (!good) {
        return ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET,
                       "'%s' is no history of chats: no schema %s", path, schema);
    }
    k->typed = typed;
    return TERN_OK;
}

/* `root` must live as long as `out`. */
static tern_status open_kept(kept *out, ti_jval *root, const char *path, tern_err *err)
{
    size_t len = 0;
    *out = (kept){0};
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        return TERN_OK;
    }
    TI_TRY(ti_read_file(&out->text, &len, path, FILE_BYTES_MAX, err));
    tern_status status = ti_jval_parse(root, &out->arena, out->text, len, module, err);
    if (status == TERN_OK) {
        status = check(out, root, path, err);
    } else if (err) {
        tern_err cause = *err;
        status =
            ti_fail(err, status, cause.module, cause.offset, "'%s': %s", path, cause.message);
    }
    if (status != TERN_OK) {
        free_kept(out);
    }
    return status;
}

tern_status ti_chat_history_read(const char *path, void (*give)(void *user, const char *text),
                                 void *user, tern_err *err)
{
    kept k;
    ti_jval root;
    ti_buf text = {0};
    TI_TRY(open_kept(&k, &root, path, err));
    for (size_t i = 0; k.typed && i < k.typed->n && !text.failed; i++) {
        ti_str s = k.typed->u.items[i].u.str;
        ti_buf_clear(&text);
        ti_buf_add(&text, s.data, s.len);
        if (!text.failed && s.len > 0) {
            give(user, text.data);
        }
    }
    tern_status status = text.failed ? ti_fail_nomem(err, module, text.len, "a text") : TERN_OK;
    ti_buf_free(&text);
    free_kept(&k);
    return status;
}

/* Which of the old ones is the first that stays beside `len` new bytes. */
static size_t first_kept(const ti_jval *typed, size_t len)
{
    size_t first = typed ? typed->n : 0, n = 1;
    while (first > 0 && n < TI_CHAT_HISTORY_MAX) {
        len += typed->u.items[first - 1].u.str.len;
        if (len > TI_CHAT_HISTORY_BYTES_MAX) {
            break;
        }
        first--;
        n++;
    }
    return first;
}

static void render(ti_buf *json, const ti_jval *typed, const char *text)
{
    size_t first = first_kept(typed, strlen(text));
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "schema", schema);
    ti_json_open(json, "typed", '[');
    for (size_t i = first; typed && i < typed->n; i++) {
        ti_str s = typed->u.items[i].u.str;
        ti_buf_adds(json, i > first ? ",\n" : "\n"); /* the writer sees the '\n' */
        ti_json_strn(json, NULL, s.data, s.len);
    }
    ti_buf_adds(json, typed && first < typed->n ? ",\n" : "\n");
    ti_json_str(json, NULL, text);
    ti_json_close(json, ']');
    ti_json_close(json, '}');
    ti_buf_addc(json, '\n');
}

static tern_status make_directory_of(const char *path, tern_err *err)
{
    char *dir = strdup(path);
    if (!dir) {
        return ti_fail_nomem(err, module, strlen(path), "a path");
    }
    char *slash = strrchr(dir, '/');
    tern_status status = TERN_OK;
    if (slash && slash != dir) {
        *slash = '\0';
        status = ti_make_private_directory(dir, err);
    }
    free(dir);
    return status;
}

/* Whole or not at all. */
static tern_status write_private(const char *path, const ti_buf *json, tern_err *err)
{
    ti_out out = {0};
    TI_TRY(make_directory_of(path, err));
    TI_TRY(ti_out_open(&out, path, err));
    if (fchmod(fileno(out.stream), S_IRUSR | S_IWUSR) != 0) {
        tern_status status = ti_fail_errno(err, errno, module, "cannot protect '%s'", path);
        ti_out_abandon(&out);
        return status;
    }
    fwrite(json->data, 1, json->len, out.stream);
    return ti_out_commit(&out, err);
}

tern_status ti_chat_history_add(const char *path, const char *text, tern_err *err)
{
    kept k;
    ti_jval root;
    ti_buf json = {0};
    if (!*text || strlen(text) > TI_CHAT_HISTORY_BYTES_MAX) {
        return TERN_OK;
    }
    TI_TRY(open_kept(&k, &root, path, err));
    tern_status status = TERN_OK;
    if (!k.typed || k.typed->n == 0 || !ti_jval_is(&k.typed->u.items[k.typed->n - 1], text)) {
        render(&json, k.typed, text);
        status = json.failed ? ti_fail_nomem(err, module, json.len, "the history")
                             : write_private(path, &json, err);
    }
    ti_buf_free(&json);
    free_kept(&k);
    return status;
}
