/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "cli/cmd.h"
#include "cli/index_file.h"

typedef struct index_args {
    const char *file;
    bool rebuild, json;
} index_args;

static const index_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "index",
     .metavar = "FILE",
     .help = "where the index is",
     .fallback = "DIR/state/index",
     .words = TI_WORDS_FILE,
     .offset = offsetof(index_args, file)},
    {.type = TI_OPT_FLAG,
     .name = "rebuild",
     .help = "make it anew, whatever is there",
     .offset = offsetof(index_args, rebuild)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.log-index/1",
     .offset = offsetof(index_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR", .help = "the log's directory", .words = TI_WORDS_FILE},
    {0},
};

static tern_status print(const ti_log_index_report *r, const char *file, uint64_t size,
                         bool as_json, tern_err *err)
{
    ti_buf json = {0};
    if (!as_json) {
        ti_printf("%llu receipts among %llu entries, %llu of them new", //
                  (unsigned long long)r->receipts, (unsigned long long)size,
                  (unsigned long long)r->added);
        ti_printf(r->why ? "; made anew: %s\n" : "\n", r->why);
        return TERN_OK;
    }
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.log-index/1");
    ti_json_str(&json, "file", file);
    ti_json_uint(&json, "entries", size);
    ti_json_uint(&json, "added", r->added);
    ti_json_uint(&json, "receipts", r->receipts);
    ti_json_bool(&json, "made_anew", r->why != NULL);
    if (r->why) {
        ti_json_str(&json, "why", r->why);
    }
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const index_args *args = values;
    const char *dir = given->items[0];
    ti_log_view *view = NULL;
    ti_log_index_opts index;
    ti_log_index_report report;
    ti_progress progress;
    char *path = NULL;
    ti_interrupt_catch();
    TI_TRY(ti_log_view_open(&view, dir, NULL, NULL, err));
    tern_status status = ti_index_opts(&index, &path, &progress, dir, args->file, err);
    if (status == TERN_OK) {
        index.rebuild = args->rebuild;
        index.file = path; /* that it cannot be written is an error here */
        status = ti_log_index_update(view, &index, &report, err);
        ti_progress_end(&progress);
    }
    if (status == TERN_OK) {
        status = print(&report, path, ti_log_view_checkpoint(view)->size, args->json, err);
    }
    free(path);
    ti_log_view_close(view);
    return status;
}

const ti_command ti_cmd_log_index = {
    .name = "log index",
    .summary = "bring the index for queries up to date",
    .description =
        "Reads what is new in a log into the index that 'tern log query' uses, or makes the "
        "index anew when it is missing, damaged or of another history.  Queries do so by "
        "themselves; nothing else needs the index, and it may be deleted at any time.",
    .examples = "tern log index mylog",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run,
};
