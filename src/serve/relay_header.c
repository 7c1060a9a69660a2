/* SPDX-License-Identifier: Apache-2.0 */
/* Why somebody was asked, in a header. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "serve/relay.h"

const char *ti_route_code_name(ti_route_code code)
{
    static const char *const names[TI_RWHY_CODES] = {
        [TI_RWHY_LOCAL_FIRST] = "local_first",
        [TI_RWHY_LOCAL_COSTS] = "local_costs_more",
        [TI_RWHY_FEWEST_GRAMS] = "fewest_grams",
        [TI_RWHY_ONLY_KNOWN] = "only_known",
        [TI_RWHY_ONLY_ONE] = "only_one",
        [TI_RWHY_OVERLAP] = "ranges_overlap",
        [TI_RWHY_NO_GRAMS] = "grams_unknown",
        [TI_RWHY_OTHER_BASIS] = "other_basis",
        [TI_RWHY_TRIAL] = "trial",
        [TI_RWHY_BUDGET_LEFT] = "budget_left_ug",
        [TI_RWHY_BUDGET_END] = "budget_end",
        [TI_RWHY_SMALLER] = "smaller",
        [TI_RWHY_NEVER_FITS] = "never_fits",
        [TI_RWHY_WAIT_BUDGET] = "wait_budget",
        [TI_RWHY_WAIT_BREAKER] = "wait_breaker",
        [TI_RWHY_NO_TIME] = "no_time",
        [TI_RWHY_NOBODY] = "nobody",
    };
    return code < TI_RWHY_CODES ? names[code] : "?";
}

/* Appends text where it fits whole, and nothing where it does not. */
static void add(char out[TI_RELAY_HEADER_MAX], const char *text)
{
    size_t n = strlen(out), m = strlen(text);
    if (n + m < TI_RELAY_HEADER_MAX) {
        memcpy(out + n, text, m + 1);
    }
}

static void add_number(char out[TI_RELAY_HEADER_MAX], const char *name, uint64_t value)
{
    char text[64];
    snprintf(text, sizeof text, "; %.30s=%" PRIu64, name, value);
    add(out, text);
}

/* A name in the characters that no header and no list of this one needs for itself. */
static void add_name(char out[TI_RELAY_HEADER_MAX], const char *before, const char *name)
{
    char text[TI_UPSTREAMS_NAME_MAX + 16];
    int n = snprintf(text, sizeof text, "%.8s%.*s", before, TI_UPSTREAMS_NAME_MAX, name);
    for (int i = (int)strlen(before); i < n; i++) {
        bool plain = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
                     (text[i] >= '0' && text[i] <= '9') || strchr("._/-", text[i]);
        text[i] = plain ? text[i] : '_';
    }
    add(out, text);
}

static void add_why(char out[TI_RELAY_HEADER_MAX], const ti_route_why *why, bool first)
{
    char text[80];
    bool numbers = why->code == TI_RWHY_BUDGET_LEFT || why->code == TI_RWHY_BUDGET_END;
    bool second = why->code == TI_RWHY_LOCAL_COSTS || why->code == TI_RWHY_FEWEST_GRAMS;
    int n = snprintf(text, sizeof text, "%s%s", first ? "; why=" : ",",
                     ti_route_code_name(why->code));
    if (numbers || second) { /* micrograms: left of the day, or the difference */
        snprintf(text + n, sizeof text - (size_t)n, ":%" PRId64, second ? why->b : why->a);
    }
    add(out, text);
}

void ti_relay_header(char out[TI_RELAY_HEADER_MAX], const ti_route *route,
                     const ti_upstreams *list, uint32_t to, ti_route_task task,
                     uint32_t attempt)
{
    const ti_route_row *row = &route->rows[to];
    out[0] = '\0';
    add_name(out, "to=", list->items[to].name);
    add(out, list->items[to].candidate.local ? "; action=local" : "; action=upstream");
    add(out, task == TI_ROUTE_THIN ? "; task=thin" : "; task=thick");
    add_number(out, "attempt", attempt);
    if (row->energy_known) {
        add_number(out, "energy_uj", row->energy_uj);
    }
    if (row->grams_known) {
        add_number(out, "co2_ug", row->co2_ug);
        add_number(out, "co2_low_ug", row->co2_low_ug);
        add_number(out, "co2_high_ug", row->co2_high_ug);
    }
    for (uint32_t i = 0; i < route->n_whys; i++) {
        add_why(out, &route->whys[i], i == 0);
    }
}
