/* SPDX-License-Identifier: Apache-2.0 */
/* systemd and Slurm. */
#include <stdio.h>
#include <string.h>

#include "carbon/stamp.h"
#include "jobs/batch.h"

static tern_status ended(const ti_buf *out, tern_err *err)
{
    return out->failed ? ti_fail_nomem(err, "jobs", out->len, "a file") : TERN_OK;
}

/* --- systemd --------------------------------------------------------------------------------
 */

void ti_systemd_word(ti_buf *out, const char *word, bool command)
{
    ti_buf_addc(out, '"');
    for (const char *c = word; *c; c++) {
        if (*c == '%' || (*c == '$' && command)) {
            ti_buf_addc(out, *c);
        } else if (*c == '"' || *c == '\\') {
            ti_buf_addc(out, '\\');
        }
        ti_buf_addc(out, *c);
    }
    ti_buf_addc(out, '"');
}

static tern_status check_paths(const ti_batch_keeper *k, tern_err *err)
{
    if (strpbrk(k->tern, "\r\n") || strpbrk(k->dir, "\r\n")) {
        return ti_fail(err, TERN_USAGE, "jobs", TI_NO_OFFSET,
                       "a unit cannot name a path with a newline");
    }
    return TERN_OK;
}

/* Jobs outlive their daemon: only it is ended, not what it started. */
tern_status ti_systemd_daemon(ti_buf *out, const ti_batch_keeper *k, const char *options,
                              tern_err *err)
{
    TI_TRY(check_paths(k, err));
    ti_buf_adds(out, "# Made by tern; 'tern jobd --uninstall' removes it.\n"
                     "[Unit]\n"
                     "Description=tern's queue of jobs\n"
                     "\n"
                     "[Service]\n"
                     "Type=exec\n"
                     "KillMode=process\n"
                     "Restart=on-failure\n"
                     "RestartSec=10\n"
                     "ExecStart=");
    ti_systemd_word(out, k->tern, true);
    ti_buf_addf(out, " jobd --foreground%s --queue ", options);
    ti_systemd_word(out, k->dir, true);
    ti_buf_adds(out, "\n"
                     "\n"
                     "[Install]\n"
                     "WantedBy=default.target\n");
    return ended(out, err);
}

tern_status ti_systemd_service(ti_buf *out, const ti_batch_keeper *k, tern_err *err)
{
    TI_TRY(check_paths(k, err));
    ti_buf_addf(out,
                "# Made by tern; 'tern cancel %lld' removes it.\n"
                "[Unit]\n"
                "Description=tern job %lld\n"
                "\n"
                "[Service]\n"
                "Type=exec\n"
                "KillMode=mixed\n" /* the keeper ends its command itself */
                "ExecStart=",
                (long long)k->id, (long long)k->id);
    ti_systemd_word(out, k->tern, true);
    ti_buf_addf(out, " jobd --keep %lld --attempt 1 --queue ", (long long)k->id);
    ti_systemd_word(out, k->dir, true);
    ti_buf_addc(out, '\n');
    return ended(out, err);
}

tern_status ti_systemd_timer(ti_buf *out, const ti_job *job, bool wake, tern_err *err)
{
    char at[TI_STAMP_TEXT];
    ti_stamp_text(at, job->plan.start_s); /* "2026-01-01T03:00:00Z" */
    ti_buf_addf(out,
                "# Made by tern; 'tern cancel %lld' removes it.\n"
                "[Unit]\n"
                "Description=tern job %lld, at its planned start\n"
                "\n"
                "[Timer]\n"
                "OnCalendar=%.10s %.8s UTC\n"
                "AccuracySec=1s\n"
                "Persistent=true\n"
                "%s"
                "\n"
                "[Install]\n"
                "WantedBy=timers.target\n",
                (long long)job->id, (long long)job->id, at, at + 11,
                wake ? "WakeSystem=true\n" : "");
    return ended(out, err);
}

/* --- Slurm ----------------------------------------------------------------------------------
 */

tern_status ti_slurm_script(ti_buf *out, const ti_batch_keeper *k, tern_err *err)
{
    ti_buf_adds(out, "#!/bin/sh\nexec ");
    ti_job_add_quoted(out, k->tern);
    ti_buf_adds(out, " jobd --queue ");
    ti_job_add_quoted(out, k->dir);
    ti_buf_addf(out,
                " --keep %lld --attempt $((${SLURM_RESTART_COUNT:-0} + 1))"
                " ${SLURM_ARRAY_TASK_ID:+--task \"$SLURM_ARRAY_TASK_ID\"}\n",
                (long long)k->id);
    return ended(out, err);
}

void ti_slurm_begin(char out[32], int64_t start_s, int64_t now_s)
{
    long long wait = start_s > now_s ? start_s - now_s : 0;
    snprintf(out, 32, "now+%lld", wait);
}

/* What Slurm calls a state, by its beginning (squeue(1), "JOB STATE CODES").  The order of the
 * last column says what several tasks are together: the first that one of them is. */
static const struct {
    const char *name;
    ti_job_state state;
} slurm_states[] = {
    {"RUNNING", TI_JOB_RUNNING},       {"COMPLETING", TI_JOB_RUNNING},
    {"STAGE_OUT", TI_JOB_RUNNING},     {"SIGNALING", TI_JOB_RUNNING},
    {"RESIZING", TI_JOB_RUNNING},      {"SUSPENDED", TI_JOB_SUSPENDED},
    {"STOPPED", TI_JOB_SUSPENDED},     {"PENDING", TI_JOB_PLANNED},
    {"CONFIGURING", TI_JOB_PLANNED},   {"REQUEUED", TI_JOB_PLANNED},
    {"REQUEUE_HOLD", TI_JOB_PLANNED},  {"REQUEUE_FED", TI_JOB_PLANNED},
    {"RESV_DEL_HOLD", TI_JOB_PLANNED}, {"SPECIAL_EXIT", TI_JOB_PLANNED},
    {"NODE_FAIL", TI_JOB_INTERRUPTED}, {"BOOT_FAIL", TI_JOB_INTERRUPTED},
    {"PREEMPTED", TI_JOB_INTERRUPTED}, {"REVOKED", TI_JOB_INTERRUPTED},
    {"FAILED", TI_JOB_FAILED},         {"TIMEOUT", TI_JOB_FAILED},
    {"OUT_OF_MEMORY", TI_JOB_FAILED},  {"DEADLINE", TI_JOB_MISSED},
    {"CANCELLED", TI_JOB_CANCELLED},   {"COMPLETED", TI_JOB_DONE},
};
enum { SLURM_STATES = sizeof slurm_states / sizeof *slurm_states };

/* Index in the table, or SLURM_STATES. */
static size_t slurm_state(const char *line, size_t len)
{
    for (size_t i = 0; i < SLURM_STATES; i++) {
        size_t n = strlen(slurm_states[i].name);
        bool whole = len == n || (len > n && (line[n] == ' ' || line[n] == '|'));
        if (len >= n && memcmp(line, slurm_states[i].name, n) == 0 && whole) {
            return i;
        }
    }
    return SLURM_STATES;
}

/* The exit code behind the bar; 128 + signal where a signal ended it. */
static int32_t slurm_code(const char *line, size_t len)
{
    const char *bar = memchr(line, '|', len);
    int32_t numbers[2] = {0, 0};
    size_t which = 0;
    for (const char *c = bar ? bar + 1 : line + len; c < line + len; c++) {
        if (*c == ':' && which == 0) {
            which = 1;
        } else if (*c >= '0' && *c <= '9' && numbers[which] < 1000) {
            numbers[which] = numbers[which] * 10 + (*c - '0');
        } else {
            return 0;
        }
    }
    return numbers[1] ? 128 + numbers[1] : numbers[0];
}

void ti_slurm_read(ti_slurm_seen *out, const char *text, size_t len)
{
    size_t first = SLURM_STATES;
    *out = (ti_slurm_seen){0};
    for (size_t at = 0; at < len;) {
        const char *line = text + at, *end = memchr(line, '\n', len - at);
        size_t n = end ? (size_t)(end - line) : len - at;
        size_t i = slurm_state(line, n);
        if (i < SLURM_STATES) {
            out->lines++;
            first = i < first ? i : first;
            out->exit_code = out->exit_code ? out->exit_code : slurm_code(line, n);
        }
        at += n + 1;
    }
    if (out->lines > 0) {
        out->state = slurm_states[first].state;
    }
}

bool ti_slurm_id(char out[TI_JOB_EXTERNAL_MAX + 1], const char *text)
{
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 18 || (text[n] != '\0' && text[n] != '\n' && text[n] != ';')) {
        return false;
    }
    memcpy(out, text, n);
    out[n] = '\0';
    return true;
}
