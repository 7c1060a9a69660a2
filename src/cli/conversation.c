/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/conversation.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"

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

/* Takes the messages of a parsed document. */
static tern_status read_messages(ti_conversation *talk, json_t *root, const char *path,
                                 tern_err *err)
{
    const char *name = json_string_value(json_object_get(root, "schema"));
    json_t *list = json_object_get(root, "messages");
    if (!name || strcmp(name, schema) != 0 || !json_is_array(list)) {
        return ti_fail(err, TERN_CORRUPT, "chat", TI_NO_OFFSET,
                       "'%s' is not a saved conversation: no schema %s", path, schema);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        const char *role = json_string_value(json_object_get(item, "role"));
        const char *content = json_string_value(json_object_get(item, "content"));
        if (!role || !content || !known_role(role)) {
            return ti_fail(err, TERN_CORRUPT, "chat", TI_NO_OFFSET,
                           "'%s': message %zu has no role that is known, or no content", path,
                           i + 1);
        }
        TI_TRY(ti_conversation_add(talk, role, content, err));
    }
    return TERN_OK;
}

tern_status ti_conversation_load(ti_conversation *talk, const char *path, tern_err *err)
{
    char *text;
    size_t len;
    json_error_t bad;
    TI_TRY(ti_read_file(&text, &len, path, FILE_BYTES_MAX, err));
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &bad);
    free(text);
    if (!root) {
        return ti_fail(err, TERN_CORRUPT, "chat",
                       (uint64_t)(bad.position > 0 ? bad.position : 0), "'%s', line %d: %s",
                       path, bad.line, bad.text);
    }
    ti_conversation loaded = {0};
    tern_status status = read_messages(&loaded, root, path, err);
    json_decref(root);
    if (status != TERN_OK) {
        ti_conversation_free(&loaded);
        return status;
    }
    ti_conversation_free(talk);
    *talk = loaded;
    return TERN_OK;
}
