/* SPDX-License-Identifier: Apache-2.0 */
/* serve/upstreams.h - who may answer requests, and the policy, as the user wrote them down.
 *
 * docs/routing.md describes the file.  It is read strictly and refused whole: a member that
 * nobody knows, a figure out of its range, a name twice.  It never holds a key, only the name
 * under which one is found; and a key is never sent over plain HTTP but to this machine.
 *
 * What is here is fixed.  Who routes fills in, for each request, what changes: the candidates'
 * grids, breakers, `unready`, and the budget's used_ug and renews_s. */
#ifndef TI_SERVE_UPSTREAMS_H
#define TI_SERVE_UPSTREAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "carbon/providers.h"
#include "plan/route.h"

enum { TI_UPSTREAMS_BYTES_MAX = 1 << 20, TI_UPSTREAMS_NAME_MAX = 63 };

/* How long an upstream may take; docs/routing.md. */
typedef struct ti_upstream_times {
    uint32_t connect_s, first_byte_s, idle_s, whole_s;
} ti_upstream_times;

typedef struct ti_upstream {
    const char *name;        /* unique */
    const char *model;       /* local: as `tern run -m` takes it; else its name there */
    const char *base_url;    /* "https://host/v1", without a slash at its end; NULL: local */
    const char *key_name;    /* of the variable, or line in the file `keys`; NULL: needs none */
    const char *zone;        /* of its grid, "ZONE" or "SOURCE:ZONE"; NULL: local: the user's,
                                else not known */
    ti_upstream_times times; /* not of local ones */
    const char *energy_by;   /* who says so: "EcoLogits v0.9", or the file's own word; NULL */
    ti_route_candidate candidate;
} ti_upstream;

typedef struct ti_upstreams {
    ti_upstream *items; /* [n], local ones first, else in the file's order */
    size_t n;
    ti_route_policy policy;
    uint32_t answer_tokens; /* that are expected when a request does not say how many */
    ti_arena arena;
} ti_upstreams;

/* Reads a configuration.  `catalogue` (or NULL) says what a "provider" stands for; nothing
 * points into it, or into `text`, afterwards.
 * Errors: TERN_CORRUPT with the offset, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_upstreams_parse(ti_upstreams *out, const char *text, size_t len,
                               const ti_providers *catalogue, tern_err *err);

/* The same of a file.  Errors: also TERN_IO. */
tern_status ti_upstreams_load(ti_upstreams *out, const char *path,
                              const ti_providers *catalogue, tern_err *err);

/* True for an address "http://..." of this machine: the only one that a key is sent to without
 * TLS. */
bool ti_upstream_is_here(const char *url);

/* Zeroed is allowed. */
void ti_upstreams_free(ti_upstreams *upstreams);

#endif
