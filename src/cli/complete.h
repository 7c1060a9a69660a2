/* SPDX-License-Identifier: Apache-2.0 */
/* cli/complete.h - completion scripts, made from the option tables.
 *
 * One file for each shell writes its script; what all of them need is in complete.c. */
#ifndef TI_CLI_COMPLETE_H
#define TI_CLI_COMPLETE_H

#include "base/buf.h"
#include "cli/cmd.h"

/* Write the script of a shell. */
void ti_complete_bash(ti_buf *out);
void ti_complete_zsh(ti_buf *out);
void ti_complete_fish(ti_buf *out);

/* Calls `visit` for the command's own options, then the common ones. */
typedef void (*ti_complete_opt_fn)(ti_buf *out, const ti_command *cmd, const ti_opt *opt);
void ti_complete_each_opt(ti_buf *out, const ti_command *cmd, ti_complete_opt_fn visit);

/* Calls `visit` for a command and all below it. */
typedef void (*ti_complete_cmd_fn)(ti_buf *out, const ti_command *cmd);
void ti_complete_each_cmd(ti_buf *out, const ti_command *cmd, ti_complete_cmd_fn visit);

/* True when an option is followed by a value. */
bool ti_complete_takes_value(const ti_opt *opt);

/* Add words, separated by blanks: choices, names of subcommands, names in the catalogue. */
void ti_complete_add_choices(ti_buf *out, const char *choices);
void ti_complete_add_commands(ti_buf *out, const ti_command *cmd);
void ti_complete_add_catalogue(ti_buf *out);

/* The first operand of a command, or NULL. */
const ti_operand *ti_complete_operand(const ti_command *cmd);

#endif
