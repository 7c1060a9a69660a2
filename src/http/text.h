/* SPDX-License-Identifier: Apache-2.0 */
/* http/text.h - what can be said about a request from its text alone. */
#ifndef TI_HTTP_TEXT_H
#define TI_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "http/server.h"

/* True when every byte of a request's target is printable ASCII and the first is '/'. */
bool ti_web_target_valid(const char *target);

/* True when the Host header names us: an address in digits, localhost, or one of `hosts`
 * (ti_web_opts), each with or without a port. */
bool ti_web_host_ours(const char *host, const char *hosts);

/* True when the page that Origin names is our own (the same host and port as in the Host
 * header), or one of `origins` (ti_web_opts).  *listed: it is the latter.  host may be NULL. */
bool ti_web_origin_ours(const char *origin, const char *host, const char *origins,
                        bool *listed);

/* True when a path fits a route's; *rest is what the '*' stands for. */
bool ti_web_path_fits(ti_str *rest, const char *pattern, const char *path);

/* True when "GET, POST" holds the method; HEAD is held where GET is. */
bool ti_web_method_in(const char *methods, const char *method);

enum { TI_WEB_ALLOW_MAX = 128 };

/* Finds the route; NULL when there is none: then allow[TI_WEB_ALLOW_MAX] receives the methods
 * of those with that path, "" when no path fits. */
const ti_web_route *ti_web_route_find(const ti_web_route *routes, const char *method,
                                      const char *path, ti_str *rest, char *allow);

#endif
