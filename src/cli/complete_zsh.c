/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/complete.h"

/* --- zsh ------------------------------------------------------------------------------------
 */

/* Text inside '...' inside [...]: what _arguments would take for syntax is escaped. */
static void zsh_text(ti_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'') {
            ti_buf_adds(out, "'\\''");
        } else if (strchr("[]:\\", *text)) {
            ti_buf_addf(out, "\\%c", *text);
        } else {
            ti_buf_addc(out, *text);
        }
    }
}

static void zsh_words(ti_buf *out, ti_words words, const char *choices)
{
    switch (words) {
    case TI_WORDS_NONE:
        ti_buf_adds(out, " ");
        break;
    case TI_WORDS_FILE:
        ti_buf_adds(out, "_files");
        break;
    case TI_WORDS_MODEL:
        ti_buf_adds(out, "_tern_models");
        break;
    case TI_WORDS_CATALOGUE:
        ti_buf_adds(out, "(");
        ti_complete_add_catalogue(out);
        ti_buf_adds(out, ")");
        break;
    case TI_WORDS_COMMAND:
        ti_buf_adds(out, "(");
        ti_complete_add_commands(out, &ti_cmd_tern);
        ti_buf_adds(out, ")");
        break;
    case TI_WORDS_CHOICES:
        ti_buf_adds(out, "(");
        ti_complete_add_choices(out, choices);
        ti_buf_adds(out, ")");
        break;
    }
}

static void zsh_opt(ti_buf *out, const ti_command *cmd, const ti_opt *opt)
{
    (void)cmd;
    const char *again = opt->type == TI_OPT_LIST ? "*" : "";
    const char *equals = ti_complete_takes_value(opt) ? "=" : "";
    for (int form = 0; form < (opt->letter ? 2 : 1); form++) {
        if (form == 0) {
            ti_buf_addf(out, "            '%s--%s%s[", again, opt->name, equals);
        } else {
            ti_buf_addf(out, "            '%s-%c[", again, opt->letter);
        }
        zsh_text(out, opt->help);
        ti_buf_adds(out, "]");
        if (ti_complete_takes_value(opt)) {
            ti_buf_addf(out, ":%s:", opt->metavar);
            zsh_words(out, opt->words, opt->choices);
        }
        ti_buf_adds(out, "' \\\n");
    }
}

static void zsh_subs(ti_buf *out, const ti_command *cmd)
{
    ti_buf_adds(out, "        local -a commands=(\n");
    for (const ti_command *const *s = cmd->subs; *s; s++) {
        ti_buf_addf(out, "            '%s:", ti_command_word(*s));
        zsh_text(out, (*s)->summary);
        ti_buf_adds(out, "'\n");
    }
    ti_buf_adds(out, "        )\n        _describe command commands ;;\n");
}

static void zsh_command(ti_buf *out, const ti_command *cmd)
{
    ti_buf_addf(out, "    \"%s\")\n", cmd->name);
    if (cmd->subs) {
        zsh_subs(out, cmd);
        return;
    }
    ti_buf_adds(out, "        _arguments -s \\\n");
    ti_complete_each_opt(out, cmd, zsh_opt);
    for (const ti_operand *o = cmd->operands; o && o->metavar; o++) {
        /* "N:message:words", "*:..." for the rest */
        ti_buf_addf(out, "            '%s:%s:", o->repeated ? "*" : "", o->metavar);
        zsh_words(out, o->words, o->choices);
        ti_buf_adds(out, "' \\\n");
    }
    ti_buf_adds(out, "            && return ;;\n");
}

static void zsh_path(ti_buf *out, const ti_command *cmd)
{
    if (*cmd->name) {
        ti_buf_addf(out, "        \"%s\") cmd=\"%s\"; shift words; (( CURRENT-- )) ;;\n",
                    cmd->name, cmd->name);
    }
}

void ti_complete_zsh(ti_buf *out)
{
    ti_buf_adds(out, "#compdef tern\n"
                     "# zsh completion for tern; made by 'tern completion zsh'\n"
                     "_tern_models() {\n"
                     "    local -a names=(${(f)\"$(tern model list --names 2>/dev/null)\"})\n"
                     "    compadd -a names\n"
                     "    _files\n"
                     "}\n"
                     "_tern() {\n"
                     "    local cmd= next=1\n"
                     "    while (( CURRENT > 2 && next )); do\n"
                     "        case \"${cmd:+$cmd }${words[2]}\" in\n");
    ti_complete_each_cmd(out, &ti_cmd_tern, zsh_path);
    ti_buf_adds(out, "        *) next=0 ;;\n"
                     "        esac\n"
                     "    done\n"
                     "    case \"$cmd\" in\n");
    ti_complete_each_cmd(out, &ti_cmd_tern, zsh_command);
    ti_buf_adds(out, "    esac\n"
                     "}\n"
                     "if [[ ${funcstack[1]} == _tern ]]; then _tern \"$@\";"
                     " else compdef _tern tern; fi\n");
}
