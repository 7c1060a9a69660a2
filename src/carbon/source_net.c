/* SPDX-License-Identifier: Apache-2.0 */
/* The services: addresses, and which reader an answer goes to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/mix.h"
#include "carbon/parse.h"
#include "carbon/source.h"
#include "carbon/stamp.h"

enum {
    HALF_HOUR_S = 1800,
    FIVE_MINUTES_S = 300,
    NOW_BEFORE_S = 3 * TI_HOUR_S, /* how far behind services are when asked for now */
    TOKEN_LIFE_S = 25 * 60        /* of 30 minutes */
};

#define ALL_ASKS (1U << TI_ASK_NOW | 1U << TI_ASK_HISTORY | 1U << TI_ASK_FORECAST)

/* Fetches and reads; frees the address. */
typedef tern_status (*reader_fn)(ti_feed *feed, const char *text, size_t len, tern_err *err);

static tern_status fetch_json(ti_source *source, ti_feed *feed, ti_buf *url, const char *header,
                              reader_fn read, tern_err *err)
{
    ti_buf body = {0};
    ti_http_request request = {.url = url->data,
                               .header = header,
                               .accept = "application/json",
                               .limit = TI_ANSWER_MAX};
    tern_status status = url->failed ? ti_fail_nomem(err, "source", url->len, "an address")
                                     : ti_source_fetch(source, &body, &request, NULL, err);
    if (status == TERN_OK) {
        status = body.failed ? ti_fail_nomem(err, "source", body.len, "an answer")
                             : read(feed, body.data ? body.data : "", body.len, err);
    }
    ti_buf_free(url);
    ti_buf_free(&body);
    return status;
}

static tern_status is_missing(const ti_source *source, const char *what, tern_err *err)
{
    return ti_fail(err, TERN_UNAVAILABLE, source->kind->name, TI_NO_OFFSET, "it needs %s",
                   what);
}

/* --- NESO --------------------------------------------------------------------------------- */

static tern_status neso_ready(const ti_source *source, const char *zone, tern_err *err)
{
    ti_neso_zone z;
    if (!ti_neso_zone_parse(&z, zone)) {
        return ti_fail(err, TERN_USAGE, source->kind->name, TI_NO_OFFSET,
                       "'%.40s' is not GB, GB-1 to GB-17 or GB-POSTCODE", zone);
    }
    return TERN_OK;
}

/* A region's past comes as forecasts only: the service measures the country.  They are its
 * estimates of what happened then. */
static void past_is_estimated(ti_feed *feed, int64_t now_s)
{
    for (size_t i = 0; i < feed->series.n; i++) {
        ti_slot *s = &feed->slots[i];
        if (s->kind == TI_SLOT_FORECAST && s->start_s + s->length_s <= now_s) {
            s->kind = TI_SLOT_ACTUAL;
            feed->n_estimated++;
        }
    }
}

static tern_status neso_get(ti_source *source, ti_feed *feed, const ti_query *q, tern_err *err)
{
    ti_buf url = {0};
    ti_neso_zone z;
    char from[TI_STAMP_TEXT], to[TI_STAMP_TEXT];
    if (!ti_neso_zone_parse(&z, q->zone)) {
        return neso_ready(source, q->zone, err);
    }
    bool regional = z.region || z.postcode[0];
    ti_source_url(source, &url);
    ti_stamp_minutes(from, ti_stamp_floor(q->from_s, HALF_HOUR_S));
    ti_stamp_minutes(to, q->to_s);
    ti_buf_adds(&url, regional ? "/regional" : "");
    if (q->what == TI_ASK_HISTORY) {
        ti_buf_addf(&url, "/intensity/%s/%s", from, to);
    } else if (q->what == TI_ASK_FORECAST) {
        ti_buf_addf(&url, "/intensity/%s/fw48h", from);
    } else if (!regional) {
        ti_buf_adds(&url, "/intensity");
    }
    if (z.region) {
        ti_buf_addf(&url, "/regionid/%u", (unsigned)z.region);
    } else if (z.postcode[0]) {
        ti_buf_addf(&url, "/postcode/%s", z.postcode);
    }
    TI_TRY(fetch_json(source, feed, &url, NULL, ti_parse_neso, err));
    if (regional && q->what == TI_ASK_HISTORY) {
        past_is_estimated(feed, q->now_s);
    }
    return TERN_OK;
}

const ti_source_kind ti_source_neso = {
    .name = "neso",
    .about = "National Energy System Operator's Carbon Intensity API",
    .zones = "GB, its 17 regions GB-1 to GB-17, and postcodes (GB-RG10)",
    .needs = "",
    .licence = "CC BY 4.0",
    .url = "https://api.carbonintensity.org.uk",
    .basis = {.kind = TI_AVERAGE, .scope = TI_OPERATIONAL, .method = TI_LOCATION},
    .network = true,
    .asks = ALL_ASKS,
    .step_s = HALF_HOUR_S,
    .span_s = 14 * TI_DAY_S, /* the API's limit */
    .ready = neso_ready,
    .get = neso_get,
};

/* --- Electricity Maps --------------------------------------------------------------------- */

static tern_status emaps_ready(const ti_source *source, const char *zone, tern_err *err)
{
    (void)zone;
    return source->set.key ? TERN_OK : is_missing(source, "a key", err);
}

static tern_status emaps_get(ti_source *source, ti_feed *feed, const ti_query *q, tern_err *err)
{
    ti_buf url = {0}, header = {0};
    char stamp[TI_STAMP_TEXT];
    bool recent = q->what == TI_ASK_HISTORY && q->from_s >= q->now_s - TI_DAY_S;
    ti_source_url(source, &url);
    ti_buf_addf(&url, "/carbon-intensity/%s",
                q->what == TI_ASK_NOW        ? "latest"
                : q->what == TI_ASK_FORECAST ? "forecast"
                : recent                     ? "history"
                                             : "past-range");
    ti_url_query(&url, "zone", q->zone);
    ti_url_query(&url, "emissionFactorType",
                 feed->series.basis.scope == TI_LIFE_CYCLE ? "lifecycle" : "direct");
    if (q->what == TI_ASK_HISTORY && !recent) {
        ti_url_query(&url, "start", ti_stamp_text(stamp, ti_stamp_floor(q->from_s, TI_HOUR_S)));
        ti_url_query(&url, "end", ti_stamp_text(stamp, q->to_s));
    } else if (q->what == TI_ASK_FORECAST) {
        static const int horizons[] = {24, 48, 72};
        size_t i = 0;
        while (i < 2 && q->to_s - q->now_s > (int64_t)horizons[i] * TI_HOUR_S) {
            i++;
        }
        snprintf(stamp, sizeof stamp, "%d", horizons[i]);
        ti_url_query(&url, "horizonHours", stamp);
    }
    /* Else a zone that it does not know is answered with that of the caller's address; the
     * reader checks the zone of the answer too. */
    ti_url_query(&url, "shouldUseFallbackCallerLookup", "false");
    ti_buf_addf(&header, "auth-token: %s", source->set.key);
    if (header.failed) {
        ti_buf_free(&url);
        return ti_fail_nomem(err, "source", header.len, "a request");
    }
    tern_status status = fetch_json(source, feed, &url, header.data, ti_parse_emaps, err);
    ti_buf_free(&header);
    return status;
}

const ti_source_kind ti_source_emaps = {
    .name = "electricitymaps",
    .about = "Electricity Maps v3, flow-traced",
    .zones = "Electricity Maps' own (DE, SE-SE3, US-CAL-CISO ...)",
    .needs = "TERN_ELECTRICITYMAPS_KEY; forecasts and long histories a paid plan",
    .licence = "by contract",
    .url = "https://api.electricitymaps.com/v3",
    .basis = {.kind = TI_AVERAGE, .scope = TI_LIFE_CYCLE, .method = TI_LOCATION},
    .network = true,
    .asks = ALL_ASKS,
    .step_s = TI_HOUR_S,
    .span_s = 10 * TI_DAY_S, /* past-range, hourly */
    .ready = emaps_ready,
    .get = emaps_get,
};

/* --- WattTime ----------------------------------------------------------------------------- */

static tern_status watttime_ready(const ti_source *source, const char *zone, tern_err *err)
{
    (void)zone;
    return source->set.user && source->set.password
               ? TERN_OK
               : is_missing(source, "a user and a password", err);
}

static tern_status watttime_login(ti_source *source, int64_t now_s, tern_err *err)
{
    ti_buf url = {0}, body = {0};
    ti_source_url(source, &url);
    ti_buf_adds(&url, "/login");
    ti_http_request request = {.url = url.data,
                               .user = source->set.user,
                               .password = source->set.password,
                               .accept = "application/json",
                               .limit = TI_TOKEN_MAX * 2};
    char *token = source->token ? source->token : ti_calloc(TI_TOKEN_MAX + 1, 1);
    tern_status status = url.failed || !token
                             ? ti_fail_nomem(err, "source", TI_TOKEN_MAX, "a token")
                             : ti_source_fetch(source, &body, &request, NULL, err);
    source->token = token;
    source->token_until_s = 0;
    if (status == TERN_OK) {
        status = body.failed
                     ? ti_fail_nomem(err, "source", body.len, "an answer")
                     : ti_parse_watttime_login(token, TI_TOKEN_MAX + 1,
                                               body.data ? body.data : "", body.len, err);
    }
    if (status == TERN_OK) {
        source->token_until_s = now_s + TOKEN_LIFE_S;
    }
    ti_buf_free(&url);
    ti_buf_free(&body);
    return status;
}

/* Fetches with the token; once more with a new one when it is refused. */
static tern_status watttime_fetch(ti_source *source, ti_buf *body, const char *url,
                                  int64_t now_s, tern_err *err)
{
    for (int turn = 0;; turn++) {
        bool refused = false;
        ti_buf header = {0};
        if (now_s >= source->token_until_s) {
            TI_TRY(watttime_login(source, now_s, err));
        }
        ti_buf_addf(&header, "Authorization: Bearer %s", source->token);
        ti_http_request request = {.url = url,
                                   .header = header.data,
                                   .accept = "application/json",
                                   .limit = TI_ANSWER_MAX};
        tern_status status =
            header.failed
                ? ti_fail_nomem(err, "source", header.len, "a request")
                : ti_source_fetch(source, body, &request, turn == 0 ? &refused : NULL, err);
        ti_buf_free(&header);
        if (status != TERN_OK || !refused) {
            return status;
        }
        ti_buf_clear(body);
        source->token_until_s = 0;
    }
}

static tern_status watttime_get(ti_source *source, ti_feed *feed, const ti_query *q,
                                tern_err *err)
{
    ti_buf url = {0}, body = {0};
    char stamp[TI_STAMP_TEXT];
    bool forecast = q->what == TI_ASK_FORECAST;
    int64_t from = q->what == TI_ASK_NOW ? q->now_s - NOW_BEFORE_S : q->from_s;
    int64_t to = q->what == TI_ASK_NOW ? q->now_s : q->to_s;
    ti_source_url(source, &url);
    ti_buf_adds(&url, forecast ? "/v3/forecast" : "/v3/historical");
    ti_url_query(&url, "region", q->zone);
    ti_url_query(&url, "signal_type",
                 feed->series.basis.kind == TI_MARGINAL ? "co2_moer" : "co2_aoer");
    if (forecast) {
        enum { HORIZON_MAX_H = 72 };
        int64_t hours = (q->to_s - q->now_s + TI_HOUR_S - 1) / TI_HOUR_S;
        hours = hours < 1 ? 1 : hours > HORIZON_MAX_H ? HORIZON_MAX_H : hours;
        snprintf(stamp, sizeof stamp, "%d", (int)hours);
        ti_url_query(&url, "horizon_hours", stamp);
    } else {
        ti_url_query(&url, "start", ti_stamp_text(stamp, from));
        ti_url_query(&url, "end", ti_stamp_text(stamp, to));
    }
    tern_status status = url.failed ? ti_fail_nomem(err, "source", url.len, "an address")
                                    : watttime_fetch(source, &body, url.data, q->now_s, err);
    if (status == TERN_OK) {
        status = body.failed
                     ? ti_fail_nomem(err, "source", body.len, "an answer")
                     : ti_parse_watttime(feed, body.data ? body.data : "", body.len,
                                         forecast ? TI_SLOT_FORECAST : TI_SLOT_ACTUAL, err);
    }
    ti_buf_free(&url);
    ti_buf_free(&body);
    return status;
}

const ti_source_kind ti_source_watttime = {
    .name = "watttime",
    .about = "WattTime v3, marginal emissions (co2_moer)",
    .zones = "WattTime's regions (CAISO_NORTH is free; others by plan)",
    .needs = "TERN_WATTTIME_USER and TERN_WATTTIME_PASSWORD",
    .licence = "by contract",
    .url = "https://api.watttime.org",
    .basis = {.kind = TI_MARGINAL, .scope = TI_OPERATIONAL, .method = TI_LOCATION},
    .network = true,
    .asks = ALL_ASKS,
    .step_s = FIVE_MINUTES_S,
    .span_s = 32 * TI_DAY_S, /* the API's limit */
    .ready = watttime_ready,
    .get = watttime_get,
};

/* --- ENTSO-E ------------------------------------------------------------------------------ */

static tern_status entsoe_ready(const ti_source *source, const char *zone, tern_err *err)
{
    if (!ti_entsoe_area(zone)) {
        return ti_fail(err, TERN_USAGE, source->kind->name, TI_NO_OFFSET,
                       "'%.40s' is none of its areas, and no valid EIC", zone);
    }
    return source->set.key ? TERN_OK : is_missing(source, "a token", err);
}

static tern_status entsoe_get(ti_source *source, ti_feed *feed, const ti_query *q,
                              tern_err *err)
{
    ti_buf url = {0}, body = {0};
    char from[TI_STAMP_TEXT], to[TI_STAMP_TEXT];
    bool now = q->what == TI_ASK_NOW;
    int64_t start = ti_stamp_floor(now ? q->now_s - 2 * NOW_BEFORE_S : q->from_s, TI_HOUR_S);
    int64_t end = ti_stamp_floor((now ? q->now_s : q->to_s) + TI_HOUR_S - 1, TI_HOUR_S);
    ti_source_url(source, &url);
    ti_url_query(&url, "securityToken", source->set.key);
    ti_url_query(&url, "documentType", "A75"); /* actual generation per type */
    ti_url_query(&url, "processType", "A16");  /* realised */
    ti_url_query(&url, "in_Domain", ti_entsoe_area(q->zone));
    ti_url_query(&url, "periodStart", ti_stamp_compact(from, start));
    ti_url_query(&url, "periodEnd", ti_stamp_compact(to, end));
    ti_http_request request = {.url = url.data,
                               .url_is_secret = true,
                               .accept = "application/xml",
                               .limit = TI_ANSWER_MAX};
    tern_status status = url.failed ? ti_fail_nomem(err, "source", 0, "an address")
                                    : ti_source_fetch(source, &body, &request, NULL, err);
    if (status == TERN_OK) {
        status = body.failed ? ti_fail_nomem(err, "source", body.len, "an answer")
                             : ti_parse_entsoe(feed, body.data ? body.data : "", body.len, err);
    }
    ti_buf_free(&url);
    ti_buf_free(&body);
    return status;
}

const ti_source_kind ti_source_entsoe = {
    .name = "entsoe",
    .about = "ENTSO-E Transparency Platform: generation per type x IPCC medians",
    .zones = "European areas (DE, FR, SE-SE3 ...) and EIC codes",
    .needs = "TERN_ENTSOE_KEY (free, by e-mail)",
    .licence = "reuse allowed with conditions",
    .url = "https://web-api.tp.entsoe.eu/api",
    .basis = {.kind = TI_AVERAGE, .scope = TI_LIFE_CYCLE, .method = TI_LOCATION},
    .network = true,
    .asks = 1U << TI_ASK_NOW | 1U << TI_ASK_HISTORY,
    .step_s = TI_HOUR_S,
    .span_s = 30 * TI_DAY_S, /* a year is allowed; a month stays below the limit of an answer */
    .ready = entsoe_ready,
    .get = entsoe_get,
};

/* --- Carbon Aware SDK's WebAPI ------------------------------------------------------------ */

static tern_status casdk_ready(const ti_source *source, const char *zone, tern_err *err)
{
    (void)zone;
    return source->set.url ? TERN_OK : is_missing(source, "an address", err);
}

static tern_status casdk_get(ti_source *source, ti_feed *feed, const ti_query *q, tern_err *err)
{
    ti_buf url = {0};
    char stamp[TI_STAMP_TEXT];
    ti_source_url(source, &url);
    if (q->what == TI_ASK_FORECAST) {
        ti_buf_adds(&url, "/emissions/forecasts/current");
        ti_url_query(&url, "location", q->zone);
        return fetch_json(source, feed, &url, NULL, ti_parse_casdk_forecast, err);
    }
    bool now = q->what == TI_ASK_NOW;
    ti_buf_adds(&url, "/emissions/bylocation");
    ti_url_query(&url, "location", q->zone);
    ti_url_query(&url, "time", ti_stamp_text(stamp, now ? q->now_s - NOW_BEFORE_S : q->from_s));
    ti_url_query(&url, "toTime", ti_stamp_text(stamp, now ? q->now_s : q->to_s));
    return fetch_json(source, feed, &url, NULL, ti_parse_casdk, err);
}

const ti_source_kind ti_source_casdk = {
    .name = "carbon-aware-sdk",
    .about = "a Carbon Aware SDK WebAPI, or 'tern grid serve'",
    .zones = "the server's own (eastus, westeurope ...)",
    .needs = "TERN_CARBON_AWARE_SDK_URL, and the basis of its figures",
    .licence = "that of its source",
    .basis_declared = true,
    .network = true,
    .asks = ALL_ASKS,
    .step_s = FIVE_MINUTES_S,
    .ready = casdk_ready,
    .get = casdk_get,
};
