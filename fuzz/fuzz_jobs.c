/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a job and lists of Slurm.  What is read and written again is read as the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/batch.h"
#include "jobs/schedule.h"
#include "jobs/spec.h"
#include "jobs/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_spec(const char *text, size_t size)
{
    ti_job_spec spec;
    ti_buf again = {0};
    if (ti_job_spec_read(&spec, text, size, NULL) != TERN_OK) {
        return;
    }
    TI_ASSERT(ti_job_spec_write(&again, &spec, NULL) == TERN_OK);
    /* Numbers may have had zeros before them. */
    TI_ASSERT(again.len <= size);
    if (again.len == size) {
        TI_ASSERT(memcmp(again.data, text, size) == 0);
    }
    ti_job_spec_free(&spec);
    ti_buf_free(&again);
}

static void try_status(const char *text, size_t size)
{
    ti_job_status status, copy;
    ti_buf once = {0}, twice = {0};
    if (ti_job_status_read(&status, text, size, NULL) != TERN_OK) {
        return;
    }
    TI_ASSERT(ti_job_status_write(&once, &status, NULL) == TERN_OK);
    TI_ASSERT(ti_job_status_read(&copy, once.data, once.len, NULL) == TERN_OK);
    TI_ASSERT(ti_job_status_write(&twice, &copy, NULL) == TERN_OK);
    TI_ASSERT(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    ti_job_status_free(&status);
    ti_job_status_free(&copy);
    ti_buf_free(&once);
    ti_buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ti_slurm_seen seen;
    char id[TI_JOB_EXTERNAL_MAX + 1], *text = malloc(size + 1);
    TI_ASSERT(text);
    memcpy(text, data, size);
    text[size] = '\0';
    try_spec(text, size);
    try_status(text, size);
    ti_slurm_read(&seen, text, size);
    TI_ASSERT(seen.lines <= size && (unsigned)seen.state < TI_JOB_STATES);
    (void)ti_slurm_id(id, text);
    ti_job job = {.plan = {.details = text}};
    ti_job_view view = {.now_s = 1790000000};
    ti_buf why = {0};
    ti_job_look_at_plan(&view, &job);
    ti_job_json_why(&why, NULL, &job);
    ti_buf_free(&why);
    free(text);
    return 0;
}
