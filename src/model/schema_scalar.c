/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and whole numbers of a schema as expressions. */
#include "model/schema.h"

static const char module[] = "schema";

#define MAX_INTEGER INT64_C(999999999999999999)

tern_status ti_js_string(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    static const struct {
        const char *name;
        uint32_t rule;
    } formats[] = {{"date", TI_JR_DATE}, {"time", TI_JR_TIME},   {"date-time", TI_JR_DATE_TIME},
                   {"uuid", TI_JR_UUID}, {"email", TI_JR_EMAIL}, {"ipv4", TI_JR_IPV4}};
    ti_gbuild *b = s->b;
    const ti_jval *format = ti_jval_get(schema, "format");
    uint32_t min = 0, max = TI_GX_FOREVER;
    TI_TRY(ti_js_count(s, schema, "minLength", &min));
    TI_TRY(ti_js_count(s, schema, "maxLength", &max));
    ti_gexpr *inner = max < min ? ti_gx_list(b, TI_GX_ALT)
                                : ti_gx_repeat(b, ti_gx_rule(b, TI_JR_CHAR), min, max);
    if (format && (min > 0 || max != TI_GX_FOREVER)) {
        return ti_fail(s->err, TERN_UNSUPPORTED, module, format->at,
                       "keyword 'format' beside a length is not supported");
    }
    if (format) {
        size_t i = 0, n = sizeof formats / sizeof formats[0];
        while (i < n && !ti_jval_is(format, formats[i].name)) {
            i++;
        }
        if (i == n) {
            return ti_fail(s->err, TERN_UNSUPPORTED, module, format->at,
                           "'format' is supported for date, time, date-time, uuid, email and "
                           "ipv4 only");
        }
        inner = ti_gx_rule(b, formats[i].rule);
    }
    *out = ti_gx_sequence(b, ti_gx_lit(b, "\""), inner, ti_gx_lit(b, "\""));
    return TERN_OK;
}

/* The whole number at or above (or, for `down`, below) a bound, cut to what is written. */
static int64_t whole(const ti_jval *v, bool down, bool exclusive)
{
    double x = 0;
    int64_t n;
    bool is_whole = true;
    (void)ti_jval_num(v, &x);
    if (v->type == TI_JINT) {
        n = v->u.integer;
    } else if (x > 1e17 || x < -1e17) {
        return x > 0 ? MAX_INTEGER : -MAX_INTEGER;
    } else {
        n = (int64_t)x; /* towards zero */
        is_whole = (double)n == x;
        n -= !is_whole && down && x < 0;
        n += !is_whole && !down && x > 0;
    }
    if (exclusive && is_whole) {
        n += down ? -1 : 1;
    }
    return n > MAX_INTEGER ? MAX_INTEGER : n < -MAX_INTEGER ? -MAX_INTEGER : n;
}

tern_status ti_js_integer(ti_js *s, const ti_jval *schema, ti_gexpr **out)
{
    static const struct {
        const char *name;
        bool down, exclusive;
    } bounds[] = {{"minimum", false, false},
                  {"exclusiveMinimum", false, true},
                  {"maximum", true, false},
                  {"exclusiveMaximum", true, true}};
    int64_t lo = -MAX_INTEGER, hi = MAX_INTEGER;
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        double ignored;
        const ti_jval *v = ti_jval_get(schema, bounds[i].name);
        if (v && !ti_jval_num(v, &ignored)) {
            return ti_fail(s->err, TERN_CORRUPT, module, v->at, "'%s' is no number",
                           bounds[i].name);
        }
        int64_t n = v ? whole(v, bounds[i].down, bounds[i].exclusive) : 0;
        if (v && bounds[i].down) {
            hi = n < hi ? n : hi;
        } else if (v) {
            lo = n > lo ? n : lo;
        }
    }
    *out = ti_gx_integer(s->b, lo, hi);
    return TERN_OK;
}
