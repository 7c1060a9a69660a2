/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_outlook.h"

#include <stdio.h>
#include <time.h>

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

/* What is known of the grid for so long.  *now_s is the desk's clock. */
static tern_status forecast(ti_feed *feed, const char *zone, int64_t shown_s, int64_t *now_s,
                            tern_err *err)
{
    const ti_desk_args args = {.timeout_s = TIMEOUT_S};
    ti_open_desk d;
    char own[TI_ZONE_MAX + 1];
    if (!zone) {
        TI_TRY(ti_user_zone(own, sizeof own, err));
        if (!own[0]) {
            return ti_fail(err, TERN_NO, "serve", TI_NO_OFFSET, "%s", TI_GRAMS_HINT);
        }
    }
    TI_TRY(ti_desk_open(&d, &args, zone, err));
    *now_s = d.desk.now_s;
    tern_status status = ti_desk_forecast(feed, NULL, &d.desk, d.zone, *now_s + shown_s, err);
    ti_desk_close(&d);
    return status;
}

tern_status ti_serve_outlook(ti_buf *json, const char *zone, tern_err *err)
{
    ti_feed feed = {0};
    int64_t now_s;
    tern_status status = forecast(&feed, zone, SHOWN_S, &now_s, err);
    if (status == TERN_OK) {
        status = decide(json, &feed, now_s, err);
    }
    ti_feed_free(&feed);
    return status;
}

static tern_status choose(int64_t *start_s, ti_buf *why, const ti_feed *feed,
                          const ti_plan_job *job, int64_t now_s, tern_err *err)
{
    const ti_series *series = &feed->series;
    ti_planner planner;
    ti_decision decision;
    TI_TRY(ti_plan_open(&planner, &series, 1, err));
    tern_status status = ti_plan_decide(&decision, &planner, job, err);
    if (status == TERN_OK) {
        const ti_decided d = {
            .decision = &decision, .job = job, .feeds = feed, .n_feeds = 1, .now_s = now_s};
        *start_s = decision.start_s;
        ti_buf_adds(why, decision.wait ? "waits: " : "at once: ");
        if (decision.n_whys > 0) {
            ti_add_why(why, &d, &decision.whys[0]);
        }
    }
    ti_plan_close(&planner);
    return status;
}

tern_status ti_serve_defer(int64_t *start_s, char *why, size_t size, const char *zone,
                           uint64_t id, int64_t deadline_s, uint64_t work_s, tern_err *err)
{
    enum { LONGER = 4, LIKELY = 3 }; /* it may take so many times as long; odds that not */
    ti_feed feed = {0};
    ti_buf text = {0};
    int64_t now_s = 0, left = deadline_s - (int64_t)time(NULL);
    uint64_t most = left > LONGER ? (uint64_t)left / LONGER : 1;
    uint32_t seconds = (uint32_t)(work_s < most ? work_s : most);
    if (left <= 0) {
        return ti_fail(err, TERN_NO, "serve", TI_NO_OFFSET, "its window has ended");
    }
    seconds = seconds > 0 ? seconds : 1;
    tern_status status = forecast(&feed, zone, left, &now_s, err);
    if (status == TERN_OK) {
        const ti_plan_job job = {.id = id,
                                 .earliest_s = now_s,
                                 .deadline_s = now_s + left,
                                 .n_durations = 2,
                                 .durations = {{.duration_s = seconds, .weight = LIKELY},
                                               {.duration_s = seconds * LONGER, .weight = 1}},
                                 .band_permille = TI_BAND_PERMILLE,
                                 .confidence_permille = TI_CONFIDENCE_PERMILLE};
        status = choose(start_s, &text, &feed, &job, now_s, err);
    }
    ti_feed_free(&feed);
    if (status == TERN_OK) {
        snprintf(why, size, "%s", text.data ? text.data : "");
    }
    ti_buf_free(&text);
    return status;
}
