/* SPDX-License-Identifier: Apache-2.0 */
/* Sources against a network that is replayed: what is asked for, with which key, and what
 * becomes of every answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "carbon/source.h"
#include "carbon/stamp.h"
#include "oom.h"

enum { NOW = 1767268800 + 720, HOUR = 3600, DAY = 86400 }; /* 2026-01-01T12:12Z */

static const ti_basis whole = {.kind = TI_AVERAGE, .scope = TI_LIFE_CYCLE};
static const ti_basis direct = {.kind = TI_AVERAGE, .scope = TI_OPERATIONAL};

/* --- the network -------------------------------------------------------------------------- */

typedef struct turn {
    const char *holds; /* that the address must hold */
    int code;
    const char *body;
} turn;

typedef struct replay {
    const turn *turns;
    size_t n, at;
    char url[512], header[128], user[32], password[32], all[4096];
    bool url_is_secret;
} replay;

static void keep(char *out, size_t cap, const char *text)
{
    snprintf(out, cap, "%s", text ? text : "");
}

static tern_status answer(void *self, ti_buf *body, int *code, const ti_http_request *r,
                          tern_err *err)
{
    replay *net = self;
    assert_true(net->at < net->n); /* nobody asks more often than that */
    const turn *t = &net->turns[net->at++];
    keep(net->url, sizeof net->url, r->url);
    keep(net->header, sizeof net->header, r->header);
    keep(net->user, sizeof net->user, r->user);
    keep(net->password, sizeof net->password, r->password);
    net->url_is_secret = r->url_is_secret;
    size_t n = strlen(net->all);
    snprintf(net->all + n, sizeof net->all - n, "%s\n", r->url);
    if (!strstr(r->url, t->holds)) {
        fail_msg("'%s' is not in '%s'", t->holds, r->url);
    }
    if (t->code == 0) {
        return ti_fail(err, TERN_UNAVAILABLE, "http", TI_NO_OFFSET, "no connection");
    }
    *code = t->code;
    ti_buf_adds(body, t->body);
    return TERN_OK;
}

static replay net;
static ti_source source;
static ti_feed feed;
static tern_err err;

static void begin(const char *name, const ti_source_settings *settings, const turn *turns,
                  size_t n)
{
    ti_http http = {.get = answer, .self = &net};
    ti_source_close(&source);
    memset(&net, 0, sizeof net);
    net.turns = turns;
    net.n = n;
    assert_int_equal(ti_source_open(&source, name, settings, &http, &err), TERN_OK);
}

static tern_status ask(ti_ask what, const char *zone, int64_t from_s, int64_t to_s)
{
    ti_query q = {.what = what, .zone = zone, .now_s = NOW, .from_s = from_s, .to_s = to_s};
    ti_feed_free(&feed);
    memset(&err, 0, sizeof err);
    return ti_source_get(&source, &feed, &q, &err);
}

#define GET(name, ...)                         \
    static const turn turns[] = {__VA_ARGS__}; \
    begin(name, &settings, turns, sizeof turns / sizeof *turns)

/* --- NESO --------------------------------------------------------------------------------- */

#define MOMENT(from, to, value) \
    "{\"from\":\"" from "\",\"to\":\"" to "\",\"intensity\":{\"forecast\":" value "}}"
#define NOON MOMENT("2026-01-01T12:00Z", "2026-01-01T12:30Z", "90")

static void neso_addresses(void **state)
{
    ti_source_settings settings = {.url = "http://u:p@127.0.0.1:1/x/"};
    (void)state;
    GET("neso", {"http://u:p@127.0.0.1:1/x/intensity", 200, "{\"data\":[" NOON "]}"},
        {"/x/regional/regionid/3", 200, "{\"data\":[{\"regionid\":3,\"data\":[" NOON "]}]}"},
        {"/x/intensity/2026-01-01T12:00Z/fw48h", 200, "{\"data\":[" NOON "]}"},
        {"/x/regional/intensity/2026-01-01T10:00Z/2026-01-01T12:00Z/postcode/RG10", 200,
         "{\"data\":{\"regionid\":3,\"postcode\":\"RG10\",\"data\":[" MOMENT(
             "2026-01-01T11:30Z", "2026-01-01T12:00Z", "80") "]}}"});
    assert_int_equal(ask(TI_ASK_NOW, "GB", 0, 0), TERN_OK);
    assert_string_equal(feed.place, "http://127.0.0.1:1/x"); /* who asks is nobody's business */
    assert_string_equal(feed.licence, "CC BY 4.0");
    assert_int_equal(feed.obtained_s, NOW);
    assert_false(feed.issued);
    assert_int_equal(ask(TI_ASK_NOW, "GB-3", 0, 0), TERN_OK);
    assert_int_equal(ask(TI_ASK_FORECAST, "GB", NOW, NOW + DAY), TERN_OK);
    assert_true(feed.issued);
    assert_int_equal(feed.series.issued_s, NOW);
    assert_int_equal(ask(TI_ASK_HISTORY, "GB-RG10", NOW - 2 * HOUR - 720, NOW - 720), TERN_OK);
    assert_int_equal(feed.slots[0].kind, TI_SLOT_ACTUAL); /* of a region, estimates are all */
    assert_int_equal(feed.n_estimated, 1);
    assert_int_equal(ask(TI_ASK_NOW, "DE", 0, 0), TERN_USAGE); /* and nobody was asked */
    assert_int_equal(net.at, 4);
}

static void long_intervals_are_cut(void **state)
{
    ti_source_settings settings = {0};
    (void)state;
    GET("neso",
        {"/intensity/2025-11-27T12:00Z/2025-12-11T12:12Z", 200,
         "{\"data\":[" MOMENT("2025-12-01T00:00Z", "2025-12-01T00:30Z", "1") "]}"},
        {"/intensity/2025-12-11T12:00Z/2025-12-25T12:12Z", 200, "{\"data\":[]}"},
        {"/intensity/2025-12-25T12:00Z/2026-01-01T12:12Z", 200,
         "{\"data\":[" MOMENT("2025-12-31T00:00Z", "2025-12-31T00:30Z", "2") "]}"});
    assert_int_equal(ask(TI_ASK_HISTORY, "GB", NOW - 35 * DAY, NOW), TERN_OK);
    assert_int_equal(net.at, 3);
    assert_int_equal(feed.series.n, 2);
    assert_int_equal(ask(TI_ASK_HISTORY, "GB", NOW - 500 * DAY, NOW), TERN_USAGE);
    assert_int_equal(ask(TI_ASK_HISTORY, "GB", NOW, NOW), TERN_USAGE);
}

static void each_status_has_its_reason(void **state)
{
    ti_source_settings settings = {.key = "secret-key"};
    static const char *const words[] = {
        "the key is refused", "the key is refused", "knows nothing",
        "asked too often",    "it is down",         "it is down",
        "it refuses",         "knows nothing",      "no connection"};
    (void)state;
    GET("electricitymaps", {"", 401, ""}, {"", 403, "{\"message\":\"not for secret-key\"}"},
        {"", 404, "no JSON"}, {"", 429, "{\"error\":{\"message\":\"slow down\"}}"},
        {"", 500, "{\"detail\":\"oops\"}"}, {"", 503, ""}, {"", 400, "{\"error\":\"zone\"}"},
        {"", 204, ""}, {"", 0, ""});
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        assert_int_equal(ask(TI_ASK_NOW, "DE", 0, 0), TERN_UNAVAILABLE);
        assert_non_null(strstr(err.message, words[i]));
        assert_null(strstr(err.message, "secret-key"));
    }
    assert_int_equal(net.at, sizeof words / sizeof *words);
}

static void a_cut_message_shows_no_part_of_a_key(void **state)
{
    ti_source_settings settings = {.key = "secret-key-of-some-length"};
    char body[256];
    (void)state;
    for (int n = 60; n < 130; n++) { /* wherever it is cut */
        snprintf(body, sizeof body, "{\"error\":\"%0*d secret-key-of-some-length.\"}", n, 0);
        for (int code = 200; code <= 401; code += 201) {
            turn turns[] = {{"", code, body}};
            begin("electricitymaps", &settings, turns, 1);
            assert_int_equal(ask(TI_ASK_NOW, "DE", 0, 0), TERN_UNAVAILABLE);
            assert_null(strstr(err.message, "secr"));
            assert_non_null(strstr(err.message, "0000"));
        }
    }
}

/* --- Electricity Maps --------------------------------------------------------------------- */

#define EMAPS(time) "{\"carbonIntensity\":302,\"datetime\":\"" time "\"}"

static void emaps_addresses(void **state)
{
    ti_source_settings settings = {.key = "k1"}, other = {.key = "k1", .basis = &direct};
    (void)state;
    GET("electricitymaps",
        {"https://api.electricitymaps.com/v3/carbon-intensity/latest?zone=DE&"
         "emissionFactorType=lifecycle&shouldUseFallbackCallerLookup=false",
         200, "{\"zone\":\"DE\",\"carbonIntensity\":3,\"datetime\":\"2026-01-01T12:00Z\"}"},
        {"/forecast?zone=DE&emissionFactorType=lifecycle&horizonHours=48&", 200,
         "{\"zone\":\"DE\",\"forecast\":[" EMAPS("2026-01-01T13:00Z") "]}"},
        {"/history?zone=DE&", 200,
         "{\"zone\":\"DE\",\"history\":[" EMAPS("2026-01-01T10:00Z") "]}"},
        {"/past-range?zone=DE&emissionFactorType=lifecycle&start=2025-12-29T12:00:00Z&end="
         "2025-12-30T12:12:00Z",
         200, "{\"zone\":\"DE\",\"data\":[" EMAPS("2025-12-30T00:00Z") "]}"});
    assert_int_equal(ask(TI_ASK_NOW, "DE", 0, 0), TERN_OK);
    assert_string_equal(net.header, "auth-token: k1");
    assert_false(net.url_is_secret);
    assert_int_equal(ask(TI_ASK_FORECAST, "DE", NOW, NOW + 30 * HOUR), TERN_OK);
    assert_int_equal(ask(TI_ASK_HISTORY, "DE", NOW - 3 * HOUR, NOW), TERN_OK);
    assert_int_equal(ask(TI_ASK_HISTORY, "DE", NOW - 3 * DAY, NOW - 2 * DAY), TERN_OK);
    assert_null(strstr(net.all, "k1")); /* in no address */
    static const turn factors[] = {
        {"emissionFactorType=direct", 200,
         "{\"zone\":\"DE\",\"carbonIntensity\":3,\"datetime\":"
         "\"2026-01-01T12:00Z\",\"emissionFactorType\":\"direct\"}"}};
    begin("electricitymaps", &other, factors, 1);
    assert_int_equal(ask(TI_ASK_NOW, "DE", 0, 0), TERN_OK);
    assert_true(ti_basis_equal(feed.series.basis, direct));
}

/* --- WattTime ----------------------------------------------------------------------------- */

#define MOER                                                                                \
    "{\"data\":[{\"point_time\":\"2026-01-01T12:00:00+00:00\",\"value\":870.0}],\"meta\":{" \
    "\"data_point_period_seconds\":300,\"region\":\"CAISO_NORTH\",\"signal_type\":"         \
    "\"co2_moer\",\"units\":\"lbs_co2_per_mwh\"}}"

static const ti_source_settings watt = {.user = "ann", .password = "pass-word"};

static void watttime_logs_in_once_and_again_when_refused(void **state)
{
    ti_source_settings settings = watt;
    (void)state;
    GET("watttime", {"https://api.watttime.org/login", 200, "{\"token\":\"tok-1\"}"},
        {"/v3/historical?region=CAISO_NORTH&signal_type=co2_moer&start=2026-01-01T09:12:00Z&",
         200, MOER},
        {"/v3/historical?", 200, MOER}, /* the same token */
        {"/v3/forecast?region=CAISO_NORTH&signal_type=co2_moer&horizon_hours=24", 401, ""},
        {"/login", 200, "{\"token\":\"tok-2\"}"}, {"/v3/forecast?", 200, MOER},
        {"/v3/historical?", 403, "{\"message\":\"not tok-2\"}"},
        {"/login", 200, "{\"token\":\"tok-3\"}"},
        {"/v3/historical?", 403, "{\"message\":\"not tok-3, not pass-word\"}"});
    assert_int_equal(ask(TI_ASK_NOW, "CAISO_NORTH", 0, 0), TERN_OK);
    assert_string_equal(net.header, "Authorization: Bearer tok-1");
    assert_string_equal(net.user, ""); /* the password goes to the login alone */
    assert_int_equal(feed.slots[0].intensity_mg_kwh, 394625);
    assert_int_equal(feed.series.basis.kind, TI_MARGINAL);
    assert_int_equal(ask(TI_ASK_NOW, "CAISO_NORTH", 0, 0), TERN_OK);
    assert_int_equal(ask(TI_ASK_FORECAST, "CAISO_NORTH", NOW - 720, NOW + DAY), TERN_OK);
    assert_string_equal(net.header, "Authorization: Bearer tok-2");
    assert_int_equal(ask(TI_ASK_NOW, "CAISO_NORTH", 0, 0), TERN_UNAVAILABLE); /* not for ever */
    assert_int_equal(net.at, 9);
    assert_non_null(strstr(err.message, "refused"));
    assert_null(strstr(err.message, "tok-3"));
    assert_null(strstr(err.message, "pass-word"));
}

static void tokens_grow_old(void **state)
{
    ti_source_settings settings = watt;
    ti_query q = {.zone = "CAISO_NORTH", .now_s = NOW};
    (void)state;
    GET("watttime", {"/login", 200, "{\"token\":\"tok-1\"}"}, {"/v3/historical?", 200, MOER},
        {"/login", 200, "{\"token\":\"tok-2\"}"}, {"/v3/historical?", 200, MOER});
    assert_int_equal(ask(TI_ASK_NOW, "CAISO_NORTH", 0, 0), TERN_OK);
    ti_feed_free(&feed);
    q.now_s += 26 * 60; /* of thirty minutes */
    assert_int_equal(ti_source_get(&source, &feed, &q, &err), TERN_OK);
    assert_int_equal(net.at, 4);
    ti_source_settings nobody = {0};
    static const turn none[] = {{"", 200, ""}};
    begin("watttime", &nobody, none, 0);
    assert_int_equal(ask(TI_ASK_NOW, "CAISO_NORTH", 0, 0), TERN_UNAVAILABLE);
    assert_non_null(strstr(err.message, "it needs a user and a password"));
    static const turn wrong[] = {{"/login", 401, "{\"detail\":\"ann:pass-word\"}"}};
    begin("watttime", &watt, wrong, 1);
    assert_int_equal(ask(TI_ASK_NOW, "CAISO_NORTH", 0, 0), TERN_UNAVAILABLE);
    assert_null(strstr(err.message, "pass-word"));
    assert_string_equal(net.user, "ann");
    assert_string_equal(net.password, "pass-word");
}

/* --- ENTSO-E, Carbon Aware SDK ------------------------------------------------------------ */

static void entsoe_asks_for_generation(void **state)
{
    ti_source_settings settings = {.key = "tok/en"};
    (void)state;
    GET("entsoe",
        {"https://web-api.tp.entsoe.eu/api?securityToken=tok%2Fen&documentType=A75&processType="
         "A16&in_Domain=10Y1001A1001A83F&periodStart=202601010600&periodEnd=202601011300",
         200, "<Acknowledgement_MarketDocument/>"},
        {"periodStart", 401, "tok/en"});
    assert_int_equal(ask(TI_ASK_NOW, "DE", 0, 0), TERN_UNAVAILABLE);
    assert_true(net.url_is_secret);
    assert_int_equal(ask(TI_ASK_NOW, "DE", 0, 0), TERN_UNAVAILABLE);
    assert_null(strstr(err.message, "tok/en"));
    assert_int_equal(ask(TI_ASK_FORECAST, "DE", NOW, NOW + DAY), TERN_UNSUPPORTED);
    assert_int_equal(ask(TI_ASK_NOW, "XX", 0, 0), TERN_USAGE);
}

static void casdk_says_no_basis(void **state)
{
    ti_source_settings settings = {.url = "http://127.0.0.1:1", .basis = &whole};
    ti_source_settings none = {.url = "http://127.0.0.1:1"};
    (void)state;
    ti_source_close(&source);
    assert_int_equal(ti_source_open(&source, "carbon-aware-sdk", &none, NULL, &err),
                     TERN_USAGE);
    assert_non_null(strstr(err.message, "a basis must be given"));
    GET("carbon-aware-sdk",
        {"/emissions/bylocation?location=eastus&time=2026-01-01T09:12:00Z&toTime=2026-01-01T12:"
         "12:00Z",
         200,
         "[{\"location\":\"eastus\",\"time\":\"2026-01-01T12:00:00+00:00\",\"rating\":359.2,"
         "\"duration\":\"00:05:00\"}]"},
        {"/emissions/forecasts/current?location=eastus", 204, ""},
        {"/emissions/forecasts/current?location=eastus", 501,
         "{\"title\":\"NotImplemented\"}"});
    assert_int_equal(ask(TI_ASK_NOW, "eastus", 0, 0), TERN_OK);
    assert_int_equal(ask(TI_ASK_FORECAST, "eastus", NOW, NOW + DAY), TERN_UNAVAILABLE);
    assert_int_equal(ask(TI_ASK_FORECAST, "eastus", NOW, NOW + DAY), TERN_UNAVAILABLE);
    assert_non_null(strstr(err.message, "NotImplemented"));
}

static void bases_are_the_sources_own(void **state)
{
    ti_source_settings life = {.basis = &whole},
                       market = {.basis = &(ti_basis){.method = TI_MARKET}};
    (void)state;
    ti_source_close(&source);
    assert_int_equal(ti_source_open(&source, "neso", &life, NULL, &err), TERN_USAGE);
    assert_non_null(
        strstr(err.message, "average/operational/location, not average/life-cycle"));
    assert_int_equal(ti_source_open(&source, "electricitymaps", &market, NULL, &err),
                     TERN_USAGE);
    assert_int_equal(ti_source_open(&source, "nobody", &life, NULL, &err), TERN_USAGE);
    for (size_t i = 0; ti_source_kind_at(i); i++) {
        assert_ptr_equal(ti_source_kind_find(ti_source_kind_at(i)->name), ti_source_kind_at(i));
    }
}

static void zones_are_no_paths(void **state)
{
    ti_source_settings settings = {.key = "k"};
    static const char *const bad[] = {
        "",    ".",      "../x",
        "a/b", "DE?x=1", "DE&x",
        "a b", "\n",     "12345678901234567890123456789012345678901"};
    static const turn none[] = {{"", 200, ""}};
    (void)state;
    begin("electricitymaps", &settings, none, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ask(TI_ASK_NOW, bad[i], 0, 0), TERN_USAGE);
    }
}

static void memory_runs_out_cleanly(void **state)
{
    static const turn turns[] = {{"/login", 200, "{\"token\":\"t\"}"},
                                 {"/v3/historical?", 200, MOER}};
    (void)state;
    for (long n = 0;; n++) {
        assert_true(n < 1000);
        begin("watttime", &watt, turns, 2);
        oom_fail_at(n);
        tern_status status = ask(TI_ASK_NOW, "CAISO_NORTH", 0, 0);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
    }
}

static int end(void **state)
{
    (void)state;
    ti_feed_free(&feed);
    ti_source_close(&source);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neso_addresses),
        cmocka_unit_test(long_intervals_are_cut),
        cmocka_unit_test(each_status_has_its_reason),
        cmocka_unit_test(a_cut_message_shows_no_part_of_a_key),
        cmocka_unit_test(emaps_addresses),
        cmocka_unit_test(watttime_logs_in_once_and_again_when_refused),
        cmocka_unit_test(tokens_grow_old),
        cmocka_unit_test(entsoe_asks_for_generation),
        cmocka_unit_test(casdk_says_no_basis),
        cmocka_unit_test(bases_are_the_sources_own),
        cmocka_unit_test(zones_are_no_paths),
        cmocka_unit_test(memory_runs_out_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
