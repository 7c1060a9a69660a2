/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/sse.h"

#include <string.h>

static void take_field(ti_sse *s)
{
    static const char name[] = "data";
    const char *line = s->line.data ? s->line.data : "";
    size_t len = s->line.len, n = sizeof name - 1;
    if (len < n || memcmp(line, name, n) != 0 || (len > n && line[n] != ':')) {
        return; /* a comment, or a field that nobody needs */
    }
    n += n < len ? 1 : 0;
    n += n < len && line[n] == ' ' ? 1 : 0;
    if (s->has_data) {
        ti_buf_addc(&s->data, '\n');
    }
    s->has_data = true;
    ti_buf_add(&s->data, line + n, len - n);
}

static tern_status end_line(ti_sse *s, ti_sse_fn fn, void *user, tern_err *err)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* a byte order mark may stand in front of all */
    bool wanted = true;
    if (!s->begun && s->line.len >= 3 && memcmp(s->line.data, mark, 3) == 0) {
        memmove(s->line.data, s->line.data + 3, s->line.len - 3);
        s->line.len -= 3;
    }
    s->begun = true;
    if (s->line.len > 0) {
        take_field(s);
    } else {
        if (s->has_data) {
            wanted = fn(user, (ti_str){s->data.data ? s->data.data : "", s->data.len});
        }
        ti_buf_clear(&s->data);
        s->has_data = false;
        s->event_bytes = 0;
    }
    ti_buf_clear(&s->line);
    if (s->line.failed || s->data.failed) {
        return ti_fail_nomem(err, "sse", s->event_bytes, "an event");
    }
    return wanted ? TERN_OK
                  : ti_fail(err, TERN_CANCELLED, "sse", TI_NO_OFFSET, "no more is wanted");
}

tern_status ti_sse_feed(ti_sse *s, const char *bytes, size_t len, ti_sse_fn fn, void *user,
                        tern_err *err)
{
    for (size_t i = 0; i < len;) {
        if (s->after_cr && bytes[i] == '\n') { /* the second half of a line's end */
            s->after_cr = false;
            i++;
            continue;
        }
        s->after_cr = false;
        size_t n = 0;
        while (i + n < len && bytes[i + n] != '\n' && bytes[i + n] != '\r') {
            n++;
        }
        s->event_bytes += n;
        if (s->event_bytes > TI_SSE_EVENT_MAX) {
            return ti_fail(err, TERN_LIMIT, "sse", TI_NO_OFFSET, "an event of over %d bytes",
                           TI_SSE_EVENT_MAX);
        }
        ti_buf_add(&s->line, bytes + i, n);
        i += n;
        if (i < len) {
            s->after_cr = bytes[i] == '\r';
            i++;
            s->event_bytes++; /* many empty fields are not free either */
            TI_TRY(end_line(s, fn, user, err));
        }
    }
    return s->line.failed ? ti_fail_nomem(err, "sse", s->event_bytes, "an event") : TERN_OK;
}

bool ti_sse_is_inside(const ti_sse *s)
{
    return s->has_data || s->line.len > 0;
}

void ti_sse_free(ti_sse *s)
{
    ti_buf_free(&s->line);
    ti_buf_free(&s->data);
}
