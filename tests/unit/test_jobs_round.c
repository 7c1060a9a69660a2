/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a round: what is due before what asks a network, no question inside a
 * transaction, places for few jobs at a time; a queue of an older version; grams of tasks side
 * by side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/db.h"
#include "jobs/account.h"
#include "jobs/jobd.h"
#include "jobs/places.h"
#include "jobs/queue_parts.h"
#include "jobs/schedule.h"
#include "ledger/receipt.h"

enum { HOUR = 3600, DAY = 86400, SLOTS = 48, EVENTS = 64 };
static const int64_t epoch = INT64_C(1790000000);

typedef struct grid {
    ti_slot slots[SLOTS];
    ti_series series, *list[1];
    ti_planner planner;
} grid;

/* Hours of a grid at 400 g/kWh, one of them at 50 and one at 100. */
static void make_grid(grid *g, uint32_t best, uint32_t second)
{
    memset(g, 0, sizeof *g);
    for (uint32_t i = 0; i < SLOTS; i++) {
        g->slots[i] = (ti_slot){.start_s = epoch + (int64_t)i * HOUR,
                                .length_s = HOUR,
                                .intensity_mg_kwh = i == best     ? 50000
                                                    : i == second ? 100000
                                                                  : 400000,
                                .error_mg_kwh = 10000,
                                .kind = TI_SLOT_FORECAST};
    }
    g->series = (ti_series){.slots = g->slots, .n = SLOTS, .issued_s = epoch};
    snprintf(g->series.zone, sizeof g->series.zone, "XX");
    snprintf(g->series.source, sizeof g->series.source, "test");
    g->list[0] = &g->series;
    assert_int_equal(ti_plan_open(&g->planner, (const ti_series *const *)g->list, 1, NULL),
                     TERN_OK);
}

typedef struct event {
    char what; /* S = a keeper was started, P = a forecast was asked for */
    int64_t job;
} event;

typedef struct world {
    int64_t now_s, slow_s; /* a question takes so long */
    ti_queue *queue;
    grid grid;
    event events[EVENTS];
    size_t n;
    int64_t next_pid;
    bool suspended, gone;
} world;

static void note(world *w, char what, int64_t job)
{
    assert_true(w->n < EVENTS);
    w->events[w->n++] = (event){what, job};
}

static int64_t now(void *self)
{
    const world *w = self;
    return w->now_s;
}

static void look(void *self, const ti_job *job, ti_job_view *view, ti_job_run *run)
{
    const world *w = self;
    (void)job;
    (void)run;
    view->keeper = w->gone ? TI_KEEPER_ELSEWHERE : TI_KEEPER_ALIVE;
    view->suspended = w->suspended;
}

static tern_status prepare(void *self, const ti_job *job, uint32_t attempt,
                           ti_job_process *keeper, tern_err *err)
{
    world *w = self;
    (void)attempt;
    (void)err;
    note(w, 'S', job->id);
    *keeper = (ti_job_process){.pid = ++w->next_pid};
    return TERN_OK;
}

static void release(void *self, bool go)
{
    (void)self;
    assert_true(go);
}

static tern_status send(void *self, const ti_job *job, ti_act act, tern_err *err)
{
    note(self, act == TI_ACT_SUSPEND ? '-' : act == TI_ACT_RESUME ? '+' : 'T', job->id);
    (void)err;
    return TERN_OK;
}

static tern_status planner(void *self, const ti_job *job, ti_planner **out, const char **source,
                           tern_err *err)
{
    world *w = self;
    (void)err;
    assert_true(sqlite3_get_autocommit(w->queue->db) != 0); /* others can write meanwhile */
    note(w, 'P', job->id);
    w->now_s += w->slow_s;
    *out = &w->grid.planner;
    *source = "XX, test";
    return TERN_OK;
}

static const ti_jobd_io functions = {.now = now,
                                     .look = look,
                                     .prepare = prepare,
                                     .release = release,
                                     .signal = send,
                                     .planner = planner};

static void open_world(world *w, ti_jobd_io *io)
{
    memset(w, 0, sizeof *w);
    w->now_s = epoch;
    make_grid(&w->grid, 9, 12);
    assert_int_equal(ti_queue_open(&w->queue, NULL, NULL), TERN_OK);
    *io = functions;
    io->self = w;
}

static void close_world(world *w, ti_jobd *d)
{
    ti_plan_close(&w->grid.planner);
    ti_jobd_close(d);
    ti_queue_close(w->queue);
}

/* A job of an hour in a day; planned for `start_s` when that is not 0.  Its number. */
static int64_t add(world *w, uint32_t flags, int64_t start_s)
{
    char word[] = "true", *words[] = {word};
    bool done;
    ti_job j = {.flags = flags, .submitted_s = epoch, .earliest_s = epoch};
    j.deadline_s = epoch + DAY;
    j.shortest_s = j.longest_s = HOUR;
    assert_int_equal(ti_job_set_command(&j, words, 1, NULL), TERN_OK);
    assert_int_equal(ti_queue_add(w->queue, &j, NULL, NULL, NULL), TERN_OK);
    if (start_s > 0) {
        j.plan.made_s = epoch;
        j.plan.start_s = start_s;
        j.plan.end_s = start_s + HOUR;
        assert_int_equal(ti_queue_plan(w->queue, &done, &j, NULL), TERN_OK);
    }
    int64_t id = j.id;
    ti_job_free(&j);
    return id;
}

static ti_job get(world *w, int64_t id)
{
    ti_job j;
    assert_int_equal(ti_queue_get(w->queue, &j, id, NULL), TERN_OK);
    return j;
}

/* --- the order ------------------------------------------------------------------------------
 */

static void test_due_before_planned(void **state)
{
    world w;
    ti_jobd_io io;
    int64_t wake;
    (void)state;
    open_world(&w, &io);
    ti_jobd d = {.queue = w.queue, .io = &io};
    int64_t later = add(&w, 0, 0), due = add(&w, 0, epoch);
    assert_int_equal(ti_jobd_round(&d, &wake, NULL), TERN_OK);
    assert_true(w.n >= 2);
    assert_int_equal(w.events[0].what, 'S');
    assert_int_equal(w.events[0].job, due);
    assert_int_equal(w.events[1].what, 'P');
    assert_int_equal(w.events[1].job, later);
    close_world(&w, &d);
}

/* A question that takes long does not hold up more than itself. */
static void test_slow_network(void **state)
{
    world w;
    ti_jobd_io io;
    int64_t wake;
    (void)state;
    open_world(&w, &io);
    w.slow_s = 100;
    ti_jobd d = {.queue = w.queue, .io = &io};
    for (int i = 0; i < 4; i++) {
        (void)add(&w, 0, epoch + 20 * HOUR);
    }
    int64_t soon = add(&w, 0, epoch + 50);
    assert_int_equal(ti_jobd_round(&d, &wake, NULL),
                     TERN_OK); /* one question, then it starts */
    assert_int_equal(w.n, 2);
    assert_int_equal(w.events[0].what, 'P');
    assert_int_equal(w.events[1].what, 'S');
    assert_int_equal(w.events[1].job, soon);
    assert_true(wake <= w.now_s); /* it goes on */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ti_jobd_round(&d, &wake, NULL), TERN_OK);
    }
    assert_int_equal(w.n, 5);
    for (size_t i = 2; i < 5; i++) {
        assert_int_equal(w.events[i].what, 'P');
        assert_int_equal(w.events[i].job, i);
    }
    close_world(&w, &d);
}

/* A page full of jobs that wait for a place is no reason to ask again each second. */
static void test_full_page_sleeps(void **state)
{
    world w;
    ti_jobd_io io;
    int64_t wake;
    (void)state;
    open_world(&w, &io);
    ti_jobd d = {.queue = w.queue, .io = &io, .parallel = 1, .replanned_s = epoch};
    for (int i = 0; i < TI_JOBD_PAGE + 10; i++) {
        (void)add(&w, 0, epoch);
    }
    assert_int_equal(ti_jobd_round(&d, &wake, NULL), TERN_OK);
    assert_int_equal(w.n, 1);
    assert_int_equal(wake, epoch + 1); /* one was started */
    w.now_s++;
    assert_int_equal(ti_jobd_round(&d, &wake, NULL), TERN_OK);
    assert_int_equal(w.n, 1);
    assert_true(wake >= epoch + TI_JOBD_WATCH_S);
    close_world(&w, &d);
}

/* What a keeper did by itself is noted; what one on another machine does is not judged. */
static void test_keepers_of_others(void **state)
{
    world w;
    ti_jobd_io io;
    ti_job j;
    int64_t wake;
    bool done;
    (void)state;
    open_world(&w, &io);
    ti_jobd d = {.queue = w.queue, .io = &io, .replanned_s = epoch};
    int64_t id = add(&w, TI_JOB_INTERRUPTIBLE, epoch);
    assert_int_equal(ti_jobd_round(&d, &wake, NULL), TERN_OK);
    j = get(&w, id);
    assert_int_equal(ti_queue_move(w.queue, &done, &j, TI_JOB_SUSPENDED, NULL), TERN_OK);
    ti_job_free(&j);
    w.now_s = epoch + DAY - HOUR; /* it must run, and does */
    d.replanned_s = w.now_s;
    assert_int_equal(ti_jobd_round(&d, &wake, NULL), TERN_OK);
    j = get(&w, id);
    assert_int_equal(j.state, TI_JOB_RUNNING);
    ti_job_free(&j);
    w.gone = w.suspended = true;
    size_t n = w.n;
    assert_int_equal(ti_queue_cancel(w.queue, &j, id, NULL), TERN_OK);
    ti_job_free(&j);
    assert_int_equal(ti_jobd_round(&d, &wake, NULL), TERN_OK);
    j = get(&w, id);
    assert_int_equal(j.state, TI_JOB_RUNNING);
    assert_int_equal(w.n, n);
    ti_job_free(&j);
    close_world(&w, &d);
}

/* --- places ---------------------------------------------------------------------------------
 */

static void test_places(void **state)
{
    ti_places p;
    int64_t from, to;
    (void)state;
    assert_int_equal(ti_places_open(&p, 2, epoch, NULL), TERN_OK);
    ti_places_take(&p, epoch + HOUR, epoch + 3 * HOUR);
    assert_false(ti_places_full(&p, epoch, epoch + DAY, &from, &to));
    ti_places_take(&p, epoch + 2 * HOUR, epoch + 5 * HOUR);
    assert_true(ti_places_full(&p, epoch, epoch + DAY, &from, &to));
    assert_in_range(from, epoch + 2 * HOUR - 60, epoch + 2 * HOUR);
    assert_in_range(to, epoch + 3 * HOUR, epoch + 3 * HOUR + 60);
    assert_false(ti_places_full(&p, epoch, from, &from, &to));
    assert_false(ti_places_full(&p, to, epoch + DAY, &from, &to));
    ti_places_take(&p, epoch - DAY, epoch + 99 * (int64_t)DAY); /* cut to the table */
    ti_places_take(&p, epoch + 99 * (int64_t)DAY, epoch + 100 * (int64_t)DAY);
    assert_true(ti_places_full(&p, epoch + HOUR, epoch + HOUR + 1, &from, &to));
    assert_false(
        ti_places_full(&p, epoch + 99 * (int64_t)DAY, epoch + 100 * (int64_t)DAY, &from, &to));
    ti_places_close(&p);
    assert_int_equal(ti_places_open(&p, 0, epoch, NULL), TERN_OK);
    ti_places_take(&p, epoch, epoch + DAY);
    assert_false(ti_places_full(&p, epoch, epoch + DAY, &from, &to));
    ti_places_close(&p);
}

/* With one place, jobs are planned one after the other, the best hours first. */
static void test_plans_with_one_place(void **state)
{
    world w;
    ti_jobd_io io;
    ti_job jobs[3];
    (void)state;
    open_world(&w, &io);
    ti_jobd d = {.queue = w.queue, .io = &io, .parallel = 1};
    for (int i = 0; i < 3; i++) {
        (void)add(&w, 0, 0);
    }
    assert_int_equal(ti_jobd_replan(&d, epoch, NULL, NULL), TERN_OK);
    for (int i = 0; i < 3; i++) {
        jobs[i] = get(&w, i + 1);
        for (int k = 0; k < i; k++) {
            assert_true(jobs[i].plan.start_s >= jobs[k].plan.end_s ||
                        jobs[k].plan.start_s >= jobs[i].plan.end_s);
        }
        assert_true(jobs[i].plan.end_s <= jobs[i].deadline_s);
    }
    assert_in_range(jobs[0].plan.start_s, epoch + 9 * HOUR - 60, epoch + 9 * HOUR + 60);
    assert_in_range(jobs[1].plan.start_s, epoch + 12 * HOUR - 60, epoch + 12 * HOUR + 60);
    assert_non_null(strstr(jobs[1].plan.details, "others have the places"));
    assert_int_equal(jobs[1].plan.now_mg_kwh, 400000); /* of the hour in which it was asked */
    d.parallel = 0;
    assert_int_equal(ti_jobd_replan(&d, epoch, NULL, NULL), TERN_OK);
    for (int i = 0; i < 3; i++) {
        ti_job_free(&jobs[i]);
        jobs[i] = get(&w, i + 1);
        assert_in_range(jobs[i].plan.start_s, epoch + 9 * HOUR - 60, epoch + 9 * HOUR + 60);
        ti_job_free(&jobs[i]);
    }
    close_world(&w, &d);
}

/* --- the queue's file -----------------------------------------------------------------------
 */

/* The schema that version 1 made, without the indexes; with one job that waits. */
static const char version_1[] =
    "CREATE TABLE job (id INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL,"
    " via INTEGER NOT NULL, flags INTEGER NOT NULL, cancel INTEGER NOT NULL, name TEXT NOT "
    "NULL, zone TEXT NOT NULL, external TEXT NOT NULL, submitted INTEGER NOT NULL,"
    " earliest INTEGER NOT NULL, deadline INTEGER NOT NULL, shortest INTEGER NOT NULL,"
    " longest INTEGER NOT NULL, min_slice INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    " keeper_pid INTEGER NOT NULL, keeper_start INTEGER NOT NULL, keeper_boot TEXT NOT NULL,"
    " plan_made INTEGER NOT NULL, plan_start INTEGER NOT NULL, plan_end INTEGER NOT NULL,"
    " plan_mean INTEGER NOT NULL, plan_now INTEGER NOT NULL, plan_source TEXT NOT NULL,"
    " plan_details TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,"
    " ran INTEGER NOT NULL, exit_code INTEGER NOT NULL, signal INTEGER NOT NULL,"
    " energy INTEGER, idle INTEGER NOT NULL, cpu INTEGER NOT NULL, error INTEGER NOT NULL,"
    " evidence TEXT NOT NULL, meter TEXT NOT NULL, account INTEGER NOT NULL,"
    " expected INTEGER NOT NULL, co2 INTEGER, now_co2 INTEGER, account_mean INTEGER NOT NULL,"
    " account_now INTEGER NOT NULL, account_source TEXT NOT NULL, log_index INTEGER,"
    " command BLOB NOT NULL, latest INTEGER NOT NULL) STRICT;"
    "CREATE INDEX due ON job (min(latest, CASE WHEN plan_made = 0 THEN 0 ELSE plan_start END))"
    " WHERE state <= 1 AND via = 0;"
    "CREATE INDEX uncounted ON job (id) WHERE state >= 4 AND account = 0;"
    "INSERT INTO job VALUES (7, 0, 0, 0, 0, 'old', 'XX', '', 1, 1, 9, 1, 1, 0, 0, 0, 0, '', 0,"
    " 0, 0, 0, 0, '', '', 0, 0, 0, 0, 0, NULL, 0, 0, 0, '', '', 0, 0, NULL, NULL, 0, 0, '',"
    " NULL, x'7472756500', 3);"
    "PRAGMA user_version = 1;";

static void test_older_queue(void **state)
{
    char dir[] = "/tmp/test_jobs_XXXXXX", file[64];
    sqlite3 *db;
    ti_queue *q;
    ti_job j;
    uint64_t n;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/queue.db", dir);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, version_1, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    for (int i = 0; i < 2; i++) { /* once it is brought up to date, then it is */
        assert_int_equal(ti_queue_open(&q, dir, NULL), TERN_OK);
        assert_int_equal(ti_queue_get(q, &j, 7, NULL), TERN_OK);
        assert_string_equal(j.name, "old");
        assert_string_equal(ti_job_word(&j, NULL), "true");
        assert_null(j.grid);
        assert_string_equal(j.keeper.host, "");
        ti_job_free(&j);
        assert_int_equal(ti_queue_count(q, &n, TI_JOBS_UNPLANNED, epoch, NULL), TERN_OK);
        assert_int_equal(n, 1);
        ti_queue_close(q);
    }
    /* Neither changed nor used when others may enter. */
    struct stat st;
    assert_int_equal(chmod(dir, 0750), 0);
    assert_int_equal(ti_queue_open(&q, dir, NULL), TERN_USAGE);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
    assert_int_equal(chmod(dir, 0700), 0);
    snprintf(file, sizeof file, "%s/queue.db", dir);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* Whoever comes while somebody else makes the queue waits for that. */
static void test_made_by_many(void **state)
{
    enum { ROUNDS = 10, PEOPLE = 8 };
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        char dir[] = "/tmp/test_jobs_XXXXXX", file[64];
        pid_t people[PEOPLE];
        assert_non_null(mkdtemp(dir));
        for (int i = 0; i < PEOPLE; i++) {
            people[i] = fork();
            assert_int_not_equal(people[i], -1);
            if (people[i] == 0) {
                ti_queue *q;
                tern_status status = ti_queue_open(&q, dir, NULL);
                _exit(status == TERN_OK ? 0 : 1);
            }
        }
        for (int i = 0; i < PEOPLE; i++) {
            int status;
            assert_int_equal(waitpid(people[i], &status, 0), people[i]);
            assert_int_equal(status, 0);
        }
        static const char *const parts[] = {"queue.db", "queue.db-wal", "queue.db-shm"};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            snprintf(file, sizeof file, "%s/%s", dir, parts[i]);
            (void)unlink(file);
        }
        assert_int_equal(rmdir(dir), 0);
    }
}

static void test_shared(void **state)
{
    (void)state;
    assert_true(ti_db_is_shared_type(0x6969));        /* NFS */
    assert_true(ti_db_is_shared_type(0xff534d42));    /* CIFS */
    assert_true(ti_db_is_shared_type(0x0bd00bd0));    /* Lustre */
    assert_false(ti_db_is_shared_type(0xef53));       /* ext4 */
    assert_false(ti_db_is_shared_type(0x9123683e));   /* btrfs */
    assert_false(ti_db_is_shared_type(0x01021994));   /* tmpfs */
    assert_false(ti_db_is_shared("/does/not/exist")); /* then it fails for another reason */
}

static void test_kept(void **state)
{
    ti_queue *q;
    char word[] = "true", *words[] = {word};
    ti_job j = {.deadline_s = DAY, .shortest_s = 1, .longest_s = 1}, got;
    ti_job_process keeper = {.pid = 5, .start = 6, .boot = "b", .host = "name/0123"};
    bool done;
    (void)state;
    assert_int_equal(ti_queue_open(&q, NULL, NULL), TERN_OK);
    assert_int_equal(ti_job_set_command(&j, words, 1, NULL), TERN_OK);
    j.grid = strdup("{\"file\":\"/x\"}");
    assert_int_equal(ti_queue_add(q, &j, NULL, NULL, NULL), TERN_OK);
    assert_int_equal(ti_queue_claim(q, &done, &j, &keeper, NULL), TERN_OK);
    assert_int_equal(ti_queue_get(q, &got, j.id, NULL), TERN_OK);
    assert_string_equal(got.grid, "{\"file\":\"/x\"}");
    assert_string_equal(got.keeper.host, "name/0123");
    assert_int_equal(ti_queue_remove(q, &done, &got, NULL), TERN_OK);
    assert_true(done);
    assert_int_equal(ti_queue_remove(q, &done, &got, NULL), TERN_OK);
    assert_false(done);
    ti_job_free(&got);
    int64_t id = j.id;
    assert_int_equal(ti_queue_add(q, &j, NULL, NULL, NULL), TERN_OK);
    assert_true(j.id > id); /* a number is given once */
    ti_job_free(&j);
    ti_queue_close(q);
}

/* --- accounts -------------------------------------------------------------------------------
 */

/* Two tasks side by side, a gap, and another attempt: at once, the tasks would still run side
 * by side, and the gap would not be. */
static void test_count_tasks(void **state)
{
    enum { KWH = 1000 };
    const uint64_t kwh_uj = UINT64_C(3600000000000);
    grid g;
    ti_job j = {.earliest_s = epoch + HOUR};
    ti_job_account a = {.log_index = -1};
    (void)state;
    make_grid(&g, 1, 2); /* the hours at once: 50 and 100 g/kWh; all others 400 */
    const int64_t at = (epoch + 10 * HOUR) * KWH, hour = (int64_t)HOUR * KWH;
    const ti_job_piece pieces[] = {
        {at, at + hour, kwh_uj, 0},
        {at, at + hour, kwh_uj, 0},
        {at + 3 * hour, at + 4 * hour, kwh_uj, 0},
    };
    assert_true(ti_job_count(&a, &j, pieces, 3, &g.series));
    assert_int_equal(a.co2_ug, 3 * 400 * UINT64_C(1000000));
    assert_int_equal(a.now_co2_ug, (50 + 50 + 100) * UINT64_C(1000000));
    ti_plan_close(&g.planner);
}

static void test_commitment(void **state)
{
    char hex[65], other[65], a[] = "a", b[] = "b c", ab[] = "ab", *words[] = {a, b},
                             *joined[] = {ab};
    uint8_t salt[TI_JOB_SALT] = {0};
    ti_job j = {0};
    (void)state;
    assert_int_equal(ti_job_set_command(&j, words, 2, NULL), TERN_OK);
    ti_job_commit(hex, salt, &j);
    /* sha256sum of "tern.command/1", 32 bytes of zero, and "a\0b c\0" */
    assert_string_equal(hex,
                        "a4379451a17b6d7ad2b56d56ba8cbcea2faec4a1763005b47df818e8e61c4178");
    salt[31] = 1;
    ti_job_commit(other, salt, &j);
    assert_string_not_equal(hex, other);
    salt[31] = 0;
    assert_int_equal(ti_job_set_command(&j, joined, 1, NULL), TERN_OK);
    ti_job_commit(other, salt, &j);
    assert_string_not_equal(hex, other);
    ti_job_free(&j);
}

/* Who writes a job's receipt and who reads it may not include each other: one type for both. */
static void test_predicate(void **state)
{
    (void)state;
    assert_string_equal(TI_JOB_PREDICATE, TI_PREDICATE_JOB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due_before_planned),
        cmocka_unit_test(test_slow_network),
        cmocka_unit_test(test_full_page_sleeps),
        cmocka_unit_test(test_keepers_of_others),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_plans_with_one_place),
        cmocka_unit_test(test_older_queue),
        cmocka_unit_test(test_made_by_many),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_count_tasks),
        cmocka_unit_test(test_commitment),
        cmocka_unit_test(test_predicate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
