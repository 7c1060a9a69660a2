/* SPDX-License-Identifier: Apache-2.0 */
/* How long decisions take: 50 zones of 48 hours in steps of five minutes, and a queue of
 * 100,000 jobs on one of them.  Prints JSON: medians of five runs in CPU time; made series,
 * fixed seed. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/rng.h"
#include "plan/forecast.h"
#include "plan/plan.h"

enum { ZONES = 50, STEP = 300, HOUR = 3600, SLOTS = 48 * HOUR / STEP, JOBS = 100000, RUNS = 5 };

static const int64_t NOW = 1767225600; /* 2026-01-01 */

static ti_slot slots[ZONES][SLOTS];
static ti_series series[ZONES];
static const ti_series *pointers[ZONES];

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* one thread: what a quiet machine takes */
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void fail_if(bool bad)
{
    if (bad) {
        fprintf(stderr, "bench_plan: failed\n");
        exit(1);
    }
}

static void make(void)
{
    ti_rng rng;
    ti_rng_seed(&rng, 1);
    for (int z = 0; z < ZONES; z++) {
        int64_t level = 300000;
        for (int i = 0; i < SLOTS; i++) {
            level += (int64_t)(ti_rng_next(&rng) % 20001) - 10000;
            level = level < 20000 ? 20000 : level > 900000 ? 900000 : level;
            slots[z][i] =
                (ti_slot){NOW + i * STEP, STEP, (uint32_t)level, 20000, TI_SLOT_FORECAST};
        }
        series[z] = (ti_series){.slots = slots[z], .n = SLOTS, .source = "bench"};
        snprintf(series[z].zone, sizeof series[z].zone, "Z%d", z);
        pointers[z] = &series[z];
    }
}

static ti_plan_job job_of(uint64_t id, uint32_t duration_s, int64_t slack_s)
{
    return (ti_plan_job){.id = id,
                         .earliest_s = NOW + (int64_t)(id % 7200),
                         .deadline_s = NOW + (int64_t)(id % 7200) + slack_s,
                         .n_durations = 1,
                         .durations = {{duration_s, 1}},
                         .band_permille = TI_BAND_PERMILLE,
                         .confidence_permille = TI_CONFIDENCE_PERMILLE};
}

/* Preparing 50 series and one decision over all. */
static double one_decision(bool interruptible)
{
    ti_planner planner;
    ti_decision d;
    ti_plan_job job = job_of(1, 4 * HOUR, 46 * HOUR);
    job.interruptible = interruptible;
    double begun = now_ms();
    fail_if(ti_plan_open(&planner, pointers, ZONES, NULL) != TERN_OK);
    fail_if(ti_plan_decide(&d, &planner, &job, NULL) != TERN_OK);
    ti_plan_close(&planner);
    return now_ms() - begun;
}

/* Jobs of 5 minutes to 8 hours with 12 to 40 hours of time. */
static double queue(bool interruptible)
{
    ti_planner planner;
    ti_decision d;
    double begun = now_ms();
    fail_if(ti_plan_open(&planner, pointers, 1, NULL) != TERN_OK);
    for (uint64_t id = 0; id < JOBS; id++) {
        uint32_t duration = 300 + (uint32_t)(id * 7919 % (8 * HOUR));
        ti_plan_job job = job_of(id, duration, (int64_t)(12 + id % 29) * HOUR);
        job.interruptible = interruptible;
        fail_if(ti_plan_decide(&d, &planner, &job, NULL) != TERN_OK);
    }
    ti_plan_close(&planner);
    return now_ms() - begun;
}

/* Median of the runs, and the spread between the fastest and the slowest. */
static void measure(ti_buf *json, const char *key, double (*f)(bool), bool interruptible)
{
    double times[RUNS];
    for (int i = 0; i < RUNS; i++) {
        times[i] = f(interruptible);
    }
    qsort(times, RUNS, sizeof *times, ascending);
    ti_json_open(json, key, '{');
    ti_json_num(json, "median_ms", times[RUNS / 2], 4);
    ti_json_num(json, "least_ms", times[0], 4);
    ti_json_num(json, "most_ms", times[RUNS - 1], 4);
    ti_json_close(json, '}');
}

int main(void)
{
    ti_buf json = {0};
    make();
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.bench_plan/1");
    ti_json_str(&json, "clock", "cpu");
    ti_json_uint(&json, "runs", RUNS);
    measure(&json, "decision_50x576", one_decision, false);
    measure(&json, "decision_50x576_interruptible", one_decision, true);
    measure(&json, "queue_100000", queue, false);
    measure(&json, "queue_100000_interruptible", queue, true);
    ti_json_close(&json, '}');
    fail_if(json.failed);
    puts(json.data);
    ti_buf_free(&json);
    return 0;
}
