/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/job.h - a job of the queue: what was asked for, what was decided, how it ended.
 *
 * Times are seconds of UTC since 1970.  A job is started by its keeper, a process of its own
 * that outlives whoever started it (jobs/step.h has the rules, docs/formats/jobs.md the files).
 */
#ifndef TI_JOBS_JOB_H
#define TI_JOBS_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "plan/plan.h"

enum {
    TI_JOB_NAME_MAX = 63,
    TI_JOB_EXTERNAL_MAX = 127,    /* of a unit or a job of somebody else */
    TI_JOB_TEXT_MAX = 159,        /* a meter, a source */
    TI_JOB_BOOT_MAX = 36,         /* a UUID */
    TI_JOB_HOST_MAX = 97,         /* a name, a slash, a machine-id(5) */
    TI_JOB_GRID_MAX = 1 << 15,    /* bytes of ti_job.grid */
    TI_JOB_COMMAND_MAX = 1 << 21, /* bytes of a command, as the kernel has them (ARG_MAX) */
    TI_JOB_ATTEMPTS_MAX = 10,     /* starts of a job that may be restarted */
    TI_JOB_LEAD_S = 5,            /* a job starts so much before it must */
    TI_JOB_CLOCK_S = 60,          /* a clock that is farther behind is not believed */
    TI_JOB_DURATION_MAX_S = 366 * 86400
};

/* The numbers are in files: never change one. */
typedef enum ti_job_state {
    TI_JOB_WAITING = 0,   /* nothing is decided */
    TI_JOB_PLANNED = 1,   /* start_s is decided, until a better forecast comes */
    TI_JOB_RUNNING = 2,   /* a keeper was started for it */
    TI_JOB_SUSPENDED = 3, /* its processes are stopped, to go on later */
    TI_JOB_DONE = 4,      /* ended with exit code 0 */
    TI_JOB_FAILED = 5,    /* ended otherwise */
    TI_JOB_CANCELLED = 6, /* by its owner */
    TI_JOB_INTERRUPTED =
        7,             /* had begun, and its end is not known: the machine or keeper died */
    TI_JOB_MISSED = 8, /* not begun: its owner said that late is too late */
    TI_JOB_STATES
} ti_job_state;

/* Who starts it. */
typedef enum ti_job_via {
    TI_VIA_JOBD = 0,
    TI_VIA_SYSTEMD = 1,
    TI_VIA_SLURM = 2,
    TI_VIAS
} ti_job_via;

enum { /* ti_job.flags; in files: never change one */
       TI_JOB_INTERRUPTIBLE = 1,
       TI_JOB_RESTARTABLE = 2, /* may run again from its beginning when it was interrupted */
       TI_JOB_SKIP_LATE = 4    /* is not begun after its deadline has become impossible */
};

/* A process, by more than its number, which is given to others later. */
typedef struct ti_job_process {
    int64_t pid;                    /* 0 = none */
    uint64_t start;                 /* in clock ticks after boot: field 22 of /proc/PID/stat */
    char boot[TI_JOB_BOOT_MAX + 1]; /* which boot: /proc/sys/kernel/random/boot_id */
    char host[TI_JOB_HOST_MAX + 1]; /* which machine; "" = written before that was kept */
} ti_job_process;

/* What was decided, and from what. */
typedef struct ti_job_plan {
    int64_t made_s; /* 0 = no plan */
    int64_t start_s, end_s;
    uint32_t mean_mg_kwh, now_mg_kwh; /* expected: as decided, and at once; 0 = not known */
    char source[TI_JOB_TEXT_MAX + 1]; /* "GB, neso forecast, average/life-cycle/location" */
    char *details;                    /* JSON (jobs/schedule.h), owned; NULL = none */
} ti_job_plan;

/* How it ran: what its keeper counted. */
typedef struct ti_job_run {
    int64_t started_s, ended_s; /* 0 = not yet */
    uint32_t ran_s;             /* without the time that it was suspended */
    int32_t exit_code, signal;  /* signal that ended it, or 0 */
    bool has_energy;
    uint64_t energy_uj, idle_uj, cpu_ns;
    uint32_t error_permille;
    char evidence[16]; /* "measured", "modelled" */
    char meter[TI_JOB_TEXT_MAX + 1];
} ti_job_run;

/* What is known of its grams. */
typedef enum ti_job_account_state {
    TI_ACCOUNT_OPEN = 0,   /* not yet counted: what happened on the grid is not known yet */
    TI_ACCOUNT_GRAMS = 1,  /* counted, for good */
    TI_ACCOUNT_NONE = 2,   /* there is nothing to count with */
    TI_ACCOUNT_LOGGED = 3, /* and its receipt is in a log */
    TI_ACCOUNT_COUNTED = 4 /* counted, for good; its receipt is to be made */
} ti_job_account_state;

typedef struct ti_job_account {
    ti_job_account_state state;
    bool has_grams, has_now;
    bool expected; /* by the forecast: what happened was never told */
    uint64_t co2_ug, now_co2_ug;
    uint32_t mean_mg_kwh, now_mg_kwh;
    char source[TI_JOB_TEXT_MAX + 1];
    int64_t log_index; /* -1 = in no log */
} ti_job_account;

typedef struct ti_job {
    int64_t id;
    ti_job_state state;
    ti_job_via via;
    uint32_t flags;
    bool cancel; /* its owner wants it to end */
    char name[TI_JOB_NAME_MAX + 1];
    char zone[TI_ZONE_MAX * 2 + 1]; /* "DE", "neso:GB"; "" = not known */
    char external[TI_JOB_EXTERNAL_MAX + 1];
    int64_t submitted_s, earliest_s, deadline_s;
    uint32_t shortest_s, longest_s; /* equal when its duration is known */
    uint32_t min_slice_s;
    uint32_t attempt; /* how often it was begun */
    ti_job_process keeper;
    ti_job_plan plan;
    ti_job_run run;
    ti_job_account account;
    char *command; /* words, each with a NUL after it; owned */
    size_t command_len;
    char *grid; /* JSON: where its intensities come from (cli/job_grid.h); owned; NULL = none */
} ti_job;

/* Frees what it owns.  Zeroed is allowed. */
void ti_job_free(ti_job *job);

/* "waiting", ...; "jobd", "systemd", "slurm". */
const char *ti_job_state_name(ti_job_state state);
const char *ti_job_via_name(ti_job_via via);

/* True in states that nothing follows. */
bool ti_job_is_over(ti_job_state state);

/* True for a job that was begun and has not ended. */
bool ti_job_is_active(ti_job_state state);

/* The last moment at which it can start, or go on, and keep its deadline with its longest
 * duration, after it ran for `ran_s`. */
int64_t ti_job_latest_s(const ti_job *job, uint32_t ran_s);

/* The word of the command behind `word`, the first for NULL; NULL when there is none. */
const char *ti_job_word(const ti_job *job, const char *word);

/* Makes a command of n words.  Errors: TERN_LIMIT, TERN_NOMEM. */
tern_status ti_job_set_command(ti_job *job, char *const *words, size_t n, tern_err *err);

/* Adds a word in single quotes, as a POSIX shell reads it. */
void ti_job_add_quoted(ti_buf *out, const char *word);

/* The command as a shell would take it, words quoted where they must be. */
void ti_job_add_command(ti_buf *out, const ti_job *job);

#endif
