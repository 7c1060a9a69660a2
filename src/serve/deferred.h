/* SPDX-License-Identifier: Apache-2.0 */
/* serve/deferred.h - when work that may wait begins, and requests that wait for that hour with
 * their client.
 *
 * THREADS.  One thread plans and wakes; it sleeps while nobody waits. */
#ifndef TI_SERVE_DEFERRED_H
#define TI_SERVE_DEFERRED_H

#include "serve/api_parts.h"

enum { TI_DEFERRED_MOST = 256 }; /* that wait at a time: each holds a connection */

/* When work should begin, as the port says it; at once where it cannot say.  May wait for a
 * network.
 *   zone    of the grid; NULL: this machine's
 *   tokens  that it takes, read and written, roughly */
void ti_put_off_decide(ti_put_off *out, ti_api *api, const char *zone, uint64_t id,
                       int64_t deadline_s, uint64_t tokens);

/* Reads "8h", "tomorrow 9:00"; text NULL: *deadline_s = 0.  False: it was refused. */
bool ti_deadline_read(int64_t *deadline_s, const ti_api *api, const char *text,
                      uint64_t now_unix_ms, ti_refusal *why);

/* Errors: TERN_NOMEM, TERN_UNAVAILABLE (no thread). */
tern_status ti_deferred_open(ti_deferred **out, ti_api *api, tern_err *err);

/* Takes a call whose reply was kept until its hour has come, its client has left, or the server
 * stops, and hands it on in its own thread.  False: too many wait, or the
 * server stops; the call is the caller's.
 *   zone    lives as long as the call
 *   tokens  as above */
bool ti_deferred_add(ti_deferred *d, ti_call *call, const char *zone, int64_t deadline_s,
                     uint64_t tokens);

/* How many wait now. */
size_t ti_deferred_count(ti_deferred *d);

/* All that wait are handed on, as the server stops, and so is who comes later.  Does not wait.
 */
void ti_deferred_hurry(ti_deferred *d);

/* The same, and waits until all were handed on.  NULL is allowed. */
void ti_deferred_stop(ti_deferred *d);

/* Frees it: nobody may come any more.  NULL is allowed. */
void ti_deferred_close(ti_deferred *d);

#endif
