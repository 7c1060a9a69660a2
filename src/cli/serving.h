/* SPDX-License-Identifier: Apache-2.0 */
/* cli/serving.h - a command that serves over HTTP until it is told to stop. */
#ifndef TI_CLI_SERVING_H
#define TI_CLI_SERVING_H

#include "http/server.h"

/* Listens, prints `before` and the address as a line of their own, and serves until SIGINT or
 * SIGTERM arrives, or opts->stop says so; one that is given must ask ti_interrupted() itself.
 * Errors: those of ti_web_open() and ti_web_run(); TERN_IO when stdout cannot be written. */
tern_status ti_serve(const ti_web_opts *opts, const char *before, tern_err *err);

#endif
