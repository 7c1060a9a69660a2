/* SPDX-License-Identifier: Apache-2.0 */
/* A75 documents as in ENTSO-E's guide to its restful API.  Expat reads the XML; a document type
 * declaration (entities that grow) is refused, as is depth.  Series of several resolutions are
 * laid on the grid of the finest one: megawatts, mean of the moment, do not change by that. */
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "carbon/basis.h"
#include "carbon/json.h"
#include "carbon/mix.h"
#include "carbon/parse.h"
#include "carbon/stamp.h"

#define MODULE "entsoe"

enum {
    DEPTH_MAX = 16,
    TEXT_MAX = 128,
    POINTS_MAX = 1 << 18, /* a year of quarters of an hour is 35,136 for each of 20 kinds */
    STEP_MIN_S = 60,
    CELLS_MAX = 1 << 22
};

/* A kind that gives less than this part of all energy may be missing in a moment; a moment
 * without a larger one is not complete, and its mean would be another country's. */
#define SMALL_PART 0.02

typedef struct point {
    int64_t start_s;
    uint32_t length_s;
    int kind;
    double mw;
} point;

typedef struct reader {
    XML_Parser xml;
    ti_feed *feed;
    const char *area;
    char path[DEPTH_MAX][40]; /* names of the open elements */
    unsigned depth;
    char text[TEXT_MAX]; /* of the innermost one */
    size_t text_len;
    bool is_refusal;
    char reason[TEXT_MAX];
    /* the series that is open */
    bool consumption;
    int kind;
    /* the period that is open */
    int64_t from_s, to_s;
    uint32_t step_s;
    uint64_t position, next; /* `next` = first position that has no value yet */
    double quantity, last;
    bool has_quantity, has_last;
    point *points;
    size_t n, cap;
    tern_status status;
    tern_err *err;
} reader;

static void stop(reader *r, tern_status status, const char *what)
{
    if (r->status == TERN_OK) {
        r->status =
            ti_fail(r->err, status, MODULE, (uint64_t)XML_GetCurrentByteIndex(r->xml),
                    "line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(r->xml), what);
        XML_StopParser(r->xml, XML_FALSE);
    }
}

static bool push(reader *r, int64_t start_s, double mw)
{
    if (r->n == POINTS_MAX) {
        stop(r, TERN_LIMIT, "more than 262144 points");
        return false;
    }
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 256;
        point *points = realloc(r->points, cap * sizeof *points);
        if (!points) {
            stop(r, TERN_NOMEM, "out of memory");
            return false;
        }
        r->points = points;
        r->cap = cap;
    }
    r->points[r->n++] =
        (point){.start_s = start_s, .length_s = r->step_s, .kind = r->kind, .mw = mw};
    return true;
}

/* Fills positions that were left out with the value in front of them. */
static void fill_until(reader *r, uint64_t position)
{
    while (r->has_last && r->next < position) {
        int64_t start = r->from_s + (int64_t)(r->next - 1) * r->step_s;
        if (start >= r->to_s || !push(r, start, r->last)) {
            return;
        }
        r->next++;
    }
}

static void end_point(reader *r)
{
    int64_t start = r->from_s + (int64_t)(r->position - 1) * r->step_s;
    if (r->step_s == 0 || r->to_s <= r->from_s) {
        stop(r, TERN_CORRUPT, "a point in front of its period's interval and resolution");
    } else if (r->position < r->next || start + r->step_s > r->to_s || !r->has_quantity) {
        stop(r, TERN_CORRUPT, "a point without quantity, out of order, or outside its period");
    } else if (!r->consumption && r->kind >= 0) {
        fill_until(r, r->position);
        (void)push(r, start, r->quantity);
        r->next = r->position + 1;
        r->last = r->quantity;
        r->has_last = true;
    }
    r->has_quantity = false;
    r->position = 0;
}

static void end_period(reader *r)
{
    if (r->step_s > 0 && r->to_s > r->from_s) {
        fill_until(r, UINT64_MAX);
    }
    r->from_s = r->to_s = 0;
    r->step_s = 0;
    r->next = 1;
    r->has_last = false;
}

/* --- what expat calls --------------------------------------------------------------------- */

static bool inside(const reader *r, const char *parent, const char *name)
{
    return r->depth >= 2 && strcmp(r->path[r->depth - 1], name) == 0 &&
           strcmp(r->path[r->depth - 2], parent) == 0;
}

static void XMLCALL on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    reader *r = user;
    const char *colon = strrchr(name, ':'), *local = colon ? colon + 1 : name;
    (void)attributes;
    if (r->depth == DEPTH_MAX || strlen(local) >= sizeof r->path[0]) {
        stop(r, TERN_CORRUPT, "elements too deep, or with too long a name");
        return;
    }
    if (r->depth == 0) {
        r->is_refusal = strcmp(local, "Acknowledgement_MarketDocument") == 0;
        if (!r->is_refusal && strcmp(local, "GL_MarketDocument") != 0) {
            stop(r, TERN_CORRUPT, "no document of generation and load");
            return;
        }
    }
    memcpy(r->path[r->depth++], local, strlen(local) + 1);
    r->text_len = 0;
    if (strcmp(local, "TimeSeries") == 0) {
        r->consumption = false;
        r->kind = -1;
    } else if (strcmp(local, "Period") == 0) {
        end_period(r);
    }
}

static void XMLCALL on_text(void *user, const XML_Char *text, int len)
{
    reader *r = user;
    for (int i = 0; i < len && r->text_len + 1 < sizeof r->text; i++) {
        r->text[r->text_len++] = text[i];
    }
}

static void read_number(reader *r)
{
    char *end;
    if (strcmp(r->path[r->depth - 1], "position") == 0) {
        bool digits = r->text[0] >= '0' && r->text[0] <= '9' && strlen(r->text) < 10;
        r->position = digits ? strtoull(r->text, &end, 10) : 0;
        if (!digits || *end || r->position == 0) {
            stop(r, TERN_CORRUPT, "a position that is no whole number from 1");
        }
        return;
    }
    r->quantity = strtod(r->text, &end);
    r->has_quantity = r->text[0] != '\0';
    if (strspn(r->text, "0123456789.-") != strlen(r->text) || *end ||
        !(r->quantity < 1e7)) { /* no area has ten terawatts */
        stop(r, TERN_CORRUPT, "a quantity that cannot be");
    } else if (r->quantity < 0) {
        r->quantity = 0; /* a plant's own use at rest */
    }
}

static void read_series(reader *r)
{
    if (inside(r, "MktPSRType", "psrType")) {
        r->kind = ti_plant_kind_find(r->text);
    } else if (inside(r, "TimeSeries", "outBiddingZone_Domain.mRID")) {
        r->consumption = true;
    } else if (inside(r, "TimeSeries", "inBiddingZone_Domain.mRID") &&
               strcmp(r->text, r->area) != 0) {
        stop(r, TERN_CORRUPT, "a series of another area than was asked for");
    } else if (inside(r, "TimeSeries", "quantity_Measure_Unit.name") &&
               strcmp(r->text, "MAW") != 0) {
        stop(r, TERN_CORRUPT, "a unit that is not MAW (megawatts)");
    }
}

static void read_period(reader *r)
{
    bool start = inside(r, "timeInterval", "start"), end = inside(r, "timeInterval", "end");
    if (inside(r, "Period", "resolution")) {
        if (!ti_span_parse(&r->step_s, r->text, r->text_len) || r->step_s < STEP_MIN_S ||
            r->step_s > TI_DAY_S) {
            stop(r, TERN_CORRUPT, "a resolution that is not from a minute to a day");
        }
    } else if ((start || end) && r->depth >= 3 &&
               strcmp(r->path[r->depth - 3], "Period") == 0) {
        if (!ti_stamp_parse(start ? &r->from_s : &r->to_s, r->text, r->text_len)) {
            stop(r, TERN_CORRUPT, "no moment");
        }
    }
}

static void XMLCALL on_end(void *user, const XML_Char *name)
{
    reader *r = user;
    (void)name;
    r->text[r->text_len] = '\0';
    if (r->is_refusal) {
        if (inside(r, "Reason", "text") && !r->reason[0]) {
            memcpy(r->reason, r->text, r->text_len + 1);
        }
    } else if (inside(r, "Point", "position") || inside(r, "Point", "quantity")) {
        read_number(r);
    } else if (inside(r, "Period", "Point")) {
        end_point(r);
    } else if (inside(r, "TimeSeries", "Period")) {
        end_period(r);
    } else if (inside(r, "GL_MarketDocument", "createdDateTime")) {
        (void)ti_stamp_parse(&r->feed->series.issued_s, r->text, r->text_len);
    } else {
        read_series(r);
        read_period(r);
    }
    r->depth--;
    r->text_len = 0;
}

static void XMLCALL on_doctype(void *user, const XML_Char *name, const XML_Char *system,
                               const XML_Char *public, int internal)
{
    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    stop(user, TERN_CORRUPT, "a document type declaration");
}

/* --- from points to intensities ----------------------------------------------------------- */

typedef struct table {
    int64_t from_s;
    uint32_t step_s;
    size_t rows;
    double *mw;     /* [rows][TI_PLANT_KINDS] */
    uint32_t *seen; /* [rows], a bit a kind */
} table;

static tern_status lay_out(table *t, const reader *r, tern_err *err)
{
    int64_t to_s = 0;
    size_t cells;
    t->from_s = INT64_MAX;
    t->step_s = TI_DAY_S;
    for (size_t i = 0; i < r->n; i++) {
        const point *p = &r->points[i];
        int64_t end = p->start_s + p->length_s;
        t->from_s = p->start_s < t->from_s ? p->start_s : t->from_s;
        to_s = end > to_s ? end : to_s;
        t->step_s = p->length_s < t->step_s ? p->length_s : t->step_s;
    }
    TI_ASSERT(t->step_s >= STEP_MIN_S); /* as read_period() has seen to */
    for (size_t i = 0; i < r->n; i++) {
        const point *p = &r->points[i];
        if ((p->start_s - t->from_s) % t->step_s != 0 || p->length_s % t->step_s != 0) {
            return ti_fail(err, TERN_UNSUPPORTED, MODULE, TI_NO_OFFSET,
                           "resolutions that do not fit each other");
        }
    }
    t->rows = (size_t)((to_s - t->from_s) / t->step_s);
    if (!ti_mul_size(t->rows, TI_PLANT_KINDS, &cells) || cells > CELLS_MAX) {
        return ti_fail(err, TERN_LIMIT, MODULE, TI_NO_OFFSET, "more than a year in one answer");
    }
    t->mw = ti_calloc(cells, sizeof *t->mw);
    t->seen = ti_calloc(t->rows, sizeof *t->seen);
    if (!t->mw || !t->seen) {
        return ti_fail_nomem(err, MODULE, cells * sizeof *t->mw, "generation");
    }
    for (size_t i = 0; i < r->n; i++) {
        const point *p = &r->points[i];
        size_t first = (size_t)((p->start_s - t->from_s) / t->step_s);
        for (size_t k = 0; k < p->length_s / t->step_s; k++) {
            uint32_t bit = 1U << p->kind;
            if (t->seen[first + k] & bit) {
                return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                               "two values of %s for the same moment",
                               ti_plant_kinds[p->kind].name);
            }
            t->seen[first + k] |= bit;
            t->mw[(first + k) * TI_PLANT_KINDS + (size_t)p->kind] = p->mw;
        }
    }
    return TERN_OK;
}

/* The kinds that matter in this answer. */
static uint32_t large_kinds(const table *t)
{
    double sum[TI_PLANT_KINDS] = {0}, all = 0;
    uint32_t large = 0;
    for (size_t i = 0; i < t->rows * TI_PLANT_KINDS; i++) {
        sum[i % TI_PLANT_KINDS] += t->mw[i];
        all += t->mw[i];
    }
    for (unsigned k = 0; k < TI_PLANT_KINDS; k++) {
        large |= sum[k] > all * SMALL_PART ? 1U << k : 0;
    }
    return large;
}

static tern_status add_rows(ti_feed *feed, const table *t, tern_err *err)
{
    uint32_t large = large_kinds(t);
    for (size_t i = 0; i < t->rows; i++) {
        double grams;
        if (t->seen[i] == 0 || (t->seen[i] & large) != large) {
            feed->n_none++; /* some have not reported yet */
            continue;
        }
        if (!ti_mix_intensity(&grams, t->mw + i * TI_PLANT_KINDS)) {
            feed->n_refused++;
            continue;
        }
        TI_TRY(ti_feed_add_grams(feed, t->from_s + (int64_t)i * t->step_s, t->step_s, grams,
                                 TI_SLOT_ACTUAL, 0, err));
    }
    return TERN_OK;
}

static tern_status read_xml(reader *r, const char *text, size_t len)
{
    static const XML_Memory_Handling_Suite memory = {malloc, realloc, free};
    if (len == 0) {
        return ti_fail(r->err, TERN_UNAVAILABLE, MODULE, TI_NO_OFFSET, "an empty answer");
    }
    if (len > TI_ANSWER_MAX) {
        return ti_fail(r->err, TERN_LIMIT, MODULE, TI_NO_OFFSET, "an answer of %zu bytes", len);
    }
    r->xml = XML_ParserCreate_MM(NULL, &memory, NULL);
    if (!r->xml) {
        return ti_fail_nomem(r->err, MODULE, 0, "reading XML");
    }
    XML_SetUserData(r->xml, r);
    XML_SetElementHandler(r->xml, on_start, on_end);
    XML_SetCharacterDataHandler(r->xml, on_text);
    XML_SetStartDoctypeDeclHandler(r->xml, on_doctype);
    if (XML_Parse(r->xml, text, (int)len, 1) != XML_STATUS_OK && r->status == TERN_OK) {
        enum XML_Error code = XML_GetErrorCode(r->xml);
        r->status = code == XML_ERROR_NO_MEMORY
                        ? ti_fail_nomem(r->err, MODULE, len, "reading XML")
                        : ti_fail(r->err, TERN_CORRUPT, MODULE,
                                  (uint64_t)XML_GetCurrentByteIndex(r->xml), "no XML: %s",
                                  XML_ErrorString(code));
    }
    XML_ParserFree(r->xml);
    return r->status;
}

tern_status ti_parse_entsoe(ti_feed *feed, const char *text, size_t len, tern_err *err)
{
    reader r = {.feed = feed, .kind = -1, .next = 1, .err = err};
    table t = {0};
    r.area = ti_entsoe_area(feed->series.zone);
    tern_status status = r.area ? read_xml(&r, text, len)
                                : ti_fail(err, TERN_USAGE, MODULE, TI_NO_OFFSET,
                                          "'%s' is no area of ENTSO-E", feed->series.zone);
    if (status == TERN_OK && r.is_refusal) {
        status =
            ti_fail(err, TERN_UNAVAILABLE, MODULE, TI_NO_OFFSET, "it refuses: %s", r.reason);
    }
    if (status == TERN_OK && r.n > 0) {
        status = lay_out(&t, &r, err);
    }
    if (status == TERN_OK && r.n > 0) {
        status = add_rows(feed, &t, err);
    }
    free(r.points);
    free(t.mw);
    free(t.seen);
    return ti_answer_done(feed, status, false, err);
}
