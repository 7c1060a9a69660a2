/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

static const ti_command *const commands[] = {
    &ti_cmd_witness_init,
    &ti_cmd_witness_add,
    &ti_cmd_witness_serve,
    &ti_cmd_witness_show,
    NULL,
};

const ti_command ti_cmd_witness = {
    .name = "witness",
    .summary = "cosign what logs sign, if it continues what was seen before",
    .description =
        "Commands on witnesses (c2sp.org/tlog-witness).  A log sends each new head, with a "
        "proof that it continues the one before, and gets a cosignature.  Two heads of a log "
        "that contradict each other are never cosigned by the same witness, so whoever asks "
        "for the cosignatures of a few witnesses sees the same history as everybody else.",
    .subs = commands,
};
