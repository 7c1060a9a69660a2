/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/freezer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"

/* The line of version 2 in /proc/PID/cgroup: "0::/user.slice/..." (cgroups(7)). */
static char *own_group(const char *mount, const char *self)
{
    char line[4096];
    ti_buf path = {0};
    FILE *f = fopen(self, "re");
    if (!f) {
        return NULL;
    }
    while (!path.data && fgets(line, sizeof line, f)) {
        if (strncmp(line, "0::/", 4) == 0) {
            line[strcspn(line, "\n")] = '\0';
            ti_buf_addf(&path, "%s%s", mount, line + 3);
        }
    }
    fclose(f);
    if (path.failed) {
        ti_buf_free(&path);
    }
    return path.data;
}

static bool is_delegated(const char *dir)
{
    struct stat st;
    char mark[2];
    if (stat(dir, &st) != 0) {
        return false;
    }
    bool marked = getxattr(dir, "user.delegate", mark, sizeof mark) == 1 && mark[0] == '1';
    return marked || (st.st_uid == geteuid() && geteuid() != 0);
}

/* Writes into a file of the group; no memory is asked for. */
static bool put(const ti_freezer *freezer, const char *file, const char *text)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", freezer->dir, file);
    int fd = n > 0 && (size_t)n < sizeof path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return false;
    }
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

bool ti_freezer_open(ti_freezer *out, const char *mount, const char *self, const char *name)
{
    char *above = own_group(mount, self);
    ti_buf dir = {0};
    *out = (ti_freezer){0};
    if (above && is_delegated(above)) {
        ti_buf_addf(&dir, "%s/%s", above, name);
    }
    free(above);
    if (dir.failed || !dir.data || mkdir(dir.data, S_IRWXU) != 0) {
        ti_buf_free(&dir);
        return false;
    }
    out->dir = dir.data;
    return true;
}

void ti_freezer_enter(const ti_freezer *freezer)
{
    if (freezer->dir) {
        (void)put(freezer, "cgroup.procs", "0"); /* 0: who writes it */
    }
}

bool ti_freezer_set(const ti_freezer *freezer, bool frozen)
{
    return freezer->dir && put(freezer, "cgroup.freeze", frozen ? "1" : "0");
}

void ti_freezer_close(ti_freezer *freezer)
{
    if (freezer->dir) {
        (void)rmdir(freezer->dir);
        free(freezer->dir);
    }
    *freezer = (ti_freezer){0};
}
