/* SPDX-License-Identifier: Apache-2.0 */
/* JSON (RFC 8259) as rules, and the public entry of grammars.
 *
 * What these rules leave out, a reader would not miss: white space has bounds (a model would
 * fill pages with it), numbers have so many digits that they stay finite, U+0000 and halves of
 * surrogates are not written.  Every value can be expressed. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "model/grammar.h"

static const char module[] = "grammar";

/* In the order of TI_JR_...; months and leap years as RFC 3339 has them, without leap
 * seconds. */
static const struct {
    const char *name, *body;
} json_rules[] = {
    [TI_JR_ROOT] = {"root", NULL},
    [TI_JR_VALUE] = {"json-value", "json-object | json-array | json-string | json-number | "
                                   "\"true\" | \"false\" | \"null\""},
    [TI_JR_OBJECT] = {"json-object", "\"{\" json-ws (json-string \":\" json-ws json-value "
                                     "(\",\" json-ws json-string \":\" json-ws json-value)* "
                                     "json-ws)? \"}\""},
    [TI_JR_ARRAY] = {"json-array",
                     "\"[\" json-ws (json-value (\",\" json-ws json-value)* json-ws)? \"]\""},
    [TI_JR_STRING] = {"json-string", "\"\\\"\" json-char* \"\\\"\""},
    [TI_JR_NUMBER] = {"json-number", "\"-\"? (\"0\" | [1-9] [0-9]{0,17}) (\".\" [0-9]{1,16})? "
                                     "([eE] [-+]? [0-9]{1,2})?"},
    [TI_JR_CHAR] = {"json-char",
                    "json-plain | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" ("
                    "\"000\" [1-9a-fA-F] | \"00\" [1-9a-fA-F] [0-9a-fA-F] | "
                    "\"0\" [1-9a-fA-F] [0-9a-fA-F]{2} | [1-9a-cA-CeEfF] [0-9a-fA-F]{3} | "
                    "[dD] ([0-7] [0-9a-fA-F]{2} | "
                    "[89abAB] [0-9a-fA-F]{2} \"\\\\u\" [dD] [c-fC-F] [0-9a-fA-F]{2})))"},
    [TI_JR_WS] = {"json-ws", "(\" \" | \"\\n\" [ \\t]{0,20})?"},
    [TI_JR_INTEGER] = {"json-integer", "\"0\" | \"-\"? [1-9] [0-9]{0,17}"},
    [TI_JR_PLAIN] = {"json-plain", "[^\\x01-\\x1f\"\\\\]"},
    [TI_JR_DATE] =
        {"json-date",
         "[0-9]{4} \"-\" ((\"0\" [13578] | \"10\" | \"12\") \"-\" ([0] [1-9] | [12] [0-9] | "
         "\"3\" [01]) | (\"0\" [469] | \"11\") \"-\" (\"0\" [1-9] | [12] [0-9] | \"30\") | "
         "\"02-\" (\"0\" [1-9] | \"1\" [0-9] | \"2\" [0-8])) | "
         "([0-9]{2} (\"0\" [48] | [2468] [048] | [13579] [26]) | "
         "([02468] [048] | [13579] [26]) \"00\") \"-02-29\""},
    [TI_JR_TIME] =
        {"json-time",
         "([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" [0-9]{1,9})? "
         "(\"Z\" | [-+] ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9])"},
    [TI_JR_DATE_TIME] = {"json-date-time", "json-date \"T\" json-time"},
    [TI_JR_UUID] = {"json-uuid", "[0-9a-fA-F]{8} (\"-\" [0-9a-fA-F]{4}){3} \"-\" "
                                 "[0-9a-fA-F]{12}"},
    [TI_JR_EMAIL] = {"json-email",
                     "[a-zA-Z0-9_+-]{1,32} (\".\" [a-zA-Z0-9_+-]{1,15}){0,2} \"@\" "
                     "[a-zA-Z0-9] ([a-zA-Z0-9-]{0,30} [a-zA-Z0-9])? "
                     "(\".\" [a-zA-Z0-9] ([a-zA-Z0-9-]{0,30} [a-zA-Z0-9])?){1,4}"},
    [TI_JR_IPV4] = {"json-ipv4",
                    "(\"25\" [0-5] | \"2\" [0-4] [0-9] | \"1\" [0-9]{2} | [1-9]? [0-9]) "
                    "(\".\" (\"25\" [0-5] | \"2\" [0-4] [0-9] | \"1\" [0-9]{2} | [1-9]? "
                    "[0-9])){3}"},
};

tern_status ti_json_rules(ti_gbuild *b, tern_err *err)
{
    enum { N = sizeof json_rules / sizeof json_rules[0] };
    b->json = true;
    b->max_depth = TI_GRAMMAR_JSON_DEPTH;
    for (size_t i = 0; i < N && !b->failed; i++) {
        const char *name = json_rules[i].name;
        (void)ti_grule_new(b, name, strlen(name), TI_NO_OFFSET);
    }
    tern_status status =
        b->failed ? ti_fail_nomem(err, module, N * sizeof *b->rules, "rules") : TERN_OK;
    for (size_t i = TI_JR_VALUE; i < N && status == TERN_OK; i++) {
        status = ti_gbnf_body(b, (uint32_t)i, json_rules[i].body, err);
    }
    if (status == TERN_OK) {
        b->rules[TI_JR_VALUE].deep = true;
    }
    return status;
}

/* Texts of grammars go into receipts' private parts, which are JSON. */
static tern_status check_text(const char *text, size_t len, tern_err *err)
{
    uint32_t code;
    for (size_t i = 0, n; i < len; i += n) {
        n = ti_utf8_decode(text + i, len - i, &code);
        if (n == 0 || code == 0) {
            return ti_fail(err, TERN_CORRUPT, module, i,
                           "byte %zu of the grammar is no UTF-8, or U+0000", i);
        }
    }
    return TERN_OK;
}

/* --- grammars -------------------------------------------------------------------------------
 */

static tern_status read_text(ti_gbuild *b, tern_grammar_kind kind, const char *text, size_t len,
                             tern_err *err)
{
    switch (kind) {
    case TERN_GRAMMAR_JSON:
        TI_TRY(ti_json_rules(b, err));
        b->rules[TI_JR_ROOT].body = ti_gx_rule(b, TI_JR_OBJECT);
        return TERN_OK;
    case TERN_GRAMMAR_SCHEMA:
        TI_TRY(ti_json_rules(b, err));
        return ti_schema_read(b, text, len, err);
    case TERN_GRAMMAR_GBNF:
        b->max_depth = TI_GRAMMAR_RULE_DEPTH;
        return ti_gbnf_read(b, text, len, err);
    default:
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "no such kind of grammar: %d",
                       (int)kind);
    }
}

tern_status tern_grammar_create(tern_grammar **out, tern_grammar_kind kind, const char *text,
                                size_t len, tern_err *err)
{
    ti_gbuild b = {.n_rules = 0};
    if (len > TI_GRAMMAR_MAX_TEXT) {
        return ti_fail(err, TERN_LIMIT, module, TI_GRAMMAR_MAX_TEXT,
                       "the grammar has more than %d bytes", TI_GRAMMAR_MAX_TEXT);
    }
    TI_TRY(check_text(text, len, err));
    tern_grammar *g = ti_calloc(1, sizeof *g);
    if (!g) {
        return ti_fail_nomem(err, module, sizeof *g, "a grammar");
    }
    tern_status status = read_text(&b, kind, text, len, err);
    if (status == TERN_OK && b.failed) {
        status = ti_fail_nomem(err, module, b.arena.bytes, "a grammar");
    }
    if (status == TERN_OK && b.too_many) {
        status = ti_fail(err, TERN_LIMIT, module, TI_NO_OFFSET,
                         "the grammar needs more than %d rules", TI_GRAMMAR_MAX_RULES);
    }
    if (status == TERN_OK) {
        status = ti_grammar_lower(g, &b, err);
    }
    if (status == TERN_OK) {
        status = ti_grammar_check(g, &b, err);
    }
    ti_gbuild_free(&b);
    if (status != TERN_OK) {
        tern_grammar_destroy(g);
        return status;
    }
    *out = g;
    return TERN_OK;
}

void tern_grammar_destroy(tern_grammar *grammar)
{
    if (grammar) {
        free(grammar->nodes);
        free(grammar->rules);
        free(grammar->rule_of_order);
        free(grammar->rest);
        free(grammar->need);
        free(grammar->firsts);
        free(grammar);
    }
}
