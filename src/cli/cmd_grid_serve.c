/* SPDX-License-Identifier: Apache-2.0 */
/* tern grid serve: what tern knows of grids, for programs that speak to a Carbon Aware SDK. */
#include <string.h>

#include "cli/casdk.h"
#include "cli/cmd.h"
#include "cli/serving.h"

typedef struct serve_args {
    const char *listen, *host;
    ti_opt_list locations;
    ti_desk_args desk;
} serve_args;

static const serve_args defaults = {.listen = "127.0.0.1:8408", .desk = TI_DESK_DEFAULTS};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "listen",
     .metavar = "ADDRESS:PORT",
     .help = "where to listen; port 0 takes a free one",
     .offset = offsetof(serve_args, listen)},
    {.type = TI_OPT_STR,
     .name = "host",
     .metavar = "NAME,...",
     .help = "names by which clients may call this server, * = any; addresses always may",
     .fallback = "localhost",
     .offset = offsetof(serve_args, host)},
    {.type = TI_OPT_LIST,
     .name = "location",
     .metavar = "ZONE, NAME=ZONE",
     .help =
         "a location that is served, as eastus=electricitymaps:US-MIDA-PJM; may be repeated",
     .fallback = "any name of a zone",
     .offset = offsetof(serve_args, locations)},
    TI_OPTS_DESK(serve_args, desk),
    {0},
};

/* What is wrong with options should be said now, and not to the first client. */
static tern_status check(const serve_args *args, tern_err *err)
{
    ti_open_desk d;
    int64_t now_s;
    TI_TRY(ti_desk_clock(&now_s, &args->desk, err));
    for (size_t i = 0; i < args->locations.n; i++) {
        size_t name;
        const char *item = args->locations.items[i], *zone = ti_location_zone(item, &name);
        if (name == 0 || name > TI_ZONE_MAX) {
            return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET,
                           "location: '%.40s' is not NAME=ZONE", item);
        }
        TI_TRY(ti_desk_open(&d, &args->desk, zone, err));
        ti_desk_close(&d);
    }
    return TERN_OK;
}

static tern_status serve(ti_casdk *server, const serve_args *args, tern_err *err)
{
    const ti_web_opts web_opts = {.listen = args->listen,
                                  .routes = ti_casdk_routes,
                                  .user = server,
                                  .hosts = args->host,
                                  .admit = ti_casdk_admit,
                                  .error = ti_casdk_error};
    return ti_serve(&web_opts, "serving ", err);
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const serve_args *args = values;
    ti_casdk server = {.desk = &args->desk, .locations = &args->locations};
    (void)given;
    TI_TRY(check(args, err));
    if (pthread_mutex_init(&server.mutex, NULL) != 0) {
        return ti_fail_nomem(err, "grid", sizeof server.mutex, "a lock");
    }
    tern_status status = serve(&server, args, err);
    pthread_mutex_destroy(&server.mutex);
    return status;
}

const ti_command ti_cmd_grid_serve = {
    .name = "grid serve",
    .summary = "answer clients of the Carbon Aware SDK, and Prometheus",
    .description =
        "The SDK's WebAPI: /emissions/bylocation, bylocations, bylocations/best, "
        "forecasts/current, forecasts/batch, average-carbon-intensity and its batch, "
        "/locations, /health; and /metrics, which is what 'tern grid export' prints.  A "
        "location is a zone, or a name that --location gives one.  Figures that count "
        "different things are never in one answer, and no year's mean stands in.",
    .examples = "tern grid serve\n"
                "tern grid serve --location uksouth=neso:GB-13 --location westeurope=NL",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
