/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/complete.h"

#include "cli/models.h"

void ti_complete_each_opt(ti_buf *out, const ti_command *cmd, ti_complete_opt_fn visit)
{
    const ti_opt *tables[] = {cmd->opts, ti_common_opts};
    for (size_t t = 0; t < 2; t++) {
        for (const ti_opt *o = tables[t]; o && !ti_opt_at_end(o); o++) {
            if (o->type != TI_OPT_HEADING) {
                visit(out, cmd, o);
            }
        }
    }
}

void ti_complete_each_cmd(ti_buf *out, const ti_command *cmd, ti_complete_cmd_fn visit)
{
    visit(out, cmd);
    for (const ti_command *const *s = cmd->subs; s && *s; s++) {
        ti_complete_each_cmd(out, *s, visit);
    }
}

bool ti_complete_takes_value(const ti_opt *opt)
{
    return opt->type != TI_OPT_FLAG && opt->type != TI_OPT_HELP;
}

void ti_complete_add_choices(ti_buf *out, const char *choices)
{
    for (const char *c = choices; *c; c++) {
        ti_buf_addc(out, *c == '|' ? ' ' : *c);
    }
}

void ti_complete_add_commands(ti_buf *out, const ti_command *cmd)
{
    for (const ti_command *const *s = cmd->subs; s && *s; s++) {
        ti_buf_addf(out, "%s%s", s == cmd->subs ? "" : " ", ti_command_word(*s));
    }
}

void ti_complete_add_catalogue(ti_buf *out)
{
    const char *blank = "";
    for (const ti_catalogue_row *row = ti_catalogue; row->name; row++) {
        if (row->url) {
            ti_buf_addf(out, "%s%s", blank, row->name);
            blank = " ";
        }
    }
}

const ti_operand *ti_complete_operand(const ti_command *cmd)
{
    return cmd->operands ? &cmd->operands[0] : NULL;
}
