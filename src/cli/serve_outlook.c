/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_outlook.h"

#include "carbon/stamp.h"
#include "cli/decision.h"
#include "cli/desks.h"
#include "cli/grams.h"
#include "cli/grid_show.h"
#include "plan/plan.h"

enum {
    MINUTE_S = 60,
    HOUR_S = 3600,
    DAY_S = 24 * HOUR_S,
    WITHIN_S = DAY_S,    /* of which the best hour is chosen */
    SHOWN_S = 2 * DAY_S, /* of the forecast */
    TIMEOUT_S = 10       /* somebody looks at a page meanwhile */
};

static void render(ti_buf *json, const ti_decided *d)
{
    char now[TI_STAMP_TEXT];
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "schema", "tern.outlook/1");
    ti_json_str(json, "now", ti_stamp_text(now, d->now_s));
    ti_json_job(json, "job", d);
    ti_json_decision(json, "decision", d);
    ti_json_feed(json, "feed", d->feeds);
    ti_json_close(json, '}');
}

static tern_status decide(ti_buf *json, const ti_feed *feed, int64_t now_s, tern_err *err)
{
    const ti_series *series = &feed->series;
    ti_planner planner;
    ti_decision decision;
    int64_t start_s = ti_stamp_floor(now_s + MINUTE_S - 1, MINUTE_S);
    const ti_plan_job job = {.earliest_s = start_s,
                             .deadline_s = start_s + WITHIN_S,
                             .n_durations = 1,
                             .durations = {{.duration_s = HOUR_S, .weight = 1}},
                             .confidence_permille = TI_CONFIDENCE_PERMILLE};
    TI_TRY(ti_plan_open(&planner, &series, 1, err));
    tern_status status = ti_plan_decide(&decision, &planner, &job, err);
    if (status == TERN_OK) {
        const ti_decided d = {
            .decision = &decision, .job = &job, .feeds = feed, .n_feeds = 1, .now_s = now_s};
        render(json, &d);
        if (json->failed) {
            status = ti_fail_nomem(err, "serve", json->len, "text");
        }
    }
    ti_plan_close(&planner);
    return status;
}

tern_status ti_serve_outlook(ti_buf *json, const char *zone, tern_err *err)
{
    const ti_desk_args args = {.timeout_s = TIMEOUT_S};
    ti_open_desk d;
    ti_feed feed = {0};
    char own[TI_ZONE_MAX + 1];
    if (!zone) {
        TI_TRY(ti_user_zone(own, sizeof own, err));
        if (!own[0]) {
            return ti_fail(err, TERN_NO, "serve", TI_NO_OFFSET, "%s", TI_GRAMS_HINT);
        }
    }
    TI_TRY(ti_desk_open(&d, &args, zone, err));
    int64_t now_s = d.desk.now_s;
    tern_status status = ti_desk_forecast(&feed, NULL, &d.desk, d.zone, now_s + SHOWN_S, err);
    ti_desk_close(&d);
    if (status == TERN_OK) {
        status = decide(json, &feed, now_s, err);
    }
    ti_feed_free(&feed);
    return status;
}
