/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema (draft 2020-12, json-schema.org) as rules.  Every keyword is either expressed
 * exactly or refused by its name; annotations are read over.
 *
 * What a schema allows is more than what is written here: members come in the order of
 * `properties`, without others where `additionalProperties` does not ask for them; arrays with
 * `prefixItems` have no further items where `items` does not.  What is written always fits. */
#include "model/schema.h"

#include <stdlib.h>
#include <string.h>

static const char module[] = "schema";

/* --- parts ----------------------------------------------------------------------------------
 */

/* The rule of a schema, which is done later when it is new. */
ti_gexpr *ti_js_part_of(ti_js *s, const ti_jval *schema)
{
    for (size_t i = 0; i < s->n_parts; i++) {
        if (s->parts[i].schema == schema) {
            return ti_gx_rule(s->b, s->parts[i].rule);
        }
    }
    if (s->n_parts == s->cap_parts) {
        size_t cap = s->cap_parts ? 2 * s->cap_parts : 32;
        ti_js_part *parts = realloc(s->parts, cap * sizeof *parts);
        if (!parts) {
            s->b->failed = true;
            return ti_gx_lit(s->b, "");
        }
        s->parts = parts;
        s->cap_parts = cap;
    }
    uint32_t rule = ti_grule_new(s->b, "schema", 6, schema->at);
    if (!s->b->failed && !s->b->too_many) {
        s->b->rules[rule].deep = true;
        s->parts[s->n_parts++] = (ti_js_part){schema, rule};
    }
    return ti_gx_rule(s->b, rule);
}

/* One step of a JSON pointer (RFC 6901): ~1 is a slash, ~0 a tilde. */
static bool is_step(ti_str key, ti_str step)
{
    size_t k = 0;
    for (size_t i = 0; i < step.len; i++, k++) {
        char c = step.data[i];
        if (c == '~') {
            c = ++i < step.len && step.data[i] == '1' ? '/' : '~';
        }
        if (k >= key.len || key.data[k] != c) {
            return false;
        }
    }
    return k == key.len;
}

static const ti_jval *step_into(const ti_jval *v, ti_str step)
{
    size_t number = 0;
    if (v->type == TI_JOBJECT) {
        for (uint32_t i = 0; i < v->n; i++) {
            if (is_step(v->u.members[i].key, step)) {
                return &v->u.members[i].value;
            }
        }
    }
    for (size_t i = 0; v->type == TI_JARRAY && i < step.len; i++) {
        if (step.data[i] < '0' || step.data[i] > '9' || number > TI_JVAL_MAX_VALUES) {
            return NULL;
        }
        number = number * 10 + (size_t)(step.data[i] - '0');
    }
    return v->type == TI_JARRAY && step.len > 0 && number < v->n ? &v->u.items[number] : NULL;
}

tern_status ti_js_resolve(ti_js *s, const ti_jval *ref, const ti_jval **out)
{
    if (ref->type != TI_JSTR || ref->u.str.len == 0) {
        return ti_js_corrupt(s->err, ref, "'$ref' is no text");
    }
    ti_str path = ref->u.str;
    if (path.data[0] != '#' || memchr(path.data, '%', path.len) ||
        (path.len > 1 && path.data[1] != '/')) {
        return ti_fail(s->err, TERN_UNSUPPORTED, module, ref->at,
                       "'$ref' is not supported but as #, #/$defs/NAME and the like");
    }
    const ti_jval *v = s->root;
    for (size_t at = 1; v && at < path.len;) {
        size_t end = at + 1;
        while (end < path.len && path.data[end] != '/') {
            end++;
        }
        s->compared += v->n; /* they are looked through one by one */
        v = step_into(v, (ti_str){path.data + at + 1, end - at - 1});
        at = end;
    }
    if (!v) {
        return ti_js_corrupt(s->err, ref, "'$ref' leads nowhere");
    }
    *out = v;
    return TERN_OK;
}

ti_gexpr *ti_gx_sequence(ti_gbuild *b, ti_gexpr *one, ti_gexpr *two, ti_gexpr *three)
{
    ti_gexpr *seq = ti_gx_list(b, TI_GX_SEQ);
    ti_gx_add(b, seq, one);
    ti_gx_add(b, seq, two);
    if (three) {
        ti_gx_add(b, seq, three);
    }
    return seq;
}

ti_gexpr *ti_js_space(ti_gbuild *b)
{
    return ti_gx_rule(b, TI_JR_WS);
}

/* A comma before it. */
ti_gexpr *ti_js_further(ti_gbuild *b, ti_gexpr *x)
{
    return ti_gx_sequence(b, ti_gx_lit(b, ","), ti_js_space(b), x);
}

ti_gexpr *ti_gx_maybe(ti_gbuild *b, ti_gexpr *x)
{
    return ti_gx_repeat(b, x, 0, 1);
}

/* A whole number that counts something. */
tern_status ti_js_count(const ti_js *s, const ti_jval *schema, const char *keyword,
                        uint32_t *out)
{
    uint64_t value;
    const ti_jval *v = ti_jval_get(schema, keyword);
    if (!v) {
        return TERN_OK;
    }
    if (!ti_jval_uint(v, INT64_MAX, &value)) {
        return ti_fail(s->err, TERN_CORRUPT, module, v->at, "'%s' is no count", keyword);
    }
    if (value > TI_GRAMMAR_MAX_REPEAT) {
        return ti_fail(s->err, TERN_LIMIT, module, v->at, "'%s' is over %d", keyword,
                       TI_GRAMMAR_MAX_REPEAT);
    }
    *out = (uint32_t)value;
    return TERN_OK;
}

void ti_js_define(ti_js *s, uint32_t rule, ti_gexpr *body)
{
    if (!s->b->failed && !s->b->too_many) {
        s->b->rules[rule].body = body;
    }
}

/* --- schemas --------------------------------------------------------------------------------
 */

static tern_status do_list(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    const ti_jval *one = ti_jval_get(schema, "const"), *many = ti_jval_get(schema, "enum");
    unsigned allowed = TI_JS_ALL;
    if (!one && many->type != TI_JARRAY) {
        return ti_js_corrupt(s->err, many, "'enum' is no list");
    }
    if (ti_jval_get(schema, "type")) {
        TI_TRY(ti_js_types(&allowed, schema, s->err));
    }
    *out = ti_gx_list(s->b, TI_GX_ALT);
    for (size_t i = 0, n = one ? 1 : many->n; i < n; i++) {
        const ti_jval *v = one ? one : &many->u.items[i];
        if (ti_js_type_of(v) & allowed) {
            ti_gx_add(s->b, *out, ti_gx_value(s->b, v));
        }
    }
    return TERN_OK;
}

static tern_status do_choice(ti_js *s, const ti_jval *list, bool one_of, ti_gexpr **out)
{
    if (list->type != TI_JARRAY || list->n == 0) {
        return ti_js_corrupt(s->err, list, "a list of schemas is expected");
    }
    for (uint32_t i = 0; one_of && i < list->n; i++) {
        for (uint32_t k = 0; k < i; k++) {
            bool apart = false;
            TI_TRY(ti_js_exclude(s, &list->u.items[k], &list->u.items[i], &apart));
            if (!apart) {
                return ti_fail(s->err, TERN_UNSUPPORTED, module, list->u.items[i].at,
                               "'oneOf' is supported where its schemas exclude each other: "
                               "numbers %u and %u may both fit; 'anyOf' allows that",
                               k + 1, i + 1);
            }
        }
    }
    *out = ti_gx_list(s->b, TI_GX_ALT);
    for (uint32_t i = 0; i < list->n; i++) {
        ti_gx_add(s->b, *out, ti_js_part_of(s, &list->u.items[i]));
    }
    return TERN_OK;
}

static tern_status do_alone(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    const ti_jval *ref = ti_jval_get(schema, "$ref"), *any = ti_jval_get(schema, "anyOf");
    const ti_jval *one = ti_jval_get(schema, "oneOf"), *all = ti_jval_get(schema, "allOf");
    if (ref) {
        const ti_jval *to = NULL;
        TI_TRY(ti_js_resolve(s, ref, &to));
        *out = ti_js_part_of(s, to);
        return TERN_OK;
    }
    if (all && (all->type != TI_JARRAY || all->n != 1)) {
        return ti_fail(s->err, TERN_UNSUPPORTED, module, all->at,
                       "keyword 'allOf' is supported for one schema only");
    }
    const ti_jval *list = any ? any : one ? one : all;
    TI_ASSERT(list); /* the caller has seen one of them */
    return do_choice(s, list, one != NULL, out);
}

static tern_status do_types(ti_js *s, const ti_jval *schema, unsigned allowed, ti_gexpr **out)
{
    ti_gbuild *b = s->b;
    ti_gexpr *alt = ti_gx_list(b, TI_GX_ALT), *x = NULL;
    if (allowed & TI_JS_NULL) {
        ti_gx_add(b, alt, ti_gx_lit(b, "null"));
    }
    if (allowed & TI_JS_BOOLEAN) {
        ti_gx_add(b, alt, ti_gx_lit(b, "true"));
        ti_gx_add(b, alt, ti_gx_lit(b, "false"));
    }
    if (allowed & TI_JS_NUMBER) {
        ti_gx_add(b, alt, ti_gx_rule(b, TI_JR_NUMBER));
    } else if (allowed & TI_JS_INTEGER) {
        TI_TRY(ti_js_integer(s, schema, &x));
        ti_gx_add(b, alt, x);
    }
    if (allowed & TI_JS_STRING) {
        TI_TRY(ti_js_string(s, schema, &x));
        ti_gx_add(b, alt, x);
    }
    if (allowed & TI_JS_ARRAY) {
        TI_TRY(ti_js_array(s, schema, &x));
        ti_gx_add(b, alt, x);
    }
    if (allowed & TI_JS_OBJECT) {
        TI_TRY(ti_js_object(s, schema, &x));
        ti_gx_add(b, alt, x);
    }
    *out = alt;
    return TERN_OK;
}

static tern_status do_schema(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    unsigned what, allowed;
    if (schema->type == TI_JBOOL) {
        *out = schema->u.boolean ? ti_gx_rule(s->b, TI_JR_VALUE) : ti_gx_list(s->b, TI_GX_ALT);
        return TERN_OK;
    }
    if (schema->type != TI_JOBJECT) {
        return ti_js_corrupt(s->err, schema, "a schema is an object, true or false");
    }
    TI_TRY(ti_js_check(s, schema, &what));
    if (what & TI_JS_ALONE) {
        return do_alone(s, schema, out);
    }
    if (what & TI_JS_LIST) {
        return do_list(s, schema, out);
    }
    TI_TRY(ti_js_types(&allowed, schema, s->err));
    if (allowed == 0) {
        *out = ti_gx_rule(s->b, TI_JR_VALUE);
        return TERN_OK;
    }
    TI_TRY(ti_js_check_types(s, schema, allowed));
    return do_types(s, schema, allowed, out);
}

static tern_status read_parts(ti_js *s)
{
    s->b->rules[TI_JR_ROOT].body = ti_js_part_of(s, s->root);
    for (size_t i = 0; i < s->n_parts && !s->b->failed && !s->b->too_many; i++) {
        ti_gexpr *body = NULL;
        ti_js_part p = s->parts[i];
        TI_TRY(do_schema(s, p.schema, &body));
        ti_js_define(s, p.rule, body);
    }
    return TERN_OK;
}

tern_status ti_schema_read(ti_gbuild *b, const char *text, size_t len, tern_err *err)
{
    ti_jval root;
    ti_js s = {.b = b, .root = &root, .err = err};
    tern_status status = ti_jval_parse(&root, &s.arena, text, len, module, err);
    if (status == TERN_OK) {
        status = read_parts(&s);
    }
    free(s.parts);
    ti_arena_free(&s.arena);
    return status;
}
