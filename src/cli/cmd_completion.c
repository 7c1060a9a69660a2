/* SPDX-License-Identifier: Apache-2.0 */
/* Names of models are asked for when the key is pressed: `tern model list --names`. */
#include <string.h>

#include "cli/cmd.h"
#include "cli/complete.h"
#include "cli/out.h"

static const ti_operand operands[] = {
    {.metavar = "SHELL",
     .help = "bash, zsh or fish",
     .choices = "bash|zsh|fish",
     .words = TI_WORDS_CHOICES},
    {0},
};

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    static void (*const writers[])(ti_buf * out) = {ti_complete_bash, ti_complete_zsh,
                                                    ti_complete_fish};
    const char *shell = given->items[0];
    (void)values;
    int which = ti_choice_index(operands[0].choices, shell, strlen(shell));
    if (which < 0) {
        ti_hint("one of bash, zsh, fish");
        return ti_fail(err, TERN_USAGE, "completion", TI_NO_OFFSET,
                       "there is no completion for '%.64s'", shell);
    }
    ti_buf out = {0};
    tern_status status = TERN_OK;
    writers[which](&out);
    if (out.failed) {
        status = ti_fail_nomem(err, "completion", out.len, "the script");
    } else {
        ti_print(out.data);
    }
    ti_buf_free(&out);
    return status;
}

const ti_command ti_cmd_completion = {
    .name = "completion",
    .summary = "print a completion script for a shell",
    .description = "Prints a script that makes the shell complete tern's commands and options.",
    .examples = "tern completion bash > ~/.local/share/bash-completion/completions/tern\n"
                "tern completion zsh > ~/.zfunc/_tern\n"
                "tern completion fish > ~/.config/fish/completions/tern.fish",
    .operands = operands,
    .run = run,
};
