/* SPDX-License-Identifier: Apache-2.0 */
/* cli/serve_unit.h - `tern serve` as a service of the user's own systemd. */
#ifndef TI_CLI_SERVE_UNIT_H
#define TI_CLI_SERVE_UNIT_H

#include "base/err.h"

/* Has the user's systemd run this very command, less --install, now and from each login on: in
 * this directory, with those settings of the environment that are no secrets.  The service can
 * gain no privileges, and make only calls that services make (docs/serve.md).
 * Errors: TERN_USAGE (a word with a control character), TERN_IO, those of ti_systemd_put(). */
tern_status ti_serve_install(tern_err *err);

/* Stops and removes it.  Errors: those of ti_systemd_take_away(). */
tern_status ti_serve_uninstall(tern_err *err);

#endif
