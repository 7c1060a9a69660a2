/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "ledger/base64.h"
#include "ledger/log.h"

typedef struct prove_args {
    const char *entry, *since, *output;
} prove_args;

static const prove_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "entry",
     .letter = 'e',
     .metavar = "FILE",
     .help = "prove the newest entry with the bytes of this file",
     .words = TI_WORDS_FILE,
     .offset = offsetof(prove_args, entry)},
    {.type = TI_OPT_STR,
     .name = "since",
     .metavar = "SIZE",
     .help = "print the proof that the log has only grown since it had SIZE entries",
     .offset = offsetof(prove_args, since)},
    {.type = TI_OPT_STR,
     .name = "output",
     .letter = 'o',
     .metavar = "FILE",
     .help = "write the proof into this file",
     .fallback = "standard output",
     .words = TI_WORDS_FILE,
     .offset = offsetof(prove_args, output)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR", .help = "the log's directory", .words = TI_WORDS_FILE},
    {.metavar = "INDEX", .help = "of the entry to prove", .optional = true},
    {0},
};

static tern_status number(uint64_t *out, const char *text, tern_err *err)
{
    return ti_decimal_read(out, text, strlen(text))
               ? TERN_OK
               : ti_fail(err, TERN_USAGE, "log", TI_NO_OFFSET, "'%.64s' is not a number", text);
}

/* The lines of a consistency proof as c2sp.org/tlog-witness has them: "old SIZE", then hashes,
 * an empty line, the checkpoint. */
static tern_status prove_growth(ti_log_view *view, ti_buf *out, const char *since,
                                tern_err *err)
{
    uint64_t size;
    ti_proof proof;
    ti_str note = ti_log_view_note(view);
    TI_TRY(number(&size, since, err));
    TI_TRY(ti_log_view_consistency(view, &proof, NULL, size, err));
    ti_buf_addf(out, "old %llu\n", (unsigned long long)size);
    for (uint32_t i = 0; i < proof.n; i++) {
        ti_base64_write(out, proof.hashes[i].b, TI_HASH_BYTES);
        ti_buf_addc(out, '\n');
    }
    ti_buf_addc(out, '\n');
    ti_buf_add(out, note.data, note.len);
    return out->failed ? ti_fail_nomem(err, "log", 1, "a proof") : TERN_OK;
}

static tern_status find_entry(ti_log_view *view, uint64_t *index, const char *file,
                              tern_err *err)
{
    char *data;
    size_t len;
    TI_TRY(ti_read_file(&data, &len, file, TI_ENTRY_MAX, err));
    tern_status status = ti_log_view_find(view, index, data, len, err);
    free(data);
    return status;
}

static tern_status make_proof(const prove_args *args, const ti_operands *given, ti_buf *out,
                              tern_err *err)
{
    ti_log_view *view;
    uint64_t index = 0;
    TI_TRY(ti_log_view_open(&view, given->items[0], NULL, NULL, err));
    tern_status status = TERN_OK;
    if (args->since) {
        status = prove_growth(view, out, args->since, err);
    } else {
        status = args->entry ? find_entry(view, &index, args->entry, err)
                             : number(&index, given->items[1], err);
        if (status == TERN_OK) {
            status = ti_log_view_proof(view, out, index, err);
        }
    }
    ti_log_view_close(view);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const prove_args *args = values;
    ti_buf proof = {0};
    ti_out out = {0};
    if ((given->n > 1) + (args->entry != NULL) + (args->since != NULL) != 1) {
        return ti_fail(err, TERN_USAGE, "log prove", TI_NO_OFFSET,
                       "one of INDEX, --entry and --since is needed");
    }
    tern_status status = make_proof(args, given, &proof, err);
    if (status == TERN_OK && !args->output) {
        ti_print(proof.data);
    } else if (status == TERN_OK) {
        status = ti_out_open(&out, args->output, err);
        if (status == TERN_OK) {
            (void)fwrite(proof.data, 1, proof.len, out.stream); /* commit sees its error */
            status = ti_out_commit(&out, err);
        }
    }
    ti_buf_free(&proof);
    return status;
}

const ti_command ti_cmd_log_prove = {
    .name = "log prove",
    .summary = "prove that an entry is in a log, or that it only grew",
    .description = "Writes a proof that can be checked without the log: that an entry is in it "
                   "(c2sp.org/tlog-proof), or that it still begins with what it had before "
                   "(as a witness wants it, c2sp.org/tlog-witness).",
    .examples = "tern log prove mylog 7 -o entry7.tlog-proof\n"
                "tern log prove mylog --entry receipt.json\n"
                "tern log prove mylog --since 1000",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run,
};
