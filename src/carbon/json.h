/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/json.h - small steps that all readers of providers' JSON take. */
#ifndef TI_CARBON_JSON_H
#define TI_CARBON_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/jval.h"
#include "carbon/feed.h"

/* Parses an answer.  An empty one, or blanks alone, is TERN_UNAVAILABLE: servers send it for
 * what they do not know.  Errors: also those of ti_jval_parse(). */
tern_status ti_answer_parse(ti_jval *out, ti_arena *arena, const char *text, size_t len,
                            const char *module, tern_err *err);

/* The member with one of two spellings of its name. */
const ti_jval *ti_answer_get(const ti_jval *object, const char *name, const char *other);

/* A string that is a moment.  Errors: TERN_CORRUPT with the byte. */
tern_status ti_answer_time(int64_t *time_s, const ti_jval *value, const char *module,
                           tern_err *err);

/* A number that is there; false for null and for nothing.  A number written as a string counts
 * when it has a decimal point or none, never a comma.  Errors: TERN_CORRUPT with the byte. */
tern_status ti_answer_number(double *out, bool *there, const ti_jval *value, const char *module,
                             tern_err *err);

/* "expected X" at the value's byte. */
tern_status ti_answer_bad(const ti_jval *value, const char *module, const char *expected,
                          tern_err *err);

/* Copies a string into out[cap], cut; "" for what is no string. */
const char *ti_answer_text(char *out, size_t cap, const ti_jval *value);

enum { TI_ZONE_LIST_MAX = 1000 };

/* Appends a name of `len` bytes to a list of *n lines, unless it is there already, or there are
 * TI_ZONE_LIST_MAX. */
void ti_zone_list_add(ti_buf *list, size_t *n, const char *name, size_t len);

/* Ends a parser: closes the feed when all went well, empties it when not. */
tern_status ti_answer_done(ti_feed *feed, tern_status status, bool may_cut, tern_err *err);

#endif
