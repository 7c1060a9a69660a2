/* SPDX-License-Identifier: Apache-2.0 */
#include "http/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- pieces ------------------------------------------------------------------------------- */

static bool same(ti_str a, const char *b)
{
    return a.len == strlen(b) && strncasecmp(a.data, b, a.len) == 0;
}

/* The next item of "a, b"; false at the end. */
static bool next_item(ti_str *item, const char **at)
{
    *at += strspn(*at, ", ");
    *item = (ti_str){*at, strcspn(*at, ", ")};
    *at += item->len;
    return item->len > 0;
}

static bool in_list(ti_str name, const char *list)
{
    ti_str item;
    while (list && next_item(&item, &list)) {
        bool any = item.len == 1 && item.data[0] == '*';
        if (any || (item.len == name.len && strncasecmp(item.data, name.data, name.len) == 0)) {
            return true;
        }
    }
    return false;
}

bool ti_web_target_valid(const char *target)
{
    for (const char *p = target; *p; p++) {
        if (*p <= ' ' || *p > '~') {
            return false;
        }
    }
    return target[0] == '/';
}

/* --- who is asked, and by whom ------------------------------------------------------------ */

/* Splits "name:port"; false when it is none. */
static bool split_host(ti_str *name, const char *host)
{
    size_t len = strlen(host), end = host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
    if (host[0] == '[') {
        end += end < len; /* the ']' belongs to it */
    }
    *name = (ti_str){host, end};
    if (end > 0 && host[end - 1] == '.') {
        name->len--; /* "localhost." is localhost */
    }
    if (host[end] == '\0') {
        return name->len > 0;
    }
    size_t digits = strspn(host + end + 1, "0123456789");
    return name->len > 0 && host[end] == ':' && digits > 0 && digits <= 5 &&
           host[end + 1 + digits] == '\0';
}

static bool is_address(ti_str name)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    bool v6 = name.len > 2 && name.data[0] == '[' && name.data[name.len - 1] == ']';
    size_t len = name.len - (v6 ? 2 : 0);
    if (len >= sizeof text) {
        return false;
    }
    memcpy(text, name.data + v6, len);
    text[len] = '\0';
    return inet_pton(v6 ? AF_INET6 : AF_INET, text, bytes) == 1;
}

bool ti_web_host_ours(const char *host, const char *hosts)
{
    ti_str name;
    return split_host(&name, host) &&
           (same(name, "localhost") || is_address(name) || in_list(name, hosts));
}

bool ti_web_origin_ours(const char *origin, const char *host, const char *origins, bool *listed)
{
    const char *authority = strstr(origin, "://");
    *listed = in_list((ti_str){origin, strlen(origin)}, origins);
    return *listed || (authority && host && strcasecmp(authority + 3, host) == 0);
}

/* --- routes ------------------------------------------------------------------------------- */

bool ti_web_path_fits(ti_str *rest, const char *pattern, const char *path)
{
    const char *star = strchr(pattern, '*');
    size_t len = strlen(path);
    if (!star) {
        *rest = (ti_str){"", 0};
        return strcmp(pattern, path) == 0;
    }
    size_t before = (size_t)(star - pattern), after = strlen(star + 1);
    if (len < before + after || memcmp(path, pattern, before) != 0 ||
        memcmp(path + len - after, star + 1, after) != 0) {
        return false;
    }
    *rest = (ti_str){path + before, len - before - after};
    return true;
}

bool ti_web_method_in(const char *methods, const char *method)
{
    ti_str item;
    while (next_item(&item, &methods)) {
        bool get = item.len == 3 && memcmp(item.data, "GET", 3) == 0;
        if ((item.len == strlen(method) && memcmp(item.data, method, item.len) == 0) ||
            (get && strcmp(method, "HEAD") == 0)) {
            return true;
        }
    }
    return false;
}

/* Adds the methods of a route to "GET, HEAD", each once. */
static void allow_more(char *allow, const char *methods)
{
    ti_str item;
    while (next_item(&item, &methods)) {
        char name[16];
        size_t used = strlen(allow);
        snprintf(name, sizeof name, "%.*s", (int)item.len, item.data);
        if (used == 0 || !ti_web_method_in(allow, name)) {
            snprintf(allow + used, TI_WEB_ALLOW_MAX - used, "%s%s%s", used ? ", " : "", name,
                     strcmp(name, "GET") == 0 ? ", HEAD" : "");
        }
    }
}

const ti_web_route *ti_web_route_find(const ti_web_route *routes, const char *method,
                                      const char *path, ti_str *rest, char *allow)
{
    allow[0] = '\0';
    for (const ti_web_route *r = routes; r->methods; r++) {
        if (!ti_web_path_fits(rest, r->path, path)) {
            continue;
        }
        if (ti_web_method_in(r->methods, method)) {
            return r;
        }
        allow_more(allow, r->methods);
    }
    return NULL;
}

/* --- queries ------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ti_web_unescape(ti_buf *out, const char *text, size_t len, bool plus)
{
    size_t before = out->len;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
            c = (char)(high * 16 + low);
            i += 2;
            if (high < 0 || low < 0 || c == '\0') {
                if (out->data) {
                    out->data[out->len = before] = '\0';
                }
                return false;
            }
        } else if (c == '+' && plus) {
            c = ' ';
        }
        ti_buf_addc(out, c);
    }
    ti_buf_adds(out, "");
    return true;
}

bool ti_web_query(const ti_web_request *request, const char *name, ti_buf *out)
{
    size_t n = strlen(name);
    for (const char *at = request->query; *at; at += *at == '&') {
        size_t len = strcspn(at, "&");
        bool found = len >= n && memcmp(at, name, n) == 0 && (len == n || at[n] == '=');
        if (found) {
            size_t skip = len == n ? n : n + 1;
            return ti_web_unescape(out, at + skip, len - skip, true);
        }
        at += len;
    }
    return false;
}
