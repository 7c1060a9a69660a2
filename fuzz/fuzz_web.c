/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP server reads in a request's text: a line each for the target, the Host header
 * and Origin. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "http/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_query(const char *query)
{
    static const char *const names[] = {"a", "location", ""};
    ti_web_request request = {.query = query};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ti_buf out = {0};
        ti_buf_adds(&out, "=");
        bool found = ti_web_query(&request, names[i], &out);
        TI_ASSERT(out.failed || (out.data[0] == '=' && strlen(out.data) == out.len));
        TI_ASSERT(found || out.failed || out.len == 1);
        TI_ASSERT(out.len <= strlen(query) + 1);
        ti_buf_free(&out);
    }
}

static void use_target(char *target)
{
    static const ti_web_route routes[] = {
        {"GET", "/a", NULL, 0}, {"POST, GET", "/b/*/c", NULL, 0}, {"PUT", "/*", NULL, 0}, {0}};
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "BREW"};
    char allow[TI_WEB_ALLOW_MAX];
    char *mark = strchr(target, '?');
    bool valid = ti_web_target_valid(target);
    if (mark) {
        *mark = '\0';
        use_query(mark + 1);
    }
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        ti_str rest = {"", 0};
        const ti_web_route *r = ti_web_route_find(routes, methods[i], target, &rest, allow);
        TI_ASSERT(!r || ti_web_method_in(r->methods, methods[i]));
        TI_ASSERT(!r || rest.len <= strlen(target));
        TI_ASSERT(r || !ti_web_method_in(allow, methods[i]));
        TI_ASSERT(!valid || r || allow[0]); /* the last route takes every path */
    }
}

static void use_hosts(const char *host, const char *origin)
{
    bool listed;
    bool ours = ti_web_host_ours(host, NULL);
    TI_ASSERT(!ours || ti_web_host_ours(host, "a.example"));
    /* Without a list, only an address or localhost can be ours: no other letter. */
    TI_ASSERT(!ours ||
              strspn(host, "0123456789abcdefABCDEFlocahstLOCAHST.:[]") == strlen(host));
    if (ti_web_origin_ours(origin, host, NULL, &listed)) {
        TI_ASSERT(!listed && strstr(origin, "://"));
    }
    (void)ti_web_origin_ours(origin, NULL, host, &listed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    char *lines[3];
    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    char *at = text;
    for (int i = 0; i < 3; i++) {
        lines[i] = at;
        at += strcspn(at, "\n");
        if (*at) {
            *at++ = '\0';
        }
    }
    use_hosts(lines[1], lines[2]);
    use_target(lines[0]);
    free(text);
    return 0;
}
