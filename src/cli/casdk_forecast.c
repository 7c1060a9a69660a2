/* SPDX-License-Identifier: Apache-2.0 */
/* /emissions/forecasts/current and /batch. */
#include <stdio.h>
#include <string.h>

#include "carbon/json.h"
#include "carbon/rolling.h"
#include "carbon/stamp.h"
#include "cli/casdk_parts.h"

enum { AHEAD_S = 48 * TI_HOUR_S, AHEAD_MAX_S = 14 * TI_DAY_S, MINUTE_S = 60 };

/* One forecast that was asked for. */
typedef struct wanted {
    const char *location;
    const char *fields[4]; /* how faults call location, dataStartAt, dataEndAt, windowSize */
    int64_t requested_s, start_s, end_s;
    bool has_start, has_end, has_window;
    uint32_t window_min;
} wanted;

/* One point of the answer. */
static void add_point(ti_buf *json, const char *location, int64_t start_s, uint32_t length_s,
                      uint32_t mg)
{
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "location", location);
    ti_casdk_moment(json, "timestamp", start_s);
    ti_json_uint(json, "duration", length_s / MINUTE_S);
    ti_casdk_grams(json, "value", mg);
    ti_json_close(json, '}');
}

/* Walks the points: windows in steps of the forecast's own, or its slots where no window was
 * asked for.  Zeroed but for the first three members it stands in front of the first. */
typedef struct points {
    const wanted *w;
    const ti_series *series;
    uint32_t tick_s;
    size_t next;
    ti_rolling rolling;
    int64_t start_s;
    uint32_t length_s, mg;
} points;

static bool next_point(points *p)
{
    const ti_series *s = p->series;
    if (!p->w->has_window) {
        while (p->next < s->n && s->slots[p->next].start_s < p->w->end_s) {
            const ti_slot *slot = &s->slots[p->next++];
            if (slot->start_s + slot->length_s > p->w->start_s) {
                p->start_s = slot->start_s;
                p->length_s = slot->length_s;
                p->mg = slot->intensity_mg_kwh;
                return true;
            }
        }
        return false;
    }
    if (!p->rolling.series) {
        p->rolling = (ti_rolling){.series = s,
                                  .window_s = p->w->window_min * MINUTE_S,
                                  .tick_s = p->tick_s,
                                  .at_s = p->w->start_s,
                                  .to_s = p->w->end_s};
    }
    bool more = ti_rolling_next(&p->rolling);
    p->start_s = p->rolling.start_s;
    p->length_s = p->rolling.window_s;
    p->mg = p->rolling.mean_mg_kwh;
    return more;
}

/* The list of all points, or with `best` of those that have the lowest value. */
static void add_points(ti_buf *json, const char *key, points p, bool best)
{
    points all = p;
    uint32_t low = UINT32_MAX;
    while (best && next_point(&p)) {
        low = p.mg < low ? p.mg : low;
    }
    ti_json_open(json, key, '[');
    while (next_point(&all)) {
        if (!best || all.mg == low) {
            add_point(json, all.w->location, all.start_s, all.length_s, all.mg);
        }
    }
    ti_json_close(json, ']');
}

/* Start and end must be within the forecast, in order.  Fills in what was not given. */
static bool check_range(wanted *w, ti_casdk_call *call, const ti_series *s)
{
    int64_t first = s->slots[0].start_s;
    int64_t end = s->slots[s->n - 1].start_s + s->slots[s->n - 1].length_s;
    char from[TI_STAMP_TEXT], to[TI_STAMP_TEXT];
    size_t before = call->n_faults;
    w->start_s = w->has_start ? w->start_s : first;
    w->end_s = w->has_end ? w->end_s : end;
    if (w->start_s >= w->end_s) {
        ti_casdk_fault_add(call, w->fields[1], "dataStartAt must be earlier than dataEndAt");
    }
    if (w->start_s < first || w->start_s > end) {
        ti_casdk_fault_add(call, w->fields[1],
                           "dataStartAt must be within time range of the forecasted data, "
                           "'%s' through '%s'",
                           ti_stamp_text(from, first), ti_stamp_text(to, end));
    }
    if (w->end_s < first || w->end_s > end) {
        ti_casdk_fault_add(call, w->fields[2],
                           "dataEndAt must be within time range of the forecasted data, "
                           "'%s' through '%s'",
                           ti_stamp_text(from, first), ti_stamp_text(to, end));
    }
    return call->n_faults == before;
}

static void add_forecast(ti_buf *json, const wanted *w, const ti_series *s)
{
    points p = {.w = w, .series = s, .tick_s = s->slots[s->n > 1 ? 1 : 0].length_s};
    ti_json_open(json, NULL, '{');
    ti_casdk_moment(json, "generatedAt", s->issued_s);
    ti_casdk_moment(json, "requestedAt", w->requested_s);
    ti_json_str(json, "location", w->location);
    ti_casdk_moment(json, "dataStartAt", w->start_s);
    ti_casdk_moment(json, "dataEndAt", w->end_s);
    ti_json_uint(json, "windowSize", w->has_window ? w->window_min : p.tick_s / MINUTE_S);
    add_points(json, "optimalDataPoints", p, true);
    add_points(json, "forecastData", p, false);
    ti_json_close(json, '}');
}

/* Asks for one and adds it; false when the call has been answered with a refusal. */
static bool answer_one(ti_buf *json, ti_casdk_call *call, wanted *w)
{
    ti_feed feed;
    int64_t to_s = w->requested_s + AHEAD_S, most = w->requested_s + AHEAD_MAX_S;
    if (w->has_end && w->end_s > to_s) {
        to_s = w->end_s < most ? w->end_s : most;
    }
    if (!ti_casdk_spend(call, 1, to_s - w->requested_s, w->fields[2])) {
        ti_casdk_refuse(call, 400, "Invalid parameters");
        return false;
    }
    if (ti_casdk_forecast(&feed, call, w->location, w->requested_s, to_s, w->fields[0]) !=
        TI_CASDK_GOT) {
        return false;
    }
    bool good = check_range(w, call, &feed.series);
    if (good) {
        add_forecast(json, w, &feed.series);
    } else {
        ti_casdk_refuse(call, 400, "Invalid EmissionsForecast");
    }
    ti_feed_free(&feed);
    return good;
}

static void current(ti_casdk_call *call)
{
    ti_casdk_names names;
    ti_buf json = {0};
    wanted w = {.requested_s = call->now_s,
                .fields = {"location", "dataStartAt", "dataEndAt", "windowSize"}};
    bool good = ti_casdk_names_get(&names, call, false);
    good &= ti_casdk_time_get(&w.start_s, &w.has_start, call, w.fields[1]);
    good &= ti_casdk_time_get(&w.end_s, &w.has_end, call, w.fields[2]);
    good &= ti_casdk_minutes_get(&w.window_min, &w.has_window, call, w.fields[3]);
    if (!good) {
        ti_casdk_refuse(call, 400, "Invalid parameters");
        return;
    }
    ti_json_open(&json, NULL, '[');
    for (size_t i = 0; i < names.n && good; i++) {
        wanted one = w;
        one.location = names.name[i];
        good = answer_one(&json, call, &one);
    }
    ti_json_close(&json, ']');
    if (good) {
        ti_casdk_answer(call, &json);
    }
    ti_buf_free(&json);
}

void ti_casdk_current(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_casdk_call call;
    ti_casdk_begin(&call, user, request, reply);
    current(&call);
    ti_casdk_end(&call);
}

/* --- batch -------------------------------------------------------------------------------- */

enum { FIELD_MAX = 40 };

typedef struct item_text {
    char location[TI_ZONE_MAX + 1], fields[4][FIELD_MAX];
} item_text;

/* Reads one object of a batch. */
static bool read_item(wanted *w, item_text *text, ti_casdk_call *call, const ti_jval *item,
                      size_t i)
{
    static const char *const names[] = {"location", "dataStartAt", "dataEndAt", "windowSize"};
    static const char *const pascal[] = {"Location", "DataStartAt", "DataEndAt", "WindowSize"};
    const ti_jval *v[4];
    char requested[FIELD_MAX];
    uint64_t minutes = 0;
    bool has_requested;
    for (size_t k = 0; k < 4; k++) {
        v[k] = ti_answer_get(item, names[k], pascal[k]);
        snprintf(text->fields[k], FIELD_MAX, "[%zu].%s", i, names[k]);
        w->fields[k] = text->fields[k];
    }
    snprintf(requested, sizeof requested, "[%zu].requestedAt", i);
    bool good =
        v[0] && v[0]->type == TI_JSTR && v[0]->u.str.len > 0 && v[0]->u.str.len <= TI_ZONE_MAX;
    if (good) {
        w->location = ti_answer_text(text->location, sizeof text->location, v[0]);
    } else {
        ti_casdk_fault_add(call, text->fields[0], "location is not set");
    }
    good &= ti_casdk_time_of(&w->requested_s, &has_requested, call,
                             ti_answer_get(item, "requestedAt", "RequestedAt"), requested);
    if (!has_requested) {
        ti_casdk_fault_add(call, requested, "requestedAt is not set");
        return false;
    }
    if (good && w->requested_s > call->now_s) {
        ti_casdk_fault_add(call, requested, "requestedAt must not be in the future");
        return false;
    }
    good &= ti_casdk_time_of(&w->start_s, &w->has_start, call, v[1], text->fields[1]);
    good &= ti_casdk_time_of(&w->end_s, &w->has_end, call, v[2], text->fields[2]);
    w->has_window = !ti_jval_none(v[3]);
    if (w->has_window && !(ti_jval_uint(v[3], AHEAD_MAX_S / MINUTE_S, &minutes) && minutes)) {
        ti_casdk_fault_add(call, text->fields[3], "windowSize must be a number of minutes");
        return false;
    }
    w->window_min = (uint32_t)minutes;
    return good;
}

static void batch(ti_casdk_call *call)
{
    ti_arena arena = {0};
    ti_jval root;
    ti_buf json = {0};
    const ti_jval *list = ti_casdk_list(&root, &arena, call);
    bool good = list != NULL;
    ti_json_open(&json, NULL, '[');
    for (uint32_t i = 0; good && i < list->n; i++) {
        wanted w = {0};
        item_text text;
        good = read_item(&w, &text, call, &list->u.items[i], i);
        if (!good) {
            ti_casdk_refuse(call, 400, "Invalid parameters");
        } else {
            good = answer_one(&json, call, &w);
        }
    }
    ti_json_close(&json, ']');
    if (good) {
        ti_casdk_answer(call, &json);
    }
    ti_buf_free(&json);
    ti_arena_free(&arena);
}

void ti_casdk_batch(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_casdk_call call;
    ti_casdk_begin(&call, user, request, reply);
    batch(&call);
    ti_casdk_end(&call);
}
