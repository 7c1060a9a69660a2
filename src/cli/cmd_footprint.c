/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

static const ti_command *const commands[] = {
    &ti_cmd_footprint_of,
    &ti_cmd_footprint_remote,
    &ti_cmd_footprint_zones,
    &ti_cmd_footprint_seed,
    NULL,
};

const ti_command ti_cmd_footprint = {
    .name = "footprint",
    .summary = "turn joules into grams, with source and basis",
    .description = "Footprint arithmetic.  Every figure says what it counts (average or "
                   "marginal, life-cycle or operational, location or market), of which year, "
                   "and where from.  Nothing here needs a network.",
    .subs = commands,
};
