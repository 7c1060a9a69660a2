/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: parsing, limits, mistakes, defaults, and the forms that are made from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <limits.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/out.h"

typedef struct values {
    bool flag, other;
    const char *text, *kind;
    ti_opt_list list;
    uint32_t small, any, choice;
    uint64_t large;
    float number;
} values;

static const values defaults = {.small = 7, .number = 0.5f, .text = "here"};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "flag",
     .letter = 'f',
     .help = "a flag",
     .offset = offsetof(values, flag)},
    {.type = TI_OPT_FLAG,
     .name = "other",
     .letter = 'o',
     .help = "another",
     .offset = offsetof(values, other)},
    {.type = TI_OPT_STR,
     .name = "text",
     .letter = 't',
     .metavar = "TEXT",
     .help = "a text",
     .offset = offsetof(values, text)},
    {.type = TI_OPT_HEADING, .help = "More"},
    {.type = TI_OPT_STR,
     .name = "kind",
     .metavar = "KIND",
     .help = "one of some",
     .choices = "red|green|blue",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(values, kind)},
    {.type = TI_OPT_LIST,
     .name = "item",
     .letter = 'i',
     .metavar = "ITEM",
     .help = "again; and again",
     .offset = offsetof(values, list)},
    {.type = TI_OPT_U32,
     .name = "small",
     .letter = 'n',
     .metavar = "N",
     .help = "1 to 10",
     .min = 1,
     .max = 10,
     .offset = offsetof(values, small)},
    {.type = TI_OPT_U32,
     .name = "any",
     .metavar = "N",
     .help = "any 32 bits",
     .fallback = "as it comes",
     .offset = offsetof(values, any)},
    {.type = TI_OPT_U64,
     .name = "large",
     .metavar = "N",
     .help = "any 64 bits",
     .offset = offsetof(values, large)},
    {.type = TI_OPT_F32,
     .name = "number",
     .letter = 'x',
     .metavar = "X",
     .help = "0 to 1",
     .max = 1,
     .offset = offsetof(values, number)},
    {.type = TI_OPT_CHOICE,
     .name = "choice",
     .metavar = "WHICH",
     .help = "an index",
     .choices = "a|bb|ccc",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(values, choice)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "ONE", .help = "the first"},
    {.metavar = "REST", .help = "the others", .optional = true, .repeated = true},
    {0},
};

static const ti_command cmd = {.name = "test",
                               .summary = "do nothing",
                               .description = "First paragraph.\n\nSecond one.",
                               .opts = opts,
                               .operands = operands,
                               .defaults = &defaults,
                               .size = sizeof defaults};

enum { ARGS_MAX = 80 };

typedef struct parsed {
    values v;
    ti_common common;
    ti_operands operands;
    tern_err err;
    char *argv[ARGS_MAX];
} parsed;

/* Parses blank-separated words; '_' stands for an empty argument. */
static tern_status parse(parsed *p, char *words)
{
    int argc = 0;
    memset(p, 0, sizeof *p);
    p->v = defaults;
    for (char *w = words; *w;) {
        size_t n = strcspn(w, " ");
        p->argv[argc++] = w;
        bool last = w[n] == '\0';
        w[n] = '\0';
        if (strcmp(p->argv[argc - 1], "_") == 0) {
            p->argv[argc - 1][0] = '\0';
        }
        w += last ? n : n + 1;
    }
    return ti_opt_parse(&cmd, &p->v, &p->common, &p->operands, argc, p->argv, &p->err);
}

#define PARSE(p, text) parse((p), (char[]){text})

static void test_values(void **state)
{
    (void)state;
    parsed p;
    assert_int_equal(PARSE(&p,
                           "one --flag --text=a=b --kind green --small 10 --large "
                           "18446744073709551615 --number 1e-3 --choice ccc --any 4294967295"),
                     TERN_OK);
    assert_true(p.v.flag);
    assert_false(p.v.other);
    assert_string_equal(p.v.text, "a=b");
    assert_string_equal(p.v.kind, "green");
    assert_int_equal(p.v.small, 10);
    assert_true(p.v.large == UINT64_MAX);
    assert_true(p.v.any == UINT32_MAX);
    assert_true(p.v.number == 1e-3f);
    assert_int_equal(p.v.choice, 2);
    assert_int_equal(p.operands.n, 1);
    assert_string_equal(p.operands.items[0], "one");
}

static void test_defaults_stay(void **state)
{
    (void)state;
    parsed p;
    assert_int_equal(PARSE(&p, "one"), TERN_OK);
    assert_memory_equal(&p.v, &defaults, sizeof defaults);
}

static void test_short_forms(void **state)
{
    (void)state;
    parsed p;
    assert_int_equal(PARSE(&p, "-fon5 one -t x -x=0.25 -i 1 -i2"), TERN_OK);
    assert_true(p.v.flag && p.v.other);
    assert_int_equal(p.v.small, 5);
    assert_string_equal(p.v.text, "x");
    assert_true(p.v.number == 0.25f);
    assert_int_equal(p.v.list.n, 2);
    assert_string_equal(p.v.list.items[1], "2");
}

static void test_operands(void **state)
{
    (void)state;
    parsed p;
    assert_int_equal(PARSE(&p, "- -f a -- --text -n --"), TERN_OK);
    assert_int_equal(p.operands.n, 5);
    assert_string_equal(p.operands.items[0], "-");
    assert_string_equal(p.operands.items[1], "a");
    assert_string_equal(p.operands.items[2], "--text");
    assert_string_equal(p.operands.items[4], "--");
    assert_string_equal(p.v.text, "here");
    assert_int_equal(PARSE(&p, "-f"), TERN_USAGE);
    assert_string_equal(p.err.message, "ONE is missing");
    assert_int_equal(PARSE(&p, "_"), TERN_OK); /* empty, but there */
    assert_int_equal(PARSE(&p, "-f --help"), TERN_OK);
    assert_int_equal(p.common.help, 1);
}

static void test_common_options(void **state)
{
    (void)state;
    parsed p;
    assert_int_equal(PARSE(&p, "one -q --color never --help=json"), TERN_OK);
    assert_true(p.common.quiet);
    assert_int_equal(p.common.color, 2);
    assert_int_equal(p.common.help, 2);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *args, *message;
    } cases[] = {
        {"one --flog", "unknown option '--flog'"},
        {"one --", NULL},
        {"one -z", "unknown option '-z'"},
        {"one -fz", "unknown option '-z'"},
        {"one --flag=1", "option '--flag' takes no value"},
        {"one --text", "option '--text' needs a value (TEXT)"},
        {"one -t", "option '--text' needs a value (TEXT)"},
        {"one --kind pink", "option '--kind': 'pink' is not one of red|green|blue"},
        {"one --kind _", "option '--kind': '' is not one of red|green|blue"},
        {"one --kind red|green", "option '--kind': 'red|green' is not one of red|green|blue"},
        {"one --choice b", "option '--choice': 'b' is not one of a|bb|ccc"},
        {"one --small 0", "option '--small': '0' is not a whole number from 1 to 10"},
        {"one --small 11", "option '--small': '11' is not a whole number from 1 to 10"},
        {"one --small _", "option '--small': '' is not a whole number from 1 to 10"},
        {"one --small +1", "option '--small': '+1' is not a whole number from 1 to 10"},
        {"one --small 1.0", "option '--small': '1.0' is not a whole number from 1 to 10"},
        {"one --small 0x1", "option '--small': '0x1' is not a whole number from 1 to 10"},
        {"one --any 4294967296",
         "option '--any': '4294967296' is not a whole number up to 4294967295"},
        {"one --large 18446744073709551616",
         "option '--large': '18446744073709551616' is not a whole number up to "
         "18446744073709551615"},
        {"one --large -1",
         "option '--large': '-1' is not a whole number up to 18446744073709551615"},
        {"one --number inf", "option '--number': 'inf' is not a number from 0 to 1"},
        {"one --number nan", "option '--number': 'nan' is not a number from 0 to 1"},
        {"one --number 1.01", "option '--number': '1.01' is not a number from 0 to 1"},
        {"one --number _", "option '--number': '' is not a number from 0 to 1"},
        {"one --number 0.5x", "option '--number': '0.5x' is not a number from 0 to 1"},
        {"one --help=text", "option '--help': 'text' is not json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char words[128];
        parsed p;
        snprintf(words, sizeof words, "%s", cases[i].args);
        tern_status status = parse(&p, words);
        if (!cases[i].message) {
            assert_int_equal(status, TERN_OK);
            continue;
        }
        assert_int_equal(status, TERN_USAGE);
        assert_string_equal(p.err.module, "test");
        assert_string_equal(p.err.message, cases[i].message);
    }
}

static void test_list_is_bounded(void **state)
{
    (void)state;
    char words[8 * ARGS_MAX] = "one";
    parsed p;
    for (int i = 0; i < TI_OPT_LIST_MAX; i++) {
        size_t n = strlen(words);
        snprintf(words + n, sizeof words - n, " -ix");
    }
    char again[sizeof words];
    memcpy(again, words, sizeof words);
    assert_int_equal(parse(&p, again), TERN_OK);
    assert_int_equal(p.v.list.n, TI_OPT_LIST_MAX);
    size_t n = strlen(words);
    snprintf(words + n, sizeof words - n, " -ix");
    assert_int_equal(parse(&p, words), TERN_USAGE);
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(ti_edit_distance("", ""), 0);
    assert_int_equal(ti_edit_distance("run", "run"), 0);
    assert_int_equal(ti_edit_distance("rnu", "run"), 1); /* neighbours swapped */
    assert_int_equal(ti_edit_distance("ru", "run"), 1);
    assert_int_equal(ti_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(ti_edit_distance("", "abc"), 3);
    assert_true(ti_edit_distance("0123456789012345678901234567890123456789", "a") == UINT_MAX);
    const char *best = NULL;
    unsigned distance = UINT_MAX;
    ti_nearest("rum", "chat", &best, &distance);
    assert_null(best);
    ti_nearest("rum", "run", &best, &distance);
    ti_nearest("rum", "rua", &best, &distance); /* no better: the first one stays */
    assert_string_equal(best, "run");
    assert_int_equal(distance, 1);
}

static void test_choices(void **state)
{
    (void)state;
    size_t len;
    assert_int_equal(ti_choice_index("a|bb|ccc", "bb", 2), 1);
    assert_int_equal(ti_choice_index("a|bb|ccc", "b", 1), -1);
    assert_int_equal(ti_choice_index("a|bb|ccc", "a|bb", 4), -1);
    assert_memory_equal(ti_choice_at("a|bb|ccc", 2, &len), "ccc", 3);
    assert_int_equal(len, 3);
    assert_null(ti_choice_at("a|bb|ccc", 3, &len));
}

static void test_default_text(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } cases[] = {{"flag", ""},      {"text", "here"},       {"kind", ""},
                 {"item", ""},      {"small", "7"},         {"large", "0"},
                 {"number", "0.5"}, {"any", "as it comes"}, {"choice", "a"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        const ti_opt *o = opts;
        while (!o->name || strcmp(o->name, cases[i].name) != 0) {
            assert_false(ti_opt_at_end(o));
            o++;
        }
        ti_opt_default(text, sizeof text, o, &defaults);
        assert_string_equal(text, cases[i].text);
    }
}

/* Every option, heading and operand of the table must come out in every form. */
static void test_forms(void **state)
{
    (void)state;
    static void (*const makers[])(ti_buf *, const ti_command *) = {ti_help_text, ti_help_json,
                                                                   ti_help_man_options};
    ti_out_setup(false, 2);
    for (size_t m = 0; m < sizeof makers / sizeof makers[0]; m++) {
        ti_buf out = {0};
        makers[m](&out, &cmd);
        assert_false(out.failed);
        for (const ti_opt *o = opts; !ti_opt_at_end(o); o++) {
            assert_non_null(strstr(out.data, o->name ? o->name : o->help));
        }
        assert_non_null(strstr(out.data, "quiet"));
        ti_buf_free(&out);
    }
    ti_buf usage = {0};
    ti_help_usage(&usage, &cmd);
    assert_string_equal(usage.data, "tern test [OPTION]... ONE [REST]...");
    ti_buf_free(&usage);
}

static void test_help_is_80_wide(void **state)
{
    (void)state;
    ti_buf out = {0};
    ti_out_setup(false, 2);
    ti_help_text(&out, &cmd);
    for (const char *line = out.data; *line;) {
        size_t n = strcspn(line, "\n");
        assert_in_range(n, 0, 80);
        line += n + 1;
    }
    ti_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),          cmocka_unit_test(test_defaults_stay),
        cmocka_unit_test(test_short_forms),     cmocka_unit_test(test_operands),
        cmocka_unit_test(test_common_options),  cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_list_is_bounded), cmocka_unit_test(test_distance),
        cmocka_unit_test(test_choices),         cmocka_unit_test(test_default_text),
        cmocka_unit_test(test_forms),           cmocka_unit_test(test_help_is_80_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
