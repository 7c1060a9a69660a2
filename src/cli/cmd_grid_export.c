/* SPDX-License-Identifier: Apache-2.0 */
/* tern grid export: metrics as Prometheus reads them, on stdout or in a file for its node
 * exporter's textfile collector.  The names of grid-intensity-go are there too, so that
 * dashboards made for it go on. */
#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "cli/cmd.h"
#include "cli/desks.h"
#include "cli/grid_metrics.h"
#include "cli/out.h"

typedef struct export_args {
    ti_opt_list zones;
    ti_desk_args desk;
    const char *out;
} export_args;

static const export_args defaults = {.desk = TI_DESK_DEFAULTS};

static const ti_opt opts[] = {
    {.type = TI_OPT_LIST,
     .name = "zone",
     .metavar = "ZONE",
     .help = "which grid, or SOURCE:ZONE; may be repeated",
     .fallback = "TERN_ZONE, else the file tern/zone in $XDG_CONFIG_HOME",
     .offset = offsetof(export_args, zones)},
    TI_OPTS_DESK(export_args, desk),
    {.type = TI_OPT_STR,
     .name = "output",
     .letter = 'o',
     .metavar = "FILE",
     .help = "write it there, whole or not at all",
     .fallback = "stdout",
     .words = TI_WORDS_FILE,
     .offset = offsetof(export_args, out)},
    {0},
};

static tern_status write_file(const ti_buf *text, const char *path, tern_err *err)
{
    ti_out out;
    TI_TRY(ti_out_open(&out, path, err));
    tern_status status = TERN_OK;
    if (fwrite(text->data, 1, text->len, out.stream) != text->len) {
        status = ti_fail_errno(err, errno, "grid", "cannot write '%s'", path);
    } else {
        status = ti_out_commit(&out, err);
    }
    ti_out_abandon(&out);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const export_args *args = values;
    ti_buf text = {0};
    (void)given;
    tern_status status = ti_metrics_of(&text, &args->desk, &args->zones, NULL, err);
    if (status == TERN_OK && args->out) {
        status = write_file(&text, args->out, err);
    } else if (status == TERN_OK) {
        ti_print(text.data ? text.data : "");
    }
    ti_buf_free(&text);
    return status;
}

const ti_command ti_cmd_grid_export = {
    .name = "grid export",
    .summary = "print the intensity now as Prometheus metrics",
    .description =
        "tern_grid_intensity_grams_per_kwh with zone, source, basis and how it came to "
        "be, its time, and the error of forecasts where it is known; and the names of "
        "grid-intensity-go.  A zone that nothing is known of has no metric.",
    .examples = "tern grid export --zone GB --zone neso:GB-13\n"
                "tern grid export --zone GB -o node_exporter/tern_grid.prom",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
