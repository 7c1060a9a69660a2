/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_routes.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/deaf.h"
#include "cli/grams.h"
#include "cli/models.h"
#include "cli/out.h"
#include "cli/places.h"
#include "cli/shipped.h"
#include "cli/zone_now.h"

enum { GRIDS_S = 600 };

/* --- grids ----------------------------------------------------------------------------------
 */

/* Asks for all grids; what is not known any more is unknown. */
static tern_status ask_grids(ti_serve_routes *s, tern_err *err)
{
    static const ti_desk_args desk = TI_DESK_DEFAULTS;
    int64_t now_s = (int64_t)time(NULL);
    ti_route_grid grids[TI_ROUTE_MAX] = {0};
    for (size_t i = 0; i < s->upstreams.n; i++) {
        const char *zone = s->upstreams.items[i].zone;
        ti_zone_now now = {.known = false};
        const ti_zone_ask ask = {&desk, now_s, now_s};
        size_t k = 0;
        while (zone && k < i &&
               !(s->upstreams.items[k].zone && strcmp(s->upstreams.items[k].zone, zone) == 0)) {
            k++;
        }
        if (zone && k < i) {
            grids[i] = grids[k];
        } else if (zone) {
            TI_TRY(ti_zone_look(&now, zone, &ask, err));
            grids[i] = (ti_route_grid){.known = now.known,
                                       .intensity_mg_kwh = now.intensity.intensity_mg_kwh,
                                       .basis = now.intensity.basis};
        }
    }
    pthread_mutex_lock(&s->mutex);
    memcpy(s->grids, grids, sizeof s->grids);
    pthread_mutex_unlock(&s->mutex);
    return TERN_OK;
}

static void *keep_asking(void *user)
{
    ti_serve_routes *s = user;
    tern_err err;
    pthread_mutex_lock(&s->mutex);
    while (!s->closing) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += GRIDS_S;
        int result = 0;
        while (!s->closing && result != ETIMEDOUT) {
            result = pthread_cond_timedwait(&s->wake, &s->mutex, &until);
        }
        if (!s->closing) {
            pthread_mutex_unlock(&s->mutex);
            (void)ask_grids(s, &err); /* without memory: those of before */
            pthread_mutex_lock(&s->mutex);
        }
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

static void port_grids(void *user, ti_route_grid *out, size_t n)
{
    ti_serve_routes *s = user;
    pthread_mutex_lock(&s->mutex);
    memcpy(out, s->grids, n * sizeof *out);
    pthread_mutex_unlock(&s->mutex);
}

/* --- keys -----------------------------------------------------------------------------------
 */

static const char *port_key(void *user, const char *name)
{
    const ti_serve_routes *s = user;
    return ti_keys_get(s->keys, name);
}

/* --- beginning and end ----------------------------------------------------------------------
 */

static tern_status read_file(ti_serve_routes *s, const ti_serve_routes_args *args,
                             tern_err *err)
{
    ti_providers catalogue;
    TI_TRY(ti_catalogue_open(&catalogue, NULL, err));
    tern_status status = ti_upstreams_load(&s->upstreams, args->file, &catalogue, err);
    ti_providers_free(&catalogue);
    return status;
}

/* Which local ones are the model that is served, and the zone of those that do not say it. */
static tern_status look_here(ti_serve_routes *s, const ti_serve_routes_args *args,
                             tern_err *err)
{
    char user[TI_ZONE_MAX * 2] = "";
    const char *here = args->zone;
    if (!here) {
        TI_TRY(ti_user_zone(user, sizeof user, err));
        here = user;
    }
    for (size_t i = 0; i < s->upstreams.n; i++) {
        ti_upstream *u = &s->upstreams.items[i];
        char *path = NULL;
        if (!u->candidate.local) {
            if (u->key_name && !ti_keys_get(s->keys, u->key_name)) {
                ti_warn("%s: its key %s is not set", u->name, u->key_name);
            }
            continue;
        }
        if (!u->zone && *here) {
            u->zone = ti_arena_strndup(&s->upstreams.arena, here, strlen(here));
        }
        tern_err ignored;
        s->served[i] = ti_model_path(&path, u->model, &ignored) == TERN_OK &&
                       strcmp(path, args->model_path) == 0;
        free(path);
        if (!s->served[i]) {
            ti_warn("%s: its model '%s' is not the one that is served (-m)", u->name, u->model);
        }
    }
    return TERN_OK;
}

static tern_status place_budget(ti_serve_routes *s, tern_err *err)
{
    char *folder;
    if (!s->upstreams.policy.budget.set) {
        return TERN_OK;
    }
    TI_TRY(ti_place_path(&folder, TI_PLACE_DATA, "", err));
    tern_status status = ti_make_private_directory(folder, err);
    free(folder);
    TI_TRY(status);
    return ti_place_path(&s->budget_path, TI_PLACE_DATA, "budget.json", err);
}

static tern_status start(ti_serve_routes *s, tern_err *err)
{
    if (pthread_mutex_init(&s->mutex, NULL) != 0 || pthread_cond_init(&s->wake, NULL) != 0) {
        return ti_fail_nomem(err, "routing", sizeof *s, "locks");
    }
    s->has_locks = true;
    TI_TRY(ask_grids(s, err));
    s->has_thread = ti_start_deaf(&s->thread, keep_asking, s) == 0;
    return s->has_thread ? TERN_OK
                         : ti_fail(err, TERN_UNAVAILABLE, "routing", TI_NO_OFFSET,
                                   "a thread cannot be started");
}

tern_status ti_serve_routes_open(ti_serve_routes *s, const ti_serve_routes_args *args,
                                 const ti_keys *keys, tern_err *err)
{
    *s = (ti_serve_routes){.keys = keys};
    signal(SIGPIPE, SIG_IGN); /* a server that hangs up is an error, not the end */
    TI_TRY(read_file(s, args, err));
    TI_TRY(ti_classifier_open(&s->thin, args->classifier, err));
    TI_TRY(look_here(s, args, err));
    TI_TRY(place_budget(s, err));
    TI_TRY(start(s, err));
    const ti_router_opts opts = {.upstreams = &s->upstreams,
                                 .thin = &s->thin,
                                 .served = s->served,
                                 .budget_path = s->budget_path,
                                 .port = {s, port_key, port_grids}};
    return ti_router_open(&s->router, &opts, err);
}

void ti_serve_routes_close(ti_serve_routes *s)
{
    ti_router_close(s->router);
    if (s->has_thread) {
        pthread_mutex_lock(&s->mutex);
        s->closing = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->mutex);
        pthread_join(s->thread, NULL);
    }
    if (s->has_locks) {
        pthread_cond_destroy(&s->wake);
        pthread_mutex_destroy(&s->mutex);
    }
    ti_thin_close(&s->thin);
    ti_upstreams_free(&s->upstreams);
    free(s->budget_path);
    *s = (ti_serve_routes){0};
}
