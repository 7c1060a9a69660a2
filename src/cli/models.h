/* SPDX-License-Identifier: Apache-2.0 */
/* cli/models.h - where models are: paths, names in the cache, and the catalogue.
 *
 * The cache is $TERN_CACHE, else $XDG_CACHE_HOME/tern, else ~/.cache/tern.  Models are the
 * files <cache>/models/<name>.gguf; synthetic ones for measurements are in <cache>/synth. */
#ifndef TI_CLI_MODELS_H
#define TI_CLI_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* A model that `tern pull NAME` can obtain, or one that comes with the program. */
typedef struct ti_catalogue_row {
    const char *name;    /* what people type */
    const char *file;    /* its name in the cache, or among those that came along */
    const char *url;     /* where its publisher offers it; NULL: it comes with the program */
    const char *sha256;  /* of the file, 64 lower-case digits, or NULL when not on record */
    uint64_t bytes;      /* of the file, or 0 when not on record */
    const char *licence; /* SPDX name of the licence of the weights */
    const char *about;   /* one line */
} ti_catalogue_row;

extern const ti_catalogue_row ti_catalogue[]; /* ends with a row without name */

/* Name of the model that commands use unasked. */
#define TI_DEFAULT_MODEL "tern-books"

/* Returns the row with that name, or NULL. */
const ti_catalogue_row *ti_catalogue_find(const char *name);

/* Writes "<cache>/<below>" into a new string; free with free().  `below` may be "".
 * Errors: TERN_UNAVAILABLE when neither TERN_CACHE, XDG_CACHE_HOME nor HOME is set;
 * TERN_NOMEM. */
tern_status ti_cache_path(char **out, const char *below, tern_err *err);

/* Creates a directory and those above it (mode 0777 less the umask).  Errors: TERN_IO. */
tern_status ti_make_directories(const char *path, tern_err *err);

/* Finds the file of a model; free *path with free().
 *   model  NULL for the default model; a path when it has a '/' or is a file that exists; else
 *          a name: of a row of the catalogue, or of a file in the cache, without ".gguf"
 * Errors: TERN_UNAVAILABLE, with a hint how to get it. */
tern_status ti_model_path(char **path, const char *model, tern_err *err);

/* Prints the model that comes with tern, those in the cache, then those that `tern pull` knows
 * by name: size, whether it is here, licence of the weights, what it is.
 *   names  only the names of those that are here, one a line
 *   json   one document instead, schema tern.model-list/1
 * Errors: those of ti_cached_models(). */
tern_status ti_models_print(bool names, bool json, tern_err *err);

/* A list of strings that grows.  Zeroed is empty. */
typedef struct ti_names {
    char **items;
    size_t n;
} ti_names;

/* Lists the files *.gguf in the cache, sorted.  A directory that is not there has none.
 * Free with ti_names_free().  Errors: TERN_IO, TERN_NOMEM, and those of ti_cache_path(). */
tern_status ti_cached_models(ti_names *out, tern_err *err);
void ti_names_free(ti_names *names);

#endif
