/* SPDX-License-Identifier: Apache-2.0 */
/* The estimate for models elsewhere against its published vectors; the note's tables again. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "carbon/basis.h"
#include "carbon/ecologits.h"
#include "carbon/seed.h"
#include "carbon/units.h"

/* 400 tokens, PUE 1.2, 0.59 kg/kWh: results of EcoLogits v0.9. */
static const struct {
    double active_b, total_b;
    uint32_t gpus;
    double energy_kwh, use_g, embodied_g, j_per_token;
} vectors[] = {
    {8.03, 8.03, 1, 3.56756e-5, 0.0210486, 0.00259904, 0.321},
    {3, 30, 1, 3.32343e-5, 0.0196082, 0.00240142, 0.299},
    {70, 70, 4, 2.63012e-4, 0.155177, 0.0201348, 2.367},
    {123, 123, 4, 3.65906e-4, 0.215885, 0.0284639, 3.293},
    {44, 440, 16, 8.50140e-4, 0.501582, 0.0641956, 7.651},
    {132, 440, 16, 1.53352e-3, 0.904775, 0.119513, 13.80},
};

static void close_to(double got, double want, double relative)
{
    if (!(fabs(got - want) <= fabs(want) * relative)) {
        fail_msg("%.9g, not %.9g", got, want);
    }
}

static void vectors_agree(void **state)
{
    const double digits = 1e-5, three_digits = 2e-3;
    ti_intensity world = {.intensity_mg_kwh = 590000};
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        ti_remote_ask ask = {.active_b = vectors[i].active_b,
                             .total_b = vectors[i].total_b,
                             .tokens = 400,
                             .pue_permille = 1200};
        ti_remote r;
        ti_carbon use;
        assert_int_equal(ti_remote_estimate(&r, &ask, NULL), TERN_OK);
        assert_int_equal(r.gpus, vectors[i].gpus);
        close_to(r.energy_kwh, vectors[i].energy_kwh, digits);
        close_to(r.embodied_kg * 1000, vectors[i].embodied_g, digits);
        close_to(r.energy_kwh * 3.6e6 / 400, vectors[i].j_per_token, three_digits);
        /* and through the whole numbers that are shown */
        assert_int_equal(ti_carbon_of(&use, r.energy_uj, &world, 1000, NULL), TERN_OK);
        close_to((double)use.co2_ug / 1e6, vectors[i].use_g, 3e-5);
        close_to((double)r.energy_uj / 3.6e12, vectors[i].energy_kwh, digits);
        assert_int_equal(r.energy_high_uj, r.energy_uj * 10);
        assert_int_equal(r.energy_low_uj, (r.energy_uj + 5) / 10);
        assert_int_equal(r.embodied_high_ug, r.embodied_ug * 10);
        assert_int_equal(r.embodied_low_ug, (r.embodied_ug + 5) / 10);
    }
}

static void latency_bounds(void **state)
{
    ti_remote_ask ask = {.active_b = 70, .total_b = 70, .tokens = 400, .pue_permille = 1200};
    ti_remote modelled, measured;
    (void)state;
    assert_int_equal(ti_remote_estimate(&modelled, &ask, NULL), TERN_OK);
    ask.latency_s = 1;
    assert_int_equal(ti_remote_estimate(&measured, &ask, NULL), TERN_OK);
    assert_true(measured.latency_s == 1);
    assert_true(measured.energy_kwh < modelled.energy_kwh);
    ask.latency_s = 1e6; /* queues are not charged to the request */
    assert_int_equal(ti_remote_estimate(&measured, &ask, NULL), TERN_OK);
    assert_true(measured.energy_kwh == modelled.energy_kwh);
}

static void estimates_refuse(void **state)
{
    const ti_remote_ask good = {
        .active_b = 3, .total_b = 30, .tokens = 1, .pue_permille = 1000};
    ti_remote_ask bad[9];
    ti_remote r = {.gpus = 77};
    tern_err err;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bad[i] = good;
    }
    bad[0].active_b = 0;
    bad[1].active_b = 31;
    bad[2].active_b = (double)NAN;
    bad[3].tokens = 0;
    bad[4].pue_permille = 999;
    bad[5].latency_s = -1;
    bad[6].latency_s = (double)NAN;
    bad[7].total_b = 2e6;
    bad[8].tokens = 2000000000;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ti_remote_estimate(&r, &bad[i], &err),
                         i < 7 ? TERN_USAGE : TERN_LIMIT);
    }
    bad[0] = (ti_remote_ask){
        .active_b = 1e6, .total_b = 1e6, .tokens = 1000000000, .pue_permille = UINT32_MAX};
    assert_int_equal(ti_remote_estimate(&r, &bad[0], &err), TERN_LIMIT);
    assert_int_equal(r.gpus, 77);
    assert_int_equal(ti_remote_estimate(&r, &good, &err), TERN_OK);
}

/* --- the note's tables ----------------------------------------------------------------------
 */

static const ti_seed_row *row_of(const ti_seed_row *rows, ti_seed_table table, const char *item,
                                 const char *unit)
{
    for (size_t i = 0; i < TI_SEED_ROWS; i++) {
        if (rows[i].table == table && strcmp(rows[i].item, item) == 0 &&
            strcmp(rows[i].unit, unit) == 0) {
            return &rows[i];
        }
    }
    fail_msg("no row '%s'", item);
    return NULL;
}

static void tables_are_worked_out(void **state)
{
    static const struct {
        ti_seed_table table;
        const char *item, *unit;
        uint64_t milli;
        ti_verdict verdict;
    } want[] = {
        {TI_SEED_INFERENCE, "GPT-4 API", "J", 2000000, TI_REPRODUCED},
        {TI_SEED_INFERENCE, "Local GPU (RTX 4090)", "J", 225000, TI_REPRODUCED},
        {TI_SEED_INFERENCE, "CPU PyTorch", "J", 750000, TI_REPRODUCED},
        {TI_SEED_INFERENCE, "SMDR Ternary (CPU)", "J", 1500, TI_REPRODUCED},
        {TI_SEED_INFERENCE, "less energy than the GPU", "x", 150000, TI_REFUTED},
        {TI_SEED_INFERENCE, "less energy than the API", "x", 1333333, TI_REFUTED},
        {TI_SEED_YEAR, "GPU cluster", "kWh", 22812500, TI_CORRECTED},
        {TI_SEED_YEAR, "GPU cluster, as 50 cards", "kWh", 197100000, TI_REPRODUCED},
        {TI_SEED_YEAR, "Cloud API", "kWh", 202777778, TI_CORRECTED},
        {TI_SEED_YEAR, "SMDR on edge", "kWh", 152083, TI_CORRECTED},
        {TI_SEED_YEAR, "GPU cluster", "t CO2", 11406, TI_CORRECTED},
        {TI_SEED_YEAR, "Cloud API", "t CO2", 101389, TI_CORRECTED},
        {TI_SEED_YEAR, "SMDR on edge", "t CO2", 76, TI_CORRECTED},
        {TI_SEED_VALIDATOR, "saved", "%", 83750, TI_REPRODUCED},
        {TI_SEED_VALIDATOR, "saved, consensus unchanged", "%", 71250, TI_CORRECTED},
        {TI_SEED_VALIDATORS, "before", "kWh", 3504000000, TI_REPRODUCED},
        {TI_SEED_VALIDATORS, "after", "kWh", 569400000, TI_REPRODUCED},
        {TI_SEED_VALIDATORS, "saved", "kWh", 2934600000, TI_REPRODUCED},
        {TI_SEED_VALIDATORS, "before", "t CO2", 1752000, TI_REPRODUCED},
        {TI_SEED_VALIDATORS, "after", "t CO2", 284700, TI_REPRODUCED},
        {TI_SEED_VALIDATORS, "saved", "t CO2", 1467300, TI_CORRECTED},
        {TI_SEED_CONTEXT, "Bitcoin, a year", "t CO2", 75000000000, TI_CORRECTED},
    };
    ti_seed_row rows[TI_SEED_ROWS];
    (void)state;
    ti_seed_rows(rows);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const ti_seed_row *row = row_of(rows, want[i].table, want[i].item, want[i].unit);
        assert_true(row->computed_milli == want[i].milli);
        assert_int_equal(row->verdict, want[i].verdict);
    }
}

/* What is called reproduced is near what is printed, what is called corrected is not. */
static void verdicts_fit_the_numbers(void **state)
{
    ti_seed_row rows[TI_SEED_ROWS];
    (void)state;
    ti_seed_rows(rows);
    for (size_t i = 0; i < TI_SEED_ROWS; i++) {
        double printed = (double)rows[i].printed_milli, is = (double)rows[i].computed_milli;
        double off = fabs(is - printed) / printed;
        assert_true(strlen(rows[i].reason) > 5 &&
                    strlen(ti_seed_table_name(rows[i].table)) > 5);
        if (rows[i].verdict == TI_REPRODUCED) {
            assert_true(off < 0.025);
        } else if (rows[i].verdict == TI_CORRECTED) {
            assert_true(off > 0.001);
        }
    }
    assert_string_equal(ti_verdict_name(TI_REFUTED), "refuted");
    /* The two yearly rows are off by the joules in a milliwatt-hour. */
    const ti_seed_row *api = row_of(rows, TI_SEED_YEAR, "Cloud API", "kWh");
    close_to((double)api->printed_milli / (double)api->computed_milli, 3.6, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_agree),
        cmocka_unit_test(latency_bounds),
        cmocka_unit_test(estimates_refuse),
        cmocka_unit_test(tables_are_worked_out),
        cmocka_unit_test(verdicts_fit_the_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
