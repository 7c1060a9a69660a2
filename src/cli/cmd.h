/* SPDX-License-Identifier: Apache-2.0 */
/* cli/cmd.h - the commands, and how they are printed.
 *
 * A new command is a file cmd_<name>.c with a `const ti_command`, and its line in the table of
 * cli/cmd.c.  Everything else (help, completion, manual page) follows. */
#ifndef TI_CLI_CMD_H
#define TI_CLI_CMD_H

#include "base/buf.h"
#include "cli/opt.h"

extern const ti_command ti_cmd_run, ti_cmd_serve, ti_cmd_verify, ti_cmd_audit, ti_cmd_chat,
    ti_cmd_bench, ti_cmd_eval, ti_cmd_embed, ti_cmd_model, ti_cmd_pull, ti_cmd_doctor,
    ti_cmd_completion, ti_cmd_help, ti_cmd_version;
extern const ti_command ti_cmd_model_info, ti_cmd_model_verify, ti_cmd_model_convert,
    ti_cmd_model_pack, ti_cmd_model_synth, ti_cmd_model_list;
extern const ti_command ti_cmd_meter, ti_cmd_meter_list, ti_cmd_meter_watch,
    ti_cmd_meter_calibrate;
extern const ti_command ti_cmd_footprint, ti_cmd_footprint_of, ti_cmd_footprint_remote,
    ti_cmd_footprint_zones, ti_cmd_footprint_seed, ti_cmd_claims;
extern const ti_command ti_cmd_grid, ti_cmd_grid_now, ti_cmd_grid_forecast, ti_cmd_grid_history,
    ti_cmd_grid_zones, ti_cmd_grid_sources, ti_cmd_grid_export, ti_cmd_grid_serve;
extern const ti_command ti_cmd_when, ti_cmd_providers, ti_cmd_route;
extern const ti_command ti_cmd_log, ti_cmd_log_init, ti_cmd_log_append, ti_cmd_log_show,
    ti_cmd_log_prove, ti_cmd_log_index, ti_cmd_log_query, ti_cmd_log_fsck, ti_cmd_log_serve_dir,
    ti_cmd_log_cosign;
extern const ti_command ti_cmd_witness, ti_cmd_witness_init, ti_cmd_witness_add,
    ti_cmd_witness_serve, ti_cmd_witness_show;

extern const ti_command ti_cmd_submit, ti_cmd_queue, ti_cmd_queue_prune, ti_cmd_cancel,
    ti_cmd_logs, ti_cmd_report, ti_cmd_jobd;

extern const ti_command ti_cmd_edge, ti_cmd_edge_fit, ti_cmd_edge_export, ti_cmd_edge_run,
    ti_cmd_edge_inject, ti_cmd_edge_score, ti_cmd_edge_size;

/* The command `tern` itself: its `subs` are the commands. */
extern const ti_command ti_cmd_tern;

/* Follows argv[0..*argc) down the tree of commands as far as words name one, and moves *argc
 * and *argv past those words.  Returns the command reached: one with `subs` when the next word
 * names none of them. */
const ti_command *ti_command_find(int *argc, char ***argv);

/* Fails with TERN_USAGE: `word` names no command below `parent`; hints at the nearest one. */
tern_status ti_command_unknown(const ti_command *parent, const char *word, tern_err *err);

/* Last word of a command's name: "info" of "model info". */
const char *ti_command_word(const ti_command *cmd);

/* --- a table in its several forms (cli/help.c) -------------------------------------------- */

/* "tern run [OPTION]... [PROMPT]..." */
void ti_help_usage(ti_buf *out, const ti_command *cmd);

/* The text of --help, 80 columns wide. */
void ti_help_text(ti_buf *out, const ti_command *cmd);

/* The table as JSON, schema tern.help/1. */
void ti_help_json(ti_buf *out, const ti_command *cmd);

/* mdoc(7): the list of options; the list of a command's subcommands; the exit codes. */
void ti_help_man_options(ti_buf *out, const ti_command *cmd);
void ti_help_man_commands(ti_buf *out, const ti_command *cmd);
void ti_help_man_exit(ti_buf *out);

/* Prints the help of a command to stdout. */
tern_status ti_help_print(const ti_command *cmd, bool json, tern_err *err);

#endif
