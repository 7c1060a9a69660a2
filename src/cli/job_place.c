/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/places.h"
#include "cli/process.h"

/* --- paths ----------------------------------------------------------------------------------
 */

/* What was asked for, as it was said. */
static tern_status find(char **out, const char *given, tern_err *err)
{
    ti_buf path = {0};
    char here[PATH_MAX];
    given = given ? given : getenv("TERN_JOBS");
    if (!given || !*given) {
        return ti_place_path(out, TI_PLACE_DATA, "jobs", err);
    }
    if (*given != '/' && getcwd(here, sizeof here)) {
        ti_buf_addf(&path, "%s/", here);
    }
    ti_buf_adds(&path, given);
    if (path.failed) {
        ti_buf_free(&path);
        return ti_fail_nomem(err, "jobs", strlen(given), "a path");
    }
    *out = path.data;
    return TERN_OK;
}

tern_status ti_job_directory(char **out, const char *given, bool make, tern_err *err)
{
    char *said;
    TI_TRY(find(&said, given, err));
    tern_status status = make ? ti_make_private_directory(said, err) : TERN_OK;
    if (status != TERN_OK) {
        free(said);
        return status;
    }
    char *dir = realpath(said, NULL); /* without "..", and one name for who comes by a link */
    if (!dir && errno == ENOENT && !make) {
        *out = said; /* nothing is there */
        return TERN_OK;
    }
    if (!dir) {
        status = ti_fail_errno(err, errno, "jobs", "cannot find '%s'", said);
    } else {
        *out = dir;
    }
    free(said);
    return status;
}

static tern_status is_empty(bool *out, const char *dir, tern_err *err)
{
    char *path;
    TI_TRY(ti_queue_path(&path, dir, 0, "queue.db", err));
    *out = access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
    free(path);
    return TERN_OK;
}

tern_status ti_job_place_open(ti_job_place *out, const char *given, bool make, tern_err *err)
{
    bool empty = false;
    *out = (ti_job_place){0};
    TI_TRY(ti_job_directory(&out->dir, given, make, err));
    tern_status status = make ? TERN_OK : is_empty(&empty, out->dir, err);
    if (status == TERN_OK) { /* who only reads makes nothing: an empty queue, in memory */
        status = ti_queue_open(&out->queue, empty ? NULL : out->dir, err);
    }
    if (status != TERN_OK) {
        ti_job_place_close(out);
    }
    return status;
}

void ti_job_place_close(ti_job_place *place)
{
    ti_queue_close(place->queue);
    free(place->dir);
    *place = (ti_job_place){0};
}

tern_status ti_job_id(int64_t *out, const char *text, tern_err *err)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0 || *end || end == text || n <= 0) {
        return ti_fail(err, TERN_USAGE, "jobs", TI_NO_OFFSET, "'%.40s' is no number of a job",
                       text);
    }
    *out = n;
    return TERN_OK;
}

tern_status ti_job_file(char **out, const char *dir, int64_t id, const char *name,
                        uint32_t attempt, const char *task, tern_err *err)
{
    ti_buf file = {0};
    ti_buf_adds(&file, name);
    if (attempt > 0) {
        ti_buf_addf(&file, ".%u", (unsigned)attempt);
    }
    if (task && *task) {
        ti_buf_addf(&file, ".%s", task);
    }
    tern_status status = file.failed ? ti_fail_nomem(err, "jobs", strlen(name), "a path")
                                     : ti_queue_path(out, dir, id, file.data, err);
    ti_buf_free(&file);
    return status;
}

/* --- files ----------------------------------------------------------------------------------
 */

tern_status ti_job_mark_load(ti_job_mark *out, const char *dir, int64_t id, uint32_t attempt,
                             const char *task, tern_err *err)
{
    enum { MARK_MAX = 4096 };
    char *path, *text = NULL;
    size_t len;
    struct stat st;
    TI_TRY(ti_job_file(&path, dir, id, "mark", attempt, task, err));
    tern_status status = TERN_OK;
    if (stat(path, &st) != 0) {
        status = errno == ENOENT
                     ? ti_fail(err, TERN_NO, "jobs", TI_NO_OFFSET, "it was not begun")
                     : ti_fail_errno(err, errno, "jobs", "cannot look at '%s'", path);
    } else {
        status = ti_read_file(&text, &len, path, MARK_MAX, err);
    }
    free(path);
    TI_TRY(status);
    ti_job_mark mark = {.made_s = st.st_mtime};
    if (!ti_process_read(&mark.keeper, text)) {
        mark.keeper = (ti_job_process){0};
    }
    free(text);
    *out = mark;
    return TERN_OK;
}

tern_status ti_job_status_load(ti_job_status *out, const char *dir, int64_t id,
                               uint32_t attempt, const char *task, tern_err *err)
{
    char *path, *text = NULL;
    size_t len = 0;
    TI_TRY(ti_job_file(&path, dir, id, "status", attempt, task, err));
    tern_status status = TERN_OK;
    if (access(path, F_OK) != 0) {
        status =
            errno == ENOENT
                ? ti_fail(err, TERN_NO, "jobs", TI_NO_OFFSET, "nothing is known of this run")
                : ti_fail_errno(err, errno, "jobs", "cannot look at '%s'", path);
    } else {
        status = ti_read_file(&text, &len, path, TI_STATUS_MAX, err);
    }
    free(path);
    TI_TRY(status);
    status = ti_job_status_read(out, text, len, err);
    free(text);
    return status;
}

/* Adds what another keeper wrote; of a newer attempt than all so far, or not. */
static tern_status merge(ti_job_status *all, const ti_job_status *s, bool newer, bool first,
                         tern_err *err)
{
    const ti_job_run sum = all->run;
    for (size_t i = 0; i < s->n_pieces; i++) {
        TI_TRY(ti_job_status_add(all, &s->pieces[i], err));
    }
    if (first || newer) {
        all->keeper = s->keeper;
        all->command = s->command;
        all->suspended = s->suspended;
        all->run = s->run;
    }
    all->ended = s->ended && (first || all->ended);
    if (!first) {
        ti_job_run *run = &all->run;
        run->started_s = s->run.started_s < sum.started_s ? s->run.started_s : sum.started_s;
        run->ended_s = s->run.ended_s > sum.ended_s ? s->run.ended_s : sum.ended_s;
        run->ran_s = s->run.ran_s > sum.ran_s ? s->run.ran_s : sum.ran_s;
        run->exit_code = sum.exit_code ? sum.exit_code : s->run.exit_code;
        run->signal = sum.exit_code ? sum.signal : s->run.signal;
        run->has_energy = s->run.has_energy || sum.has_energy;
        run->energy_uj = s->run.energy_uj + sum.energy_uj;
        run->idle_uj = s->run.idle_uj + sum.idle_uj;
        run->cpu_ns = s->run.cpu_ns + sum.cpu_ns;
    }
    return TERN_OK;
}

/* "status.2" and "status.2.7": the attempt and the task; false for other names. */
static bool read_name(const char *name, uint32_t *attempt, const char **task)
{
    static const char prefix[] = "status.";
    char *end;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) {
        return false;
    }
    unsigned long n = strtoul(name + sizeof prefix - 1, &end, 10);
    *attempt = (uint32_t)n;
    *task = *end == '.' ? end + 1 : "";
    return n > 0 && n < UINT32_MAX - TI_JOB_ATTEMPTS_MAX && (*end == '\0' || *end == '.') &&
           (*task)[strspn(*task, "0123456789")] == '\0';
}

/* Whether the same task was begun again after that attempt: other tasks may never be. */
static bool began_again(const char *dir, int64_t id, uint32_t attempt, const char *task)
{
    bool again = false;
    for (uint32_t i = 1; !again && i < TI_JOB_ATTEMPTS_MAX; i++) {
        char *path;
        if (ti_job_file(&path, dir, id, "status", attempt + i, task, NULL) == TERN_OK) {
            again = access(path, F_OK) == 0;
            free(path);
        }
    }
    return again;
}

static tern_status sum_all(ti_job_status *all, DIR *files, const char *dir, int64_t id,
                           uint32_t *newest, tern_err *err)
{
    struct dirent *e;
    bool first = true;
    while ((e = readdir(files)) != NULL) {
        ti_job_status s;
        uint32_t attempt;
        const char *task;
        if (!read_name(e->d_name, &attempt, &task)) {
            continue;
        }
        TI_TRY(ti_job_status_load(&s, dir, id, attempt, task, err));
        if (began_again(dir, id, attempt, task)) { /* only what it took */
            s.run.exit_code = s.run.signal = 0;
            s.run.ended_s = s.run.ran_s = 0;
            s.ended = true;
        }
        tern_status status = merge(all, &s, !first && attempt > *newest, first, err);
        *newest = attempt > *newest ? attempt : *newest;
        first = false;
        ti_job_status_free(&s);
        TI_TRY(status);
    }
    return first ? ti_fail(err, TERN_NO, "jobs", TI_NO_OFFSET, "nothing is known of this run")
                 : TERN_OK;
}

static int by_start(const void *a, const void *b)
{
    const ti_job_piece *x = a, *y = b;
    return (x->start_ms > y->start_ms) - (x->start_ms < y->start_ms);
}

tern_status ti_job_status_sum(ti_job_status *out, const char *dir, int64_t id,
                              uint32_t *attempt, tern_err *err)
{
    char *path;
    ti_job_status all = {0};
    uint32_t newest = 0;
    TI_TRY(ti_queue_path(&path, dir, id, "", err));
    DIR *files = opendir(path);
    int e = errno;
    free(path);
    if (!files) {
        return ti_fail_errno(err, e, "jobs", "cannot list the files of job %lld",
                             (long long)id);
    }
    tern_status status = sum_all(&all, files, dir, id, &newest, err);
    closedir(files);
    if (status != TERN_OK) {
        ti_job_status_free(&all);
        return status;
    }
    if (all.n_pieces > 0) {
        qsort(all.pieces, all.n_pieces, sizeof *all.pieces, by_start);
    }
    *out = all;
    *attempt = newest;
    return TERN_OK;
}

bool ti_job_remove_files(const char *dir, int64_t id)
{
    char *path;
    bool gone = true;
    if (ti_queue_path(&path, dir, id, "", NULL) != TERN_OK) {
        return false;
    }
    DIR *files = opendir(path);
    struct dirent *e;
    while (files && (e = readdir(files)) != NULL) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            gone = unlinkat(dirfd(files), e->d_name, 0) == 0 && gone;
        }
    }
    if (files) {
        closedir(files);
    }
    gone = (rmdir(path) == 0 || errno == ENOENT) && gone;
    free(path);
    return gone;
}

tern_status ti_job_write(const char *path, const char *text, size_t len, tern_err *err)
{
    ti_out out = {0};
    TI_TRY(ti_out_open(&out, path, err));
    (void)fchmod(fileno(out.stream), S_IRUSR | S_IWUSR);
    (void)fwrite(text, 1, len, out.stream); /* commit sees the stream's error */
    return ti_out_commit(&out, err);
}
