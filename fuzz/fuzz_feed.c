/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of those who know a grid: the first byte says whose it is, the rest is what they say.
 * Refused and nothing kept, or a series that keeps all its promises. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/cache.h"
#include "carbon/desk.h"
#include "carbon/parse.h"
#include "carbon/stamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ti_basis direct = {.kind = TI_AVERAGE, .scope = TI_OPERATIONAL};
static const ti_basis whole = {.kind = TI_AVERAGE, .scope = TI_LIFE_CYCLE};
static const ti_basis marginal = {.kind = TI_MARGINAL, .scope = TI_OPERATIONAL};

static void check(const ti_feed *feed)
{
    TI_ASSERT(ti_series_check(&feed->series, NULL) == TERN_OK);
    for (size_t i = 0; i < feed->series.n; i++) {
        uint32_t mg = feed->slots[i].intensity_mg_kwh;
        TI_ASSERT(mg <= TI_INTENSITY_MAX_MG_KWH);
        TI_ASSERT(mg > 0 || feed->series.basis.kind == TI_MARGINAL);
    }
}

/* What planning does with it: a forecast from it, and itself merged into itself. */
static void use(ti_feed *feed)
{
    ti_feed made, twice;
    enum { SLOTS_MAX = 2048, AHEAD_S = 6 * 3600 }; /* more teaches nothing */
    size_t n = feed->series.n;
    if (n == 0 || n > SLOTS_MAX) {
        return;
    }
    const ti_slot *last = &feed->slots[n - 1];
    int64_t end = last->start_s + last->length_s;
    if (end < TI_STAMP_MAX_S &&
        ti_desk_derive(&made, &feed->series, end, end, end + AHEAD_S, NULL) == TERN_OK) {
        check(&made);
        ti_feed_free(&made);
    }
    TI_ASSERT(ti_feed_copy(&twice, feed, NULL) == TERN_OK);
    TI_ASSERT(ti_feed_merge(&twice, feed, 0, TI_SERIES_SLOTS_MAX, NULL) == TERN_OK);
    TI_ASSERT(twice.series.n == n);
    TI_ASSERT(memcmp(twice.slots, feed->slots, n * sizeof *twice.slots) == 0);
    ti_feed_free(&twice);
}

static tern_status read_feed(ti_feed *feed, char whose, const char *text, size_t len,
                             tern_err *err)
{
    switch (whose) {
    case 'n':
        ti_feed_init(feed, "GB", "neso", direct);
        break;
    case 'r':
        ti_feed_init(feed, "GB-RG10", "neso", direct);
        break;
    case 'w':
        ti_feed_init(feed, "CAISO_NORTH", "watttime", marginal);
        break;
    case 'e':
    case 'x':
        ti_feed_init(feed, "DE", "electricitymaps", whole);
        break;
    default:
        ti_feed_init(feed, "eastus", "file", whole);
        break;
    }
    switch (whose) {
    case 'n':
    case 'r':
        return ti_parse_neso(feed, text, len, err);
    case 'e':
        return ti_parse_emaps(feed, text, len, err);
    case 'w':
        return ti_parse_watttime(feed, text, len, TI_SLOT_ACTUAL, err);
    case 'x':
        return ti_parse_entsoe(feed, text, len, err);
    case 'c':
        return ti_parse_casdk(feed, text, len, err);
    case 'f':
        return ti_parse_casdk_forecast(feed, text, len, err);
    default:
        return ti_parse_csv(feed, text, len, NULL, err);
    }
}

/* What was written of what was read is read again as the same. */
static void fuzz_kept(const char *text, size_t len)
{
    ti_kept kept, again;
    ti_buf one = {0}, two = {0};
    if (ti_kept_parse(&kept, text, len, NULL) != TERN_OK) {
        return;
    }
    ti_kept_text(&one, &kept);
    TI_ASSERT(!one.failed);
    TI_ASSERT(ti_kept_parse(&again, one.data, one.len, NULL) == TERN_OK);
    ti_kept_text(&two, &again);
    TI_ASSERT(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    ti_kept_free(&kept);
    ti_kept_free(&again);
    ti_buf_free(&one);
    ti_buf_free(&two);
}

static void fuzz_moment(const char *text, size_t len)
{
    char out[TI_STAMP_TEXT];
    int64_t t, again;
    uint32_t span, same;
    if (ti_stamp_parse(&t, text, len)) {
        ti_stamp_text(out, t);
        TI_ASSERT(ti_stamp_parse(&again, out, strlen(out)) && again == t);
    }
    if (ti_span_parse(&span, text, len)) {
        ti_span_text(out, span);
        TI_ASSERT(ti_span_parse(&same, out, strlen(out)) && same == span);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;
    ti_feed feed;
    ti_yearly yearly;
    ti_buf zones = {0};
    char token[64];
    tern_err err = {0};
    if (size == 0) {
        return 0;
    }
    switch (data[0]) {
    case 'k':
        fuzz_kept(text, size - 1);
        return 0;
    case 's':
        fuzz_moment(text, size - 1);
        return 0;
    case 'l':
        (void)ti_parse_watttime_login(token, sizeof token, text, size - 1, NULL);
        return 0;
    case 'z':
        (void)ti_parse_emaps_zones(&zones, text, size - 1, NULL);
        ti_buf_free(&zones);
        return 0;
    case 'y':
        if (ti_parse_yearly(&yearly, "DEU", "average-2025.json", text, size - 1, NULL) ==
            TERN_OK) {
            TI_ASSERT(yearly.intensity_mg_kwh > 0);
        }
        return 0;
    default:
        break;
    }
    if (read_feed(&feed, (char)data[0], text, size - 1, &err) != TERN_OK) {
        TI_ASSERT(feed.series.n == 0 && err.status != TERN_OK && err.message[0]);
        return 0;
    }
    check(&feed);
    use(&feed);
    ti_feed_free(&feed);
    return 0;
}
