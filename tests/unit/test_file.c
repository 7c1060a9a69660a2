/* SPDX-License-Identifier: Apache-2.0 */
/* Files: mapping, writing whole or not at all, reading whole; and each system call on the way
 * made to fail, which must leave no file, no descriptor and no memory behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "oom.h"

/* --- system calls that fail on request -------------------------------------------------- */

static const char *failing; /* name of the call that fails next, once */

static int fails(const char *call)
{
    if (failing && strcmp(failing, call) == 0) {
        failing = NULL;
        errno = EIO;
        return 1;
    }
    return 0;
}

int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fclose(FILE *stream);
int __wrap_fclose(FILE *stream);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
FILE *__real_fdopen(int fd, const char *mode);
FILE *__wrap_fdopen(int fd, const char *mode);
ssize_t __real_read(int fd, void *buffer, size_t n);
ssize_t __wrap_read(int fd, void *buffer, size_t n);

int __wrap_fstat(int fd, struct stat *st)
{
    return fails("fstat") ? -1 : __real_fstat(fd, st);
}

int __wrap_fsync(int fd)
{
    return fails("fsync") ? -1 : __real_fsync(fd);
}

int __wrap_fclose(FILE *stream)
{
    int result = __real_fclose(stream);
    return fails("fclose") ? EOF : result;
}

int __wrap_rename(const char *from, const char *to)
{
    return fails("rename") ? -1 : __real_rename(from, to);
}

FILE *__wrap_fdopen(int fd, const char *mode)
{
    return fails("fdopen") ? NULL : __real_fdopen(fd, mode);
}

static int interruptions; /* reads that a signal interrupts before they begin */

ssize_t __wrap_read(int fd, void *buffer, size_t n)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    /* pieces of three bytes: a read may always return less than was asked for */
    return fails("read") ? -1 : __real_read(fd, buffer, n > 3 ? 3 : n);
}

/* --- a folder of our own ---------------------------------------------------------------- */

static char folder[256];
static char path[sizeof folder + 2];

static size_t files_in_folder(void)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    size_t n = 0;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        n += e->d_name[0] != '.';
    }
    closedir(dir);
    return n;
}

static size_t open_descriptors(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) != -1;
    }
    return n;
}

static size_t descriptors_before;

static int setup(void **state)
{
    (void)state;
    const char *where = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/tern-XXXXXX", where ? where : P_tmpdir);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a", folder);
    descriptors_before = open_descriptors();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    failing = NULL;
    interruptions = 0;
    assert_int_equal(open_descriptors(), descriptors_before);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        char name[sizeof folder + 258];
        snprintf(name, sizeof name, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.' && unlink(name) != 0) {
            rmdir(name);
        }
    }
    closedir(dir);
    return rmdir(folder);
}

static void put(const char *name, const void *data, size_t n)
{
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
}

static void assert_content(const char *name, const char *text)
{
    char *data = NULL;
    size_t size = 0;
    assert_int_equal(ti_read_file(&data, &size, name, 1000000, NULL), TERN_OK);
    assert_int_equal(size, strlen(text));
    assert_string_equal(data, text);
    free(data);
}

/* --- maps ------------------------------------------------------------------------------ */

static void map_reads(void **state)
{
    (void)state;
    put(path, "hello", 5);
    ti_map map;
    tern_err err;
    assert_int_equal(ti_map_open(&map, path, &err), TERN_OK);
    assert_int_equal(map.size, 5);
    assert_memory_equal(map.data, "hello", 5);
    assert_int_equal(ti_map_check(&map, path, &err), TERN_OK);
    ti_map_close(&map);
    assert_null(map.data);
    ti_map_close(&map);
    ti_map zero = {0};
    ti_map_close(&zero);

    put(path, "", 0);
    assert_int_equal(ti_map_open(&map, path, &err), TERN_OK);
    assert_null(map.data);
    assert_int_equal(map.size, 0);
    ti_map_close(&map);
}

static void map_refuses(void **state)
{
    (void)state;
    ti_map untouched, map;
    memset(&untouched, 0x55, sizeof untouched);
    map = untouched;
    tern_err err;
    assert_int_equal(ti_map_open(&map, path, &err), TERN_IO);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, "No such file"));
    assert_int_equal(ti_map_open(&map, folder, &err), TERN_UNSUPPORTED);
    assert_int_equal(ti_map_open(&map, "/dev/null", &err), TERN_UNSUPPORTED);
    /* nobody writes into this pipe: refused at once, not waited for */
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(10);
    assert_int_equal(ti_map_open(&map, path, &err), TERN_UNSUPPORTED);
    alarm(0);
    unlink(path);
    put(path, "hello", 5);
    failing = "fstat";
    assert_int_equal(ti_map_open(&map, path, &err), TERN_IO);
    oom_fail_at(0); /* file mappings are not counted: this one succeeds */
    ti_map good;
    assert_int_equal(ti_map_open(&good, path, &err), TERN_OK);
    oom_disarm();
    ti_map_close(&good);
    assert_memory_equal(&map, &untouched, sizeof map);
}

static void map_notices_shrinking(void **state)
{
    (void)state;
    char *data = calloc(1, 10000);
    put(path, data, 10000);
    free(data);
    ti_map map;
    tern_err err;
    assert_int_equal(ti_map_open(&map, path, &err), TERN_OK);
    assert_int_equal(truncate(path, 10001), 0);
    assert_int_equal(ti_map_check(&map, path, &err), TERN_OK);
    assert_int_equal(truncate(path, 9999), 0);
    assert_int_equal(ti_map_check(&map, path, &err), TERN_IO);
    assert_int_equal(err.offset, 9999);
    assert_non_null(strstr(err.message, "shrank from 10000 to 9999"));
    failing = "fstat";
    assert_int_equal(ti_map_check(&map, path, &err), TERN_IO);
    /* replaced by a new file, as tern itself does: the old one stays as it was */
    unlink(path);
    put(path, "new", 3);
    assert_int_equal(ti_map_check(&map, path, &err), TERN_IO);
    ti_map_close(&map);
}

/* --- writing --------------------------------------------------------------------------- */

static void out_is_whole_or_absent(void **state)
{
    (void)state;
    ti_out out;
    tern_err err;
    assert_int_equal(ti_out_open(&out, path, &err), TERN_OK);
    fputs("first", out.stream);
    assert_int_not_equal(access(path, F_OK), 0); /* not yet */
    assert_int_equal(ti_out_commit(&out, &err), TERN_OK);
    assert_content(path, "first");
    assert_int_equal(files_in_folder(), 1);
    ti_out_abandon(&out); /* committed: nothing happens */
    assert_content(path, "first");

    assert_int_equal(ti_out_open(&out, path, &err), TERN_OK);
    fputs("second", out.stream);
    fflush(out.stream);
    assert_content(path, "first");
    ti_out_abandon(&out);
    assert_content(path, "first");
    assert_int_equal(files_in_folder(), 1);
    ti_out_abandon(&out);

    /* two at once: the later commit wins, both are whole */
    ti_out a, b;
    assert_int_equal(ti_out_open(&a, path, &err), TERN_OK);
    assert_int_equal(ti_out_open(&b, path, &err), TERN_OK);
    fputs("from a", a.stream);
    fputs("from b", b.stream);
    assert_int_equal(ti_out_commit(&b, &err), TERN_OK);
    assert_content(path, "from b");
    assert_int_equal(ti_out_commit(&a, &err), TERN_OK);
    assert_content(path, "from a");
    assert_int_equal(files_in_folder(), 1);
}

static void an_entry_is_synced(void **state)
{
    (void)state;
    char name[sizeof path + 8], here[] = "no-slash";
    tern_err err;
    snprintf(name, sizeof name, "%s", path);
    failing = "fsync"; /* with EIO */
    assert_int_equal(ti_sync_entry(name, &err), TERN_IO);
    snprintf(name, sizeof name, "%s", path);
    assert_int_equal(ti_sync_entry(name, &err), TERN_OK);
    assert_int_equal(name[strlen(name) - 1], '/');
    assert_int_equal(ti_sync_entry(here, &err), TERN_OK);
    snprintf(name, sizeof name, "%.*s/none/x", (int)(strrchr(path, '/') - path), path);
    assert_int_equal(ti_sync_entry(name, &err), TERN_IO);
}

static void out_obeys_the_umask(void **state)
{
    (void)state;
    const mode_t masks[] = {022, 077, 002};
    for (size_t i = 0; i < 3; i++) {
        mode_t before = umask(masks[i]);
        ti_out out;
        assert_int_equal(ti_out_open(&out, path, NULL), TERN_OK);
        assert_int_equal(ti_out_commit(&out, NULL), TERN_OK);
        umask(before);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0666 & ~masks[i]);
    }
}

/* A process that dies while it writes leaves the old file, and does not hinder the next. */
static void out_survives_a_crash(void **state)
{
    (void)state;
    put(path, "old", 3);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        ti_out out;
        if (ti_out_open(&out, path, NULL) == TERN_OK) {
            fputs("half of the n", out.stream);
            fflush(out.stream);
        }
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_content(path, "old");
    ti_out out;
    assert_int_equal(ti_out_open(&out, path, NULL), TERN_OK);
    fputs("new", out.stream);
    assert_int_equal(ti_out_commit(&out, NULL), TERN_OK);
    assert_content(path, "new");
    /* left over from another process of the same number: the next name is taken */
    char stale[sizeof path + 64];
    snprintf(stale, sizeof stale, "%s.%ld-0.tmp", path, (long)getpid());
    put(stale, "stale", 5);
    assert_int_equal(ti_out_open(&out, path, NULL), TERN_OK);
    assert_string_not_equal(out.temporary, stale);
    assert_int_equal(ti_out_commit(&out, NULL), TERN_OK);
    assert_content(stale, "stale");
}

static void out_reports_failures(void **state)
{
    (void)state;
    tern_err err;
    ti_out untouched, out;
    memset(&untouched, 0x55, sizeof untouched);
    out = untouched;
    char nowhere[sizeof folder + 16];
    snprintf(nowhere, sizeof nowhere, "%s/absent/a", folder);
    assert_int_equal(ti_out_open(&out, nowhere, &err), TERN_IO);
    assert_non_null(strstr(err.message, nowhere));
    failing = "fdopen";
    assert_int_equal(ti_out_open(&out, path, &err), TERN_IO);
    for (long n = 0; n < 2; n++) {
        oom_fail_at(n);
        assert_int_equal(ti_out_open(&out, path, &err), TERN_NOMEM);
        assert_true(oom_disarm());
    }
    assert_memory_equal(&out, &untouched, sizeof out);
    assert_int_equal(files_in_folder(), 0);

    static const char *const calls[] = {"fsync", "fclose", "rename"};
    put(path, "old", 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(ti_out_open(&out, path, &err), TERN_OK);
        fputs("new", out.stream);
        failing = calls[i];
        assert_int_equal(ti_out_commit(&out, &err), TERN_IO);
        assert_null(failing);
        assert_non_null(strstr(err.message, "Input/output error"));
        assert_null(out.stream);
        assert_int_equal(files_in_folder(), 1);
        assert_content(path, "old");
    }
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0); /* a folder has the name */
    assert_int_equal(ti_out_open(&out, path, &err), TERN_OK);
    assert_int_equal(ti_out_commit(&out, &err), TERN_IO);
    assert_int_equal(files_in_folder(), 1);
}

/* The disk is full (here: the process may not write more): the failed write is noticed even
 * when its caller did not look. */
static void out_on_a_full_disk(void **state)
{
    (void)state;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100;
    ti_out out;
    tern_err err;
    assert_int_equal(ti_out_open(&out, path, &err), TERN_OK);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 1000; i++) {
        fputs("0123456789", out.stream);
    }
    tern_status status = ti_out_commit(&out, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, TERN_IO);
    assert_int_equal(files_in_folder(), 0);
}

/* A name without a folder is in the current one. */
static void out_without_a_folder(void **state)
{
    (void)state;
    int here = open(".", O_RDONLY | O_DIRECTORY);
    assert_true(here >= 0);
    assert_int_equal(chdir(folder), 0);
    ti_out out;
    assert_int_equal(ti_out_open(&out, "a", NULL), TERN_OK);
    fputs("x", out.stream);
    assert_int_equal(ti_out_commit(&out, NULL), TERN_OK);
    assert_int_equal(fchdir(here), 0);
    close(here);
    assert_content(path, "x");
}

/* --- reading --------------------------------------------------------------------------- */

static void read_whole(void **state)
{
    (void)state;
    char *data = NULL;
    size_t size = 77;
    tern_err err;
    put(path, "a\0b", 3);
    assert_int_equal(ti_read_file(&data, &size, path, 3, &err), TERN_OK);
    assert_int_equal(size, 3);
    assert_memory_equal(data, "a\0b", 4);
    free(data);
    data = NULL;
    size = 77;
    assert_int_equal(ti_read_file(&data, &size, path, 2, &err), TERN_LIMIT);
    assert_non_null(strstr(err.message, "3 bytes, the limit is 2"));
    assert_int_equal(ti_read_file(&data, &size, folder, 2, &err), TERN_UNSUPPORTED);
    failing = "read";
    assert_int_equal(ti_read_file(&data, &size, path, 3, &err), TERN_IO);
    oom_fail_at(0);
    assert_int_equal(ti_read_file(&data, &size, path, 3, &err), TERN_NOMEM);
    oom_disarm();
    assert_null(data);
    assert_int_equal(size, 77);
    interruptions = 2;
    assert_int_equal(ti_read_file(&data, &size, path, 1000, &err), TERN_OK);
    assert_int_equal(interruptions, 0);
    free(data);
    put(path, "", 0);
    assert_int_equal(ti_read_file(&data, &size, path, 0, &err), TERN_OK);
    assert_int_equal(size, 0);
    assert_string_equal(data, "");
    free(data);
    put(path, "0123456789", 10); /* longer than one (short) read */
    assert_content(path, "0123456789");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(map_reads),
        IN_FOLDER(map_refuses),
        IN_FOLDER(map_notices_shrinking),
        IN_FOLDER(out_is_whole_or_absent),
        IN_FOLDER(an_entry_is_synced),
        IN_FOLDER(out_obeys_the_umask),
        IN_FOLDER(out_survives_a_crash),
        IN_FOLDER(out_reports_failures),
        IN_FOLDER(out_on_a_full_disk),
        IN_FOLDER(out_without_a_folder),
        IN_FOLDER(read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
