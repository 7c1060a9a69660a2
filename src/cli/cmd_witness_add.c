/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/witness_files.h"
#include "ledger/key.h"

static const ti_operand operands[] = {
    {.metavar = "DIR", .help = "the witness's directory", .words = TI_WORDS_FILE},
    {.metavar = "KEY",
     .help = "public key of a log, or a file with it",
     .words = TI_WORDS_FILE,
     .repeated = true},
    {0},
};

/* The file as it is to be: it must still be one that can be read. */
static tern_status add_keys(ti_buf *out, const char *file, const ti_operands *given,
                            tern_err *err)
{
    ti_policy policy;
    for (int i = 1; i < given->n; i++) {
        char vkey[TI_NOTE_KEY_TEXT];
        ti_note_key key;
        TI_TRY(ti_key_public(&key, given->items[i], err));
        if (key.type != TI_NOTE_ED25519) {
            return ti_fail(err, TERN_USAGE, "witness", TI_NO_OFFSET,
                           "'%.100s' is the key of a witness, not of a log", key.name);
        }
        ti_note_key_write(vkey, &key);
        ti_buf_addf(out, "log %s\n", vkey);
    }
    if (out->failed) {
        return ti_fail_nomem(err, "witness", out->len, "the logs");
    }
    TI_TRY(ti_witness_logs_read(&policy, out->data, out->len, file, err));
    ti_policy_free(&policy);
    return TERN_OK;
}

static tern_status replace(const char *file, const ti_buf *text, tern_err *err)
{
    ti_out out = {0};
    TI_TRY(ti_out_open(&out, file, err));
    (void)fwrite(text->data, 1, text->len, out.stream); /* commit sees its error */
    return ti_out_commit(&out, err);
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    ti_note_key key;
    ti_buf path = {0}, text = {0};
    char *old = NULL;
    size_t len;
    (void)values;
    TI_TRY(ti_witness_vkey(&key, given->items[0], err));
    tern_status status = ti_witness_path(&path, given->items[0], "logs", err);
    if (status == TERN_OK) {
        status = ti_read_file(&old, &len, path.data, TI_POLICY_BYTES, err);
    }
    if (status == TERN_OK) {
        ti_buf_add(&text, old, len);
        ti_buf_adds(&text, len > 0 && old[len - 1] != '\n' ? "\n" : "");
        status = add_keys(&text, path.data, given, err);
    }
    if (status == TERN_OK) {
        status = replace(path.data, &text, err);
    }
    free(old);
    ti_buf_free(&text);
    ti_buf_free(&path);
    return status;
}

const ti_command ti_cmd_witness_add = {
    .name = "witness add",
    .summary = "let a witness cosign a log",
    .description = "Adds logs to those that the witness cosigns (a line each in DIR/logs).  A "
                   "witness that is serving sees them when it is started again.",
    .examples = "tern witness add w mylog/vkey",
    .operands = operands,
    .run = run,
};
