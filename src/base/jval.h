/* SPDX-License-Identifier: Apache-2.0 */
/* base/jval.h - reading JSON that strangers wrote, into a tree in an arena.
 *
 * Own, and not a library: a failure names the byte at which it happened; every limit (depth,
 * values, length of a number) is ours; and running out of memory in the middle of a string is
 * an error here, while jansson 2.14 goes on without the characters it could not store.
 *
 * RFC 8259, strictly: no comments, no trailing commas, no NaN, UTF-8 only, no lone surrogates.
 * Stricter still: no U+0000 in strings (names become C strings) and no two members with the
 * same name (two readers could believe two different ones). */
#ifndef TI_BASE_JVAL_H
#define TI_BASE_JVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    TI_JVAL_MAX_DEPTH = 64,      /* brackets inside each other */
    TI_JVAL_MAX_VALUES = 1 << 22 /* values in one text: 48 bytes each */
};

typedef enum ti_jtype {
    TI_JNULL = 0,
    TI_JBOOL,
    TI_JINT, /* a number without fraction and exponent, of at most 18 digits */
    TI_JNUM, /* any other number; finite */
    TI_JSTR,
    TI_JARRAY,
    TI_JOBJECT
} ti_jtype;

typedef struct ti_jval {
    ti_jtype type;
    uint32_t n;  /* items of an array, members of an object */
    uint64_t at; /* where it starts in the text */
    union {
        bool boolean;
        int64_t integer;
        double number;
        ti_str str; /* in the text, or in the arena when it had escapes */
        struct ti_jval *items;
        struct ti_jmember *members; /* sorted by key */
    } u;
} ti_jval;

typedef struct ti_jmember {
    ti_str key;
    ti_jval value;
} ti_jmember;

/* Reads one JSON value that is the whole text but for white space around it.
 *   arena   receives the tree; the tree lives as long as it and as long as the text
 *   text    [len] bytes
 *   module  who asks, for messages
 * Cost: O(len log len).  Errors: TERN_CORRUPT with the offset, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_jval_parse(ti_jval *out, ti_arena *arena, const char *text, size_t len,
                          const char *module, tern_err *err);

/* Returns the member with that name, or NULL when there is none or `object` is none (NULL
 * included). */
const ti_jval *ti_jval_get(const ti_jval *object, const char *key);
const ti_jval *ti_jval_getn(const ti_jval *object, ti_str key);

/* The bytes of a value that was parsed; `text` is what it was parsed from.  Cost: O(of these).
 */
ti_str ti_jval_text(const ti_jval *v, ti_str text);

/* True for a string that is exactly `text`; NULL is allowed. */
bool ti_jval_is(const ti_jval *v, const char *text);

/* True for NULL and for null: a key that is absent or empty. */
bool ti_jval_none(const ti_jval *v);

/* True for a whole number in [0, max], which goes to *out.  NULL is allowed. */
bool ti_jval_uint(const ti_jval *v, uint64_t max, uint64_t *out);

/* True for a number, which goes to *out. */
bool ti_jval_num(const ti_jval *v, double *out);

#endif
