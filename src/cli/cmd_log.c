/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

static const ti_command *const commands[] = {
    &ti_cmd_log_init,      &ti_cmd_log_append,
    &ti_cmd_log_show,      &ti_cmd_log_prove,
    &ti_cmd_log_cosign,    &ti_cmd_log_query,
    &ti_cmd_log_index,     &ti_cmd_log_fsck,
    &ti_cmd_log_serve_dir, NULL,
};

const ti_command ti_cmd_log = {
    .name = "log",
    .summary = "keep a log that anybody can check",
    .description =
        "Commands on transparency logs: directories of entries under a hash tree whose root is "
        "signed.  What is in such a log cannot be changed or taken out without that being "
        "seen. "
        "The formats are those of C2SP (tlog-tiles, signed-note, tlog-checkpoint, tlog-proof, "
        "tlog-witness), "
        "so that software that is not tern's can check them.",
    .subs = commands,
};
