/* SPDX-License-Identifier: Apache-2.0 */
/* The detector: bad readings, extremes, what it learns, what it finds, its budget of alarms. */
#include "edge_tests.h"
#include "tern_edge.h"

static const struct tern_edge_config good_config = {.max_value = 1000000,
                                                    .min_deviation = 16,
                                                    .interval_s = 3600,
                                                    .budget = 720,
                                                    .frozen_limit = 6,
                                                    .warm_up = 336,
                                                    .hold = 24,
                                                    .adapt = 4};
static struct tern_edge_meter meter;
static struct tern_edge_result result;

static const uint32_t monday = 1700438400u; /* 2023-11-20 00:00:00 */

static void step(uint32_t hour, int32_t value)
{
    tern_edge_meter_step(&meter, monday + 3600u * hour, value, &result);
    edge_see(result.status);
    edge_see((uint32_t)result.score);
    edge_see((uint32_t)result.threshold);
}

/* A household: nights, days, evenings, weekends, and noise of about +-10 %. */
static int32_t household(uint32_t hour)
{
    const uint32_t of_day = hour % 24, of_week = hour % 168;
    int32_t base = of_day < 6 ? 150 : of_day < 17 ? 400 : of_day < 23 ? 900 : 300;
    base += of_week >= 120 && of_day > 8 ? 300 : 0;
    const int32_t noise = (int32_t)(edge_random() % 101) + (int32_t)(edge_random() % 101) - 100;
    return base + base * noise / 1000 + (int32_t)(edge_random() % 7);
}

static void test_hours(void)
{
    CHECK(tern_edge_hour_of_week(0) == 72); /* 1970-01-01, a Thursday */
    CHECK(tern_edge_hour_of_week(monday) == 0);
    CHECK(tern_edge_hour_of_week(monday - 1) == 167);
    CHECK(tern_edge_hour_of_week(monday + 167 * 3600) == 167);
    CHECK(tern_edge_hour_of_week(monday + 168 * 3600) == 0);
    CHECK(tern_edge_hour_of_week(UINT32_MAX) < TERN_EDGE_HOURS);
}

/* A reading with one of the five faults: its bit, zeros, and the same state bit for bit. */
static void refused(uint32_t time, int32_t value, uint32_t status)
{
    const struct tern_edge_meter before = meter;
    edge_fill(&result, 0x77, sizeof result);
    tern_edge_meter_step(&meter, time, value, &result);
    CHECK(result.status == status);
    CHECK(result.score == 0 && result.threshold == 0 && result.z == 0 && result.predicted == 0);
    CHECK(edge_same(&before, &meter, sizeof meter));
    edge_see(result.status);
}

static void test_bad_readings(void)
{
    struct tern_edge_config config = good_config;
    CHECK(tern_edge_meter_init(&meter, &config, NULL, NULL, NULL));
    refused(monday, TERN_EDGE_MISSING, TERN_EDGE_IS_MISSING);
    for (uint32_t i = 0; i < 400; i++) {
        step(i, household(i));
        CHECK((result.status & TERN_EDGE_REFUSED) == 0);
    }
    const uint32_t now = monday + 400 * 3600;
    refused(now, TERN_EDGE_MISSING, TERN_EDGE_IS_MISSING);
    refused(now, 1000000, TERN_EDGE_SATURATED);
    refused(now, INT32_MAX, TERN_EDGE_SATURATED);
    refused(now, -1, TERN_EDGE_NEGATIVE);
    refused(now, INT32_MIN + 1, TERN_EDGE_NEGATIVE | TERN_EDGE_SATURATED);
    refused(now - 3600, 400, TERN_EDGE_OUT_OF_ORDER);
    refused(now - 7200, 400, TERN_EDGE_OUT_OF_ORDER);
    refused(now - TERN_EDGE_LEAP_S - 3600, 400, TERN_EDGE_OUT_OF_ORDER);
    refused(0, -5, TERN_EDGE_OUT_OF_ORDER | TERN_EDGE_GAP | TERN_EDGE_NEGATIVE);
    refused(UINT32_MAX, TERN_EDGE_MISSING, TERN_EDGE_IS_MISSING);

    /* Six equal readings are believed, the seventh is not; another value is again. */
    for (uint32_t i = 400; i < 406; i++) {
        step(i, 333);
        CHECK((result.status & TERN_EDGE_REFUSED) == 0);
    }
    refused(monday + 406 * 3600, 333, TERN_EDGE_FROZEN);
    refused(monday + 407 * 3600, 333, TERN_EDGE_FROZEN);
    step(408, 334);
    CHECK((result.status & TERN_EDGE_REFUSED) == 0 && (result.status & TERN_EDGE_GAP) != 0);
    step(409, 335);
    CHECK((result.status & TERN_EDGE_GAP) == 0);
    step(411, 335); /* one is missing */
    CHECK((result.status & TERN_EDGE_GAP) != 0);

    config.two_way = 1;
    config.frozen_limit = 0;
    CHECK(tern_edge_meter_init(&meter, &config, NULL, NULL, NULL));
    for (uint32_t i = 0; i < 70000; i++) {
        tern_edge_meter_step(&meter, monday + i, -999999, &result);
        CHECK((result.status & TERN_EDGE_REFUSED) == 0);
    }
    refused(monday + 70000, -1000000, TERN_EDGE_SATURATED);
}

/* A step of the clock that is too long to be believed: nothing changes but what is in doubt. */
static void doubted(uint32_t time)
{
    struct tern_edge_meter before = meter;
    tern_edge_meter_step(&meter, time, 400, &result);
    CHECK(result.status == (TERN_EDGE_OUT_OF_ORDER | TERN_EDGE_GAP) && result.score == 0);
    CHECK(meter.doubt != 0);
    before.doubt = meter.doubt;
    CHECK(edge_same(&before, &meter, sizeof meter));
    edge_see(result.status);
}

static void used(uint32_t time, uint32_t status)
{
    tern_edge_meter_step(&meter, time, 401 + (int32_t)(meter.seen & 1), &result);
    CHECK((result.status & (TERN_EDGE_REFUSED | TERN_EDGE_GAP)) == status && meter.doubt == 0);
    edge_see(result.status);
}

/* One reading from the future or the past is left out; a clock that was set is followed. */
static void test_leaps(void)
{
    const uint32_t week = TERN_EDGE_LEAP_S, hour = 3600, far = monday + 4000u * 86400u;
    uint32_t now = monday;
    CHECK(tern_edge_meter_init(&meter, &good_config, NULL, NULL, NULL));
    used(now, 0); /* the first is believed */
    doubted(far);
    refused(monday - 2 * week, -5, TERN_EDGE_OUT_OF_ORDER | TERN_EDGE_GAP | TERN_EDGE_NEGATIVE);
    refused(far + hour, TERN_EDGE_MISSING, TERN_EDGE_IS_MISSING);
    used(now += hour, 0);
    doubted(far + hour); /* the earlier one is forgotten */
    doubted(far + 3 * week);
    doubted(0);
    used(now += hour, 0);
    /* Up to a week is a gap; one second more is in doubt until the next says so too. */
    used(now += week, TERN_EDGE_GAP);
    doubted(now += week + 1);
    used(now += hour, TERN_EDGE_GAP);
    used(now += hour, 0);
    refused(now - week, 400, TERN_EDGE_OUT_OF_ORDER);
    refused(now, 400, TERN_EDGE_OUT_OF_ORDER);
    /* A clock that began again in 1970, and was set later. */
    doubted(60);
    used(60 + hour, TERN_EDGE_GAP);
    used(60 + 2 * hour, 0);
    doubted(now);
    used(now += hour, TERN_EDGE_GAP);
    used(now += hour, 0);
    /* What is no longer about the same time, later or earlier, does not agree. */
    doubted(far);
    doubted(far + 3 * 65536);
    doubted(far - 2 * 65536);
    used(far, TERN_EDGE_GAP);
    doubted(UINT32_MAX - 86400u - hour);
    used(UINT32_MAX - hour, TERN_EDGE_GAP); /* a day later */
    used(UINT32_MAX, 0);
    refused(UINT32_MAX, 400, TERN_EDGE_OUT_OF_ORDER);
}

static void test_bad_config(void)
{
    struct tern_edge_config config = good_config;
    edge_fill(&meter, 0x11, sizeof meter);
    const struct tern_edge_meter before = meter;
#define REFUSED(field, value)                                            \
    do {                                                                 \
        config.field = (value);                                          \
        CHECK(!tern_edge_meter_init(&meter, &config, NULL, NULL, NULL)); \
        config = good_config;                                            \
    } while (0)
    REFUSED(max_value, 0);
    REFUSED(max_value, -1);
    REFUSED(max_value, TERN_EDGE_MAX_VALUE + 1);
    REFUSED(min_deviation, 0);
    REFUSED(min_deviation, (1 << 20) + 1);
    REFUSED(interval_s, 0);
    REFUSED(interval_s, 86401);
    REFUSED(budget, 1);
    REFUSED(budget, 65536);
    REFUSED(frozen_limit, 1);
    REFUSED(adapt, 1);
    REFUSED(adapt, 9);
    REFUSED(two_way, 2);
#undef REFUSED
    CHECK(!tern_edge_meter_init(&meter, NULL, NULL, NULL, NULL));
    CHECK(!tern_edge_meter_init(NULL, &config, NULL, NULL, NULL));

    /* Networks: too many outputs, inputs of another number, no scratch. */
    static uint8_t codes[64];
    static int16_t bias[16];
    static uint32_t scratch[512];
    struct tern_edge_layer layer = {
        .codes = codes, .bias = bias, .mult = 1, .n_in = 8, .n_out = 9};
    const struct tern_edge_net net = {&layer, 1};
    CHECK(!tern_edge_meter_init(&meter, &config, &net, NULL, scratch));
    layer.n_out = 8;
    layer.n_in = 7;
    CHECK(!tern_edge_meter_init(&meter, &config, &net, NULL, scratch));
    layer.n_in = 8;
    layer.mult = 0;
    CHECK(!tern_edge_meter_init(&meter, &config, &net, NULL, scratch));
    layer.mult = 1;
    CHECK(!tern_edge_meter_init(&meter, &config, &net, NULL, NULL));
    CHECK(edge_same(&before, &meter, sizeof meter));
    CHECK(tern_edge_meter_init(&meter, &config, &net, NULL, scratch));
    edge_see(1);
}

/* The largest steps that readings can make, in all orders, at both ends of every setting; the
 * host runs this with the checks for undefined behaviour. */
static void test_extremes(void)
{
    static const int32_t values[] = {-TERN_EDGE_MAX_VALUE + 1, TERN_EDGE_MAX_VALUE - 1, 0, 1,
                                     -1};
    for (uint32_t setting = 0; setting < 16; setting++) {
        const struct tern_edge_config config = {.max_value = TERN_EDGE_MAX_VALUE,
                                                .min_deviation = setting & 1 ? 1 : 1 << 20,
                                                .interval_s = setting & 2 ? 1 : 86400,
                                                .budget = setting & 4 ? 2 : 65535,
                                                .hold = setting & 8 ? 65535 : 0,
                                                .adapt = setting & 8 ? 2 : 8,
                                                .two_way = 1};
        CHECK(tern_edge_meter_init(&meter, &config, NULL, NULL, NULL));
        uint32_t time = 0;
        for (uint32_t i = 0; i < 4000; i++) {
            time += setting & 2 ? 1 : 1 + edge_random() % TERN_EDGE_LEAP_S;
            const int32_t value = i % 400 < 200 ? values[i & 1] : values[edge_random() % 5];
            tern_edge_meter_step(&meter, time, value, &result);
            CHECK((result.status & TERN_EDGE_REFUSED) == 0);
            CHECK(result.score >= 0 && result.score < 16384);
            CHECK(result.threshold >= TERN_EDGE_UNIT && result.threshold <= 16384);
            edge_see((uint32_t)result.score);
        }
        for (uint32_t i = 0; i < 2; i++) { /* what is in doubt, and once more */
            tern_edge_meter_step(&meter, UINT32_MAX - 86400 + i, 1, &result);
            CHECK(((result.status & TERN_EDGE_OUT_OF_ORDER) != 0) == (i == 0));
        }
        tern_edge_meter_step(&meter, UINT32_MAX - 86400, 1, &result);
        CHECK(result.status == TERN_EDGE_OUT_OF_ORDER);
    }
}

static void test_norm(void)
{
    struct tern_edge_norm norm = {0, 0, 0};
    CHECK(tern_edge_norm_step(&norm, 1234, 4, 1) == 0);
    CHECK(norm.mean == 1234 * 16 && norm.deviation == 0);
    /* The mean of 0 and 100 in turn is found, and their distance from it. */
    norm = (struct tern_edge_norm){0, 0, 0};
    for (uint32_t i = 0; i < 2000; i++) {
        tern_edge_norm_step(&norm, i & 1 ? 100 : 0, 6, 1);
    }
    CHECK(norm.mean > 49 * 16 && norm.mean < 51 * 16);
    CHECK(norm.deviation > 49 * 16 && norm.deviation < 51 * 16);
    CHECK(tern_edge_norm_step(&norm, 250, 6, 1) >= 62); /* four deviations */
    norm = (struct tern_edge_norm){.mean = 100 * 16, .deviation = 0, .visits = 1};
    CHECK(tern_edge_norm_step(&norm, 107, 8, 16 * 7) == 16); /* exactly one */
    /* No drift: a constant value stays its own mean at every rate. */
    for (uint32_t adapt = 2; adapt <= 8; adapt++) {
        norm = (struct tern_edge_norm){0, 0, 0};
        for (uint32_t i = 0; i < 3000; i++) {
            CHECK(tern_edge_norm_step(&norm, -77, adapt, 16) == 0);
        }
        CHECK(norm.mean == -77 * 16 && norm.deviation == 0);
    }
    /* What is missing changes nothing. */
    const struct tern_edge_norm before = norm;
    CHECK(tern_edge_norm_step(&norm, TERN_EDGE_MISSING, 4, 1) == 0);
    CHECK(edge_same(&before, &norm, sizeof norm));
    static const int32_t ends[] = {INT32_MIN + 1, INT32_MAX, -TERN_EDGE_MAX_VALUE,
                                   TERN_EDGE_MAX_VALUE};
    norm = (struct tern_edge_norm){0, 0, 0};
    for (uint32_t i = 0; i < 4000; i++) {
        const int32_t z = tern_edge_norm_step(&norm, ends[edge_random() % 4], 2 + i % 7, 1);
        CHECK(z >= -8191 && z <= 8191);
        edge_see((uint32_t)z);
    }
}

/* Weeks of a household without faults; then each fault must be found. */
static void begin_household(uint32_t weeks)
{
    CHECK(tern_edge_meter_init(&meter, &good_config, NULL, NULL, NULL));
    for (uint32_t hour = 0; hour < 168 * weeks; hour++) {
        step(hour, household(hour));
    }
}

static void test_faults(void)
{
    enum { WEEKS = 8 };
    /* A spike is an event at once, and one event. */
    begin_household(WEEKS);
    step(168 * WEEKS, 6000);
    CHECK((result.status & TERN_EDGE_ALARM) != 0 && result.score > result.threshold);
    step(168 * WEEKS + 1, 6000);
    CHECK((result.status & TERN_EDGE_ALARM) == 0);
    /* So is an evening at nothing, which a night would not be. */
    begin_household(WEEKS);
    step(168 * WEEKS + 18, 5);
    CHECK((result.status & TERN_EDGE_ALARM) != 0);
    begin_household(WEEKS);
    step(168 * WEEKS + 18, 880);
    CHECK((result.status & TERN_EDGE_ALARM) == 0);
    /* Theft: 40 % are missing from now on.  Found in a day. */
    begin_household(WEEKS);
    uint32_t found = 0;
    for (uint32_t hour = 168 * WEEKS; hour < 168 * WEEKS + 24; hour++) {
        step(hour, household(hour) * 6 / 10);
        found += (result.status & TERN_EDGE_ALARM) != 0;
    }
    CHECK(found == 1);
    /* The level of these errors is forgotten over a gap: an ordinary reading is one again. */
    CHECK(result.score > 128);
    step(168 * WEEKS + 48, household(168 * WEEKS + 48));
    CHECK((result.status & TERN_EDGE_GAP) != 0 && result.score < 80);
}

/* A household for three years: no more alarms than the budget and its margin. */
static void test_budget_of_a_household(void)
{
    enum { HOURS = 3 * 365 * 24 };
    CHECK(tern_edge_meter_init(&meter, &good_config, NULL, NULL, NULL));
    uint32_t alarms = 0, over = 0;
    for (uint32_t hour = 0; hour < HOURS; hour++) {
        step(hour, household(hour));
        alarms += (result.status & TERN_EDGE_ALARM) != 0;
        over += result.score > result.threshold;
    }
    CHECK(alarms <= HOURS / 720);
    CHECK(over > 0);
    edge_see(alarms);
}

/* Somebody who chooses readings to cause alarms: the bound of tern_edge.c holds. */
static void test_budget_against_an_enemy(void)
{
    static const uint32_t budgets[] = {2, 24, 168, 720, 4096};
    for (uint32_t b = 0; b < sizeof budgets / sizeof budgets[0]; b++) {
        struct tern_edge_config config = good_config;
        config.budget = budgets[b];
        config.warm_up = 0;
        config.hold = 0;
        config.frozen_limit = 0;
        CHECK(tern_edge_meter_init(&meter, &config, NULL, NULL, NULL));
        uint32_t alarms = 0;
        const uint32_t n = 30000;
        for (uint32_t i = 0; i < n; i++) {
            /* Large at random; and quiet for a while, so that threshold and deviation fall. */
            const int32_t value = i % 50 < 25 ? 500 : (int32_t)(edge_random() % 1000000);
            step(i, value);
            alarms += (result.status & TERN_EDGE_ALARM) != 0;
        }
        CHECK(alarms * 100 <= 115 * n / budgets[b] + 4300);
        CHECK(alarms > 0);
        edge_see(alarms);
    }
}

/* With a network: its prediction is in the score, and a refused reading does not step it. */
static void test_with_network(void)
{
    static struct tern_edge_layer layers[METER_LAYERS];
    static uint8_t codes[METER_CODES];
    static int16_t bias[METER_BIASES];
    static int8_t history[4096], kept[4096];
    static uint32_t scratch[1024];
    make_meter(layers, codes, bias);
    const struct tern_edge_net net = {layers, METER_LAYERS};
    struct tern_edge_size size = {0};
    CHECK(tern_edge_net_check(&net, &size));
    CHECK(size.history <= sizeof history && size.scratch <= sizeof scratch / 4);
    CHECK(tern_edge_meter_init(&meter, &good_config, &net, history, scratch));
    uint32_t said = 0;
    for (uint32_t hour = 0; hour < 1000; hour++) {
        step(hour, household(hour));
        const int32_t error = result.z - result.predicted;
        CHECK(result.score >= (error < 0 ? -error : error));
        said += result.predicted != 0;
    }
    CHECK(said > 500);
    for (size_t i = 0; i < sizeof history; i++) {
        kept[i] = history[i];
    }
    refused(monday + 1000 * 3600, TERN_EDGE_MISSING, TERN_EDGE_IS_MISSING);
    refused(monday + 900 * 3600, 400, TERN_EDGE_OUT_OF_ORDER);
    CHECK(edge_same(kept, history, sizeof history));
    step(1000, household(1000));
    CHECK(!edge_same(kept, history, sizeof history));
    step(1010, household(1010)); /* a gap: what was predicted is not about this reading */
    CHECK(result.predicted == 0);
}

static const struct tern_edge_watch_config watch_config = {
    .max_value = 1000000, .threshold = 2015, .warm_up = 336};
static struct tern_edge_watch watch;
static struct tern_edge_watch_result seen;

static void watch_step(uint32_t time, int32_t value)
{
    tern_edge_watch_step(&watch, time, value, &seen);
    edge_see(seen.status);
    edge_see((uint32_t)seen.score);
    edge_see((uint32_t)seen.surprise);
}

static void watch_refuses(uint32_t time, int32_t value, uint32_t status)
{
    const struct tern_edge_watch before = watch;
    edge_fill(&seen, 0x77, sizeof seen);
    tern_edge_watch_step(&watch, time, value, &seen);
    CHECK(seen.status == status && seen.score == 0 && seen.surprise == 0);
    CHECK(edge_same(&before, &watch, sizeof watch));
}

/* What a watch refuses, and settings that it does not take. */
static void test_watch_bad_input(void)
{
    edge_fill(&watch, 0x11, sizeof watch);
    const struct tern_edge_watch before = watch;
    struct tern_edge_watch_config config = watch_config;
#define REFUSED(field, value)                          \
    do {                                               \
        config.field = (value);                        \
        CHECK(!tern_edge_watch_init(&watch, &config)); \
        config = watch_config;                         \
    } while (0)
    REFUSED(max_value, 0);
    REFUSED(max_value, TERN_EDGE_MAX_VALUE + 1);
    REFUSED(threshold, 0);
    REFUSED(threshold, 65536);
    REFUSED(two_way, 2);
#undef REFUSED
    CHECK(!tern_edge_watch_init(NULL, &config) && !tern_edge_watch_init(&watch, NULL));
    CHECK(edge_same(&before, &watch, sizeof watch));
    CHECK(tern_edge_watch_init(&watch, &config));
    watch_refuses(monday, TERN_EDGE_MISSING, TERN_EDGE_IS_MISSING);
    for (uint32_t i = 0; i < 500; i++) {
        watch_step(monday + 3600u * i, household(i));
        CHECK((seen.status & TERN_EDGE_REFUSED) == 0);
        CHECK(((seen.status & TERN_EDGE_WARMING_UP) != 0) == (i < 336));
    }
    const uint32_t now = monday + 500 * 3600;
    watch_refuses(now, TERN_EDGE_MISSING, TERN_EDGE_IS_MISSING);
    watch_refuses(now, 1000000, TERN_EDGE_SATURATED);
    watch_refuses(now, INT32_MIN + 1, TERN_EDGE_NEGATIVE | TERN_EDGE_SATURATED);
    watch_refuses(now, -1, TERN_EDGE_NEGATIVE);
    watch_refuses(now - 3600, 400, TERN_EDGE_OUT_OF_ORDER);
    watch_refuses(0, -5, TERN_EDGE_OUT_OF_ORDER | TERN_EDGE_GAP | TERN_EDGE_NEGATIVE);
    /* One reading from the future is left out, two that agree are a clock that was set. */
    for (uint32_t i = 0; i < 4; i++) {
        struct tern_edge_watch held = watch;
        watch_step(monday + 4000u * 86400u + 3600u * (i < 2 ? 0 : i), 400);
        if (i == 0 || i == 2) {
            CHECK(seen.status == (TERN_EDGE_OUT_OF_ORDER | TERN_EDGE_GAP));
            held.doubt = watch.doubt;
            CHECK(watch.doubt != 0 && edge_same(&held, &watch, sizeof watch));
        }
        if (i == 0) {
            watch_step(now, 400);
            CHECK((seen.status & TERN_EDGE_REFUSED) == 0 && watch.doubt == 0);
            i++; /* and again from the beginning */
        }
        CHECK(i < 3 || (seen.status & TERN_EDGE_REFUSED) == 0);
    }
}

/* A spike, a day without use and another level are surprising, and the first moment of each is
 * told; then the shadow of it hides the rest. */
static void test_watch_finds(void)
{
    enum { HOURS = 168 * 12 };
    static const int32_t percent[] = {2000, 300, 0};
    for (uint32_t fault = 0; fault < sizeof percent / sizeof percent[0]; fault++) {
        CHECK(tern_edge_watch_init(&watch, &watch_config));
        uint32_t alarms = 0;
        for (uint32_t i = 0; i < HOURS; i++) {
            watch_step(monday + 3600u * i, household(i));
            alarms += (seen.status & TERN_EDGE_ALARM) != 0;
        }
        CHECK(alarms <= 12);
        int32_t most = 0;
        uint32_t told = 0;
        for (uint32_t i = HOURS; i < HOURS + 12; i++) {
            watch_step(monday + 3600u * i, household(i) * percent[fault] / 100);
            most = seen.score > most ? seen.score : most;
            told += seen.score != 0;
            CHECK(seen.score == 0 || seen.score == seen.surprise);
        }
        CHECK(most >= 2015);
        CHECK(told >= 1 && told < 12);
    }
}

/* The same readings in another unit: scores do not know the scale, but for its roundings. */
static void test_watch_any_scale(void)
{
    static int32_t first[2000];
    int32_t far = 0;
    for (int32_t scale = 1; scale <= 1024; scale *= 1024) {
        uint32_t noise = 5;
        CHECK(tern_edge_watch_init(&watch, &watch_config));
        for (uint32_t i = 0; i < 2000; i++) {
            noise = noise * 1664525u + 1013904223u;
            watch_step(monday + 300u * i, (int32_t)(500u + (noise >> 24)) * scale);
            const int32_t off = seen.surprise - first[i];
            far += scale > 1 && (off > 128 || off < -128);
            first[i] = scale == 1 ? seen.surprise : first[i];
        }
    }
    CHECK(far < 40);
}

/* The largest steps in all orders; the host runs this with the checks for undefined behaviour.
 */
static void test_watch_extremes(void)
{
    static const int32_t ends[] = {-TERN_EDGE_MAX_VALUE + 1, TERN_EDGE_MAX_VALUE - 1, 0, 1, -1};
    const struct tern_edge_watch_config config = {
        .max_value = TERN_EDGE_MAX_VALUE, .threshold = 65535, .two_way = 1};
    for (uint32_t way = 0; way < 4; way++) {
        CHECK(tern_edge_watch_init(&watch, &config));
        uint32_t time = 0;
        int32_t most = 0;
        for (uint32_t i = 0; i < 20000; i++) {
            time += 1 + edge_random() % 7200;
            const int32_t value = way == 0   ? ends[edge_random() % 5]
                                  : way == 1 ? ends[i / 1000 % 2]
                                  : way == 2 ? ends[i % 5000 == 4999]
                                             : (int32_t)(i % 3000 < 2999 ? 0 : ends[i & 1]);
            watch_step(time, value);
            CHECK((seen.status & (TERN_EDGE_REFUSED | TERN_EDGE_ALARM)) == 0);
            CHECK(seen.score >= 0 && seen.score <= seen.surprise && seen.surprise <= 19 * 256);
            most = seen.surprise > most ? seen.surprise : most;
        }
        edge_see((uint32_t)most);
        tern_edge_watch_step(&watch, UINT32_MAX - 86400, 1, &seen);
        CHECK(seen.status == (TERN_EDGE_OUT_OF_ORDER | TERN_EDGE_GAP));
        tern_edge_watch_step(&watch, UINT32_MAX, 1, &seen);
        CHECK((seen.status & TERN_EDGE_REFUSED) == 0);
    }
    /* The end of the count of readings. */
    watch.seen = UINT32_MAX - 16u;
    watch.last_time = 0;
    for (uint32_t i = 1; i < 40; i++) {
        watch_step(i, ends[i % 5]);
    }
    CHECK(watch.seen == UINT32_MAX - 8u);
}

static void test_level(void)
{
    struct tern_edge_level level = {0, 0, 0, 0};
    int32_t z = 0, most = 0;
    for (uint32_t i = 0; i < 4000; i++) {
        z = tern_edge_level_step(&level, household(i), 5, 9, 16);
        CHECK(i >= 512 || z == 0);
        edge_see((uint32_t)z);
        most = i > 1000 && z > most ? z : most;
    }
    CHECK(most > 0 && most < 12 * 16);
    /* A third is missing from now on: clear within three days, and downwards. */
    for (uint32_t i = 4000; i < 4072; i++) {
        z = tern_edge_level_step(&level, household(i) * 2 / 3, 5, 9, 16);
    }
    CHECK(z < -3 * 16 && -z > most);
    /* A constant is always at its level. */
    level = (struct tern_edge_level){0, 0, 0, 0};
    for (uint32_t i = 0; i < 2000; i++) {
        CHECK(tern_edge_level_step(&level, 77, 2, 12, 1) == 0);
    }
    /* What is missing changes nothing. */
    const struct tern_edge_level before = level;
    CHECK(tern_edge_level_step(&level, TERN_EDGE_MISSING, 2, 12, 1) == 0);
    CHECK(edge_same(&before, &level, sizeof level));
    static const int32_t ends[] = {INT32_MIN + 1, -1, 0, TERN_EDGE_MAX_VALUE, INT32_MAX};
    for (uint32_t near = 2; near <= 8; near++) {
        level = (struct tern_edge_level){0, 0, 0, 0};
        for (uint32_t i = 0; i < 9000; i++) {
            z = tern_edge_level_step(&level, ends[i / 700 % 5], near, near + 1 + i % 4,
                                     1 << 20);
            CHECK(z >= -8191 && z <= 8191);
            edge_see((uint32_t)z);
        }
        level = (struct tern_edge_level){0, 0, 0, 0};
        for (uint32_t i = 0; i < 9000; i++) {
            z = tern_edge_level_step(&level, ends[edge_random() % 5], near, 12, 1);
            edge_see((uint32_t)z);
        }
    }
    level.seen = UINT32_MAX;
    z = tern_edge_level_step(&level, 5, 2, 9, 1);
    CHECK(level.seen == 0x80000000u);
}

const struct edge_test edge_meter_tests[] = {
    {"hours of the week", test_hours, 2166136261u},
    {"bad readings", test_bad_readings, 4153090858u},
    {"bad settings", test_bad_config, 67918732u},
    {"extremes of the detector", test_extremes, 3155002464u},
    {"running normalisation", test_norm, 2822700505u},
    {"faults", test_faults, 3760258348u},
    {"budget of a household", test_budget_of_a_household, 1219693968u},
    {"budget against an enemy", test_budget_against_an_enemy, 459306517u},
    {"with a network", test_with_network, 2790187407u},
    {"what a watch refuses", test_watch_bad_input, 928005609u},
    {"what a watch finds", test_watch_finds, 3305435371u},
    {"a watch of any scale", test_watch_any_scale, 3923204190u},
    {"extremes of a watch", test_watch_extremes, 661282311u},
    {"level", test_level, 303747852u},
    {"leaps of the clock", test_leaps, 101820802u},
    {NULL, NULL, 0},
};
