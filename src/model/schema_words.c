/* SPDX-License-Identifier: Apache-2.0 */
/* Which keywords of JSON Schema there are, which stand together, and the types they are about.
 */
#include "model/schema.h"

#include <string.h>

static const char module[] = "schema";

/* --- keywords -------------------------------------------------------------------------------
 */

/* What a keyword is: of no weight, one that says everything alone, or about some types. */
enum { NOTE = 1u << 8, ALONE = TI_JS_ALONE, LIST = TI_JS_LIST, TYPE = 1u << 11 };

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

tern_status ti_js_corrupt(tern_err *err, const ti_jval *at, const char *what)
{
    return ti_fail(err, TERN_CORRUPT, module, at->at, "%s", what);
}

int ti_js_shown(ti_str s)
{
    enum { MOST = 64 };
    return s.len < MOST ? (int)s.len : MOST;
}

tern_status ti_js_check(const ti_js *s, const ti_jval *schema, unsigned *what)
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
                           "keyword '%.*s' is not supported", ti_js_shown(m->key), m->key.data);
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
                           "keyword '%.*s' beside '%.*s' is not supported", ti_js_shown(m->key),
                           m->key.data, ti_js_shown(first->key), first->key.data);
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
            return ti_js_corrupt(err, &names[i], "'type' is none of those of JSON");
        }
        found |= bit;
    }
    if (found == 0) {
        return ti_js_corrupt(err, type, "'type' is empty");
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

tern_status ti_js_check_types(const ti_js *s, const ti_jval *schema, unsigned allowed)
{
    for (uint32_t i = 0; i < schema->n; i++) {
        const ti_jmember *m = &schema->u.members[i];
        unsigned about = what_is(m->key) & TI_JS_ALL;
        if (about && (about == TI_JS_INTEGER ? (allowed & TI_JS_NUMBER) != 0 : false)) {
            return ti_fail(s->err, TERN_UNSUPPORTED, module, m->value.at,
                           "keyword '%.*s' is supported for type 'integer' only",
                           ti_js_shown(m->key), m->key.data);
        }
        if (about && !(about & allowed)) {
            return ti_fail(s->err, TERN_UNSUPPORTED, module, m->value.at,
                           "keyword '%.*s' does not apply to this type", ti_js_shown(m->key),
                           m->key.data);
        }
    }
    return TERN_OK;
}
