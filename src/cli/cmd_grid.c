/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

static const ti_command *const commands[] = {
    &ti_cmd_grid_now,     &ti_cmd_grid_forecast, &ti_cmd_grid_history, &ti_cmd_grid_zones,
    &ti_cmd_grid_sources, &ti_cmd_grid_export,   &ti_cmd_grid_serve,   NULL,
};

const ti_command ti_cmd_grid = {
    .name = "grid",
    .summary = "say how clean the grid is, was, and will be",
    .description =
        "Intensities of electricity grids, in grams of CO2 equivalent per kWh, from "
        "services and files.  Every answer says who said it, when, what it counts, and "
        "why it is not something better.",
    .subs = commands,
};
