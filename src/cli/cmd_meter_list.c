/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/meters.h"
#include "cli/out.h"

typedef struct list_args {
    const char *sysroot;
    uint32_t boundary; /* index into "auto|package|psys|system|battery|gpu" */
    bool json;
} list_args;

static const list_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_CHOICE,
     .name = "boundary",
     .metavar = "WHAT",
     .help = "insist on meters of that; auto takes the widest that add up",
     .choices = "auto|package|psys|system|battery|gpu",
     .words = TI_WORDS_CHOICES,
     .offset = offsetof(list_args, boundary)},
    {.type = TI_OPT_STR,
     .name = "sysroot",
     .metavar = "DIR",
     .help = "read the system's files below DIR",
     .words = TI_WORDS_FILE,
     .offset = offsetof(list_args, sysroot)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.meter-list/1",
     .offset = offsetof(list_args, json)},
    {0},
};

static tern_status print_document(const ti_meters *meters, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.meter-list/1");
    ti_json_meters(&json, meters);
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    static const ti_boundary boundaries[] = {TI_BOUNDARY_OTHER,   TI_BOUNDARY_PACKAGE,
                                             TI_BOUNDARY_PSYS,    TI_BOUNDARY_SYSTEM,
                                             TI_BOUNDARY_BATTERY, TI_BOUNDARY_GPU};
    const list_args *args = values;
    ti_meters meters;
    tern_status status = TERN_OK;
    (void)given;
    TI_TRY(ti_meters_look(&meters, args->sysroot, boundaries[args->boundary], err));
    if (args->json) {
        status = print_document(&meters, err);
    } else {
        ti_meters_print(&meters);
    }
    if (status == TERN_OK && meters.selection.n_counted == 0) {
        status = ti_meters_denied(&meters)
                     ? ti_fail(err, TERN_UNAVAILABLE, "meter", TI_NO_OFFSET,
                               "there are energy meters, but this user may not read them")
                     : TERN_NO;
    }
    ti_meters_free(&meters);
    return status;
}

const ti_command ti_cmd_meter_list = {
    .name = "meter list",
    .summary = "list the energy meters of this machine, and why some do not work",
    .description =
        "Shows every energy meter that the system has: what its reading holds, whether it "
        "works, and what becomes of it when the machine's energy is added up.  A package holds "
        "its cores; memory is added to packages; a counter that is seen in two ways counts "
        "once.  For meters that do not work it says why, and prints what would change it; it "
        "changes nothing.\n\n"
        "Exits with 0 when a meter is counted, with 1 when there is none, and with 3 when "
        "there "
        "are some that may not be read.",
    .examples = "tern meter list\n"
                "tern meter list --json",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
