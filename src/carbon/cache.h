/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/cache.h - what sources have said, kept on disk with its age and where it is from.
 *
 * A file SOURCE@ZONE@BASIS.json for each series, schema tern.grid-cache/1: what happened (for
 * two months), and forecasts as they were issued (the newest, and one for every six hours
 * before it), so that their errors can be learnt.  Written whole or not at all, under a lock; a
 * file that is damaged counts as absent and is replaced.  No key, no address with a query, is
 * ever in it. */
#ifndef TI_CARBON_CACHE_H
#define TI_CARBON_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "carbon/feed.h"

enum {
    TI_CACHE_DAYS = 60,          /* of history */
    TI_CACHE_SLOTS = 20000,      /* of history: two months of five minutes */
    TI_CACHE_FORECASTS = 48,     /* issued ones that are kept */
    TI_CACHE_FORECAST_S = 21600, /* apart */
    TI_CACHE_FORECAST_SLOTS = 2048,
    TI_CACHE_FILES = 256,
    TI_CACHE_FILE_MAX = 8 << 20
};

/* What is kept about one zone of one source. */
typedef struct ti_kept {
    ti_feed history;                       /* actual slots only; n may be 0 */
    ti_feed forecasts[TI_CACHE_FORECASTS]; /* by time of issue, the newest last */
    size_t n_forecasts;
} ti_kept;

/* Zeroed is allowed. */
void ti_kept_free(ti_kept *kept);

/* Reads and writes the file's text.  `out` as ti_parse_* of carbon/parse.h leave theirs;
 * nothing has to be freed after a failure.  Errors: TERN_CORRUPT, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_kept_parse(ti_kept *out, const char *text, size_t len, tern_err *err);
void ti_kept_text(ti_buf *out, const ti_kept *kept);

/* Puts an answer into what is kept: its actual slots into the history, its forecast (slots that
 * were expected when it was issued) beside the others.  Errors: TERN_USAGE (another series),
 * TERN_NOMEM. */
tern_status ti_kept_add(ti_kept *kept, const ti_feed *answer, int64_t now_s, tern_err *err);

/* Loads what is kept in `dir`; an empty ti_kept when there is nothing.
 * Errors: TERN_CORRUPT (damaged, which a caller may take as nothing), TERN_IO, TERN_NOMEM. */
tern_status ti_cache_load(ti_kept *out, const char *dir, const char *source, const char *zone,
                          ti_basis basis, tern_err *err);

/* Adds an answer to what is kept.  The directory must exist.  When there are more than
 * TI_CACHE_FILES, the one that was written longest ago is removed.
 * Errors: TERN_IO, TERN_NOMEM, TERN_USAGE. */
tern_status ti_cache_add(const char *dir, const ti_feed *answer, int64_t now_s, tern_err *err);

#endif
