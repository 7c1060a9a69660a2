/* SPDX-License-Identifier: Apache-2.0 */
/* cli/casdk.h - the WebAPI of the Carbon Aware SDK, answered from desks.
 *
 * Paths, parameters, schemas, casing and status codes are those of the SDK's own WebAPI (v1.7,
 * src/CarbonAware.WebApi and its documentation), so that its clients work as they are.  What it
 * has no words for stands in the header X-Tern-Origin: source, basis, and how each figure came
 * to be.  Where the SDK would mix figures that count different things, this is a 400. */
#ifndef TI_CLI_CASDK_H
#define TI_CLI_CASDK_H

#include <pthread.h>
#include <stdatomic.h>

#include "cli/desks.h"
#include "http/server.h"

/* What all requests share. */
typedef struct ti_casdk {
    const ti_desk_args *desk;
    const ti_opt_list *locations; /* ZONE, or NAME=ZONE; none = every name is a zone */
    pthread_mutex_t mutex;        /* one desk at a time: they share what is kept */
    atomic_ulong requests;        /* counted for trace ids */
} ti_casdk;

/* The routes; their user is a ti_casdk. */
extern const ti_web_route ti_casdk_routes[];

/* ti_web_opts.admit: answers /health at once, so that it does not wait for a worker while all
 * of them wait for others. */
bool ti_casdk_admit(void *user, const ti_web_request *request, ti_web_reply *reply);

/* ti_web_opts.error: what the server itself refuses, in the SDK's form of errors. */
const char *ti_casdk_error(void *user, ti_buf *body, const char *target, unsigned code,
                           const char *why);

#endif
