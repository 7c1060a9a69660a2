/* SPDX-License-Identifier: Apache-2.0 */
/* Mixes of generation (XML), tables, yearly files, and the moments that stand in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "carbon/mix.h"
#include "carbon/parse.h"
#include "carbon/stamp.h"
#include "oom.h"

static const ti_basis whole = {.kind = TI_AVERAGE, .scope = TI_LIFE_CYCLE};
static const ti_basis direct = {.kind = TI_AVERAGE, .scope = TI_OPERATIONAL};

enum { JAN_1 = 1767225600 }; /* 2026-01-01T00:00Z */

static ti_feed feed;
static tern_err err;

static tern_status done(tern_status status)
{
    if (status == TERN_OK) {
        assert_int_equal(ti_series_check(&feed.series, NULL), TERN_OK);
    } else {
        assert_int_equal(feed.series.n, 0);
        assert_int_equal(err.status, status);
    }
    return status;
}

static void begin(const char *zone, ti_basis basis)
{
    ti_feed_free(&feed);
    memset(&err, 0, sizeof err);
    ti_feed_init(&feed, zone, "test", basis);
}

static tern_status entsoe(const char *text)
{
    begin("DE", whole);
    return done(ti_parse_entsoe(&feed, text, strlen(text), &err));
}

static tern_status csv(const char *text, const char *column)
{
    begin("XX", whole);
    return done(ti_parse_csv(&feed, text, strlen(text), column, &err));
}

static void slot_is(size_t i, int64_t start_s, uint32_t length_s, uint32_t mg)
{
    assert_true(i < feed.series.n);
    assert_int_equal(feed.slots[i].start_s, start_s);
    assert_int_equal(feed.slots[i].length_s, length_s);
    assert_int_equal(feed.slots[i].intensity_mg_kwh, mg);
}

/* --- ENTSO-E ------------------------------------------------------------------------------ */

#define DOCUMENT(series)                                         \
    "<?xml version=\"1.0\"?><GL_MarketDocument xmlns=\"urn:x\">" \
    "<createdDateTime>2026-01-01T03:00:00Z</createdDateTime>" series "</GL_MarketDocument>"
#define SERIES(domain, psr, points)                                                            \
    "<TimeSeries><" domain ">10Y1001A1001A83F</" domain "><quantity_Measure_Unit.name>MAW"     \
    "</quantity_Measure_Unit.name><MktPSRType><psrType>" psr "</psrType></MktPSRType><Period>" \
    "<timeInterval><start>2026-01-01T00:00Z</start><end>2026-01-01T01:00Z</end>"               \
    "</timeInterval><resolution>PT15M</resolution>" points "</Period></TimeSeries>"
#define MADE(psr, points) SERIES("inBiddingZone_Domain.mRID", psr, points)
#define P(position, mw) \
    "<Point><position>" position "</position><quantity>" mw "</quantity></Point>"

static void a_mix_becomes_an_intensity(void **state)
{
    (void)state; /* wind on land 11, hard coal 820: (3 x 11 + 820) / 4 = 213.25 */
    assert_int_equal(
        entsoe(DOCUMENT(MADE("B19", P("1", "300") P("2", "300") P("3", "0") P("4", "100"))
                            MADE("B05", P("1", "100") P("2", "100") P("3", "50") P("4", "0")))),
        TERN_OK);
    assert_int_equal(feed.series.n, 4);
    slot_is(0, JAN_1, 900, 213250);
    slot_is(2, JAN_1 + 1800, 900, 820000);
    slot_is(3, JAN_1 + 2700, 900, 11000);
    assert_int_equal(feed.series.issued_s, JAN_1 + 3 * 3600);
}

static void positions_left_out_repeat(void **state)
{
    (void)state;
    assert_int_equal(
        entsoe(DOCUMENT(MADE("B19", P("1", "300") P("3", "100")) MADE("B05", P("1", "100")))),
        TERN_OK);
    assert_int_equal(feed.series.n, 4);
    slot_is(1, JAN_1 + 900, 900, 213250);
    slot_is(2, JAN_1 + 1800, 900, 415500);
    slot_is(3, JAN_1 + 2700, 900, 415500);
}

static void consumption_and_the_unknown_are_left_out(void **state)
{
    (void)state;
    assert_int_equal(entsoe(DOCUMENT(MADE("B19", P("1", "300")) SERIES(
                         "outBiddingZone_Domain.mRID", "B10", P("1", "5000")))),
                     TERN_OK);
    slot_is(0, JAN_1, 900, 11000);
    /* A fifth of waste, of which nothing is known, is borne; a half is not. */
    assert_int_equal(entsoe(DOCUMENT(MADE("B19", P("1", "400")) MADE("B17", P("1", "100")))),
                     TERN_OK);
    slot_is(0, JAN_1, 900, 11000);
    assert_int_equal(entsoe(DOCUMENT(MADE("B19", P("1", "100")) MADE("B17", P("1", "100")))),
                     TERN_OK);
    assert_int_equal(feed.series.n, 0);
    assert_int_equal(feed.n_refused, 4);
    /* Coal has not reported the second half of the hour yet: no other country's mean. */
    assert_int_equal(
        entsoe(DOCUMENT(
            MADE("B19", P("1", "300") P("2", "300") P("3", "300")
                            P("4", "300")) "<TimeSeries><MktPSRType><psrType>B05</psrType></"
                                           "MktPSRType><Period><timeInterval>"
                                           "<start>2026-01-01T00:00Z</"
                                           "start><end>2026-01-01T00:30Z</end></timeInterval>"
                                           "<resolution>PT30M</resolution>" P(
                                               "1", "100") "</Period></TimeSeries>")),
        TERN_OK);
    assert_int_equal(feed.series.n, 2);
    assert_int_equal(feed.n_none, 2);
    slot_is(1, JAN_1 + 900, 900, 213250); /* half an hour laid on quarters */
}

static void documents_that_are_refused(void **state)
{
    static const struct {
        const char *text;
        tern_status status;
    } cases[] = {
        {"", TERN_UNAVAILABLE},
        {"<html>", TERN_CORRUPT},
        {"<Acknowledgement_MarketDocument><Reason><code>999</code><text>No matching data found"
         "</text></Reason></Acknowledgement_MarketDocument>",
         TERN_UNAVAILABLE},
        {"<!DOCTYPE a [<!ENTITY b \"bbbb\">]><GL_MarketDocument>&b;</GL_MarketDocument>",
         TERN_CORRUPT},
        {DOCUMENT(MADE("B19", P("1", "1e9"))), TERN_CORRUPT},
        {DOCUMENT(MADE("B19", P("1", "NaN"))), TERN_CORRUPT},
        {DOCUMENT(MADE("B19", P("1", "302,5"))), TERN_CORRUPT},
        {DOCUMENT(MADE("B19", P("0", "1"))), TERN_CORRUPT},
        {DOCUMENT(MADE("B19", P("5", "1"))), TERN_CORRUPT}, /* outside its period */
        {DOCUMENT(MADE("B19", P("2", "1") P("1", "1"))), TERN_CORRUPT},
        {DOCUMENT("<TimeSeries><Period>" P("1", "1") "</Period></TimeSeries>"), TERN_CORRUPT},
        {"<GL_MarketDocument><TimeSeries>", TERN_CORRUPT}, /* cut off */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(entsoe(cases[i].text), cases[i].status);
    }
    assert_int_equal(entsoe(cases[2].text), TERN_UNAVAILABLE);
    assert_non_null(strstr(err.message, "No matching data found"));
    begin("FR", whole); /* Germany's answer */
    static const char german[] = DOCUMENT(MADE("B19", P("1", "300")));
    assert_int_equal(done(ti_parse_entsoe(&feed, german, strlen(german), &err)), TERN_CORRUPT);
    assert_int_equal(entsoe(DOCUMENT(MADE("B19", P("1", "-5") P("2", "3")))), TERN_OK);
    assert_int_equal(feed.series.n, 3); /* a plant's own use: nothing was generated then */
}

static void areas_have_valid_codes(void **state)
{
    const char *eic, *zone;
    size_t n = 0;
    (void)state;
    for (; (zone = ti_entsoe_zone_at(n, &eic)) != NULL; n++) {
        assert_true(ti_eic_is_valid(eic));
        assert_string_equal(ti_entsoe_area(zone), eic);
    }
    assert_true(n > 50);
    assert_false(ti_eic_is_valid("10Y1001A1001A83G"));
    assert_false(ti_eic_is_valid("10y1001a1001a83f"));
    assert_false(ti_eic_is_valid(""));
    assert_null(ti_entsoe_area("XX"));
    assert_int_equal(ti_plant_kind_find("B01"), 0);
    assert_int_equal(ti_plant_kind_find("B20"), 19);
    assert_int_equal(ti_plant_kind_find("B21"), -1);
    assert_int_equal(ti_plant_kind_find("B00"), -1);
    assert_int_equal(ti_plant_kind_find("A01"), -1);
    assert_int_equal(ti_plant_kind_find("B1"), -1);
}

/* --- CSV ---------------------------------------------------------------------------------- */

static void tables_in_their_dialects(void **state)
{
    static const struct {
        const char *text, *column;
    } same[] = {
        {"time,intensity\n2026-01-01T00:00Z,302.5\n2026-01-01T01:00Z,11\n", NULL},
        {"\xef\xbb\xbfTime;Intensity\r\n2026-01-01 00:00;302,5\r\n2026-01-01 01:00;11\r\n",
         NULL},
        {"date,hour,x\n2026-01-01,00:00,302.5\n2026-01-01,01:00,11\n", "x"},
        {"\"a\"\"b\",from,\"intensity\"\n\",\",2026-01-01T01:00+01:00,302.5\n"
         "\"\n\",2026-01-01T01:00Z,\"11\"",
         NULL},
        {"Datetime (UTC),Carbon intensity gCO2eq/kWh (direct),Carbon intensity gCO2eq/kWh "
         "(Life "
         "cycle)\n2026-01-01 00:00:00,1,302.5\n2026-01-01 01:00:00,1,11\n",
         NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_int_equal(csv(same[i].text, same[i].column), TERN_OK);
        assert_int_equal(feed.series.n, 2);
        slot_is(0, JAN_1, 3600, 302500);
        slot_is(1, JAN_1 + 3600, 3600, 11000);
    }
}

static void gaps_stay_gaps(void **state)
{
    (void)state;
    assert_int_equal(csv("time,intensity\n2026-01-01T00:00Z,100\n2026-01-01T00:30Z,\n"
                         "2026-01-01T01:00Z,nan\n2026-01-01T01:30Z,-4\n2026-01-01T02:00Z,1e9\n"
                         "2026-01-01T02:30Z,0\n2026-01-01T03:00Z,100\n2026-01-01T03:30Z,100\n",
                         NULL),
                     TERN_OK);
    assert_int_equal(feed.series.n, 3);
    slot_is(0, JAN_1, 1800, 100000);
    slot_is(1, JAN_1 + 3 * 3600, 1800, 100000);
    assert_int_equal(feed.n_none, 2);
    assert_int_equal(feed.n_refused, 3);
    assert_int_equal(csv("from,intensity.forecast,intensity.actual\n2026-01-01T00:00Z,90,80\n"
                         "2026-01-01T00:30Z,95,\n",
                         NULL),
                     TERN_OK);
    slot_is(0, JAN_1, 1800, 80000);
    slot_is(1, JAN_1 + 1800, 1800, 95000);
    assert_int_equal(feed.slots[1].kind, TI_SLOT_FORECAST);
}

static tern_status csv_of(const char *zone, const char *text)
{
    begin(zone, whole);
    return done(ti_parse_csv(&feed, text, strlen(text), NULL, &err));
}

static void a_column_of_zones(void **state)
{
    static const char *const two =
        "time,Zone,intensity\n2026-01-01T00:00Z,DE,400\n"
        "2026-01-01T00:00Z,South Wales,50\n2026-01-01T01:00Z,DE,300\n";
    static const char *const maps =
        "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO2eq/kWh (Life cycle)\n"
        "2026-01-01 00:00:00,Germany,Germany,DE,400\n2026-01-01 00:00:00,France,France,FR,50\n";
    ti_buf zones = {0};
    (void)state;
    assert_int_equal(csv_of("DE", two), TERN_OK);
    assert_int_equal(feed.series.n, 2);
    slot_is(1, JAN_1 + 3600, 3600, 300000);
    assert_int_equal(csv_of("south-wales", two), TERN_OK);
    assert_int_equal(feed.series.n, 1);
    slot_is(0, JAN_1, 3600, 50000);
    assert_int_equal(csv_of("D", two), TERN_OK);
    assert_int_equal(feed.series.n, 0);
    assert_int_equal(csv_of("FR", maps), TERN_OK); /* the code, not the name */
    slot_is(0, JAN_1, 3600, 50000);
    assert_int_equal(ti_parse_csv_zones(&zones, two, strlen(two), &err), TERN_OK);
    assert_string_equal(zones.data, "DE\nSouth-Wales\n");
    ti_buf_clear(&zones);
    assert_int_equal(ti_parse_csv_zones(&zones, "time,intensity\n1,2\n", 19, &err), TERN_OK);
    assert_int_equal(zones.len, 0);
    ti_buf_free(&zones);
    /* Infinite is a value that cannot be true, not a damaged table. */
    assert_int_equal(csv_of("DE", "time,ci\n2026-01-01T00:00Z,-inf\n2026-01-01T01:00Z,7\n"),
                     TERN_OK);
    assert_int_equal(feed.n_refused, 1);
    assert_int_equal(feed.series.n, 1);
}

static void tables_that_are_refused(void **state)
{
    static const char *const bad[] = {
        "a,b\n1,2\n",                                   /* no moments */
        "time,b\n2026-01-01T00:00Z,2\n",                /* no intensities */
        "time,intensity\n2026-01-01T00:00Z\n",          /* a column short */
        "time,intensity\n2026-02-30T00:00Z,2\n",        /* no such day */
        "time,intensity\n2026-01-01T00:00Z,2 g\n",      /* a unit */
        "time,intensity\n2026-01-01T00:00Z,0x10\n",     /* not decimal */
        "time,intensity\n2026-01-01T00:00Z,\"302.5\n",  /* a quote that is open */
        "time,intensity\n2026-01-01,1\n2026-01-01,2\n", /* two truths */
        "time;intensity\n2026-01-01T00:00Z;1.302,5\n",  /* thousands */
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(csv(bad[i], NULL), TERN_CORRUPT);
    }
    assert_int_equal(csv("", NULL), TERN_UNAVAILABLE);
    assert_int_equal(csv("time,intensity\n2026-01-01T00:00Z,2\n", "intensities"), TERN_CORRUPT);
    /* A decimal comma between commas: 302 would be a guess. */
    assert_int_equal(csv("time,intensity\n2026-01-01T00:00Z,302,5\n", NULL), TERN_CORRUPT);
    assert_int_equal(csv("time,intensity\n2026-01-01T00:00Z,302,\n", NULL), TERN_OK);
}

/* --- yearly files ------------------------------------------------------------------------- */

static tern_status yearly(ti_yearly *out, const char *zone, const char *name, const char *text)
{
    return ti_parse_yearly(out, zone, name, text, strlen(text), &err);
}

static void yearly_files(void **state)
{
    static const char maps[] = "{\"GB\":{\"zone\":{\"zoneName\":\"x\"},\"carbonIntensity\":"
                               "{\"value\":176,\"unit\":\"gCO2eq/kWh\"}},\"SE\":{}}";
    ti_yearly y;
    (void)state;
    assert_int_equal(yearly(&y, "GB", "a/2019/electricity-maps-2025.json", maps), TERN_OK);
    assert_int_equal(y.intensity_mg_kwh, 176000);
    assert_int_equal(y.year, 2025);
    assert_true(ti_basis_equal(y.basis, whole));
    assert_int_equal(yearly(&y, "GBR", "average.json", "{\"data\":{\"GBR\":215.79}}"), TERN_OK);
    assert_int_equal(y.intensity_mg_kwh, 215790);
    assert_int_equal(y.year, 0);
    assert_int_equal(yearly(&y, "GBR", "marginal-intensities-2021.json", "{\"GBR\":\"380.5\"}"),
                     TERN_OK);
    assert_int_equal(y.basis.kind, TI_MARGINAL);
    assert_int_equal(yearly(&y, "FR", "a.json", maps), TERN_USAGE);
    assert_int_equal(yearly(&y, "SE", "a.json", maps), TERN_CORRUPT); /* no unit, no grams */
    assert_int_equal(yearly(&y, "A", "a.json", "{\"A\":0}"), TERN_USAGE);
    assert_int_equal(yearly(&y, "A", "a.json", "{\"A\":\"302,5\"}"), TERN_CORRUPT);
    assert_int_equal(yearly(&y, "A", "a.json", ""), TERN_UNAVAILABLE);
}

/* --- moments ------------------------------------------------------------------------------ */

static int64_t moment(const char *text)
{
    int64_t t = -1;
    return ti_stamp_parse(&t, text, strlen(text)) ? t : -1;
}

static uint32_t span(const char *text)
{
    uint32_t s = 0;
    return ti_span_parse(&s, text, strlen(text)) ? s : 0;
}

static void moments_and_lengths(void **state)
{
    static const char *const same[] = {"2026-01-01",
                                       "2026-01-01T00:00Z",
                                       "2026-01-01 00:00:00",
                                       "2026-01-01T00:00:00.123Z",
                                       "2026-01-01T01:30+01:30",
                                       "2025-12-31T17:00-0700",
                                       "2026-01-01T02+02"};
    static const char *const bad[] = {
        "2026-02-29", "2025-13-01",           "2026-01-01T24:00Z",
        "26-01-01",   "2026-01-01T00:00:60Z", "2026-01-01T00:00Zx",
        "",           "1969-12-31T23:59Z",    "2026-01-01T00:00.",
        "2026-1-1"};
    char text[TI_STAMP_TEXT];
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(moment(same[i]), JAN_1);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(moment(bad[i]), -1);
    }
    assert_int_equal(moment("2024-02-29T12:00Z"), 1709208000);
    for (int64_t t = 0; t <= TI_STAMP_MAX_S; t += 86399 * 17) {
        assert_int_equal(moment(ti_stamp_text(text, t)), t);
        assert_int_equal(moment(ti_stamp_offset(text, t)), t);
    }
    assert_string_equal(ti_stamp_compact(text, JAN_1), "202601010000");
    assert_int_equal(span("01:00"), 3600);
    assert_int_equal(span("00:05:00"), 300);
    assert_int_equal(span("1.00:00:00"), 86400);
    assert_int_equal(span("PT15M"), 900);
    assert_int_equal(span("P1D"), 86400);
    assert_int_equal(span("PT1H30M"), 5400);
    assert_int_equal(span("PT0M") + span("") + span("P") + span("15") + span("PT1M1H"), 0);
    assert_string_equal(ti_span_text(text, 300), "00:05:00");
    assert_string_equal(ti_span_text(text, 90000), "1.01:00:00");
}

static void memory_runs_out_cleanly(void **state)
{
    (void)state;
    for (int what = 0; what < 2; what++) {
        for (long n = 0;; n++) {
            assert_true(n < 1000);
            begin("DE", what == 0 ? whole : direct);
            oom_fail_at(n);
            tern_status status = what == 0
                                     ? entsoe(DOCUMENT(MADE("B19", P("1", "300"))))
                                     : csv("time,intensity\n2026-01-01T00:00Z,302.5\n", NULL);
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
        cmocka_unit_test(a_mix_becomes_an_intensity),
        cmocka_unit_test(positions_left_out_repeat),
        cmocka_unit_test(consumption_and_the_unknown_are_left_out),
        cmocka_unit_test(documents_that_are_refused),
        cmocka_unit_test(areas_have_valid_codes),
        cmocka_unit_test(tables_in_their_dialects),
        cmocka_unit_test(gaps_stay_gaps),
        cmocka_unit_test(a_column_of_zones),
        cmocka_unit_test(tables_that_are_refused),
        cmocka_unit_test(yearly_files),
        cmocka_unit_test(moments_and_lengths),
        cmocka_unit_test(memory_runs_out_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
