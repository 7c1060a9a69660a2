/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/opt.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/out.h"

const ti_opt ti_common_opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "quiet",
     .letter = 'q',
     .help = "print results and errors only",
     .offset = offsetof(ti_common, quiet)},
    {.type = TI_OPT_CHOICE,
     .name = "color",
     .metavar = "WHEN",
     .help = "colour the output; auto means on a terminal, unless NO_COLOR is set",
     .fallback = "auto",
     .choices = "auto|always|never",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(ti_common, color)},
    {.type = TI_OPT_HELP,
     .name = "help",
     .letter = 'h',
     .help = "show this help; --help=json prints the option table as JSON",
     .offset = offsetof(ti_common, help)},
    {0},
};

/* --- choices ------------------------------------------------------------------------------ */

const char *ti_choice_at(const char *choices, size_t i, size_t *len)
{
    const char *at = choices;
    for (; i > 0; i--) {
        at = strchr(at, '|');
        if (!at) {
            return NULL;
        }
        at++;
    }
    const char *end = strchr(at, '|');
    *len = end ? (size_t)(end - at) : strlen(at);
    return at;
}

int ti_choice_index(const char *choices, const char *text, size_t len)
{
    size_t n;
    const char *at;
    for (int i = 0; (at = ti_choice_at(choices, (size_t)i, &n)) != NULL; i++) {
        if (n == len && memcmp(at, text, len) == 0) {
            return i;
        }
    }
    return -1;
}

/* --- near misses -------------------------------------------------------------------------- */

enum { WORD_MAX = 31 };

static unsigned min_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned ti_edit_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > WORD_MAX || lb > WORD_MAX) {
        return UINT_MAX;
    }
    unsigned d[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= la; i++) {
        d[i][0] = (unsigned)i;
    }
    for (size_t j = 0; j <= lb; j++) {
        d[0][j] = (unsigned)j;
    }
    for (size_t i = 1; i <= la; i++) {
        for (size_t j = 1; j <= lb; j++) {
            unsigned cost = a[i - 1] != b[j - 1];
            d[i][j] = min_of(d[i - 1][j - 1] + cost, min_of(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                d[i][j] = min_of(d[i][j], d[i - 2][j - 2] + 1);
            }
        }
    }
    return d[la][lb];
}

void ti_nearest(const char *word, const char *candidate, const char **best, unsigned *distance)
{
    unsigned d = ti_edit_distance(word, candidate);
    unsigned allowed = (unsigned)(strlen(candidate) + 2) / 3;
    if (d <= allowed && d < *distance) {
        *best = candidate;
        *distance = d;
    }
}

/* --- finding an option ---------------------------------------------------------------------
 */

/* An option and the struct that its offset counts from. */
typedef struct place {
    const ti_opt *opt;
    char *base;
} place;

typedef struct parser {
    const ti_command *cmd;
    char *args;
    ti_common *common;
    int argc, at; /* `at` = the next argument to read */
    char **argv;
    tern_err *err;
} parser;

static bool name_is(const ti_opt *opt, const char *name, size_t len)
{
    return opt->name && strlen(opt->name) == len && memcmp(opt->name, name, len) == 0;
}

/* Finds by name (letter 0) or by letter (name NULL). */
static place find(const parser *p, const char *name, size_t len, char letter)
{
    const ti_opt *tables[] = {p->cmd->opts, ti_common_opts};
    char *bases[] = {p->args, (char *)p->common};
    for (size_t t = 0; t < 2; t++) {
        for (const ti_opt *o = tables[t]; o && !ti_opt_at_end(o); o++) {
            if (name ? name_is(o, name, len) : o->letter && o->letter == letter) {
                return (place){.opt = o, .base = bases[t]};
            }
        }
    }
    return (place){0};
}

static tern_status unknown_option(const parser *p, const char *name, size_t len)
{
    char word[WORD_MAX + 1];
    const char *best = NULL;
    unsigned distance = UINT_MAX;
    if (len <= WORD_MAX) {
        memcpy(word, name, len);
        word[len] = '\0';
        const ti_opt *tables[] = {p->cmd->opts, ti_common_opts};
        for (size_t t = 0; t < 2; t++) {
            for (const ti_opt *o = tables[t]; o && !ti_opt_at_end(o); o++) {
                if (o->name) {
                    ti_nearest(word, o->name, &best, &distance);
                }
            }
        }
    }
    if (best) {
        ti_hint("did you mean '--%s'?", best);
    } else {
        ti_hint("'tern %s%s--help' lists the options", p->cmd->name, *p->cmd->name ? " " : "");
    }
    return ti_fail(p->err, TERN_USAGE, p->cmd->name, TI_NO_OFFSET, "unknown option '--%.*s'",
                   (int)(len < 64 ? len : 64), name);
}

/* --- values --------------------------------------------------------------------------------
 */

static tern_status bad_value(const parser *p, const ti_opt *opt, const char *text,
                             const char *wanted)
{
    return ti_fail(p->err, TERN_USAGE, p->cmd->name, TI_NO_OFFSET,
                   "option '--%s': '%.64s' is not %s", opt->name, text, wanted);
}

static tern_status set_number(const parser *p, const ti_opt *opt, void *value, const char *text)
{
    char wanted[96];
    bool bounded = opt->min != 0 || opt->max != 0;
    uint64_t limit = opt->type == TI_OPT_U32 ? UINT32_MAX : UINT64_MAX;
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    /* strtoull takes a sign and leading blanks: a count has neither. */
    bool number = text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && n <= limit;
    if (!bounded) {
        snprintf(wanted, sizeof wanted, "a whole number up to %llu", (unsigned long long)limit);
    } else {
        snprintf(wanted, sizeof wanted, "a whole number from %.0f to %.0f", opt->min, opt->max);
    }
    if (!number || (bounded && ((double)n < opt->min || (double)n > opt->max))) {
        return bad_value(p, opt, text, wanted);
    }
    if (opt->type == TI_OPT_U32) {
        *(uint32_t *)value = (uint32_t)n;
    } else {
        *(uint64_t *)value = n;
    }
    return TERN_OK;
}

static tern_status set_float(const parser *p, const ti_opt *opt, void *value, const char *text)
{
    char wanted[96], *end;
    float f = strtof(text, &end);
    bool bounded = opt->min != 0 || opt->max != 0;
    bool number = end != text && *end == '\0' && isfinite(f) && text[0] > ' ';
    if (bounded) {
        snprintf(wanted, sizeof wanted, "a number from %g to %g", opt->min, opt->max);
    } else {
        snprintf(wanted, sizeof wanted, "a number");
    }
    if (!number || (bounded && ((double)f < opt->min || (double)f > opt->max))) {
        return bad_value(p, opt, text, wanted);
    }
    *(float *)value = f;
    return TERN_OK;
}

static tern_status add_to_list(const parser *p, const ti_opt *opt, void *value,
                               const char *text)
{
    ti_opt_list *list = value;
    if (list->n == TI_OPT_LIST_MAX) {
        return ti_fail(p->err, TERN_USAGE, p->cmd->name, TI_NO_OFFSET,
                       "option '--%s' is given more than %d times", opt->name, TI_OPT_LIST_MAX);
    }
    list->items[list->n++] = text;
    return TERN_OK;
}

static tern_status set_value(const parser *p, place where, const char *text)
{
    const ti_opt *opt = where.opt;
    void *value = where.base + opt->offset;
    int index = 0;
    if (opt->choices && opt->type != TI_OPT_LIST) {
        index = ti_choice_index(opt->choices, text, strlen(text));
        if (index < 0) {
            char wanted[160];
            snprintf(wanted, sizeof wanted, "one of %s", opt->choices);
            return bad_value(p, opt, text, wanted);
        }
    }
    switch (opt->type) {
    case TI_OPT_STR:
        *(const char **)value = text;
        return TERN_OK;
    case TI_OPT_CHOICE:
        *(uint32_t *)value = (uint32_t)index;
        return TERN_OK;
    case TI_OPT_LIST:
        return add_to_list(p, opt, value, text);
    case TI_OPT_U32:
    case TI_OPT_U64:
        return set_number(p, opt, value, text);
    case TI_OPT_F32:
        return set_float(p, opt, value, text);
    case TI_OPT_HELP:
        if (strcmp(text, "json") != 0) {
            return bad_value(p, opt, text, "json");
        }
        *(uint32_t *)value = 2;
        return TERN_OK;
    case TI_OPT_FLAG:
    case TI_OPT_HEADING:
        break;
    }
    return ti_fail(p->err, TERN_USAGE, p->cmd->name, TI_NO_OFFSET,
                   "option '--%s' takes no value", opt->name);
}

/* Options that stand alone: sets them and returns true. */
static bool set_alone(place where)
{
    if (where.opt->type == TI_OPT_FLAG) {
        *(bool *)(void *)(where.base + where.opt->offset) = true;
        return true;
    }
    if (where.opt->type == TI_OPT_HELP) {
        *(uint32_t *)(void *)(where.base + where.opt->offset) = 1;
        return true;
    }
    return false;
}

static tern_status value_from_next(parser *p, place where)
{
    if (p->at == p->argc) {
        return ti_fail(p->err, TERN_USAGE, p->cmd->name, TI_NO_OFFSET,
                       "option '--%s' needs a value (%s)", where.opt->name, where.opt->metavar);
    }
    return set_value(p, where, p->argv[p->at++]);
}

/* --- arguments ------------------------------------------------------------------------------
 */

static tern_status parse_long(parser *p, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    place where = find(p, text, len, 0);
    if (!where.opt) {
        return unknown_option(p, text, len);
    }
    if (equals) {
        return set_value(p, where, equals + 1);
    }
    if (set_alone(where)) {
        return TERN_OK;
    }
    return value_from_next(p, where);
}

/* A cluster: letters without a value, then at most one with. */
static tern_status parse_short(parser *p, const char *text)
{
    for (; *text; text++) {
        place where = find(p, NULL, 0, *text);
        if (!where.opt) {
            ti_hint("'tern %s%s--help' lists the options", p->cmd->name,
                    *p->cmd->name ? " " : "");
            return ti_fail(p->err, TERN_USAGE, p->cmd->name, TI_NO_OFFSET,
                           "unknown option '-%c'", *text);
        }
        if (set_alone(where)) {
            continue;
        }
        if (text[1]) {
            return set_value(p, where, text[1] == '=' ? text + 2 : text + 1);
        }
        return value_from_next(p, where);
    }
    return TERN_OK;
}

static tern_status check_operands(const parser *p, int n)
{
    int least = 0, most = 0;
    const char *missing = NULL;
    for (const ti_operand *o = p->cmd->operands; o && o->metavar; o++) {
        if (!o->optional) {
            least++;
            missing = !missing && least > n ? o->metavar : missing;
        }
        most = o->repeated ? INT_MAX : most + 1;
    }
    if (n < least) {
        ti_hint("'tern %s --help' shows how it is used", p->cmd->name);
        return ti_fail(p->err, TERN_USAGE, p->cmd->name, TI_NO_OFFSET, "%s is missing",
                       missing);
    }
    if (n > most) {
        ti_hint("'tern %s --help' shows how it is used", p->cmd->name);
        return ti_fail(p->err, TERN_USAGE, p->cmd->name, TI_NO_OFFSET,
                       "'%.64s' is one argument too many", p->argv[most]);
    }
    return TERN_OK;
}

tern_status ti_opt_parse(const ti_command *cmd, void *args, ti_common *common,
                         ti_operands *operands, int argc, char **argv, tern_err *err)
{
    parser p = {
        .cmd = cmd, .args = args, .common = common, .argc = argc, .argv = argv, .err = err};
    int n = 0;
    while (p.at < argc) {
        char *arg = argv[p.at++];
        bool theirs = cmd->runs_others && arg[0] != '-';
        if (theirs) {
            argv[n++] = arg;
        }
        if (theirs || strcmp(arg, "--") == 0) {
            while (p.at < argc) {
                argv[n++] = argv[p.at++];
            }
        } else if (arg[0] == '-' && arg[1] == '-') {
            TI_TRY(parse_long(&p, arg + 2));
        } else if (arg[0] == '-' && arg[1]) {
            TI_TRY(parse_short(&p, arg + 1));
        } else {
            argv[n++] = arg;
        }
    }
    if (!common->help && !cmd->subs) {
        TI_TRY(check_operands(&p, n));
    }
    *operands = (ti_operands){.items = argv, .n = n};
    return TERN_OK;
}

/* --- defaults -------------------------------------------------------------------------------
 */

void ti_opt_default(char *out, size_t cap, const ti_opt *opt, const void *defaults)
{
    out[0] = '\0';
    if (opt->fallback || !defaults) {
        snprintf(out, cap, "%s", opt->fallback ? opt->fallback : "");
        return;
    }
    const void *value = (const char *)defaults + opt->offset;
    size_t len = 0;
    switch (opt->type) {
    case TI_OPT_STR:
        if (*(const char *const *)value) {
            snprintf(out, cap, "%s", *(const char *const *)value);
        }
        break;
    case TI_OPT_CHOICE: {
        const char *name = ti_choice_at(opt->choices, *(const uint32_t *)value, &len);
        snprintf(out, cap, "%.*s", (int)len, name);
        break;
    }
    case TI_OPT_U32:
        if (*(const uint32_t *)value) {
            snprintf(out, cap, "%u", (unsigned)*(const uint32_t *)value);
        }
        break;
    case TI_OPT_U64:
        snprintf(out, cap, "%llu", (unsigned long long)*(const uint64_t *)value);
        break;
    case TI_OPT_F32:
        snprintf(out, cap, "%g", (double)*(const float *)value);
        break;
    case TI_OPT_LIST:
    case TI_OPT_FLAG:
    case TI_OPT_HELP:
    case TI_OPT_HEADING:
        break;
    }
}
