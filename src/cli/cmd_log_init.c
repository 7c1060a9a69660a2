/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/out.h"
#include "ledger/log.h"

typedef struct init_args {
    const char *origin, *store;
    bool json;
} init_args;

static const init_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "origin",
     .metavar = "NAME",
     .help = "name of the log and of its key, for example a host and a path",
     .fallback = "tern-log/ and part of the key's hash",
     .offset = offsetof(init_args, origin)},
    {.type = TI_OPT_STR,
     .name = "lock-store",
     .metavar = "DIR",
     .help = "where to note what was signed last; must not be restored from backups",
     .fallback = "~/.local/state/tern/locks",
     .words = TI_WORDS_FILE,
     .offset = offsetof(init_args, store)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.log-init/1",
     .offset = offsetof(init_args, json)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR", .help = "the log's directory, which is made", .words = TI_WORDS_FILE},
    {0},
};

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const init_args *args = values;
    const char *dir = given->items[0];
    ti_log_opts log = {.store = args->store};
    ti_log_view *view;
    char vkey[TI_NOTE_KEY_TEXT];
    TI_TRY(ti_log_create(dir, args->origin, &log, err));
    TI_TRY(ti_log_view_open(&view, dir, NULL, NULL, err));
    ti_note_key_write(vkey, ti_log_view_key(view));
    tern_status status = TERN_OK;
    if (args->json) {
        ti_buf json = {0};
        ti_json_open(&json, NULL, '{');
        ti_json_str(&json, "schema", "tern.log-init/1");
        ti_json_str(&json, "origin", ti_log_view_key(view)->name);
        ti_json_str(&json, "vkey", vkey);
        ti_json_close(&json, '}');
        status = ti_print_json(&json, err);
        ti_buf_free(&json);
    } else {
        ti_printf("%s\n", vkey);
        ti_note("the secret key is in %s/state/key; keep what is above: it checks the log",
                dir);
    }
    ti_log_view_close(view);
    return status;
}

const ti_command ti_cmd_log_init = {
    .name = "log init",
    .summary = "make an empty log and its key",
    .description = "Makes an empty log and prints its public key, with which others check it. "
                   "The secret key can be read by its owner only.",
    .examples = "tern log init mylog\n"
                "tern log init --origin example.com/mylog mylog",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run,
};
