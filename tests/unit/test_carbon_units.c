/* SPDX-License-Identifier: Apache-2.0 */
/* Footprint arithmetic: exact products, numbers as people write them, bases, scores, parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "carbon/footprint.h"
#include "carbon/sci.h"
#include "carbon/units.h"

__extension__ typedef unsigned __int128 wide;

enum { TRIES = 20000 };

static const ti_basis plain = {0};
static const ti_basis marginal = {.kind = TI_MARGINAL};
static const ti_basis market = {.method = TI_MARKET};

static uint64_t ratio(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t out = 0;
    assert_true(ti_ratio_u64(&out, (const uint64_t[]){a, b}, 2, &c, 1));
    return out;
}

static void ratios_are_exact(void **state)
{
    (void)state;
    assert_int_equal(ratio(7, 1, 2), 4); /* 3.5: a half goes up */
    assert_int_equal(ratio(5, 1, 3), 2);
    assert_int_equal(ratio(4, 1, 3), 1);
    assert_int_equal(ratio(0, 9, 7), 0);
    assert_true(ratio(UINT64_MAX, 3, 3) == UINT64_MAX);
    assert_true(ratio(UINT64_MAX, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    uint64_t out = 42, two = 2;
    assert_false(ti_ratio_u64(&out, (const uint64_t[]){UINT64_MAX, 5}, 2, &two, 1));
    /* (2^65 - 1) / 2 rounds up to what does not fit; a little less does */
    assert_false(ti_ratio_u64(&out, (const uint64_t[]){31, 1190112520884487201u}, 2, &two, 1));
    assert_true(ti_ratio_u64(&out, (const uint64_t[]){31, 1190112520884487200u}, 2, &two, 1));
    assert_true(out == 18446744073709551600u);
    out = 42;
    const uint64_t primes[] = {18446744073709551557u, 18446744073709551533u,
                               18446744073709551521u}; /* nothing cancels: 192 bits */
    const uint64_t other[] = {18446744073709551437u, 18446744073709551427u};
    assert_false(ti_ratio_u64(&out, primes, 3, other, 2));
    assert_int_equal(out, 42);
}

static void ratios_agree_with_wide_division(void **state)
{
    ti_rng rng;
    (void)state;
    ti_rng_seed(&rng, 1);
    for (int i = 0; i < TRIES; i++) {
        uint64_t a = ti_rng_next(&rng) >> (ti_rng_next(&rng) % 64);
        uint64_t b = ti_rng_next(&rng) >> (ti_rng_next(&rng) % 64);
        uint64_t c = (ti_rng_next(&rng) >> (ti_rng_next(&rng) % 64)) | 1, out = 7;
        wide exact = (wide)a * b, q = exact / c, rest = exact % c;
        q += rest > c / 2; /* c is odd: no half */
        bool fits = ti_ratio_u64(&out, (const uint64_t[]){a, b}, 2, &c, 1);
        assert_int_equal(fits, q <= UINT64_MAX);
        assert_true(out == (fits ? (uint64_t)q : 7));
    }
}

static void numbers_are_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t scale, want;
    } good[] = {{"0", 1, 0},
                {"12", 1, 12},
                {"0.35", 1000, 350},
                {"1.0005", 1000, 1001},
                {"1.0004", 1000, 1000},
                {"007", 1, 7},
                {"999999999999999999", 1, 999999999999999999}};
    static const char *const bad[] = {
        "",    ".",  ".5", "5.",  "1.2.3", "-1",  "+1",
        "1e3", " 1", "1 ", "0x1", "nan",   "1,5", "1234567890123456789"};
    uint64_t out = 9;
    tern_err err;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(ti_decimal_parse(&out, good[i].text, strlen(good[i].text),
                                          good[i].scale, "x", &err),
                         TERN_OK);
        assert_true(out == good[i].want);
    }
    out = 9;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ti_decimal_parse(&out, bad[i], strlen(bad[i]), 1000, "x", &err),
                         TERN_USAGE);
    }
    assert_int_equal(ti_decimal_parse(&out, "99999999999999999", 17, 1000000, "x", &err),
                     TERN_LIMIT);
    assert_int_equal(out, 9);
}

static void energies_are_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t uj;
    } good[] = {{"3.1J", 3100000},
                {"12.5 kJ", 12500000000},
                {"1MJ", 1000000000000},
                {"7mJ", 7000},
                {"9uJ", 9},
                {"0.5Wh", 1800000000},
                {"2kWh", 7200000000000},
                {"1MWh", 3600000000000000},
                {"0J", 0},
                {"0.0000005J", 1}};
    static const char *const bad[] = {"3.1",   "J",     "3.1j", "3.1 watts",
                                      "3.1WH", "3.1J ", "",     "-1J"};
    uint64_t uj = 9;
    tern_err err;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(ti_energy_parse(&uj, good[i].text, &err), TERN_OK);
        assert_true(uj == good[i].uj);
    }
    uj = 9;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ti_energy_parse(&uj, bad[i], &err), TERN_USAGE);
    }
    assert_int_equal(ti_energy_parse(&uj, "6000MWh", &err), TERN_LIMIT); /* 2.2e19 uJ */
    assert_int_equal(uj, 9);
}

static void amounts_are_written(void **state)
{
    static const struct {
        uint64_t ug;
        const char *text;
    } cases[] = {{0, "0 ug"},
                 {7, "7 ug"},
                 {99, "99 ug"},
                 {100, "0.10 mg"},
                 {850, "0.85 mg"},
                 {12400, "12.4 mg"},
                 {99999, "100.0 mg"},
                 {100000, "0.10 g"},
                 {123456, "0.12 g"},
                 {9999999, "10.00 g"},
                 {456000000, "0.46 kg"},
                 {UINT64_C(1467300000000), "1.47 t"},
                 {UINT64_MAX, "18446744 t"}};
    char out[TI_AMOUNT_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(ti_grams_text(out, cases[i].ug), cases[i].text);
    }
    assert_string_equal(ti_joules_text(out, 3100000), "3.10 J");
    assert_string_equal(ti_joules_text(out, UINT64_MAX), "18447 GJ");
    assert_string_equal(ti_milli_text(out, 202777778), "202777.778");
    assert_string_equal(ti_milli_text(out, 1500), "1.5");
    assert_string_equal(ti_milli_text(out, 2000), "2");
    assert_string_equal(ti_milli_text(out, 0), "0");
}

/* --- bases ----------------------------------------------------------------------------------
 */

static void bases_have_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TI_BASES; i++) {
        ti_basis b = {.kind = (ti_basis_kind)(i >> 2),
                      .scope = (ti_basis_scope)(i >> 1 & 1),
                      .method = (ti_basis_method)(i & 1)};
        ti_basis back = {0};
        char text[TI_BASIS_TEXT];
        assert_int_equal(ti_basis_rank(b), i);
        ti_basis_text(text, b);
        assert_true(ti_basis_parse(&back, text, strlen(text)));
        assert_true(ti_basis_equal(b, back));
        assert_false(ti_basis_parse(&back, text, strlen(text) - 1));
    }
    char text[TI_BASIS_TEXT];
    assert_string_equal(ti_basis_text(text, plain), "average/life-cycle/location");
    assert_string_equal(ti_basis_text(text, market), "average/life-cycle/market");
}

static void bases_do_not_mix(void **state)
{
    ti_carbon sum = {.co2_ug = 5}, x = {.co2_ug = 3, .basis = plain};
    tern_err err;
    int order = 7;
    (void)state;
    for (unsigned i = 1; i < TI_BASES; i++) {
        ti_carbon y = {.co2_ug = 4,
                       .basis = {.kind = (ti_basis_kind)(i >> 2),
                                 .scope = (ti_basis_scope)(i >> 1 & 1),
                                 .method = (ti_basis_method)(i & 1)}};
        ti_intensity a = {.intensity_mg_kwh = 1}, b = {.intensity_mg_kwh = 2, .basis = y.basis};
        assert_int_equal(ti_carbon_add(&sum, &x, &y, &err), TERN_USAGE);
        assert_non_null(strstr(err.message, "cannot be added"));
        assert_non_null(strstr(err.message, "average/life-cycle/location"));
        assert_int_equal(ti_carbon_compare(&order, &x, &y, &err), TERN_USAGE);
        assert_non_null(strstr(err.message, "cannot be compared"));
        assert_int_equal(ti_intensity_compare(&order, &a, &b, &err), TERN_USAGE);
    }
    assert_int_equal(sum.co2_ug, 5);
    assert_int_equal(order, 7);
    ti_carbon z = {.co2_ug = UINT64_MAX, .basis = plain};
    assert_int_equal(ti_carbon_add(&sum, &x, &z, &err), TERN_LIMIT);
    assert_int_equal(ti_carbon_add(&x, &x, &x, &err), TERN_OK);
    assert_int_equal(x.co2_ug, 6);
    assert_int_equal(ti_carbon_compare(&order, &x, &z, &err), TERN_OK);
    assert_int_equal(order, -1);
    assert_int_equal(ti_carbon_compare(&order, &x, &x, &err), TERN_OK);
    assert_int_equal(order, 0);
    ti_intensity one = {.intensity_mg_kwh = 1}, two = {.intensity_mg_kwh = 2};
    assert_int_equal(ti_intensity_compare(&order, &two, &one, &err), TERN_OK);
    assert_int_equal(order, 1);
}

/* --- energy x intensity ---------------------------------------------------------------------
 */

static uint64_t grams(uint64_t uj, uint64_t mg_kwh, uint32_t pue)
{
    ti_carbon c = {0};
    ti_intensity i = {.intensity_mg_kwh = mg_kwh};
    assert_int_equal(ti_carbon_of(&c, uj, &i, pue, NULL), TERN_OK);
    return c.co2_ug;
}

static void grams_are_exact(void **state)
{
    ti_carbon c = {.co2_ug = 9};
    ti_intensity i = {.intensity_mg_kwh = TI_INTENSITY_MAX_MG_KWH, .basis = marginal};
    tern_err err;
    (void)state;
    assert_int_equal(grams(TI_UJ_PER_KWH, 380950, 1000), 380950000); /* 380.95 g */
    assert_int_equal(grams(TI_UJ_PER_KWH, 380950, 1200), 457140000);
    assert_int_equal(grams(3100000, 342000, 1000), 295); /* 294.5 ug: a half goes up */
    assert_int_equal(grams(3099999, 342000, 1000), 294);
    assert_int_equal(grams(0, 342000, 1000), 0);
    assert_int_equal(ti_carbon_of(&c, UINT64_MAX, &i, 1000, &err), TERN_OK);
    assert_true(c.co2_ug == 25620477880152155u); /* 5,124 MWh x 5 kg */
    assert_true(ti_basis_equal(c.basis, marginal));
    c.co2_ug = 9;
    assert_int_equal(ti_carbon_of(&c, 1, &i, 999, &err), TERN_USAGE);
    i.intensity_mg_kwh++;
    assert_int_equal(ti_carbon_of(&c, 1, &i, 1000, &err), TERN_USAGE);
    assert_int_equal(c.co2_ug, 9);
}

/* Never overflows; more energy, a dirtier grid or a larger PUE never means less; and the parts
 * of an energy add up to the whole within half a microgram each. */
static void grams_are_monotone_and_additive(void **state)
{
    ti_rng rng;
    (void)state;
    ti_rng_seed(&rng, 2);
    for (int i = 0; i < TRIES; i++) {
        uint64_t a = ti_rng_next(&rng) >> (1 + ti_rng_next(&rng) % 60);
        uint64_t b = ti_rng_next(&rng) >> (1 + ti_rng_next(&rng) % 60);
        uint64_t mg = 1 + ti_rng_next(&rng) % (TI_INTENSITY_MAX_MG_KWH - 1);
        uint32_t pue = 1000 + (uint32_t)(ti_rng_next(&rng) % 1000);
        uint64_t whole = grams(a + b, mg, pue), x = grams(a, mg, pue), y = grams(b, mg, pue);
        assert_true(whole + 1 >= x + y && whole <= x + y + 1);
        assert_true(whole >= x && whole >= y);
        assert_true(grams(a, mg + 1, pue) >= x && grams(a, mg, pue + 1) >= x);
    }
}

static void footprints_are_written(void **state)
{
    static const ti_str zone = {"DE", 2}, source = {"owid", 4};
    ti_grid_row row = {.zone = zone, .source = source, .year = 2025};
    ti_footprint f = {.co2_ug = 9};
    char text[TI_FOOTPRINT_TEXT];
    ti_buf json = {0};
    (void)state;
    row.intensity.intensity_mg_kwh = 342000;
    assert_int_equal(ti_footprint_of(&f, UINT64_C(1263157895), &row, 1000, NULL), TERN_OK);
    assert_int_equal(f.co2_ug, 120000);
    assert_string_equal(ti_footprint_text(text, &f),
                        "0.12 g CO2e (DE, yearly 2025, life-cycle)");
    assert_int_equal(ti_footprint_carbon(&f).co2_ug, 120000);
    ti_json_footprint(&json, NULL, &f);
    assert_string_equal(json.data, "{\"co2_ug\":120000,\"energy_uj\":1263157895,"
                                   "\"pue_permille\":1000,\"zone\":\"DE\","
                                   "\"intensity_mg_kwh\":342000,"
                                   "\"basis\":\"average/life-cycle/location\","
                                   "\"period\":\"yearly\",\"year\":2025,\"source\":\"owid\"}");
    ti_buf_free(&json);
    row.intensity.basis =
        (ti_basis){.kind = TI_MARGINAL, .scope = TI_OPERATIONAL, .method = TI_MARKET};
    assert_int_equal(ti_footprint_of(&f, 1000000, &row, 1000, NULL), TERN_OK);
    assert_string_equal(ti_footprint_text(text, &f),
                        "95 ug CO2e (DE, yearly 2025, operational, marginal, market-based)");
    assert_int_equal(ti_footprint_of(&f, 1, &row, 1, NULL), TERN_USAGE);
    assert_int_equal(f.co2_ug, 95);
}

/* --- scores ---------------------------------------------------------------------------------
 */

static void scores_follow_the_standard(void **state)
{
    const uint64_t hour_ns = UINT64_C(3600) * TI_NS_PER_S;
    ti_hardware h = {.total_ug = 1000 * TI_UG_PER_KG, /* 1 h of 4 years of 1,000 kg */
                     .lifetime_ns = 4 * TI_HOURS_PER_YEAR * hour_ns,
                     .reserved_ns = hour_ns,
                     .used = 1,
                     .all = 1};
    ti_carbon operational = {.co2_ug = 1000};
    ti_per per;
    ti_sci sci;
    tern_err err;
    uint64_t m = 7;
    (void)state;
    assert_int_equal(ti_embodied_share(&m, &h, &err), TERN_OK);
    assert_int_equal(m, 28538813); /* 28.5 g, as the standard's reader works it out */
    h.all = 16;
    assert_int_equal(ti_embodied_share(&m, &h, &err), TERN_OK);
    assert_int_equal(m, 1783676);
    assert_int_equal(ti_per_parse(&per, "token:42", &err), TERN_OK);
    assert_int_equal(ti_sci_of(&sci, &operational, 50, per, &err), TERN_OK);
    assert_int_equal(sci.total_ug, 1050);
    assert_int_equal(sci.per_unit_ng, 25000);
    assert_int_equal(sci.operational_ug, 1000);
    assert_int_equal(sci.embodied_ug, 50);
    assert_int_equal(ti_per_parse(&per, "hour:0.5", &err), TERN_OK);
    assert_int_equal(ti_sci_of(&sci, &operational, 0, per, &err), TERN_OK);
    assert_int_equal(sci.per_unit_ng, 2000000);
}

static void scores_refuse(void **state)
{
    static const char *const bad[] = {"",        "tokens", "token:", "token:0",
                                      "token:x", "user:3", "run:-1"};
    ti_hardware h = {.total_ug = 5, .lifetime_ns = 10, .reserved_ns = 11, .used = 1, .all = 1};
    ti_carbon operational = {.co2_ug = 1000, .basis = market};
    ti_per per = {.n_milli = 1000};
    ti_sci sci = {.total_ug = 9};
    tern_err err;
    uint64_t m = 7;
    (void)state;
    assert_int_equal(ti_sci_of(&sci, &operational, 0, per, &err), TERN_UNSUPPORTED);
    operational.basis = plain;
    assert_int_equal(ti_sci_of(&sci, &operational, UINT64_MAX, per, &err), TERN_LIMIT);
    assert_int_equal(ti_sci_of(&sci, &operational, 0, (ti_per){0}, &err), TERN_USAGE);
    assert_int_equal(sci.total_ug, 9);
    assert_int_equal(ti_embodied_share(&m, &h, &err), TERN_USAGE);
    h.reserved_ns = 10;
    h.used = 2;
    assert_int_equal(ti_embodied_share(&m, &h, &err), TERN_USAGE);
    h = (ti_hardware){.total_ug = 5, .reserved_ns = 0, .used = 1, .all = 1};
    assert_int_equal(ti_embodied_share(&m, &h, &err), TERN_USAGE);
    assert_int_equal(m, 7);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ti_per_parse(&per, bad[i], &err), TERN_USAGE);
    }
    assert_int_equal(per.n_milli, 1000);
    assert_int_equal(ti_per_parse(&per, "run", &err), TERN_OK);
    assert_string_equal(ti_per_name(per.kind), "run");
}

static uint64_t hardware(const char *text)
{
    uint64_t ug = 0;
    assert_int_equal(ti_hardware_parse(&ug, text, NULL), TERN_OK);
    return ug;
}

static void parts_add_up(void **state)
{
    static const char *const bad[] = {
        "",       "gpu=1",  "cpu", "cpu=",   "cpu=1@2", "ram=16", "ram=16@0", "board=1",
        "cpu=5,", ",cpu=5", "286", "286 kg", "kg",      "ram=@1", "boards",   "cpu=x",
    };
    uint64_t ug = 9;
    tern_err err;
    (void)state;
    assert_true(hardware("cpu=178") == UINT64_C(12646600000)); /* Ryzen 7840HS: 12.6 kg */
    assert_true(hardware("ram=16@1.25") == UINT64_C(33380000000));
    assert_true(hardware("ssd=1000@50") == UINT64_C(50340000000));
    assert_true(hardware("board") == UINT64_C(66100000000));
    assert_true(hardware("rack,blade") == UINT64_C(235900000000));
    assert_true(hardware("cpu=178,ram=16@1.25,ram=16@1.25,board") ==
                UINT64_C(12646600000) + 2 * UINT64_C(33380000000) + UINT64_C(66100000000));
    assert_true(hardware("242.5kg") == UINT64_C(242500000000));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ti_hardware_parse(&ug, bad[i], &err), TERN_USAGE);
    }
    assert_int_equal(ti_hardware_parse(&ug, "cpu=999999999999", &err), TERN_LIMIT);
    assert_int_equal(ug, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratios_are_exact),
        cmocka_unit_test(ratios_agree_with_wide_division),
        cmocka_unit_test(numbers_are_read),
        cmocka_unit_test(energies_are_read),
        cmocka_unit_test(amounts_are_written),
        cmocka_unit_test(bases_have_names),
        cmocka_unit_test(bases_do_not_mix),
        cmocka_unit_test(grams_are_exact),
        cmocka_unit_test(grams_are_monotone_and_additive),
        cmocka_unit_test(footprints_are_written),
        cmocka_unit_test(scores_follow_the_standard),
        cmocka_unit_test(scores_refuse),
        cmocka_unit_test(parts_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
