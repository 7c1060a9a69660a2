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

enum { MAX_PREFIX = 256 };
#define MAX_INTEGER INT64_C(999999999999999999)

/* --- keywords -------------------------------------------------------------------------------
 */

/* What a keyword is: of no weight, one that says everything alone, or about some types. */
enum { NOTE = 1u << 8, ALONE = 1u << 9, LIST = 1u << 10, TYPE = 1u << 11 };

static const struct {
    const char *name;
    unsigned what;
} keywords[] = {{"$comment", NOTE},
                {"$defs", NOTE},
                {"$schema", NOTE},
                {"default", NOTE},
                {"definitions", NOTE},
                {"deprecated", NOTE},
                {"description", NOTE},
                {"examples", NOTE},
                {"readOnly", NOTE},
                {"title", NOTE},
                {"writeOnly", NOTE},
                {"$ref", ALONE},
                {"allOf", ALONE},
                {"anyOf", ALONE},
                {"oneOf", ALONE},
                {"const", LIST},
                {"enum", LIST},
                {"type", TYPE},
                {"additionalProperties", TI_JS_OBJECT},
                {"properties", TI_JS_OBJECT},
                {"required", TI_JS_OBJECT},
                {"items", TI_JS_ARRAY},
                {"maxItems", TI_JS_ARRAY},
                {"minItems", TI_JS_ARRAY},
                {"prefixItems", TI_JS_ARRAY},
                {"format", TI_JS_STRING},
                {"maxLength", TI_JS_STRING},
                {"minLength", TI_JS_STRING},
                {"exclusiveMaximum", TI_JS_INTEGER},
                {"exclusiveMinimum", TI_JS_INTEGER},
                {"maximum", TI_JS_INTEGER},
                {"minimum", TI_JS_INTEGER}};

static const struct {
    const char *name;
    unsigned bit;
} types[] = {{"null", TI_JS_NULL},     {"boolean", TI_JS_BOOLEAN}, {"integer", TI_JS_INTEGER},
             {"number", TI_JS_NUMBER}, {"string", TI_JS_STRING},   {"array", TI_JS_ARRAY},
             {"object", TI_JS_OBJECT}};

static bool is_text(ti_str s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static unsigned what_is(ti_str keyword)
{
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (is_text(keyword, keywords[i].name)) {
            return keywords[i].what;
        }
    }
    return 0;
}

static tern_status corrupt(tern_err *err, const ti_jval *at, const char *what)
{
    return ti_fail(err, TERN_CORRUPT, module, at->at, "%s", what);
}

static int shown(ti_str s)
{
    enum { MOST = 64 };
    return s.len < MOST ? (int)s.len : MOST;
}

/* Refuses what is not known, and what is known but not together.  Returns what there is. */
static tern_status check(const ti_js *s, const ti_jval *schema, unsigned *what)
{
    const ti_jmember *alone = NULL, *list = NULL;
    *what = 0;
    for (uint32_t i = 0; i < schema->n; i++) {
        const ti_jmember *m = &schema->u.members[i];
        unsigned is = what_is(m->key);
        if (is == 0 && is_text(m->key, "uniqueItems") && m->value.type == TI_JBOOL &&
            !m->value.u.boolean) {
            is = NOTE;
        }
        if (is == 0 && is_text(m->key, "$id") && schema == s->root) {
            is = NOTE;
        }
        if (is == 0) {
            return ti_fail(s->err, TERN_UNSUPPORTED, module, m->value.at,
                           "keyword '%.*s' is not supported", shown(m->key), m->key.data);
        }
        alone = is == ALONE ? m : alone;
        list = is == LIST ? m : list;
        *what |= is;
    }
    const ti_jmember *first = alone ? alone : list;
    for (uint32_t i = 0; first && i < schema->n; i++) {
        const ti_jmember *m = &schema->u.members[i];
        unsigned is = what_is(m->key);
        if (m != first && is != NOTE && is != 0 && !(first == list && is == TYPE)) {
            return ti_fail(s->err, TERN_UNSUPPORTED, module, m->value.at,
                           "keyword '%.*s' beside '%.*s' is not supported", shown(m->key),
                           m->key.data, shown(first->key), first->key.data);
        }
    }
    return TERN_OK;
}

/* --- types ----------------------------------------------------------------------------------
 */

static unsigned type_bit(const ti_jval *name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (ti_jval_is(name, types[i].name)) {
            return types[i].bit;
        }
    }
    return 0;
}

tern_status ti_js_types(unsigned *out, const ti_jval *schema, tern_err *err)
{
    const ti_jval *type = ti_jval_get(schema, "type");
    unsigned found = 0;
    if (!type) {
        for (uint32_t i = 0; i < schema->n; i++) {
            found |= what_is(schema->u.members[i].key) & TI_JS_ALL;
        }
        *out = found;
        return TERN_OK;
    }
    const ti_jval *names = type->type == TI_JARRAY ? type->u.items : type;
    size_t n = type->type == TI_JARRAY ? type->n : 1;
    for (size_t i = 0; i < n; i++) {
        unsigned bit = type_bit(&names[i]);
        if (bit == 0) {
            return corrupt(err, &names[i], "'type' is none of those of JSON");
        }
        found |= bit;
    }
    if (found == 0) {
        return corrupt(err, type, "'type' is empty");
    }
    *out = found;
    return TERN_OK;
}

unsigned ti_js_type_of(const ti_jval *value)
{
    switch (value->type) {
    case TI_JNULL:
        return TI_JS_NULL;
    case TI_JBOOL:
        return TI_JS_BOOLEAN;
    case TI_JINT:
        return TI_JS_INTEGER | TI_JS_NUMBER;
    case TI_JNUM: /* a whole one is an integer, but which are is not told by its form */
        return TI_JS_NUMBER;
    case TI_JSTR:
        return TI_JS_STRING;
    case TI_JARRAY:
        return TI_JS_ARRAY;
    default:
        return TI_JS_OBJECT;
    }
}

/* --- parts ----------------------------------------------------------------------------------
 */

/* The rule of a schema, which is done later when it is new. */
static ti_gexpr *part(ti_js *s, const ti_jval *schema)
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

tern_status ti_js_resolve(const ti_js *s, const ti_jval *ref, const ti_jval **out)
{
    if (ref->type != TI_JSTR || ref->u.str.len == 0) {
        return corrupt(s->err, ref, "'$ref' is no text");
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
        v = step_into(v, (ti_str){path.data + at + 1, end - at - 1});
        at = end;
    }
    if (!v) {
        return corrupt(s->err, ref, "'$ref' leads nowhere");
    }
    *out = v;
    return TERN_OK;
}

static ti_gexpr *sequence(ti_gbuild *b, ti_gexpr *one, ti_gexpr *two, ti_gexpr *three)
{
    ti_gexpr *seq = ti_gx_list(b, TI_GX_SEQ);
    ti_gx_add(b, seq, one);
    ti_gx_add(b, seq, two);
    if (three) {
        ti_gx_add(b, seq, three);
    }
    return seq;
}

static ti_gexpr *space(ti_gbuild *b)
{
    return ti_gx_rule(b, TI_JR_WS);
}

/* A comma before it. */
static ti_gexpr *further(ti_gbuild *b, ti_gexpr *x)
{
    return sequence(b, ti_gx_lit(b, ","), space(b), x);
}

static ti_gexpr *maybe(ti_gbuild *b, ti_gexpr *x)
{
    return ti_gx_repeat(b, x, 0, 1);
}

/* A whole number that counts something. */
static tern_status count(const ti_js *s, const ti_jval *schema, const char *keyword,
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

/* --- objects --------------------------------------------------------------------------------
 */

typedef struct object {
    const ti_jmember **members; /* [n] in the order of the text */
    bool *required;
    size_t n;
    const ti_jval *other; /* schema of members that are not declared; NULL = none */
    ti_str *names;        /* sorted: those of members */
} object;

static int by_place(const void *a, const void *b)
{
    const ti_jmember *const *x = a, *const *y = b;
    return (*x)->value.at < (*y)->value.at ? -1 : 1;
}

static tern_status read_required(ti_js *s, const ti_jval *schema, object *o)
{
    const ti_jval *list = ti_jval_get(schema, "required");
    if (list && list->type != TI_JARRAY) {
        return corrupt(s->err, list, "'required' is no list");
    }
    for (uint32_t i = 0; list && i < list->n; i++) {
        const ti_jval *name = &list->u.items[i];
        size_t k = 0;
        if (name->type != TI_JSTR) {
            return corrupt(s->err, name, "'required' names no member");
        }
        while (k < o->n &&
               (o->members[k]->key.len != name->u.str.len ||
                memcmp(o->members[k]->key.data, name->u.str.data, name->u.str.len) != 0)) {
            k++;
        }
        if (k == o->n) {
            return ti_fail(s->err, TERN_UNSUPPORTED, module, name->at,
                           "'required' names '%.*s', which 'properties' does not have",
                           shown(name->u.str), name->u.str.data);
        }
        o->required[k] = true;
    }
    return TERN_OK;
}

static tern_status read_object(ti_js *s, const ti_jval *schema, object *o)
{
    static const ti_jval any = {.type = TI_JBOOL, .u.boolean = true};
    const ti_jval *declared = ti_jval_get(schema, "properties");
    const ti_jval *other = ti_jval_get(schema, "additionalProperties");
    if (declared && declared->type != TI_JOBJECT) {
        return corrupt(s->err, declared, "'properties' is no object");
    }
    o->n = declared ? declared->n : 0;
    o->members = ti_arena_calloc(&s->arena, o->n + 1, sizeof(ti_jmember *));
    o->required = ti_arena_calloc(&s->arena, o->n + 1, sizeof *o->required);
    o->names = ti_arena_calloc(&s->arena, o->n + 1, sizeof *o->names);
    if (!o->members || !o->required || !o->names) {
        return ti_fail_nomem(s->err, module, o->n * sizeof *o->members, "properties");
    }
    for (size_t i = 0; i < o->n; i++) { /* base/jval.h sorts them */
        o->members[i] = &declared->u.members[i];
        o->names[i] = declared->u.members[i].key;
    }
    if (o->n > 1) {
        qsort(o->members, o->n, sizeof(ti_jmember *), by_place);
    }
    if (other ? other->type != TI_JBOOL || other->u.boolean : !declared) {
        o->other = other && other->type != TI_JBOOL ? other : &any;
    }
    return read_required(s, schema, o);
}

/* "name": value */
static ti_gexpr *member(ti_js *s, const ti_jmember *m)
{
    const ti_jval name = {.type = TI_JSTR, .u.str = m->key};
    ti_gexpr *key = sequence(s->b, ti_gx_value(s->b, &name), ti_gx_lit(s->b, ":"), NULL);
    return sequence(s->b, key, space(s->b), part(s, &m->value));
}

static ti_gexpr *other_member(ti_js *s, const object *o)
{
    ti_gbuild *b = s->b;
    ti_gexpr *name = sequence(b, ti_gx_lit(b, "\""), ti_gx_other_text(b, o->names, o->n),
                              ti_gx_lit(b, "\":"));
    ti_gexpr *value =
        o->other->type == TI_JBOOL ? ti_gx_rule(b, TI_JR_VALUE) : part(s, o->other);
    return sequence(b, name, space(b), value);
}

/* Members that are not declared, after another. */
static ti_gexpr *others(ti_js *s, const object *o)
{
    if (!o->other) {
        return ti_gx_lit(s->b, "");
    }
    return ti_gx_repeat(s->b, further(s->b, other_member(s, o)), 0, TI_GX_FOREVER);
}

/* Members from one that must be there on. */
static ti_gexpr *members_in_row(ti_js *s, const object *o)
{
    ti_gexpr *seq = ti_gx_list(s->b, TI_GX_SEQ);
    ti_gx_add(s->b, seq, member(s, o->members[0]));
    for (size_t i = 1; i < o->n; i++) {
        ti_gexpr *x = further(s->b, member(s, o->members[i]));
        ti_gx_add(s->b, seq, o->required[i] ? x : maybe(s->b, x));
    }
    ti_gx_add(s->b, seq, others(s, o));
    ti_gx_add(s->b, seq, space(s->b));
    return seq;
}

static void define(ti_js *s, uint32_t rule, ti_gexpr *body)
{
    if (!s->b->failed && !s->b->too_many) {
        s->b->rules[rule].body = body;
    }
}

/* Members of which the first may be missing: a comma depends on what was there before.  Rules
 * for "member i and all after it", with nothing before (bare) and with something before
 * (after), so that nothing is written twice. */
static ti_gexpr *members_by_rules(ti_js *s, const object *o)
{
    ti_gbuild *b = s->b;
    size_t n = o->n;
    uint32_t *bare = ti_arena_calloc(&s->arena, n + 1, sizeof *bare);
    uint32_t *after = ti_arena_calloc(&s->arena, n + 1, sizeof *after);
    if (!bare || !after) {
        b->failed = true;
        return ti_gx_lit(b, "");
    }
    for (size_t i = 0; i <= n; i++) {
        bare[i] = ti_grule_new(b, "members", 7, TI_NO_OFFSET);
        after[i] = ti_grule_new(b, "members", 7, TI_NO_OFFSET);
    }
    for (size_t i = 0; i < n && !b->failed && !b->too_many; i++) {
        ti_gexpr *first = ti_gx_list(b, TI_GX_ALT), *next = ti_gx_list(b, TI_GX_ALT);
        ti_gexpr *go_on = ti_gx_rule(b, after[i + 1]);
        ti_gx_add(b, first, sequence(b, member(s, o->members[i]), go_on, NULL));
        go_on = ti_gx_rule(b, after[i + 1]);
        ti_gx_add(b, next, sequence(b, further(b, member(s, o->members[i])), go_on, NULL));
        if (!o->required[i]) {
            ti_gx_add(b, first, ti_gx_rule(b, bare[i + 1]));
            ti_gx_add(b, next, ti_gx_rule(b, after[i + 1]));
        }
        define(s, bare[i], first);
        define(s, after[i], next);
    }
    ti_gexpr *end = ti_gx_list(b, TI_GX_ALT);
    ti_gx_add(b, end, ti_gx_lit(b, ""));
    if (o->other) {
        ti_gexpr *go_on = ti_gx_rule(b, after[n]);
        ti_gx_add(b, end, sequence(b, other_member(s, o), go_on, NULL));
    }
    define(s, bare[n], end);
    define(s, after[n], sequence(b, others(s, o), space(b), NULL));
    return ti_gx_rule(b, bare[0]);
}

static tern_status do_object(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    ti_gbuild *b = s->b;
    object o = {0};
    TI_TRY(read_object(s, schema, &o));
    ti_gexpr *inner =
        o.n > 0 && o.required[0] ? members_in_row(s, &o) : members_by_rules(s, &o);
    ti_gexpr *begin = sequence(b, ti_gx_lit(b, "{"), space(b), NULL);
    *out = sequence(b, begin, inner, ti_gx_lit(b, "}"));
    return TERN_OK;
}

/* --- arrays ---------------------------------------------------------------------------------
 */

typedef struct array {
    const ti_jval *prefix; /* [n] */
    size_t n;
    const ti_jval *rest; /* NULL = no further items */
    uint32_t min, max;
} array;

static ti_gexpr *rest_item(ti_js *s, const array *a)
{
    return a->rest->type == TI_JBOOL ? ti_gx_rule(s->b, TI_JR_VALUE) : part(s, a->rest);
}

/* What follows the items of the prefix. */
static ti_gexpr *rest_items(ti_js *s, const array *a, uint32_t n)
{
    uint32_t min = a->min > n ? a->min - n : 0;
    uint32_t max = a->max == TI_GX_FOREVER ? a->max : a->max - n;
    if (a->rest) {
        return ti_gx_repeat(s->b, further(s->b, rest_item(s, a)), min, max);
    }
    return min == 0 ? ti_gx_lit(s->b, "") : ti_gx_list(s->b, TI_GX_ALT);
}

/* All items, at least one; a->max > 0. */
static ti_gexpr *items(ti_js *s, const array *a)
{
    ti_gbuild *b = s->b;
    if (a->n == 0) {
        if (!a->rest) {
            return ti_gx_list(b, TI_GX_ALT);
        }
        ti_gexpr *first = rest_item(s, a);
        return sequence(b, first, rest_items(s, a, 1), NULL);
    }
    size_t n = a->max < a->n ? a->max : a->n;
    ti_gexpr *tail = a->max > n ? rest_items(s, a, (uint32_t)n) : ti_gx_lit(b, "");
    for (size_t i = n; i-- > 1;) {
        ti_gexpr *x = sequence(b, further(b, part(s, &a->prefix[i])), tail, NULL);
        tail = i >= a->min ? maybe(b, x) : x;
    }
    return sequence(b, part(s, &a->prefix[0]), tail, NULL);
}

static tern_status read_array(ti_js *s, const ti_jval *schema, array *a)
{
    static const ti_jval any = {.type = TI_JBOOL, .u.boolean = true};
    const ti_jval *prefix = ti_jval_get(schema, "prefixItems");
    const ti_jval *rest = ti_jval_get(schema, "items");
    *a = (array){.max = TI_GX_FOREVER};
    if (prefix && (prefix->type != TI_JARRAY || prefix->n == 0)) {
        return corrupt(s->err, prefix, "'prefixItems' is no list");
    }
    if (prefix && prefix->n > MAX_PREFIX) {
        return ti_fail(s->err, TERN_LIMIT, module, prefix->at,
                       "'prefixItems' has more than %d schemas", MAX_PREFIX);
    }
    if (rest && rest->type == TI_JARRAY) {
        return ti_fail(s->err, TERN_UNSUPPORTED, module, rest->at,
                       "'items' as a list is not supported: 'prefixItems' is its name now");
    }
    if (prefix) {
        a->prefix = prefix->u.items;
        a->n = prefix->n;
    }
    TI_TRY(count(s, schema, "minItems", &a->min));
    TI_TRY(count(s, schema, "maxItems", &a->max));
    if (rest ? rest->type != TI_JBOOL || rest->u.boolean : !prefix || a->min > a->n) {
        a->rest = rest ? rest : &any;
    }
    return TERN_OK;
}

static tern_status do_array(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    ti_gbuild *b = s->b;
    array a;
    TI_TRY(read_array(s, schema, &a));
    ti_gexpr *inner = ti_gx_list(b, TI_GX_ALT);
    if (a.min == 0) {
        ti_gx_add(b, inner, ti_gx_lit(b, ""));
    }
    if (a.max > 0 && a.min <= a.max) {
        ti_gx_add(b, inner, sequence(b, items(s, &a), space(b), NULL));
    }
    ti_gexpr *begin = sequence(b, ti_gx_lit(b, "["), space(b), NULL);
    *out = sequence(b, begin, inner, ti_gx_lit(b, "]"));
    return TERN_OK;
}

/* --- texts and numbers ----------------------------------------------------------------------
 */

static tern_status do_string(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    static const struct {
        const char *name;
        uint32_t rule;
    } formats[] = {{"date", TI_JR_DATE}, {"time", TI_JR_TIME},   {"date-time", TI_JR_DATE_TIME},
                   {"uuid", TI_JR_UUID}, {"email", TI_JR_EMAIL}, {"ipv4", TI_JR_IPV4}};
    ti_gbuild *b = s->b;
    const ti_jval *format = ti_jval_get(schema, "format");
    uint32_t min = 0, max = TI_GX_FOREVER;
    TI_TRY(count(s, schema, "minLength", &min));
    TI_TRY(count(s, schema, "maxLength", &max));
    ti_gexpr *inner = max < min ? ti_gx_list(b, TI_GX_ALT)
                                : ti_gx_repeat(b, ti_gx_rule(b, TI_JR_CHAR), min, max);
    if (format && (min > 0 || max != TI_GX_FOREVER)) {
        return ti_fail(s->err, TERN_UNSUPPORTED, module, format->at,
                       "keyword 'format' beside a length is not supported");
    }
    if (format) {
        size_t i = 0, n = sizeof formats / sizeof formats[0];
        while (i < n && !ti_jval_is(format, formats[i].name)) {
            i++;
        }
        if (i == n) {
            return ti_fail(s->err, TERN_UNSUPPORTED, module, format->at,
                           "'format' is supported for date, time, date-time, uuid, email and "
                           "ipv4 only");
        }
        inner = ti_gx_rule(b, formats[i].rule);
    }
    *out = sequence(b, ti_gx_lit(b, "\""), inner, ti_gx_lit(b, "\""));
    return TERN_OK;
}

/* The whole number at or above (or, for `down`, below) a bound, cut to what is written. */
static int64_t whole(const ti_jval *v, bool down, bool exclusive)
{
    double x = 0;
    int64_t n;
    bool is_whole = true;
    (void)ti_jval_num(v, &x);
    if (v->type == TI_JINT) {
        n = v->u.integer;
    } else if (x > 1e17 || x < -1e17) {
        return x > 0 ? MAX_INTEGER : -MAX_INTEGER;
    } else {
        n = (int64_t)x; /* towards zero */
        is_whole = (double)n == x;
        n -= !is_whole && down && x < 0;
        n += !is_whole && !down && x > 0;
    }
    if (exclusive && is_whole) {
        n += down ? -1 : 1;
    }
    return n > MAX_INTEGER ? MAX_INTEGER : n < -MAX_INTEGER ? -MAX_INTEGER : n;
}

static tern_status do_integer(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    static const struct {
        const char *name;
        bool down, exclusive;
    } bounds[] = {{"minimum", false, false},
                  {"exclusiveMinimum", false, true},
                  {"maximum", true, false},
                  {"exclusiveMaximum", true, true}};
    int64_t lo = -MAX_INTEGER, hi = MAX_INTEGER;
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        double ignored;
        const ti_jval *v = ti_jval_get(schema, bounds[i].name);
        if (v && !ti_jval_num(v, &ignored)) {
            return ti_fail(s->err, TERN_CORRUPT, module, v->at, "'%s' is no number",
                           bounds[i].name);
        }
        int64_t n = v ? whole(v, bounds[i].down, bounds[i].exclusive) : 0;
        if (v && bounds[i].down) {
            hi = n < hi ? n : hi;
        } else if (v) {
            lo = n > lo ? n : lo;
        }
    }
    *out = ti_gx_integer(s->b, lo, hi);
    return TERN_OK;
}

/* --- schemas --------------------------------------------------------------------------------
 */

static tern_status do_list(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    const ti_jval *one = ti_jval_get(schema, "const"), *many = ti_jval_get(schema, "enum");
    unsigned allowed = TI_JS_ALL;
    if (!one && many->type != TI_JARRAY) {
        return corrupt(s->err, many, "'enum' is no list");
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
        return corrupt(s->err, list, "a list of schemas is expected");
    }
    for (uint32_t i = 0; one_of && i < list->n; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (!ti_js_exclude(s, &list->u.items[k], &list->u.items[i])) {
                return ti_fail(s->err, TERN_UNSUPPORTED, module, list->u.items[i].at,
                               "'oneOf' is supported where its schemas exclude each other: "
                               "numbers %u and %u may both fit; 'anyOf' allows that",
                               k + 1, i + 1);
            }
        }
    }
    *out = ti_gx_list(s->b, TI_GX_ALT);
    for (uint32_t i = 0; i < list->n; i++) {
        ti_gx_add(s->b, *out, part(s, &list->u.items[i]));
    }
    return TERN_OK;
}

static tern_status do_alone(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    const ti_jval *ref = ti_jval_get(schema, "$ref"), *any = ti_jval_get(schema, "anyOf");
    const ti_jval *one = ti_jval_get(schema, "oneOf"), *all = ti_jval_get(schema, "allOf");
    if (ref) {
        const ti_jval *to;
        TI_TRY(ti_js_resolve(s, ref, &to));
        *out = part(s, to);
        return TERN_OK;
    }
    if (all && (all->type != TI_JARRAY || all->n != 1)) {
        return ti_fail(s->err, TERN_UNSUPPORTED, module, all->at,
                       "keyword 'allOf' is supported for one schema only");
    }
    return do_choice(s, any ? any : one ? one : all, one != NULL, out);
}

/* Keywords about a type that the schema does not allow would have no effect, which nobody
 * meant. */
static tern_status check_types(const ti_js *s, const ti_jval *schema, unsigned allowed)
{
    for (uint32_t i = 0; i < schema->n; i++) {
        const ti_jmember *m = &schema->u.members[i];
        unsigned about = what_is(m->key) & TI_JS_ALL;
        if (about && (about == TI_JS_INTEGER ? (allowed & TI_JS_NUMBER) != 0 : false)) {
            return ti_fail(s->err, TERN_UNSUPPORTED, module, m->value.at,
                           "keyword '%.*s' is supported for type 'integer' only", shown(m->key),
                           m->key.data);
        }
        if (about && !(about & allowed)) {
            return ti_fail(s->err, TERN_UNSUPPORTED, module, m->value.at,
                           "keyword '%.*s' does not apply to this type", shown(m->key),
                           m->key.data);
        }
    }
    return TERN_OK;
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
        TI_TRY(do_integer(s, schema, &x));
        ti_gx_add(b, alt, x);
    }
    if (allowed & TI_JS_STRING) {
        TI_TRY(do_string(s, schema, &x));
        ti_gx_add(b, alt, x);
    }
    if (allowed & TI_JS_ARRAY) {
        TI_TRY(do_array(s, schema, &x));
        ti_gx_add(b, alt, x);
    }
    if (allowed & TI_JS_OBJECT) {
        TI_TRY(do_object(s, schema, &x));
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
        return corrupt(s->err, schema, "a schema is an object, true or false");
    }
    TI_TRY(check(s, schema, &what));
    if (what & ALONE) {
        return do_alone(s, schema, out);
    }
    if (what & LIST) {
        return do_list(s, schema, out);
    }
    TI_TRY(ti_js_types(&allowed, schema, s->err));
    if (allowed == 0) {
        *out = ti_gx_rule(s->b, TI_JR_VALUE);
        return TERN_OK;
    }
    TI_TRY(check_types(s, schema, allowed));
    return do_types(s, schema, allowed, out);
}

static tern_status read_parts(ti_js *s)
{
    s->b->rules[TI_JR_ROOT].body = part(s, s->root);
    for (size_t i = 0; i < s->n_parts && !s->b->failed && !s->b->too_many; i++) {
        ti_gexpr *body = NULL;
        ti_js_part p = s->parts[i];
        TI_TRY(do_schema(s, p.schema, &body));
        define(s, p.rule, body);
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
