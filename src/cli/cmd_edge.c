/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

static const ti_command *const commands[] = {
    &ti_cmd_edge_run,
    &ti_cmd_edge_fit,
    &ti_cmd_edge_export,
    &ti_cmd_edge_size,
    &ti_cmd_edge_inject,
    &ti_cmd_edge_score,
    NULL,
};

const ti_command ti_cmd_edge = {
    .name = "edge",
    .summary = "find what is not usual in readings of meters, here and on a microcontroller",
    .description = "Commands on the detector of edge/, which a firmware for a Cortex-M4 "
                   "contains: the same "
                   "core runs here, and gives the same bits.  Readings come as CSV.",
    .subs = commands,
};
