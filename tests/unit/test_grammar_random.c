/* SPDX-License-Identifier: Apache-2.0 */
/* Random grammars against sets of texts that are computed in another way, and random schemas:
 * whatever tokens are drawn, the text is JSON that the strict reader takes and that fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/jval.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "model/matcher.h"
#include "tok_build.h"

static ti_rng rng;

static uint32_t below(uint32_t n)
{
    return (uint32_t)(ti_rng_next(&rng) % n);
}

static const ti_matcher_opts small = {.sets = 2048, .items = 8192, .rows = 64, .masks = 4};

/* --- all texts of a's and b's up to a length -------------------------------------------------
 * A text of n letters is number 2^n - 1 + its bits; a language is a set of numbers. */

enum { LONGEST = 6, TEXTS = (1 << (LONGEST + 1)) - 1, RULES = 3 };

typedef struct language {
    bool has[TEXTS];
} language;

static unsigned length_of(unsigned text)
{
    unsigned n = 0;
    while (text + 1 >= 2u << n) {
        n++;
    }
    return n;
}

static unsigned joined(unsigned a, unsigned b)
{
    unsigned n = length_of(a), k = length_of(b);
    return (1u << (n + k)) - 1 + ((a + 1 - (1u << n)) << k | (b + 1 - (1u << k)));
}

static void join(language *out, const language *a, const language *b)
{
    language made = {{false}};
    for (unsigned x = 0; x < TEXTS; x++) {
        for (unsigned y = 0; a->has[x] && y < TEXTS; y++) {
            if (b->has[y] && length_of(x) + length_of(y) <= LONGEST) {
                made.has[joined(x, y)] = true;
            }
        }
    }
    *out = made;
}

static bool unite(language *out, const language *more)
{
    bool grew = false;
    for (unsigned i = 0; i < TEXTS; i++) {
        grew |= more->has[i] && !out->has[i];
        out->has[i] |= more->has[i];
    }
    return grew;
}

/* --- random expressions ----------------------------------------------------------------------
 */

typedef struct expr {
    enum { LETTERS, ANY, RULE, SEQ, ALT, STAR, MAYBE, TWO } kind;
    unsigned value; /* text, or rule */
    struct expr *a, *b;
} expr;

static expr pool[256];
static size_t n_pool;

static expr *random_expr(unsigned depth)
{
    expr *x = &pool[n_pool++];
    *x = (expr){.kind = depth == 0 ? below(3) : below(8)};
    switch (x->kind) {
    case LETTERS:
        x->value = below(7);
        break;
    case RULE:
        x->value = below(RULES);
        break;
    case SEQ:
    case ALT:
        x->a = random_expr(depth - 1);
        x->b = random_expr(depth - 1);
        break;
    case STAR:
    case MAYBE:
    case TWO:
        x->a = random_expr(depth - 1);
        break;
    default:
        break;
    }
    return x;
}

static void write_text(ti_buf *out, unsigned text)
{
    unsigned n = length_of(text);
    for (unsigned i = n; i-- > 0;) {
        ti_buf_addc(out, (text + 1 - (1u << n)) >> i & 1 ? 'b' : 'a');
    }
}

static void write_expr(ti_buf *out, const expr *x)
{
    static const char *const after[] = {[STAR] = ")*", [MAYBE] = ")?", [TWO] = "){1,2}"};
    static const char *const names[RULES] = {"root", "one", "two"};
    switch (x->kind) {
    case LETTERS:
        ti_buf_addc(out, '"');
        write_text(out, x->value);
        ti_buf_addc(out, '"');
        break;
    case ANY:
        ti_buf_adds(out, "[ab]");
        break;
    case RULE:
        ti_buf_adds(out, names[x->value]);
        break;
    case SEQ:
    case ALT:
        ti_buf_addc(out, '(');
        write_expr(out, x->a);
        ti_buf_adds(out, x->kind == SEQ ? " " : " | ");
        write_expr(out, x->b);
        ti_buf_addc(out, ')');
        break;
    default:
        ti_buf_addc(out, '(');
        write_expr(out, x->a);
        ti_buf_adds(out, after[x->kind]);
        break;
    }
}

/* The texts of an expression, as far as those of the rules are known. */
static language texts_of(const expr *x, const language *rules)
{
    language out = {{false}}, a = {{false}}, b;
    if (x->a) {
        a = texts_of(x->a, rules);
    }
    switch (x->kind) {
    case LETTERS:
        out.has[x->value] = true;
        break;
    case ANY:
        out.has[1] = out.has[2] = true;
        break;
    case RULE:
        out = rules[x->value];
        break;
    case SEQ:
        b = texts_of(x->b, rules);
        join(&out, &a, &b);
        break;
    case ALT:
        out = texts_of(x->b, rules);
        (void)unite(&out, &a);
        break;
    case STAR:
        out.has[0] = true;
        do {
            join(&b, &out, &a);
        } while (unite(&out, &b));
        break;
    case MAYBE:
        out = a;
        out.has[0] = true;
        break;
    case TWO:
        join(&out, &a, &a);
        (void)unite(&out, &a);
        break;
    }
    return out;
}

/* Fewest letters after `prefix` that make a text of the language, or LONGEST + 1. */
static unsigned letters_left(const language *l, unsigned prefix)
{
    unsigned least = LONGEST + 1, n = length_of(prefix);
    for (unsigned x = 0; x < TEXTS; x++) {
        unsigned k = length_of(x);
        if (l->has[x] && k >= n && k - n < least &&
            (x + 1 - (1u << k)) >> (k - n) == prefix + 1 - (1u << n)) {
            least = k - n;
        }
    }
    return least;
}

/* Every text that is short enough: fits, is whole, and is as far from an end as it should. */
static void compare(const tern_grammar *g, const language *l, const char *text)
{
    ti_matcher *m = NULL;
    assert_int_equal(ti_matcher_create(&m, g, NULL, &small, NULL), TERN_OK);
    for (unsigned x = 0; x < TEXTS; x++) {
        ti_buf bytes = {0};
        bool fits = true;
        write_text(&bytes, x);
        ti_matcher_restart(m);
        assert_int_equal(
            ti_matcher_read(m, bytes.len ? bytes.data : "", bytes.len, &fits, NULL), TERN_OK);
        unsigned left = letters_left(l, x), n = length_of(x);
        uint64_t rest = ti_matcher_rest(m);
        bool near = fits && n + rest <= LONGEST;
        if (near ? left != rest : n + left <= LONGEST) {
            fail_msg("%s\non '%s': fits %d, rest %llu, wanted %u", text,
                     bytes.len ? bytes.data : "", fits, (unsigned long long)rest, left);
        }
        if (fits && ti_matcher_whole(m) != l->has[x]) {
            fail_msg("%s\non '%s': whole %d", text, bytes.data, !l->has[x]);
        }
        ti_buf_free(&bytes);
    }
    ti_matcher_destroy(m);
}

static void test_languages(void **state)
{
    enum { GRAMMARS = 300 };
    unsigned compared = 0, recursive = 0, empty = 0;
    (void)state;
    ti_rng_seed(&rng, 7);
    for (int i = 0; i < GRAMMARS; i++) {
        expr *bodies[RULES];
        language rules[RULES] = {{{false}}};
        ti_buf text = {0};
        tern_grammar *g = NULL;
        tern_err err = {.message = ""};
        n_pool = 0;
        for (size_t r = 0; r < RULES; r++) {
            static const char *const heads[RULES] = {"root ::= ", "\none ::= ", "\ntwo ::= "};
            bodies[r] = random_expr(3);
            ti_buf_adds(&text, heads[r]);
            write_expr(&text, bodies[r]);
        }
        for (bool grew = true; grew;) {
            grew = false;
            for (size_t r = 0; r < RULES; r++) {
                language more = texts_of(bodies[r], rules);
                grew |= unite(&rules[r], &more);
            }
        }
        tern_status status =
            tern_grammar_create(&g, TERN_GRAMMAR_GBNF, text.data, text.len, &err);
        if (status == TERN_OK) {
            compare(g, &rules[0], text.data);
            compared++;
        } else if (status == TERN_USAGE) {
            assert_int_equal(letters_left(&rules[0], 0), LONGEST + 1);
            empty++;
        } else {
            assert_int_equal(status, TERN_UNSUPPORTED); /* left recursion */
            recursive++;
        }
        tern_grammar_destroy(g);
        ti_buf_free(&text);
    }
    print_message("%u compared, %u with left recursion, %u without texts\n", compared,
                  recursive, empty);
    assert_true(compared > GRAMMARS / 3);
}

/* --- schemas ---------------------------------------------------------------------------------
 */

static void random_schema(ti_buf *out, unsigned depth);

static void random_object(ti_buf *out, unsigned depth)
{
    static const char *const names[] = {"a", "ab", "b", "\\u00e9\\\"", "long name"};
    unsigned n = below(5), required = 0;
    ti_buf_adds(out, "{\"type\":\"object\",\"properties\":{");
    for (unsigned i = 0; i < n; i++) {
        ti_buf_addf(out, "%s\"%s\":", i ? "," : "", names[i]);
        random_schema(out, depth - 1);
    }
    ti_buf_adds(out, "},\"required\":[");
    for (unsigned i = 0; i < n; i++) {
        if (below(2)) {
            ti_buf_addf(out, "%s\"%s\"", required++ ? "," : "", names[i]);
        }
    }
    ti_buf_addc(out, ']');
    if (below(4) == 0) {
        ti_buf_adds(out, ",\"additionalProperties\":");
        random_schema(out, depth - 1);
    }
    ti_buf_addc(out, '}');
}

static void random_array(ti_buf *out, unsigned depth)
{
    unsigned min = below(3);
    ti_buf_adds(out, "{\"type\":\"array\",\"items\":");
    random_schema(out, depth - 1);
    ti_buf_addf(out, ",\"minItems\":%u,\"maxItems\":%u", min, min + below(3));
    if (below(3) == 0) {
        ti_buf_adds(out, ",\"prefixItems\":[");
        random_schema(out, depth - 1);
        ti_buf_addc(out, ']');
    }
    ti_buf_addc(out, '}');
}

static void random_schema(ti_buf *out, unsigned depth)
{
    switch (below(depth ? 10 : 6)) {
    case 0:
        ti_buf_adds(out, "{\"type\":[\"boolean\",\"null\"]}");
        break;
    case 1: {
        int lo = (int)below(3000) - 1500;
        ti_buf_addf(out, "{\"type\":\"integer\",\"minimum\":%d,\"maximum\":%d}", lo,
                    lo + (int)below(2000));
        break;
    }
    case 2:
        ti_buf_adds(out, "{\"type\":\"number\"}");
        break;
    case 3:
        ti_buf_addf(out, "{\"type\":\"string\",\"minLength\":%u,\"maxLength\":%u}", below(3),
                    2 + below(6));
        break;
    case 4:
        ti_buf_adds(out, "{\"enum\":[\"red\",\"re\",7,null,[1,{\"x\":2.5}]]}");
        break;
    case 5:
        ti_buf_adds(out, "true");
        break;
    case 6:
        ti_buf_adds(out, "{\"anyOf\":[");
        random_schema(out, depth - 1);
        ti_buf_addc(out, ',');
        random_schema(out, depth - 1);
        ti_buf_adds(out, "]}");
        break;
    case 7:
        ti_buf_adds(out, "{\"$ref\":\"#/$defs/tree\"}");
        break;
    case 8:
        random_array(out, depth);
        break;
    default:
        random_object(out, depth);
        break;
    }
}

static bool same(const ti_jval *a, const ti_jval *b)
{
    double x, y;
    if (ti_jval_num(a, &x) && ti_jval_num(b, &y)) {
        return !(x < y || x > y);
    }
    if (a->type != b->type || (a->type != TI_JSTR && a->n != b->n)) {
        return false;
    }
    if (a->type == TI_JSTR) {
        return a->u.str.len == b->u.str.len &&
               memcmp(a->u.str.data, b->u.str.data, a->u.str.len) == 0;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->type == TI_JARRAY ? !same(&a->u.items[i], &b->u.items[i])
                                 : !same(&a->u.members[i].value, &b->u.members[i].value)) {
            return false;
        }
    }
    return a->type != TI_JBOOL || a->u.boolean == b->u.boolean;
}

static uint64_t number_in(const ti_jval *schema, const char *key, uint64_t otherwise)
{
    uint64_t n;
    return ti_jval_uint(ti_jval_get(schema, key), UINT32_MAX, &n) ? n : otherwise;
}

static bool is_type(const ti_jval *v, const ti_jval *type)
{
    static const char *const names[] = {"null",   "boolean", "integer", "number",
                                        "string", "array",   "object"};
    for (uint32_t i = 0; type->type == TI_JARRAY && i < type->n; i++) {
        if (is_type(v, &type->u.items[i])) {
            return true;
        }
    }
    return ti_jval_is(type, names[v->type]) ||
           (v->type == TI_JINT && ti_jval_is(type, "number"));
}

static bool valid(const ti_jval *root, const ti_jval *schema, const ti_jval *v);

static bool valid_items(const ti_jval *root, const ti_jval *schema, const ti_jval *v)
{
    const ti_jval *prefix = ti_jval_get(schema, "prefixItems");
    const ti_jval *items = ti_jval_get(schema, "items");
    if (v->n < number_in(schema, "minItems", 0) ||
        v->n > number_in(schema, "maxItems", UINT32_MAX)) {
        return false;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        const ti_jval *s = prefix && i < prefix->n ? &prefix->u.items[i] : items;
        if (s && !valid(root, s, &v->u.items[i])) {
            return false;
        }
    }
    return true;
}

static bool valid_members(const ti_jval *root, const ti_jval *schema, const ti_jval *v)
{
    const ti_jval *known = ti_jval_get(schema, "properties");
    const ti_jval *other = ti_jval_get(schema, "additionalProperties");
    const ti_jval *required = ti_jval_get(schema, "required");
    for (uint32_t i = 0; i < v->n; i++) {
        const ti_jmember *m = &v->u.members[i];
        const ti_jval *s = ti_jval_getn(known, m->key);
        s = s ? s : other;
        if (s && !valid(root, s, &m->value)) {
            return false;
        }
    }
    for (uint32_t i = 0; required && i < required->n; i++) {
        if (!ti_jval_getn(v, required->u.items[i].u.str)) {
            return false;
        }
    }
    return true;
}

static bool valid(const ti_jval *root, const ti_jval *schema, const ti_jval *v)
{
    const ti_jval *k;
    double x, bound;
    if (schema->type == TI_JBOOL) {
        return schema->u.boolean;
    }
    if (ti_jval_get(schema, "$ref")) {
        return valid(root, ti_jval_get(ti_jval_get(root, "$defs"), "tree"), v);
    }
    if ((k = ti_jval_get(schema, "anyOf"))) {
        return valid(root, &k->u.items[0], v) || valid(root, &k->u.items[1], v);
    }
    if ((k = ti_jval_get(schema, "enum"))) {
        bool listed = false;
        for (uint32_t i = 0; i < k->n; i++) {
            listed |= same(&k->u.items[i], v);
        }
        return listed;
    }
    if ((k = ti_jval_get(schema, "type")) && !is_type(v, k)) {
        return false;
    }
    if (ti_jval_num(v, &x)) {
        return (!ti_jval_num(ti_jval_get(schema, "minimum"), &bound) || x >= bound) &&
               (!ti_jval_num(ti_jval_get(schema, "maximum"), &bound) || x <= bound);
    }
    if (v->type == TI_JSTR) {
        size_t n = 0;
        for (size_t i = 0; i < v->u.str.len; n++) {
            uint32_t code;
            i += ti_utf8_decode(v->u.str.data + i, v->u.str.len - i, &code);
        }
        return n >= number_in(schema, "minLength", 0) &&
               n <= number_in(schema, "maxLength", UINT32_MAX);
    }
    return v->type == TI_JARRAY    ? valid_items(root, schema, v)
           : v->type == TI_JOBJECT ? valid_members(root, schema, v)
                                   : true;
}

/* Draws tokens until one ends the text; how likely each is, is drawn for each text. */
static void draw(ti_buf *out, ti_matcher *m, const ti_vocab *v, uint64_t left)
{
    for (;; left--) {
        const uint64_t *mask = NULL;
        tern_err err = {.message = ""};
        bool fits = false;
        size_t n;
        assert_true(left > 0);
        if (ti_matcher_mask(m, left, &mask, &err) != TERN_OK) {
            fail_msg("after %s: %s", out->data ? out->data : "", err.message);
        }
        uint32_t id = below(ti_vocab_size(v));
        while (!(mask[id / 64] >> id % 64 & 1)) {
            id = (id + 1) % ti_vocab_size(v);
        }
        if (ti_vocab_ends(v, (tern_token)id)) {
            return;
        }
        const char *bytes = ti_vocab_bytes(v, (tern_token)id, &n);
        ti_buf_add(out, bytes, n);
        assert_int_equal(ti_matcher_read(m, bytes, n, &fits, NULL), TERN_OK);
        assert_true(fits);
    }
}

static void draw_and_check(const tern_grammar *g, const ti_vocab *v, const ti_jval *schema,
                           const char *text, unsigned *twice)
{
    const ti_trie *trie = NULL;
    ti_matcher *m = NULL;
    ti_arena arena = {0};
    ti_jval doc;
    ti_buf out = {0};
    tern_err err = {.message = ""};
    assert_int_equal(ti_vocab_trie(&trie, v, NULL), TERN_OK);
    assert_int_equal(ti_matcher_create(&m, g, trie, &small, NULL), TERN_OK);
    draw(&out, m, v, ti_matcher_rest(m) + 1 + below(200));
    if (ti_jval_parse(&doc, &arena, out.data, out.len, "test", &err) != TERN_OK) {
        if (!strstr(err.message, "is there twice")) { /* a name of its own choice */
            fail_msg("%s\nfor %s: %s", out.data, text, err.message);
        }
        ++*twice;
    } else if (!valid(schema, schema, &doc)) {
        fail_msg("%s\ndoes not fit %s", out.data, text);
    }
    ti_arena_free(&arena);
    ti_buf_free(&out);
    ti_matcher_destroy(m);
}

static void test_schemas(void **state)
{
    enum { SCHEMAS = 150, DRAWS = 3 };
    static tb_vocab spec;
    unsigned twice = 0, made = 0;
    (void)state;
    tb_bpe(&spec);
    static const char *const more[] = {"{\"", "\":", "\"}",     "}}",   "],[", "null", "true}",
                                       "12",  "[[[", "\"a\":1", "\"ab", "e+1", "\\u00"};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        tb_add(&spec, more[i], TB_NORMAL, 0);
    }
    ti_vocab *v = tb_create(&spec, NULL);
    assert_non_null(v);
    ti_rng_seed(&rng, 11);
    for (int i = 0; i < SCHEMAS; i++) {
        tern_grammar *g = NULL;
        ti_arena arena = {0};
        ti_jval root;
        ti_buf text = {0};
        tern_err err = {.message = ""};
        ti_buf_adds(&text, "{\"$defs\":{\"tree\":{\"type\":\"array\",\"items\":{\"anyOf\":[{"
                           "\"$ref\":\"#/$defs/tree\"},{\"type\":\"integer\",\"minimum\":0,"
                           "\"maximum\":9}]},\"maxItems\":3}},\"anyOf\":[");
        random_schema(&text, 3);
        ti_buf_adds(&text, ",false]}");
        assert_int_equal(ti_jval_parse(&root, &arena, text.data, text.len, "test", NULL),
                         TERN_OK);
        tern_status status =
            tern_grammar_create(&g, TERN_GRAMMAR_SCHEMA, text.data, text.len, &err);
        if (status != TERN_OK) {
            fail_msg("%s: %s", text.data, err.message);
        }
        for (int k = 0; k < DRAWS; k++, made++) {
            draw_and_check(g, v, &root, text.data, &twice);
        }
        tern_grammar_destroy(g);
        ti_arena_free(&arena);
        ti_buf_free(&text);
    }
    print_message("%u texts, %u with a name twice\n", made, twice);
    assert_true(twice < made / 10);
    ti_vocab_destroy(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_languages),
        cmocka_unit_test(test_schemas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
