/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/account.h"

#include <stdio.h>

#include "jobs/schedule.h"

/* 1 kWh is 3.6e12 uJ: mg/kWh times uJ over this are ug. */
#define UJ_MG_PER_UG UINT64_C(3600000000)

/* A sum of energy times intensity that neither wraps nor rounds. */
typedef struct exact {
    uint64_t ug, rest; /* rest < UJ_MG_PER_UG */
    bool too_large;
} exact;

static void add_exact(exact *sum, uint64_t energy_uj, uint32_t intensity_mg_kwh)
{
    uint64_t whole;
    sum->too_large |=
        __builtin_mul_overflow(energy_uj / UJ_MG_PER_UG, (uint64_t)intensity_mg_kwh, &whole);
    sum->rest +=
        energy_uj % UJ_MG_PER_UG * intensity_mg_kwh; /* under 2e19, as are both parts */
    sum->too_large |=
        __builtin_add_overflow(sum->ug, whole + sum->rest / UJ_MG_PER_UG, &sum->ug);
    sum->rest %= UJ_MG_PER_UG;
}

static uint64_t rounded(const exact *sum)
{
    bool up = sum->rest >= UJ_MG_PER_UG / 2;
    return sum->too_large || sum->ug == UINT64_MAX ? UINT64_MAX : sum->ug + up;
}

uint64_t ti_job_grams(uint64_t energy_uj, uint32_t intensity_mg_kwh)
{
    exact sum = {0};
    add_exact(&sum, energy_uj, intensity_mg_kwh);
    return rounded(&sum);
}

/* The mean over what a piece touches: whole seconds, at least one. */
static bool mean_over(uint32_t *mean_mg, const ti_series *series, int64_t start_ms,
                      int64_t end_ms)
{
    int64_t from_s = start_ms / 1000, to_s = (end_ms + 999) / 1000;
    return ti_series_mean(mean_mg, series, from_s, to_s > from_s ? to_s : from_s + 1);
}

static uint32_t mean_of(const exact *sum, uint64_t energy_uj)
{
    /* mg/kWh that give these grams; a double has digits enough for a mean. */
    double mg_uj = (double)sum->ug * (double)UJ_MG_PER_UG + (double)sum->rest;
    return energy_uj > 0 ? (uint32_t)(mg_uj / (double)energy_uj + 0.5) : 0;
}

/* Where a piece would be, had the job begun at another moment and never been stopped: what ran
 * side by side stays so, the times in which nothing ran are left out. */
typedef struct shifting {
    int64_t at_ms;            /* where the stretch under way begins then */
    int64_t begin_ms, end_ms; /* of that stretch as it was */
    bool any;
} shifting;

static int64_t shifted(shifting *s, const ti_job_piece *piece)
{
    if (!s->any || piece->start_ms > s->end_ms) {
        s->at_ms += s->end_ms - s->begin_ms;
        s->begin_ms = piece->start_ms;
        s->end_ms = piece->end_ms;
        s->any = true;
    }
    s->end_ms = piece->end_ms > s->end_ms ? piece->end_ms : s->end_ms;
    return s->at_ms + (piece->start_ms - s->begin_ms);
}

bool ti_job_count(ti_job_account *out, const ti_job *job, const ti_job_piece *pieces, size_t n,
                  const ti_series *series)
{
    ti_job_account a = *out;
    uint64_t sum_uj = 0;
    exact sum = {0}, now = {0};
    shifting at_once = {.at_ms = job->earliest_s * 1000};
    for (size_t i = 0; i < n; i++) {
        uint64_t energy_uj = pieces[i].energy_uj + pieces[i].idle_uj;
        int64_t now_ms = shifted(&at_once, &pieces[i]);
        uint32_t mean_mg, now_mg;
        if (!mean_over(&mean_mg, series, pieces[i].start_ms, pieces[i].end_ms) ||
            !mean_over(&now_mg, series, now_ms,
                       now_ms + (pieces[i].end_ms - pieces[i].start_ms))) {
            return false;
        }
        add_exact(&sum, energy_uj, mean_mg);
        add_exact(&now, energy_uj, now_mg);
        sum_uj += energy_uj;
    }
    if (n == 0) {
        return false;
    }
    a.has_grams = a.has_now = true;
    a.co2_ug = rounded(&sum);
    a.now_co2_ug = rounded(&now);
    a.mean_mg_kwh = mean_of(&sum, sum_uj);
    a.now_mg_kwh = mean_of(&now, sum_uj);
    *out = a;
    return true;
}

/* --- the statement --------------------------------------------------------------------------
 */

void ti_job_commit(char hex[2 * TI_SHA256_BYTES + 1], const uint8_t salt[TI_JOB_SALT],
                   const ti_job *job)
{
    static const char name[] = "tern.command/1";
    uint8_t digest[TI_SHA256_BYTES];
    ti_sha256 hash;
    ti_sha256_start(&hash);
    ti_sha256_add(&hash, name, sizeof name - 1);
    ti_sha256_add(&hash, salt, TI_JOB_SALT);
    ti_sha256_add(&hash, job->command, job->command_len);
    ti_sha256_end(&hash, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
}

static void add_energy(ti_buf *out, const ti_job_run *run)
{
    ti_json_open(out, "energy", '{');
    ti_json_uint(out, "energy_uj", run->energy_uj);
    ti_json_uint(out, "idle_uj", run->idle_uj);
    ti_json_str(out, "evidence", run->evidence);
    ti_json_str(out, "meter", run->meter);
    ti_json_uint(out, "error_permille", run->error_permille);
    ti_json_close(out, '}');
}

static void add_carbon(ti_buf *out, const ti_job_account *a)
{
    ti_json_open(out, "carbon", '{');
    ti_json_uint(out, "co2_ug", a->co2_ug);
    ti_json_uint(out, "mean_mg_kwh", a->mean_mg_kwh);
    if (a->has_now) {
        ti_json_uint(out, "now_co2_ug", a->now_co2_ug);
        ti_json_uint(out, "now_mean_mg_kwh", a->now_mg_kwh);
    }
    ti_json_str(out, "known", a->expected ? "forecast" : "actual");
    ti_json_str(out, "source", a->source);
    ti_json_close(out, '}');
}

tern_status ti_job_statement(ti_buf *out, const ti_job *job, const char *id,
                             const char *tern_version, const ti_job_output *output,
                             const char *commitment, tern_err *err)
{
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "_type", "https://in-toto.io/Statement/v1");
    ti_json_open(out, "subject", '[');
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "name", output->name);
    ti_json_open(out, "digest", '{');
    ti_json_str(out, "sha256", output->sha256);
    ti_json_close(out, '}');
    ti_json_close(out, '}');
    ti_json_close(out, ']');
    ti_json_str(out, "predicateType", TI_JOB_PREDICATE);
    ti_json_open(out, "predicate", '{');
    ti_json_str(out, "id", id);
    ti_json_str(out, "tern_version", tern_version);
    ti_json_int(out, "job", job->id);
    ti_json_str(out, "via", ti_job_via_name(job->via));
    ti_json_str(out, "state", ti_job_state_name(job->state));
    ti_json_str(out, "command_commitment", commitment);
    ti_json_int(out, "exit_code", job->run.exit_code);
    ti_json_int(out, "submitted_s", job->submitted_s);
    ti_json_int(out, "earliest_s", job->earliest_s);
    ti_json_int(out, "deadline_s", job->deadline_s);
    ti_json_int(out, "started_s", job->run.started_s);
    ti_json_int(out, "ended_s", job->run.ended_s);
    ti_json_uint(out, "ran_s", job->run.ran_s);
    ti_json_uint(out, "cpu_ns", job->run.cpu_ns);
    ti_job_json_why(out, "why", job);
    if (job->run.has_energy) {
        add_energy(out, &job->run);
    }
    if (job->account.has_grams) {
        add_carbon(out, &job->account);
    }
    ti_json_close(out, '}');
    ti_json_close(out, '}');
    return out->failed ? ti_fail_nomem(err, "jobs", out->len, "a statement") : TERN_OK;
}
