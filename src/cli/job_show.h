/* SPDX-License-Identifier: Apache-2.0 */
/* cli/job_show.h - jobs for people and as JSON, schema tern.jobs/1. */
#ifndef TI_CLI_JOB_SHOW_H
#define TI_CLI_JOB_SHOW_H

#include "cli/job_place.h"

/* Adds a job as an object. */
void ti_json_job_row(ti_buf *json, const char *key, const ti_job_place *place,
                     const ti_job *job);

/* Adds whether a daemon serves the queue, and on which machine if not on this one. */
void ti_json_daemon(ti_buf *json, const ti_job_place *place);

/* Prints a document with one job.  Errors: TERN_NOMEM. */
tern_status ti_print_job_json(const ti_job_place *place, const ti_job *job, tern_err *err);

/* Tells who submitted a job when it starts, and why then. */
tern_status ti_print_submitted(const ti_job *job, tern_err *err);

/* A line of the list, and what stands above. */
void ti_add_job_head(ti_buf *out);
void ti_add_job_line(ti_buf *out, const ti_job_place *place, const ti_job *job, int64_t now_s);

/* What is to be said of a job afterwards: several lines. */
void ti_add_job_report(ti_buf *out, const ti_job *job, int64_t now_s);

/* "1.23 g", "45.6 mg", "1.20 kg".  Into out[32]; returns out. */
const char *ti_human_grams(char out[32], uint64_t co2_ug);

#endif
