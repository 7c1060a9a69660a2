/* SPDX-License-Identifier: Apache-2.0 */
/* Whether two schemas exclude each other, which `oneOf` needs: a text that two of its parts
 * accept is not valid.  Only what is certain counts: other types, other constants, or a
 * required member for which this holds. */
#include <string.h>

#include "model/schema.h"

enum { MAX_DEPTH = 8, MAX_COMPARED = 1 << 20 };

/* Counts work; false when it was enough. */
static bool spend(ti_js *s, size_t n)
{
    s->compared = n < MAX_COMPARED ? s->compared + n : MAX_COMPARED + 1;
    if (s->compared > MAX_COMPARED) {
        s->compared = MAX_COMPARED + 1; /* does not wrap */
    }
    return s->compared <= MAX_COMPARED;
}

static bool same_value(const ti_jval *a, const ti_jval *b)
{
    double x, y;
    if (ti_jval_num(a, &x) && ti_jval_num(b, &y)) {
        return x == y; /* too large ones may look the same: then it is not certain */
    }
    if (a->type != b->type || (a->type != TI_JSTR && a->n != b->n)) {
        return false;
    }
    switch (a->type) {
    case TI_JBOOL:
        return a->u.boolean == b->u.boolean;
    case TI_JSTR:
        return a->u.str.len == b->u.str.len &&
               memcmp(a->u.str.data, b->u.str.data, a->u.str.len) == 0;
    default:
        return true; /* null; arrays and objects are not looked into, so not certain */
    }
}

/* The values that a schema lists; false when it does not. */
static bool list_of(const ti_jval *schema, const ti_jval **items, size_t *n)
{
    const ti_jval *one = ti_jval_get(schema, "const"), *many = ti_jval_get(schema, "enum");
    if (one) {
        *items = one;
        *n = 1;
    } else if (many && many->type == TI_JARRAY) {
        *items = many->u.items;
        *n = many->n;
    }
    return one || (many && many->type == TI_JARRAY);
}

/* All types that its values can have. */
static unsigned types_within(ti_js *s, const ti_jval *schema)
{
    unsigned types = 0;
    const ti_jval *items = NULL;
    size_t n = 0;
    if (list_of(schema, &items, &n)) {
        for (size_t i = 0; i < n && spend(s, 1); i++) {
            types |= ti_js_type_of(&items[i]);
        }
    } else if (!ti_jval_get(schema, "type") || ti_js_types(&types, schema, NULL) != TERN_OK) {
        return TI_JS_ALL;
    }
    return types & TI_JS_NUMBER ? types | TI_JS_INTEGER : types;
}

static bool requires(ti_js *s, const ti_jval *schema, ti_str name)
{
    const ti_jval *list = ti_jval_get(schema, "required");
    for (uint32_t i = 0; list && list->type == TI_JARRAY && i < list->n && spend(s, 1); i++) {
        const ti_jval *item = &list->u.items[i];
        if (item->type == TI_JSTR && item->u.str.len == name.len &&
            memcmp(item->u.str.data, name.data, name.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool exclude(ti_js *s, const ti_jval *a, const ti_jval *b, unsigned depth);

/* Both are objects, and a member that both must have cannot be the same. */
static bool members_exclude(ti_js *s, const ti_jval *a, const ti_jval *b, unsigned depth)
{
    const ti_jval *p = ti_jval_get(a, "properties"), *q = ti_jval_get(b, "properties");
    for (uint32_t i = 0; p && p->type == TI_JOBJECT && i < p->n && spend(s, 1); i++) {
        const ti_jmember *m = &p->u.members[i];
        const ti_jval *other = ti_jval_getn(q, m->key);
        if (other && requires(s, a, m->key) && requires(s, b, m->key) &&
            exclude(s, &m->value, other, depth + 1)) {
            return true;
        }
    }
    return false;
}

static bool follow(ti_js *s, const ti_jval **schema)
{
    const ti_jval *ref;
    for (unsigned i = 0; i < MAX_DEPTH && (ref = ti_jval_get(*schema, "$ref")); i++) {
        if (ti_js_resolve(s, ref, schema) != TERN_OK || !spend(s, 1)) {
            return false;
        }
    }
    return !ti_jval_get(*schema, "$ref");
}

static bool exclude(ti_js *s, const ti_jval *a, const ti_jval *b, unsigned depth)
{
    if (!spend(s, 1) || !follow(s, &a) || !follow(s, &b)) {
        return false;
    }
    if (depth > MAX_DEPTH || a->type != TI_JOBJECT || b->type != TI_JOBJECT) {
        return false;
    }
    unsigned both = types_within(s, a) & types_within(s, b);
    if (both == 0) {
        return true;
    }
    const ti_jval *x = NULL, *y = NULL;
    size_t n = 0, k = 0;
    if (list_of(a, &x, &n) && list_of(b, &y, &k)) {
        for (size_t i = 0; i < n * k; i++) {
            if (!spend(s, 1) || same_value(&x[i / k], &y[i % k])) {
                return false;
            }
        }
        return true;
    }
    return both == TI_JS_OBJECT && members_exclude(s, a, b, depth);
}

tern_status ti_js_exclude(ti_js *s, const ti_jval *a, const ti_jval *b, bool *out)
{
    bool certain = exclude(s, a, b, 0);
    if (s->compared > MAX_COMPARED) {
        return ti_fail(s->err, TERN_LIMIT, "schema", b->at,
                       "the schemas of 'oneOf' are too large to be compared; 'anyOf' needs no "
                       "comparison");
    }
    *out = certain;
    return TERN_OK;
}
