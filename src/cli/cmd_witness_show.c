/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "carbon/stamp.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/witness_files.h"
#include "ledger/checkpoint.h"

typedef struct show_args {
    const char *logs;
    bool json;
} show_args;

static const show_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "logs",
     .metavar = "FILE",
     .help = "the logs to show",
     .fallback = "DIR/logs",
     .words = TI_WORDS_FILE,
     .offset = offsetof(show_args, logs)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.witness-show/1",
     .offset = offsetof(show_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR", .help = "the witness's directory", .words = TI_WORDS_FILE},
    {0},
};

/* What was cosigned last for a log. */
typedef struct seen {
    bool any;
    ti_checkpoint head;
    uint64_t time_s;
} seen;

/* Its file may be replaced at any moment; each version of it is whole. */
static tern_status read_seen(seen *out, const char *dir, const char *origin,
                             const ti_note_key *key, tern_err *err)
{
    uint8_t digest[TI_SHA256_BYTES];
    char name[2 * TI_SHA256_BYTES + 1], *text = NULL;
    size_t len;
    bool valid;
    ti_buf path = {0};
    ti_signed_note note;
    ti_sha256_of(digest, origin, strlen(origin));
    for (int i = 0; i < TI_SHA256_BYTES; i++) {
        snprintf(name + 2 * i, 3, "%02x", digest[i]);
    }
    *out = (seen){0};
    tern_status status = ti_witness_path(&path, dir, name, err);
    if (status == TERN_OK && access(path.data, F_OK) == 0) {
        status = ti_read_file(&text, &len, path.data, TI_NOTE_MAX_BYTES, err);
        if (status == TERN_OK) {
            status = ti_note_parse(&note, text, len, err);
        }
        if (status == TERN_OK) {
            status = ti_note_check(&note, key, 1, &valid, &out->time_s, err);
        }
        if (status == TERN_OK) {
            status = ti_checkpoint_read(&out->head, note.text.data, note.text.len, err);
        }
        out->any = status == TERN_OK;
    }
    free(text);
    ti_buf_free(&path);
    return status;
}

static void show(const char *origin, const seen *s, ti_buf *json)
{
    char when[TI_STAMP_TEXT];
    if (json) {
        ti_json_open(json, NULL, '{');
        ti_json_str(json, "origin", origin);
        if (s->any) {
            ti_json_uint(json, "size", s->head.size);
            ti_json_uint(json, "time_s", s->time_s);
        }
        ti_json_close(json, '}');
    } else if (s->any) {
        ti_printf("log      %s: %llu entries, cosigned %s\n", origin,
                  (unsigned long long)s->head.size, ti_stamp_text(when, (int64_t)s->time_s));
    } else {
        ti_printf("log      %s: nothing cosigned yet\n", origin);
    }
}

static tern_status show_logs(const char *dir, const ti_policy *logs, const ti_note_key *key,
                             ti_buf *json, tern_err *err)
{
    for (size_t i = 0; i < logs->n_logs; i++) {
        const char *origin = logs->logs[i].key.name;
        seen s;
        bool again = false; /* a log may have several keys */
        for (size_t k = 0; k < i; k++) {
            again = again || strcmp(logs->logs[k].key.name, origin) == 0;
        }
        if (!again) {
            TI_TRY(read_seen(&s, dir, origin, key, err));
            show(origin, &s, json);
        }
    }
    return TERN_OK;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const show_args *args = values;
    const char *dir = given->items[0];
    char vkey[TI_NOTE_KEY_TEXT];
    ti_note_key key;
    ti_policy logs;
    ti_buf json = {0};
    TI_TRY(ti_witness_vkey(&key, dir, err));
    TI_TRY(ti_witness_logs(&logs, dir, args->logs, err));
    ti_note_key_write(vkey, &key);
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.witness-show/1");
    ti_json_str(&json, "vkey", vkey);
    ti_json_open(&json, "logs", '[');
    if (!args->json) {
        ti_printf("key      %s\n", vkey);
    }
    tern_status status = show_logs(dir, &logs, &key, args->json ? &json : NULL, err);
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    if (status == TERN_OK && args->json) {
        status = ti_print_json(&json, err);
    }
    ti_buf_free(&json);
    ti_policy_free(&logs);
    return status;
}

const ti_command ti_cmd_witness_show = {
    .name = "witness show",
    .summary = "show a witness's key and what it has cosigned",
    .description = "Shows the public key, and for each log the last head that was cosigned.  "
                   "Also while it is serving.",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
