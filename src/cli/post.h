/* SPDX-License-Identifier: Apache-2.0 */
/* cli/post.h - sending a small body to a server, with libcurl.
 *
 * Redirections are not followed and nothing is tried again: whoever sends something that
 * changes the other side decides that. */
#ifndef TI_CLI_POST_H
#define TI_CLI_POST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* What came back. */
typedef struct ti_posted {
    long code;     /* any status of HTTP */
    char type[64]; /* Content-Type, cut; "" when there was none */
    ti_buf body;   /* free with ti_buf_free() */
} ti_posted;

enum { TI_POST_ANSWER_MAX = 64 << 10, TI_POST_TIMEOUT_S = 20 };

/* Sends `body` to an http or https address with this Content-Type, and waits for the answer.
 * libcurl is started where it was not (one thread at a time).
 * Errors: TERN_UNAVAILABLE (no connection, no answer in time, more than TI_POST_ANSWER_MAX
 * bytes), TERN_USAGE (address), TERN_CANCELLED, TERN_NOMEM. */
tern_status ti_post(ti_posted *out, const char *url, const char *type, ti_str body,
                    tern_err *err);

#endif
