/* SPDX-License-Identifier: Apache-2.0 */
/* carbon/parse.h - answers of providers, read: bytes in, a feed out.
 *
 * Pure functions: no clock, no file, no network.  Each takes the bytes of one answer ([len],
 * from strangers) and a feed that ti_feed_init() made for the zone and basis that were asked
 * for, adds its slots and closes it.  An answer about another zone than was asked for, in
 * another unit, or on another basis is refused, never converted in silence.
 * Errors of all: TERN_CORRUPT (with the byte), TERN_LIMIT, TERN_NOMEM; an empty answer is
 * TERN_UNAVAILABLE.  After a failure the feed has no slots. */
#ifndef TI_CARBON_PARSE_H
#define TI_CARBON_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "carbon/feed.h"

enum { TI_ANSWER_MAX = 16 << 20 }; /* bytes of an answer */

/* --- NESO, Great Britain -------------------------------------------------------------------
 * {"data":[{"from","to","intensity":{"forecast","actual"}}]}: national; or regional, in the
 * four shapes that are served: a list of moments with a list of regions, a list of regions with
 * a list of moments, one region as an object, the same in a list.  A value in `actual`
 * happened; where it is null or 0 the value in `forecast` stands for it, as a forecast.
 * {"error":{"code","message"}} is TERN_UNAVAILABLE with the message.  The zone says which:
 * "GB", a region "GB-1" to "GB-17", or the outward part of a postcode, "GB-RG10". */
tern_status ti_parse_neso(ti_feed *feed, const char *text, size_t len, tern_err *err);

enum { TI_NESO_REGIONS = 17, TI_NESO_POSTCODE_MAX = 4 };

/* What a zone's name means to NESO. */
typedef struct ti_neso_zone {
    uint32_t region;                         /* 1 to 17, or 0 */
    char postcode[TI_NESO_POSTCODE_MAX + 1]; /* or "" */
} ti_neso_zone;

/* False for a zone that is not one of Great Britain's.  A postcode is a letter and up to three
 * more letters or digits with a digit among them: with more the service answers nothing at all.
 */
bool ti_neso_zone_parse(ti_neso_zone *out, const char *zone);

/* --- Electricity Maps v3 -------------------------------------------------------------------
 * latest (one object), history, past-range (data), forecast.  `zone` in the answer must be the
 * one asked for: for one it does not know, the service answers with that of the caller's
 * address.  emissionFactorType must be the basis' scope. */
tern_status ti_parse_emaps(ti_feed *feed, const char *text, size_t len, tern_err *err);

/* --- WattTime v3 ---------------------------------------------------------------------------
 * {"data":[{"point_time","value"}],"meta":{"region","signal_type","units",
 * "data_point_period_seconds","generated_at"}}.  Units other than lbs_co2_per_mwh are
 * TERN_UNSUPPORTED: percentiles are no grams.  The signal must be the basis' (co2_moer is
 * marginal, co2_aoer average).  Values are exact: a pound is 453.59237 g.
 *   kind  what was asked for: history or forecast */
tern_status ti_parse_watttime(ti_feed *feed, const char *text, size_t len, ti_slot_kind kind,
                              tern_err *err);

/* {"token":"..."} into token[cap].  Never in a message. */
tern_status ti_parse_watttime_login(char *token, size_t cap, const char *text, size_t len,
                                    tern_err *err);

/* --- ENTSO-E ------------------------------------------------------------------------------
 * GL_MarketDocument (A75, actual generation per type), XML.  Each moment's mix becomes an
 * intensity with the life-cycle factors of carbon/mix.h.  A position that is left out repeats
 * the one in front of it; series of consumption (outBiddingZone) are left out, because the
 * factor of storage is that of what it is filled with and is not known here.
 * Acknowledgement_MarketDocument is TERN_UNAVAILABLE with its reason. */
tern_status ti_parse_entsoe(ti_feed *feed, const char *text, size_t len, tern_err *err);

/* --- Carbon Aware SDK
 * ------------------------------------------------------------------------- Emissions: a list
 * of {location,time,rating,duration} (of the WebAPI, of its data file, also inside
 * {"Emissions":[]}; names in both cases of letters).  Other locations are left out. Forecasts:
 * a list of {generatedAt,forecastData:[{timestamp,duration,value}]}. */
tern_status ti_parse_casdk(ti_feed *feed, const char *text, size_t len, tern_err *err);
tern_status ti_parse_casdk_forecast(ti_feed *feed, const char *text, size_t len, tern_err *err);

/* --- tables ----------------------------------------------------------------------------------
 * Comma-separated with a header, or semicolons with decimal commas; quotes as in RFC 4180.  The
 * moment is in a column time, from, datetime, timestamp, point_time, or date with hour; the
 * value in g/kWh in `column`, else in one that is called after intensity.  Empty values are
 * gaps; infinite ones are counted as values that cannot be true; other text is TERN_CORRUPT,
 * with its line.  Where there is a column zone id, zone, location, region, area, country code,
 * bidding zone, country or zone name, rows of other zones than the feed's are left out.
 *   column  name of the value's column, or NULL */
tern_status ti_parse_csv(ti_feed *feed, const char *text, size_t len, const char *column,
                         tern_err *err);

/* --- yearly figures -------------------------------------------------------------------------
 */

/* A zone's mean of a year. */
typedef struct ti_yearly {
    uint32_t intensity_mg_kwh;
    uint32_t year; /* 0 when the file does not say it */
    ti_basis basis;
} ti_yearly;

/* Reads one from a file of @tgwf/co2 ("data": a number, or an object with carbonIntensity, by
 * zone).  The basis is that of the file: average ones are life-cycle, `unfccc` ones marginal.
 * Errors: TERN_USAGE when it has no such zone, TERN_CORRUPT, TERN_NOMEM. */
tern_status ti_parse_yearly(ti_yearly *out, const char *zone, const char *name,
                            const char *text, size_t len, tern_err *err);

/* --- which zones a file has ------------------------------------------------------------------
 */

/* Appends the names that occur in a table's column of zones, one line each, in the file's
 * order, blanks as '-'; nothing for a table without one. */
tern_status ti_parse_csv_zones(ti_buf *out, const char *text, size_t len, tern_err *err);

/* The same of locations in a data file of the Carbon Aware SDK. */
tern_status ti_parse_casdk_zones(ti_buf *out, const char *text, size_t len, tern_err *err);

/* The same of zones in a yearly file of @tgwf/co2. */
tern_status ti_parse_yearly_zones(ti_buf *out, const char *text, size_t len, tern_err *err);

/* Names of zones in an answer of Electricity Maps' /zones, one line each: "DE Germany".
 * Appended to `out`. */
tern_status ti_parse_emaps_zones(ti_buf *out, const char *text, size_t len, tern_err *err);

#endif
