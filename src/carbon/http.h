/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/http.h - what a source needs of a network: one function, which tests replace.
 *
 * Sources build addresses and read answers; who fetches (cli/http.c, with libcurl) keeps the
 * promises about time limits, sizes, retries and secrets. */
#ifndef TI_CARBON_HTTP_H
#define TI_CARBON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* A request: GET.  What is marked secret is sent to the address' own host alone, over https (or
 * to this machine), and is in no message. */
typedef struct ti_http_request {
    const char *url;      /* http or https, with the query */
    bool url_is_secret;   /* the query holds a key */
    const char *header;   /* secret, "auth-token: KEY", or NULL */
    const char *user;     /* secret, for Basic authentication, or NULL */
    const char *password; /* secret */
    const char *accept;   /* media type that is wanted */
    size_t limit;         /* most bytes of an answer */
} ti_http_request;

/* Fetches.  The answer's bytes are appended to `body`, its status goes to *code: any status
 * that a server gave after all retries is no failure here. Errors: TERN_UNAVAILABLE (no
 * connection, no such host, no answer in time, a redirection to elsewhere), TERN_LIMIT (too
 * large an answer), TERN_USAGE (address), TERN_NOMEM, TERN_CANCELLED. */
typedef tern_status (*ti_http_fn)(void *self, ti_buf *body, int *code,
                                  const ti_http_request *request, tern_err *err);

typedef struct ti_http {
    ti_http_fn get; /* NULL = there is no network */
    void *self;
} ti_http;

/* Adds "?" or "&", the name, "=" and the value with everything but letters, digits and "-._~:"
 * escaped. */
void ti_url_query(ti_buf *url, const char *name, const char *value);

/* Adds a part of a path, escaped likewise. */
void ti_url_part(ti_buf *url, const char *part);

#endif
