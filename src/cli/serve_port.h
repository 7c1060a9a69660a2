/* SPDX-License-Identifier: Apache-2.0 */
/* cli/serve_port.h - what the HTTP API asks of files, keys and grids (serve/api.h). */
#ifndef TI_CLI_SERVE_PORT_H
#define TI_CLI_SERVE_PORT_H

#include <pthread.h>
#include <time.h>

#include "cli/grams.h"
#include "cli/receipts.h"
#include "serve/api.h"

typedef struct ti_serve_port {
    const ti_model_args *model_args;
    const ti_session_args *session_args;
    const ti_receipt_args *receipt_args;
    ti_serve_engine *engine; /* of ti_serve_port_look() */
    char *path;              /* of the model's file */
    ti_grams grams;          /* row NULL: no grid is known */
    const char *log_dir;     /* that is shown; NULL = none */
    char *log_name;          /* its origin */
    ti_buf outlook;          /* that was sent last, under a mutex of its own ... */
    time_t outlook_s;        /* ... and when */
    pthread_mutex_t looking;
    pthread_mutex_t describing; /* held by who describes the model, which may take long */
    pthread_mutex_t mutex;      /* of the three below; never held for long */
    ti_served served;
    bool known;
    unsigned n_waiting; /* who describes, and who wait for that */
} ti_serve_port;

/* Finds the model's file, and opens the table of grids.
 * Errors: those of ti_model_path() and ti_grams_open(); TERN_INTERNAL. */
tern_status ti_serve_port_open(ti_serve_port *out, const ti_model_args *model,
                               const ti_session_args *session, const ti_receipt_args *receipts,
                               tern_err *err);

/* Describes the model, which the engine opens for it: a file that is no model is an error now,
 * and not of the first request.  Errors: those of tern_model_open() and ti_model_digest(). */
tern_status ti_serve_port_look(ti_serve_port *port, ti_serve_engine *engine, tern_err *err);

/* Shows the log in `dir`, which lives as long as the port; NULL = none.
 * Errors: those of ti_log_view_open(). */
tern_status ti_serve_port_log(ti_serve_port *port, const char *dir, tern_err *err);

/* After the API was closed. */
void ti_serve_port_close(ti_serve_port *port);

/* The functions; `log` says whether answers are noted on stderr. */
ti_api_port ti_serve_port_functions(ti_serve_port *port, bool log);

#endif
