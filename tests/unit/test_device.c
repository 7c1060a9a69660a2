/* SPDX-License-Identifier: Apache-2.0 */
/* Moments, tables, models and networks of src/device; signed readings of edge/record as
 * src/ledger reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sodium.h>

#include "base/file.h"
#include "base/sha256.h"
#include "carbon/stamp.h"
#include "device/csv.h"
#include "device/fit.h"
#include "device/when.h"
#include "ledger/reading.h"
#include "oom.h"
#include "tern_edge_record.h"

/* --- moments ------------------------------------------------------------------------------ */

static void moments(void **state)
{
    /* All of them show 2010-07-02 00:15 on their clock. */
    static const struct {
        const char *text;
        ti_dates dates;
        int32_t offset_s;
        bool has_offset;
    } good[] = {
        {"2010-07-02T00:15:00", TI_DATES_UNKNOWN, 0, false},
        {"2010-07-02 00:15", TI_DATES_UNKNOWN, 0, false},
        {"2010-07-02T00:15:00.750Z", TI_DATES_UNKNOWN, 0, true},
        {"2010-07-02T00:15:00+02:00", TI_DATES_UNKNOWN, 7200, true},
        {"2010-07-02 00:15:00-0330", TI_DATES_UNKNOWN, -12600, true},
        {"2010/07/02 00:15:00", TI_DATES_UNKNOWN, 0, false},
        {"201007020015", TI_DATES_UNKNOWN, 0, false},
        {"20100702001500", TI_DATES_UNKNOWN, 0, false},
        {"2.7.2010 0:15", TI_DATES_UNKNOWN, 0, false},
        {"02.07.10 00:15:00", TI_DATES_MDY, 0, false},
        {"7/2/10 0:15", TI_DATES_MDY, 0, false},
        {"2/7/2010 00:15:00", TI_DATES_DMY, 0, false},
        {"1278029700", TI_DATES_UNKNOWN, 0, true},
        {"1278029700.5", TI_DATES_UNKNOWN, 0, true},
        {"1278029700123", TI_DATES_UNKNOWN, 0, true},
    };
    int64_t wanted_s;
    (void)state;
    assert_true(ti_stamp_parse(&wanted_s, "2010-07-02T00:15:00Z", 20));
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ti_when when;
        print_message("%s\n", good[i].text);
        assert_int_equal(
            ti_when_parse(&when, good[i].text, strlen(good[i].text), good[i].dates),
            TI_WHEN_OK);
        assert_int_equal(when.shown_s, wanted_s);
        assert_int_equal(when.offset_s, good[i].offset_s);
        assert_int_equal(when.has_offset, good[i].has_offset);
    }
}

static void no_moments(void **state)
{
    static const char *const bad[] = {"",
                                      "nan",
                                      "12",
                                      "2010-07-02 0:15", /* ISO has two digits */
                                      "2010-02-30",
                                      "2010-07-02T24:00",
                                      "2010-07-02X00:15",
                                      "2010-13-02",
                                      "31.2.2010 0:00",
                                      "1.2.3.4",
                                      "2106-07-02",
                                      "4294967296",
                                      "12780297001234",
                                      "1278029700.",
                                      "1/2/2010 0:15 and more that is longer than any clock is",
                                      "13/13/2010"};
    ti_when when = {.shown_s = 7};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        print_message("%s\n", bad[i]);
        assert_int_equal(ti_when_parse(&when, bad[i], strlen(bad[i]), TI_DATES_UNKNOWN),
                         TI_WHEN_NONE);
    }
    assert_int_equal(ti_when_parse(&when, "7/2/10 0:15", 11, TI_DATES_UNKNOWN),
                     TI_WHEN_AMBIGUOUS);
    assert_int_equal(ti_when_parse(&when, "2/30/2010", 9, TI_DATES_MDY), TI_WHEN_NONE);
    assert_int_equal(when.shown_s, 7);
}

static void numbers(void **state)
{
    static const struct {
        const char *text;
        double value;
        bool comma;
    } good[] = {{"0", 0, false},
                {"-12.5", -12.5, false},
                {"+3", 3, false},
                {".5", 0.5, false},
                {"1e3", 1000, false},
                {"1.5E-3", 0.0015, false},
                {"152.024002075", 152.024002075, false},
                {"3,25", 3.25, true},
                {"1234567890123456789", 1e15, false},
                {"1e999", 1e15, false},
                {"1e-999", 0, false},
                {"0.1", 0.1, false}};
    static const char *const bad[] = {"", "-", ".", "1,5", "1.2.3", "1e", "0x1", "inf", "1 2"};
    double v = 42;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(ti_csv_number(&v, good[i].text, strlen(good[i].text), good[i].comma));
        assert_memory_equal(&v, &good[i].value, sizeof v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(ti_csv_number(&v, bad[i], strlen(bad[i]), false));
    }
}

/* --- tables ------------------------------------------------------------------------------- */

typedef struct bytes {
    const char *text;
    size_t len, at, step; /* given out by so many */
} bytes;

static tern_status give(void *user, char *to, size_t cap, size_t *n, tern_err *err)
{
    bytes *b = user;
    size_t left = b->len - b->at;
    (void)err;
    *n = left < b->step ? left : b->step;
    *n = *n < cap ? *n : cap;
    memcpy(to, b->text + b->at, *n);
    b->at += *n;
    return TERN_OK;
}

/* All rows; *n receives how many there were before the end or the error, *sum their values. */
static tern_status read_all(const char *text, size_t len, size_t step, const ti_csv_opts *opts,
                            size_t *n, double *sum, tern_err *err)
{
    bytes b = {text, len, 0, step};
    ti_csv *csv = NULL;
    bool more = true;
    *n = 0;
    *sum = 0;
    tern_status status = ti_csv_open(&csv, give, &b, "t.csv", opts, err);
    while (status == TERN_OK && more) {
        ti_csv_row row;
        status = ti_csv_next(csv, &row, &more, err);
        if (status == TERN_OK && more) {
            *n += 1;
            *sum += row.value + (row.missing ? 1000 : 0);
        }
    }
    ti_csv_close(csv);
    return status;
}

static void tables(void **state)
{
    static const struct {
        const char *text;
        ti_csv_opts opts;
        size_t n;
        double sum;
    } good[] = {
        {"timestamp,value\n2010-07-02 00:00,1\n2010-07-02 01:00,2\n", {0}, 2, 3},
        {"\xef\xbb\xbftimestamp,value\r\n2010-07-02 00:00,1\r\n\r\n2010-07-02 01:00,2",
         {0},
         2,
         3},
        {"2010-07-02 00:00,1\n2010-07-02 01:00,nan\n", {0}, 2, 1001},
        {"# a comment\nwhen;kWh;note\n2.7.2010 0:00;1,5;x\n2.7.2010 1:00;;\n", {0}, 2, 1001.5},
        {"Date;Time;Power;V\n16/12/2006;17:24:00;4.5;234\n16/12/2006;17:25:00;?;\n",
         {.dates = TI_DATES_DMY},
         2,
         1004.5},
        {"\"time\"\t\"a, b\"\n\"1278028800\"\t\"7\"\n", {0}, 1, 7},
        {"a,b,c\n5,1278028800,6\n", {.value = "c"}, 1, 6},
        {"a,b,c\n5,1278028800,6\n", {.value = "1"}, 1, 5},
        {"a,b,c\n5,1278028800,6\n", {.preferred = "C"}, 1, 6},
        {"x,d,t,v\n1,2010-07-02,00:15,9\n", {.time = "d+t", .value = "v"}, 1, 9},
        {"t,v\ndatetime,float\nT,\n2010-07-02 00:00:00.0,21.2\n", {0}, 1, 21.2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        for (size_t step = 1; step < 100; step += 7) {
            tern_err err = {0};
            size_t n;
            double sum;
            tern_status status = read_all(good[i].text, strlen(good[i].text), step,
                                          &good[i].opts, &n, &sum, &err);
            if (status != TERN_OK) {
                print_message("%zu: %s\n", i, err.message);
            }
            assert_int_equal(status, TERN_OK);
            assert_int_equal(n, good[i].n);
            assert_true(sum > good[i].sum - 1e-9 && sum < good[i].sum + 1e-9);
        }
    }
}

static void wrong_tables(void **state)
{
    static const struct {
        const char *text;
        ti_csv_opts opts;
        tern_status status;
        const char *message;
    } bad[] = {
        {"", {0}, TERN_CORRUPT, "t.csv line 1: there is nothing in it"},
        {"time,value\n", {0}, TERN_CORRUPT, "t.csv line 2: there are no rows under the names"},
        {"time,value\n2010-07-02 00:00,1\n2010-07-02 01:00\n",
         {0},
         TERN_CORRUPT,
         "t.csv line 3 has 1 fields where the others have 2"},
        {"time,value\n2010-07-02 00:00,1\n2010-07-02 01:00,1x\n",
         {0},
         TERN_CORRUPT,
         "t.csv line 3, column 'value': '1x' is no number"},
        {"time;value\n2010-07-02 00:00;1234,5\n2010-07-02 01:00;12.345\n",
         {0},
         TERN_CORRUPT,
         "t.csv line 3, column 'value': '12.345' has another decimal mark than values before "
         "it"},
        {"time,value\n2010-07-02 00:00,1\nyesterday,1\n",
         {0},
         TERN_CORRUPT,
         "t.csv line 3, column 'time': 'yesterday' is no moment"},
        {"time,value\n7/2/10 0:00,1\n",
         {0},
         TERN_CORRUPT,
         "t.csv line 2, column 'time': '7/2/10 0:00' leaves open whether day or month is "
         "first"},
        {"time,a,b\n2010-07-02 00:00,1,2\n",
         {0},
         TERN_CORRUPT,
         "t.csv line 2: several columns hold numbers, and none is called value: which one has "
         "to be said"},
        {"time,a\n2010-07-02 00:00,x\n",
         {0},
         TERN_CORRUPT,
         "t.csv line 2: no column beside that of the time holds numbers"},
        {"a,b\n1,2\n", {0}, TERN_CORRUPT, "t.csv line 2: no column holds moments"},
        {"time,value\n2010-07-02 00:00,1\n",
         {.value = "power"},
         TERN_USAGE,
         "t.csv has no column 'power'"},
        {"time,value\n\"2010-07-02 00:00,1\n",
         {0},
         TERN_CORRUPT,
         "t.csv line 2: a quote is not closed"},
        {"time,value\n\"2010-07-02 00:00\"x,1\n",
         {0},
         TERN_CORRUPT,
         "t.csv line 2: something follows a closing quote"},
        {"time,value,x\n2010-07-02 00:00,1\n",
         {0},
         TERN_CORRUPT,
         "t.csv line 2: has not as many fields as there are names"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tern_err err = {0};
        size_t n;
        double sum;
        assert_int_equal(
            read_all(bad[i].text, strlen(bad[i].text), 5, &bad[i].opts, &n, &sum, &err),
            bad[i].status);
        assert_string_equal(err.message, bad[i].message);
    }
    /* A zero byte, and a line without end. */
    static char large[TI_CSV_LINE + 64];
    const ti_csv_opts opts = {0};
    size_t n;
    double sum;
    memset(large, 'x', sizeof large);
    assert_int_equal(read_all(large, sizeof large, 4096, &opts, &n, &sum, NULL), TERN_LIMIT);
    memset(large, ',', 2000);
    large[1999] = '\n';
    assert_int_equal(read_all(large, 2000, 4096, &opts, &n, &sum, NULL), TERN_LIMIT);
    assert_int_equal(read_all("a\0b,c\n", 6, 4096, &opts, &n, &sum, NULL), TERN_CORRUPT);
}

/* Cut anywhere: rows or an error, and never more rows than there were. */
static void cut_tables(void **state)
{
    static const char text[] = "# c\n\"time\";value\n2010-07-02T00:00:00+02:00;\"1,5\"\n"
                               "2010-07-02T01:00:00+02:00;-2e1\n";
    const ti_csv_opts opts = {0};
    (void)state;
    for (size_t len = 0; len < sizeof text; len++) {
        tern_err err = {.offset = 0};
        size_t n;
        double sum;
        tern_status status = read_all(text, len, 3, &opts, &n, &sum, &err);
        assert_true(n <= 2);
        assert_true(status == TERN_OK || status == TERN_CORRUPT);
        assert_true(status == TERN_OK || err.offset <= len || err.offset == TI_NO_OFFSET);
    }
}

static void tables_without_memory(void **state)
{
    static const char text[] = "time,value\n2010-07-02 00:00,1\n";
    const ti_csv_opts opts = {0};
    (void)state;
    for (long i = 0;; i++) {
        size_t n;
        double sum;
        oom_fail_at(i);
        tern_status status = read_all(text, sizeof text - 1, 64, &opts, &n, &sum, NULL);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
    }
}

/* --- models ------------------------------------------------------------------------------- */

enum { HOURS = 3000 };

/* A meter whose residuals last: today's deviation says something about the next hour's. */
static void make_series(ti_fit_series *r, uint32_t *time, int32_t *value)
{
    uint32_t state = 12345;
    int32_t lasting = 0;
    for (size_t i = 0; i < HOURS; i++) {
        state = state * 1664525u + 1013904223u;
        lasting = lasting * 7 / 8 + (int32_t)(state >> 24) - 128;
        time[i] = 1700438400u + 3600u * (uint32_t)i;
        value[i] = 2000 + (i % 24 > 7 ? 1500 : 0) + 2 * lasting;
    }
    *r = (ti_fit_series){time, value, HOURS};
}

static uint32_t times[HOURS];
static int32_t values[HOURS];

static void fit_model(ti_device_model *m, ti_fit_report *report)
{
    ti_fit_series r;
    memset(m, 0, sizeof *m);
    make_series(&r, times, values);
    ti_settings_default(&m->settings);
    ti_fit_settings(&m->settings.config, &r);
    memcpy(m->column, "kWh", 4);
    assert_int_equal(ti_fit_network(m, &r, report, NULL), TERN_OK);
}

static void fits(void **state)
{
    ti_device_model m;
    ti_fit_report report;
    (void)state;
    fit_model(&m, &report);
    print_message("held out %zu: %.4f by the baseline, %.4f with %u rows over %u\n",
                  report.n_held, report.error_none, report.error_net, report.rows, report.taps);
    assert_true(report.error_net < 0.8 * report.error_none);
    assert_true(report.taps > 0);
    assert_int_equal(m.settings.config.budget, 720);
    assert_int_equal(m.settings.config.hold, 24);
    assert_true(tern_edge_net_check(ti_device_model_net(&m), NULL));
    ti_device_model_free(&m);
    /* Too few. */
    const ti_fit_series few = {times, values, 800};
    memset(&m, 0, sizeof m);
    ti_settings_default(&m.settings);
    assert_int_equal(ti_fit_network(&m, &few, &report, NULL), TERN_NO);
    assert_null(ti_device_model_net(&m));
    ti_device_model_free(&m);
}

/* With readings that are refused, too, no regression sees the last fifth of the rows. */
static void holds_out(void **state)
{
    enum { FIRST = HOURS - HOURS / 5, BEGIN = 100, END = 800 };
    ti_fit_series r;
    ti_fit_report report;
    ti_device_model m = {0};
    (void)state;
    make_series(&r, times, values);
    for (size_t i = BEGIN; i < END; i++) {
        values[i] = TERN_EDGE_MISSING;
    }
    ti_settings_default(&m.settings);
    assert_int_equal(ti_fit_network(&m, &r, &report, NULL), TERN_OK);
    assert_int_equal(report.n_held, HOURS - FIRST);
    const size_t seen = FIRST - (END - BEGIN);
    assert_true(report.n_fit <= seen - m.settings.config.warm_up);
    ti_device_model_free(&m);
    /* Nothing to measure with: no figures of nothing. */
    for (size_t i = FIRST; i < HOURS; i++) {
        values[i] = TERN_EDGE_MISSING;
    }
    m = (ti_device_model){0};
    ti_settings_default(&m.settings);
    assert_int_equal(ti_fit_network(&m, &r, &report, NULL), TERN_NO);
    ti_device_model_free(&m);
}

/* Equal scores from two models over the series. */
static void same_scores(const ti_device_model *a, const ti_device_model *b)
{
    ti_detector da, db;
    assert_int_equal(ti_detector_begin(&da, &a->settings.config, ti_device_model_net(a), NULL),
                     TERN_OK);
    assert_int_equal(ti_detector_begin(&db, &b->settings.config, ti_device_model_net(b), NULL),
                     TERN_OK);
    for (size_t i = 0; i < HOURS; i++) {
        struct tern_edge_result ra, rb;
        tern_edge_meter_step(&da.meter, times[i], values[i], &ra);
        tern_edge_meter_step(&db.meter, times[i], values[i], &rb);
        assert_memory_equal(&ra, &rb, sizeof ra);
    }
    ti_detector_free(&da);
    ti_detector_free(&db);
}

static void model_files(void **state)
{
    ti_device_model m, back = {0};
    ti_fit_report report;
    ti_buf file = {0}, again = {0};
    (void)state;
    fit_model(&m, &report);
    assert_int_equal(ti_device_model_write(&file, &m, NULL), TERN_OK);
    for (long i = 0;; i++) {
        oom_fail_at(i);
        tern_status status = ti_device_model_read(&back, file.data, file.len, NULL);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
    }
    assert_string_equal(back.column, "kWh");
    assert_int_equal(ti_device_model_write(&again, &back, NULL), TERN_OK);
    assert_int_equal(again.len, file.len);
    assert_memory_equal(again.data, file.data, file.len);
    same_scores(&m, &back);
    ti_device_model_free(&back);
    ti_device_model never = {0};
    for (size_t at = 0; at < file.len; at++) { /* a byte that is another one */
        file.data[at] ^= 0x10;
        tern_status status = ti_device_model_read(&never, file.data, file.len, NULL);
        assert_true(status == TERN_CORRUPT ||
                    (status == TERN_UNSUPPORTED && at >= 8 && at < 12));
        file.data[at] ^= 0x10;
    }
    for (size_t len = 0; len < file.len; len++) {
        assert_int_equal(ti_device_model_read(&never, file.data, len, NULL), TERN_CORRUPT);
    }
    /* With a digest that is right: what is inside is looked at. */
    for (size_t at = 16; at < file.len - 32; at++) {
        file.data[at] ^= (char)0xff;
        ti_sha256_of((uint8_t *)file.data + file.len - 32, file.data, file.len - 32);
        if (ti_device_model_read(&never, file.data, file.len, NULL) == TERN_OK) {
            same_scores(&never, &never);
            ti_device_model_free(&never);
        }
        file.data[at] ^= (char)0xff;
    }
    ti_buf_free(&file);
    ti_buf_free(&again);
    ti_device_model_free(&m);
}

/* --- signed readings ---------------------------------------------------------------------- */

static int sign(void *user, const uint8_t *data, size_t length, uint8_t signature[64])
{
    const ti_note_signer *signer = user;
    ti_ed25519_sign(signature, signer->secret, data, length);
    return 1;
}

static int no_sign(void *user, const uint8_t *data, size_t length, uint8_t signature[64])
{
    (void)user;
    (void)data;
    (void)length;
    (void)signature;
    return 0;
}

static int hash(void *user, const uint8_t *data, size_t length, uint8_t digest[32])
{
    (void)user;
    ti_sha256_of(digest, data, length);
    return 1;
}

/* Three records by the key of 32 zero bytes; docs/formats/edge.md prints the digests. */
static void make_records(uint8_t records[3][TERN_EDGE_RECORD_BYTES], ti_note_signer *signer)
{
    static const uint8_t seed[32];
    struct tern_edge_chain chain = {.device = "meter-1"};
    const struct tern_edge_port port = {sign, hash, signer};
    assert_int_equal(ti_note_signer_make(signer, "meter-1", TI_NOTE_ED25519, seed, NULL),
                     TERN_OK);
    for (uint32_t i = 0; i < 3; i++) {
        const struct tern_edge_result result = {.status = i == 2 ? TERN_EDGE_ALARM : 0,
                                                .score = (int32_t)(i * 100),
                                                .threshold = 128};
        assert_int_equal(
            tern_edge_record_make(&chain, &port, 1700000000u + 3600u * i, 1000u * (i + 1),
                                  i == 1 ? TERN_EDGE_MISSING : 250, &result, records[i]),
            1);
    }
    assert_int_equal(chain.sequence, 3);
}

static void hex_of(char out[65], const uint8_t digest[32])
{
    for (int i = 0; i < 32; i++) {
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
}

static void records(void **state)
{
    static const char *const digests[3] = {
        "053ba97c070aa51b7ee115c1444ac946efd0bb22a1149591d9e682cb8991ff0b",
        "0999ee2e671ebeb2a1c1c1df6b6a35a2286a75f0489442f5d83e73d3873e8d6a",
        "ffe7e5d235c4f2726231ac42b822a701dcf2c6e21370cfd1de4cd984ed6f4177"};
    uint8_t r[3][TERN_EDGE_RECORD_BYTES];
    ti_note_signer signer;
    ti_signed_reading last = {0}, next;
    char text[65];
    (void)state;
    make_records(r, &signer);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ti_reading_open(&next, r[i], sizeof r[i], &signer.pub, NULL), TERN_OK);
        assert_int_equal(ti_reading_follows(i ? &last : NULL, &next, NULL), TERN_OK);
        assert_int_equal(next.sequence, i + 1);
        assert_int_equal(next.value, i == 1 ? INT32_MIN : 250);
        assert_int_equal(next.energy_mwh, 1000 * (i + 1));
        hex_of(text, next.digest);
        assert_string_equal(text, digests[i]);
        last = next;
    }
    assert_int_equal(last.status, TERN_EDGE_ALARM);
    assert_int_equal(last.score_16, 200);
    char device[2 * TI_READING_DEVICE + 1];
    ti_reading_device(device, &last);
    assert_string_equal(device, "meter-1");
    /* The same once more, an older one, one that is left out. */
    assert_int_equal(ti_reading_follows(&last, &last, NULL), TERN_NO);
    assert_int_equal(ti_reading_open(&next, r[1], sizeof r[1], &signer.pub, NULL), TERN_OK);
    assert_int_equal(ti_reading_follows(&last, &next, NULL), TERN_NO);
    assert_int_equal(ti_reading_open(&next, r[0], sizeof r[0], &signer.pub, NULL), TERN_OK);
    assert_int_equal(ti_reading_follows(&next, &last, NULL), TERN_NO);
    ti_note_signer_wipe(&signer);
}

static void wrong_records(void **state)
{
    static const uint8_t seed[32] = {1};
    uint8_t r[3][TERN_EDGE_RECORD_BYTES], longer[TERN_EDGE_RECORD_BYTES + 1] = {0};
    ti_note_signer signer, other;
    ti_signed_reading out;
    (void)state;
    make_records(r, &signer);
    memcpy(longer, r[0], sizeof r[0]);
    for (size_t len = 0; len <= sizeof longer; len++) {
        if (len != TERN_EDGE_RECORD_BYTES) {
            assert_int_equal(ti_reading_open(&out, longer, len, &signer.pub, NULL),
                             TERN_CORRUPT);
        }
    }
    for (size_t at = 0; at < sizeof r[0]; at++) { /* every bit of it is signed, or signs */
        r[0][at] ^= 4;
        assert_int_not_equal(ti_reading_open(&out, r[0], sizeof r[0], &signer.pub, NULL),
                             TERN_OK);
        r[0][at] ^= 4;
    }
    assert_int_equal(ti_note_signer_make(&other, "meter-1", TI_NOTE_ED25519, seed, NULL),
                     TERN_OK);
    assert_int_equal(ti_reading_open(&out, r[0], sizeof r[0], &other.pub, NULL), TERN_NO);
    /* A port that fails, a counter at its end: nothing moves. */
    struct tern_edge_chain chain = {.device = "m"}, before = chain;
    const struct tern_edge_port port = {no_sign, hash, &signer}, good = {sign, hash, &signer};
    const struct tern_edge_result result = {0};
    assert_int_equal(tern_edge_record_make(&chain, &port, 1, 1, 1, &result, r[0]), 0);
    assert_memory_equal(&chain, &before, sizeof chain);
    chain.sequence = before.sequence = UINT32_MAX;
    assert_int_equal(tern_edge_record_make(&chain, &good, 1, 1, 1, &result, r[0]), 0);
    assert_memory_equal(&chain, &before, sizeof chain);
    ti_note_signer_wipe(&signer);
    ti_note_signer_wipe(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments),
        cmocka_unit_test(no_moments),
        cmocka_unit_test(numbers),
        cmocka_unit_test(tables),
        cmocka_unit_test(wrong_tables),
        cmocka_unit_test(cut_tables),
        cmocka_unit_test(tables_without_memory),
        cmocka_unit_test(fits),
        cmocka_unit_test(holds_out),
        cmocka_unit_test(model_files),
        cmocka_unit_test(records),
        cmocka_unit_test(wrong_records),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
