/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/complete.h"

/* --- bash -----------------------------------------------------------------------------------
 */

static void bash_words(ti_buf *out, ti_words words, const char *choices)
{
    switch (words) {
    case TI_WORDS_NONE:
        ti_buf_adds(out, "COMPREPLY=()");
        return;
    case TI_WORDS_FILE:
        ti_buf_adds(out, "_tern_files");
        return;
    case TI_WORDS_MODEL:
        ti_buf_adds(out, "_tern_files; _tern_more \"$(tern model list --names 2>/dev/null)\"");
        return;
    case TI_WORDS_CATALOGUE:
        ti_buf_adds(out, "_tern_more \"");
        ti_complete_add_catalogue(out);
        break;
    case TI_WORDS_COMMAND:
        ti_buf_adds(out, "_tern_more \"");
        ti_complete_add_commands(out, &ti_cmd_tern);
        break;
    case TI_WORDS_CHOICES:
        ti_buf_adds(out, "_tern_more \"");
        ti_complete_add_choices(out, choices);
        break;
    }
    ti_buf_adds(out, "\"");
}

static void bash_value(ti_buf *out, const ti_command *cmd, const ti_opt *opt)
{
    if (!ti_complete_takes_value(opt)) {
        return;
    }
    ti_buf_addf(out, "    \"%s --%s\"", cmd->name, opt->name);
    if (opt->letter) {
        ti_buf_addf(out, "|\"%s -%c\"", cmd->name, opt->letter);
    }
    ti_buf_adds(out, ") ");
    bash_words(out, opt->words, opt->choices);
    ti_buf_adds(out, "; return ;;\n");
}

static void bash_values(ti_buf *out, const ti_command *cmd)
{
    ti_complete_each_opt(out, cmd, bash_value);
}

static void bash_name(ti_buf *out, const ti_command *cmd, const ti_opt *opt)
{
    (void)cmd;
    ti_buf_addf(out, " --%s", opt->name);
}

static void bash_command(ti_buf *out, const ti_command *cmd)
{
    const ti_operand *operand = ti_complete_operand(cmd);
    ti_buf_addf(out, "    \"%s\")\n        case $cur in -*) _tern_more \"", cmd->name);
    ti_complete_each_opt(out, cmd, bash_name);
    ti_buf_adds(out, "\"; return ;; esac\n");
    if (cmd->subs) {
        ti_buf_adds(out, "        _tern_more \"");
        ti_complete_add_commands(out, cmd);
        ti_buf_adds(out, "\"");
    } else {
        ti_buf_adds(out, "        ");
        bash_words(out, operand ? operand->words : TI_WORDS_NONE,
                   operand ? operand->choices : NULL);
    }
    ti_buf_adds(out, " ;;\n");
}

static void bash_path(ti_buf *out, const ti_command *cmd)
{
    if (*cmd->name) {
        ti_buf_addf(out, "            \"%s\") cmd=\"%s\" ;;\n", cmd->name, cmd->name);
    }
}

void ti_complete_bash(ti_buf *out)
{
    ti_buf_adds(out, "# bash completion for tern; made by 'tern completion bash'\n"
                     "_tern_more() { COMPREPLY+=($(compgen -W \"$1\" -- \"$cur\")); }\n"
                     "_tern_files() { compopt -o filenames 2>/dev/null;"
                     " COMPREPLY+=($(compgen -f -- \"$cur\")); }\n"
                     "_tern() {\n"
                     "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}"
                     " cmd= i\n"
                     "    COMPREPLY=()\n"
                     "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                     "        case \"${cmd:+$cmd }${COMP_WORDS[i]}\" in\n");
    ti_complete_each_cmd(out, &ti_cmd_tern, bash_path);
    ti_buf_adds(out, "        esac\n"
                     "    done\n"
                     "    case \"$cmd $prev\" in\n");
    ti_complete_each_cmd(out, &ti_cmd_tern, bash_values);
    ti_buf_adds(out, "    esac\n"
                     "    case \"$cmd\" in\n");
    ti_complete_each_cmd(out, &ti_cmd_tern, bash_command);
    ti_buf_adds(out, "    esac\n"
                     "}\n"
                     "complete -F _tern tern\n");
}
