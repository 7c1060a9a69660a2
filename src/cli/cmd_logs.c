/* SPDX-License-Identifier: Apache-2.0 */
/* tern logs: what a job wrote. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cmd.h"
#include "cli/job_place.h"
#include "cli/out.h"

enum { LOOK_AGAIN_NS = 200000000 };

typedef struct logs_args {
    const char *queue, *task;
    bool follow, errors;
} logs_args;

static const logs_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_FLAG,
     .name = "follow",
     .letter = 'f',
     .help = "go on until the job is over",
     .offset = offsetof(logs_args, follow)},
    {.type = TI_OPT_FLAG,
     .name = "errors",
     .letter = 'e',
     .help = "what it wrote to standard error",
     .offset = offsetof(logs_args, errors)},
    {.type = TI_OPT_STR,
     .name = "task",
     .metavar = "N",
     .help = "which task of an array",
     .offset = offsetof(logs_args, task)},
    TI_OPT_QUEUE(logs_args, queue),
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "ID", .help = "the number of a job"},
    {0},
};

/* Writes what a file has from *at on, as it is. */
static tern_status copy(const char *path, long *at, tern_err *err)
{
    char bytes[65536];
    size_t n;
    FILE *f = fopen(path, "re");
    if (!f) {
        return errno == ENOENT ? TERN_OK
                               : ti_fail_errno(err, errno, "jobs", "cannot read '%s'", path);
    }
    if (fseek(f, *at, SEEK_SET) == 0) {
        while ((n = fread(bytes, 1, sizeof bytes, f)) > 0) {
            (void)fwrite(bytes, 1, n, stdout); /* main sees the stream's error */
            *at += (long)n;
        }
    }
    fclose(f);
    (void)fflush(stdout);
    return TERN_OK;
}

static tern_status follow(ti_job_place *place, int64_t id, const char *path, bool on,
                          tern_err *err)
{
    long at = 0;
    for (;;) {
        struct timespec wait = {.tv_nsec = LOOK_AGAIN_NS};
        ti_job job;
        TI_TRY(ti_queue_get(place->queue, &job, id, err));
        bool over = ti_job_is_over(job.state); /* asked first: what was written is complete */
        ti_job_free(&job);
        TI_TRY(copy(path, &at, err));
        if (over || !on || ti_interrupted()) {
            return TERN_OK;
        }
        nanosleep(&wait, NULL);
    }
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const logs_args *args = values;
    ti_job_place place;
    char *path = NULL;
    int64_t id;
    TI_TRY(ti_job_id(&id, given->items[0], err));
    TI_TRY(ti_job_place_open(&place, args->queue, false, err));
    tern_status status =
        ti_job_file(&path, place.dir, id, args->errors ? "err" : "out", 0, args->task, err);
    if (status == TERN_OK) {
        ti_interrupt_catch();
        status = follow(&place, id, path, args->follow, err);
    }
    free(path);
    ti_job_place_close(&place);
    return status;
}

const ti_command ti_cmd_logs = {
    .name = "logs",
    .summary = "print what a job wrote",
    .description = "Prints the standard output of a job, byte for byte.",
    .examples = "tern logs 7\n"
                "tern logs 7 -f\n"
                "tern logs 7 --errors",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .says_why_not = true,
    .run = run,
};
