/* SPDX-License-Identifier: Apache-2.0 */
/* cli/freezer.h - a control group of its own for a job, where the machine delegates them
 * (cgroup v2): what is frozen stands still with all its children, also those that left the
 * process group, and cannot tell that it was stopped.
 *
 * Only in a group that was given to this user: its directory is the user's own, and the user is
 * not root, or it bears the mark user.delegate=1 that systemd puts there (xattr). */
#ifndef TI_CLI_FREEZER_H
#define TI_CLI_FREEZER_H

#include <stdbool.h>

#include "base/err.h"

typedef struct ti_freezer {
    char *dir; /* of the group; NULL = there is none */
} ti_freezer;

/* Makes a group called `name` below the one of this process.
 *   mount  where the groups are: "/sys/fs/cgroup"
 *   self   which is ours: "/proc/self/cgroup"
 * False, and a freezer that does nothing, where none is delegated. */
bool ti_freezer_open(ti_freezer *out, const char *mount, const char *self, const char *name);

/* Moves the calling process, and its children to come, into the group.  May be called between
 * fork and exec. */
void ti_freezer_enter(const ti_freezer *freezer);

/* Freezes or thaws all that is in it.  False where there is none or it cannot be done. */
bool ti_freezer_set(const ti_freezer *freezer, bool frozen);

/* Removes the group, unless something still lives in it.  Zeroed is allowed. */
void ti_freezer_close(ti_freezer *freezer);

#endif
