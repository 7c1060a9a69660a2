/* SPDX-License-Identifier: Apache-2.0 */
/* The WebAPI's observed emissions, averages and locations, and all its routes. */
#include "cli/casdk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/json.h"
#include "carbon/stamp.h"
#include "cli/casdk_parts.h"
#include "cli/grid_metrics.h"

/* {"location","time","rating","duration"} */
static void add_emission(ti_buf *json, const char *location, const ti_slot *slot)
{
    char length[TI_STAMP_TEXT];
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "location", location);
    ti_casdk_moment(json, "time", slot->start_s);
    ti_casdk_grams(json, "rating", slot->intensity_mg_kwh);
    ti_json_str(json, "duration", ti_span_text(length, slot->length_s));
    ti_json_close(json, '}');
}

/* time and toTime: from now on where neither is given; a moment where only one is. */
static bool read_span(int64_t *from_s, int64_t *to_s, ti_casdk_call *call)
{
    bool has_from, has_to;
    bool good = ti_casdk_time_get(from_s, &has_from, call, "time");
    good &= ti_casdk_time_get(to_s, &has_to, call, "toTime");
    if (!good) {
        return false;
    }
    if (has_to && !has_from) {
        ti_casdk_fault_add(call, "time", "time must be defined if toTime is defined");
        return false;
    }
    *from_s = has_from ? *from_s : call->now_s;
    *to_s = has_to ? *to_s : *from_s;
    if (has_to && *from_s >= *to_s) {
        ti_casdk_fault_add(call, "time", "time must be before toTime");
        return false;
    }
    return true;
}

/* Asks for all locations; feeds[n] of those of which nothing is known are empty.  False when
 * the call has been refused. */
static bool gather(ti_feed *feeds, ti_casdk_call *call, const ti_casdk_names *names,
                   int64_t from_s, int64_t to_s)
{
    for (size_t i = 0; i < names->n; i++) {
        ti_casdk_got got =
            ti_casdk_history(&feeds[i], call, names->name[i], from_s, to_s, "location");
        if (got == TI_CASDK_REFUSED) {
            return false;
        }
        if (got == TI_CASDK_NONE) {
            feeds[i] = (ti_feed){0};
        }
    }
    return true;
}

/* Writes what was gathered, with `best` only what has the lowest rating; returns how many. */
static size_t add_emissions(ti_buf *json, const ti_feed *feeds, const ti_casdk_names *names,
                            bool best)
{
    uint32_t low = UINT32_MAX;
    size_t found = 0;
    for (size_t i = 0; best && i < names->n; i++) {
        for (size_t k = 0; k < feeds[i].series.n; k++) {
            uint32_t mg = feeds[i].slots[k].intensity_mg_kwh;
            low = mg < low ? mg : low;
        }
    }
    ti_json_open(json, NULL, '[');
    for (size_t i = 0; i < names->n; i++) {
        for (size_t k = 0; k < feeds[i].series.n; k++) {
            if (!best || feeds[i].slots[k].intensity_mg_kwh == low) {
                add_emission(json, names->name[i], &feeds[i].slots[k]);
                found++;
            }
        }
    }
    ti_json_close(json, ']');
    return found;
}

/* Answers with emissions; with `best` only those with the lowest rating of all. */
static void list_emissions(ti_casdk_call *call, bool one, bool best)
{
    ti_casdk_names names;
    ti_buf json = {0};
    int64_t from_s, to_s;
    bool good = ti_casdk_names_get(&names, call, one);
    good &= read_span(&from_s, &to_s, call);
    good = good && ti_casdk_spend(call, names.n, to_s - from_s, "toTime");
    if (!good) {
        ti_casdk_refuse(call, 400, "Invalid parameters");
        return;
    }
    ti_feed *feeds = ti_calloc(names.n, sizeof *feeds);
    if (!feeds) {
        ti_casdk_refuse(call, 500, NULL);
    } else if (gather(feeds, call, &names, from_s, to_s)) {
        if (add_emissions(&json, feeds, &names, best) > 0) {
            ti_casdk_answer(call, &json);
        } else {
            ti_casdk_nothing(call);
        }
    }
    for (size_t i = 0; feeds && i < names.n; i++) {
        ti_feed_free(&feeds[i]);
    }
    free(feeds);
    ti_buf_free(&json);
}

static void by_location(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_casdk_call call;
    ti_casdk_begin(&call, user, request, reply);
    list_emissions(&call, true, false);
    ti_casdk_end(&call);
}

static void by_locations(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_casdk_call call;
    ti_casdk_begin(&call, user, request, reply);
    list_emissions(&call, false, false);
    ti_casdk_end(&call);
}

static void by_locations_best(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_casdk_call call;
    ti_casdk_begin(&call, user, request, reply);
    list_emissions(&call, false, true);
    ti_casdk_end(&call);
}

/* --- averages ----------------------------------------------------------------------------- */

/* Adds one average; NONE when the span is not wholly known. */
static ti_casdk_got add_average(ti_buf *json, ti_casdk_call *call, const char *location,
                                int64_t from_s, int64_t to_s, const char *field)
{
    ti_feed feed;
    uint32_t mean;
    /* One that begins now has nothing that happened. */
    if (from_s >= call->now_s) {
        return TI_CASDK_NONE;
    }
    ti_casdk_got got = ti_casdk_history(&feed, call, location, from_s, to_s, field);
    if (got != TI_CASDK_GOT) {
        return got;
    }
    bool known = ti_series_mean(&mean, &feed.series, from_s, to_s);
    ti_feed_free(&feed);
    if (!known) {
        return TI_CASDK_NONE;
    }
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "location", location);
    ti_casdk_moment(json, "startTime", from_s);
    ti_casdk_moment(json, "endTime", to_s);
    ti_casdk_grams(json, "carbonIntensity", mean);
    ti_json_close(json, '}');
    return TI_CASDK_GOT;
}

/* Both moments are needed, in order. */
static bool check_span(ti_casdk_call *call, bool has_from, bool has_to, int64_t from_s,
                       int64_t to_s, const char *from, const char *to)
{
    if (!has_from) {
        ti_casdk_fault_add(call, from, "startTime is not set");
    }
    if (!has_to) {
        ti_casdk_fault_add(call, to, "endTime is not set");
    }
    if (has_from && has_to && from_s >= to_s) {
        ti_casdk_fault_add(call, from, "startTime must be before endTime");
    }
    return call->n_faults == 0;
}

static void average(ti_casdk_call *call)
{
    ti_casdk_names names;
    ti_buf json = {0};
    int64_t from_s = 0, to_s = 0;
    bool has_from, has_to;
    bool good = ti_casdk_names_get(&names, call, true);
    good &= ti_casdk_time_get(&from_s, &has_from, call, "startTime");
    good &= ti_casdk_time_get(&to_s, &has_to, call, "endTime");
    good = good && check_span(call, has_from, has_to, from_s, to_s, "startTime", "endTime") &&
           ti_casdk_spend(call, 1, to_s - from_s, "endTime");
    if (!good) {
        ti_casdk_refuse(call, 400, "Invalid parameters");
        return;
    }
    ti_casdk_got got = add_average(&json, call, names.name[0], from_s, to_s, "location");
    if (got == TI_CASDK_GOT) {
        ti_casdk_answer(call, &json);
    } else if (got == TI_CASDK_NONE) {
        ti_casdk_nothing(call);
    }
    ti_buf_free(&json);
}

static void average_of(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_casdk_call call;
    ti_casdk_begin(&call, user, request, reply);
    average(&call);
    ti_casdk_end(&call);
}

enum { FIELD_MAX = 40 };

/* One object of a batch; false when the call has been refused. */
static bool average_item(ti_buf *json, ti_casdk_call *call, const ti_jval *item, size_t i)
{
    char location[TI_ZONE_MAX + 1], place[FIELD_MAX], from[FIELD_MAX], to[FIELD_MAX];
    const ti_jval *v = ti_answer_get(item, "location", "Location");
    int64_t from_s = 0, to_s = 0;
    bool has_from, has_to;
    snprintf(place, sizeof place, "[%zu].location", i);
    snprintf(from, sizeof from, "[%zu].startTime", i);
    snprintf(to, sizeof to, "[%zu].endTime", i);
    ti_answer_text(location, sizeof location, v);
    if (!location[0] || v->u.str.len > TI_ZONE_MAX) {
        ti_casdk_fault_add(call, place, "location is not set");
    }
    bool good = ti_casdk_time_of(&from_s, &has_from, call,
                                 ti_answer_get(item, "startTime", "StartTime"), from);
    good &=
        ti_casdk_time_of(&to_s, &has_to, call, ti_answer_get(item, "endTime", "EndTime"), to);
    good = good && check_span(call, has_from, has_to, from_s, to_s, from, to) &&
           ti_casdk_spend(call, 1, to_s - from_s, to);
    if (!good) {
        ti_casdk_refuse(call, 400, "Invalid parameters");
        return false;
    }
    ti_casdk_got got = add_average(json, call, location, from_s, to_s, place);
    if (got == TI_CASDK_NONE) { /* a list cannot say "nothing" of one */
        ti_casdk_fault_add(call, to, "not all of that time is known");
        ti_casdk_refuse(call, 400, "Invalid parameters");
    }
    return got == TI_CASDK_GOT;
}

static void average_batch(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_casdk_call call;
    ti_arena arena = {0};
    ti_jval root;
    ti_buf json = {0};
    ti_casdk_begin(&call, user, request, reply);
    const ti_jval *list = ti_casdk_list(&root, &arena, &call);
    bool good = list != NULL;
    ti_json_open(&json, NULL, '[');
    for (uint32_t i = 0; good && i < list->n; i++) {
        good = average_item(&json, &call, &list->u.items[i], i);
    }
    ti_json_close(&json, ']');
    if (good) {
        ti_casdk_answer(&call, &json);
    }
    ti_buf_free(&json);
    ti_arena_free(&arena);
    ti_casdk_end(&call);
}

/* --- the rest ----------------------------------------------------------------------------- */

static void add_location(ti_buf *json, const char *text, size_t len)
{
    char name[TI_ZONE_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)len, text);
    ti_json_open(json, name, '{');
    ti_json_num(json, "latitude", (double)NAN, 1);
    ti_json_num(json, "longitude", (double)NAN, 1);
    ti_json_str(json, "name", name);
    ti_json_close(json, '}');
}

/* The zones of the file that is served, where one is. */
static void add_file_zones(ti_buf *json, ti_casdk *server)
{
    ti_open_desk d;
    ti_buf zones = {0};
    pthread_mutex_lock(&server->mutex);
    if (ti_desk_open(&d, server->desk, "any", NULL) == TERN_OK) {
        if (d.source.set.file && ti_source_zones(&d.source, &zones, NULL) == TERN_OK) {
            for (const char *at = zones.data; *at; at += strcspn(at, "\n") + 1) {
                add_location(json, at, strcspn(at, "\n"));
            }
        }
        ti_desk_close(&d);
    }
    pthread_mutex_unlock(&server->mutex);
    ti_buf_free(&zones);
}

/* {"eastus":{"latitude":null,"longitude":null,"name":"eastus"}}: where the grids lie is not
 * known here.  {} where any name of a zone is a location. */
static void locations(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    const ti_opt_list *list = ((ti_casdk *)user)->locations;
    ti_casdk_call call;
    ti_buf json = {0};
    ti_casdk_begin(&call, user, request, reply);
    ti_json_open(&json, NULL, '{');
    for (size_t i = 0; i < list->n; i++) {
        size_t name;
        (void)ti_location_zone(list->items[i], &name);
        add_location(&json, list->items[i], name);
    }
    if (list->n == 0) {
        add_file_zones(&json, user);
    }
    ti_json_close(&json, '}');
    ti_casdk_answer(&call, &json);
    ti_buf_free(&json);
    ti_casdk_end(&call);
}

static void health(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    (void)user;
    (void)request;
    ti_web_reply_text(reply, 200, "text/plain", "Healthy");
}

bool ti_casdk_admit(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    bool asks = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    if (!asks || strcmp(request->path, "/health") != 0) {
        return true;
    }
    health(user, request, reply);
    return false;
}

static bool begin_zone(void *user)
{
    return ti_casdk_turn(user);
}

static void end_zone(void *user)
{
    pthread_mutex_unlock(&((ti_casdk_call *)user)->server->mutex);
}

/* What `tern grid export` prints, of the locations that are served; others have their turn
 * between them. */
static void metrics(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_casdk *server = user;
    ti_casdk_call call;
    ti_buf text = {0};
    tern_err err = {0};
    ti_casdk_begin(&call, user, request, reply);
    const ti_metrics_turn turn = {.begin = begin_zone, .end = end_zone, .user = &call};
    tern_status status = ti_metrics_of(&text, server->desk, server->locations, &turn, &err);
    if (status == TERN_OK) {
        ti_web_reply_head(reply, 200, "text/plain; version=0.0.4; charset=utf-8");
        ti_web_reply_body(reply, &text);
    } else {
        ti_casdk_failed(&call, &err, "location");
    }
    ti_buf_free(&text);
    ti_casdk_end(&call);
}

enum { BATCH_MAX = 256 << 10 };

const ti_web_route ti_casdk_routes[] = {
    {"GET", "/emissions/bylocation", by_location, 0},
    {"GET", "/emissions/bylocations", by_locations, 0},
    {"GET", "/emissions/bylocations/best", by_locations_best, 0},
    {"GET", "/emissions/forecasts/current", ti_casdk_current, 0},
    {"POST", "/emissions/forecasts/batch", ti_casdk_batch, BATCH_MAX},
    {"GET", "/emissions/average-carbon-intensity", average_of, 0},
    {"POST", "/emissions/average-carbon-intensity/batch", average_batch, BATCH_MAX},
    {"GET", "/locations", locations, 0},
    {"GET", "/health", health, 0},
    {"GET", "/metrics", metrics, 0},
    {NULL, NULL, NULL, 0},
};
