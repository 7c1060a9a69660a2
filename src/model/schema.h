/* SPDX-License-Identifier: Apache-2.0 */
/* model/schema.h - what the files of JSON Schema share; private to them.
 *
 *   schema.c        schemas
 *   schema_words.c  keywords and types
 *   schema_object.c objects and arrays
 *   schema_scalar.c strings and whole numbers by their keywords
 *   schema_text.c   texts and whole numbers as expressions
 *   schema_oneof.c  whether two schemas exclude each other */
#ifndef TI_MODEL_SCHEMA_H
#define TI_MODEL_SCHEMA_H

#include "base/jval.h"
#include "model/grammar.h"

/* Types of values, as bits.  A whole number is of both kinds of numbers. */
enum {
    TI_JS_NULL = 1u << 0,
    TI_JS_BOOLEAN = 1u << 1,
    TI_JS_INTEGER = 1u << 2,
    TI_JS_NUMBER = 1u << 3,
    TI_JS_STRING = 1u << 4,
    TI_JS_ARRAY = 1u << 5,
    TI_JS_OBJECT = 1u << 6,
    TI_JS_ALL = (1u << 7) - 1
};

/* What else a schema can have: a keyword that says everything alone, a list of values. */
enum { TI_JS_ALONE = 1u << 9, TI_JS_LIST = 1u << 10 };

/* A schema and the rule that it becomes. */
typedef struct ti_js_part {
    const ti_jval *schema;
    uint32_t rule;
} ti_js_part;

typedef struct ti_js {
    ti_gbuild *b;
    ti_arena arena; /* of the tree */
    const ti_jval *root;
    ti_js_part *parts; /* free(); all that were met, in the order in which they are done */
    size_t n_parts, cap_parts;
    size_t compared; /* what `oneOf` and references have cost: see ti_js_exclude() */
    tern_err *err;
} ti_js;

/* Refuses keywords that are not known, and those that are known but not together.  *what: the
 * types that its keywords are about, TI_JS_ALONE, TI_JS_LIST.  Errors: TERN_UNSUPPORTED. */
tern_status ti_js_check(const ti_js *s, const ti_jval *schema, unsigned *what);

/* Refuses keywords about types that the schema does not allow: they would have no effect, which
 * nobody meant.  Errors: TERN_UNSUPPORTED. */
tern_status ti_js_check_types(const ti_js *s, const ti_jval *schema, unsigned allowed);

/* The types that a schema names or, without `type`, that its keywords are about; 0 when it has
 * neither.  Errors: TERN_CORRUPT. */
tern_status ti_js_types(unsigned *out, const ti_jval *schema, tern_err *err);

/* The type of a value. */
unsigned ti_js_type_of(const ti_jval *value);

/* The schema that a reference inside the text names.  Errors: TERN_UNSUPPORTED for one outside,
 * TERN_CORRUPT when there is none. */
tern_status ti_js_resolve(ti_js *s, const ti_jval *ref, const ti_jval **out);

/* *out: it is certain that no value fits both.  Schemas that name each other can be compared in
 * exponentially many ways, so all that is looked at in one text is counted.
 * Errors: TERN_LIMIT after 2^20 comparisons (some 0.1 s). */
tern_status ti_js_exclude(ti_js *s, const ti_jval *a, const ti_jval *b, bool *out);

/* The rule of a schema, which is done later when it is new. */
ti_gexpr *ti_js_part_of(ti_js *s, const ti_jval *schema);

/* Gives a rule its body, unless something failed. */
void ti_js_define(ti_js *s, uint32_t rule, ti_gexpr *body);

/* The whole number of a keyword that counts; without it *out stays.  Errors: TERN_CORRUPT,
 * TERN_LIMIT. */
tern_status ti_js_count(const ti_js *s, const ti_jval *schema, const char *keyword,
                        uint32_t *out);

/* Values of these types that fit the schema.  Errors: TERN_CORRUPT, TERN_UNSUPPORTED,
 * TERN_LIMIT, TERN_NOMEM. */
tern_status ti_js_object(ti_js *s, const ti_jval *schema, ti_gexpr **out);
tern_status ti_js_array(ti_js *s, const ti_jval *schema, ti_gexpr **out);
tern_status ti_js_string(ti_js *s, const ti_jval *schema, ti_gexpr **out);
tern_status ti_js_integer(ti_js *s, const ti_jval *schema, ti_gexpr **out);

/* TERN_CORRUPT at a value. */
tern_status ti_js_corrupt(tern_err *err, const ti_jval *at, const char *what);

/* Bytes of a text that a message shows. */
int ti_js_shown(ti_str s);

/* Two or three expressions (the third may be NULL) in a row; white space; one after a comma;
 * one that may be missing. */
ti_gexpr *ti_gx_sequence(ti_gbuild *b, ti_gexpr *one, ti_gexpr *two, ti_gexpr *three);
ti_gexpr *ti_js_space(ti_gbuild *b);
ti_gexpr *ti_js_further(ti_gbuild *b, ti_gexpr *x);
ti_gexpr *ti_gx_maybe(ti_gbuild *b, ti_gexpr *x);

/* A value, written without white space. */
ti_gexpr *ti_gx_value(ti_gbuild *b, const ti_jval *value);

#endif
