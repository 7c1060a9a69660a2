/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/eval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"

enum { HOUR = 3600, HALF = 1800, DAY = 86400, LINE = 512 };

static const int64_t YEAR_2020 = 1577836800;

/* --- reading ---------------------------------------------------------------------------- */

const char *eval_path(char *out, size_t cap, const char *name)
{
    const char *data = getenv("TERN_DATA");
    snprintf(out, cap, "%s/carbon/%s", data ? data : "../shared/data", name);
    return out;
}

static long digits(const char *text, int n)
{
    char copy[8] = "";
    memcpy(copy, text, (size_t)n);
    return strtol(copy, NULL, 10);
}

/* "2020-01-01 00:30:00", "2020-01-01T00:30Z", "2020-01-01,00:30": all UTC. */
static bool time_of(int64_t *out, const char *line)
{
    if (strlen(line) < 16 || line[4] != '-' || line[13] != ':') {
        return false;
    }
    struct tm t = {.tm_year = (int)digits(line, 4) - 1900,
                   .tm_mon = (int)digits(line + 5, 2) - 1,
                   .tm_mday = (int)digits(line + 8, 2),
                   .tm_hour = (int)digits(line + 11, 2),
                   .tm_min = (int)digits(line + 14, 2)};
    *out = (int64_t)timegm(&t);
    return true;
}

static const char *column_of(const char *line, int column)
{
    for (int i = 0; i < column && line; i++) {
        line = strchr(line, ',');
        line = line ? line + 1 : NULL;
    }
    return line;
}

static bool push(trace *t, size_t *cap, ti_slot slot)
{
    if (t->series.n == *cap) {
        *cap = *cap ? *cap * 2 : 1024;
        ti_slot *more = realloc(t->slots, *cap * sizeof *more);
        if (!more) {
            return false;
        }
        t->slots = more;
    }
    t->slots[t->series.n++] = slot;
    t->series.slots = t->slots;
    return true;
}

static void start(trace *t, const char *zone)
{
    *t = (trace){0};
    snprintf(t->series.zone, sizeof t->series.zone, "%s", zone);
    snprintf(t->series.source, sizeof t->series.source, "file");
}

bool eval_load_csv(trace *out, const char *path, int column, uint32_t step_s, int64_t from_s)
{
    char line[LINE];
    size_t cap = 0;
    FILE *file = fopen(path, "r");
    start(out, "XX");
    if (!file) {
        return false;
    }
    while (fgets(line, sizeof line, file)) {
        int64_t at;
        const char *text = column_of(line, column);
        if (!time_of(&at, line) || at < from_s || at % step_s != 0 || !text || *text < '0' ||
            *text > '9') {
            continue;
        }
        double value = strtod(text, NULL);
        ti_slot slot = {at, step_s, (uint32_t)(value * 1000 + 0.5), 0, TI_SLOT_ACTUAL};
        if (!push(out, &cap, slot)) {
            break;
        }
    }
    fclose(file);
    return out->series.n > 0 && ti_series_check(&out->series, NULL) == TERN_OK;
}

bool eval_load(trace *out, const char *name)
{
    static const struct {
        const char *name, *file;
        int column;
        uint32_t step_s;
    } known[] = {
        {"GB-2020", "lets-wait-awhile/gb_ci.csv", 1, HALF},
        {"DE-2020", "lets-wait-awhile/ger_ci.csv", 1, HALF},
        {"GB-2024", "glasgow-c3lab/avg-gb-2024.csv", 5, HOUR},
        {"DE-2024", "glasgow-c3lab/avg-de-2024.csv", 5, HOUR},
        {"CA-2024", "glasgow-c3lab/avg-ca-2024.csv", 5, HOUR},
    };
    char path[LINE];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name) == 0) {
            return eval_load_csv(out, eval_path(path, sizeof path, known[i].file),
                                 known[i].column, known[i].step_s, 0);
        }
    }
    return false;
}

void eval_hourly(trace *out, const trace *in)
{
    const ti_slot *first = in->slots, *last = &in->slots[in->series.n - 1];
    size_t cap = 0;
    start(out, "XX");
    for (int64_t at = first->start_s / HOUR * HOUR; at < last->start_s; at += HOUR) {
        uint32_t mean;
        if (ti_series_mean(&mean, &in->series, at, at + HOUR)) {
            (void)push(out, &cap, (ti_slot){at, HOUR, mean, 0, TI_SLOT_ACTUAL});
        }
    }
}

/* --- small steps ------------------------------------------------------------------------ */

static ti_plan_job job_of(int64_t at, int64_t deadline_s, uint32_t duration_s)
{
    return (ti_plan_job){.earliest_s = at,
                         .deadline_s = deadline_s,
                         .n_durations = 1,
                         .durations = {{duration_s, 1}}};
}

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

static bool cost_of(double *sum, const ti_series *s, const ti_decision *d)
{
    ti_plan_cost cost;
    if (!ti_plan_cost_of(&cost, s, d->slices, d->n_slices)) {
        return false;
    }
    *sum = (double)cost.co2_ug_per_kw;
    return true;
}

/* --- Let's Wait Awhile ------------------------------------------------------------------ */

/* The paper's deadline: work that would end outside of working hours may end at nine of the
 * next day of work (Saturday too, when it is Friday evening). */
static int64_t next_workday(int64_t end_s)
{
    int64_t day = end_s / DAY, weekday = (day + 3) % 7; /* 0 = Monday */
    double hour = (double)(end_s % DAY) / HOUR;
    if (weekday == 5) {
        return (day + 2) * DAY + 9 * HOUR;
    }
    if (weekday == 6 || hour > 17) {
        return (day + 1) * DAY + 9 * HOUR;
    }
    return hour < 9 ? day * DAY + 9 * HOUR : end_s;
}

bool eval_lwa(lwa_result *out, const trace *t)
{
    const ti_series *series[] = {&t->series};
    const char *source = getenv("TERN_SOURCE");
    char path[LINE], line[LINE];
    double now = 0, piece = 0, slices = 0;
    ti_planner planner;
    snprintf(path, sizeof path, "%s/tests/data/lwa_jobs.csv", source ? source : ".");
    FILE *file = fopen(path, "r");
    if (!file || ti_plan_open(&planner, series, 1, NULL) != TERN_OK) {
        return false;
    }
    bool good = true;
    while (good && fgets(line, sizeof line, file)) {
        char *end;
        int64_t at = YEAR_2020 + strtol(line, &end, 10) * HALF;
        uint32_t length = (uint32_t)strtol(end + 1, NULL, 10) * HALF;
        ti_plan_job job = job_of(at, next_workday(at + length), length);
        ti_decision d;
        double cost;
        good = ti_plan_decide(&d, &planner, &job, NULL) == TERN_OK && d.has_now &&
               cost_of(&cost, &t->series, &d);
        if (good) {
            now += (double)d.now.co2_ug_per_kw;
            piece += cost;
            job.interruptible = true;
            good = ti_plan_decide(&d, &planner, &job, NULL) == TERN_OK &&
                   cost_of(&cost, &t->series, &d);
            slices += cost;
        }
    }
    fclose(file);
    ti_plan_close(&planner);
    *out =
        (lwa_result){.piece = percent(now - piece, now), .slices = percent(now - slices, now)};
    return good && now > 0;
}

/* --- without a key ---------------------------------------------------------------------- */

enum { STEPS_MAX = 96, APART = 5, WARM_DAYS = 29, KEPT = STEPS_MAX / APART + 2 };

static const uint32_t gates[EVAL_GATES] = {0, 600, 700, 800, 900};

typedef struct keyless {
    const trace *t;
    ti_forecast_kind kind;
    uint32_t n_steps; /* hours */
    uint32_t deadline_h;
    int32_t utc_offset_s;
    ti_planner truth;
    ti_errors errors;
    ti_slot issued[KEPT][STEPS_MAX]; /* until what they were about has happened */
    size_t at;
    double now, best, got, mae, hours;
    double gate_got[EVAL_GATES];
    size_t gate_waits[EVAL_GATES], gate_right[EVAL_GATES];
    size_t in68, in90, banded, bins[EVAL_RELIABILITY], bins_right[EVAL_RELIABILITY];
    double bins_claimed[EVAL_RELIABILITY];
    size_t jobs;
} keyless;

static ti_series series_of(const keyless *k, ti_slot *slots, int64_t made_s)
{
    ti_series s = k->t->series;
    s.slots = slots;
    s.n = k->n_steps;
    s.issued_s = made_s;
    return s;
}

/* Compares a forecast with what happened, and lets the bands learn from one that is now past.
 */
static void look_back(keyless *k, ti_slot *slots, int64_t made_s)
{
    const ti_slot *real = &k->t->slots[ti_series_find(&k->t->series, made_s)];
    uint32_t band = TI_ERROR_UNKNOWN, lead = 0;
    for (uint32_t i = 0; i < k->n_steps; i++) {
        double miss = (double)slots[i].intensity_mg_kwh - real[i].intensity_mg_kwh;
        if (i == 0 || ti_lead_of(i * HOUR + HALF) != lead) {
            lead = ti_lead_of(i * HOUR + HALF);
            band = ti_errors_band(&k->errors, i * HOUR + HALF, 900);
        }
        miss = miss < 0 ? -miss : miss;
        k->mae += miss / 1000;
        k->hours++;
        if (band != TI_ERROR_UNKNOWN && slots[i].error_mg_kwh != TI_ERROR_UNKNOWN) {
            k->banded++;
            k->in68 += miss <= slots[i].error_mg_kwh;
            k->in90 += miss <= band;
        }
    }
    ti_slot *old = k->issued[(k->at + 1) % KEPT];
    if (old[0].length_s > 0) {
        ti_series made = series_of(k, old, old[0].start_s);
        (void)ti_errors_learn(&k->errors, &made, &k->t->series);
    }
    k->at = (k->at + 1) % KEPT;
}

static void reliability(keyless *k, const ti_decision *d, bool right)
{
    if (!d->wait || d->confidence_permille == 0) {
        return;
    }
    size_t bin = (d->confidence_permille - 500) / 100;
    bin = bin < EVAL_RELIABILITY ? bin : EVAL_RELIABILITY - 1;
    k->bins[bin]++;
    k->bins_right[bin] += right;
    k->bins_claimed[bin] += d->confidence_permille / 10.0;
}

static bool one_arrival(keyless *k, int64_t at)
{
    ti_slot *slots = k->issued[k->at];
    ti_forecast_ask ask = {.kind = k->kind,
                           .made_s = at,
                           .from_s = at,
                           .step_s = HOUR,
                           .n = k->n_steps,
                           .utc_offset_s = k->utc_offset_s};
    ti_planner plans;
    ti_decision d;
    double now, cost = 0;
    if (ti_forecast_make(slots, &k->t->series, &ask, NULL) != TERN_OK) {
        return false;
    }
    ti_errors_stamp(&k->errors, slots, k->n_steps, at);
    ti_series made = series_of(k, slots, at);
    const ti_series *expected[] = {&made};
    ti_plan_job job = job_of(at, at + (int64_t)k->deadline_h * HOUR, 4 * HOUR);
    bool good = ti_plan_decide(&d, &k->truth, &job, NULL) == TERN_OK && d.has_now;
    now = (double)d.now.co2_ug_per_kw;
    k->now += now;
    k->best += (double)d.cost.co2_ug_per_kw;
    if (!good || ti_plan_open(&plans, expected, 1, NULL) != TERN_OK) {
        return false;
    }
    for (size_t g = 0; g < EVAL_GATES && good; g++) {
        job.confidence_permille = gates[g];
        good = ti_plan_decide(&d, &plans, &job, NULL) == TERN_OK &&
               cost_of(&cost, &k->t->series, &d);
        k->gate_got[g] += cost;
        k->gate_waits[g] += d.wait;
        k->gate_right[g] += d.wait && cost < now;
        if (g == 0) {
            reliability(k, &d, cost < now);
        }
    }
    ti_plan_close(&plans);
    k->jobs++;
    look_back(k, slots, at);
    return good;
}

bool eval_keyless(keyless_result *out, const trace *hourly, ti_forecast_kind kind,
                  uint32_t deadline_h, int32_t utc_offset_s)
{
    keyless *k = calloc(1, sizeof *k);
    const ti_series *s = &hourly->series;
    if (!k) {
        return false;
    }
    *k = (keyless){.t = hourly,
                   .kind = kind,
                   .n_steps = deadline_h,
                   .deadline_h = deadline_h,
                   .utc_offset_s = utc_offset_s};
    const ti_series *real[] = {s};
    bool good = deadline_h <= STEPS_MAX && ti_plan_open(&k->truth, real, 1, NULL) == TERN_OK;
    for (size_t i = WARM_DAYS * 24; good && i + deadline_h + 1 < s->n; i += APART) {
        good = one_arrival(k, s->slots[i].start_s);
    }
    *out = (keyless_result){
        .oracle = percent(k->now - k->best, k->now),
        .saving = percent(k->now - k->gate_got[0], k->now),
        .share = percent(k->now - k->gate_got[0], k->now - k->best),
        .mae_g = k->mae / k->hours,
        .mean_g = k->now / (double)k->jobs / 4e6,
        .inside68 = percent((double)k->in68, (double)k->banded),
        .inside90 = percent((double)k->in90, (double)k->banded),
        .jobs = k->jobs,
    };
    for (size_t g = 0; g < EVAL_GATES; g++) {
        out->gates[g] = (gate_result){
            .confidence = gates[g],
            .saving = percent(k->now - k->gate_got[g], k->now),
            .waits = percent((double)k->gate_waits[g], (double)k->jobs),
            .right = percent((double)k->gate_right[g], (double)k->gate_waits[g]),
        };
    }
    for (size_t b = 0; b < EVAL_RELIABILITY; b++) {
        out->counted[b] = k->bins[b];
        out->claimed[b] = k->bins[b] ? k->bins_claimed[b] / (double)k->bins[b] : 0;
        out->held[b] = percent((double)k->bins_right[b], (double)k->bins[b]);
    }
    ti_plan_close(&k->truth);
    free(k);
    return good;
}

/* --- the band --------------------------------------------------------------------------- */

bool eval_band(band_result *out, const trace *hourly, uint32_t slack_h, uint32_t permille)
{
    const ti_series *s = &hourly->series, *series[] = {s};
    double now = 0, best = 0, got = 0;
    ti_planner planner;
    *out = (band_result){0};
    if (ti_plan_open(&planner, series, 1, NULL) != TERN_OK) {
        return false;
    }
    bool good = true;
    for (size_t i = 0; good && i + slack_h + 1 < s->n; i += APART) {
        int64_t at = s->slots[i].start_s;
        ti_plan_job job = job_of(at, at + (int64_t)(slack_h + 1) * HOUR, HOUR);
        ti_decision d;
        double cost = 0;
        good = ti_plan_decide(&d, &planner, &job, NULL) == TERN_OK;
        now += (double)d.now.co2_ug_per_kw;
        best += (double)d.cost.co2_ug_per_kw;
        job.id = i;
        job.band_permille = permille;
        good = good && ti_plan_decide(&d, &planner, &job, NULL) == TERN_OK &&
               cost_of(&cost, s, &d);
        got += cost;
        out->jobs++;
        out->dirtier += cost > (double)d.now.co2_ug_per_kw;
    }
    ti_plan_close(&planner);
    out->best = percent(now - best, now);
    out->kept = percent(now - got, now - best);
    return good;
}

bool eval_wide_band(band_result *out, const trace *hourly, uint32_t slack_h)
{
    enum { WIDE_PERCENT = 15, WIDE_MG = 30000 };
    const ti_slot *slots = hourly->slots;
    double now = 0, best = 0, got = 0;
    ti_rng rng;
    ti_rng_seed(&rng, 1);
    *out = (band_result){0};
    for (size_t i = 0; i + slack_h + 1 < hourly->series.n; i += APART) {
        uint32_t low = slots[i].intensity_mg_kwh, chosen = low;
        for (size_t k = i; k <= i + slack_h; k++) {
            low = slots[k].intensity_mg_kwh < low ? slots[k].intensity_mg_kwh : low;
        }
        uint32_t more = low / 100 * WIDE_PERCENT, seen = 0;
        more = more > WIDE_MG ? more : WIDE_MG;
        for (size_t k = i; k <= i + slack_h; k++) {
            /* The n-th candidate is kept with probability 1/n: each as likely as the others. */
            if (slots[k].intensity_mg_kwh <= low + more && ti_rng_next(&rng) % ++seen == 0) {
                chosen = slots[k].intensity_mg_kwh;
            }
        }
        now += slots[i].intensity_mg_kwh;
        best += low;
        got += chosen;
        out->jobs++;
        out->dirtier += chosen > slots[i].intensity_mg_kwh;
    }
    out->best = percent(now - best, now);
    out->kept = percent(now - got, now - best);
    return out->jobs > 0;
}

/* --- forecasts that were issued --------------------------------------------------------- */

static void misses(regret_result *out, const trace *forecast, const trace *actual)
{
    for (size_t i = 0; i < forecast->series.n; i++) {
        const ti_slot *slot = &forecast->slots[i];
        uint32_t real;
        if (ti_series_mean(&real, &actual->series, slot->start_s, slot->start_s + HALF)) {
            double miss = ((double)slot->intensity_mg_kwh - real) / 1000;
            out->mae_g += miss < 0 ? -miss : miss;
            out->bias_g += miss;
            out->pairs++;
        }
    }
    out->mae_g /= out->pairs > 0 ? (double)out->pairs : 1;
    out->bias_g /= out->pairs > 0 ? (double)out->pairs : 1;
}

bool eval_regret(regret_result *out, const trace *forecast, const trace *actual, uint32_t hours,
                 uint32_t confidence)
{
    const ti_series *expected[] = {&forecast->series}, *real[] = {&actual->series};
    int64_t end = ti_series_covered(&actual->series, forecast->slots[0].start_s);
    ti_planner plans, truth;
    *out = (regret_result){0};
    misses(out, forecast, actual);
    if (ti_plan_open(&plans, expected, 1, NULL) != TERN_OK) {
        return false;
    }
    if (ti_plan_open(&truth, real, 1, NULL) != TERN_OK) {
        ti_plan_close(&plans);
        return false;
    }
    bool good = true;
    for (int64_t at = forecast->slots[0].start_s;
         good && at + (int64_t)(hours + 2) * HOUR <= end; at += HALF) {
        ti_plan_job job = job_of(at, end, hours * HOUR);
        ti_decision d, best;
        double cost = 0;
        job.confidence_permille = confidence;
        good = ti_plan_decide(&best, &truth, &job, NULL) == TERN_OK &&
               ti_plan_decide(&d, &plans, &job, NULL) == TERN_OK &&
               cost_of(&cost, &actual->series, &d);
        out->jobs++;
        out->waited += d.wait;
        out->now += best.now.mean_mg_kwh / 1000.0;
        out->best += best.cost.mean_mg_kwh / 1000.0;
        out->chosen += cost / hours / 1e6;
    }
    ti_plan_close(&plans);
    ti_plan_close(&truth);
    out->regret = percent(out->chosen - out->best, out->best);
    out->now /= out->jobs > 0 ? (double)out->jobs : 1;
    out->best /= out->jobs > 0 ? (double)out->jobs : 1;
    out->chosen /= out->jobs > 0 ? (double)out->jobs : 1;
    return good && out->jobs > 0;
}
