/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of jobs/step.h, the files of a job, the queue, and the daemon's round in a world
 * whose clock jumps, whose machine reboots and whose daemon dies between any two steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "jobs/account.h"
#include "jobs/batch.h"
#include "jobs/jobd.h"
#include "jobs/schedule.h"
#include "jobs/spec.h"
#include "jobs/status.h"
#include "oom.h"

enum { HOUR = 3600, DAY = 86400 };
static const int64_t epoch = INT64_C(1790000000);

/* --- rules ----------------------------------------------------------------------------------
 */

static ti_job job_of(uint32_t flags)
{
    ti_job j = {.id = 1, .flags = flags};
    j.submitted_s = j.earliest_s = epoch;
    j.deadline_s = epoch + DAY;
    j.shortest_s = j.longest_s = HOUR;
    return j;
}

static void planned(ti_job *j, int64_t start_s)
{
    j->state = TI_JOB_PLANNED;
    j->plan.made_s = epoch;
    j->plan.start_s = start_s;
}

static void test_step_waiting(void **state)
{
    ti_job j = job_of(0);
    ti_job_view v = {.now_s = epoch, .place = true};
    int64_t wake, latest = epoch + DAY - HOUR - TI_JOB_LEAD_S;
    (void)state;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_PLAN);
    planned(&j, epoch + 5 * HOUR);
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_NONE);
    assert_int_equal(wake, epoch + 5 * HOUR);
    v.now_s = epoch + 5 * HOUR;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_START);
    v.place = false; /* others run: it waits, but not too long */
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_NONE);
    assert_int_equal(wake, latest);
    v.now_s = latest;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_START);
    v.now_s = epoch + 9 * DAY; /* the machine was off */
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_START);
    j.flags = TI_JOB_SKIP_LATE;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_MISS);
    j.cancel = true;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_CANCEL);
    j = job_of(0);
    j.earliest_s = epoch + 2 * HOUR;
    planned(&j, epoch + 3 * HOUR);
    v = (ti_job_view){.now_s = epoch + HOUR, .place = true};
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_NONE);
    assert_int_equal(wake, epoch + 2 * HOUR);
    v.now_s = epoch - TI_JOB_CLOCK_S - 1; /* a clock that cannot be right */
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_START);
    v.now_s = epoch - TI_JOB_CLOCK_S; /* one that was set a little */
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_NONE);
    j.state = TI_JOB_DONE;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_NONE);
    assert_int_equal(wake, INT64_MAX);
}

static void test_step_active(void **state)
{
    ti_job j = job_of(0);
    ti_job_view v = {.now_s = epoch + HOUR, .keeper = TI_KEEPER_ALIVE};
    (void)state;
    planned(&j, epoch);
    j.state = TI_JOB_RUNNING;
    j.attempt = 1;
    assert_int_equal(ti_job_step(&j, &v, NULL), TI_ACT_NONE);
    v.keeper = TI_KEEPER_ENDED;
    assert_int_equal(ti_job_step(&j, &v, NULL), TI_ACT_FINISH);
    v.keeper = TI_KEEPER_UNBORN;
    assert_int_equal(ti_job_step(&j, &v, NULL), TI_ACT_REQUEUE);
    v.keeper = TI_KEEPER_GONE;
    assert_int_equal(ti_job_step(&j, &v, NULL), TI_ACT_INTERRUPT);
    j.flags = TI_JOB_RESTARTABLE;
    assert_int_equal(ti_job_step(&j, &v, NULL), TI_ACT_REQUEUE);
    j.attempt = TI_JOB_ATTEMPTS_MAX;
    assert_int_equal(ti_job_step(&j, &v, NULL), TI_ACT_INTERRUPT);
    v.keeper = TI_KEEPER_UNBORN; /* a keeper that can never begin is not tried for ever */
    assert_int_equal(ti_job_step(&j, &v, NULL), TI_ACT_INTERRUPT);
    v.keeper = TI_KEEPER_GONE;
    j.attempt = 1;
    j.cancel = true;
    assert_int_equal(ti_job_step(&j, &v, NULL), TI_ACT_CANCEL);
    v.keeper = TI_KEEPER_UNBORN;
    assert_int_equal(ti_job_step(&j, &v, NULL), TI_ACT_CANCEL);
    v.keeper = TI_KEEPER_ALIVE;
    assert_int_equal(ti_job_step(&j, &v, NULL), TI_ACT_TERMINATE);
    v.keeper = TI_KEEPER_ENDED;
    assert_int_equal(ti_job_step(&j, &v, NULL), TI_ACT_FINISH);
    assert_int_equal(ti_job_end_state(&j, 143), TI_JOB_CANCELLED);
    assert_int_equal(ti_job_end_state(&j, 0), TI_JOB_DONE);
    j.cancel = false;
    assert_int_equal(ti_job_end_state(&j, 3), TI_JOB_FAILED);
}

static void test_step_suspending(void **state)
{
    ti_job j = job_of(TI_JOB_INTERRUPTIBLE);
    ti_job_view v = {.now_s = epoch + HOUR, .keeper = TI_KEEPER_ALIVE, .ran_s = 600};
    int64_t wake, latest = epoch + DAY - (HOUR - 600) - TI_JOB_LEAD_S;
    (void)state;
    planned(&j, epoch);
    j.state = TI_JOB_RUNNING;
    v.slice_end_s = epoch + 4 * HOUR;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_SUSPEND);
    v.suspended = true;
    j.state = TI_JOB_SUSPENDED;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_NONE);
    assert_int_equal(wake, epoch + 4 * HOUR);
    v.in_slice = true;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_NONE); /* others have all places */
    v.place = true;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_RESUME);
    v.suspended = v.place = false;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_NONE); /* it has one itself */
    v.suspended = true;
    v.in_slice = false;
    v.now_s = latest - 1;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_NONE);
    assert_int_equal(wake, latest);
    v.now_s = latest; /* what is left just fits */
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_RESUME);
    v.now_s = epoch + HOUR;
    v.ran_s = HOUR; /* takes longer than was said: it is let be */
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_RESUME);
    v.ran_s = 600;
    v.now_s = epoch - DAY;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_RESUME);
    j.flags = 0; /* somebody asked for it by hand */
    v.now_s = epoch + HOUR;
    assert_int_equal(ti_job_step(&j, &v, &wake), TI_ACT_RESUME);
}

/* --- files ----------------------------------------------------------------------------------
 */

static void test_spec(void **state)
{
    char sh[] = "sh", flag[] = "-c", none[] = "", odd[] = "\xff\n", a[] = "A=1", b[] = "B=\xfe";
    char *argv[] = {sh, flag, none, odd, NULL}, *envp[] = {a, b, NULL};
    ti_job_spec spec = {
        .cwd = "/tmp/a b", .umask = 022, .argv = argv, .argc = 4, .envp = envp, .n_env = 2};
    ti_job_spec got;
    ti_buf text = {0};
    (void)state;
    assert_int_equal(ti_job_spec_write(&text, &spec, NULL), TERN_OK);
    for (long n = 0;; n++) {
        oom_fail_at(n);
        tern_status status = ti_job_spec_read(&got, text.data, text.len, NULL);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
    }
    assert_string_equal(got.cwd, "/tmp/a b");
    assert_int_equal(got.umask, 022);
    assert_int_equal(got.argc, 4);
    assert_string_equal(got.argv[3], "\xff\n");
    assert_null(got.argv[4]);
    assert_string_equal(got.envp[1], "B=\xfe");
    assert_null(got.envp[2]);
    ti_job_spec_free(&got);
    for (size_t len = 0; len < text.len; len++) {
        assert_int_equal(ti_job_spec_read(&got, text.data, len, NULL), TERN_CORRUPT);
    }
    ti_buf_addc(&text, 'x');
    assert_int_equal(ti_job_spec_read(&got, text.data, text.len, NULL), TERN_CORRUPT);
    ti_buf_free(&text);
}

static void test_status(void **state)
{
    ti_job_status s = {
        .keeper = {7, 8, "boot", ""}, .command = {9, 10, "boot", ""}, .suspended = true};
    ti_job_status got;
    ti_buf text = {0}, again = {0};
    (void)state;
    s.run = (ti_job_run){.started_s = epoch,
                         .ran_s = 5,
                         .exit_code = 3,
                         .has_energy = true,
                         .energy_uj = 12,
                         .idle_uj = 13,
                         .cpu_ns = 14,
                         .error_permille = 350,
                         .evidence = "modelled",
                         .meter = "a \"meter\""};
    for (int i = 0; i < 20; i++) {
        ti_job_piece piece = {epoch * 1000 + i, epoch * 1000 + i + 1, 5, 6};
        assert_int_equal(ti_job_status_add(&s, &piece, NULL), TERN_OK);
    }
    assert_int_equal(ti_job_status_write(&text, &s, NULL), TERN_OK);
    for (long n = 0;; n++) {
        oom_fail_at(n);
        tern_status status = ti_job_status_read(&got, text.data, text.len, NULL);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
    }
    assert_int_equal(ti_job_status_write(&again, &got, NULL), TERN_OK);
    assert_string_equal(text.data, again.data);
    ti_job_status_free(&got);
    for (size_t len = 0; len + 1 < text.len; len++) {
        assert_int_equal(ti_job_status_read(&got, text.data, len, NULL), TERN_CORRUPT);
    }
    static const char *const wrong[][2] = {
        {"\"pid\":7", "\"pid\":-7"},
        {"status/1", "status/2"},
        {"\"ended\":false", "\"ended\":0"},
        {"\"boot\":\"boot\"", "\"boot\":\"0123456789012345678901234567890123456789\""},
        {"\"cpu_ns\":14", "\"cpu_ms\":14"},
        {",5,6]", ",5]"},
        {"\"exit_code\":3", "\"exit_code\":300"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *at = strstr(text.data, wrong[i][0]);
        assert_non_null(at);
        ti_buf_clear(&again);
        ti_buf_add(&again, text.data, (size_t)(at - text.data));
        ti_buf_adds(&again, wrong[i][1]);
        ti_buf_adds(&again, at + strlen(wrong[i][0]));
        assert_int_equal(ti_job_status_read(&got, again.data, again.len, NULL), TERN_CORRUPT);
    }
    ti_job_status_free(&s);
    ti_buf_free(&text);
    ti_buf_free(&again);
}

static void test_command(void **state)
{
    ti_job j = {0};
    ti_buf text = {0};
    char make[] = "make", j2[] = "-j2", two[] = "a b", none[] = "", its[] = "it's";
    char *words[] = {make, j2, two, none, its};
    (void)state;
    assert_int_equal(ti_job_set_command(&j, words, 0, NULL), TERN_USAGE);
    assert_int_equal(ti_job_set_command(&j, words, 5, NULL), TERN_OK);
    ti_job_add_command(&text, &j);
    assert_string_equal(text.data, "make -j2 'a b' '' 'it'\\''s'");
    ti_buf_free(&text);
    ti_job_free(&j);
}

/* --- the queue ------------------------------------------------------------------------------
 */

static ti_queue *open_queue(void)
{
    ti_queue *q;
    assert_int_equal(ti_queue_open(&q, NULL, NULL), TERN_OK);
    return q;
}

static void add(ti_queue *q, ti_job *j)
{
    char word[] = "true", *words[] = {word};
    assert_int_equal(ti_job_set_command(j, words, 1, NULL), TERN_OK);
    assert_int_equal(ti_queue_add(q, j, NULL, NULL, NULL), TERN_OK);
}

static void same_job(const ti_job *a, const ti_job *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->cancel, b->cancel);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->zone, b->zone);
    assert_int_equal(a->deadline_s, b->deadline_s);
    assert_int_equal(a->keeper.pid, b->keeper.pid);
    assert_int_equal(a->keeper.start, b->keeper.start);
    assert_string_equal(a->keeper.boot, b->keeper.boot);
    assert_int_equal(a->plan.start_s, b->plan.start_s);
    assert_memory_equal(&a->run, &b->run, sizeof a->run);
    assert_int_equal(a->account.has_grams, b->account.has_grams);
    assert_int_equal(a->account.co2_ug, b->account.co2_ug);
    assert_int_equal(a->account.has_now, b->account.has_now);
    assert_int_equal(a->account.log_index, b->account.log_index);
    assert_int_equal(a->command_len, b->command_len);
    assert_memory_equal(a->command, b->command, a->command_len);
}

static tern_status refuse(void *user, const ti_job *job, tern_err *err)
{
    *(int64_t *)user = job->id;
    return ti_fail(err, TERN_IO, "test", TI_NO_OFFSET, "no");
}

static void test_queue(void **state)
{
    ti_queue *q = open_queue();
    ti_job j = job_of(TI_JOB_RESTARTABLE), got, stale;
    ti_job_process keeper = {.pid = 42, .start = 43, .boot = "b"};
    bool done;
    int64_t seen = 0, wake;
    uint64_t n;
    (void)state;
    assert_int_equal(ti_queue_add(q, &j, refuse, &seen, NULL), TERN_IO);
    assert_int_equal(seen, 1);
    assert_int_equal(ti_queue_count(q, &n, TI_JOBS_ALL, epoch, NULL), TERN_OK);
    assert_int_equal(n, 0);
    snprintf(j.name, sizeof j.name, "first");
    add(q, &j);
    assert_int_equal(ti_queue_get(q, &got, 77, NULL), TERN_NO);
    assert_int_equal(ti_queue_get(q, &stale, j.id, NULL), TERN_OK);
    same_job(&j, &stale);
    j.plan.made_s = epoch;
    j.plan.start_s = epoch + HOUR;
    assert_int_equal(ti_queue_plan(q, &done, &j, NULL), TERN_OK);
    assert_true(done);
    assert_int_equal(j.state, TI_JOB_PLANNED);
    assert_int_equal(ti_queue_wake(q, &wake, epoch, NULL), TERN_OK);
    assert_int_equal(wake, epoch + HOUR);
    assert_int_equal(ti_queue_wake(q, &wake, epoch + 2 * HOUR, NULL), TERN_OK);
    assert_int_equal(wake, ti_job_latest_s(&j, 0));
    assert_int_equal(ti_queue_count(q, &n, TI_JOBS_DUE, epoch, NULL), TERN_OK);
    assert_int_equal(n, 0);
    assert_int_equal(ti_queue_count(q, &n, TI_JOBS_DUE, epoch + HOUR, NULL), TERN_OK);
    assert_int_equal(n, 1);
    assert_int_equal(ti_queue_count(q, &n, TI_JOBS_DUE, epoch - DAY, NULL), TERN_OK);
    assert_int_equal(n, 1);
    /* What was decided from an older state does not happen. */
    assert_int_equal(ti_queue_claim(q, &done, &stale, &keeper, NULL), TERN_OK);
    assert_false(done);
    assert_int_equal(ti_queue_claim(q, &done, &j, &keeper, NULL), TERN_OK);
    assert_true(done);
    assert_int_equal(j.attempt, 1);
    assert_int_equal(ti_queue_get(q, &got, j.id, NULL), TERN_OK);
    same_job(&j, &got);
    assert_int_equal(ti_queue_move(q, &done, &stale, TI_JOB_DONE, NULL), TERN_OK);
    assert_false(done);
    ti_job_free(&stale);
    ti_job_free(&got);
    /* Cancelled while it runs: the daemon's own changes do not undo that. */
    assert_int_equal(ti_queue_cancel(q, &got, j.id, NULL), TERN_OK);
    assert_true(got.cancel);
    assert_int_equal(got.state, TI_JOB_RUNNING);
    ti_job_free(&got);
    j.run = (ti_job_run){.started_s = epoch, .has_energy = true, .energy_uj = 5, .meter = "m"};
    assert_int_equal(ti_queue_move(q, &done, &j, TI_JOB_SUSPENDED, NULL), TERN_OK);
    assert_true(done);
    assert_int_equal(ti_queue_get(q, &got, j.id, NULL), TERN_OK);
    assert_true(got.cancel);
    j.cancel = true;
    same_job(&j, &got);
    ti_job_free(&got);
    assert_int_equal(ti_queue_move(q, &done, &j, TI_JOB_CANCELLED, NULL), TERN_OK);
    j.account = (ti_job_account){
        .state = TI_ACCOUNT_GRAMS, .has_grams = true, .co2_ug = 9, .log_index = 4};
    assert_int_equal(ti_queue_count(q, &n, TI_JOBS_UNCOUNTED, epoch, NULL), TERN_OK);
    assert_int_equal(n, 1);
    assert_int_equal(ti_queue_account(q, &done, &j, NULL), TERN_OK);
    assert_int_equal(ti_queue_get(q, &got, j.id, NULL), TERN_OK);
    same_job(&j, &got);
    ti_job_free(&got);
    assert_int_equal(ti_queue_count(q, &n, TI_JOBS_UNCOUNTED, epoch, NULL), TERN_OK);
    assert_int_equal(n, 0);
    ti_job_free(&j);
    j = job_of(0);
    add(q, &j);
    assert_int_equal(ti_queue_cancel(q, &got, j.id, NULL), TERN_OK);
    assert_int_equal(got.state, TI_JOB_CANCELLED);
    assert_int_equal(ti_queue_claim(q, &done, &j, &keeper, NULL), TERN_OK);
    assert_false(done);
    assert_int_equal(ti_queue_cancel(q, &got, 99, NULL), TERN_NO);
    ti_job_free(&got);
    ti_job_free(&j);
    ti_queue_close(q);
}

/* --- planning -------------------------------------------------------------------------------
 */

enum { SLOTS = 48 };

typedef struct grid {
    ti_slot slots[SLOTS];
    ti_series series, *list[1];
    ti_planner planner;
} grid;

/* Hours from `from_s` on; clean ones at `low`. */
static void make_grid(grid *g, int64_t from_s, const uint32_t *mg)
{
    memset(g, 0, sizeof *g);
    for (uint32_t i = 0; i < SLOTS; i++) {
        g->slots[i] = (ti_slot){.start_s = from_s + (int64_t)i * HOUR,
                                .length_s = HOUR,
                                .intensity_mg_kwh = mg[i],
                                .error_mg_kwh = 10000,
                                .kind = TI_SLOT_FORECAST};
    }
    g->series = (ti_series){.slots = g->slots, .n = SLOTS, .issued_s = from_s};
    snprintf(g->series.zone, sizeof g->series.zone, "XX");
    snprintf(g->series.source, sizeof g->series.source, "test");
    g->list[0] = &g->series;
    assert_int_equal(ti_plan_open(&g->planner, (const ti_series *const *)g->list, 1, NULL),
                     TERN_OK);
}

static void test_decide(void **state)
{
    uint32_t mg[SLOTS];
    grid g;
    ti_job j = job_of(0);
    ti_job_view v;
    ti_buf json = {0};
    (void)state;
    for (int i = 0; i < SLOTS; i++) {
        mg[i] = i == 7 || i == 15 ? 50000 : 400000;
    }
    make_grid(&g, epoch, mg);
    assert_int_equal(ti_job_decide(&j, &g.planner, "XX, test", epoch, 0, NULL, NULL), TERN_OK);
    assert_true(j.plan.start_s >= epoch + 6 * HOUR && j.plan.start_s <= epoch + 16 * HOUR);
    assert_int_equal(j.plan.now_mg_kwh, 400000);
    assert_string_equal(j.plan.source, "XX, test");
    ti_job_json_why(&json, NULL, &j);
    assert_non_null(strstr(json.data, "waiting"));
    ti_buf_free(&json);
    j.flags = TI_JOB_INTERRUPTIBLE;
    j.longest_s = 2 * HOUR;
    assert_int_equal(ti_job_decide(&j, &g.planner, "XX, test", epoch, 0, NULL, NULL), TERN_OK);
    static const struct {
        int64_t at, change;
        bool in;
    } looks[] = {{0, 7, false}, {7, 8, true}, {8, 15, false}, {15, 16, true}, {30, 0, true}};
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        v = (ti_job_view){.now_s = epoch + looks[i].at * HOUR};
        ti_job_look_at_plan(&v, &j);
        assert_int_equal(v.in_slice, looks[i].in);
        assert_int_equal(v.slice_end_s, looks[i].change ? epoch + looks[i].change * HOUR : 0);
    }
    /* An hour is done: the cleanest of what is left. */
    assert_int_equal(
        ti_job_decide(&j, &g.planner, "XX, test", epoch + 8 * HOUR, HOUR, NULL, NULL), TERN_OK);
    v = (ti_job_view){.now_s = epoch + 8 * HOUR};
    ti_job_look_at_plan(&v, &j);
    assert_false(v.in_slice);
    /* Nothing to choose. */
    j.deadline_s = epoch + HOUR;
    assert_int_equal(ti_job_decide(&j, &g.planner, "", epoch + 2 * HOUR, 0, NULL, NULL),
                     TERN_OK);
    assert_int_equal(j.plan.start_s, epoch + 2 * HOUR);
    j.min_slice_s = 900; /* pieces of at least that: what fits is looked for in steps */
    j.deadline_s = epoch + 6 * HOUR;
    assert_int_equal(ti_job_decide(&j, &g.planner, "", epoch, 0, NULL, NULL), TERN_OK);
    assert_true(j.plan.end_s <= j.deadline_s);
    j.min_slice_s = 0;
    for (long n = 0;; n++) {
        oom_fail_at(n);
        j.deadline_s = epoch + DAY;
        tern_status status = ti_job_decide(&j, &g.planner, "", epoch, 0, NULL, NULL);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
    }
    ti_plan_close(&g.planner);
    ti_job_free(&j);
}

/* --- grams ----------------------------------------------------------------------------------
 */

static void test_count(void **state)
{
    uint32_t mg[SLOTS];
    grid g;
    ti_job j = job_of(0);
    ti_job_account a = {.log_index = -1};
    const ti_job_output output = {.name = "stdout", .sha256 = "00"};
    ti_buf text = {0};
    (void)state;
    for (uint32_t i = 0; i < SLOTS; i++) {
        mg[i] = 100000 + 1000 * i;
    }
    make_grid(&g, epoch, mg);
    /* Half an hour of each of two hours, 1 kWh and 3 kWh; and idle joules. */
    const ti_job_piece pieces[] = {
        {(epoch + 2 * HOUR) * 1000, (epoch + 2 * HOUR + 1800) * 1000, 3600000000000, 0},
        {(epoch + 9 * HOUR) * 1000, (epoch + 9 * HOUR + 1800) * 1000, 3600000000000,
         7200000000000},
    };
    assert_true(ti_job_count(&a, &j, pieces, 2, &g.series));
    assert_int_equal(a.co2_ug, (102 + 3 * 109) * UINT64_C(1000000));
    assert_int_equal(a.now_co2_ug, 4 * 100 * UINT64_C(1000000));
    assert_int_equal(a.mean_mg_kwh, 107250);
    assert_int_equal(a.now_mg_kwh, 100000);
    /* Not covered: nothing is said. */
    const ti_job_piece late = {(epoch + 47 * HOUR) * 1000, (epoch + 49 * HOUR) * 1000, 5, 5};
    ti_job_account b = a;
    assert_false(ti_job_count(&b, &j, &late, 1, &g.series));
    assert_false(ti_job_count(&b, &j, pieces, 0, &g.series));
    j.earliest_s = epoch - 10;
    assert_false(ti_job_count(&b, &j, pieces, 2, &g.series));
    assert_memory_equal(&a, &b, sizeof a);
    /* Many small pieces are rounded once: 1,000 of 1 mJ at 100 g/kWh are 27.8 ug. */
    ti_job_piece many[1000];
    for (int i = 0; i < 1000; i++) {
        many[i] = (ti_job_piece){epoch * 1000 + i, epoch * 1000 + i + 1, 1000, 0};
    }
    j.earliest_s = epoch;
    assert_true(ti_job_count(&a, &j, many, 1000, &g.series));
    assert_int_equal(a.co2_ug, 28);
    assert_int_equal(a.mean_mg_kwh, 100000);
    assert_int_equal(ti_job_grams(UINT64_MAX, UINT32_MAX), UINT64_MAX);
    assert_int_equal(ti_job_grams(UINT64_MAX, 1), 5124095576);
    j.account = a;
    j.run.has_energy = true;
    char word[] = "true", *words[] = {word};
    assert_int_equal(ti_job_set_command(&j, words, 1, NULL), TERN_OK);
    assert_int_equal(ti_job_statement(&text, &j, "ID", "1.0", &output, "c0", NULL), TERN_OK);
    assert_non_null(strstr(text.data, "\"predicateType\":\"urn:tern:job:v2\""));
    assert_non_null(strstr(text.data, "\"co2_ug\":28,\"mean_mg_kwh\":100000"));
    assert_non_null(strstr(text.data, "{\"name\":\"stdout\",\"digest\":{\"sha256\":\"00\"}}"));
    ti_buf_free(&text);
    ti_job_free(&j);
    ti_plan_close(&g.planner);
}

/* --- other schedulers -----------------------------------------------------------------------
 */

static void test_slurm_texts(void **state)
{
    static const struct {
        const char *text;
        size_t lines;
        ti_job_state state;
        int32_t code;
    } lists[] = {
        {"", 0, 0, 0},
        {"slurm_load_jobs error: Invalid job id\n", 0, 0, 0},
        {"PENDING\n", 1, TI_JOB_PLANNED, 0},
        {"PENDING\nRUNNING\nCOMPLETED\n", 3, TI_JOB_RUNNING, 0},
        {"COMPLETED\nPENDING", 2, TI_JOB_PLANNED, 0},
        {"COMPLETED|0:0\nCOMPLETED|0:0\n", 2, TI_JOB_DONE, 0},
        {"COMPLETED|0:0\nFAILED|7:0\n", 2, TI_JOB_FAILED, 7},
        {"CANCELLED by 1000|0:15\n", 1, TI_JOB_CANCELLED, 143},
        {"NODE_FAIL|1:0\n", 1, TI_JOB_INTERRUPTED, 1},
        {"TIMEOUT|x\nnonsense\n\n", 1, TI_JOB_FAILED, 0},
        {"COMPLETEDX\n", 0, 0, 0},
    };
    ti_slurm_seen seen;
    char id[TI_JOB_EXTERNAL_MAX + 1], begin[32];
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        ti_slurm_read(&seen, lists[i].text, strlen(lists[i].text));
        assert_int_equal(seen.lines, lists[i].lines);
        assert_int_equal(seen.state, lists[i].state);
        assert_int_equal(seen.exit_code, lists[i].code);
    }
    assert_true(ti_slurm_id(id, "17\n"));
    assert_string_equal(id, "17");
    assert_true(ti_slurm_id(id, "18;big\n"));
    assert_string_equal(id, "18");
    assert_false(ti_slurm_id(id, "Submitted batch job 17"));
    assert_false(ti_slurm_id(id, ""));
    assert_false(ti_slurm_id(id, "17x"));
    ti_slurm_begin(begin, epoch + 100, epoch);
    assert_string_equal(begin, "now+100");
    ti_slurm_begin(begin, epoch - 100, epoch);
    assert_string_equal(begin, "now+0");
}

static void test_batch_quoting(void **state)
{
    ti_batch_keeper k = {.tern = "/a b/100%/it's$x\"\\", .dir = "/q", .id = 7};
    ti_buf text = {0};
    ti_job j = job_of(0);
    char exe[] = "x", quote[] = "a\\\\\"b", tail[] = "c d\\", none[] = "", bell[] = "\a",
         odd[] = "\xff";
    char *words[] = {exe, quote, tail, none};
    (void)state;
    assert_int_equal(ti_systemd_service(&text, &k, NULL), TERN_OK);
    assert_non_null(
        strstr(text.data, "ExecStart=\"/a b/100%%/it's$$x\\\"\\\\\" jobd --keep 7"));
    ti_buf_clear(&text);
    assert_int_equal(ti_slurm_script(&text, &k, NULL), TERN_OK);
    assert_non_null(
        strstr(text.data, "exec '/a b/100%/it'\\''s$x\"\\' jobd --queue '/q' --keep 7"));
    ti_buf_clear(&text);
    k.dir = "/a\nExecStartPre=x";
    assert_int_equal(ti_systemd_service(&text, &k, NULL), TERN_USAGE);
    j.plan.start_s = INT64_C(1767236400);
    ti_buf_clear(&text);
    assert_int_equal(ti_systemd_timer(&text, &j, true, NULL), TERN_OK);
    assert_non_null(strstr(text.data, "OnCalendar=2026-01-01 03:00:00 UTC\n"));
    assert_non_null(strstr(text.data, "WakeSystem=true\n"));
    ti_buf_clear(&text);
    assert_int_equal(ti_job_set_command(&j, words, 4, NULL), TERN_OK);
    assert_int_equal(ti_windows_task(&text, &j, NULL), TERN_OK);
    assert_non_null(strstr(text.data, "<StartBoundary>2026-01-01T03:00:00Z</StartBoundary>"));
    assert_non_null(
        strstr(text.data, "<Arguments>\"a\\\\\\\\\\\"b\" \"c d\\\\\" \"\"</Arguments>"));
    words[1] = bell;
    assert_int_equal(ti_job_set_command(&j, words, 4, NULL), TERN_OK);
    assert_int_equal(ti_windows_task(&text, &j, NULL), TERN_USAGE);
    words[1] = odd;
    assert_int_equal(ti_job_set_command(&j, words, 4, NULL), TERN_OK);
    assert_int_equal(ti_windows_task(&text, &j, NULL), TERN_USAGE);
    ti_buf_clear(&text);
    static const unsigned char utf16[] = {0xff, 0xfe, 'A', 0, 0xe9, 0, 0x3d, 0xd8, 0x00, 0xde};
    assert_int_equal(ti_windows_encode(&text, "A\xc3\xa9\xf0\x9f\x98\x80", 7, NULL), TERN_OK);
    assert_int_equal(text.len, sizeof utf16);
    assert_memory_equal(text.data, utf16, sizeof utf16);
    ti_buf_free(&text);
    ti_job_free(&j);
}

/* --- the world ------------------------------------------------------------------------------
 */

enum { JOBS = 8, ATTEMPTS = 64 };

typedef struct body { /* of a job, in the world */
    bool marked[ATTEMPTS], ended[ATTEMPTS];
    bool restartable;
    uint32_t starts, broken; /* commands started; ended by a reboot */
    int64_t pid;             /* of its keeper, 0 = none */
    uint32_t attempt;        /* of that keeper */
    bool at_gate, suspended;
    int64_t left_s, ran_s; /* of work */
    uint32_t length_s;     /* what it really takes */
} body;

typedef struct world {
    int64_t true_s, offset_s; /* the clock shows the sum */
    uint64_t boot;
    int64_t next_pid;
    body bodies[JOBS + 1]; /* by id */
    int64_t gate;          /* job at the gate, 0 = none */
    long fuse;             /* calls until the daemon dies; < 0 = never */
    bool dead, no_forecast;
    ti_rng rng;
    grid grid;
} world;

static uint64_t pick(world *w, uint64_t n)
{
    return ti_rng_next(&w->rng) % n;
}

/* The daemon dies in this call: before it does something, or after. */
static bool dies(world *w)
{
    if (w->dead) {
        return true;
    }
    if (w->fuse >= 0 && w->fuse-- == 0) {
        w->dead = true;
    }
    return w->dead;
}

static tern_status dead(tern_err *err)
{
    return ti_fail(err, TERN_CANCELLED, "test", TI_NO_OFFSET, "the daemon is dead");
}

static int64_t w_now(void *self)
{
    const world *w = self;
    return w->true_s + w->offset_s;
}

static void w_look(void *self, const ti_job *job, ti_job_view *view, ti_job_run *run)
{
    world *w = self;
    const body *b = &w->bodies[job->id];
    view->ran_s = (uint32_t)b->ran_s;
    view->suspended = b->suspended;
    if (b->ended[job->attempt]) {
        view->keeper = TI_KEEPER_ENDED;
        run->exit_code = 0;
        run->ran_s = (uint32_t)b->ran_s;
    } else if (b->pid != 0 && b->pid == job->keeper.pid && job->keeper.start == w->boot) {
        view->keeper = TI_KEEPER_ALIVE;
    } else {
        view->keeper = b->marked[job->attempt] ? TI_KEEPER_GONE : TI_KEEPER_UNBORN;
    }
}

static tern_status w_prepare(void *self, const ti_job *job, uint32_t attempt,
                             ti_job_process *keeper, tern_err *err)
{
    world *w = self;
    body *b = &w->bodies[job->id];
    if (w->dead) {
        return dead(err);
    }
    assert_true(b->pid == 0); /* never two at a time */
    assert_true(attempt < ATTEMPTS);
    b->pid = ++w->next_pid;
    b->attempt = attempt;
    b->at_gate = true;
    w->gate = job->id;
    *keeper = (ti_job_process){.pid = b->pid, .start = w->boot};
    return dies(w) ? dead(err) : TERN_OK;
}

static void close_gate(world *w)
{
    if (w->gate) {
        w->bodies[w->gate].pid = 0;
        w->bodies[w->gate].at_gate = false;
        w->gate = 0;
    }
}

static void w_release(void *self, bool go)
{
    world *w = self;
    if (dies(w)) {
        return; /* the gate is closed by its death */
    }
    body *b = &w->bodies[w->gate];
    if (!go) {
        close_gate(w);
        return;
    }
    assert_false(b->marked[b->attempt]);
    assert_true(b->starts == b->broken); /* never again while it ran well */
    assert_true(b->starts == 0 || b->restartable);
    b->marked[b->attempt] = true;
    b->at_gate = false;
    b->starts++;
    b->left_s = b->length_s;
    b->ran_s = 0;
    b->suspended = false;
    w->gate = 0;
}

static tern_status w_signal(void *self, const ti_job *job, ti_act act, tern_err *err)
{
    world *w = self;
    body *b = &w->bodies[job->id];
    if (w->dead) {
        return dead(err);
    }
    if (act == TI_ACT_TERMINATE) {
        b->ended[b->attempt] = true;
        b->pid = 0;
    } else {
        b->suspended = act == TI_ACT_SUSPEND;
    }
    return dies(w) ? dead(err) : TERN_OK;
}

static tern_status w_planner(void *self, const ti_job *job, ti_planner **out,
                             const char **source, tern_err *err)
{
    world *w = self;
    assert_true(job->id > 0);
    if (w->no_forecast) {
        return ti_fail(err, TERN_UNAVAILABLE, "test", TI_NO_OFFSET, "the source is down");
    }
    *out = &w->grid.planner;
    *source = "XX, test";
    return TERN_OK;
}

static const ti_jobd_io w_io = {.now = w_now,
                                .look = w_look,
                                .prepare = w_prepare,
                                .release = w_release,
                                .signal = w_signal,
                                .planner = w_planner};

/* Time passes: keepers work whether the daemon lives or not. */
static void pass(world *w, int64_t seconds)
{
    w->true_s += seconds;
    for (int id = 1; id <= JOBS; id++) {
        body *b = &w->bodies[id];
        if (b->pid == 0 || b->at_gate || b->suspended) {
            continue;
        }
        int64_t worked = seconds < b->left_s ? seconds : b->left_s;
        b->ran_s += worked;
        b->left_s -= worked;
        if (b->left_s == 0) {
            b->ended[b->attempt] = true;
            b->pid = 0;
        }
    }
}

static void reboot(world *w)
{
    w->boot++;
    w->gate = 0;
    for (int id = 1; id <= JOBS; id++) {
        body *b = &w->bodies[id];
        if (b->pid != 0 && !b->at_gate) {
            b->broken++;
        }
        b->pid = 0;
        b->at_gate = false;
        b->suspended = false;
    }
}

static void check_nothing_overdue(world *w, ti_queue *q)
{
    ti_jobs jobs;
    int64_t now_s = w_now(w);
    assert_int_equal(ti_queue_list(q, &jobs, TI_JOBS_WAITING, now_s, 0, JOBS, NULL), TERN_OK);
    for (size_t i = 0; i < jobs.n; i++) {
        const ti_job *j = &jobs.items[i];
        assert_true(now_s < ti_job_latest_s(j, 0) || now_s < j->earliest_s);
        assert_false(ti_job_clock_is_odd(j, now_s));
    }
    ti_jobs_free(&jobs);
}

static void new_world(world *w, ti_queue *q, uint64_t seed)
{
    uint32_t mg[SLOTS];
    memset(w, 0, sizeof *w);
    ti_rng_seed(&w->rng, seed);
    w->true_s = epoch;
    w->fuse = -1;
    for (int i = 0; i < SLOTS; i++) {
        mg[i] = 20000 + (uint32_t)pick(w, 400000);
    }
    make_grid(&w->grid, epoch, mg);
    for (int i = 1; i <= JOBS; i++) {
        ti_job j = job_of((uint32_t)pick(w, 4));
        j.longest_s = j.shortest_s = 600 + (uint32_t)pick(w, 6 * HOUR);
        j.deadline_s = epoch + j.longest_s + (int64_t)pick(w, 30 * HOUR);

        add(q, &j);
        w->bodies[j.id].length_s = j.longest_s - (uint32_t)pick(w, 300);
        w->bodies[j.id].restartable = j.flags & TI_JOB_RESTARTABLE;
        ti_job_free(&j);
    }
}

static void check_end(world *w, ti_queue *q, bool troubled)
{
    ti_jobs jobs;
    assert_int_equal(ti_queue_list(q, &jobs, TI_JOBS_ALL, 0, 0, JOBS, NULL), TERN_OK);
    assert_int_equal(jobs.n, JOBS);
    for (size_t i = 0; i < jobs.n; i++) {
        const ti_job *j = &jobs.items[i];
        const body *b = &w->bodies[j->id];
        if (j->state == TI_JOB_INTERRUPTED) {
            assert_true(troubled);
            assert_true(b->broken > 0);
            assert_true(!b->restartable || j->attempt >= TI_JOB_ATTEMPTS_MAX);
        } else {
            assert_int_equal(j->state, TI_JOB_DONE);
            assert_true(b->left_s == 0);
        }
        assert_int_equal(b->starts, b->broken + (j->state == TI_JOB_DONE));
    }
    ti_jobs_free(&jobs);
}

/* With a daemon that lives, all deadlines are kept, also when the source goes down and with few
 * places. */
static void test_world_in_time(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        ti_queue *q = open_queue();
        world w;
        new_world(&w, q, seed);
        ti_jobd_io io = w_io;
        io.self = &w;
        ti_jobd d = {.queue = q, .io = &io, .parallel = (uint32_t)(seed % 3)};
        uint64_t open = JOBS;
        for (int round = 0; open > 0; round++) {
            int64_t wake;
            assert_true(round < 5000);
            w.no_forecast = pick(&w, 8) == 0;
            assert_int_equal(ti_jobd_round(&d, &wake, NULL), TERN_OK);
            check_nothing_overdue(&w, q);
            int64_t wait = wake - w_now(&w);
            wait = wait < 1 ? 1 : wait > 600 ? 600 : wait; /* a keeper's end wakes it too */
            for (int id = 1; id <= JOBS; id++) {
                const body *b = &w.bodies[id];
                bool runs = b->pid && !b->suspended;
                wait = runs && b->left_s < wait ? b->left_s : wait;
            }
            pass(&w, wait < 1 ? 1 : wait);
            assert_int_equal(ti_queue_count(q, &open, TI_JOBS_OPEN, 0, NULL), TERN_OK);
        }
        check_end(&w, q, false);
        ti_plan_close(&w.grid.planner);
        ti_jobd_close(&d);
        ti_queue_close(q);
    }
}

/* With everything that can happen, nothing is lost and nothing runs twice. */
static void test_world_in_ruins(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        ti_queue *q = open_queue();
        world w;
        new_world(&w, q, seed * 7919);
        ti_jobd_io io = w_io;
        io.self = &w;
        ti_jobd d = {.queue = q, .io = &io, .parallel = (uint32_t)(seed % 3)};
        uint64_t open = JOBS;
        for (int round = 0; open > 0; round++) {
            int64_t wake;
            bool calm = round > 150; /* even so it must end */
            w.fuse = calm || pick(&w, 2) ? -1 : (long)pick(&w, 6);
            w.no_forecast = pick(&w, 4) == 0;
            tern_status status = ti_jobd_round(&d, &wake, NULL);
            assert_true(round < 3000);
            if (w.dead) { /* and another one comes */
                ti_queue_rollback(q);
                close_gate(&w);
                w.dead = false;
                ti_jobd_close(&d);
                d = (ti_jobd){.queue = q, .io = &io, .parallel = d.parallel};
            } else {
                assert_int_equal(status, TERN_OK);
                check_nothing_overdue(&w, q);
            }
            pass(&w, 1 + (int64_t)pick(&w, calm ? 7200 : 1800));
            if (!calm && pick(&w, 12) == 0) {
                reboot(&w);
            }
            if (!calm && pick(&w, 10) == 0) {
                w.offset_s += (int64_t)pick(&w, 4 * HOUR) - 2 * HOUR;
            }
            if (!calm && pick(&w, 40) == 0) {
                w.offset_s = -40 * (int64_t)DAY; /* a clock without a battery */
            }
            assert_int_equal(ti_queue_count(q, &open, TI_JOBS_OPEN, 0, NULL), TERN_OK);
        }
        check_end(&w, q, true);
        ti_plan_close(&w.grid.planner);
        ti_jobd_close(&d);
        ti_queue_close(q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step_waiting),    cmocka_unit_test(test_step_active),
        cmocka_unit_test(test_step_suspending), cmocka_unit_test(test_spec),
        cmocka_unit_test(test_status),          cmocka_unit_test(test_command),
        cmocka_unit_test(test_queue),           cmocka_unit_test(test_decide),
        cmocka_unit_test(test_count),           cmocka_unit_test(test_slurm_texts),
        cmocka_unit_test(test_batch_quoting),   cmocka_unit_test(test_world_in_time),
        cmocka_unit_test(test_world_in_ruins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
