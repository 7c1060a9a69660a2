/* SPDX-License-Identifier: Apache-2.0 */
/* Why a meter cannot be read, and the exact text that would change it.  Nothing here is ever
 * carried out: who may read energy counters is the owner's decision, because fine-grained
 * readings tell something of what other programs compute (PLATYPUS: CVE-2020-8694, -8695 and
 * -12912, which is why Linux 5.10 closed them). */
#include <errno.h>
#include <string.h>

#include "energy/meter_parts.h"

static const char *udev_rule(ti_lister *lister, const char *subsystem, const char *rule,
                             const char *file)
{
    return ti_lister_text(
        lister,
        "# /etc/udev/rules.d/70-tern-energy-%s.rules\n"
        "SUBSYSTEM==\"%s\", ACTION==\"add|change\", %s, RUN+=\"/bin/sh -c "
        "'chgrp energy /sys%%p/%s && chmod 0440 /sys%%p/%s'\"\n"
        "# and then, as root (members of the group may read after their next login):\n"
        "groupadd --system --force energy && usermod --append --groups energy \"$SUDO_USER\"\n"
        "udevadm control --reload && udevadm trigger --action=change "
        "--subsystem-match=%s --settle\n",
        subsystem, subsystem, rule, file, file, subsystem);
}

void ti_lister_explain(ti_lister *lister, ti_meter_info *info, int errnum,
                       const char *subsystem, const char *rule, const char *file)
{
    info->state = TI_METER_BROKEN;
    info->fix = "";
    switch (errnum) {
    case EACCES:
    case EPERM:
        info->state = TI_METER_DENIED;
        info->reason = ti_lister_text(lister, "this user may not read '%s'", info->path);
        info->fix = udev_rule(lister, subsystem, rule, file);
        break;
    case ENOENT:
    case ENOTDIR:
        info->reason = ti_lister_text(lister, "'%s' is listed, but hidden", info->path);
        info->fix = "Containers hide energy counters (GHSA-jq35-85cj-fj4p): run outside of the "
                    "container, or give it\n/sys/class/powercap and "
                    "/sys/devices/virtual/powercap as read-only mounts.\n";
        break;
    case EBADMSG:
    case EFBIG:
        info->reason = ti_lister_text(lister, "'%s' holds no number", info->path);
        break;
    default: {
        tern_err err;
        (void)ti_fail_errno(&err, errnum, "energy", "'%s' cannot be read", info->path);
        info->reason = ti_lister_text(lister, "%s", err.message);
        break;
    }
    }
}
