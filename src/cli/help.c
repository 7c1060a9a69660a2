/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/out.h"

enum { WIDTH = 80, HELP_COLUMN = 26, COMMAND_COLUMN = 14 };

const char *ti_command_word(const ti_command *cmd)
{
    const char *space = strrchr(cmd->name, ' ');
    return space ? space + 1 : cmd->name;
}

/* --- text --------------------------------------------------------------------------------- */

/* Adds words, broken into lines; the first line starts at column `at`, the others at
 * `indent`.  Ends with a newline. */
static void add_wrapped(ti_buf *out, const char *text, size_t at, size_t indent)
{
    size_t start = at;
    while (*text) {
        size_t n = strcspn(text, " \n");
        if (at > start && at + 1 + n > WIDTH) {
            ti_buf_addf(out, "\n%*s", (int)indent, "");
            at = start = indent;
        }
        if (at > start) {
            ti_buf_addc(out, ' ');
            at++;
        }
        ti_buf_add(out, text, n);
        at += n;
        text += n;
        text += strspn(text, " \n");
    }
    ti_buf_addc(out, '\n');
}

/* Paragraphs, separated by an empty line. */
static void add_paragraphs(ti_buf *out, const char *text)
{
    for (;;) {
        const char *end = strstr(text, "\n\n");
        char *part = end ? strndup(text, (size_t)(end - text)) : strdup(text);
        if (!part) {
            out->failed = true;
            return;
        }
        add_wrapped(out, part, 0, 0);
        free(part);
        if (!end) {
            return;
        }
        ti_buf_addc(out, '\n');
        text = end + 2;
    }
}

void ti_help_usage(ti_buf *out, const ti_command *cmd)
{
    ti_buf_addf(out, "tern%s%s", *cmd->name ? " " : "", cmd->name);
    ti_buf_adds(out, cmd->subs && !cmd->run ? " COMMAND [OPTION]..." : " [OPTION]...");
    ti_buf_adds(out, cmd->runs_others ? " --" : "");
    for (const ti_operand *o = cmd->operands; o && o->metavar; o++) {
        ti_buf_addf(out, o->optional ? " [%s]" : " %s", o->metavar);
        ti_buf_adds(out, o->repeated ? "..." : "");
    }
}

static void add_heading(ti_buf *out, const char *text)
{
    ti_buf_addf(out, "\n%s%s:%s\n", ti_bold(), text, ti_plain());
}

/* The default in parentheses, or nothing. */
static void format_note(char *note, size_t cap, const ti_opt *opt, const void *defaults)
{
    char value[96];
    ti_opt_default(value, sizeof value, opt, defaults);
    if (*value) {
        snprintf(note, cap, " (default: %s)", value);
    } else {
        note[0] = '\0';
    }
}

static void add_option_line(ti_buf *out, const ti_opt *opt, const void *defaults)
{
    char left[96], note[128];
    int n = snprintf(left, sizeof left, opt->letter ? "  -%c, --%s" : "    %c --%s",
                     opt->letter ? opt->letter : ' ', opt->name);
    if (opt->metavar && n > 0 && (size_t)n < sizeof left) {
        n += snprintf(left + n, sizeof left - (size_t)n, " %s", opt->metavar);
    }
    ti_buf_adds(out, left);
    if (n + 2 > HELP_COLUMN) {
        ti_buf_addf(out, "\n%*s", HELP_COLUMN, "");
    } else {
        ti_buf_addf(out, "%*s", HELP_COLUMN - n, "");
    }
    ti_buf help = {0};
    format_note(note, sizeof note, opt, defaults);
    ti_buf_addf(&help, "%s%s", opt->help, note);
    if (opt->choices) {
        ti_buf_addf(&help, "; one of %s", opt->choices);
    }
    out->failed = out->failed || help.failed;
    add_wrapped(out, help.failed ? "" : help.data, HELP_COLUMN, HELP_COLUMN);
    ti_buf_free(&help);
}

static void add_options(ti_buf *out, const ti_command *cmd)
{
    const ti_opt *tables[] = {cmd->opts, ti_common_opts};
    bool heading_due = true;
    for (size_t t = 0; t < 2; t++) {
        /* The common options stand under their own heading when the command has several. */
        if (t == 1 && cmd->opts) {
            add_heading(out, "Common options");
            heading_due = false;
        }
        for (const ti_opt *o = tables[t]; o && !ti_opt_at_end(o); o++) {
            if (o->type == TI_OPT_HEADING) {
                add_heading(out, o->help);
            } else {
                if (heading_due) {
                    add_heading(out, "Options");
                }
                add_option_line(out, o, t == 0 ? cmd->defaults : NULL);
            }
            heading_due = false;
        }
    }
}

static void add_commands(ti_buf *out, const ti_command *cmd)
{
    add_heading(out, "Commands");
    for (const ti_command *const *s = cmd->subs; *s; s++) {
        ti_buf_addf(out, "  %-*s", COMMAND_COLUMN - 2, ti_command_word(*s));
        add_wrapped(out, (*s)->summary, COMMAND_COLUMN, COMMAND_COLUMN);
    }
}

static void add_operands(ti_buf *out, const ti_command *cmd)
{
    if (!cmd->operands) {
        return;
    }
    add_heading(out, "Arguments");
    for (const ti_operand *o = cmd->operands; o->metavar; o++) {
        ti_buf_addf(out, "  %-*s", HELP_COLUMN - 2, o->metavar);
        add_wrapped(out, o->help, HELP_COLUMN, HELP_COLUMN);
    }
}

static void add_examples(ti_buf *out, const char *examples)
{
    if (!examples) {
        return;
    }
    add_heading(out, "Examples");
    for (const char *line = examples; *line;) {
        size_t n = strcspn(line, "\n");
        ti_buf_addf(out, "  %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

void ti_help_text(ti_buf *out, const ti_command *cmd)
{
    ti_buf_addf(out, "%sUsage:%s ", ti_bold(), ti_plain());
    ti_help_usage(out, cmd);
    if (cmd->subs && cmd->run) {
        ti_buf_addf(out, "\n       tern %s COMMAND [OPTION]...", cmd->name);
    }
    ti_buf_adds(out, "\n\n");
    add_paragraphs(out, cmd->description);
    add_operands(out, cmd);
    if (cmd->subs) {
        add_commands(out, cmd);
    }
    add_options(out, cmd);
    add_examples(out, cmd->examples);
    if (cmd->subs) {
        ti_buf_addf(out, "\n'tern help %s%sCOMMAND' tells more about each.\n", cmd->name,
                    *cmd->name ? " " : "");
    }
}

/* --- JSON --------------------------------------------------------------------------------- */

static const char *type_name(const ti_opt *opt)
{
    switch (opt->type) {
    case TI_OPT_STR:
    case TI_OPT_CHOICE:
        return opt->choices ? "choice" : "string";
    case TI_OPT_LIST:
        return "strings";
    case TI_OPT_U32:
    case TI_OPT_U64:
        return "integer";
    case TI_OPT_F32:
        return "number";
    case TI_OPT_FLAG:
    case TI_OPT_HELP:
    case TI_OPT_HEADING:
        break;
    }
    return "flag";
}

static void add_json_choices(ti_buf *out, const char *choices)
{
    size_t len;
    const char *at;
    ti_json_open(out, "choices", '[');
    for (size_t i = 0; (at = ti_choice_at(choices, i, &len)) != NULL; i++) {
        ti_json_strn(out, NULL, at, len);
    }
    ti_json_close(out, ']');
}

static void add_json_option(ti_buf *out, const ti_opt *opt, const char *group,
                            const void *defaults)
{
    char text[96];
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "name", opt->name);
    if (opt->letter) {
        ti_json_strn(out, "short", &opt->letter, 1);
    }
    ti_json_str(out, "type", type_name(opt));
    if (opt->metavar) {
        ti_json_str(out, "metavar", opt->metavar);
    }
    ti_json_str(out, "help", opt->help);
    ti_json_str(out, "group", group);
    ti_opt_default(text, sizeof text, opt, defaults);
    if (*text) {
        ti_json_str(out, "default", text);
    }
    if (opt->choices) {
        add_json_choices(out, opt->choices);
    }
    if (opt->min != 0 || opt->max != 0) {
        ti_json_num(out, "min", opt->min, 17);
        ti_json_num(out, "max", opt->max, 17);
    }
    ti_json_close(out, '}');
}

void ti_help_json(ti_buf *out, const ti_command *cmd)
{
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "schema", "tern.help/1");
    ti_json_str(out, "command", cmd->name);
    ti_json_str(out, "summary", cmd->summary);
    ti_buf usage = {0};
    ti_help_usage(&usage, cmd);
    out->failed = out->failed || usage.failed;
    ti_json_str(out, "usage", usage.failed ? "" : usage.data);
    ti_buf_free(&usage);
    ti_json_open(out, "arguments", '[');
    for (const ti_operand *o = cmd->operands; o && o->metavar; o++) {
        ti_json_open(out, NULL, '{');
        ti_json_str(out, "metavar", o->metavar);
        ti_json_str(out, "help", o->help);
        ti_json_bool(out, "optional", o->optional);
        ti_json_bool(out, "repeated", o->repeated);
        ti_json_close(out, '}');
    }
    ti_json_close(out, ']');
    ti_json_open(out, "commands", '[');
    for (const ti_command *const *s = cmd->subs; s && *s; s++) {
        ti_json_open(out, NULL, '{');
        ti_json_str(out, "name", ti_command_word(*s));
        ti_json_str(out, "summary", (*s)->summary);
        ti_json_close(out, '}');
    }
    ti_json_close(out, ']');
    ti_json_open(out, "options", '[');
    const char *group = "Options";
    for (const ti_opt *o = cmd->opts; o && !ti_opt_at_end(o); o++) {
        if (o->type == TI_OPT_HEADING) {
            group = o->help;
        } else {
            add_json_option(out, o, group, cmd->defaults);
        }
    }
    for (const ti_opt *o = ti_common_opts; !ti_opt_at_end(o); o++) {
        add_json_option(out, o, "Common options", NULL);
    }
    ti_json_close(out, ']');
    ti_json_close(out, '}');
}

/* --- mdoc --------------------------------------------------------------------------------- */

/* Text of a manual page: a sentence with a capital and a full stop; no line may begin with a
 * control character, and backslashes are roff's. */
static void add_man_sentence(ti_buf *out, const char *text)
{
    bool begins = true; /* a line of the page */
    for (size_t i = 0; text[i]; i++) {
        char c = text[i];
        if (i == 0 && c >= 'a' && c <= 'z' && !(text[1] >= '0' && text[1] <= '9')) {
            c = (char)(c - 'a' + 'A');
        }
        if (begins && (c == '.' || c == '\'')) {
            ti_buf_adds(out, "\\&");
        }
        begins = false;
        if (c == '\\') {
            ti_buf_adds(out, "\\e");
        } else if (c == ';' && text[i + 1] == ' ') {
            ti_buf_adds(out, ";\n"); /* clauses on their own lines keep the source readable */
            begins = true;
            i++;
        } else {
            ti_buf_addc(out, c);
        }
    }
    ti_buf_adds(out, ".\n");
}

static void add_man_option(ti_buf *out, const ti_opt *opt, const void *defaults)
{
    char value[96];
    ti_buf_adds(out, ".It");
    if (opt->letter) {
        ti_buf_addf(out, " Fl %c ,", opt->letter);
    }
    ti_buf_addf(out, " Fl -%s", opt->name);
    if (opt->metavar) {
        ti_buf_addf(out, " Ar %s", opt->metavar);
    }
    ti_buf_addc(out, '\n');
    add_man_sentence(out, opt->help);
    if (opt->choices) {
        size_t len;
        const char *at;
        ti_buf_adds(out, "One of");
        for (size_t i = 0; (at = ti_choice_at(opt->choices, i, &len)) != NULL; i++) {
            ti_buf_addf(out, "%s\n.Cm %.*s", i ? " ," : "", (int)len, at);
        }
        ti_buf_adds(out, " .\n");
    }
    ti_opt_default(value, sizeof value, opt, defaults);
    if (*value) {
        ti_buf_addf(out, "Default: %s.\n", value);
    }
}

static bool has_headings(const ti_command *cmd)
{
    for (const ti_opt *o = cmd->opts; o && !ti_opt_at_end(o); o++) {
        if (o->type == TI_OPT_HEADING) {
            return true;
        }
    }
    return false;
}

void ti_help_man_options(ti_buf *out, const ti_command *cmd)
{
    const ti_opt *tables[] = {cmd->opts, ti_common_opts};
    bool headings = has_headings(cmd), open = false;
    for (size_t t = 0; t < 2; t++) {
        if (t == 1 && headings) {
            ti_buf_addf(out, "%s.Pp\n.Em Common options\n", open ? ".El\n" : "");
            open = false;
        }
        for (const ti_opt *o = tables[t]; o && !ti_opt_at_end(o); o++) {
            if (o->type == TI_OPT_HEADING) {
                ti_buf_addf(out, "%s.Pp\n.Em %s\n", open ? ".El\n" : "", o->help);
                open = false;
                continue;
            }
            ti_buf_adds(out, open ? "" : ".Bl -tag -width Ds\n");
            open = true;
            add_man_option(out, o, t == 0 ? cmd->defaults : NULL);
        }
    }
    ti_buf_adds(out, ".El\n");
}

void ti_help_man_commands(ti_buf *out, const ti_command *cmd)
{
    ti_buf_adds(out, ".Bl -tag -width completion\n");
    for (const ti_command *const *s = cmd->subs; s && *s; s++) {
        ti_buf_addf(out, ".It Cm %s\n", ti_command_word(*s));
        add_man_sentence(out, (*s)->summary);
    }
    ti_buf_adds(out, ".El\n");
}

void ti_help_man_exit(ti_buf *out)
{
    static const struct {
        int code;
        const char *text;
    } rows[] = {
#define ROW(name, value, exit_code, text) {exit_code, text},
        TERN_STATUS_TABLE(ROW)
#undef ROW
    };
    ti_buf_adds(out, ".Bl -tag -width 128+n\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool again = i > 0 && rows[i].code == rows[i - 1].code;
        if (!again) {
            ti_buf_addf(out, ".It %d\n", rows[i].code);
        }
        add_man_sentence(out, rows[i].text);
    }
    ti_buf_adds(out, ".It 128+n\nEnded by signal n.\n.El\n");
}

tern_status ti_help_print(const ti_command *cmd, bool json, tern_err *err)
{
    ti_buf out = {0};
    tern_status status = TERN_OK;
    if (json) {
        ti_help_json(&out, cmd);
        status = ti_print_json(&out, err);
    } else {
        ti_help_text(&out, cmd);
        if (out.failed) {
            status = ti_fail_nomem(err, "help", out.len, "the text");
        } else {
            ti_print(out.data);
        }
    }
    ti_buf_free(&out);
    return status;
}
