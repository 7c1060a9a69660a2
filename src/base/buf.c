/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void ti_buf_free(ti_buf *buf)
{
    free(buf->data);
    *buf = (ti_buf){0};
}

void ti_buf_clear(ti_buf *buf)
{
    buf->len = 0;
    if (buf->data) {
        buf->data[0] = '\0';
    }
}

/* Makes room for `more` bytes and a NUL. */
static bool reserve(ti_buf *buf, size_t more)
{
    if (buf->failed) {
        return false;
    }
    if (more > SIZE_MAX / 4 || buf->len > SIZE_MAX / 4) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + more + 1;
    if (need <= buf->cap) {
        return true;
    }
    size_t cap = buf->cap ? buf->cap * 2 : 64;
    if (cap < need) {
        cap = need;
    }
    char *data = realloc(buf->data, cap);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void ti_buf_add(ti_buf *buf, const void *bytes, size_t len)
{
    if (!reserve(buf, len)) {
        return;
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, bytes, len);
    }
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void ti_buf_addc(ti_buf *buf, char c)
{
    ti_buf_add(buf, &c, 1);
}

void ti_buf_adds(ti_buf *buf, const char *text)
{
    ti_buf_add(buf, text, strlen(text));
}

void ti_buf_addf(ti_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(buf, (size_t)n)) {
        buf->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(buf->data + buf->len, (size_t)n + 1, format, args);
    va_end(args);
    buf->len += (size_t)n;
}

/* Writes a string constant. */
static void json_quote(ti_buf *buf, const char *text, size_t len)
{
    ti_buf_addc(buf, '"');
    for (size_t i = 0; i < len;) {
        uint32_t code;
        size_t n = ti_utf8_decode(text + i, len - i, &code);
        if (n == 0) { /* not UTF-8: JSON has no way to carry the byte */
            ti_buf_adds(buf, "\xEF\xBF\xBD");
            i++;
            continue;
        }
        if (code == '"' || code == '\\') {
            ti_buf_addc(buf, '\\');
            ti_buf_addc(buf, (char)code);
        } else if (code == '\n') {
            ti_buf_adds(buf, "\\n");
        } else if (code == '\t') {
            ti_buf_adds(buf, "\\t");
        } else if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) {
            ti_buf_addf(buf, "\\u%04x", (unsigned)code);
        } else {
            ti_buf_add(buf, text + i, n);
        }
        i += n;
    }
    ti_buf_addc(buf, '"');
}

/* A comma is due unless the last thing written opened something.  (A string never ends the
 * text with a bracket, nor a key with anything but a colon.) */
static void json_key(ti_buf *buf, const char *key)
{
    char last = buf->len ? buf->data[buf->len - 1] : '[';
    if (last != '[' && last != '{' && last != '\n') {
        ti_buf_addc(buf, ',');
    }
    if (key) {
        json_quote(buf, key, strlen(key));
        ti_buf_addc(buf, ':');
    }
}

void ti_json_open(ti_buf *buf, const char *key, char bracket)
{
    json_key(buf, key);
    ti_buf_addc(buf, bracket);
}

void ti_json_close(ti_buf *buf, char bracket)
{
    ti_buf_addc(buf, bracket);
}

void ti_json_raw(ti_buf *buf, const char *key, const char *json, size_t len)
{
    json_key(buf, key);
    ti_buf_add(buf, json, len);
}

void ti_json_strn(ti_buf *buf, const char *key, const char *text, size_t len)
{
    json_key(buf, key);
    json_quote(buf, text, len);
}

void ti_json_str(ti_buf *buf, const char *key, const char *text)
{
    ti_json_strn(buf, key, text, strlen(text));
}

void ti_json_int(ti_buf *buf, const char *key, int64_t value)
{
    json_key(buf, key);
    ti_buf_addf(buf, "%lld", (long long)value);
}

void ti_json_uint(ti_buf *buf, const char *key, uint64_t value)
{
    json_key(buf, key);
    ti_buf_addf(buf, "%llu", (unsigned long long)value);
}

void ti_json_num(ti_buf *buf, const char *key, double value, int digits)
{
    json_key(buf, key);
    if (!isfinite(value)) {
        ti_buf_adds(buf, "null");
        return;
    }
    char text[40]; /* sign, 17 digits, point, exponent, with room */
    int n = snprintf(text, sizeof text, "%.*g", digits < 17 ? digits : 17, value);
    for (int i = 0; i < n; i++) {
        /* In some locales the point is a comma; JSON knows one point only. */
        ti_buf_addc(buf, strchr("+-0123456789e", text[i]) ? text[i] : '.');
    }
}

void ti_json_bool(ti_buf *buf, const char *key, bool value)
{
    json_key(buf, key);
    ti_buf_adds(buf, value ? "true" : "false");
}
