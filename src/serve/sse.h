/* SPDX-License-Identifier: Apache-2.0 */
/* serve/sse.h - reading server-sent events that somebody else sends, byte by byte.
 *
 * Source: HTML Living Standard, 9.2.6 (lines end with CR, LF or both; "data" fields of an event
 * are joined by newlines; what is not ended by an empty line is no event).  Event names, ids
 * and retry times are not kept: no chat API uses them. */
#ifndef TI_SERVE_SSE_H
#define TI_SERVE_SSE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { TI_SSE_EVENT_MAX = 1 << 20 }; /* bytes of an event, its field names included */

/* Zeroed is a reader at the beginning of a stream. */
typedef struct ti_sse {
    ti_buf line, data;
    size_t event_bytes;
    bool after_cr, begun, has_data;
} ti_sse;

/* Takes an event; its text lives during the call.  False: no more is wanted. */
typedef bool (*ti_sse_fn)(void *user, ti_str data);

/* Reads the next bytes of a stream, cut anywhere.  After a failure the reader is of no use.
 * Errors: TERN_LIMIT (an event above TI_SSE_EVENT_MAX), TERN_CANCELLED (fn returned false),
 * TERN_NOMEM.  Cost: O(len). */
tern_status ti_sse_feed(ti_sse *sse, const char *bytes, size_t len, ti_sse_fn fn, void *user,
                        tern_err *err);

/* True in the middle of an event: a stream that ends here was cut. */
bool ti_sse_is_inside(const ti_sse *sse);

/* Zeroed is allowed. */
void ti_sse_free(ti_sse *sse);

#endif
