/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/out.h"
#include "tern/version.h"

typedef struct version_args {
    bool json;
} version_args;

static const version_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print a JSON document, schema tern.version/1",
     .offset = offsetof(version_args, json)},
    {0},
};

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const version_args *args = values;
    (void)given;
    if (!args->json) {
        ti_printf("tern %s\n", tern_version());
        return TERN_OK;
    }
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.version/1");
    ti_json_str(&json, "version", tern_version());
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

const ti_command ti_cmd_version = {
    .name = "version",
    .summary = "print the version",
    .description = "Prints the version of tern.",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
