/* SPDX-License-Identifier: Apache-2.0 */
/* tern COMMAND [OPTION]... - finds the command, reads its options, runs it, reports. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/out.h"

/* Reads the options of a command and runs it. */
static tern_status perform(const ti_command *cmd, int argc, char **argv, tern_err *err)
{
    ti_common common = {0};
    ti_operands operands = {0};
    _Alignas(16) unsigned char args[TI_ARGS_MAX] = {0};
    TI_ASSERT(cmd->size <= sizeof args);
    if (cmd->defaults) {
        memcpy(args, cmd->defaults, cmd->size);
    }
    if (cmd->subs && argc > 0 && argv[0][0] != '-') {
        return ti_command_unknown(cmd, argv[0], err);
    }
    TI_TRY(ti_opt_parse(cmd, args, &common, &operands, argc, argv, err));
    ti_out_setup(common.quiet, common.color);
    if (common.help) {
        return ti_help_print(cmd, common.help == 2, err);
    }
    if (cmd->subs && !cmd->run && operands.n > 0) {
        return ti_fail(err, TERN_USAGE, cmd->name, TI_NO_OFFSET,
                       "options stand after the command '%.64s'", operands.items[0]);
    }
    if (cmd->subs && operands.n == 0 && (!cmd->run || cmd->operands)) {
        ti_hint("'tern %s%s--help' lists the commands", cmd->name, *cmd->name ? " " : "");
        return ti_fail(err, TERN_USAGE, cmd->name, TI_NO_OFFSET, "a command is missing");
    }
    TI_ASSERT(cmd->run); /* a command without has others under it */
    tern_status status = cmd->run(args, &operands, err);
    if (status == TERN_NO && cmd->says_why_not) {
        ti_report(err);
    }
    return status;
}

/* `tern`, `tern --version`, and commands with what follows them. */
static tern_status dispatch(int argc, char **argv, tern_err *err)
{
    ti_operands none = {0};
    if (argc == 0) {
        return ti_help_print(&ti_cmd_tern, false, err);
    }
    if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0) {
        return ti_cmd_version.run(ti_cmd_version.defaults, &none, err);
    }
    const ti_command *cmd = ti_command_find(&argc, &argv);
    return perform(cmd, argc, argv, err);
}

int main(int argc, char **argv)
{
    tern_err err = {.offset = TI_NO_OFFSET};
    ti_out_setup(false, 0);
    tern_status status = dispatch(argc > 0 ? argc - 1 : 0, argv + 1, &err);
    if (status == TERN_OK || status == TERN_NO) {
        tern_status written = ti_out_finish(&err);
        status = written == TERN_OK ? status : written;
    }
    int caught = ti_interrupted();
    if (caught && (status == TERN_OK || status == TERN_CANCELLED)) {
        (void)ti_out_finish(NULL);
        return 128 + caught;
    }
    if (status != TERN_OK && status != TERN_NO) {
        ti_report(&err);
    }
    return ti_exit_code(tern_status_exit_code(status));
}
