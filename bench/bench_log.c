/* SPDX-License-Identifier: Apache-2.0 */
/* usage: bench_log DIR [SECONDS [SYNC_US [THREADS [ENTRY_BYTES]]]]
 *
 * Durable appends a second of a log in the new directory DIR, with a sync that takes SYNC_US
 * longer than the disk's (5000: a disk; 0: what is there), while the same log is published
 * every 200 ms; then fsck. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledger/log.h"

enum { WINDOW = 64, THREADS_MAX = 256, PUBLISH_NS = 200000000 };

typedef struct bench {
    ti_log *log;
    size_t entry_bytes;
    atomic_bool stop;
    _Atomic uint64_t entries;
} bench;

static long sync_us;
static ti_log_io slow;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void wait_a_sync(void)
{
    struct timespec t = {.tv_sec = sync_us / 1000000, .tv_nsec = sync_us % 1000000 * 1000};
    (void)nanosleep(&t, NULL);
}

static int slow_sync(void *user, int file)
{
    wait_a_sync();
    return ti_log_io_system()->sync(user, file);
}

static int slow_sync_dir(void *user, const char *path)
{
    wait_a_sync();
    return ti_log_io_system()->sync_dir(user, path);
}

static int slow_sync_all(void *user, const char *path)
{
    wait_a_sync();
    return ti_log_io_system()->sync_all(user, path);
}

/* Keeps a few entries on their way; counts those that are durable. */
static void *append(void *arg)
{
    bench *b = arg;
    char *entry = calloc(1, b->entry_bytes + 1);
    uint64_t index[WINDOW];
    for (uint64_t round = 0; entry && !atomic_load(&b->stop); round++) {
        for (int i = 0; i < WINDOW; i++) {
            uint64_t stamp = round * WINDOW + (uint64_t)i;
            memcpy(entry, &stamp, b->entry_bytes < 8 ? b->entry_bytes : 8);
            if (ti_log_submit(b->log, entry, b->entry_bytes, &index[i], NULL) != TERN_OK) {
                goto out;
            }
        }
        if (ti_log_wait(b->log, index[WINDOW - 1], NULL) != TERN_OK) {
            break;
        }
        atomic_fetch_add(&b->entries, WINDOW);
    }
out:
    free(entry);
    return NULL;
}

static void *publish(void *arg)
{
    bench *b = arg;
    struct timespec pause = {.tv_nsec = PUBLISH_NS};
    while (!atomic_load(&b->stop) && ti_log_publish(b->log, NULL) == TERN_OK) {
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

static long number(char **argv, int argc, int i, long fallback)
{
    return argc > i ? strtol(argv[i], NULL, 10) : fallback;
}

static int run(bench *b, const char *dir, long seconds, long n)
{
    pthread_t threads[THREADS_MAX], publisher;
    ti_log_opts opts = {.io = &slow};
    ti_log_fsck_report report;
    tern_err err = {0};
    if (ti_log_create(dir, NULL, NULL, &err) != TERN_OK ||
        ti_log_open(&b->log, dir, &opts, &err) != TERN_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    uint64_t begun = now_ns();
    (void)pthread_create(&publisher, NULL, publish, b);
    for (long i = 0; i < n; i++) {
        (void)pthread_create(&threads[i], NULL, append, b);
    }
    struct timespec pause = {.tv_sec = seconds};
    (void)nanosleep(&pause, NULL);
    uint64_t durable = ti_log_durable(b->log), published = ti_log_published(b->log);
    double time_s = (double)(now_ns() - begun) * 1e-9;
    atomic_store(&b->stop, true);
    for (long i = 0; i < n; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    (void)pthread_join(publisher, NULL);
    tern_status status = ti_log_publish(b->log, &err);
    ti_log_close(b->log);
    printf("append: %.0f durable entries/s (%ld threads, %zu B, sync + %ld us), %.0f "
           "published/s\n",
           (double)durable / time_s, n, b->entry_bytes, sync_us, (double)published / time_s);
    begun = now_ns();
    double cpu_before_s = cpu_s();
    if (status == TERN_OK) {
        status = ti_log_fsck(dir, NULL, NULL, NULL, &report, &err);
    }
    if (status != TERN_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    time_s = (double)(now_ns() - begun) * 1e-9;
    cpu_before_s = cpu_s() - cpu_before_s;
    printf("fsck: %" PRIu64 " entries in %.3f s, %.3f s of CPU: %.0f entries/s a core\n",
           report.entries, time_s, cpu_before_s, (double)report.entries / cpu_before_s);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_log DIR [SECONDS [SYNC_US [THREADS [ENTRY_BYTES]]]]\n");
        return 2;
    }
    bench b = {.entry_bytes = (size_t)number(argv, argc, 5, 200)};
    long n = number(argv, argc, 4, 32);
    sync_us = number(argv, argc, 3, 5000);
    slow = *ti_log_io_system();
    slow.sync = slow_sync;
    slow.sync_dir = slow_sync_dir;
    slow.sync_all = slow.sync_all ? slow_sync_all : NULL;
    return run(&b, argv[1], number(argv, argc, 2, 5), n < THREADS_MAX ? n : THREADS_MAX);
}
