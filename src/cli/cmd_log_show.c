/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/out.h"
#include "ledger/base64.h"
#include "ledger/log.h"

typedef struct show_args {
    bool json;
} show_args;

static const show_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.log-show/1",
     .offset = offsetof(show_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR", .help = "the log's directory", .words = TI_WORDS_FILE},
    {.metavar = "INDEX", .help = "entries to print", .optional = true, .repeated = true},
    {0},
};

static tern_status show_head(const ti_log_view *view, bool as_json, tern_err *err)
{
    const ti_checkpoint *head = ti_log_view_checkpoint(view);
    char vkey[TI_NOTE_KEY_TEXT];
    ti_buf root = {0};
    ti_note_key_write(vkey, ti_log_view_key(view));
    ti_base64_write(&root, head->root.b, sizeof head->root.b);
    tern_status status = root.failed ? ti_fail_nomem(err, "log", 1, "text") : TERN_OK;
    if (status == TERN_OK && as_json) {
        ti_buf json = {0};
        ti_json_open(&json, NULL, '{');
        ti_json_str(&json, "schema", "tern.log-show/1");
        ti_json_str(&json, "origin", head->origin);
        ti_json_uint(&json, "size", head->size);
        ti_json_str(&json, "root", root.data);
        ti_json_str(&json, "vkey", vkey);
        ti_json_close(&json, '}');
        status = ti_print_json(&json, err);
        ti_buf_free(&json);
    } else if (status == TERN_OK) {
        ti_printf("origin   %s\nentries  %llu\nroot     %s\nkey      %s\n", head->origin,
                  (unsigned long long)head->size, root.data, vkey);
    }
    ti_buf_free(&root);
    return status;
}

/* Entries are bytes: as they are, or base64 in JSON. */
static tern_status show_entry(ti_log_view *view, const char *text, ti_buf *json, tern_err *err)
{
    uint64_t index;
    ti_buf entry = {0};
    if (!ti_decimal_read(&index, text, strlen(text))) {
        return ti_fail(err, TERN_USAGE, "log", TI_NO_OFFSET, "'%.64s' is not an index", text);
    }
    tern_status status = ti_log_view_entry(view, &entry, index, err);
    if (status == TERN_OK && json) {
        ti_buf base64 = {0};
        ti_base64_write(&base64, entry.data ? entry.data : "", entry.len);
        ti_json_open(json, NULL, '{');
        ti_json_uint(json, "index", index);
        ti_json_strn(json, "entry", base64.data ? base64.data : "", base64.len);
        ti_json_close(json, '}');
        status = base64.failed ? ti_fail_nomem(err, "log", entry.len, "text") : TERN_OK;
        ti_buf_free(&base64);
    } else if (status == TERN_OK && ti_stdout_is_tty()) {
        ti_print_model_text(entry.data ? entry.data : "", entry.len);
    } else if (status == TERN_OK && entry.len > 0) {
        (void)fwrite(entry.data, 1, entry.len, stdout); /* ti_out_finish() sees its error */
    }
    ti_buf_free(&entry);
    return status;
}

static tern_status show_entries(ti_log_view *view, char **items, int n, bool as_json,
                                tern_err *err)
{
    ti_buf json = {0};
    tern_status status = TERN_OK;
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.log-show/1");
    ti_json_open(&json, "entries", '[');
    for (int i = 0; i < n && status == TERN_OK; i++) {
        status = show_entry(view, items[i], as_json ? &json : NULL, err);
    }
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    if (status == TERN_OK && as_json) {
        status = ti_print_json(&json, err);
    }
    ti_buf_free(&json);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const show_args *args = values;
    ti_log_view *view;
    TI_TRY(ti_log_view_open(&view, given->items[0], NULL, NULL, err));
    tern_status status =
        given->n > 1 ? show_entries(view, given->items + 1, given->n - 1, args->json, err)
                     : show_head(view, args->json, err);
    ti_log_view_close(view);
    return status;
}

const ti_command ti_cmd_log_show = {
    .name = "log show",
    .summary = "show the head of a log, or entries",
    .description = "Shows how long a log is, its root and its key; or writes the bytes of "
                   "entries.  Everything is checked against the signed root first.",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run,
};
