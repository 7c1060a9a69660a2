/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/out.h"
#include "ledger/log.h"

typedef struct fsck_args {
    bool json;
} fsck_args;

static const fsck_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.log-fsck/1",
     .offset = offsetof(fsck_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR", .help = "the log's directory", .words = TI_WORDS_FILE},
    {0},
};

/* A fault, as it is found. */
static void say(void *user, const char *file, const char *what)
{
    ti_buf *json = user;
    if (json) {
        ti_json_open(json, NULL, '{');
        ti_json_str(json, "file", file);
        ti_json_str(json, "fault", what);
        ti_json_close(json, '}');
    } else {
        ti_printf("%s: %s\n", file, what);
    }
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const fsck_args *args = values;
    ti_log_fsck_report report;
    ti_buf json = {0};
    uint64_t begun = ti_now_ns();
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.log-fsck/1");
    ti_json_open(&json, "faults", '[');
    tern_status status =
        ti_log_fsck(given->items[0], NULL, say, args->json ? &json : NULL, &report, err);
    uint64_t time_ns = ti_now_ns() - begun;
    if (status == TERN_OK || status == TERN_NO) {
        tern_status written = TERN_OK;
        if (args->json) {
            ti_json_close(&json, ']');
            ti_json_uint(&json, "entries", report.entries);
            ti_json_uint(&json, "files", report.files);
            ti_json_uint(&json, "bytes", report.bytes);
            ti_json_uint(&json, "time_ns", time_ns);
            ti_json_bool(&json, "ok", status == TERN_OK);
            ti_json_close(&json, '}');
            written = ti_print_json(&json, err);
        } else {
            ti_printf("%s: %llu entries in %llu files, %llu faults\n",
                      status == TERN_OK ? "ok" : "damaged", (unsigned long long)report.entries,
                      (unsigned long long)report.files, (unsigned long long)report.faults);
        }
        status = written == TERN_OK ? status : written;
    }
    ti_buf_free(&json);
    return status;
}

const ti_command ti_cmd_log_fsck = {
    .name = "log fsck",
    .summary = "check every byte of a log",
    .description = "Hashes all entries again, compares every tile, the WAL, the writer's state "
                   "and the lock store, and checks the signatures.  One line for each fault; "
                   "the exit status is 1 when there are any.",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
