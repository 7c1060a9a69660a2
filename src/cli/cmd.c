/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

#include <limits.h>
#include <string.h>

#include "cli/out.h"

/* In the order in which help shows them: what people want first. */
static const ti_command *const commands[] = {
    &ti_cmd_run,    &ti_cmd_chat,      &ti_cmd_serve,      &ti_cmd_verify, &ti_cmd_audit,
    &ti_cmd_pull,   &ti_cmd_model,     &ti_cmd_eval,       &ti_cmd_embed,  &ti_cmd_bench,
    &ti_cmd_meter,  &ti_cmd_footprint, &ti_cmd_claims,     &ti_cmd_grid,   &ti_cmd_when,
    &ti_cmd_submit, &ti_cmd_queue,     &ti_cmd_cancel,     &ti_cmd_logs,   &ti_cmd_report,
    &ti_cmd_jobd,   &ti_cmd_providers, &ti_cmd_route,      &ti_cmd_log,    &ti_cmd_witness,
    &ti_cmd_edge,   &ti_cmd_doctor,    &ti_cmd_completion, &ti_cmd_help,   &ti_cmd_version,
    NULL,
};

const ti_command ti_cmd_tern = {
    .name = "",
    .summary = "run ternary neural networks on CPUs",
    .description = "tern runs language models with ternary weights on ordinary processors, "
                   "giving the same bits on every one of them.",
    .examples = "tern run \"Once upon a time\"\n"
                "tern chat\n"
                "tern bench --synth 100m\n"
                "tern doctor",
    .subs = commands,
};

const ti_command *ti_command_find(int *argc, char ***argv)
{
    const ti_command *cmd = &ti_cmd_tern;
    while (cmd->subs && *argc > 0) {
        const ti_command *next = NULL;
        for (const ti_command *const *s = cmd->subs; *s; s++) {
            if (strcmp(ti_command_word(*s), (*argv)[0]) == 0) {
                next = *s;
            }
        }
        if (!next) {
            break;
        }
        cmd = next;
        --*argc;
        ++*argv;
    }
    return cmd;
}

tern_status ti_command_unknown(const ti_command *parent, const char *word, tern_err *err)
{
    const char *best = NULL;
    unsigned distance = UINT_MAX;
    for (const ti_command *const *s = parent->subs; *s; s++) {
        ti_nearest(word, ti_command_word(*s), &best, &distance);
    }
    const char *space = *parent->name ? " " : "";
    if (best) {
        ti_hint("did you mean 'tern %s%s%s'?", parent->name, space, best);
    } else if (parent->runs_others) {
        ti_hint("'tern %s -- %.64s' runs a program of that name", parent->name, word);
    } else {
        ti_hint("'tern %s%s--help' lists the commands", parent->name, space);
    }
    return ti_fail(err, TERN_USAGE, parent->name, TI_NO_OFFSET, "unknown command '%.64s'",
                   word);
}
