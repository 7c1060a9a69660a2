/* SPDX-License-Identifier: Apache-2.0 */
/* tern grid export: metrics as Prometheus reads them, on stdout or in a file for its node
 * exporter's textfile collector.  The names of grid-intensity-go are there too, so that
 * dashboards made for it go on. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "carbon/basis.h"
#include "carbon/stamp.h"
#include "carbon/units.h"
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

/* One zone: what is now, and how far forecasts were off.  A zone that nothing is known of is a
 * warning, and has no metric: never 0. */
static tern_status collect(ti_metrics *metrics, const export_args *args, const char *zone,
                           tern_err *err)
{
    ti_open_desk d;
    ti_skill skill = {0};
    ti_feed feed;
    TI_TRY(ti_desk_open(&d, &args->desk, zone, err));
    tern_status status = ti_desk_now(&feed, &d.desk, d.zone, err);
    if (status == TERN_OK) {
        (void)ti_desk_skill(&skill, &d.desk, d.zone, NULL);
        status = ti_metrics_add(metrics, &feed, &skill, err);
    }
    ti_desk_close(&d);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const export_args *args = values;
    ti_metrics metrics = {0};
    ti_buf text = {0};
    size_t n = args->zones.n > 0 ? args->zones.n : 1, failed = 0;
    tern_status status = TERN_OK;
    (void)given;
    for (size_t i = 0; i < n && status == TERN_OK; i++) {
        status = collect(&metrics, args, args->zones.n ? args->zones.items[i] : NULL, err);
        if (status == TERN_UNAVAILABLE && ++failed < n) {
            ti_warn("%s", err->message);
            status = TERN_OK;
        }
    }
    if (status == TERN_OK) {
        ti_metrics_text(&text, &metrics);
        status = text.failed ? ti_fail_nomem(err, "grid", text.len, "metrics") : TERN_OK;
    }
    if (status == TERN_OK && args->out) {
        status = write_file(&text, args->out, err);
    } else if (status == TERN_OK) {
        ti_print(text.data ? text.data : "");
    }
    ti_metrics_free(&metrics);
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
