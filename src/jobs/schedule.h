/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/schedule.h - from a job and the intensity of its grid to its plan (src/plan decides). */
#ifndef TI_JOBS_SCHEDULE_H
#define TI_JOBS_SCHEDULE_H

#include "jobs/job.h"
#include "jobs/places.h"
#include "jobs/step.h"

enum { TI_WHY_TEXT = 160 };

/* Sets job->plan by the planner's first series.
 *   source  whose word the series is, for people; cut where it is too long
 *   ran_s   how long it has run already, if it is interruptible and was begun
 *   places  when others run: a job in one piece is planned for a time with a place, where there
 *           is one before its deadline; NULL = whenever
 * Cost: that of ti_plan_decide(), at most 16 times that with places.
 * Errors: TERN_NOMEM; the plan is then untouched. */
tern_status ti_job_decide(ti_job *job, ti_planner *planner, const char *source, int64_t now_s,
                          uint32_t ran_s, const ti_places *places, tern_err *err);

/* Sets job->plan to "as soon as it may", for that reason.  Errors: TERN_NOMEM. */
tern_status ti_job_decide_now(ti_job *job, int64_t now_s, const char *why, tern_err *err);

/* Fills view->in_slice and view->slice_end_s from the plan.  A plan that cannot be read has the
 * job run. */
void ti_job_look_at_plan(ti_job_view *view, const ti_job *job);

/* Adds the reasons of the plan to a JSON document, as an array of texts under `key`. */
void ti_job_json_why(ti_buf *out, const char *key, const ti_job *job);

/* A reason in words, without full stop.  Returns out. */
const char *ti_why_text(char out[TI_WHY_TEXT], const ti_why *why);

#endif
