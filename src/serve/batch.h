/* SPDX-License-Identifier: Apache-2.0 */
/* serve/batch.h - OpenAI's /v1/files and /v1/batches: many requests in a file, answered when
 * the grid is cleanest within their window, and while nobody waits for an answer.
 *
 * A thread of its own reads a batch, asks the port when its work should begin, and then gives
 * its lines to the engine, as many as leave room for others.  Everything is on disk: a server
 * that is started again goes on with the lines that have no answer yet. */
#ifndef TI_SERVE_BATCH_H
#define TI_SERVE_BATCH_H

#include "serve/api_parts.h"

enum { TI_BATCH_BODY_MAX = (32 << 20) + (1 << 16) }; /* a file, and what is around it */

/* Opens what is in `dir`, which need not be there yet, and starts the thread.
 * What cannot be opened is a warning of the port, and why requests for it are refused.
 * Errors: TERN_NOMEM, TERN_UNAVAILABLE (no thread). */
tern_status ti_batches_open(ti_batches **out, ti_api *api, const char *dir, tern_err *err);

/* Begins nothing more, and lets go of what runs: before the engine ends.  NULL is allowed. */
void ti_batches_stop(ti_batches *batches);

/* After the last call has ended.  NULL is allowed. */
void ti_batches_close(ti_batches *batches);

/* Handlers of requests; `user` is the ti_api. */
void ti_batch_files(void *user, const ti_web_request *request, ti_web_reply *reply);
void ti_batch_file_one(void *user, const ti_web_request *request, ti_web_reply *reply);
void ti_batch_upload(void *user, const ti_web_request *request, ti_web_reply *reply);
void ti_batch_create(void *user, const ti_web_request *request, ti_web_reply *reply);
void ti_batch_list(void *user, const ti_web_request *request, ti_web_reply *reply);
void ti_batch_one(void *user, const ti_web_request *request, ti_web_reply *reply);
void ti_batch_change(void *user, const ti_web_request *request, ti_web_reply *reply);

#endif
