/* SPDX-License-Identifier: Apache-2.0 */
/* Grammars: what fits and what does not, by hand; what is refused and why; masks against every
 * token one by one; the limits; no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/rng.h"
#include "model/matcher.h"
#include "oom.h"
#include "tok_build.h"

#define J TERN_GRAMMAR_JSON
#define S TERN_GRAMMAR_SCHEMA
#define G TERN_GRAMMAR_GBNF

static tern_grammar *compile(tern_grammar_kind kind, const char *text)
{
    tern_grammar *g = NULL;
    tern_err err = {.message = ""};
    if (tern_grammar_create(&g, kind, text, strlen(text), &err) != TERN_OK) {
        fail_msg("%s: %s", text, err.message);
    }
    return g;
}

/* Small ones: a test makes hundreds of them. */
static const ti_matcher_opts small = {.sets = 2048, .items = 8192, .rows = 64, .masks = 4};

static ti_matcher *start(const tern_grammar *g, const ti_trie *trie)
{
    ti_matcher *m = NULL;
    tern_err err = {.message = ""};
    if (ti_matcher_create(&m, g, trie, &small, &err) != TERN_OK) {
        fail_msg("%s", err.message);
    }
    return m;
}

/* How many bytes of a text fit. */
static size_t read_text(ti_matcher *m, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool fits = false;
        assert_int_equal(ti_matcher_read(m, text + i, 1, &fits, NULL), TERN_OK);
        if (!fits) {
            return i;
        }
    }
    return len;
}

/* --- what fits -------------------------------------------------------------------------------
 */

#define DATE "{\"type\":\"string\",\"format\":\"date\"}"
#define LIST                                                                               \
    "{\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"}," \
    "\"next\":{\"anyOf\":[{\"$ref\":\"#/$defs/n\"},{\"type\":\"null\"}]}},\"required\":"   \
    "[\"v\",\"next\"]}},\"$ref\":\"#/$defs/n\"}"
#define THREE                                                                  \
    "{\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{\"type\":\"boolean\"}," \
    "\"c\":{\"const\":1}},\"required\":[\"c\"]}"
#define EXTRA                                                               \
    "{\"type\":\"object\",\"properties\":{\"age\":{\"type\":\"integer\"}}," \
    "\"additionalProperties\":{\"type\":\"string\"}}"

static const struct {
    tern_grammar_kind kind;
    const char *grammar, *text;
    bool whole; /* else it is not a text of the grammar, be it a beginning or not */
} texts[] = {
    {J, "", "{}", true},
    {J, "", "{\"a\": [1, -2.5e3, {\"x\": null}],\"b\":\"\\u00e9\\ud83d\\ude00\xc3\xa9\\n\"}",
     true},
    {J, "", "{\n  \"a\": true\n}", true},
    {J, "", "[]", false},
    {J, "", "{\"a\":01}", false},
    {J, "", "{\"a\":1,}", false},
    {J, "", "{\"a\":\"\\ud800x\"}", false},
    {J, "", "{\"a\":\"\\u0000\"}", false},
    {J, "", "{\"a\":\"\xc0\x80\"}", false},
    {J, "", "{\"a\":\"\xed\xa0\x80\"}", false},
    {J, "", "{\"a\":\"\x01\"}", false},
    {J, "", "{\"a\":1e400}", false},
    {S, "true", "[1,\"x\"]", true},
    {S, "{}", "\"x\"", true},
    {S, DATE, "\"2024-02-29\"", true},
    {S, DATE, "\"2000-02-29\"", true},
    {S, DATE, "\"1900-02-29\"", false},
    {S, DATE, "\"2023-04-31\"", false},
    {S, "{\"format\":\"time\"}", "\"23:59:59.5+01:00\"", true},
    {S, "{\"format\":\"time\"}", "\"24:00:00Z\"", false},
    {S, "{\"format\":\"date-time\"}", "\"2024-12-31T00:00:00Z\"", true},
    {S, "{\"format\":\"uuid\"}", "\"123e4567-e89b-12d3-a456-426614174000\"", true},
    {S, "{\"format\":\"uuid\"}", "\"123e4567-e89b-12d3-a456-42661417400\"", false},
    {S, "{\"format\":\"email\"}", "\"a.b@c-d.org\"", true},
    {S, "{\"format\":\"email\"}", "\"a.b@c-.org\"", false},
    {S, "{\"format\":\"ipv4\"}", "\"255.0.10.99\"", true},
    {S, "{\"format\":\"ipv4\"}", "\"256.0.10.99\"", false},
    {S, LIST, "{\"v\":1,\"next\":{\"v\":-20,\"next\":null}}", true},
    {S, LIST, "{\"next\":null,\"v\":1}", false},
    {S, THREE, "{\"c\":1}", true},
    {S, THREE, "{\"a\":null,\"c\":1}", true},
    {S, THREE, "{\"a\":null, \"b\": true, \"c\":1 }", true},
    {S, THREE, "{\"a\":null}", false},
    {S, THREE, "{}", false},
    {S, EXTRA, "{}", true},
    {S, EXTRA, "{\"age\":1,\"ag\":\"x\",\"agent\":\"y\",\"\":\"z\"}", true},
    {S, EXTRA, "{\"b\":\"x\"}", true},
    {S, EXTRA, "{\"b\":\"x\",\"age\":\"x\"}", false},
    {S, EXTRA, "{\"a\\u0067e\":\"x\"}", false},
    {S, "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}", "\"a\"", false},
    {S, "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
     "\"\xf0\x9f\x98\x80\\n\\ud83d\\ude00\"", true},
    {S, "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}", "\"abcd\"", false},
    {S, "{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":1,\"maxItems\":2}",
     "[null, null]", true},
    {S, "{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":1,\"maxItems\":2}",
     "[]", false},
    {S, "{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":1,\"maxItems\":2}",
     "[null,null,null]", false},
    {S, "{\"prefixItems\":[{\"const\":\"a\"},{\"type\":\"boolean\"}],\"minItems\":1}",
     "[\"a\"]", true},
    {S, "{\"prefixItems\":[{\"const\":\"a\"},{\"type\":\"boolean\"}],\"minItems\":1}",
     "[\"a\",true,1]", false},
    {S, "{\"prefixItems\":[{\"const\":\"a\"}],\"items\":{\"const\":2},\"minItems\":3}",
     "[\"a\",2,2,2]", true},
    {S, "{\"prefixItems\":[{\"const\":\"a\"}],\"items\":{\"const\":2},\"minItems\":3}",
     "[\"a\",2]", false},
    {S, "{\"items\":false}", "[]", true},
    {S, "{\"items\":false}", "[1]", false},
    {S, "{\"type\":[\"string\",\"null\"],\"maxLength\":1}", "null", true},
    {S, "{\"enum\":[{\"b\":1,\"a\":[null,\"\\u00e9\\\"\"]},2.5,true]}",
     "{\"a\":[null,\"\xc3\xa9\\\"\"],\"b\":1}", true},
    {S, "{\"type\":\"string\",\"enum\":[1,\"x\"]}", "1", false},
    {S, "{\"type\":\"string\",\"enum\":[1,\"x\"]}", "\"x\"", true},
    {S, "{\"type\":\"number\"}", "-0.5E+10", true},
    {S, "{\"type\":\"integer\"}", "-0", false},
    {S, "{\"type\":\"integer\"}", "1.0", false},
    {S, "{\"type\":\"integer\",\"minimum\":-12,\"exclusiveMaximum\":345}", "-12", true},
    {S, "{\"type\":\"integer\",\"minimum\":-12,\"exclusiveMaximum\":345}", "-13", false},
    {S, "{\"type\":\"integer\",\"minimum\":-12,\"exclusiveMaximum\":345}", "345", false},
    {S, "{\"minimum\":2.5,\"maximum\":3.5}", "3", true},
    {S, "{\"type\":\"integer\",\"minimum\":2.5,\"maximum\":3.5}", "2", false},
    {S, "{\"oneOf\":[{\"type\":\"string\"},{\"enum\":[1,2]}]}", "2", true},
    {S,
     "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"a\"}},\"required\":"
     "[\"k\"]},{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"b\"},\"n\":{\"type\":"
     "\"integer\"}},\"required\":[\"k\"]}]}",
     "{\"k\":\"b\",\"n\":7}", true},
    {G,
     "root ::= expr\nexpr ::= term (\"+\" term)* # a sum\nterm ::= [0-9]+ | \"(\" expr \")\"",
     "1+(2+34)", true},
    {G, "root ::= expr\nexpr ::= term (\"+\" term)*\nterm ::= [0-9]+ | \"(\" expr \")\"", "1+",
     false},
    {G, "root ::= \"a\"\n  | \"b\" # and\n  | \"c\" root", "ccb", true},
    {G, "root ::= [^a-c\\n]{2,3}", "\xc3\xa9z", true},
    {G, "root ::= [^a-c\\n]{2,3}", "zb", false},
    {G, "root ::= .{2}", "\xe2\x82\xac\n", true},
    {G, "root ::= \"\\x41\\u00e9\\U0001F600\\\"\"", "A\xc3\xa9\xf0\x9f\x98\x80\"", true},
    {G, "root ::= \"\" x\nx ::= (\"a\"?)*", "aaa", true},
    {G, "root ::= x y \"!\" \nx ::= \"a\"*\ny ::= x x", "!", true},
    {G, "root ::= [a-]+ [\\]\\[]", "a-]", true},
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        tern_grammar *g = compile(texts[i].kind, texts[i].grammar);
        ti_matcher *m = start(g, NULL);
        size_t len = strlen(texts[i].text), n = read_text(m, texts[i].text, len);
        bool whole = n == len && ti_matcher_whole(m);
        if (whole != texts[i].whole) {
            fail_msg("%s on %s: %zu of %zu bytes fit, whole %d", texts[i].grammar,
                     texts[i].text, n, len, whole);
        }
        assert_true(!whole || ti_matcher_rest(m) == 0);
        ti_matcher_destroy(m);
        tern_grammar_destroy(g);
    }
}

/* --- what is refused -------------------------------------------------------------------------
 */

static const struct {
    tern_grammar_kind kind;
    const char *text;
    tern_status status;
    const char *says;
} refused[] = {
    {(tern_grammar_kind)9, "", TERN_USAGE, "no such kind"},
    {S, "{", TERN_CORRUPT, "byte 1"},
    {S, "3", TERN_CORRUPT, "a schema is"},
    {S, "{\"type\":\"text\"}", TERN_CORRUPT, "'type'"},
    {S, "{\"type\":[]}", TERN_CORRUPT, "'type'"},
    {S, "{\"type\":\"string\",\"pattern\":\"a\"}", TERN_UNSUPPORTED, "'pattern'"},
    {S, "{\"properties\":{\"a\":{\"multipleOf\":2}}}", TERN_UNSUPPORTED, "'multipleOf'"},
    {S, "{\"not\":{}}", TERN_UNSUPPORTED, "'not'"},
    {S, "{\"uniqueItems\":true}", TERN_UNSUPPORTED, "'uniqueItems'"},
    {S, "{\"allOf\":[true,true]}", TERN_UNSUPPORTED, "'allOf'"},
    {S, "{\"format\":\"uri\"}", TERN_UNSUPPORTED, "'format'"},
    {S, "{\"format\":\"date\",\"maxLength\":3}", TERN_UNSUPPORTED, "'format'"},
    {S, "{\"type\":\"number\",\"minimum\":1}", TERN_UNSUPPORTED, "'minimum'"},
    {S, "{\"type\":\"string\",\"minimum\":1}", TERN_UNSUPPORTED, "'minimum'"},
    {S, "{\"anyOf\":[true],\"type\":\"string\"}", TERN_UNSUPPORTED, "'type' beside 'anyOf'"},
    {S, "{\"$ref\":\"other.json\"}", TERN_UNSUPPORTED, "'$ref'"},
    {S, "{\"$ref\":\"#/$defs/x\"}", TERN_CORRUPT, "leads nowhere"},
    {S, "{\"$ref\":\"#\"}", TERN_USAGE, "no finite text"},
    {S, "{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}", TERN_UNSUPPORTED,
     "left recursion"},
    {S, "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}", TERN_UNSUPPORTED,
     "'oneOf'"},
    {S, "{\"required\":[\"a\"]}", TERN_UNSUPPORTED, "names 'a'"},
    {S, "{\"enum\":[]}", TERN_USAGE, "no finite text"},
    {S, "false", TERN_USAGE, "no finite text"},
    {S, "{\"items\":[{}]}", TERN_UNSUPPORTED, "'prefixItems'"},
    {S, "{\"maxLength\":70000}", TERN_LIMIT, "'maxLength'"},
    {S, "{\"minLength\":-1}", TERN_CORRUPT, "'minLength'"},
    {S, "{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}", TERN_USAGE,
     "no finite text"},
    {G, "", TERN_CORRUPT, "no rule 'root'"},
    {G, "root ::= a", TERN_CORRUPT, "no rule 'a'"},
    {G, "root ::= \"a", TERN_CORRUPT, "line 1: the grammar ends"},
    {G, "root ::= \"a\"\nroot ::= \"b\"", TERN_CORRUPT, "line 2"},
    {G, "root ::= [b-a]", TERN_CORRUPT, "range"},
    {G, "root ::= \"\\q\"", TERN_CORRUPT, "escape"},
    {G, "root ::= \"\\ud800\"", TERN_CORRUPT, "no character"},
    {G, "root ::= (\"a\"", TERN_CORRUPT, "')'"},
    {G, "root ::= \"a\")", TERN_CORRUPT, "without '('"},
    {G, "root ::= \"a\"{2,1}", TERN_CORRUPT, "repetition"},
    {G, "root ::= \"a\"{99999}", TERN_CORRUPT, "65,536"},
    {G, "root = \"a\"", TERN_CORRUPT, "'::='"},
    {G, "root ::= <think>", TERN_UNSUPPORTED, "tokens"},
    {G, "root ::= root \"a\" | \"b\"", TERN_UNSUPPORTED, "'root'"},
    {G, "root ::= a root \"x\" | \"b\"\na ::= \"c\"?", TERN_UNSUPPORTED, "left recursion"},
    {G, "root ::= \"a\" root", TERN_USAGE, "no finite text"},
    {G, "root ::= (\"a\"{1000}){1000}", TERN_LIMIT, "unfolds"},
    {G, "root ::= ((\"\"{60000}){60000}){60000}", TERN_LIMIT, "unfolds"},
    {G, "root ::= \"\xff\"", TERN_CORRUPT, "no UTF-8"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        tern_grammar *g = NULL;
        tern_err err = {.message = ""};
        const char *text = refused[i].text;
        tern_status status = tern_grammar_create(&g, refused[i].kind, text, strlen(text), &err);
        if (status != refused[i].status || !strstr(err.message, refused[i].says) || g) {
            fail_msg("%s: status %d, '%s'", text, status, err.message);
        }
    }
    tern_grammar_destroy(NULL);
    ti_matcher_destroy(NULL);
}

/* What `oneOf` compares must not grow with what schemas that name each other can say. */
static void test_one_of_limit(void **state)
{
    enum { MEMBERS = 6, CONSTS = 1500, LONG = 2000 };
    ti_buf deep = {0}, wide = {0}, lists = {0};
    (void)state;
    ti_buf_adds(&deep,
                "{\"oneOf\":[{\"$ref\":\"#/$defs/A\"},{\"$ref\":\"#/$defs/B\"}],\"$defs\":{");
    for (char name = 'A'; name <= 'B'; name++) {
        ti_buf_addf(&deep, "%s\"%c\":{\"type\":\"object\",\"properties\":{",
                    name > 'A' ? "," : "", name);
        for (unsigned i = 0; i < MEMBERS; i++) {
            ti_buf_addf(&deep, "%s\"m%u\":{\"$ref\":\"#/$defs/%c\"}", i ? "," : "", i, name);
        }
        ti_buf_adds(&deep, "},\"required\":[");
        for (unsigned i = 0; i < MEMBERS; i++) {
            ti_buf_addf(&deep, "%s\"m%u\"", i ? "," : "", i);
        }
        ti_buf_adds(&deep, "]}");
    }
    ti_buf_adds(&deep, "}}");
    ti_buf_adds(&wide, "{\"oneOf\":[");
    for (unsigned i = 0; i < CONSTS; i++) {
        ti_buf_addf(&wide, "%s{\"const\":%u}", i ? "," : "", i);
    }
    ti_buf_adds(&wide, "]}");
    ti_buf_adds(&lists, "{\"oneOf\":[{\"enum\":[");
    for (unsigned i = 0; i < 2 * LONG; i++) {
        ti_buf_addf(&lists, "%s%u", i == LONG ? "]},{\"enum\":[" : i ? "," : "", i);
    }
    ti_buf_adds(&lists, "]}]}");
    const ti_buf *all[] = {&deep, &wide, &lists};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        tern_grammar *g = NULL;
        tern_err err = {.message = ""};
        assert_false(all[i]->failed);
        assert_int_equal(tern_grammar_create(&g, S, all[i]->data, all[i]->len, &err),
                         TERN_LIMIT);
        assert_non_null(strstr(err.message, "'oneOf'"));
    }
    ti_buf_free(&deep);
    ti_buf_free(&wide);
    ti_buf_free(&lists);
}

static void test_long_text(void **state)
{
    (void)state;
    tern_grammar *g = NULL;
    size_t len = (size_t)TI_GRAMMAR_MAX_TEXT + 1;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, ' ', len);
    assert_int_equal(tern_grammar_create(&g, S, text, len, NULL), TERN_LIMIT);
    assert_int_equal(tern_grammar_create(&g, S, text, len - 1, NULL), TERN_CORRUPT);
    free(text);
}

/* --- depth and ambiguity ---------------------------------------------------------------------
 */

static void test_depth(void **state)
{
    (void)state;
    tern_grammar *g = compile(J, "");
    ti_matcher *m = start(g, NULL);
    char text[128] = "{\"a\":";
    size_t n = strlen(text);
    memset(text + n, '[', sizeof text - n);
    assert_int_equal(read_text(m, text, sizeof text), n + TI_GRAMMAR_JSON_DEPTH);
    assert_int_equal(ti_matcher_rest(m), TI_GRAMMAR_JSON_DEPTH + 1); /* all brackets */
    assert_int_equal(read_text(m, "1", 1), 0); /* a value in there would be one deeper */
    for (int i = 0; i < TI_GRAMMAR_JSON_DEPTH; i++) {
        assert_int_equal(read_text(m, "]", 1), 1);
    }
    assert_int_equal(read_text(m, "}", 1), 1);
    assert_true(ti_matcher_whole(m));
    ti_matcher_destroy(m);
    tern_grammar_destroy(g);
    /* The pair of parentheses that would be one too many is not begun. */
    g = compile(G, "root ::= \"((\" root \"))\" | \"x\"");
    m = start(g, NULL);
    memset(text, '(', sizeof text);
    size_t opened = 0;
    while (read_text(m, "((", 2) == 2) {
        opened++;
    }
    assert_int_equal(opened, TI_GRAMMAR_RULE_DEPTH);
    assert_int_equal(read_text(m, "(", 1), 0);
    assert_int_equal(read_text(m, "x", 1), 1);
    assert_int_equal(ti_matcher_rest(m), 2 * opened);
    ti_matcher_destroy(m);
    tern_grammar_destroy(g);
}

/* Twice as many readings with every byte. */
static void test_ambiguous(void **state)
{
    (void)state;
    tern_grammar *g = compile(G, "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"x\"");
    ti_matcher *m = start(g, NULL);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(read_text(m, "a", 1), 1);
    }
    assert_int_equal(read_text(m, "x", 1), 1);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(read_text(m, i % 3 ? "b" : "c", 1), 1);
    }
    assert_true(ti_matcher_whole(m));
    assert_int_equal(read_text(m, "b", 1), 0);
    ti_matcher_destroy(m);
    tern_grammar_destroy(g);
}

/* --- masks -----------------------------------------------------------------------------------
 */

static tb_vocab spec;
static ti_vocab *vocab;
static const ti_trie *trie;

static int set_up(void **state)
{
    (void)state;
    tb_bpe(&spec);
    static const char *const more[] = {"{\"",   "\":", "\"}",       "}}",  "],[",    "null",
                                       "true}", "12",  "\xc4\x80x", "[[[", "\"a\":1"};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        tb_add(&spec, more[i], TB_NORMAL, 0);
    }
    vocab = tb_create(&spec, NULL);
    return vocab && ti_vocab_trie(&trie, vocab, NULL) == TERN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ti_vocab_destroy(vocab);
    return 0;
}

static bool has(const uint64_t *mask, uint32_t id)
{
    return mask[id / 64] >> id % 64 & 1;
}

/* Whether a token may come after `text`, found out the long way. */
static bool may_follow(ti_matcher *m, const char *text, size_t len, uint32_t id, uint64_t left)
{
    size_t n;
    const char *bytes = ti_vocab_bytes(vocab, (tern_token)id, &n);
    ti_matcher_restart(m);
    assert_int_equal(read_text(m, text, len), len);
    uint64_t before = ti_matcher_rest(m);
    return ti_vocab_ends(vocab, (tern_token)id)
               ? ti_matcher_whole(m)
               : n > 0 && read_text(m, bytes, n) == n &&
                     (ti_matcher_rest(m) + 2 <= left || ti_matcher_rest(m) < before);
}

static void compare_masks(ti_matcher *other, ti_matcher *m, const char *text, size_t len,
                          uint64_t left)
{
    const uint64_t *mask = NULL;
    tern_err err = {.message = ""};
    if (ti_matcher_mask(m, left, &mask, &err) != TERN_OK) {
        fail_msg("after '%.*s': %s", (int)len, text, err.message);
    }
    for (uint32_t id = 0; id < ti_vocab_size(vocab); id++) {
        if (has(mask, id) != may_follow(other, text, len, id, left)) {
            fail_msg("after '%.*s', %llu left: token %u is%s in the mask", (int)len, text,
                     (unsigned long long)left, id, has(mask, id) ? "" : " not");
        }
    }
}

/* Random walks; a matcher that must forget all the time says the same as one with room. */
static void test_masks(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"list\":{\"type\":"
        "\"array\",\"items\":{\"$ref\":\"#\"}},\"s\":{\"type\":\"string\",\"maxLength\":6}}}";
    const ti_matcher_opts little = {.sets = 256, .items = 2048, .rows = 2, .masks = 1};
    tern_grammar *g = compile(S, schema);
    ti_matcher *other = start(g, NULL);
    ti_rng rng;
    ti_rng_seed(&rng, 1);
    for (int run = 0; run < 4; run++) {
        char text[256];
        size_t len = 0;
        uint64_t left = run % 2 ? UINT64_MAX : 24;
        ti_matcher *m = NULL;
        assert_int_equal(ti_matcher_create(&m, g, trie, run < 2 ? NULL : &little, NULL),
                         TERN_OK);
        assert_true(ti_matcher_bytes(m) > 0);
        for (;;) {
            const uint64_t *mask = NULL;
            compare_masks(other, m, text, len, left);
            assert_int_equal(ti_matcher_mask(m, left, &mask, NULL), TERN_OK);
            uint32_t id = (uint32_t)(ti_rng_next(&rng) % ti_vocab_size(vocab));
            while (!has(mask, id)) {
                id = (id + 1) % ti_vocab_size(vocab);
            }
            size_t n;
            bool fits = false;
            const char *bytes = ti_vocab_bytes(vocab, (tern_token)id, &n);
            if (ti_vocab_ends(vocab, (tern_token)id) || len + n > 40) {
                break;
            }
            assert_int_equal(ti_matcher_read(m, bytes, n, &fits, NULL), TERN_OK);
            assert_true(fits);
            memcpy(text + len, bytes, n);
            len += n;
            left -= left != UINT64_MAX;
        }
        ti_matcher_restart(m);
        compare_masks(other, m, text, 0, UINT64_MAX);
        ti_matcher_destroy(m);
    }
    ti_matcher_destroy(other);
    tern_grammar_destroy(g);
}

/* What is computed while tokens are chosen takes no memory. */
/* A mask takes a bounded count of steps, whatever a schema has thought of; and what is usual in
 * large ones stays far below. */
static void test_mask_cost(void **state)
{
    enum { STRINGS = 1000, WORDS = 4000, TOKENS = 200, LETTERS = 26, LONGEST = 24 };
    static tb_vocab long_spec;
    ti_buf strings = {0}, words = {0};
    const ti_trie *own;
    ti_rng rng;
    (void)state;
    ti_rng_seed(&rng, 3);
    tb_bpe(&long_spec);
    for (unsigned i = 0; i < TOKENS; i++) {
        char text[LONGEST + 1] = "";
        for (size_t k = 0, n = 2 + ti_rng_next(&rng) % (LONGEST - 1); k < n; k++) {
            text[k] = (char)('a' + ti_rng_next(&rng) % LETTERS);
        }
        tb_add(&long_spec, text, TB_NORMAL, 0);
    }
    ti_vocab *v = tb_create(&long_spec, NULL);
    assert_int_equal(ti_vocab_trie(&own, v, NULL), TERN_OK);
    ti_buf_adds(&strings, "{\"type\":\"array\",\"items\":{\"anyOf\":[");
    for (unsigned i = 0; i < STRINGS; i++) {
        ti_buf_addf(&strings, "%s{\"type\":\"string\",\"maxLength\":30}", i ? "," : "");
    }
    ti_buf_adds(&strings, "]}}");
    ti_buf_adds(&words, "{\"enum\":[");
    for (unsigned i = 0; i < WORDS; i++) {
        ti_buf_addf(&words, "%s\"%016llx\"", i ? "," : "",
                    (unsigned long long)ti_rng_next(&rng));
    }
    ti_buf_adds(&words, "]}");
    const ti_buf *all[] = {&strings, &words};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        ti_matcher *m = NULL;
        const uint64_t *mask;
        tern_err err = {.message = ""};
        assert_false(all[i]->failed);
        tern_grammar *g = compile(S, all[i]->data);
        assert_int_equal(ti_matcher_create(&m, g, own, NULL, NULL), TERN_OK);
        tern_status status = TERN_OK;
        for (size_t k = 0; k < 2 && status == TERN_OK; k++) {
            assert_int_equal(read_text(m, i ? "\"" : k ? "\"" : "[", k || !i), k || !i);
            status = ti_matcher_mask(m, UINT64_MAX, &mask, &err);
        }
        assert_int_equal(status, i ? TERN_OK : TERN_UNSUPPORTED);
        assert_true(i || strstr(err.message, "too many readings"));
        ti_matcher_destroy(m);
        tern_grammar_destroy(g);
    }
    ti_vocab_destroy(v);
    ti_buf_free(&strings);
    ti_buf_free(&words);
}

static void test_no_allocation(void **state)
{
    (void)state;
    const uint64_t *mask = NULL;
    tern_grammar *g = compile(J, "");
    ti_matcher *m = start(g, trie);
    oom_fail_at(1L << 30);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(ti_matcher_mask(m, UINT64_MAX, &mask, NULL), TERN_OK);
        assert_int_equal(read_text(m, i == 0 ? "{\"a\":" : "[", i == 0 ? 5 : 1),
                         i == 0 ? 5 : 1);
    }
    assert_int_equal(oom_count(), 0);
    (void)oom_disarm();
    ti_matcher_destroy(m);
    tern_grammar_destroy(g);
}

/* A vocabulary without all bytes can get stuck: that is said, with a byte that is missing. */
static void test_poor_vocabulary(void **state)
{
    (void)state;
    static tb_vocab poor;
    tern_err err = {.message = ""};
    tern_grammar *g = compile(G, "root ::= \"hello\" \"Q\"");
    const ti_trie *t = NULL;
    const uint64_t *mask = NULL;
    tb_bpe(&poor);
    poor.tokens['Q'].type = TB_UNUSED;
    ti_vocab *v = tb_create(&poor, &err);
    assert_non_null(v);
    assert_int_equal(ti_vocab_trie(&t, v, NULL), TERN_OK);
    ti_matcher *m = start(g, t);
    assert_int_equal(ti_matcher_mask(m, UINT64_MAX, &mask, &err), TERN_OK);
    assert_int_equal(read_text(m, "hello", 5), 5);
    assert_int_equal(ti_matcher_mask(m, UINT64_MAX, &mask, &err), TERN_UNSUPPORTED);
    assert_non_null(strstr(err.message, "byte 0x51"));
    ti_matcher_destroy(m);
    ti_vocab_destroy(v);
    /* None that ends an answer. */
    ti_trie endless = *trie;
    endless.n_ends = 0;
    assert_int_equal(ti_matcher_create(&m, g, &endless, NULL, &err), TERN_UNSUPPORTED);
    tern_grammar_destroy(g);
}

/* The trie has every token that stands for bytes once. */
static void test_trie(void **state)
{
    (void)state;
    size_t tokens = 0, seen = 0;
    for (uint32_t id = 0; id < ti_vocab_size(vocab); id++) {
        size_t n;
        (void)ti_vocab_bytes(vocab, (tern_token)id, &n);
        tokens += n > 0 && !ti_vocab_ends(vocab, (tern_token)id);
    }
    uint8_t path[64];
    for (size_t i = 0; i < trie->n; i++) {
        const ti_trie_node *node = &trie->nodes[i];
        path[node->depth - 1] = node->byte;
        assert_true(node->end > i && node->end <= trie->n);
        for (uint32_t k = node->first; k < node[1].first; k++, seen++) {
            size_t n;
            const char *bytes = ti_vocab_bytes(vocab, (tern_token)trie->ids[k], &n);
            assert_int_equal(n, node->depth);
            assert_memory_equal(bytes, path, n);
        }
    }
    assert_int_equal(seen, tokens);
    assert_true(ti_trie_bytes(trie) >= 4 * tokens);
}

/* --- memory ----------------------------------------------------------------------------------
 */

static void without_memory(tern_grammar_kind kind, const char *text)
{
    for (long n = 0;; n++) {
        tern_grammar *g = NULL;
        ti_matcher *m = NULL;
        const ti_trie *t = NULL;
        static tb_vocab fresh;
        tb_bpe(&fresh);
        ti_vocab *v = tb_create(&fresh, NULL);
        assert_non_null(v);
        oom_fail_at(n);
        tern_status status = tern_grammar_create(&g, kind, text, strlen(text), NULL);
        status = status ? status : ti_vocab_trie(&t, v, NULL);
        status = status ? status : ti_matcher_create(&m, g, t, &small, NULL);
        bool failed = oom_disarm();
        assert_true(status == TERN_OK || (failed && status == TERN_NOMEM));
        assert_true(status == TERN_OK ? m != NULL : m == NULL);
        ti_matcher_destroy(m);
        tern_grammar_destroy(g);
        ti_vocab_destroy(v);
        if (!failed) {
            break;
        }
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    without_memory(J, "");
    without_memory(S, EXTRA);
    without_memory(S, THREE);
    without_memory(S, LIST);
    without_memory(G, "root ::= a [b-d^]{2,3} | \"x\"*\na ::= \"y\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_long_text),    cmocka_unit_test(test_depth),
        cmocka_unit_test(test_ambiguous),    cmocka_unit_test(test_masks),
        cmocka_unit_test(test_trie),         cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_one_of_limit), cmocka_unit_test(test_mask_cost),
        cmocka_unit_test(test_no_memory),    cmocka_unit_test(test_poor_vocabulary),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
