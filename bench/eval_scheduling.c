/* SPDX-License-Identifier: Apache-2.0 */
/* Planning on real traces, as JSON: what docs/scheduling.md and its plots are made from.
 *     TERN_DATA=../shared/data TERN_SOURCE=. eval_scheduling [FORECAST.csv ACTUAL.csv ...] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "plan/eval.h"

enum { HOUR = 3600, HALF = 1800, PATH = 512 };

static const char *const traces[] = {"GB-2020", "DE-2020", "GB-2024", "DE-2024", "CA-2024"};
enum { TRACES = sizeof traces / sizeof *traces };

/* Of the grid's local time in winter, for its weekends. */
static const int32_t offsets[TRACES] = {0, HOUR, 0, HOUR, -8 * HOUR};

static void put(ti_buf *json, const char *key, double value)
{
    ti_json_num(json, key, value, 5);
}

static void put_keyless(ti_buf *json, const char *key, const keyless_result *r)
{
    ti_json_open(json, key, '{');
    put(json, "oracle", r->oracle);
    put(json, "saving", r->saving);
    put(json, "share", r->share);
    put(json, "mae_g", r->mae_g);
    put(json, "mean_g", r->mean_g);
    put(json, "inside68", r->inside68);
    put(json, "inside90", r->inside90);
    ti_json_uint(json, "jobs", r->jobs);
    ti_json_open(json, "gates", '[');
    for (int g = 0; g < EVAL_GATES; g++) {
        ti_json_open(json, NULL, '{');
        ti_json_uint(json, "confidence", r->gates[g].confidence);
        put(json, "saving", r->gates[g].saving);
        put(json, "waits", r->gates[g].waits);
        put(json, "right", r->gates[g].right);
        ti_json_close(json, '}');
    }
    ti_json_close(json, ']');
    ti_json_open(json, "reliability", '[');
    for (int b = 0; b < EVAL_RELIABILITY; b++) {
        ti_json_open(json, NULL, '{');
        put(json, "claimed", r->claimed[b]);
        put(json, "held", r->held[b]);
        ti_json_uint(json, "jobs", r->counted[b]);
        ti_json_close(json, '}');
    }
    ti_json_close(json, ']');
    ti_json_close(json, '}');
}

static bool put_trace(ti_buf *json, int i)
{
    static const uint32_t deadlines[] = {12, 24, 28, 48};
    static const uint32_t slacks[] = {12, 24, 48};
    trace t, hourly;
    lwa_result lwa;
    if (!eval_load(&t, traces[i])) {
        return false;
    }
    ti_json_open(json, traces[i], '{');
    if (strstr(traces[i], "2020") && eval_lwa(&lwa, &t)) {
        ti_json_open(json, "lets_wait_awhile", '{');
        put(json, "piece", lwa.piece);
        put(json, "slices", lwa.slices);
        ti_json_close(json, '}');
    }
    eval_hourly(&hourly, &t);
    ti_json_open(json, "keyless", '{');
    for (size_t k = 0; k < sizeof deadlines / sizeof *deadlines; k++) {
        keyless_result week, days;
        char key[16];
        if (eval_keyless(&week, &hourly, TI_FORECAST_WEEK, deadlines[k], offsets[i]) &&
            eval_keyless(&days, &hourly, TI_FORECAST_DAYS, deadlines[k], offsets[i])) {
            snprintf(key, sizeof key, "%u", (unsigned)deadlines[k]);
            ti_json_open(json, key, '{');
            put_keyless(json, "week", &week);
            put_keyless(json, "days", &days);
            ti_json_close(json, '}');
        }
    }
    ti_json_close(json, '}');
    ti_json_open(json, "band", '{');
    for (size_t k = 0; k < sizeof slacks / sizeof *slacks; k++) {
        band_result band, wide;
        char key[16];
        if (eval_band(&band, &hourly, slacks[k], TI_BAND_PERMILLE) &&
            eval_wide_band(&wide, &hourly, slacks[k])) {
            snprintf(key, sizeof key, "%u", (unsigned)slacks[k]);
            ti_json_open(json, key, '{');
            put(json, "best", band.best);
            put(json, "kept", band.kept);
            ti_json_uint(json, "jobs", band.jobs);
            ti_json_uint(json, "dirtier", band.dirtier);
            put(json, "wide_kept", wide.kept);
            ti_json_uint(json, "wide_dirtier", wide.dirtier);
            ti_json_close(json, '}');
        }
    }
    ti_json_close(json, '}');
    ti_json_close(json, '}');
    free(hourly.slots);
    free(t.slots);
    return true;
}

/* A forecast as it was issued and what happened, for a picture. */
static void put_curve(ti_buf *json, const trace *forecast, const trace *actual)
{
    ti_json_open(json, NULL, '{');
    ti_json_int(json, "start_s", forecast->slots[0].start_s);
    ti_json_int(json, "step_s", HALF);
    ti_json_open(json, "forecast_g", '[');
    for (size_t i = 0; i < forecast->series.n; i++) {
        put(json, NULL, forecast->slots[i].intensity_mg_kwh / 1000.0);
    }
    ti_json_close(json, ']');
    ti_json_open(json, "actual_g", '[');
    for (size_t i = 0; i < actual->series.n; i++) {
        put(json, NULL, actual->slots[i].intensity_mg_kwh / 1000.0);
    }
    ti_json_close(json, ']');
    ti_json_close(json, '}');
}

static void put_regret(ti_buf *json, const char *forecast_path, char **actual_paths, int n)
{
    trace forecast, actual = {0};
    bool good = eval_load_csv(&forecast, forecast_path, 1, HALF, 0);
    for (int i = 0; i < n && good; i++) {
        trace more;
        good = eval_load_csv(&more, actual_paths[i], 2, HALF, 0);
        size_t all = actual.series.n + more.series.n;
        ti_slot *both = realloc(actual.slots, (all + 1) * sizeof *both);
        if (good && both) {
            memcpy(both + actual.series.n, more.slots, more.series.n * sizeof *both);
            actual.slots = both;
            actual.series = more.series;
            actual.series.slots = both;
            actual.series.n = all;
        }
        free(more.slots);
    }
    for (uint32_t hours = 1; good && hours <= 4; hours *= 2) {
        regret_result r;
        if (eval_regret(&r, &forecast, &actual, hours, 0)) {
            ti_json_open(json, NULL, '{');
            ti_json_uint(json, "hours", hours);
            ti_json_uint(json, "jobs", r.jobs);
            ti_json_uint(json, "waited", r.waited);
            put(json, "now_g", r.now);
            put(json, "chosen_g", r.chosen);
            put(json, "best_g", r.best);
            put(json, "regret", r.regret);
            put(json, "mae_g", r.mae_g);
            put(json, "bias_g", r.bias_g);
            ti_json_uint(json, "pairs", r.pairs);
            ti_json_close(json, '}');
        }
    }
    if (good) {
        put_curve(json, &forecast, &actual);
    }
    free(forecast.slots);
    free(actual.slots);
}

int main(int argc, char **argv)
{
    char forecast[PATH], actual[PATH], *paths[] = {actual};
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.scheduling/1");
    for (int i = 0; i < TRACES; i++) {
        if (!put_trace(&json, i)) {
            fprintf(stderr, "eval_scheduling: %s is not there (TERN_DATA)\n", traces[i]);
            return 3;
        }
    }
    ti_json_open(&json, "issued", '[');
    if (argc > 2) {
        put_regret(&json, argv[1], argv + 2, argc - 2);
    } else {
        eval_path(forecast, sizeof forecast,
                  "uk-forecasts/national_fw48h_2023-03-14T0331Z.csv");
        eval_path(actual, sizeof actual, "uk-forecasts/national_pt24h_2023-03-15T0331Z.csv");
        put_regret(&json, forecast, paths, 1);
    }
    ti_json_close(&json, ']');
    ti_json_close(&json, '}');
    printf("%s\n", json.failed ? "" : json.data);
    ti_buf_free(&json);
    return 0;
}
