/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "energy_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 1024, MAX_FAILURES = 8 };

/* --- files ------------------------------------------------------------------------------ */

static void path_of(char out[PATH_BYTES], const energy_tree *tree, const char *path)
{
    int n = snprintf(out, PATH_BYTES, "%s%s", tree->root, path);
    assert_in_range(n, 1, PATH_BYTES - 1);
}

static void make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(path, 0777) == 0 || errno == EEXIST);
        *slash = '/';
    }
}

void et_make(energy_tree *tree)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(tree->root, sizeof tree->root, "%s/tern-energy-XXXXXX",
                     tmp && *tmp ? tmp : "/tmp");
    assert_in_range(n, 1, sizeof tree->root - 1);
    assert_non_null(mkdtemp(tree->root));
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void et_remove(energy_tree *tree)
{
    et_heal();
    assert_int_equal(nftw(tree->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void et_bytes(const energy_tree *tree, const char *path, const void *bytes, unsigned long len)
{
    char full[PATH_BYTES];
    path_of(full, tree, path);
    make_directories(full);
    FILE *file = fopen(full, "r+b"); /* not "wb": a reader must not see it empty for a moment */
    file = file ? file : fopen(full, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fflush(file), 0);
    assert_int_equal(ftruncate(fileno(file), (off_t)len), 0);
    assert_int_equal(fclose(file), 0);
}

void et_file(const energy_tree *tree, const char *path, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text - 1, format, args);
    va_end(args);
    assert_in_range(n, 0, sizeof text - 2);
    text[n] = '\n';
    et_bytes(tree, path, text, (unsigned long)n + 1);
}

void et_unlink(const energy_tree *tree, const char *path)
{
    char full[PATH_BYTES];
    path_of(full, tree, path);
    assert_int_equal(unlink(full), 0);
}

static void zone_file(const energy_tree *tree, const char *zone, const char *file,
                      const char *value)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "/sys/class/powercap/%s/%s", zone, file);
    assert_in_range(n, 1, sizeof path - 1);
    et_file(tree, path, "%s", value);
}

void et_energy(const energy_tree *tree, const char *zone, uint64_t energy_uj)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)energy_uj);
    zone_file(tree, zone, "energy_uj", text);
}

void et_zone(const energy_tree *tree, const char *zone, const char *name, uint64_t energy_uj,
             uint64_t range_uj)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)range_uj);
    zone_file(tree, zone, "name", name);
    zone_file(tree, zone, "max_energy_range_uj", text);
    zone_file(tree, zone, "enabled", "1");
    et_energy(tree, zone, energy_uj);
}

/* --- failures --------------------------------------------------------------------------- */

static struct failure {
    char path_end[128];
    int errnum, times;
} failures[MAX_FAILURES];
static size_t n_failures;

void et_fail(const char *path_end, int errnum, int times)
{
    assert_true(n_failures < MAX_FAILURES);
    struct failure *f = &failures[n_failures++];
    assert_true(strlen(path_end) < sizeof f->path_end);
    memcpy(f->path_end, path_end, strlen(path_end) + 1);
    f->errnum = errnum;
    f->times = times;
}

void et_heal(void)
{
    n_failures = 0;
}

static bool fails(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < n_failures; i++) {
        size_t end = strlen(failures[i].path_end);
        if (failures[i].times != 0 && len >= end &&
            strcmp(path + len - end, failures[i].path_end) == 0) {
            failures[i].times -= failures[i].times > 0;
            errno = failures[i].errnum;
            return true;
        }
    }
    return false;
}

/* In programs without WRAP nothing refers to these two. */
int __real_open(const char *path, int flags, ...) __attribute__((weak));
int __wrap_open(const char *path, int flags, ...);
ssize_t __real_pread(int fd, void *buffer, size_t n, off_t at) __attribute__((weak));
ssize_t __wrap_pread(int fd, void *buffer, size_t n, off_t at);

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails(path) ? -1 : __real_open(path, flags, mode);
}

ssize_t __wrap_pread(int fd, void *buffer, size_t n, off_t at)
{
    char link[64], path[PATH_BYTES] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = n_failures > 0 ? readlink(link, path, sizeof path - 1) : 0;
    path[len > 0 ? len : 0] = '\0';
    return fails(path) ? -1 : __real_pread(fd, buffer, n, at);
}
