/* SPDX-License-Identifier: Apache-2.0 */
/* bench_jobs [JOBS [DIRECTORY]] - how long it takes to plan a whole queue anew: the decisions
 * alone, and a round of the daemon, which reads every job, decides, and stores the plans in one
 * transaction.  48 hours in slots of half an hour, one zone; jobs of 10 minutes to 6 hours.
 * Without a directory the queue is in memory.  Seconds are of the processor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "jobs/jobd.h"
#include "jobs/schedule.h"

enum { SLOTS = 96, SLOT_S = 1800 };
static const int64_t now_s = INT64_C(1790000000);

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static tern_status planner(void *self, const ti_job *job, ti_planner **out, const char **source,
                           tern_err *err)
{
    (void)job;
    (void)err;
    *out = self;
    *source = "bench";
    return TERN_OK;
}

static void make_job(ti_job *job, ti_rng *rng)
{
    job->submitted_s = job->earliest_s = now_s;
    job->shortest_s = job->longest_s = 600 + (uint32_t)(ti_rng_next(rng) % 21000);
    job->deadline_s = now_s + job->longest_s + 3600 + (int64_t)(ti_rng_next(rng) % 130000);
}

static tern_status fill(ti_queue *queue, size_t n, tern_err *err)
{
    ti_rng rng;
    char word[] = "true", *words[] = {word};
    ti_rng_seed(&rng, 1);
    TI_TRY(ti_queue_begin(queue, err));
    for (size_t i = 0; i < n; i++) {
        ti_job job = {0};
        make_job(&job, &rng);
        TI_TRY(ti_job_set_command(&job, words, 1, err));
        TI_TRY(ti_queue_add(queue, &job, NULL, NULL, err));
        ti_job_free(&job);
    }
    return ti_queue_commit(queue, err);
}

static tern_status measure(size_t n, const char *dir, ti_planner *p, tern_err *err)
{
    ti_queue *queue;
    ti_rng rng;
    const ti_jobd_io io = {.self = p, .planner = planner};
    ti_rng_seed(&rng, 1);
    double start = seconds();
    for (size_t i = 0; i < n; i++) {
        ti_job job = {.id = (int64_t)i};
        make_job(&job, &rng);
        TI_TRY(ti_job_decide(&job, p, "bench", now_s, 0, NULL, err));
        ti_job_free(&job);
    }
    printf("decided   %zu jobs in %.3f s\n", n, seconds() - start);
    TI_TRY(ti_queue_open(&queue, dir, err));
    start = seconds();
    tern_status status = fill(queue, n, err);
    printf("filled    %.3f s\n", seconds() - start);
    for (int i = 0; i < 3 && status == TERN_OK; i++) {
        ti_jobd d = {.queue = queue, .io = &io};
        size_t planned = 0;
        start = seconds();
        status = ti_jobd_replan(&d, now_s, &planned, err);
        printf("replanned %zu jobs in %.3f s\n", planned, seconds() - start);
    }
    ti_queue_close(queue);
    return status;
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    ti_slot slots[SLOTS];
    ti_series series = {.slots = slots, .n = SLOTS, .issued_s = now_s, .zone = "XX"};
    const ti_series *list[] = {&series};
    ti_planner p;
    ti_rng rng;
    tern_err err;
    snprintf(series.source, sizeof series.source, "bench");
    ti_rng_seed(&rng, 2);
    for (int i = 0; i < SLOTS; i++) {
        slots[i] = (ti_slot){.start_s = now_s + (int64_t)i * SLOT_S,
                             .length_s = SLOT_S,
                             .intensity_mg_kwh = 50000 + (uint32_t)(ti_rng_next(&rng) % 400000),
                             .error_mg_kwh = 30000,
                             .kind = TI_SLOT_FORECAST};
    }
    tern_status status = ti_plan_open(&p, list, 1, &err);
    if (status == TERN_OK) {
        status = measure(n, argc > 2 ? argv[2] : NULL, &p, &err);
    }
    ti_plan_close(&p);
    if (status != TERN_OK) {
        fprintf(stderr, "bench_jobs: %s\n", err.message);
    }
    return status != TERN_OK;
}
