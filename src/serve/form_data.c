/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/form_data.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { BOUNDARY_MAX = 70 }; /* RFC 2046, section 5.1.1 */

/* "--" and the boundary; "" when the header has none. */
static size_t find_boundary(char out[BOUNDARY_MAX + 3], const char *type)
{
    static const char form[] = "multipart/form-data", key[] = "boundary=";
    if (!type || strncasecmp(type, form, sizeof form - 1) != 0) {
        return 0;
    }
    const char *at = type;
    while (*at && strncasecmp(at, key, sizeof key - 1) != 0) {
        at++;
    }
    if (!*at) {
        return 0;
    }
    at += sizeof key - 1;
    bool quoted = *at == '"';
    at += quoted;
    size_t n = strcspn(at, quoted ? "\"" : "; \t,");
    if (n == 0 || n > BOUNDARY_MAX) {
        return 0;
    }
    memcpy(out, "--", 2);
    memcpy(out + 2, at, n);
    out[n + 2] = '\0';
    return n + 2;
}

/* Where `what` begins in text from `at` on; SIZE_MAX when it is not there. */
static size_t find(ti_str text, size_t at, const char *what, size_t n)
{
    while (at + n <= text.len) {
        const char *first = memchr(text.data + at, what[0], text.len - n - at + 1);
        if (!first) {
            break;
        }
        if (memcmp(first, what, n) == 0) {
            return (size_t)(first - text.data);
        }
        at = (size_t)(first - text.data) + 1;
    }
    return SIZE_MAX;
}

/* A quoted parameter of a header's line, ; name="value". */
static ti_str parameter(ti_str line, const char *name)
{
    size_t n = strlen(name);
    for (size_t at = 0; (at = find(line, at, name, n)) != SIZE_MAX; at++) {
        bool starts = at > 0 && (line.data[at - 1] == ' ' || line.data[at - 1] == ';');
        size_t from = at + n + 2; /* after =" */
        if (starts && from <= line.len && memcmp(line.data + at + n, "=\"", 2) == 0) {
            const char *end = memchr(line.data + from, '"', line.len - from);
            if (end) {
                return (ti_str){line.data + from, (size_t)(end - line.data) - from};
            }
        }
    }
    return (ti_str){"", 0};
}

/* The head of a part: its lines up to an empty one.  False when that is missing. */
static bool read_head(ti_form_part *part, ti_str body, size_t *at)
{
    static const char name[] = "content-disposition:";
    for (;;) {
        size_t end = find(body, *at, "\r\n", 2);
        if (end == SIZE_MAX) {
            return false;
        }
        const ti_str line = {body.data + *at, end - *at};
        *at = end + 2;
        if (line.len == 0) {
            return true;
        }
        if (line.len >= sizeof name - 1 && strncasecmp(line.data, name, sizeof name - 1) == 0) {
            part->name = parameter(line, "name");
            part->filename = parameter(line, "filename");
        }
    }
}

bool ti_form_data_read(ti_form_part *parts, size_t cap, size_t *n, const char *content_type,
                       ti_str body)
{
    char boundary[BOUNDARY_MAX + 3];
    char delimiter[BOUNDARY_MAX + 5]; /* with the end of the line before */
    size_t len = find_boundary(boundary, content_type);
    size_t at = len > 0 ? find(body, 0, boundary, len) : SIZE_MAX;
    *n = 0;
    if (at == SIZE_MAX) {
        return false;
    }
    memcpy(delimiter, "\r\n", 2);
    memcpy(delimiter + 2, boundary, len);
    for (at += len;;) {
        if (at + 2 > body.len) {
            return false;
        }
        if (memcmp(body.data + at, "--", 2) == 0) {
            return true; /* what follows is nobody's */
        }
        if (memcmp(body.data + at, "\r\n", 2) != 0 || *n == cap) {
            return false;
        }
        at += 2;
        ti_form_part *part = &parts[*n];
        *part = (ti_form_part){.name = {"", 0}, .filename = {"", 0}};
        if (!read_head(part, body, &at)) {
            return false;
        }
        size_t end = find(body, at - 2, delimiter, len + 2); /* the data may be empty */
        if (end == SIZE_MAX) {
            return false;
        }
        part->data = (ti_str){body.data + at, end > at ? end - at : 0};
        at = end + len + 2;
        (*n)++;
    }
}

const ti_form_part *ti_form_data_get(const ti_form_part *parts, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (parts[i].name.len == strlen(name) &&
            memcmp(parts[i].name.data, name, parts[i].name.len) == 0) {
            return &parts[i];
        }
    }
    return NULL;
}
