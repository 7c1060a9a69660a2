/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP server reads in texts: hosts, origins, routes, queries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/text.h"

static void answer_one(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    (void)user;
    (void)request;
    (void)reply;
}

static void answer_two(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    answer_one(user, request, reply);
}

static void test_texts(void **state)
{
    static const struct {
        const char *host, *hosts;
        bool ours;
    } hosts[] = {
        {"localhost", NULL, true},
        {"LOCALHOST:80", NULL, true},
        {"localhost.:8080", NULL, true},
        {"127.0.0.1", NULL, true},
        {"192.168.1.5:99", NULL, true},
        {"[::1]:80", NULL, true},
        {"[fe80::1]", NULL, true},
        {"evil.example", NULL, false},
        {"localhost.evil.example", NULL, false},
        {"127.0.0.1.evil.example", NULL, false},
        {"[::1].evil", NULL, false},
        {"[::1", NULL, false},
        {"", NULL, false},
        {":80", NULL, false},
        {".", NULL, false},
        {"localhost:", NULL, false},
        {"localhost:80x", NULL, false},
        {"localhost:123456", NULL, false},
        {"a.example", "b.example, a.example", true},
        {"A.Example:8443", "b.example,a.example", true},
        {"c.example", "b.example, a.example", false},
        {"a.exampl", "a.example", false},
        {"anything", "*", true},
    };
    static const struct {
        const char *origin, *host, *origins;
        bool ours, listed;
    } origins[] = {
        {"http://localhost:80", "localhost:80", NULL, true, false},
        {"http://localhost:81", "localhost:80", NULL, false, false},
        {"null", "null", NULL, false, false},
        {"http://evil.example", "localhost", NULL, false, false},
        {"https://a.example", "localhost", "https://a.example", true, true},
        {"http://a.example", "localhost", "https://a.example", false, false},
        {"http://b.example", "localhost", "*", true, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (ti_web_host_ours(hosts[i].host, hosts[i].hosts) != hosts[i].ours) {
            fail_msg("host '%s'", hosts[i].host);
        }
    }
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        bool listed;
        assert_int_equal(
            ti_web_origin_ours(origins[i].origin, origins[i].host, origins[i].origins, &listed),
            origins[i].ours);
        assert_int_equal(listed, origins[i].listed);
    }
}

static void test_routes(void **state)
{
    char allow[TI_WEB_ALLOW_MAX];
    ti_str rest;
    static const ti_web_route list[] = {
        {"GET", "/a", answer_one, 0},     {"POST, DELETE", "/a", answer_one, 0},
        {"GET", "/a/*/z", answer_one, 0}, {"GET", "/*", answer_two, 0},
        {"PATCH", "/a", answer_one, 0},   {0},
    };
    (void)state;
    assert_ptr_equal(ti_web_route_find(list, "GET", "/a", &rest, allow), &list[0]);
    assert_ptr_equal(ti_web_route_find(list, "HEAD", "/a", &rest, allow), &list[0]);
    assert_ptr_equal(ti_web_route_find(list, "DELETE", "/a", &rest, allow), &list[1]);
    assert_ptr_equal(ti_web_route_find(list, "GET", "/a/b/z", &rest, allow), &list[2]);
    assert_int_equal(rest.len, 1);
    assert_memory_equal(rest.data, "b", 1);
    assert_ptr_equal(ti_web_route_find(list, "GET", "/a//z", &rest, allow), &list[2]);
    assert_int_equal(rest.len, 0);
    assert_ptr_equal(ti_web_route_find(list, "GET", "/a/z", &rest, allow), &list[3]);
    assert_ptr_equal(ti_web_route_find(list, "get", "/a", &rest, allow), NULL);
    assert_string_equal(allow, "GET, HEAD, POST, DELETE, PATCH");
    assert_ptr_equal(ti_web_route_find(list, "POST", "/b", &rest, allow), NULL);
    assert_string_equal(allow, "GET, HEAD");
    assert_ptr_equal(ti_web_route_find(list, "POST", "b", &rest, allow), NULL);
    assert_string_equal(allow, "");
}

static void test_queries(void **state)
{
    static const struct {
        const char *query, *name, *value; /* NULL = none */
    } cases[] = {
        {"a=1&b=2", "b", "2"},  {"a=1&b=2", "a", "1"},
        {"a=1&b=2", "c", NULL}, {"ab=1", "a", NULL},
        {"a", "a", ""},         {"a=", "a", ""},
        {"", "a", NULL},        {"a=x+y%20z", "a", "x y z"},
        {"a=%zz", "a", NULL},   {"a=%4", "a", NULL},
        {"a=%00", "a", NULL},   {"a=%C3%bc", "a", "\xc3\xbc"},
        {"&&a=1&&", "a", "1"},  {"a=1&a=2", "a", "1"},
        {"a=b=c", "a", "b=c"},  {"a=%2", "a", NULL},
        {"a=%", "a", NULL},     {"a=%41&", "a", "A"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ti_web_request request = {.query = cases[i].query};
        ti_buf out = {0};
        ti_buf_adds(&out, "before:");
        bool found = ti_web_query(&request, cases[i].name, &out);
        assert_int_equal(found, cases[i].value != NULL);
        assert_string_equal(out.data + 7, found ? cases[i].value : "");
        ti_buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
