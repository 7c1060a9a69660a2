/* SPDX-License-Identifier: Apache-2.0 */
/* cli/http.h - the one HTTP client: small answers of services, with libcurl.
 *
 * Time and size are limited.  What fails on the way, 429 and 5xx, is tried again after a pause
 * (of Retry-After, when it is short).  A request with a secret goes to the host of its address
 * alone, over https or to this machine; no message holds a query, a key or a password.  Proxies
 * are those of the environment (https_proxy, no_proxy). */
#ifndef TI_CLI_HTTP_H
#define TI_CLI_HTTP_H

#include <stdint.h>

#include "carbon/http.h"

/* A client.  One thread at a time. */
typedef struct ti_client {
    void *curl;
    uint32_t retries;   /* how often to try again */
    uint32_t timeout_s; /* for a whole answer; connecting may take a third of it */
} ti_client;

enum { TI_CLIENT_RETRIES = 2, TI_CLIENT_TIMEOUT_S = 20 };

/* Starts libcurl.  Errors: TERN_INTERNAL, TERN_NOMEM. */
tern_status ti_client_open(ti_client *out, tern_err *err);

/* Ends it.  Zeroed is allowed. */
void ti_client_close(ti_client *client);

/* A ti_http_fn; `self` is the ti_client. */
tern_status ti_client_get(void *self, ti_buf *body, int *code, const ti_http_request *request,
                          tern_err *err);

#endif
