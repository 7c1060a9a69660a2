/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/witness_files.h"
#include "ledger/witness.h"

typedef struct init_args {
    const char *name;
} init_args;

static const init_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "name",
     .metavar = "NAME",
     .help = "name of the witness and of its key, for example a host and a path",
     .fallback = "tern-witness/ and part of the key's hash",
     .offset = offsetof(init_args, name)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR",
     .help = "the witness's directory, which is made",
     .words = TI_WORDS_FILE},
    {0},
};

static const char logs[] =
    "# The logs that this witness cosigns: a line 'log VKEY' for each.\n";

static tern_status write_logs(const char *dir, tern_err *err)
{
    ti_buf path = {0};
    ti_out out = {0};
    tern_status status = ti_witness_path(&path, dir, "logs", err);
    if (status == TERN_OK && access(path.data, F_OK) != 0) {
        status = ti_out_open(&out, path.data, err);
        if (status == TERN_OK) {
            (void)fputs(logs, out.stream); /* commit sees its error */
            status = ti_out_commit(&out, err);
        }
    }
    ti_buf_free(&path);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const init_args *args = values;
    const char *dir = given->items[0];
    static const ti_policy nothing = {.quorum = TI_POLICY_NONE};
    ti_witness_opts how = {.name = args->name};
    ti_witness *witness;
    char vkey[TI_NOTE_KEY_TEXT];
    ti_buf path = {0};
    TI_TRY(ti_witness_path(&path, dir, "key", err));
    bool there = access(path.data, F_OK) == 0;
    ti_buf_free(&path);
    if (there) {
        return ti_fail(err, TERN_USAGE, "witness", TI_NO_OFFSET,
                       "'%.150s' is a witness already", dir);
    }
    TI_TRY(ti_witness_open(&witness, dir, &nothing, &how, err));
    ti_note_key_write(vkey, ti_witness_key(witness));
    ti_witness_close(witness);
    TI_TRY(write_logs(dir, err));
    ti_printf("%s\n", vkey);
    ti_note("the secret key is in %s/key; what is above goes into policies", dir);
    return TERN_OK;
}

const ti_command ti_cmd_witness_init = {
    .name = "witness init",
    .summary = "make a witness and its key",
    .description = "Makes a directory for what a witness has seen, and its key, and prints the "
                   "public one.  The directory must never be restored from a backup: an older "
                   "one would cosign another history.",
    .examples = "tern witness init --name example.com/witness w",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
