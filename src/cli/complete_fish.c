/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/complete.h"

/* --- fish -----------------------------------------------------------------------------------
 */

static void fish_text(ti_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') {
            ti_buf_addc(out, '\\');
        }
        ti_buf_addc(out, *text);
    }
}

/* The start of a line that holds for one command. */
static void fish_start(ti_buf *out, const ti_command *cmd)
{
    ti_buf_addf(out, "complete -c tern -n '__tern_at \"%s\"'", cmd->name);
}

static void fish_words(ti_buf *out, ti_words words, const char *choices)
{
    switch (words) {
    case TI_WORDS_NONE:
        ti_buf_adds(out, " -f");
        return;
    case TI_WORDS_FILE:
        ti_buf_adds(out, " -F");
        return;
    case TI_WORDS_MODEL:
        ti_buf_adds(out, " -F -a '(tern model list --names 2>/dev/null)'");
        return;
    case TI_WORDS_CATALOGUE:
        ti_buf_adds(out, " -f -a '");
        ti_complete_add_catalogue(out);
        break;
    case TI_WORDS_COMMAND:
        ti_buf_adds(out, " -f -a '");
        ti_complete_add_commands(out, &ti_cmd_tern);
        break;
    case TI_WORDS_CHOICES:
        ti_buf_adds(out, " -f -a '");
        ti_complete_add_choices(out, choices);
        break;
    }
    ti_buf_adds(out, "'");
}

static void fish_opt(ti_buf *out, const ti_command *cmd, const ti_opt *opt)
{
    fish_start(out, cmd);
    ti_buf_addf(out, " -l %s", opt->name);
    if (opt->letter) {
        ti_buf_addf(out, " -s %c", opt->letter);
    }
    if (ti_complete_takes_value(opt)) {
        ti_buf_adds(out, " -r");
        fish_words(out, opt->words, opt->choices);
    }
    ti_buf_adds(out, " -d '");
    fish_text(out, opt->help);
    ti_buf_adds(out, "'\n");
}

static void fish_command(ti_buf *out, const ti_command *cmd)
{
    const ti_operand *operand = ti_complete_operand(cmd);
    for (const ti_command *const *s = cmd->subs; s && *s; s++) {
        fish_start(out, cmd);
        ti_buf_addf(out, " -f -a %s -d '", ti_command_word(*s));
        fish_text(out, (*s)->summary);
        ti_buf_adds(out, "'\n");
    }
    if (!cmd->subs) {
        fish_start(out, cmd);
        fish_words(out, operand ? operand->words : TI_WORDS_NONE,
                   operand ? operand->choices : NULL);
        ti_buf_adds(out, "\n");
    }
    ti_complete_each_opt(out, cmd, fish_opt);
}

static void fish_path(ti_buf *out, const ti_command *cmd)
{
    if (*cmd->name) {
        ti_buf_addf(out, " \"%s\"", cmd->name);
    }
}

void ti_complete_fish(ti_buf *out)
{
    ti_buf_adds(out, "# fish completion for tern; made by 'tern completion fish'\n"
                     "function __tern_at\n"
                     "    set -l cmd ''\n"
                     "    for word in (commandline -opc)[2..-1]\n"
                     "        set -l next (string trim \"$cmd $word\")\n"
                     "        if contains -- \"$next\"");
    ti_complete_each_cmd(out, &ti_cmd_tern, fish_path);
    ti_buf_adds(out, "\n"
                     "            set cmd \"$next\"\n"
                     "        end\n"
                     "    end\n"
                     "    test \"$cmd\" = \"$argv[1]\"\n"
                     "end\n");
    ti_complete_each_cmd(out, &ti_cmd_tern, fish_command);
}
