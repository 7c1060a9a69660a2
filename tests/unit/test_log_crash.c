/* SPDX-License-Identifier: Apache-2.0 */
/* A log on a disk that forgets: crashes before every call to the system, also while a crash is
 * being recovered from, failing syncs, restored backups.  What must hold: an entry that was
 * acknowledged is there and is the same; no two checkpoints that anybody could have seen
 * contradict each other; recovery never refuses what a crash can leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/log.h"
#include "log_sim.h"

enum {
    MAX_ENTRIES = 4096,
    MAX_SEEN = 1024,
    ENTRY_MAX = 900, /* bytes: some records are larger than a sector */
    ROUNDS = 6
};

typedef struct world {
    sim *sim;
    ti_log_io io;
    ti_log_opts opts;
    ti_rng rng;
    uint64_t seed;
    uint32_t next_id;
    uint32_t id_at[MAX_ENTRIES]; /* entry that was acknowledged at an index, + 1; 0 = none */
    ti_checkpoint seen[MAX_SEEN];
    size_t n_seen;
    ti_note_key key;
    bool created;
    uint8_t last[256]; /* the checkpoint that was looked at last */
    size_t last_len;
} world;

#define CHECK(w, what)                                                       \
    do {                                                                     \
        if (!(what)) {                                                       \
            fail_msg("seed %llu: %s", (unsigned long long)(w)->seed, #what); \
        }                                                                    \
    } while (0)

static uint64_t pick(world *w, uint64_t n)
{
    return ti_rng_next(&w->rng) % n;
}

/* The bytes of entry `id`. */
static size_t entry_of(uint8_t out[ENTRY_MAX], uint32_t id)
{
    ti_rng rng;
    ti_rng_seed(&rng, id);
    uint64_t r = ti_rng_next(&rng);
    size_t len = 4 + (r % 8 == 0 ? r / 8 % (ENTRY_MAX - 4) : r / 8 % 60);
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)ti_rng_next(&rng);
    }
    memcpy(out, &id, sizeof id);
    return len;
}

static void begin(world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->sim = sim_new(seed * 2 + 1);
    ti_rng_seed(&w->rng, seed);
    w->io = sim_io(w->sim, pick(w, 2));
    w->opts = (ti_log_opts){.io = &w->io, .store = "store"};
    w->opts.segment_bytes = pick(w, 2) ? 2000 : 0;
    w->opts.pending_bytes = pick(w, 4) ? 0 : 3000;
}

static void end(world *w)
{
    sim_free(w->sim);
}

/* What anybody could read from DIR/checkpoint now. */
static void look(world *w)
{
    size_t len;
    const uint8_t *note = sim_bytes(w->sim, "log/checkpoint", &len);
    const uint8_t *vkey;
    size_t vkey_len;
    ti_checkpoint c;
    if (!w->created && (vkey = sim_bytes(w->sim, "log/vkey", &vkey_len)) &&
        ti_note_key_read(&w->key, (const char *)vkey, vkey_len, NULL) == TERN_OK) {
        w->created = true;
    }
    if (!note || !w->created) {
        return;
    }
    if (len == w->last_len && memcmp(note, w->last, len) == 0) {
        return;
    }
    CHECK(w, ti_checkpoint_open(&c, (const char *)note, len, &w->key, NULL) == TERN_OK);
    CHECK(w, len <= sizeof w->last);
    memcpy(w->last, note, len);
    w->last_len = len;
    for (size_t i = 0; i < w->n_seen; i++) {
        if (w->seen[i].size == c.size) {
            CHECK(w, ti_hash_equal(&w->seen[i].root, &c.root));
            return;
        }
    }
    CHECK(w, w->n_seen < MAX_SEEN);
    w->seen[w->n_seen++] = c;
}

/* Appends and publishes at random until done or dead. */
static void work(world *w, ti_log *log)
{
    uint8_t bytes[ENTRY_MAX];
    unsigned steps = 1 + (unsigned)pick(w, 12);
    for (unsigned i = 0; i < steps; i++) {
        unsigned burst =
            pick(w, 6) == 0 ? 1 + (unsigned)pick(w, 300) : 1 + (unsigned)pick(w, 4);
        uint32_t first_id = w->next_id;
        uint64_t at[304];
        unsigned n = 0;
        tern_status status = TERN_OK;
        for (; n < burst && status == TERN_OK; n++) {
            size_t len = entry_of(bytes, w->next_id);
            status = ti_log_submit(log, bytes, len, &at[n], NULL);
            w->next_id++;
            CHECK(w, status == TERN_OK || sim_crashed(w->sim) || status == TERN_IO);
        }
        n -= status != TERN_OK;
        for (unsigned k = 0; k < n; k++) {
            if (ti_log_wait(log, at[k], NULL) == TERN_OK) {
                CHECK(w, at[k] < MAX_ENTRIES && w->id_at[at[k]] == 0);
                w->id_at[at[k]] = first_id + k + 1;
            }
        }
        if (pick(w, 3) == 0) {
            uint64_t durable = ti_log_durable(log);
            if (ti_log_publish(log, NULL) == TERN_OK) {
                look(w);
                CHECK(w, ti_log_published(log) >= durable);
            }
            look(w);
        }
        if (status != TERN_OK) {
            return;
        }
    }
}

/* Everything acknowledged is there; every checkpoint seen is of a beginning of this log. */
static void audit(world *w)
{
    ti_log *log;
    ti_log_view *view;
    tern_err err = {0};
    tern_status status = ti_log_open(&log, "log", &w->opts, &err);
    if (status != TERN_OK) {
        fail_msg("seed %llu: refused: %s", (unsigned long long)w->seed, err.message);
    }
    look(w);
    uint64_t size = ti_log_published(log);
    CHECK(w, size == ti_log_durable(log));
    ti_log_close(log);
    CHECK(w, ti_log_view_open(&view, "log", NULL, &w->io, &err) == TERN_OK);
    ti_frontier frontier = {0};
    ti_buf bundle = {0};
    ti_str items[TI_TILE_WIDTH];
    for (uint64_t i = 0; i <= size; i++) {
        ti_hash root, leaf;
        ti_frontier_root(&frontier, &root);
        for (size_t k = 0; k < w->n_seen; k++) {
            CHECK(w, w->seen[k].size != i || ti_hash_equal(&w->seen[k].root, &root));
            CHECK(w, w->seen[k].size <= size);
        }
        if (i == size) {
            break;
        }
        if (i % TI_TILE_WIDTH == 0) {
            char path[TI_TILE_PATH];
            ti_tile_id id = {TI_TILE_ENTRIES, i / TI_TILE_WIDTH, 0};
            id.width = ti_tile_width(id.level, id.index, size);
            size_t len = ti_tile_path(path, id);
            ti_buf_clear(&bundle);
            CHECK(w, ti_log_view_file(view, &bundle, path, len, &err) == TERN_OK);
            CHECK(w, ti_bundle_read(items, id.width, bundle.data, bundle.len, &err) == TERN_OK);
        }
        ti_str entry = items[i % TI_TILE_WIDTH];
        uint8_t bytes[ENTRY_MAX];
        uint32_t id;
        CHECK(w, entry.len >= sizeof id);
        memcpy(&id, entry.data, sizeof id);
        size_t len = entry_of(bytes, id);
        CHECK(w, len == entry.len && memcmp(bytes, entry.data, len) == 0);
        CHECK(w, w->id_at[i] == 0 || w->id_at[i] == id + 1);
        w->id_at[i] = id + 1;
        ti_merkle_leaf(&leaf, bytes, len);
        ti_frontier_add(&frontier, &leaf);
    }
    ti_buf_free(&bundle);
    for (uint64_t i = size; i < MAX_ENTRIES; i++) {
        CHECK(w, w->id_at[i] == 0); /* acknowledged, and lost */
    }
    ti_log_view_close(view);
}

static void check_files(world *w)
{
    ti_log_fsck_report report;
    tern_err err = {0};
    if (ti_log_fsck("log", &w->opts, NULL, NULL, &report, &err) != TERN_OK) {
        fail_msg("seed %llu: fsck: %s", (unsigned long long)w->seed, err.message);
    }
}

static sim_mode some_mode(world *w)
{
    static const sim_mode modes[] = {SIM_RANDOM, SIM_RANDOM, SIM_DROP, SIM_KEEP};
    return modes[pick(w, 4)];
}

static void create(world *w)
{
    tern_err err = {0};
    for (int tries = 0;; tries++) {
        sim_crash_at(w->sim, tries < 3 ? pick(w, 160) : UINT64_MAX);
        tern_status status = ti_log_create("log", "example.com/sim", &w->opts, &err);
        if (status == TERN_OK) {
            break;
        }
        if (status == TERN_USAGE && !sim_crashed(w->sim)) { /* an earlier attempt got so far */
            ti_log *log;
            sim_crash_at(w->sim, UINT64_MAX);
            CHECK(w, ti_log_open(&log, "log", &w->opts, &err) == TERN_OK);
            ti_log_close(log);
            break;
        }
        CHECK(w, sim_crashed(w->sim));
        sim_restart(w->sim, some_mode(w));
    }
    sim_crash_at(w->sim, UINT64_MAX);
    look(w);
}

static void live(uint64_t seed)
{
    world *w = malloc(sizeof *w);
    assert_non_null(w);
    begin(w, seed);
    create(w);
    for (int round = 0; round < ROUNDS; round++) {
        ti_log *log;
        sim_crash_at(w->sim, pick(w, 3) ? pick(w, 150) : pick(w, 30));
        if (pick(w, 5) == 0) {
            sim_fail_sync(w->sim, pick(w, 20));
        }
        if (ti_log_open(&log, "log", &w->opts, NULL) == TERN_OK) {
            look(w);
            work(w, log);
            ti_log_close(log);
        }
        look(w);
        sim_restart(w->sim, some_mode(w));
        look(w);
        if (pick(w, 3) == 0) {
            audit(w);
            sim_restart(w->sim, some_mode(w));
        }
    }
    audit(w);
    check_files(w);
    end(w);
    free(w);
}

static unsigned long from_env(const char *name, unsigned long fallback)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : fallback;
}

/* TERN_SEED=N TERN_SEEDS=1 repeats one of them. */
static void test_random_lives(void **state)
{
    (void)state;
    unsigned long first = from_env("TERN_SEED", 1), n = from_env("TERN_SEEDS", 1000);
    for (unsigned long seed = first; seed < first + n; seed++) {
        live(seed);
    }
}

/* One short life, cut before every single call, then cut again before every third call of the
 * recovery. */
static void test_every_step(void **state)
{
    world *w = malloc(sizeof *w);
    (void)state;
    assert_non_null(w);
    for (int sync_all = 0; sync_all < 2; sync_all++) {
        for (uint64_t cut = 0;; cut++) {
            begin(w, 77);
            w->io = sim_io(w->sim, sync_all);
            w->opts.segment_bytes = 2000;
            create(w);
            ti_log *log;
            sim_crash_at(w->sim, cut);
            if (ti_log_open(&log, "log", &w->opts, NULL) == TERN_OK) {
                work(w, log);
                ti_log_close(log);
            }
            look(w);
            bool crashed = sim_crashed(w->sim);
            sim_restart(w->sim, cut % 2 ? SIM_RANDOM : SIM_DROP);
            for (uint64_t again = cut % 3; crashed; again += 3) {
                sim_crash_at(w->sim, again);
                tern_status status = ti_log_open(&log, "log", &w->opts, NULL);
                if (status == TERN_OK) {
                    ti_log_close(log);
                }
                look(w);
                if (!sim_crashed(w->sim)) {
                    break;
                }
                sim_restart(w->sim, SIM_RANDOM);
            }
            sim_crash_at(w->sim, UINT64_MAX);
            sim_restart(w->sim, SIM_KEEP);
            audit(w);
            check_files(w);
            end(w);
            if (!crashed) {
                break;
            }
        }
    }
    free(w);
}

/* A handle whose sync has failed does nothing any more. */
static void test_failed_sync_is_fatal(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 12; n++) {
        world *w = malloc(sizeof *w);
        uint64_t index;
        ti_log *log;
        tern_err err = {0};
        assert_non_null(w);
        begin(w, 5);
        create(w);
        assert_int_equal(ti_log_open(&log, "log", &w->opts, &err), TERN_OK);
        sim_fail_sync(w->sim, n);
        bool failed = false;
        for (int i = 0; i < 8 && !failed; i++) {
            failed = ti_log_append(log, "x", 1, &index, &err) != TERN_OK ||
                     ti_log_publish(log, &err) != TERN_OK;
        }
        assert_true(failed);
        assert_int_equal(err.status, TERN_IO);
        uint64_t ops = sim_ops(w->sim);
        assert_int_equal(ti_log_append(log, "y", 1, &index, &err), TERN_IO);
        assert_int_equal(ti_log_publish(log, &err), TERN_IO);
        assert_int_equal(sim_ops(w->sim), ops); /* and asks nothing of the system */
        ti_log_close(log);
        end(w);
        free(w);
    }
}

static void append_some(world *w, ti_log *log, int n, const char *what)
{
    uint64_t index;
    (void)w;
    for (int i = 0; i < n; i++) {
        assert_int_equal(ti_log_append(log, what, strlen(what), &index, NULL), TERN_OK);
        assert_int_equal(ti_log_publish(log, NULL), TERN_OK);
    }
}

/* An old copy of the directory must not sign another history; nor may two copies at once. */
static void test_restored_backup(void **state)
{
    world *w = malloc(sizeof *w);
    ti_log *log, *other;
    tern_err err = {0};
    (void)state;
    assert_non_null(w);
    begin(w, 9);
    create(w);
    assert_int_equal(ti_log_open(&log, "log", &w->opts, &err), TERN_OK);
    append_some(w, log, 3, "before");
    sim *backup = sim_copy(w->sim);
    append_some(w, log, 2, "after");
    assert_int_equal(ti_log_open(&other, "log", &w->opts, &err), TERN_UNAVAILABLE);
    ti_log_close(log);

    sim_restore(w->sim, backup, "log");
    assert_int_equal(ti_log_open(&log, "log", &w->opts, &err), TERN_NO);
    assert_non_null(strstr(err.message, "an old copy: 5 entries were signed, 3 are here"));

    /* The old copy goes on elsewhere, with its own lock store, until it is longer: then it is
     * another history. */
    ti_log_opts elsewhere = w->opts;
    ti_log_io there = sim_io(backup, true);
    elsewhere.io = &there;
    sim_restart(backup, SIM_KEEP);
    assert_int_equal(ti_log_open(&log, "log", &elsewhere, &err), TERN_OK);
    append_some(w, log, 4, "elsewhere");
    ti_log_close(log);
    sim_restore(w->sim, backup, "log");
    assert_int_equal(ti_log_open(&log, "log", &w->opts, &err), TERN_NO);
    assert_non_null(strstr(err.message, "another history"));

    /* Without the lock store's record nothing is signed either. */
    w->opts.store = "nowhere";
    w->io.mkdir(w->io.user, "nowhere", 1);
    assert_int_equal(ti_log_open(&log, "log", &w->opts, &err), TERN_NO);
    sim_free(backup);
    end(w);
    free(w);
}

/* Somebody signs for the same origin while this handle is open. */
static void test_lock_store_changes(void **state)
{
    world *w = malloc(sizeof *w);
    ti_log *log;
    uint64_t index;
    size_t len;
    tern_err err = {0};
    (void)state;
    assert_non_null(w);
    begin(w, 10);
    create(w);
    assert_int_equal(ti_log_open(&log, "log", &w->opts, &err), TERN_OK);
    append_some(w, log, 2, "x");
    for (size_t i = 0; sim_path(w->sim, i); i++) {
        const char *path = sim_path(w->sim, i);
        if (strncmp(path, "store/", 6) == 0 && !strstr(path, ".lock")) {
            sim_bytes(w->sim, path, &len)[20] ^= 1;
        }
    }
    assert_int_equal(ti_log_append(log, "y", 1, &index, &err), TERN_OK);
    assert_int_equal(ti_log_publish(log, &err), TERN_NO);
    assert_int_equal(ti_log_append(log, "z", 1, &index, &err), TERN_NO);
    ti_log_close(log);
    end(w);
    free(w);
}

/* True when an entry, read through a view, is what was written; a view that refuses is fine. */
static void nothing_false_is_served(world *w)
{
    ti_log_view *view;
    if (ti_log_view_open(&view, "log", &w->key, &w->io, NULL) != TERN_OK) {
        return;
    }
    uint64_t size = ti_log_view_checkpoint(view)->size;
    CHECK(w, size == w->seen[w->n_seen - 1].size);
    for (uint64_t i = 0; i < size; i += size / 5 + 1) {
        ti_buf entry = {0};
        uint8_t bytes[ENTRY_MAX];
        if (ti_log_view_entry(view, &entry, i, NULL) == TERN_OK) {
            size_t len = entry_of(bytes, w->id_at[i] - 1);
            CHECK(w, len == entry.len && memcmp(entry.data, bytes, len) == 0);
        }
        ti_buf_free(&entry);
    }
    ti_log_view_close(view);
}

/* A served file must be the one that was there before the damage. */
static void served_or_refused(world *w, const char *path, const uint8_t *before, size_t len)
{
    ti_log_view *view;
    ti_buf out = {0};
    if (strncmp(path, "log/", 4) != 0 ||
        ti_log_view_open(&view, "log", &w->key, &w->io, NULL) != TERN_OK) {
        return;
    }
    if (ti_log_view_file(view, &out, path + 4, strlen(path + 4), NULL) == TERN_OK) {
        CHECK(w, out.len == len && memcmp(out.data, before, len) == 0);
    }
    ti_buf_free(&out);
    ti_log_view_close(view);
}

/* One bit anywhere: fsck finds it, and nothing false is handed out. */
static void test_every_flipped_bit(void **state)
{
    world *w = malloc(sizeof *w);
    ti_log *log;
    uint8_t bytes[ENTRY_MAX];
    unsigned long flips = 0, most = from_env("TERN_FLIPS", 1000);
    (void)state;
    assert_non_null(w);
    begin(w, 21);
    w->opts.segment_bytes = 30000;
    w->opts.pending_bytes = 0;
    create(w);
    assert_int_equal(ti_log_open(&log, "log", &w->opts, NULL), TERN_OK);
    for (uint32_t i = 0; i < 600; i++) {
        uint64_t index;
        size_t len = entry_of(bytes, i);
        assert_int_equal(ti_log_append(log, bytes, len, &index, NULL), TERN_OK);
        w->id_at[index] = i + 1;
        if (i % 150 == 0 || i == 599) {
            assert_int_equal(ti_log_publish(log, NULL), TERN_OK);
        }
    }
    ti_log_close(log);
    look(w);
    check_files(w);
    w->opts.store = NULL; /* that one is noted in state/store, too */
    uint64_t total = 0, done = 0;
    for (size_t i = 0; sim_path(w->sim, i); i++) {
        size_t len;
        (void)sim_bytes(w->sim, sim_path(w->sim, i), &len);
        total += len;
    }
    for (size_t i = 0; sim_path(w->sim, i); i++) {
        const char *path = sim_path(w->sim, i);
        size_t len;
        uint8_t *data = sim_bytes(w->sim, path, &len);
        uint8_t *before = malloc(len + 1);
        assert_non_null(before);
        memcpy(before, data, len);
        /* Spread over all bytes of all files, and some of each file. */
        uint64_t stride = total / most + 1;
        stride = len / 8 < stride ? len / 8 + 1 : stride;
        for (size_t at = pick(w, stride); at < len; at += (size_t)stride) {
            ti_log_fsck_report report = {0};
            data[at] ^= (uint8_t)(1u << pick(w, 8));
            if (ti_log_fsck("log", &w->opts, NULL, NULL, &report, NULL) != TERN_NO) {
                fail_msg("a flipped bit in byte %zu of %s is not noticed", at, path);
            }
            if (flips % 8 == 0) {
                nothing_false_is_served(w);
                served_or_refused(w, path, before, len);
            }
            data[at] = before[at];
            flips++;
        }
        done += len;
        free(before);
    }
    assert_int_equal(done, total);
    assert_true(flips > most / 2);
    check_files(w); /* all is as it was */
    end(w);
    free(w);
}

/* Damage before the last record is refused, by name; the last one's, beyond what was signed, is
 * a torn tail. */
static void test_damaged_wal(void **state)
{
    world *w = malloc(sizeof *w);
    ti_log *log;
    uint64_t index;
    size_t len;
    tern_err err = {0};
    (void)state;
    assert_non_null(w);
    begin(w, 31);
    w->opts.segment_bytes = 0;
    w->opts.pending_bytes = 0;
    create(w);
    assert_int_equal(ti_log_open(&log, "log", &w->opts, &err), TERN_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ti_log_append(log, "entry", 5, &index, &err), TERN_OK);
    }
    ti_log_close(log); /* not published */
    sim *whole = sim_copy(w->sim);

    uint8_t *wal = sim_bytes(w->sim, "log/wal/0000000001", &len);
    assert_non_null(wal);
    wal[48 + 48 + 3] ^= 1; /* in the first entry */
    assert_int_equal(ti_log_open(&log, "log", &w->opts, &err), TERN_CORRUPT);
    assert_non_null(strstr(err.message, "wal/0000000001"));
    wal[48 + 48 + 3] ^= 1;
    wal[len - 1] ^= 1; /* in the last one */
    assert_int_equal(ti_log_open(&log, "log", &w->opts, &err), TERN_OK);
    assert_int_equal(ti_log_published(log), 2);
    ti_log_close(log);
    end(w);

    /* The same damage when that entry was signed. */
    w->sim = whole;
    w->io = sim_io(whole, true);
    assert_int_equal(ti_log_open(&log, "log", &w->opts, &err), TERN_OK);
    assert_int_equal(ti_log_published(log), 3);
    ti_log_close(log);
    wal = sim_bytes(w->sim, "log/wal/0000000002", &len);
    assert_non_null(wal);
    wal[len - 1] ^= 1;
    assert_int_equal(ti_log_open(&log, "log", &w->opts, &err), TERN_CORRUPT);
    assert_non_null(strstr(err.message, "wal/0000000002"));
    end(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_sync_is_fatal), cmocka_unit_test(test_restored_backup),
        cmocka_unit_test(test_lock_store_changes),   cmocka_unit_test(test_damaged_wal),
        cmocka_unit_test(test_every_step),           cmocka_unit_test(test_random_lives),
        cmocka_unit_test(test_every_flipped_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
