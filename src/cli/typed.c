/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/typed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "cli/chat_history.h"
#include "cli/out.h"
#include "cli/places.h"

static const char first_prompt[] = "> ", next_prompt[] = ". ";

static void recall(void *user, const char *text)
{
    ti_editor_remember(user, text);
}

tern_status ti_typed_open(ti_typed *out, const char *const *words, bool keep, tern_err *err)
{
    ti_typed typed = {.interactive = isatty(STDIN_FILENO) == 1};
    tern_status status = TERN_OK;
    if (ti_editor_able()) {
        status = ti_editor_open(&typed.editor, words, err);
    }
    if (status == TERN_OK && typed.editor && keep) {
        status = ti_place_path(&typed.kept, TI_PLACE_DATA, "chat_history.json", err);
        if (status == TERN_OK) {
            status = ti_chat_history_read(typed.kept, recall, typed.editor, err);
        }
    }
    if (status != TERN_OK) {
        ti_typed_close(&typed);
        return status;
    }
    *out = typed;
    return TERN_OK;
}

void ti_typed_close(ti_typed *typed)
{
    ti_editor_close(typed->editor);
    ti_buf_free(&typed->said);
    free(typed->line);
    free(typed->kept);
    *typed = (ti_typed){0};
}

/* The next line as it comes. */
static tern_status read_plain(ti_typed *t, ti_typed_end *end, bool more, tern_err *err)
{
    if (t->interactive) {
        fputs(more ? next_prompt : first_prompt, stderr);
        fflush(stderr);
    }
    errno = 0;
    if (getline(&t->line, &t->cap, stdin) < 0) {
        *end = TI_TYPED_NO_MORE;
        return ferror(stdin) && errno != EINTR
                   ? ti_fail_errno(err, errno, "chat", "cannot read standard input")
                   : TERN_OK;
    }
    *end = TI_TYPED_LINE;
    ti_buf_add(&t->said, t->line, strcspn(t->line, "\r\n"));
    return t->said.failed ? ti_fail_nomem(err, "chat", t->said.len, "a message") : TERN_OK;
}

/* Appends a line to what was said; *more when it ends in a backslash, which a newline replaces,
 * and the next one belongs to it. */
static tern_status read_line(ti_typed *t, ti_typed_end *end, bool *more, tern_err *err)
{
    size_t before = t->said.len;
    TI_TRY(t->editor ? ti_editor_read(t->editor, &t->said, end,
                                      *more ? next_prompt : first_prompt, *more, err)
                     : read_plain(t, end, *more, err));
    if (*end == TI_TYPED_LINE) {
        *more = t->said.len > before && t->said.data[t->said.len - 1] == '\\';
    }
    if (*end == TI_TYPED_LINE && *more) {
        t->said.data[t->said.len - 1] = '\n';
    }
    return TERN_OK;
}

/* What cannot be kept is said once, and no reason to stop talking. */
static void remember(ti_typed *t)
{
    tern_err err;
    if (!t->editor) {
        return;
    }
    ti_editor_remember(t->editor, t->said.data);
    if (t->kept && ti_chat_history_add(t->kept, t->said.data, &err) != TERN_OK) {
        ti_report(&err);
        free(t->kept);
        t->kept = NULL;
    }
}

tern_status ti_typed_next(ti_typed *t, char **message, tern_err *err)
{
    bool more = false;
    *message = NULL;
    ti_buf_free(&t->said);
    while (!ti_interrupted()) {
        ti_typed_end end;
        TI_TRY(read_line(t, &end, &more, err));
        if (end == TI_TYPED_NO_MORE) {
            if (t->interactive) {
                fputc('\n', stderr);
            } else if (t->said.len > 0) {
                *message = t->said.data; /* it ended in a backslash */
            }
            break;
        }
        if (end == TI_TYPED_DROPPED) {
            more = false;
            ti_buf_free(&t->said);
        } else if (!more && t->said.len > 0) {
            remember(t);
            *message = t->said.data;
            break;
        }
    }
    return TERN_OK;
}
