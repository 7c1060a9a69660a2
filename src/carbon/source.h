/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/source.h - who knows a grid's intensity: one port for all of them.
 *
 * A source is a row of a table (what it covers, on which basis, what it needs, under which
 * licence its data is) and one function.  It knows its addresses and its answers' shapes; the
 * network is a ti_http that is handed in, so that a test can be the network.
 *
 *     ti_source_open(&source, "neso", &settings, &http, &err);
 *     ti_source_get(&source, &feed, &query, &err);      feed.series is what plan/ takes
 *     ti_feed_free(&feed);
 *     ti_source_close(&source);
 *
 * Most callers want carbon/desk.h, which adds the cache, the fallbacks and the known error. */
#ifndef TI_CARBON_SOURCE_H
#define TI_CARBON_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "carbon/feed.h"
#include "carbon/grid.h"
#include "carbon/http.h"

/* What can be asked. */
typedef enum ti_ask { TI_ASK_NOW = 0, TI_ASK_HISTORY, TI_ASK_FORECAST } ti_ask;

/* "now", "history", "forecast". */
const char *ti_ask_text(ti_ask what);

typedef struct ti_query {
    ti_ask what;
    const char *zone;     /* as the source calls it */
    int64_t now_s;        /* the clock, so that nothing here reads one */
    int64_t from_s, to_s; /* history and forecast: [from_s, to_s) is wanted, more may come */
} ti_query;

/* What a user says about a source.  Texts must live as long as the source. */
typedef struct ti_source_settings {
    const char *url;             /* instead of the kind's own address, or NULL */
    const char *key;             /* secret: Electricity Maps, ENTSO-E; or NULL */
    const char *user, *password; /* secret: WattTime; or NULL */
    const char *file, *column;   /* of the sources that are files; or NULL */
    const ti_basis *basis;       /* what the figures count, where the source does not say it */
    const ti_grid *grid;         /* the yearly table, for "yearly" */
} ti_source_settings;

typedef struct ti_source ti_source;

typedef struct ti_source_kind {
    const char *name;    /* "neso" */
    const char *about;   /* one line */
    const char *zones;   /* which it answers for, in words */
    const char *needs;   /* settings without which it cannot answer, in words, or "" */
    const char *licence; /* of its data */
    const char *url;     /* its address, or NULL */
    ti_basis basis;      /* where basis_declared is false */
    bool basis_declared; /* by the user: the source does not say it */
    bool network;
    unsigned asks;   /* bits 1u << ti_ask */
    uint32_t step_s; /* how often there is a new value: so long an answer is fresh */
    uint32_t span_s; /* longest interval of one request, 0 = any */
    tern_status (*ready)(const ti_source *source, const char *zone, tern_err *err);
    tern_status (*get)(ti_source *source, ti_feed *feed, const ti_query *query, tern_err *err);
} ti_source_kind;

enum { TI_TOKEN_MAX = 4095 };

struct ti_source {
    const ti_source_kind *kind;
    ti_source_settings set;
    ti_basis basis;
    ti_http http;
    bool answered; /* the last answer was understood, though it may have held nothing */
    char *token;   /* secret: of a login, in memory only */
    int64_t token_until_s;
};

/* The i-th kind, or NULL past the last one; the one with that name, or NULL. */
const ti_source_kind *ti_source_kind_at(size_t i);
const ti_source_kind *ti_source_kind_find(const char *name);

/* Makes a source.  `http` may be NULL: then those that need a network fail when asked.
 * Errors: TERN_USAGE (no such source, a basis that it cannot have, none where one is due). */
tern_status ti_source_open(ti_source *out, const char *name, const ti_source_settings *settings,
                           const ti_http *http, tern_err *err);

/* Forgets it, its token overwritten.  Zeroed is allowed. */
void ti_source_close(ti_source *source);

/* True when it could be asked about that zone: it is one of its zones, and what it needs is
 * there.  Errors: TERN_USAGE (zone), TERN_UNAVAILABLE (key), with the reason. */
tern_status ti_source_ready(const ti_source *source, const char *zone, tern_err *err);

/* Asks.  Long intervals become several requests; what comes back is checked, merged, clipped to
 * what was asked, and says where it is from.  For TI_ASK_NOW it holds the newest slots that
 * there are, which may be hours old: carbon/desk.h judges that. Errors: TERN_UNAVAILABLE (down,
 * refuses, knows nothing), TERN_UNSUPPORTED (it cannot answer that), TERN_CORRUPT, TERN_LIMIT,
 * TERN_IO, TERN_NOMEM, TERN_USAGE.  No message holds a key. */
tern_status ti_source_get(ti_source *source, ti_feed *out, const ti_query *query,
                          tern_err *err);

/* Zones that it says it has, one line each ("DE Germany"), appended to `out`: from its own
 * table, its file, or asked for.  Errors: as ti_source_get(). */
tern_status ti_source_zones(ti_source *source, ti_buf *out, tern_err *err);

/* True for a name that may be a zone: 1 to 40 of A-Z a-z 0-9 . _ -, no point in front. */
bool ti_zone_is_name(const char *zone);

/* --- for the kinds themselves ------------------------------------------------------------- */

extern const ti_source_kind ti_source_neso, ti_source_emaps, ti_source_watttime,
    ti_source_entsoe, ti_source_casdk, ti_source_file, ti_source_co2js, ti_source_yearly;

/* Fetches `request` and fails with a reason for every status but 200, whose body is in `body`.
 * With `unauthorized`, 401 and 403 are not reported but set it. */
tern_status ti_source_fetch(const ti_source *source, ti_buf *body,
                            const ti_http_request *request, bool *unauthorized, tern_err *err);

/* Zones that a file has.  Errors: as ti_source_zones(). */
tern_status ti_source_file_zones(ti_source *source, ti_buf *out, tern_err *err);

/* Begins an address: the setting's or the kind's, without a slash at its end. */
void ti_source_url(const ti_source *source, ti_buf *url);

/* Replaces a secret in a message, or a beginning of it at the end of one, by "***". */
void ti_source_hide(tern_err *err, const char *secret);

#endif
