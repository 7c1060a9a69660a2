/* SPDX-License-Identifier: Apache-2.0 */
/* Records of real meters: the signatures of their makers hold, and nothing else passes. */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "ledger/ocmf.h"
#include "oom.h"

typedef struct file {
    char *text;
    size_t len;
    ti_ocmf ocmf;
} file;

static void load_text(file *f, const char *name)
{
    char path[512];
    tern_err err;
    const char *source = getenv("TERN_SOURCE");
    snprintf(path, sizeof path, "%s/tests/data/ocmf/%s", source ? source : ".", name);
    if (ti_read_file(&f->text, &f->len, path, TI_OCMF_MAX, &err) != TERN_OK) {
        fail_msg("%s", err.message);
    }
}

static void load(file *f, const char *name)
{
    tern_err err;
    load_text(f, name);
    if (ti_ocmf_parse(&f->ocmf, f->text, f->len, &err) != TERN_OK) {
        fail_msg("%s: %s", name, err.message);
    }
}

static void unload(file *f)
{
    ti_ocmf_free(&f->ocmf);
    free(f->text);
}

/* --- real records ------------------------------------------------------------------------- */

static void test_genuine(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        ti_curve curve;
        const char *meter;
        uint64_t page, first_uj, resolution_uj;
    } cases[] = {
        {"OCMF_Test_Data_00.xml", 2, TI_CURVE_K256, "1DZG0033016824", 198, 32536800000000,
         3600000000},
        {"ocmf_sec.xml", 2, TI_CURVE_K256, "1DZG0033016911", 6, 14356800000000, 3600000000},
        {"test_ocmf_ebee_01.xml", 2, TI_CURVE_P256, "000033022620", 28, 27910800000000,
         3600000000},
        {"test_ocmf_keba_kcp30.xml", 1, TI_CURVE_P256, "17619300", 32, 934560000000, 360000000},
    };
    size_t verified = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file f = {0};
        tern_err err;
        load(&f, cases[i].name);
        assert_true(ti_ocmf_is(f.text, f.len));
        assert_int_equal(f.ocmf.n, cases[i].n);
        assert_int_equal(ti_ocmf_gaps(&f.ocmf, NULL, 0), 0);
        const ti_ocmf_reading *reading = &f.ocmf.records[0].readings[0];
        assert_true(reading->is_energy);
        assert_true(reading->energy_uj == cases[i].first_uj);
        assert_true(reading->resolution_uj == cases[i].resolution_uj);
        assert_int_equal(reading->status, 'G');
        assert_int_equal(reading->transaction, 'B');
        for (size_t j = 0; j < f.ocmf.n; j++) {
            ti_ocmf_record *r = &f.ocmf.records[j];
            assert_string_equal(r->meter, cases[i].meter);
            assert_int_equal(r->curve, cases[i].curve);
            assert_int_equal(r->page_kind, 'T');
            assert_true(r->page == cases[i].page + j);
            assert_true(r->has_key);
            assert_int_equal(ti_ocmf_verify(r, &r->key, &err), TERN_OK);
            verified++;
            /* Each byte of the payload counts. */
            char *payload = malloc(r->payload.len);
            assert_non_null(payload);
            memcpy(payload, r->payload.data, r->payload.len);
            ti_ocmf_record changed = *r;
            changed.payload.data = payload;
            for (size_t k = 0; k < r->payload.len; k += 37) {
                payload[k] = (char)(payload[k] ^ 1);
                assert_int_equal(ti_ocmf_verify(&changed, &r->key, &err), TERN_NO);
                payload[k] = (char)(payload[k] ^ 1);
            }
            free(payload);
            for (size_t k = 0; k < r->sig_len; k += 5) {
                changed = *r;
                changed.sig[k] ^= 1;
                assert_int_equal(ti_ocmf_verify(&changed, &r->key, &err), TERN_NO);
            }
        }
        unload(&f);
    }
    assert_int_equal(verified, 7);
}

static void test_tampered(void **state)
{
    (void)state;
    file f = {0};
    tern_err err;
    load(&f, "test_ocmf_keba_kcp30_fail.xml");
    assert_int_equal(ti_ocmf_verify(&f.ocmf.records[0], &f.ocmf.records[0].key, &err), TERN_NO);
    unload(&f);
    f = (file){0};
    load(&f, "second_key_fail_ocmf.xml");
    const ti_ocmf_record *r = f.ocmf.records;
    assert_int_equal(ti_ocmf_verify(&r[0], &r[0].key, &err), TERN_OK);
    assert_int_equal(ti_ocmf_verify(&r[1], &r[1].key, &err), TERN_NO);
    assert_int_equal(ti_ocmf_verify(&r[1], &r[0].key, &err), TERN_OK); /* it was only the key */
    assert_false(ti_ec_key_equal(&r[0].key, &r[1].key));
    ti_ec_key off = r[0].key; /* a point that is on no curve */
    off.point[40] ^= 1;
    assert_int_equal(ti_ocmf_verify(&r[0], &off, &err), TERN_CORRUPT);
    unload(&f);
    f = (file){0};
    load_text(&f, "isa-edl-40p-ok.xml");
    assert_int_equal(ti_ocmf_parse(&f.ocmf, f.text, f.len, &err), TERN_UNSUPPORTED);
    unload(&f);
}

/* What is signed is kept as it stands, whatever the container. */
static void test_containers(void **state)
{
    (void)state;
    file f = {0};
    load(&f, "test_ocmf_ebee_01.xml");
    const ti_ocmf_record *real = f.ocmf.records;
    ti_ocmf lines = {0}, quoted = {0}, cdata = {0};
    ti_buf text = {0};
    tern_err err;
    for (size_t i = 0; i < 2; i++) { /* one a line, with the line ends of two systems */
        ti_buf_add(&text, real[i].bytes.data, real[i].bytes.len);
        ti_buf_adds(&text, i ? "\r\n\r\n" : "\n");
    }
    assert_int_equal(ti_ocmf_parse(&lines, text.data, text.len, &err), TERN_OK);
    assert_int_equal(lines.n, 2);
    assert_false(lines.records[0].has_key);
    assert_int_equal(ti_ocmf_verify(&lines.records[1], &real[1].key, &err), TERN_OK);
    ti_buf xml = {0};
    ti_buf_adds(&xml, "<values><value><signedData>\n ");
    for (size_t i = 0; i < real[0].bytes.len; i++) {
        char c = real[0].bytes.data[i];
        ti_buf_adds(&xml, c == '"' ? (i % 2 ? "&quot;" : "&#34;") : c == ',' ? "&#x2C;" : "");
        ti_buf_add(&xml, &c, c == '"' || c == ',' ? 0 : 1);
    }
    ti_buf_adds(&xml, " </signedData></value></values>");
    assert_int_equal(ti_ocmf_parse(&quoted, xml.data, xml.len, &err), TERN_OK);
    assert_int_equal(quoted.records[0].bytes.len, real[0].bytes.len);
    assert_int_equal(ti_ocmf_verify(&quoted.records[0], &real[0].key, &err), TERN_OK);
    ti_buf_free(&xml);
    ti_buf_addf(&xml, "<v><signedData format=\"ocmf\"><![CDATA[%.*s]]></signedData></v>",
                (int)real[0].bytes.len, real[0].bytes.data);
    assert_int_equal(ti_ocmf_parse(&cdata, xml.data, xml.len, &err), TERN_OK);
    assert_int_equal(ti_ocmf_verify(&cdata.records[0], &real[0].key, &err), TERN_OK);
    ti_ocmf_free(&lines);
    ti_ocmf_free(&quoted);
    ti_ocmf_free(&cdata);
    ti_buf_free(&xml);
    ti_buf_free(&text);
    unload(&f);
}

/* --- texts -------------------------------------------------------------------------------- */

#define SIGNED(payload) "OCMF|" payload "|{\"SD\":\"3006020101020101\"}"
#define READING(rv, ru) "{\"RD\":[{\"RV\":" rv ",\"RU\":\"" ru "\",\"ST\":\"G\"}]}"

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        tern_status want;
        uint64_t uj, resolution_uj;
    } cases[] = {
        {SIGNED(READING("0.2596", "kWh")), TERN_OK, 934560000000, 360000000},
        {SIGNED(READING("\"  0.2596 \"", "kWh")), TERN_OK, 934560000000, 360000000},
        {SIGNED(READING("7753", "Wh")), TERN_OK, 27910800000000, 3600000000},
        {SIGNED(READING("0.00000000001", "kWh")), TERN_OK, 36, 36},
        {SIGNED(READING("0.000000000001", "kWh")), TERN_CORRUPT, 0, 0},
        {SIGNED(READING("5124095.57", "kWh")), TERN_OK, 18446744052000000000u, 36000000000},
        {SIGNED(READING("5124096", "kWh")), TERN_LIMIT, 0, 0},
        {SIGNED(READING("99999999999999999999", "Wh")), TERN_CORRUPT, 0, 0},
        {SIGNED(READING("-1", "kWh")), TERN_CORRUPT, 0, 0},
        {SIGNED(READING("1e3", "kWh")), TERN_CORRUPT, 0, 0},
        {SIGNED(READING("\"1.2.3\"", "kWh")), TERN_CORRUPT, 0, 0},
        {SIGNED(READING("\"\"", "kWh")), TERN_CORRUPT, 0, 0},
        {SIGNED(READING("true", "Wh")), TERN_CORRUPT, 0, 0},
        {SIGNED(READING("-1", "sec")), TERN_OK, 0, 0},
        {SIGNED("{\"RD\":[]}"), TERN_CORRUPT, 0, 0},
        {SIGNED("{\"RD\":[1]}"), TERN_CORRUPT, 0, 0},
        {SIGNED("{\"PG\":\"X1\",\"RD\":[{}]}"), TERN_CORRUPT, 0, 0},
        {SIGNED("{\"PG\":\"T\",\"RD\":[{}]}"), TERN_CORRUPT, 0, 0},
        {SIGNED("{\"PG\":\"T1.5\",\"RD\":[{}]}"), TERN_CORRUPT, 0, 0},
        {SIGNED("{\"PG\":7,\"RD\":[{}]}"), TERN_CORRUPT, 0, 0},
        {SIGNED("[]"), TERN_CORRUPT, 0, 0},
        {"OCMF|{\"RD\":[{}]}", TERN_CORRUPT, 0, 0},
        {"OCMF|{\"RD\":[{}]}|{}", TERN_CORRUPT, 0, 0},
        {"OCMF|{\"RD\":[{}]}|{\"SD\":\"3\"}", TERN_CORRUPT, 0, 0},
        {"OCMF|{\"RD\":[{}]}|{\"SD\":\"30\",\"SE\":\"base64\"}", TERN_CORRUPT, 0, 0},
        {"OCMF|{\"RD\":[{}]}|{\"SD\":\"MA==\",\"SE\":\"base64\"}", TERN_OK, 0, 0},
        {"OCMF|{\"RD\":[{}]}|{\"SD\":\"30\",\"SE\":\"utf-7\"}", TERN_UNSUPPORTED, 0, 0},
        {"OCMF|{\"RD\":[{}]}|{\"SD\":\"30\",\"SA\":\"RSA\"}", TERN_UNSUPPORTED, 0, 0},
        {"OCMF|", TERN_CORRUPT, 0, 0},
        {"OCMF", TERN_CORRUPT, 0, 0},
        {"", TERN_CORRUPT, 0, 0},
        {"<signedData>", TERN_CORRUPT, 0, 0},
        {"<signedData>a&b;</signedData>", TERN_CORRUPT, 0, 0},
        {"<signedData><b/></signedData>", TERN_CORRUPT, 0, 0},
        {"<signedData><![CDATA[x</signedData>", TERN_CORRUPT, 0, 0},
        {"<signedData encoding=\"base64\">T0NNRg==</signedData>", TERN_UNSUPPORTED, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ti_ocmf ocmf = {0};
        tern_err err = {.message = "accepted"};
        tern_status status = ti_ocmf_parse(&ocmf, cases[i].text, strlen(cases[i].text), &err);
        if (status != cases[i].want) {
            print_error("%s: %s\n", cases[i].text, err.message);
        }
        assert_int_equal(status, cases[i].want);
        if (status == TERN_OK) {
            assert_true(ocmf.records[0].readings[0].energy_uj == cases[i].uj);
            assert_true(ocmf.records[0].readings[0].resolution_uj == cases[i].resolution_uj);
        }
        ti_ocmf_free(&ocmf);
    }
}

static void test_cuts(void **state)
{
    (void)state;
    file f = {0};
    load_text(&f, "ocmf_sec.xml");
    size_t good = 0;
    for (size_t n = 0; n < f.len; n++) {
        char *copy = malloc(n ? n : 1); /* so that a sanitizer sees the end */
        assert_non_null(copy);
        memcpy(copy, f.text, n);
        ti_ocmf ocmf = {0};
        good += ti_ocmf_parse(&ocmf, copy, n, NULL) == TERN_OK;
        ti_ocmf_free(&ocmf);
        free(copy);
    }
    assert_true(good > 0 && good < f.len / 4); /* after the end of the last record only */
    unload(&f);
}

static void test_keys(void **state)
{
    (void)state;
    file f = {0};
    load(&f, "test_ocmf_ebee_01.xml");
    const ti_ec_key *real = &f.ocmf.records[0].key;
    ti_ec_key key;
    char hex[2 * TI_OCMF_KEY_MAX + 1];
    sodium_bin2hex(hex, sizeof hex, real->point, real->len); /* the bare point */
    assert_int_equal(ti_ec_key_parse(&key, hex, strlen(hex), NULL), TERN_OK);
    assert_true(ti_ec_key_equal(&key, real));
    assert_int_equal(ti_ec_key_parse(&key, hex, strlen(hex) - 2, NULL), TERN_UNSUPPORTED);
    assert_int_equal(ti_ec_key_parse(&key, hex, strlen(hex) - 1, NULL), TERN_CORRUPT);
    assert_int_equal(ti_ec_key_parse(&key, "", 0, NULL), TERN_CORRUPT);
    assert_int_equal(ti_ec_key_parse(&key, "??", 2, NULL), TERN_CORRUPT);
    hex[1] = '2'; /* compressed */
    assert_int_equal(ti_ec_key_parse(&key, hex, strlen(hex), NULL), TERN_UNSUPPORTED);
    unload(&f);
}

/* --- several records ---------------------------------------------------------------------- */

static void add(ti_buf *text, const char *meter, const char *page, const char *kwh,
                const char *status)
{
    ti_buf_addf(
        text,
        "OCMF|{\"MS\":\"%s\",\"PG\":\"%s\",\"RD\":[{\"RV\":%s,\"RU\":\"kWh\",\"RI\":\"1\","
        "\"ST\":\"%s\"}]}|{\"SD\":\"30\"}\n",
        meter, page, kwh, status);
}

static void parse(ti_ocmf *out, const ti_buf *text)
{
    assert_int_equal(ti_ocmf_parse(out, text->data, text->len, NULL), TERN_OK);
}

static void test_gaps(void **state)
{
    (void)state;
    ti_buf text = {0};
    ti_ocmf ocmf = {0};
    ti_ocmf_gap gaps[8];
    static const char *const pages[][2] = {
        {"a", "T1"}, {"b", "T7"}, {"a", "T2"},  {"a", "F9"}, {"a", "T5"},
        {"b", "T8"}, {"a", "T5"}, {"a", "F10"}, {"a", "T4"}, {"a", "T5"},
    };
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        add(&text, pages[i][0], pages[i][1], "1.0", "G");
    }
    parse(&ocmf, &text);
    assert_int_equal(ti_ocmf_gaps(&ocmf, gaps, 8), 3);
    assert_int_equal(gaps[0].before, 2);
    assert_int_equal(gaps[0].after, 4);
    assert_int_equal(gaps[0].missing, 2); /* T3, T4 */
    assert_int_equal(gaps[1].after, 6);   /* T5 twice */
    assert_int_equal(gaps[1].missing, 0);
    assert_int_equal(gaps[2].after, 8); /* T4 after T5 */
    assert_int_equal(gaps[2].missing, 0);
    assert_int_equal(ti_ocmf_gaps(&ocmf, gaps, 1), 3);
    ti_ocmf_free(&ocmf);
    ti_buf_free(&text);
}

static void test_sums(void **state)
{
    (void)state;
    ti_buf text = {0};
    ti_ocmf ocmf = {0};
    ti_ocmf_delta delta;
    tern_err err;
    add(&text, "a", "T1", "10.000", "G");
    parse(&ocmf, &text);
    assert_int_equal(ti_ocmf_measure(&delta, &ocmf, NULL, &err), TERN_NO); /* one reading */
    ti_ocmf_free(&ocmf);
    add(&text, "a", "T2", "10.002", "G");
    add(&text, "a", "T3", "10.0100", "G");
    parse(&ocmf, &text);
    assert_int_equal(ti_ocmf_measure(&delta, &ocmf, NULL, &err), TERN_OK);
    assert_true(delta.delta_uj == 36000000000);
    assert_true(delta.resolution_uj == 3600000000); /* the coarser reading */
    assert_int_equal(ti_ocmf_measure(&delta, &ocmf, "2", &err), TERN_NO);
    assert_int_equal(ti_ocmf_check_sum(&delta, 36000000000, &err), TERN_OK);
    assert_int_equal(ti_ocmf_check_sum(&delta, 36000000000 + 3599999999, &err), TERN_OK);
    assert_int_equal(ti_ocmf_check_sum(&delta, 36000000000 - 3599999999, &err), TERN_OK);
    assert_int_equal(ti_ocmf_check_sum(&delta, 36000000000 + 3600000000, &err), TERN_NO);
    assert_int_equal(ti_ocmf_check_sum(&delta, 36000000000 - 3600000000, &err), TERN_NO);
    assert_int_equal(ti_ocmf_check_sum(&delta, 0, &err), TERN_NO);
    ti_ocmf_free(&ocmf);
    add(&text, "a", "T4", "10.0050", "G"); /* back */
    parse(&ocmf, &text);
    assert_int_equal(ti_ocmf_measure(&delta, &ocmf, NULL, &err), TERN_NO);
    ti_ocmf_free(&ocmf);
    ti_buf_clear(&text);
    add(&text, "a", "T1", "1", "G");
    add(&text, "a", "T2", "2", "E"); /* the meter says it is in error */
    parse(&ocmf, &text);
    assert_int_equal(ti_ocmf_measure(&delta, &ocmf, NULL, &err), TERN_NO);
    ti_ocmf_free(&ocmf);
    add(&text, "b", "T2", "2", "G");
    parse(&ocmf, &text);
    ti_ocmf_free(&ocmf);
    ti_buf_clear(&text);
    add(&text, "a", "T1", "1", "G");
    add(&text, "b", "T2", "2", "G");
    parse(&ocmf, &text);
    assert_int_equal(ti_ocmf_measure(&delta, &ocmf, NULL, &err), TERN_UNSUPPORTED);
    ti_ocmf_free(&ocmf);
    ti_buf_free(&text);
}

static void test_oom(void **state)
{
    (void)state;
    file f = {0};
    load_text(&f, "OCMF_Test_Data_00.xml");
    for (long n = 0;; n++) {
        ti_ocmf ocmf = {0};
        tern_err err;
        oom_fail_at(n);
        tern_status status = ti_ocmf_parse(&ocmf, f.text, f.len, &err);
        bool failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        assert_int_equal(ocmf.n, failed ? 0 : 2);
        ti_ocmf_free(&ocmf);
        if (!failed) {
            assert_true(n > 3);
            break;
        }
    }
    unload(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_genuine),    cmocka_unit_test(test_tampered),
        cmocka_unit_test(test_containers), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_cuts),       cmocka_unit_test(test_keys),
        cmocka_unit_test(test_gaps),       cmocka_unit_test(test_sums),
        cmocka_unit_test(test_oom),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
