/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/out.h"

typedef struct help_args {
    bool man_options, man_commands, man_exit, json;
} help_args;

static const help_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print the command's table as JSON, schema tern.help/1",
     .offset = offsetof(help_args, json)},
    {.type = TI_OPT_FLAG,
     .name = "man-options",
     .help = "print the command's options as its manual page has them, in mdoc",
     .offset = offsetof(help_args, man_options)},
    {.type = TI_OPT_FLAG,
     .name = "man-commands",
     .help = "print the list of commands as the manual page has it, in mdoc",
     .offset = offsetof(help_args, man_commands)},
    {.type = TI_OPT_FLAG,
     .name = "man-exit",
     .help = "print the exit codes as the manual page has them, in mdoc",
     .offset = offsetof(help_args, man_exit)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "COMMAND",
     .help = "the command, with its subcommand",
     .words = TI_WORDS_COMMAND,
     .optional = true,
     .repeated = true},
    {0},
};

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const help_args *args = values;
    int argc = given->n;
    char **argv = given->items;
    const ti_command *cmd = ti_command_find(&argc, &argv);
    if (argc > 0) {
        if (cmd->subs) {
            return ti_command_unknown(cmd, argv[0], err);
        }
        return ti_fail(err, TERN_USAGE, "help", TI_NO_OFFSET,
                       "'tern %s' has no command '%.64s' below it", cmd->name, argv[0]);
    }
    if (!args->man_options && !args->man_commands && !args->man_exit) {
        return ti_help_print(cmd, args->json, err);
    }
    ti_buf out = {0};
    tern_status status = TERN_OK;
    if (args->man_options) {
        ti_help_man_options(&out, cmd);
    }
    if (args->man_commands) {
        ti_help_man_commands(&out, cmd);
    }
    if (args->man_exit) {
        ti_help_man_exit(&out);
    }
    if (out.failed) {
        status = ti_fail_nomem(err, "help", out.len, "the text");
    } else {
        ti_print(out.data);
    }
    ti_buf_free(&out);
    return status;
}

const ti_command ti_cmd_help = {
    .name = "help",
    .summary = "explain a command",
    .description = "Prints what --help prints for the command, or lists all commands.",
    .examples = "tern help run\ntern help model convert",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
