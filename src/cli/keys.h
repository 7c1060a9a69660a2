/* SPDX-License-Identifier: Apache-2.0 */
/* cli/keys.h - addresses, keys and passwords of services: from the environment, else from the
 * file `keys` in $XDG_CONFIG_HOME/tern, whose lines are as NAME=VALUE.
 *
 * The file must be its owner's alone (mode 0600): one that others can read is refused, not
 * warned about.  No value of it is ever printed; a name that no setting has is warned of. */
#ifndef TI_CLI_KEYS_H
#define TI_CLI_KEYS_H

#include <stddef.h>

#include "base/err.h"

typedef struct ti_keys {
    char *text; /* of the file, cut into lines; NULL when there is none */
    size_t len;
} ti_keys;

/* Reads the file, if there is one.  Errors: TERN_USAGE (others may read it; a line that is no
 * NAME=VALUE, named by its number), TERN_IO, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_keys_open(ti_keys *out, tern_err *err);

/* Overwrites and frees it.  Zeroed is allowed. */
void ti_keys_close(ti_keys *keys);

/* The value of that name, or NULL when it is not set, or empty.  Lives as long as `keys` and
 * the environment. */
const char *ti_keys_get(const ti_keys *keys, const char *name);

#endif
