/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts of jobs: what can be checked of them. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "carbon/stamp.h"
#include "cli/digest.h"
#include "cli/job_receipt.h"
#include "cli/metering.h"
#include "cli/verify.h"
#include "jobs/account.h"

/* "DIR/name" for the receipt "DIR/receipt.json". */
static char *beside(const char *file, const char *name)
{
    ti_buf path = {0};
    const char *slash = strrchr(file, '/');
    if (slash) {
        ti_buf_add(&path, file, (size_t)(slash - file) + 1);
    }
    ti_buf_adds(&path, name);
    return path.data; /* NULL without memory */
}

static void describe(ti_checks *checks, const ti_receipt *r)
{
    enum { MS = 1000 };
    char at[TI_STAMP_TEXT], energy[TI_FIGURE_MAX], idle[TI_FIGURE_MAX];
    ti_check_add(checks, "statement", TI_CHECK_OK,
                 "job %llu: %s with exit code %llu, ran %llu s from %s on (tern %s)",
                 (unsigned long long)r->job.number, r->job.state,
                 (unsigned long long)r->job.exit_code, (unsigned long long)r->job.ran_s,
                 ti_stamp_text(at, (int64_t)(r->time.started_unix_ms / MS)), r->tern_version);
    if (r->has_energy) {
        ti_check_add(checks, "claims", TI_CHECK_OPEN,
                     "%s above idle, %s idle, %s (%s): cannot be measured again",
                     ti_human_joules(energy, r->energy.energy_uj),
                     ti_human_joules(idle, r->energy.idle_uj),
                     ti_receipt_evidence_name(r->energy.evidence), r->energy.meter);
    }
}

/* Grams are joules times a mean that is rounded to mg/kWh. */
static void check_carbon(ti_checks *checks, const ti_receipt *r)
{
    if (!r->has_carbon || !r->has_energy) {
        return;
    }
    uint64_t energy_uj = r->energy.energy_uj + r->energy.idle_uj; /* each below 2^63 */
    uint32_t mean_mg = (uint32_t)r->job.mean_mg_kwh;
    uint64_t low = ti_job_grams(energy_uj, mean_mg > 0 ? mean_mg - 1 : 0);
    uint64_t high = ti_job_grams(energy_uj, mean_mg < UINT32_MAX ? mean_mg + 1 : mean_mg);
    bool right = r->carbon.co2_ug + 1 >= low && r->carbon.co2_ug <= high + 1;
    ti_check_add(checks, "carbon", right ? TI_CHECK_OK : TI_CHECK_NO,
                 right ? "%llu ug are these joules at %.1f g/kWh (%s)"
                       : "%llu ug are not these joules at %.1f g/kWh (%s)",
                 (unsigned long long)r->carbon.co2_ug, mean_mg / 1e3, r->carbon.source);
}

/* What it wrote: the file that was named, else the one that lies beside the receipt. */
static tern_status check_output(ti_checks *checks, const ti_receipt *r, const char *file,
                                const char *given, tern_err *err)
{
    char hex[TI_SHA256_HEX + 1], want[TI_SHA256_HEX + 1];
    bool is_out = strcmp(r->job.output, "stdout") == 0;
    char *path = given ? strdup(given) : beside(file, is_out ? "out" : "SHA256SUMS");
    if (!path) {
        return ti_fail_nomem(err, "verify", 0, "a path");
    }
    if (!given && access(path, R_OK) != 0) {
        ti_check_add(checks, "output", TI_CHECK_OPEN, "--output FILE compares it (%s)",
                     r->job.output);
        free(path);
        return TERN_OK;
    }
    tern_status status = ti_sha256_file(hex, path, err);
    free(path);
    TI_TRY(status);
    sodium_bin2hex(want, sizeof want, r->output.sha256, TI_SHA256);
    bool same = strcmp(hex, want) == 0;
    ti_check_add(checks, "output", same ? TI_CHECK_OK : TI_CHECK_NO,
                 same ? "the job's %s" : "not the job's %s", r->job.output);
    return TERN_OK;
}

/* The words of its command, where they and their salt are beside the receipt. */
static tern_status check_command(ti_checks *checks, const ti_receipt *r, const char *file,
                                 tern_err *err)
{
    uint8_t salt[TI_JOB_SALT];
    char hex[TI_SHA256_HEX + 1] = "", want[TI_SHA256_HEX + 1], *text = NULL, *path;
    size_t len = 0;
    ti_buf line = {0};
    path = beside(file, "words");
    if (!path) {
        return ti_fail_nomem(err, "verify", 0, "a path");
    }
    tern_status status = ti_read_file(&text, &len, path, TI_JOB_COMMAND_MAX + 256, NULL);
    free(path);
    if (status != TERN_OK) {
        ti_check_add(checks, "command", TI_CHECK_OPEN,
                     "only who has the file 'words' of the job knows it");
        return TERN_OK;
    }
    ti_job job = {0};
    bool whole = ti_job_words_read(salt, &job, text, len);
    if (whole) {
        ti_job_commit(hex, salt, &job);
        ti_job_add_command(&line, &job);
    }
    sodium_bin2hex(want, sizeof want, r->job.command, TI_SHA256);
    bool same = whole && strcmp(hex, want) == 0;
    ti_check_add(checks, "command", same ? TI_CHECK_OK : TI_CHECK_NO,
                 same ? "%.200s" : "the file 'words' has another one",
                 line.data ? line.data : "");
    ti_buf_free(&line);
    free(text); /* the words were in it */
    return TERN_OK;
}

tern_status ti_verify_job(ti_checks *checks, const ti_receipt *receipt, const char *file,
                          const ti_verify_args *args, tern_err *err)
{
    if (args->rerun) {
        return ti_fail(err, TERN_USAGE, "verify", TI_NO_OFFSET,
                       "a job is not run again: --rerun is for answers of models");
    }
    describe(checks, receipt);
    check_carbon(checks, receipt);
    TI_TRY(check_output(checks, receipt, file, args->output, err));
    return check_command(checks, receipt, file, err);
}
