/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/conversation.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/jval.h"

enum { FILE_BYTES_MAX = 64 << 20, FIRST_CAP = 16 };

static const char schema[] = "tern.chat/1";

/* The roles that exist; a message points to one of these. */
static const char *known_role(const char *role)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(role, roles[i]) == 0) {
            return roles[i];
        }
    }
    return NULL;
}

static void free_content(tern_message *message)
{
    free((char *)(uintptr_t)message->content); /* allocated here; const is the API's */
    message->content = NULL;
}

tern_status ti_conversation_add(ti_conversation *talk, const char *role, const char *content,
                                tern_err *err)
{
    TI_ASSERT(known_role(role));
    if (talk->n == talk->cap) {
        size_t cap = talk->cap ? talk->cap * 2 : FIRST_CAP;
        tern_message *messages = realloc(talk->messages, cap * sizeof *messages);
        if (!messages) {
            return ti_fail_nomem(err, "chat", cap * sizeof *messages, "messages");
        }
        talk->messages = messages;
        talk->cap = cap;
    }
    char *copy = strdup(content);
    if (!copy) {
        return ti_fail_nomem(err, "chat", strlen(content), "a message");
    }
    talk->messages[talk->n++] = (tern_message){.role = known_role(role), .content = copy};
    return TERN_OK;
}

void ti_conversation_remove(ti_conversation *talk, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        free_content(&talk->messages[i]);
    }
    memmove(talk->messages + first, talk->messages + first + n,
            (talk->n - first - n) * sizeof *talk->messages);
    talk->n -= n;
}

void ti_conversation_free(ti_conversation *talk)
{
    for (size_t i = 0; i < talk->n; i++) {
        free_content(&talk->messages[i]);
    }
    free(talk->messages);
    *talk = (ti_conversation){0};
}

bool ti_conversation_has_system(const ti_conversation *talk)
{
    return talk->n > 0 && strcmp(talk->messages[0].role, "system") == 0;
}

tern_status ti_conversation_save(const ti_conversation *talk, const char *path, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", schema);
    ti_json_open(&json, "messages", '[');
    for (size_t i = 0; i < talk->n; i++) {
        ti_buf_adds(&json, i ? ",\n" : "\n"); /* one message a line; the writer sees the '\n' */
        ti_json_open(&json, NULL, '{');
        ti_json_str(&json, "role", talk->messages[i].role);
        ti_json_str(&json, "content", talk->messages[i].content);
        ti_json_close(&json, '}');
    }
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    ti_buf_addc(&json, '\n');
    tern_status status = TERN_OK;
    ti_out out = {0};
    if (json.failed) {
        status = ti_fail_nomem(err, "chat", json.len, "the conversation");
    }
    if (status == TERN_OK) {
        status = ti_out_open(&out, path, err);
    }
    if (status == TERN_OK) {
        fwrite(json.data, 1, json.len, out.stream);
        status = ti_out_commit(&out, err);
    }
    ti_buf_free(&json);
    return status;
}

/* Copies a string of the document, which has no U+0000. */
static char *copy(const ti_jval *v)
{
    return v && v->type == TI_JSTR ? strndup(v->u.str.data, v->u.str.len) : NULL;
}

static tern_status read_message(ti_conversation *talk, const ti_jval *item, size_t number,
                                const char *path, tern_err *err)
{
    const ti_jval *role = ti_jval_get(item, "role"), *content = ti_jval_get(item, "content");
    char *r = copy(role), *c = copy(content);
    tern_status status;
    if (!role || role->type != TI_JSTR || !content || content->type != TI_JSTR) {
        status = ti_fail(err, TERN_CORRUPT, "chat", item->at,
                         "'%s': message %zu has no role or no content", path, number);
    } else if (!r || !c) {
        status = ti_fail_nomem(err, "chat", content->u.str.len, "a message");
    } else if (!known_role(r)) {
        status = ti_fail(err, TERN_CORRUPT, "chat", role->at,
                         "'%s': message %zu has no role that is known", path, number);
    } else {
        status = ti_conversation_add(talk, r, c, err);
    }
    free(r);
    free(c);
    return status;
}

static tern_status read_messages(ti_conversation *talk, const ti_jval *root, const char *path,
                                 tern_err *err)
{
    const ti_jval *list = ti_jval_get(root, "messages");
    if (!ti_jval_is(ti_jval_get(root, "schema"), schema) || !list || list->type != TI_JARRAY) {
        return ti_fail(err, TERN_CORRUPT, "chat", TI_NO_OFFSET,
                       "'%s' is not a saved conversation: no schema %s", path, schema);
    }
    for (size_t i = 0; i < list->n; i++) {
        TI_TRY(read_message(talk, &list->u.items[i], i + 1, path, err));
    }
    return TERN_OK;
}

tern_status ti_conversation_load(ti_conversation *talk, const char *path, tern_err *err)
{
    char *text;
    size_t len;
    ti_jval root;
    ti_arena arena = {0};
    ti_conversation loaded = {0};
    TI_TRY(ti_read_file(&text, &len, path, FILE_BYTES_MAX, err));
    tern_status status = ti_jval_parse(&root, &arena, text, len, "chat", err);
    if (status == TERN_OK) {
        status = read_messages(&loaded, &root, path, err);
    } else if (err) {
        tern_err cause = *err;
        status =
            ti_fail(err, status, cause.module, cause.offset, "'%s': %s", path, cause.message);
    }
    ti_arena_free(&arena);
    free(text);
    if (status != TERN_OK) {
        ti_conversation_free(&loaded);
        return status;
    }
    ti_conversation_free(talk);
    *talk = loaded;
    return TERN_OK;
}
