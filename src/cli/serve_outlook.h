/* SPDX-License-Identifier: Apache-2.0 */
/* cli/serve_outlook.h - what is expected of the user's grid, for the page of `tern serve`: what
 * `tern when --for 1h` would answer, with the whole forecast. */
#ifndef TI_CLI_SERVE_OUTLOOK_H
#define TI_CLI_SERVE_OUTLOOK_H

#include "base/buf.h"
#include "base/err.h"

/* Appends {schema "tern.outlook/1", now, job, decision, feed}.  Whoever knows the zone is asked
 * over the network, if it needs one and what is kept is not fresh.
 *   zone  NULL = the user's
 * Errors: TERN_NO without a zone, TERN_UNAVAILABLE when nothing is known, those of
 * ti_desk_open(). */
tern_status ti_serve_outlook(ti_buf *json, const char *zone, tern_err *err);

/* When work that may wait begins: as `tern when` decides it with the user's sources.
 *   id        spreads many over hours that are as good
 *   work_s    how long it takes, roughly: the deadline is kept if it takes four times that
 *   why       [size] receives the first reason, a line
 * Errors: those of ti_serve_outlook(). */
tern_status ti_serve_defer(int64_t *start_s, char *why, size_t size, const char *zone,
                           uint64_t id, int64_t deadline_s, uint64_t work_s, tern_err *err);

#endif
