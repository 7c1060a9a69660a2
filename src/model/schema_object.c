/* SPDX-License-Identifier: Apache-2.0 */
/* Objects and arrays of a schema as expressions. */
#include <stdlib.h>
#include <string.h>

#include "model/schema.h"

static const char module[] = "schema";

enum { MAX_PREFIX = 256 };

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
        return ti_js_corrupt(s->err, list, "'required' is no list");
    }
    for (uint32_t i = 0; list && i < list->n; i++) {
        const ti_jval *name = &list->u.items[i];
        size_t k = 0;
        if (name->type != TI_JSTR) {
            return ti_js_corrupt(s->err, name, "'required' names no member");
        }
        while (k < o->n &&
               (o->members[k]->key.len != name->u.str.len ||
                memcmp(o->members[k]->key.data, name->u.str.data, name->u.str.len) != 0)) {
            k++;
        }
        if (k == o->n) {
            return ti_fail(s->err, TERN_UNSUPPORTED, module, name->at,
                           "'required' names '%.*s', which 'properties' does not have",
                           ti_js_shown(name->u.str), name->u.str.data);
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
        return ti_js_corrupt(s->err, declared, "'properties' is no object");
    }
    o->n = declared ? declared->n : 0;
    o->members = ti_arena_calloc(&s->arena, o->n + 1, sizeof(ti_jmember *));
    o->required = ti_arena_calloc(&s->arena, o->n + 1, sizeof *o->required);
    o->names = ti_arena_calloc(&s->arena, o->n + 1, sizeof *o->names);
    if (!o->members || !o->required || !o->names) {
        return ti_fail_nomem(s->err, module, (o->n + 1) * sizeof(ti_jmember *), "properties");
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
    ti_gexpr *key = ti_gx_sequence(s->b, ti_gx_value(s->b, &name), ti_gx_lit(s->b, ":"), NULL);
    return ti_gx_sequence(s->b, key, ti_js_space(s->b), ti_js_part_of(s, &m->value));
}

static ti_gexpr *other_member(ti_js *s, const object *o)
{
    ti_gbuild *b = s->b;
    ti_gexpr *name = ti_gx_sequence(b, ti_gx_lit(b, "\""), ti_gx_other_text(b, o->names, o->n),
                                    ti_gx_lit(b, "\":"));
    ti_gexpr *value =
        o->other->type == TI_JBOOL ? ti_gx_rule(b, TI_JR_VALUE) : ti_js_part_of(s, o->other);
    return ti_gx_sequence(b, name, ti_js_space(b), value);
}

/* Members that are not declared, after another. */
static ti_gexpr *others(ti_js *s, const object *o)
{
    if (!o->other) {
        return ti_gx_lit(s->b, "");
    }
    return ti_gx_repeat(s->b, ti_js_further(s->b, other_member(s, o)), 0, TI_GX_FOREVER);
}

/* Members from one that must be there on. */
static ti_gexpr *members_in_row(ti_js *s, const object *o)
{
    ti_gexpr *seq = ti_gx_list(s->b, TI_GX_SEQ);
    ti_gx_add(s->b, seq, member(s, o->members[0]));
    for (size_t i = 1; i < o->n; i++) {
        ti_gexpr *x = ti_js_further(s->b, member(s, o->members[i]));
        ti_gx_add(s->b, seq, o->required[i] ? x : ti_gx_maybe(s->b, x));
    }
    ti_gx_add(s->b, seq, others(s, o));
    ti_gx_add(s->b, seq, ti_js_space(s->b));
    return seq;
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
        ti_gx_add(b, first, ti_gx_sequence(b, member(s, o->members[i]), go_on, NULL));
        go_on = ti_gx_rule(b, after[i + 1]);
        ti_gx_add(b, next,
                  ti_gx_sequence(b, ti_js_further(b, member(s, o->members[i])), go_on, NULL));
        if (!o->required[i]) {
            ti_gx_add(b, first, ti_gx_rule(b, bare[i + 1]));
            ti_gx_add(b, next, ti_gx_rule(b, after[i + 1]));
        }
        ti_js_define(s, bare[i], first);
        ti_js_define(s, after[i], next);
    }
    ti_gexpr *end = ti_gx_list(b, TI_GX_ALT);
    ti_gx_add(b, end, ti_gx_lit(b, ""));
    if (o->other) {
        ti_gexpr *go_on = ti_gx_rule(b, after[n]);
        ti_gx_add(b, end, ti_gx_sequence(b, other_member(s, o), go_on, NULL));
    }
    ti_js_define(s, bare[n], end);
    ti_js_define(s, after[n], ti_gx_sequence(b, others(s, o), ti_js_space(b), NULL));
    return ti_gx_rule(b, bare[0]);
}

tern_status ti_js_object(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    ti_gbuild *b = s->b;
    object o = {0};
    TI_TRY(read_object(s, schema, &o));
    ti_gexpr *inner =
        o.n > 0 && o.required[0] ? members_in_row(s, &o) : members_by_rules(s, &o);
    ti_gexpr *begin = ti_gx_sequence(b, ti_gx_lit(b, "{"), ti_js_space(b), NULL);
    *out = ti_gx_sequence(b, begin, inner, ti_gx_lit(b, "}"));
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
    return a->rest->type == TI_JBOOL ? ti_gx_rule(s->b, TI_JR_VALUE)
                                     : ti_js_part_of(s, a->rest);
}

/* What follows the items of the prefix. */
static ti_gexpr *rest_items(ti_js *s, const array *a, uint32_t n)
{
    uint32_t min = a->min > n ? a->min - n : 0;
    uint32_t max = a->max == TI_GX_FOREVER ? a->max : a->max - n;
    if (a->rest) {
        return ti_gx_repeat(s->b, ti_js_further(s->b, rest_item(s, a)), min, max);
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
        return ti_gx_sequence(b, first, rest_items(s, a, 1), NULL);
    }
    size_t n = a->max < a->n ? a->max : a->n;
    ti_gexpr *tail = a->max > n ? rest_items(s, a, (uint32_t)n) : ti_gx_lit(b, "");
    for (size_t i = n; i-- > 1;) {
        ti_gexpr *x =
            ti_gx_sequence(b, ti_js_further(b, ti_js_part_of(s, &a->prefix[i])), tail, NULL);
        tail = i >= a->min ? ti_gx_maybe(b, x) : x;
    }
    return ti_gx_sequence(b, ti_js_part_of(s, &a->prefix[0]), tail, NULL);
}

static tern_status read_array(ti_js *s, const ti_jval *schema, array *a)
{
    static const ti_jval any = {.type = TI_JBOOL, .u.boolean = true};
    const ti_jval *prefix = ti_jval_get(schema, "prefixItems");
    const ti_jval *rest = ti_jval_get(schema, "items");
    *a = (array){.max = TI_GX_FOREVER};
    if (prefix && (prefix->type != TI_JARRAY || prefix->n == 0)) {
        return ti_js_corrupt(s->err, prefix, "'prefixItems' is no list");
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
    TI_TRY(ti_js_count(s, schema, "minItems", &a->min));
    TI_TRY(ti_js_count(s, schema, "maxItems", &a->max));
    if (rest ? rest->type != TI_JBOOL || rest->u.boolean : !prefix || a->min > a->n) {
        a->rest = rest ? rest : &any;
    }
    return TERN_OK;
}

tern_status ti_js_array(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    ti_gbuild *b = s->b;
    array a;
    TI_TRY(read_array(s, schema, &a));
    ti_gexpr *inner = ti_gx_list(b, TI_GX_ALT);
    if (a.min == 0) {
        ti_gx_add(b, inner, ti_gx_lit(b, ""));
    }
    if (a.max > 0 && a.min <= a.max) {
        ti_gx_add(b, inner, ti_gx_sequence(b, items(s, &a), ti_js_space(b), NULL));
    }
    ti_gexpr *begin = ti_gx_sequence(b, ti_gx_lit(b, "["), ti_js_space(b), NULL);
    *out = ti_gx_sequence(b, begin, inner, ti_gx_lit(b, "]"));
    return TERN_OK;
}
