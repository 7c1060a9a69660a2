/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/job.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void ti_job_free(ti_job *job)
{
    free(job->command);
    free(job->plan.details);
    free(job->grid);
    *job = (ti_job){0};
}

const char *ti_job_state_name(ti_job_state state)
{
    static const char *const names[TI_JOB_STATES] = {"waiting",   "planned",     "running",
                                                     "suspended", "done",        "failed",
                                                     "cancelled", "interrupted", "missed"};
    return (unsigned)state < TI_JOB_STATES ? names[state] : "?";
}

const char *ti_job_via_name(ti_job_via via)
{
    static const char *const names[TI_VIAS] = {"jobd", "systemd", "slurm"};
    return (unsigned)via < TI_VIAS ? names[via] : "?";
}

bool ti_job_is_over(ti_job_state state)
{
    return state >= TI_JOB_DONE;
}

bool ti_job_is_active(ti_job_state state)
{
    return state == TI_JOB_RUNNING || state == TI_JOB_SUSPENDED;
}

int64_t ti_job_latest_s(const ti_job *job, uint32_t ran_s)
{
    int64_t left = (int64_t)job->longest_s - ran_s;
    return job->deadline_s - (left > 0 ? left : 0) - TI_JOB_LEAD_S;
}

const char *ti_job_word(const ti_job *job, const char *word)
{
    size_t at = word ? (size_t)(word - job->command) + strlen(word) + 1 : 0;
    return at < job->command_len ? job->command + at : NULL;
}

tern_status ti_job_set_command(ti_job *job, char *const *words, size_t n, tern_err *err)
{
    ti_buf all = {0};
    for (size_t i = 0; i < n; i++) {
        ti_buf_add(&all, words[i], strlen(words[i]) + 1);
    }
    if (all.failed || all.len > TI_JOB_COMMAND_MAX || n == 0) {
        bool failed = all.failed;
        ti_buf_free(&all);
        if (failed) {
            return ti_fail_nomem(err, "jobs", all.len, "a command");
        }
        return ti_fail(err, n == 0 ? TERN_USAGE : TERN_LIMIT, "jobs", TI_NO_OFFSET,
                       n == 0 ? "there is no command" : "the command is too long");
    }
    free(job->command);
    job->command = all.data;
    job->command_len = all.len;
    return TERN_OK;
}

static bool is_plain(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-./=:,+@%^";
    return *word && word[strspn(word, plain)] == '\0';
}

void ti_job_add_quoted(ti_buf *out, const char *word)
{
    ti_buf_addc(out, '\'');
    for (const char *c = word; *c; c++) {
        if (*c == '\'') {
            ti_buf_adds(out, "'\\''");
        } else {
            ti_buf_addc(out, *c);
        }
    }
    ti_buf_addc(out, '\'');
}

void ti_job_add_command(ti_buf *out, const ti_job *job)
{
    for (const char *word = ti_job_word(job, NULL); word; word = ti_job_word(job, word)) {
        ti_buf_adds(out, word > job->command ? " " : "");
        if (is_plain(word)) {
            ti_buf_adds(out, word);
        } else {
            ti_job_add_quoted(out, word);
        }
    }
}
