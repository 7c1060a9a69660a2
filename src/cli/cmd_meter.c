/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/metering.h"

static const ti_command *const commands[] = {
    &ti_cmd_meter_list,
    &ti_cmd_meter_watch,
    &ti_cmd_meter_calibrate,
    NULL,
};

const ti_command ti_cmd_meter = {
    .name = "meter",
    .summary = "measure the energy of a command, or of the machine",
    .description =
        "Runs a command and tells what it took: joules, watts, seconds.  Like time(1), it "
        "works with any command, leaves its output alone and exits as it does.  The report "
        "goes to standard error.\n\n"
        "Energy is measured where a meter works and modelled from CPU time where none does; "
        "the report says which, with the error to be expected.  A meter sees the whole "
        "machine: the part above idle is what the command added, and whatever else ran "
        "meanwhile.  Exits with 127 when the command is not found, 126 when it cannot be run, "
        "128 + N when signal N ended it.",
    .examples = "tern meter -- sleep 1\n"
                "tern meter -r 5 -- make -j4\n"
                "tern meter --json -o energy.json -- ./job\n"
                "tern meter watch",
    .opts = ti_meter_run_opts,
    .operands = ti_meter_run_operands,
    .defaults = &ti_meter_run_defaults,
    .size = sizeof ti_meter_run_defaults,
    .subs = commands,
    .runs_others = true,
    .run = ti_meter_run,
};
