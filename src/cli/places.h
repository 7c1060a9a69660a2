/* SPDX-License-Identifier: Apache-2.0 */
/* cli/places.h - the user's own directories, as the XDG base directory rules have them. */
#ifndef TI_CLI_PLACES_H
#define TI_CLI_PLACES_H

#include "base/err.h"

typedef enum ti_place {
    TI_PLACE_CONFIG = 0, /* $XDG_CONFIG_HOME/tern, else ~/.config/tern */
    TI_PLACE_DATA        /* $XDG_DATA_HOME/tern, else ~/.local/share/tern */
} ti_place;

/* Writes "<place>/<below>" into a new string; free with free().  `below` may be "".
 * Errors: TERN_UNAVAILABLE when neither the XDG variable nor HOME is set; TERN_NOMEM. */
tern_status ti_place_path(char **out, ti_place place, const char *below, tern_err *err);

/* Creates a directory that only its owner may enter, and those above it.  One that is there
 * stays as it is.  Errors: TERN_IO, TERN_NOMEM. */
tern_status ti_make_private_directory(const char *path, tern_err *err);

#endif
