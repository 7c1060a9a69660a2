/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters in, problems out: what all requests of the WebAPI have in common. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "carbon/stamp.h"
#include "cli/casdk_parts.h"

enum { MINUTES_MAX = 14 * 24 * 60 };

void ti_casdk_begin(ti_casdk_call *call, void *user, const ti_web_request *request,
                    ti_web_reply *reply)
{
    *call = (ti_casdk_call){.server = user, .request = request, .reply = reply};
    if (ti_desk_clock(&call->now_s, call->server->desk, NULL) != TERN_OK) {
        call->now_s = 0; /* it was read when the server began */
    }
}

void ti_casdk_end(ti_casdk_call *call)
{
    ti_buf_free(&call->origin);
}

void ti_casdk_fault_add(ti_casdk_call *call, const char *field, const char *format, ...)
{
    va_list args;
    if (call->n_faults == TI_CASDK_ERRORS) {
        return;
    }
    ti_casdk_fault *f = &call->faults[call->n_faults++];
    snprintf(f->field, sizeof f->field, "%s", field);
    va_start(args, format);
    vsnprintf(f->message, sizeof f->message, format, args);
    va_end(args);
}

/* --- parameters --------------------------------------------------------------------------- */

bool ti_casdk_spend(ti_casdk_call *call, size_t n, int64_t length_s, const char *field)
{
    const int64_t most_s = (int64_t)TI_CASDK_DAYS * TI_DAY_S;
    int64_t items = n > 0 ? (int64_t)n : 1;
    /* Divided, so that no length is too long to be counted. */
    if (length_s > (most_s - call->asked_s) / items) {
        ti_casdk_fault_add(call, field,
                           "more than %d days are asked for, of all locations together",
                           TI_CASDK_DAYS);
        return false;
    }
    call->asked_s += length_s * items;
    return true;
}

typedef struct query {
    const char *at;
} query;

/* The next value of that name, in whichever case, unescaped into `out`; false at the end.  A
 * value with a wrong escape is empty. */
static bool next_value(query *q, ti_buf *out, const char *name, bool plus)
{
    size_t n = strlen(name);
    while (*q->at) {
        const char *part = q->at;
        size_t len = strcspn(part, "&");
        q->at += len + (part[len] == '&');
        if (len > n && part[n] == '=' && strncasecmp(part, name, n) == 0) {
            ti_buf_clear(out);
            (void)ti_web_unescape(out, part + n + 1, len - n - 1, plus);
            return true;
        }
    }
    return false;
}

bool ti_casdk_names_get(ti_casdk_names *out, ti_casdk_call *call, bool one)
{
    query q = {.at = call->request->query};
    ti_buf value = {0};
    bool good = true;
    out->n = 0;
    while (good && next_value(&q, &value, "location", true)) {
        if (value.len == 0) {
            continue;
        }
        good = value.len <= TI_ZONE_MAX && !value.failed && out->n < TI_CASDK_LOCATIONS &&
               !(one && out->n == 1);
        if (good) {
            snprintf(out->name[out->n++], sizeof out->name[0], "%.*s", (int)value.len,
                     value.data);
        }
    }
    ti_buf_free(&value);
    if (!good) {
        ti_casdk_fault_add(call, "location",
                           one ? "one location of at most %d characters"
                               : "locations of at most %d characters",
                           TI_ZONE_MAX);
    } else if (out->n == 0) {
        ti_casdk_fault_add(call, "location", "location is not set");
    }
    return good && out->n > 0;
}

bool ti_casdk_time_read(int64_t *out, const char *text, size_t len)
{
    char copy[TI_STAMP_TEXT * 2];
    if (ti_stamp_parse(out, text, len)) {
        return true;
    }
    if (len < 6 || len >= sizeof copy || text[len - 6] != ' ') {
        return false;
    }
    memcpy(copy, text, len); /* "+00:00" of one who did not escape it */
    copy[len - 6] = '+';
    return ti_stamp_parse(out, copy, len);
}

static bool time_read(int64_t *out, ti_casdk_call *call, const char *text, size_t len,
                      const char *field)
{
    if (!ti_casdk_time_read(out, text, len)) {
        ti_casdk_fault_add(call, field, "The value '%.*s' is not valid.",
                           (int)(len < 60 ? len : 60), text);
        return false;
    }
    return true;
}

bool ti_casdk_time_get(int64_t *out, bool *there, ti_casdk_call *call, const char *name)
{
    query q = {.at = call->request->query};
    ti_buf value = {0};
    *there = next_value(&q, &value, name, false);
    bool good = !*there || time_read(out, call, value.data ? value.data : "", value.len, name);
    ti_buf_free(&value);
    return good;
}

bool ti_casdk_time_of(int64_t *out, bool *there, ti_casdk_call *call, const ti_jval *value,
                      const char *field)
{
    *there = !ti_jval_none(value);
    if (!*there) {
        return true;
    }
    if (value->type != TI_JSTR) {
        ti_casdk_fault_add(call, field, "The value is not a moment.");
        return false;
    }
    return time_read(out, call, value->u.str.data, value->u.str.len, field);
}

bool ti_casdk_minutes_get(uint32_t *out, bool *there, ti_casdk_call *call, const char *name)
{
    query q = {.at = call->request->query};
    ti_buf value = {0};
    uint32_t minutes = 0;
    *there = next_value(&q, &value, name, true);
    bool good = value.len > 0 && value.len < 6 && !value.failed;
    for (size_t i = 0; good && i < value.len; i++) {
        good = value.data[i] >= '0' && value.data[i] <= '9';
        minutes = minutes * 10 + (uint32_t)(value.data[i] - '0');
    }
    good = good && minutes > 0 && minutes <= MINUTES_MAX;
    ti_buf_free(&value);
    if (*there && !good) {
        ti_casdk_fault_add(call, name, "%s must be a number of minutes from 1 to %d", name,
                           MINUTES_MAX);
        return false;
    }
    *out = minutes;
    return true;
}

const ti_jval *ti_casdk_list(ti_jval *root, ti_arena *arena, ti_casdk_call *call)
{
    const char *type = ti_web_header(call->request, "Content-Type");
    ti_str body = call->request->body;
    tern_err err = {0};
    if (type && !strstr(type, "json")) {
        ti_casdk_refuse(call, 415, "a body must be application/json");
        return NULL;
    }
    if (ti_jval_parse(root, arena, body.data, body.len, "body", &err) != TERN_OK) {
        ti_casdk_fault_add(call, "$", "%s", err.message);
        ti_casdk_refuse(call, 400, "The body is not JSON.");
        return NULL;
    }
    if (root->type != TI_JARRAY || root->n == 0 || root->n > TI_CASDK_ITEMS) {
        ti_casdk_fault_add(call, "$", "a list of 1 to %d objects", TI_CASDK_ITEMS);
        ti_casdk_refuse(call, 400, "Invalid parameters");
        return NULL;
    }
    return root;
}

/* --- answers ------------------------------------------------------------------------------ */

void ti_casdk_grams(ti_buf *json, const char *key, uint32_t mg)
{
    enum { DIGITS = 9, MG_PER_G = 1000 }; /* 5,000.000 is the most */
    ti_json_num(json, key, (double)mg / MG_PER_G, DIGITS);
}

void ti_casdk_moment(ti_buf *json, const char *key, int64_t time_s)
{
    char text[TI_STAMP_TEXT];
    ti_json_str(json, key, ti_stamp_offset(text, time_s));
}

static void say_origin(ti_casdk_call *call)
{
    if (call->origin.len > 0 && !call->origin.failed) {
        ti_web_reply_header(call->reply, "X-Tern-Origin", call->origin.data);
    }
}

void ti_casdk_answer(ti_casdk_call *call, ti_buf *json)
{
    say_origin(call);
    ti_web_reply_head(call->reply, 200, "application/json; charset=utf-8");
    ti_web_reply_body(call->reply, json);
}

void ti_casdk_nothing(ti_casdk_call *call)
{
    ti_buf empty = {0};
    say_origin(call);
    ti_web_reply_head(call->reply, 204, "application/json; charset=utf-8");
    ti_web_reply_body(call->reply, &empty);
}

/* As .NET names them. */
static const char *title_of(unsigned code)
{
    return code == 400   ? "ArgumentException"
           : code == 501 ? "NotImplementedException"
           : code == 500 ? "InternalServerError"
           : code == 503 ? "ServiceUnavailable"
           : code == 404 ? "Not Found"
           : code == 405 ? "Method Not Allowed"
           : code == 415 ? "Unsupported Media Type"
                         : "Error";
}

static void problem(ti_buf *json, ti_casdk *server, unsigned code, const char *detail,
                    const ti_casdk_fault *faults, size_t n)
{
    char trace[64];
    unsigned long number = atomic_fetch_add(&server->requests, 1) + 1;
    /* The form of a W3C trace context: nobody else knows the trace, so it is a count. */
    snprintf(trace, sizeof trace, "00-%032lx-%016lx-00", number, number);
    ti_json_open(json, NULL, '{');
    ti_json_str(json, "title", title_of(code));
    ti_json_uint(json, "status", code);
    if (detail) {
        ti_json_str(json, "detail", detail);
    }
    ti_json_str(json, "traceId", trace);
    ti_json_open(json, "errors", '{');
    for (size_t i = 0; i < n; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++) {
            first = first && strcmp(faults[k].field, faults[i].field) != 0;
        }
        if (!first) {
            continue; /* stands with the first of that name */
        }
        ti_json_open(json, faults[i].field, '[');
        for (size_t k = i; k < n; k++) {
            if (strcmp(faults[k].field, faults[i].field) == 0) {
                ti_json_str(json, NULL, faults[k].message);
            }
        }
        ti_json_close(json, ']');
    }
    ti_json_close(json, '}');
    ti_json_close(json, '}');
}

#define PROBLEM_TYPE "application/problem+json; charset=utf-8"

void ti_casdk_refuse(ti_casdk_call *call, unsigned code, const char *detail)
{
    ti_buf json = {0};
    problem(&json, call->server, code, detail, call->faults, call->n_faults);
    ti_web_reply_head(call->reply, code, PROBLEM_TYPE);
    ti_web_reply_body(call->reply, &json);
}

const char *ti_casdk_error(void *user, ti_buf *body, const char *target, unsigned code,
                           const char *why)
{
    (void)target;
    problem(body, user, code, why, NULL, 0);
    return PROBLEM_TYPE;
}

void ti_casdk_failed(ti_casdk_call *call, const tern_err *err, const char *field)
{
    if (err->status == TERN_USAGE) {
        ti_casdk_fault_add(call, field, "%s", err->message);
        ti_casdk_refuse(call, 400, "Invalid parameters");
    } else if (err->status == TERN_UNSUPPORTED) {
        ti_casdk_refuse(call, 501, err->message);
    } else if (err->status == TERN_NOMEM || err->status == TERN_INTERNAL) {
        ti_casdk_refuse(call, 500, NULL);
    } else {
        ti_casdk_refuse(call, 503, err->message);
    }
}
