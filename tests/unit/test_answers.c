/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of services in JSON: the shapes that they document, and their traps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "carbon/parse.h"
#include "carbon/stamp.h"
#include "oom.h"

static const ti_basis direct = {.kind = TI_AVERAGE, .scope = TI_OPERATIONAL};
static const ti_basis whole = {.kind = TI_AVERAGE, .scope = TI_LIFE_CYCLE};
static const ti_basis marginal = {.kind = TI_MARGINAL, .scope = TI_OPERATIONAL};

enum { JAN_20_NOON = 1516449600 }; /* 2018-01-20T12:00Z */

typedef tern_status (*reader)(ti_feed *, const char *, size_t, tern_err *);

static tern_status past(ti_feed *feed, const char *text, size_t len, tern_err *err)
{
    return ti_parse_watttime(feed, text, len, TI_SLOT_ACTUAL, err);
}

static tern_status coming(ti_feed *feed, const char *text, size_t len, tern_err *err)
{
    return ti_parse_watttime(feed, text, len, TI_SLOT_FORECAST, err);
}

/* Reads an answer; what was made of it stays in `feed` and `err`. */
static ti_feed feed;
static tern_err err;

static tern_status get(reader read, const char *zone, ti_basis basis, const char *text)
{
    ti_feed_free(&feed);
    memset(&err, 0, sizeof err);
    ti_feed_init(&feed, zone, "test", basis);
    tern_status status = read(&feed, text, strlen(text), &err);
    if (status == TERN_OK) {
        assert_int_equal(ti_series_check(&feed.series, NULL), TERN_OK);
    } else {
        assert_int_equal(feed.series.n, 0); /* nothing half read */
        assert_int_equal(err.status, status);
    }
    return status;
}

static tern_status neso(const char *zone, const char *text)
{
    return get(ti_parse_neso, zone, direct, text);
}

static void slot_is(size_t i, int64_t start_s, uint32_t length_s, uint32_t mg,
                    ti_slot_kind kind)
{
    assert_true(i < feed.series.n);
    assert_int_equal(feed.slots[i].start_s, start_s);
    assert_int_equal(feed.slots[i].length_s, length_s);
    assert_int_equal(feed.slots[i].intensity_mg_kwh, mg);
    assert_int_equal(feed.slots[i].kind, kind);
}

/* --- NESO --------------------------------------------------------------------------------- */

#define HALF "\"from\":\"2018-01-20T12:00Z\",\"to\":\"2018-01-20T12:30Z\""
#define NEXT "\"from\":\"2018-01-20T12:30Z\",\"to\":\"2018-01-20T13:00Z\""
#define VALUE(f, a) "\"intensity\":{\"forecast\":" f ",\"actual\":" a ",\"index\":\"moderate\"}"
#define REGIONAL "\"intensity\":{\"forecast\":150,\"index\":\"low\"}"

static void what_happened_wins_and_null_is_a_forecast(void **state)
{
    (void)state;
    assert_int_equal(neso("GB", "{\"data\":[{" HALF "," VALUE(
                                    "266", "263") "},{" NEXT "," VALUE("270", "null") "}]}"),
                     TERN_OK);
    assert_int_equal(feed.series.n, 2);
    slot_is(0, JAN_20_NOON, 1800, 263000, TI_SLOT_ACTUAL);
    slot_is(1, JAN_20_NOON + 1800, 1800, 270000, TI_SLOT_FORECAST);
    assert_int_equal(feed.slots[0].error_mg_kwh, 0);
    assert_int_equal(feed.slots[1].error_mg_kwh, TI_ERROR_UNKNOWN);
}

static void zero_grams_never_get_in(void **state)
{
    (void)state; /* it said 0 for hours on 2023-06-07 */
    assert_int_equal(neso("GB", "{\"data\":[{" HALF "," VALUE("266", "0") "}]}"), TERN_OK);
    slot_is(0, JAN_20_NOON, 1800, 266000, TI_SLOT_FORECAST);
    assert_int_equal(feed.n_refused, 1);
    assert_int_equal(neso("GB", "{\"data\":[{" HALF "," VALUE("0", "0") "}]}"), TERN_OK);
    assert_int_equal(feed.series.n, 0); /* a gap */
    assert_int_equal(neso("GB", "{\"data\":[{" HALF "," VALUE("null", "null") "}]}"), TERN_OK);
    assert_int_equal(feed.series.n, 0);
    assert_int_equal(feed.n_none, 1);
}

static void what_cannot_be_is_left_out(void **state)
{
    static const char *const wild[] = {"-5", "1e9", "1000000000", "5000.1", "1e308", "-0.0001"};
    (void)state;
    for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"data\":[{" HALF ",\"intensity\":{\"actual\":%s}}]}",
                 wild[i]);
        assert_int_equal(neso("GB", text), TERN_OK);
        assert_int_equal(feed.series.n, 0);
        assert_int_equal(feed.n_refused, 1);
    }
    /* No JSON at all, so the whole answer is refused. */
    assert_int_equal(neso("GB", "{\"data\":[{" HALF "," VALUE("NaN", "null") "}]}"),
                     TERN_CORRUPT);
    assert_int_equal(neso("GB", "{\"data\":[{" HALF "," VALUE("302,5", "null") "}]}"),
                     TERN_CORRUPT);
    assert_int_equal(neso("GB", "{\"data\":[{" HALF "," VALUE("\"302,5\"", "null") "}]}"),
                     TERN_CORRUPT);
    assert_int_equal(neso("GB", "{\"data\":[{" HALF "," VALUE("\"302.5\"", "null") "}]}"),
                     TERN_OK);
    slot_is(0, JAN_20_NOON, 1800, 302500, TI_SLOT_FORECAST);
}

static void empty_and_error_bodies_say_why(void **state)
{
    (void)state;
    assert_int_equal(neso("GB", ""), TERN_UNAVAILABLE);
    assert_non_null(strstr(err.message, "empty"));
    assert_int_equal(neso("GB", " \r\n"), TERN_UNAVAILABLE);
    assert_int_equal(neso("GB-RG10", "{\"error\":{\"code\":\"400 Bad Request\",\"message\":"
                                     "\"Please enter a valid postcode.\"}}"),
                     TERN_UNAVAILABLE);
    assert_non_null(strstr(err.message, "valid postcode"));
    assert_int_equal(neso("GB", "<html>busy</html>"), TERN_CORRUPT);
    assert_int_equal(neso("GB", "{\"data\":[{" HALF), TERN_CORRUPT); /* cut off */
    assert_int_equal(neso("GB", "{\"data\":7}"), TERN_CORRUPT);
    assert_int_equal(neso("GB", "[]"), TERN_CORRUPT);
    assert_int_equal(neso("GB", "{\"data\":[{\"from\":\"yesterday\"}]}"), TERN_CORRUPT);
    assert_int_equal(neso("GB", "{\"data\":[{" HALF
                                "," VALUE("1", "2") "},{" HALF "," VALUE("1", "3") "}]}"),
                     TERN_CORRUPT); /* two truths */
}

static void regions_come_in_four_shapes(void **state)
{
    static const char *const shapes[] = {
        "{\"data\":{\"regionid\":3,\"postcode\":\"RG10\",\"data\":[{" HALF "," REGIONAL "}]}}",
        "{\"data\":[{\"regionid\":3,\"postcode\":\"RG10\",\"data\":[{" HALF "," REGIONAL
        "}]}]}",
        "{\"data\":{\"regionid\":3,\"postcode\":\"RG10\",\"data\":{" HALF "," REGIONAL "}}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        assert_int_equal(neso("GB-RG10", shapes[i]), TERN_OK);
        slot_is(0, JAN_20_NOON, 1800, 150000, TI_SLOT_FORECAST);
        assert_int_equal(neso("GB-3", shapes[i]), TERN_OK);
        assert_int_equal(neso("GB-4", shapes[i]), TERN_CORRUPT);   /* another region */
        assert_int_equal(neso("GB-SW1", shapes[i]), TERN_CORRUPT); /* another postcode */
        assert_int_equal(neso("GB", shapes[i]), TERN_CORRUPT);     /* not the country */
    }
    static const char all[] = "{\"data\":[{" HALF ",\"regions\":[{\"regionid\":3," REGIONAL
                              "},{\"regionid\":4,\"intensity\":{\"forecast\":99}}]}]}";
    assert_int_equal(neso("GB-4", all), TERN_OK);
    slot_is(0, JAN_20_NOON, 1800, 99000, TI_SLOT_FORECAST);
    assert_int_equal(neso("GB-5", all), TERN_OK);
    assert_int_equal(feed.series.n, 0);
    assert_int_equal(neso("GB", all), TERN_CORRUPT);
    assert_int_equal(neso("GB-3", "{\"data\":[{" HALF "," VALUE("1", "2") "}]}"), TERN_CORRUPT);
}

static void settlement_days_have_46_or_50_slots(void **state)
{
    static const struct {
        const char *from; /* local midnight */
        size_t n;
    } days[] = {
        {"2023-03-26T00:00Z", 46}, {"2023-10-28T23:00Z", 50}, {"2023-06-30T23:00Z", 48}};
    (void)state;
    for (size_t d = 0; d < 3; d++) {
        ti_buf text = {0};
        int64_t start;
        char from[TI_STAMP_TEXT], to[TI_STAMP_TEXT];
        assert_true(ti_stamp_parse(&start, days[d].from, strlen(days[d].from)));
        ti_buf_adds(&text, "{\"data\":[");
        for (size_t i = 0; i < days[d].n; i++) {
            int64_t at = start + (int64_t)i * 1800;
            ti_buf_addf(&text, "%s{\"from\":\"%s\",\"to\":\"%s\"," VALUE("100", "%zu") "}",
                        i ? "," : "", ti_stamp_minutes(from, at),
                        ti_stamp_minutes(to, at + 1800), 100 + i);
        }
        ti_buf_adds(&text, "]}");
        assert_int_equal(neso("GB", text.data), TERN_OK);
        assert_int_equal(feed.series.n, days[d].n);
        assert_int_equal(ti_series_covered(&feed.series, start),
                         start + (int64_t)days[d].n * 1800);
        slot_is(days[d].n - 1, start + (int64_t)(days[d].n - 1) * 1800, 1800,
                (uint32_t)(99 + days[d].n) * 1000, TI_SLOT_ACTUAL);
        ti_buf_free(&text);
    }
}

static void zones_of_great_britain(void **state)
{
    static const char *const good[] = {"GB", "GB-1", "GB-17", "GB-RG10", "GB-SW1A", "GB-M1"};
    static const char *const bad[] = {"DE",          "GB-", "GB-0", "GB-18",  "GB-01",
                                      "GB-rg10",     "gb",  "GB-M", "GB-1A",  "GB-RG1 0",
                                      "GB-RG10 9NY", "GB3", "",     "GB-ABC", "GB-RG109"};
    ti_neso_zone z;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(ti_neso_zone_parse(&z, good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(ti_neso_zone_parse(&z, bad[i]));
    }
}

/* --- Electricity Maps --------------------------------------------------------------------- */

#define LATEST(zone, factors)                                                      \
    "{\"zone\":\"" zone                                                            \
    "\",\"carbonIntensity\":302,\"datetime\":\"2018-01-20T12:00:00.000Z\","        \
    "\"updatedAt\":\"2018-01-20T11:50:00.000Z\",\"emissionFactorType\":\"" factors \
    "\",\"isEstimated\":true,\"temporalGranularity\":\"hourly\"}"

static void emaps_answers_about_the_zone_or_not_at_all(void **state)
{
    (void)state;
    assert_int_equal(get(ti_parse_emaps, "DE", whole, LATEST("DE", "lifecycle")), TERN_OK);
    slot_is(0, JAN_20_NOON, 3600, 302000, TI_SLOT_ACTUAL);
    assert_int_equal(feed.n_estimated, 1);
    assert_int_equal(feed.slots[0].error_mg_kwh, TI_ERROR_UNKNOWN);
    /* For a zone that it does not know it takes where the caller is. */
    assert_int_equal(get(ti_parse_emaps, "XX", whole, LATEST("DE", "lifecycle")), TERN_CORRUPT);
    assert_non_null(strstr(err.message, "where the caller is"));
    assert_int_equal(get(ti_parse_emaps, "DE", whole, LATEST("DE", "direct")), TERN_CORRUPT);
    assert_int_equal(get(ti_parse_emaps, "DE", direct, LATEST("DE", "direct")), TERN_OK);
    assert_int_equal(get(ti_parse_emaps, "DE", whole, "{\"history\":[]}"), TERN_CORRUPT);
    assert_int_equal(get(ti_parse_emaps, "DE", whole, "{\"error\":\"Invalid auth-token\"}"),
                     TERN_UNAVAILABLE);
}

static void emaps_lists(void **state)
{
    static const char forecast[] =
        "{\"zone\":\"DE\",\"forecast\":[{\"carbonIntensity\":326,\"datetime\":"
        "\"2018-01-20T13:00:00.000Z\"},{\"carbonIntensity\":null,\"datetime\":"
        "\"2018-01-20T14:00:00.000Z\"},{\"carbonIntensity\":300,\"datetime\":"
        "\"2018-01-20T15:00:00.000Z\"},{\"carbonIntensity\":290,\"datetime\":"
        "\"2018-01-20T16:00:00.000Z\"}],\"updatedAt\":\"2018-01-20T12:00:00.000Z\"}";
    static const char quarters[] = "{\"zone\":\"DE\",\"data\":[" LATEST(
        "DE", "lifecycle") "],"
                           "\"temporalGranularity\":\"15_minutes\"}";
    ti_buf zones = {0};
    (void)state;
    assert_int_equal(get(ti_parse_emaps, "DE", whole, forecast), TERN_OK);
    assert_int_equal(feed.series.n, 3); /* null is a gap */
    assert_int_equal(feed.n_none, 1);
    slot_is(0, JAN_20_NOON + 3600, 3600, 326000, TI_SLOT_FORECAST);
    assert_int_equal(feed.series.issued_s, JAN_20_NOON);
    assert_int_equal(get(ti_parse_emaps, "DE", whole, quarters), TERN_OK);
    slot_is(0, JAN_20_NOON, 3600, 302000, TI_SLOT_ACTUAL); /* the moment's own word wins */
    static const char names[] = "{\"NL\":{\"zoneName\":\"Netherlands\",\"access\":[\"*\"]}}";
    assert_int_equal(ti_parse_emaps_zones(&zones, names, strlen(names), NULL), TERN_OK);
    assert_string_equal(zones.data, "NL Netherlands\n");
    ti_buf_free(&zones);
}

/* --- WattTime ----------------------------------------------------------------------------- */

#define WATT(units, signal, region, value)                                            \
    "{\"data\":[{\"point_time\":\"2018-01-20T12:00:00+00:00\",\"value\":" value "}]," \
    "\"meta\":{\"data_point_period_seconds\":300,\"region\":\"" region                \
    "\",\"signal_type\":\"" signal "\",\"units\":\"" units                            \
    "\",\"generated_at\":\"2018-01-20T11:55:00+00:00\"}}"

static void pounds_become_grams_exactly(void **state)
{
    (void)state;
    assert_int_equal(get(past, "CAISO_NORTH", marginal,
                         WATT("lbs_co2_per_mwh", "co2_moer", "CAISO_NORTH", "870.0")),
                     TERN_OK);
    slot_is(0, JAN_20_NOON, 300, 394625, TI_SLOT_ACTUAL); /* 870 x 453.59237 = 394625.36 */
    assert_int_equal(get(coming, "CAISO_NORTH", marginal,
                         WATT("lbs_co2_per_mwh", "co2_moer", "CAISO_NORTH", "0")),
                     TERN_OK); /* curtailed wind: a marginal 0 is true */
    slot_is(0, JAN_20_NOON, 300, 0, TI_SLOT_FORECAST);
    assert_int_equal(feed.series.issued_s, JAN_20_NOON - 300);
}

static void percentiles_are_no_grams(void **state)
{
    (void)state;
    assert_int_equal(get(past, "A", marginal, WATT("percentile", "signal_index", "A", "42")),
                     TERN_UNSUPPORTED);
    assert_non_null(strstr(err.message, "percentile is not grams"));
    assert_int_equal(get(past, "A", marginal, WATT("kg_co2_per_mwh", "co2_moer", "A", "42")),
                     TERN_UNSUPPORTED);
    assert_int_equal(get(past, "A", marginal, WATT("lbs_co2_per_mwh", "co2_aoer", "A", "42")),
                     TERN_CORRUPT); /* an average is not marginal */
    assert_int_equal(get(past, "A", direct, WATT("lbs_co2_per_mwh", "co2_aoer", "A", "42")),
                     TERN_OK);
    assert_int_equal(get(past, "A", marginal, WATT("lbs_co2_per_mwh", "co2_moer", "B", "42")),
                     TERN_CORRUPT);
    assert_int_equal(get(past, "A", marginal, "{\"data\":[]}"), TERN_CORRUPT); /* no unit */
    assert_int_equal(get(past, "A", marginal, "{\"error\":\"x\",\"message\":\"no access\"}"),
                     TERN_UNAVAILABLE);
}

static tern_status login(char *token, size_t cap, const char *text)
{
    return ti_parse_watttime_login(token, cap, text, strlen(text), &err);
}

static void tokens(void **state)
{
    char token[8] = "";
    (void)state;
    assert_int_equal(login(token, sizeof token, "{\"token\":\"abc\"}"), TERN_OK);
    assert_string_equal(token, "abc");
    assert_int_equal(login(token, sizeof token, "{\"token\":\"12345678\"}"), TERN_CORRUPT);
    assert_null(strstr(err.message, "1234")); /* never in a message */
    assert_int_equal(login(token, sizeof token, "{\"token\":\"a\\r\\nX\"}"), TERN_CORRUPT);
    assert_int_equal(login(token, sizeof token, "{\"token\":\"\"}"), TERN_CORRUPT);
    assert_int_equal(login(token, sizeof token, "{}"), TERN_CORRUPT);
    assert_int_equal(login(token, sizeof token, ""), TERN_CORRUPT);
    assert_string_equal(token, "abc");
}

/* --- Carbon Aware SDK --------------------------------------------------------------------- */

static void casdk_in_all_its_cases(void **state)
{
    static const char *const shapes[] = {
        "[{\"location\":\"eastus\",\"time\":\"2018-01-20T12:00:00+00:00\",\"rating\":359.2,"
        "\"duration\":\"00:05:00\"},{\"location\":\"x\",\"time\":\"\",\"rating\":{}}]",
        "{\"Date\":\"d\",\"Emissions\":[{\"Location\":\"eastus\",\"Time\":"
        "\"2018-01-20T14:00:00+02:00\",\"Rating\":359.2,\"Duration\":\"00:05\"}]}",
        "[{\"Location\":\"eastus\",\"Time\":\"2018-01-20T12:00:00Z\",\"Rating\":359.2,"
        "\"Duration\":\"0.00:05:00\"}]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        assert_int_equal(get(ti_parse_casdk, "eastus", whole, shapes[i]), TERN_OK);
        assert_int_equal(feed.series.n, 1);
        slot_is(0, JAN_20_NOON, 300, 359200, TI_SLOT_ACTUAL);
    }
    assert_int_equal(get(ti_parse_casdk, "eastus", whole, "[]"), TERN_OK);
    assert_int_equal(feed.series.n, 0);
    assert_int_equal(get(ti_parse_casdk, "eastus", whole,
                         "{\"title\":\"ArgumentException\",\"status\":400,\"detail\":\"no\"}"),
                     TERN_UNAVAILABLE);
    static const char forecast[] =
        "[{\"generatedAt\":\"2018-01-20T11:00:00+00:00\",\"location\":\"eastus\","
        "\"forecastData\":[{\"location\":\"IL\",\"timestamp\":\"2018-01-20T12:00:00+00:00\","
        "\"duration\":30,\"value\":380.99}]}]";
    assert_int_equal(get(ti_parse_casdk_forecast, "eastus", whole, forecast), TERN_OK);
    slot_is(0, JAN_20_NOON, 1800, 380990, TI_SLOT_FORECAST);
    assert_int_equal(feed.series.issued_s, JAN_20_NOON - 3600);
}

static void memory_runs_out_cleanly(void **state)
{
    static const struct {
        reader read;
        const char *zone, *text;
        ti_basis basis;
    } cases[] = {
        {ti_parse_neso,
         "GB",
         "{\"data\":[{" HALF "," VALUE("266", "263") "}]}",
         {.scope = TI_OPERATIONAL}},
        {ti_parse_emaps, "DE", LATEST("DE", "lifecycle"), {0}},
        {past,
         "A",
         WATT("lbs_co2_per_mwh", "co2_moer", "A", "42"),
         {.kind = TI_MARGINAL, .scope = TI_OPERATIONAL}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (long n = 0;; n++) {
            assert_true(n < 1000);
            oom_fail_at(n);
            tern_status status =
                get(cases[i].read, cases[i].zone, cases[i].basis, cases[i].text);
            if (!oom_disarm()) {
                assert_int_equal(status, TERN_OK);
                break;
            }
            assert_int_equal(status, TERN_NOMEM);
        }
    }
}

static int end(void **state)
{
    (void)state;
    ti_feed_free(&feed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happened_wins_and_null_is_a_forecast),
        cmocka_unit_test(zero_grams_never_get_in),
        cmocka_unit_test(what_cannot_be_is_left_out),
        cmocka_unit_test(empty_and_error_bodies_say_why),
        cmocka_unit_test(regions_come_in_four_shapes),
        cmocka_unit_test(settlement_days_have_46_or_50_slots),
        cmocka_unit_test(zones_of_great_britain),
        cmocka_unit_test(emaps_answers_about_the_zone_or_not_at_all),
        cmocka_unit_test(emaps_lists),
        cmocka_unit_test(pounds_become_grams_exactly),
        cmocka_unit_test(percentiles_are_no_grams),
        cmocka_unit_test(tokens),
        cmocka_unit_test(casdk_in_all_its_cases),
        cmocka_unit_test(memory_runs_out_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
