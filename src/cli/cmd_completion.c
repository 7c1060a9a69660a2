/* SPDX-License-Identifier: Apache-2.0 */
/* Completion scripts, generated from the option tables: nothing in them is written twice.
 * Names of models are asked for when the key is pressed: `tern model list --names`. */
#include <string.h>

#include "cli/cmd.h"
#include "cli/models.h"
#include "cli/out.h"

static const ti_operand operands[] = {
    {.metavar = "SHELL",
     .help = "bash, zsh or fish",
     .choices = "bash|zsh|fish",
     .words = TI_WORDS_CHOICES},
    {0},
};

static bool at_end(const ti_opt *opt)
{
    return !opt->name && !opt->help;
}

/* Calls `visit` for the command's own options, then the common ones. */
typedef void (*visit_opt)(ti_buf *out, const ti_command *cmd, const ti_opt *opt);

static void each_opt(ti_buf *out, const ti_command *cmd, visit_opt visit)
{
    const ti_opt *tables[] = {cmd->opts, ti_common_opts};
    for (size_t t = 0; t < 2; t++) {
        for (const ti_opt *o = tables[t]; o && !at_end(o); o++) {
            if (o->type != TI_OPT_HEADING) {
                visit(out, cmd, o);
            }
        }
    }
}

/* Calls `visit` for every command that has options, subcommands included. */
typedef void (*visit_cmd)(ti_buf *out, const ti_command *cmd);

static void each_cmd(ti_buf *out, const ti_command *cmd, visit_cmd visit)
{
    visit(out, cmd);
    for (const ti_command *const *s = cmd->subs; s && *s; s++) {
        each_cmd(out, *s, visit);
    }
}

static bool takes_value(const ti_opt *opt)
{
    return opt->type != TI_OPT_FLAG && opt->type != TI_OPT_HELP;
}

static void add_choices(ti_buf *out, const char *choices)
{
    for (const char *c = choices; *c; c++) {
        ti_buf_addc(out, *c == '|' ? ' ' : *c);
    }
}

static void add_sub_words(ti_buf *out, const ti_command *cmd)
{
    for (const ti_command *const *s = cmd->subs; s && *s; s++) {
        ti_buf_addf(out, "%s%s", s == cmd->subs ? "" : " ", ti_command_word(*s));
    }
}

static void add_catalogue(ti_buf *out)
{
    for (const ti_catalogue_row *row = ti_catalogue; row->name; row++) {
        ti_buf_addf(out, "%s%s", row == ti_catalogue ? "" : " ", row->name);
    }
}

/* Words of the first operand. */
static const ti_operand *first_operand(const ti_command *cmd)
{
    return cmd->operands ? &cmd->operands[0] : NULL;
}

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
        add_catalogue(out);
        break;
    case TI_WORDS_COMMAND:
        ti_buf_adds(out, "_tern_more \"");
        add_sub_words(out, &ti_cmd_tern);
        break;
    case TI_WORDS_CHOICES:
        ti_buf_adds(out, "_tern_more \"");
        add_choices(out, choices);
        break;
    }
    ti_buf_adds(out, "\"");
}

static void bash_value(ti_buf *out, const ti_command *cmd, const ti_opt *opt)
{
    if (!takes_value(opt)) {
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
    each_opt(out, cmd, bash_value);
}

static void bash_name(ti_buf *out, const ti_command *cmd, const ti_opt *opt)
{
    (void)cmd;
    ti_buf_addf(out, " --%s", opt->name);
}

static void bash_command(ti_buf *out, const ti_command *cmd)
{
    const ti_operand *operand = first_operand(cmd);
    ti_buf_addf(out, "    \"%s\")\n        case $cur in -*) _tern_more \"", cmd->name);
    each_opt(out, cmd, bash_name);
    ti_buf_adds(out, "\"; return ;; esac\n");
    if (cmd->subs) {
        ti_buf_adds(out, "        _tern_more \"");
        add_sub_words(out, cmd);
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

static void write_bash(ti_buf *out)
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
    each_cmd(out, &ti_cmd_tern, bash_path);
    ti_buf_adds(out, "        esac\n"
                     "    done\n"
                     "    case \"$cmd $prev\" in\n");
    each_cmd(out, &ti_cmd_tern, bash_values);
    ti_buf_adds(out, "    esac\n"
                     "    case \"$cmd\" in\n");
    each_cmd(out, &ti_cmd_tern, bash_command);
    ti_buf_adds(out, "    esac\n"
                     "}\n"
                     "complete -F _tern tern\n");
}

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
        add_catalogue(out);
        ti_buf_adds(out, ")");
        break;
    case TI_WORDS_COMMAND:
        ti_buf_adds(out, "(");
        add_sub_words(out, &ti_cmd_tern);
        ti_buf_adds(out, ")");
        break;
    case TI_WORDS_CHOICES:
        ti_buf_adds(out, "(");
        add_choices(out, choices);
        ti_buf_adds(out, ")");
        break;
    }
}

static void zsh_opt(ti_buf *out, const ti_command *cmd, const ti_opt *opt)
{
    (void)cmd;
    const char *again = opt->type == TI_OPT_LIST ? "*" : "";
    const char *equals = takes_value(opt) ? "=" : "";
    for (int form = 0; form < (opt->letter ? 2 : 1); form++) {
        if (form == 0) {
            ti_buf_addf(out, "            '%s--%s%s[", again, opt->name, equals);
        } else {
            ti_buf_addf(out, "            '%s-%c[", again, opt->letter);
        }
        zsh_text(out, opt->help);
        ti_buf_adds(out, "]");
        if (takes_value(opt)) {
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
    each_opt(out, cmd, zsh_opt);
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

static void write_zsh(ti_buf *out)
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
    each_cmd(out, &ti_cmd_tern, zsh_path);
    ti_buf_adds(out, "        *) next=0 ;;\n"
                     "        esac\n"
                     "    done\n"
                     "    case \"$cmd\" in\n");
    each_cmd(out, &ti_cmd_tern, zsh_command);
    ti_buf_adds(out, "    esac\n"
                     "}\n"
                     "if [[ ${funcstack[1]} == _tern ]]; then _tern \"$@\";"
                     " else compdef _tern tern; fi\n");
}

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
        add_catalogue(out);
        break;
    case TI_WORDS_COMMAND:
        ti_buf_adds(out, " -f -a '");
        add_sub_words(out, &ti_cmd_tern);
        break;
    case TI_WORDS_CHOICES:
        ti_buf_adds(out, " -f -a '");
        add_choices(out, choices);
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
    if (takes_value(opt)) {
        ti_buf_adds(out, " -r");
        fish_words(out, opt->words, opt->choices);
    }
    ti_buf_adds(out, " -d '");
    fish_text(out, opt->help);
    ti_buf_adds(out, "'\n");
}

static void fish_command(ti_buf *out, const ti_command *cmd)
{
    const ti_operand *operand = first_operand(cmd);
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
    each_opt(out, cmd, fish_opt);
}

static void fish_path(ti_buf *out, const ti_command *cmd)
{
    if (*cmd->name) {
        ti_buf_addf(out, " \"%s\"", cmd->name);
    }
}

static void write_fish(ti_buf *out)
{
    ti_buf_adds(out, "# fish completion for tern; made by 'tern completion fish'\n"
                     "function __tern_at\n"
                     "    set -l cmd ''\n"
                     "    for word in (commandline -opc)[2..-1]\n"
                     "        set -l next (string trim \"$cmd $word\")\n"
                     "        if contains -- \"$next\"");
    each_cmd(out, &ti_cmd_tern, fish_path);
    ti_buf_adds(out, "\n"
                     "            set cmd \"$next\"\n"
                     "        end\n"
                     "    end\n"
                     "    test \"$cmd\" = \"$argv[1]\"\n"
                     "end\n");
    each_cmd(out, &ti_cmd_tern, fish_command);
}

/* --------------------------------------------------------------------------------------------
 */

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    static void (*const writers[])(ti_buf * out) = {write_bash, write_zsh, write_fish};
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
