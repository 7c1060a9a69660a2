/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cmd.h"
#include "cli/cosign.h"
#include "cli/log_readings.h"
#include "cli/out.h"
#include "ledger/log.h"

typedef struct append_args {
    const char *policy, *readings;
    bool lines, proof, json;
} append_args;

static const append_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "lines",
     .letter = 'l',
     .help = "every line is an entry, without its newline",
     .offset = offsetof(append_args, lines)},
    {.type = TI_OPT_FLAG,
     .name = "proof",
     .help = "write the proof of each FILE into FILE.tlog-proof",
     .offset = offsetof(append_args, proof)},
    {.type = TI_OPT_STR,
     .name = "policy",
     .metavar = "FILE",
     .help = "ask the witnesses of this policy first, and publish when its quorum is reached",
     .words = TI_WORDS_FILE,
     .offset = offsetof(append_args, policy)},
    {.type = TI_OPT_STR,
     .name = "readings",
     .metavar = "KEY",
     .help = "FILEs are signed readings of the device with this public key: check them, and "
             "that they follow those in the log; each is an entry",
     .words = TI_WORDS_FILE,
     .offset = offsetof(append_args, readings)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.log-append/1",
     .offset = offsetof(append_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR", .help = "the log's directory", .words = TI_WORDS_FILE},
    {.metavar = "FILE",
     .help = "an entry, at most 65535 bytes; standard input when there is none",
     .words = TI_WORDS_FILE,
     .optional = true,
     .repeated = true},
    {0},
};

typedef struct appending {
    const char *dir;
    ti_log *log;
    uint64_t first, n; /* entries of this call */
} appending;

static tern_status add(appending *a, const void *entry, size_t len, tern_err *err)
{
    uint64_t index;
    TI_TRY(ti_log_submit(a->log, entry, len, &index, err));
    a->first = a->n == 0 ? index : a->first;
    a->n++;
    return TERN_OK;
}

/* Adds what a stream has: one entry, or one for each line. */
static tern_status add_stream(appending *a, FILE *in, const char *name, bool lines,
                              tern_err *err)
{
    ti_buf entry = {0};
    tern_status status = TERN_OK;
    int c;
    while (status == TERN_OK && (c = getc(in)) != EOF) {
        if (lines && c == '\n') {
            status = add(a, entry.data ? entry.data : "", entry.len, err);
            ti_buf_clear(&entry);
        } else if (entry.len == TI_ENTRY_MAX) {
            status = ti_fail(err, TERN_LIMIT, "log", TI_NO_OFFSET,
                             "an entry of '%s' has more than %d bytes", name, TI_ENTRY_MAX);
        } else {
            ti_buf_addc(&entry, (char)c);
            status = entry.failed ? ti_fail_nomem(err, "log", entry.len, "an entry") : TERN_OK;
        }
    }
    if (status == TERN_OK && ferror(in)) {
        status = ti_fail_errno(err, errno, "log", "cannot read '%s'", name);
    }
    if (status == TERN_OK && (!lines || entry.len > 0)) {
        status = add(a, entry.data ? entry.data : "", entry.len, err);
    }
    ti_buf_free(&entry);
    return status;
}

static tern_status add_files(appending *a, const append_args *args, char **files, int n,
                             tern_err *err)
{
    if (n == 0) {
        return add_stream(a, stdin, "standard input", args->lines, err);
    }
    for (int i = 0; i < n; i++) {
        FILE *in = fopen(files[i], "rb");
        if (!in) {
            return ti_fail_errno(err, errno, "log", "cannot open '%s'", files[i]);
        }
        tern_status status = add_stream(a, in, files[i], args->lines, err);
        fclose(in);
        TI_TRY(status);
    }
    return TERN_OK;
}

/* Adds the readings of files.  The log is locked: nobody appends the same meanwhile; and what
 * is added is what was checked, though the files may grow. */
static tern_status add_readings(appending *a, const append_args *args, char **files, int n,
                                tern_err *err)
{
    ti_buf records = {0};
    tern_status status = ti_log_readings_check(&records, a->dir, args->readings, files, n, err);
    for (size_t at = 0; at < records.len && status == TERN_OK; at += TI_READING_BYTES) {
        status = add(a, records.data + at, TI_READING_BYTES, err);
    }
    ti_buf_free(&records);
    return status;
}

static tern_status write_proof(ti_log_view *view, const char *file, uint64_t index,
                               tern_err *err)
{
    ti_buf name = {0}, proof = {0};
    ti_out out = {0};
    ti_buf_addf(&name, "%s.tlog-proof", file);
    tern_status status = name.failed ? ti_fail_nomem(err, "log", strlen(file), "a path")
                                     : ti_log_view_proof(view, &proof, index, err);
    if (status == TERN_OK) {
        status = ti_out_open(&out, name.data, err);
    }
    if (status == TERN_OK) {
        (void)fwrite(proof.data, 1, proof.len, out.stream); /* commit sees the stream's error */
        status = ti_out_commit(&out, err);
    }
    ti_buf_free(&name);
    ti_buf_free(&proof);
    return status;
}

static tern_status write_proofs(const char *dir, char **files, int n, uint64_t first,
                                tern_err *err)
{
    ti_log_view *view;
    tern_status status = TERN_OK;
    TI_TRY(ti_log_view_open(&view, dir, NULL, NULL, err));
    for (int i = 0; i < n && status == TERN_OK; i++) {
        status = write_proof(view, files[i], first + (uint64_t)i, err);
    }
    ti_log_view_close(view);
    return status;
}

static tern_status report(const append_args *args, const appending *a, tern_err *err)
{
    if (!args->json) {
        for (uint64_t i = 0; i < a->n; i++) {
            unsigned long long at = a->first + i;
            ti_printf("%llu\n", at);
        }
        return TERN_OK;
    }
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.log-append/1");
    ti_json_uint(&json, "first", a->first);
    ti_json_uint(&json, "entries", a->n);
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

/* Appends to the open log.  What came before a failure is not thrown away: it is durable and
 * said, or not there. */
static tern_status append(appending *a, const append_args *args, char **files, int n,
                          tern_err *err)
{
    tern_status status = args->readings ? add_readings(a, args, files, n, err)
                                        : add_files(a, args, files, n, err);
    if (a->n > 0) {
        tern_err second;
        tern_status rest = ti_log_wait(a->log, a->first + a->n - 1, &second);
        rest = rest == TERN_OK ? ti_log_publish(a->log, &second) : rest;
        if (rest == TERN_OK) {
            rest = report(args, a, &second);
        }
        if (status == TERN_OK && rest != TERN_OK) {
            status = rest;
            *err = second;
        }
    }
    return status;
}

/* Opens the log with the witnesses of a policy, and appends. */
static tern_status append_cosigned(appending *a, const append_args *args, const char *dir,
                                   char **files, int n, tern_err *err)
{
    ti_policy policy;
    ti_cosigning c = {0};
    ti_interrupt_catch();
    TI_TRY(ti_policy_load(&policy, args->policy, err));
    tern_status status = ti_cosigning_start(&c, dir, &policy, true, err);
    if (status == TERN_OK) {
        ti_log_opts how = {.cosign = ti_cosign_ask, .cosign_user = &c};
        status = ti_log_open(&a->log, dir, &how, err);
    }
    if (status == TERN_OK) {
        status = append(a, args, files, n, err);
    }
    for (size_t i = 0; i < c.n && c.asked; i++) {
        if (c.said[i].why[0]) {
            ti_warn("witness '%.*s': %s", (int)c.said[i].witness->name.len,
                    c.said[i].witness->name.data, c.said[i].why);
        }
    }
    if (status == TERN_UNAVAILABLE && a->n > 0) {
        ti_hint("the entries are in the log; 'tern log cosign' or the next append publishes "
                "them");
    }
    ti_log_close(a->log);
    ti_cosigning_free(&c);
    ti_policy_free(&policy);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const append_args *args = values;
    const char *dir = given->items[0];
    char **files = given->items + 1;
    int n = given->n - 1;
    appending a = {.dir = dir};
    tern_status status;
    if (args->readings) {
        if (args->lines || args->proof || n == 0) {
            return ti_fail(err, TERN_USAGE, "log", TI_NO_OFFSET,
                           "--readings needs FILEs, and neither --lines nor --proof");
        }
    }
    if (args->proof && (args->lines || n == 0)) {
        return ti_fail(err, TERN_USAGE, "log", TI_NO_OFFSET,
                       "--proof needs FILEs, each of which is one entry");
    }
    if (args->policy) {
        status = append_cosigned(&a, args, dir, files, n, err);
    } else {
        TI_TRY(ti_log_open(&a.log, dir, NULL, err));
        status = append(&a, args, files, n, err);
        ti_log_close(a.log);
    }
    if (status == TERN_OK && args->proof) {
        status = write_proofs(dir, files, n, a.first, err);
    }
    return status;
}

const ti_command ti_cmd_log_append = {
    .name = "log append",
    .summary = "append entries and publish them",
    .description = "Appends entries, makes them durable, signs and publishes the new head of "
                   "the log, and prints the index of each entry.",
    .examples = "tern log append mylog receipt.json --proof\n"
                "seq 1000 | tern log append mylog --lines",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run,
};
