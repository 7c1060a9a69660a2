/* SPDX-License-Identifier: Apache-2.0 */
/* Figures for the WebAPI, from desks: one basis in an answer, and a header that names it. */
#include <string.h>
#include <strings.h>

#include "carbon/basis.h"
#include "carbon/stamp.h"
#include "cli/casdk_parts.h"

enum { POINT_S = 3 * TI_HOUR_S, ORIGIN_MAX = 2048 };

/* The zone of a location; NULL when it is none that is served. */
static const char *zone_of(const ti_casdk *server, const char *location)
{
    const ti_opt_list *list = server->locations;
    size_t n = strlen(location);
    for (size_t i = 0; i < list->n; i++) {
        size_t len;
        const char *zone = ti_location_zone(list->items[i], &len);
        if (len == n && strncasecmp(list->items[i], location, n) == 0) {
            return zone;
        }
    }
    return list->n == 0 ? location : NULL;
}

/* Opens a desk for a location.  A year's mean stands in for nothing here: the answer could not
 * say that it is one. */
static tern_status open_desk(ti_open_desk *d, const ti_casdk_call *call, const char *location,
                             tern_err *err)
{
    const char *zone = zone_of(call->server, location);
    if (!zone) {
        return ti_fail(err, TERN_USAGE, "grid", TI_NO_OFFSET,
                       "Location '%s' is not served here", location);
    }
    TI_TRY(ti_desk_open(d, call->server->desk, zone, err));
    d->desk.grid = NULL;
    return TERN_OK;
}

bool ti_casdk_turn(ti_casdk_call *call)
{
    pthread_mutex_lock(&call->server->mutex);
    if (!ti_web_reply_gone(call->reply)) {
        return true;
    }
    pthread_mutex_unlock(&call->server->mutex);
    return false;
}

/* The same; a call whose client has left is answered. */
static bool take_turn(ti_casdk_call *call)
{
    if (ti_casdk_turn(call)) {
        return true;
    }
    ti_casdk_refuse(call, 503, "nobody waits for the answer");
    return false;
}

/* Notes where the figures are from; false when they count something else than those before. */
static bool may_join(ti_casdk_call *call, const ti_feed *feed, const char *location)
{
    char a[TI_BASIS_TEXT], b[TI_BASIS_TEXT];
    if (call->has_basis && !ti_basis_equal(call->basis, feed->series.basis)) {
        ti_casdk_fault_add(
            call, "location", "the figures of '%.40s' are on the basis %s, those before on %s",
            location, ti_basis_text(a, feed->series.basis), ti_basis_text(b, call->basis));
        ti_casdk_refuse(call, 400, "Figures on two bases are not compared");
        return false;
    }
    if (!call->has_basis || call->origin.len < ORIGIN_MAX) {
        ti_buf_addf(&call->origin, "%s%s: %s, %s, %s", call->origin.len > 0 ? "; " : "",
                    location, feed->series.source, ti_basis_text(a, feed->series.basis),
                    ti_how_text(feed->how));
    }
    call->has_basis = true;
    call->basis = feed->series.basis;
    return true;
}

/* Ends an asking: closes the desk, and answers when it failed. */
static ti_casdk_got conclude(ti_feed *out, ti_casdk_call *call, const char *location,
                             tern_status status, bool empty, const tern_err *err,
                             const char *field)
{
    if (status != TERN_OK && empty) {
        return TI_CASDK_NONE;
    }
    if (status != TERN_OK) {
        ti_casdk_failed(call, err, field);
        return TI_CASDK_REFUSED;
    }
    if (!may_join(call, out, location)) {
        ti_feed_free(out);
        return TI_CASDK_REFUSED;
    }
    return TI_CASDK_GOT;
}

ti_casdk_got ti_casdk_history(ti_feed *out, ti_casdk_call *call, const char *location,
                              int64_t from_s, int64_t to_s, const char *field)
{
    ti_open_desk d;
    tern_err err = {0};
    bool empty = false;
    int64_t end_s = to_s > from_s ? to_s : from_s + 1;
    if (from_s > call->now_s) {
        return TI_CASDK_NONE;
    }
    if (!take_turn(call)) {
        return TI_CASDK_REFUSED;
    }
    tern_status status = open_desk(&d, call, location, &err);
    if (status == TERN_OK) {
        /* A slot that holds the first moment may have begun long before it. */
        int64_t ask_s = from_s < POINT_S ? 0 : from_s - POINT_S;
        int64_t until_s = end_s < call->now_s ? end_s : call->now_s + 1;
        status = from_s == call->now_s
                     ? ti_desk_now(out, &d.desk, d.zone, &err)
                     : ti_desk_history(out, &d.desk, d.zone, ask_s, until_s, &err);
        empty = status == TERN_UNAVAILABLE && d.source.answered;
        ti_desk_close(&d);
    }
    pthread_mutex_unlock(&call->server->mutex);
    ti_casdk_got got = conclude(out, call, location, status, empty, &err, field);
    if (got == TI_CASDK_GOT && from_s != call->now_s) {
        ti_feed_clip(out, from_s, end_s);
        if (out->series.n == 0) {
            ti_feed_free(out);
            return TI_CASDK_NONE;
        }
    }
    return got;
}

ti_casdk_got ti_casdk_forecast(ti_feed *out, ti_casdk_call *call, const char *location,
                               int64_t then_s, int64_t to_s, const char *field)
{
    ti_open_desk d;
    tern_err err = {0};
    if (!take_turn(call)) {
        return TI_CASDK_REFUSED;
    }
    tern_status status = open_desk(&d, call, location, &err);
    if (status == TERN_OK) {
        status = then_s < call->now_s
                     ? ti_desk_forecast_then(out, &d.desk, d.zone, then_s, to_s, &err)
                     : ti_desk_forecast(out, NULL, &d.desk, d.zone, to_s, &err);
        if (status == TERN_OK && out->how == TI_HOW_YEARLY) {
            ti_feed_free(out);
            status = ti_fail(&err, TERN_UNSUPPORTED, "grid", TI_NO_OFFSET,
                             "a year's mean is no forecast");
        } else if (status == TERN_UNAVAILABLE &&
                   !(d.source.kind->asks & 1U << TI_ASK_FORECAST)) {
            err.status = TERN_UNSUPPORTED;
        }
        ti_desk_close(&d);
    }
    pthread_mutex_unlock(&call->server->mutex);
    return conclude(out, call, location, status, false, &err, field);
}
