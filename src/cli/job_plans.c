/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_plans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "carbon/basis.h"
#include "carbon/stamp.h"

enum { AHEAD_MIN_S = 2 * TI_DAY_S, AHEAD_MAX_S = 14 * TI_DAY_S };

struct ti_job_zone {
    char zone[TI_ZONE_MAX * 2 + 1];
    char *grid; /* of the jobs that it is for; owned */
    char source[TI_JOB_TEXT_MAX + 1];
    int64_t asked_s, until_s;
    tern_status status; /* of the asking */
    tern_err err;
    ti_feed feed;
    const ti_series *list[1];
    ti_planner planner;
};

static void forget(ti_job_zone *z)
{
    ti_plan_close(&z->planner);
    ti_feed_free(&z->feed);
    z->planner = (ti_planner){0};
    z->feed = (ti_feed){0};
}

static void drop(ti_job_zone *z)
{
    forget(z);
    free(z->grid);
    free(z);
}

void ti_job_plans_free(ti_job_plans *plans)
{
    for (size_t i = 0; i < plans->n; i++) {
        drop(plans->zones[i]);
    }
    plans->n = 0;
    ti_job_grids_free(&plans->grids);
}

static tern_status ask_desk(ti_job_zone *z, ti_job_plans *plans, const ti_job *job,
                            tern_err *err)
{
    ti_open_desk d;
    char basis[TI_BASIS_TEXT];
    const ti_desk_args *args;
    TI_TRY(ti_job_grid_enter(&plans->grids, &args, plans->dir, job, plans->args, false, err));
    tern_status status = ti_desk_open(&d, args, z->zone, err);
    if (status != TERN_OK) {
        ti_job_grid_leave(&plans->grids);
        return status;
    }
    status = ti_desk_forecast(&z->feed, NULL, &d.desk, d.zone, z->until_s, err);
    ti_desk_close(&d);
    ti_job_grid_leave(&plans->grids);
    TI_TRY(status);
    const ti_series *s = &z->feed.series;
    snprintf(z->source, sizeof z->source, "%.40s, %.40s, %s, %s", s->zone, s->source,
             ti_how_text(z->feed.how), ti_basis_text(basis, s->basis));
    z->list[0] = s;
    return ti_plan_open(&z->planner, z->list, 1, err);
}

static tern_status find(ti_job_zone **out, ti_job_plans *plans, const ti_job *job,
                        tern_err *err)
{
    const char *grid = job->grid ? job->grid : "";
    for (size_t i = 0; i < plans->n; i++) {
        if (strcmp(plans->zones[i]->zone, job->zone) == 0 &&
            strcmp(plans->zones[i]->grid, grid) == 0) {
            *out = plans->zones[i];
            return TERN_OK;
        }
    }
    if (plans->n == TI_JOB_ZONES_MAX) { /* the first makes room: it is asked again if needed */
        drop(plans->zones[0]);
        plans->n--;
        memmove(plans->zones, plans->zones + 1, plans->n * sizeof(ti_job_zone *));
    }
    ti_job_zone *z = ti_calloc(1, sizeof *z);
    if (z) {
        z->grid = strdup(grid);
    }
    if (!z || !z->grid) {
        free(z);
        return ti_fail_nomem(err, "jobs", sizeof *z, "a zone");
    }
    snprintf(z->zone, sizeof z->zone, "%s", job->zone);
    plans->zones[plans->n++] = z;
    *out = z;
    return TERN_OK;
}

tern_status ti_job_planner(ti_job_plans *plans, const ti_job *job, ti_planner **out,
                           const char **source, tern_err *err)
{
    ti_job_zone *z;
    int64_t now_s = (int64_t)time(NULL), to_s = job->deadline_s;
    if (!*job->zone) {
        return ti_fail(err, TERN_UNAVAILABLE, "jobs", TI_NO_OFFSET, "no zone was said");
    }
    to_s = to_s > now_s + AHEAD_MAX_S ? now_s + AHEAD_MAX_S : to_s;
    TI_TRY(find(&z, plans, job, err));
    bool fresh = z->asked_s && z->asked_s <= now_s && now_s - z->asked_s < TI_JOB_FRESH_S;
    if (!fresh || to_s > z->until_s) {
        forget(z);
        z->asked_s = now_s;
        z->until_s = to_s > now_s + AHEAD_MIN_S ? to_s : now_s + AHEAD_MIN_S;
        z->status = ask_desk(z, plans, job, &z->err);
    }
    if (z->status != TERN_OK) {
        return ti_fail(err, z->status, z->err.module, z->err.offset, "%s", z->err.message);
    }
    *out = &z->planner;
    *source = z->source;
    return TERN_OK;
}
