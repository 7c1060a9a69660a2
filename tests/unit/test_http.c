/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server over real sockets: what it answers, what it refuses, who keeps it waiting. */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/server.h"
#include "http_talk.h"
#include "oom.h"

static uint64_t now_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void nap_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* --- what is served ----------------------------------------------------------------------- */

/* A reply that was kept, for the test to go on with. */
static pthread_mutex_t kept_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t kept_cond = PTHREAD_COND_INITIALIZER;
static ti_web_reply *kept_reply;
static atomic_int sources_done, running, most_running, admitted;

static ti_web_reply *wait_kept(void)
{
    pthread_mutex_lock(&kept_mutex);
    while (!kept_reply) {
        pthread_cond_wait(&kept_cond, &kept_mutex);
    }
    ti_web_reply *reply = kept_reply;
    kept_reply = NULL;
    pthread_mutex_unlock(&kept_mutex);
    return reply;
}

static void answer_path(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_buf body = {0}, value = {0};
    (void)user;
    bool found = ti_web_query(request, "q", &value);
    ti_buf_addf(&body, "%s %s|%s|%s|%s", request->method, request->path, request->rest,
                request->query, found ? value.data : "-");
    ti_buf_free(&value);
    ti_web_reply_head(reply, 200, "text/x-path");
    ti_web_reply_header(reply, "X-Odd", "a\r\nb");
    ti_web_reply_body(reply, &body);
}

static void answer_body(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_buf body = {0};
    (void)user;
    ti_buf_add(&body, request->body.data, request->body.len);
    ti_web_reply_header(reply, "Cache-Control", "max-age=60");
    ti_web_reply_body(reply, &body);
}

static void answer_later(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    (void)user;
    (void)request;
    ti_web_reply_keep(reply);
    pthread_mutex_lock(&kept_mutex);
    kept_reply = reply;
    pthread_cond_signal(&kept_cond);
    pthread_mutex_unlock(&kept_mutex);
}

static void answer_slowly(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    (void)user;
    (void)request;
    int n = atomic_fetch_add(&running, 1) + 1;
    if (n > atomic_load(&most_running)) {
        atomic_store(&most_running, n);
    }
    nap_ms(60);
    atomic_fetch_sub(&running, 1);
    ti_web_reply_text(reply, 200, "text/plain", "slow");
}

enum { SOURCE_BYTES = 300000 };

static tern_status read_pattern(void *user, uint64_t at, void *out, size_t cap, size_t *n)
{
    uint64_t fails_at = user ? 100000 : UINT64_MAX;
    size_t left = at < SOURCE_BYTES ? (size_t)(SOURCE_BYTES - at) : 0;
    *n = left < cap ? left : cap;
    for (size_t i = 0; i < *n; i++) {
        ((char *)out)[i] = (char)('a' + (at + i) % 26);
    }
    return at >= fails_at ? TERN_IO : TERN_OK;
}

static void count_done(void *user)
{
    (void)user;
    atomic_fetch_add(&sources_done, 1);
}

static void answer_source(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    bool fails = strcmp(request->rest, "fails") == 0;
    bool unknown = strcmp(request->rest, "unknown") == 0;
    ti_web_source source = {.size = unknown ? UINT64_MAX : SOURCE_BYTES,
                            .user = fails ? &sources_done : NULL,
                            .read = read_pattern,
                            .done = count_done};
    (void)user;
    ti_web_reply_source(reply, &source);
}

static void answer_failure(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    ti_buf body = {.failed = true};
    (void)user;
    if (strcmp(request->rest, "buffer") == 0) {
        ti_web_reply_body(reply, &body);
    } else if (strcmp(request->rest, "fail") == 0) {
        ti_web_reply_fail(reply);
    } else {
        ti_web_reply_error(reply, 429, "come again");
    }
}

static const ti_web_route routes[] = {
    {"GET", "/path", answer_path, 0},         {"GET", "/path/*", answer_path, 0},
    {"GET", "/*/tail", answer_path, 0},       {"POST, PUT", "/body", answer_body, 0},
    {"POST", "/small", answer_body, 10},      {"GET, POST", "/later", answer_later, 0},
    {"GET", "/slow", answer_slowly, 0},       {"GET", "/source/*", answer_source, 0},
    {"GET", "/failure/*", answer_failure, 0}, {0},
};

/* --- the server, in a thread -------------------------------------------------------------- */

typedef struct server {
    ti_web *web;
    pthread_t thread;
    tern_status status;
    uint16_t port;
} server;

static void *serve(void *user)
{
    server *s = user;
    s->status = ti_web_run(s->web, NULL);
    return NULL;
}

static void start(server *s, ti_web_opts opts)
{
    tern_err err = {0};
    opts.listen = opts.listen ? opts.listen : "127.0.0.1:0";
    opts.routes = routes;
    assert_int_equal(ti_web_open(&s->web, &opts, &err), TERN_OK);
    const char *colon = strrchr(ti_web_url(s->web), ':');
    s->port = (uint16_t)strtoul(colon + 1, NULL, 10);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(server *s)
{
    ti_web_stop(s->web);
    pthread_join(s->thread, NULL);
    assert_int_equal(s->status, TERN_OK);
    ti_web_close(s->web);
}

/* --- a client that says what it wants ---------------------------------------------------- */

static int dial(const server *s)
{
    return http_dial(s->port);
}

/* The whole conversation: sends, reads to the end.  Free the answer. */
static char *talk(const server *s, const char *text)
{
    int fd = dial(s);
    http_ask(fd, text);
    char *answer = http_rest_of(fd, NULL);
    close(fd);
    return answer;
}

static void expect(const server *s, const char *text, const char *first_line, const char *with)
{
    char *answer = talk(s, text);
    if (strncmp(answer, first_line, strlen(first_line)) != 0 ||
        (with && !strstr(answer, with))) {
        print_error("asked:\n%.300s\nanswer:\n%.600s\n", text, answer);
        fail();
    }
    free(answer);
}

#define H "Host: localhost\r\n"
#define LAST H "Connection: close\r\n\r\n"

/* --- answers ------------------------------------------------------------------------------ */

static void test_answers(void **state)
{
    server s;
    (void)state;
    start(&s, (ti_web_opts){0});
    expect(&s, "GET /path HTTP/1.1\r\n" LAST, "HTTP/1.1 200 OK\r\n", "GET /path|||-");
    expect(&s, "GET /path HTTP/1.1\r\n" LAST, "HTTP/1.1 200", "Content-Type: text/x-path\r\n");
    expect(&s, "GET /path HTTP/1.1\r\n" LAST, "HTTP/1.1 200", "Cache-Control: no-store\r\n");
    expect(&s, "GET /path HTTP/1.1\r\n" LAST, "HTTP/1.1 200", "X-Odd: a  b\r\n");
    expect(&s, "GET /path HTTP/1.1\r\n" LAST, "HTTP/1.1 200",
           "X-Content-Type-Options: nosniff\r\n");
    expect(&s, "GET /path/a%20b/../c?q=1%2b1&x HTTP/1.1\r\n" LAST, "HTTP/1.1 200",
           "GET /path/a%20b/../c|a%20b/../c|q=1%2b1&x|1+1");
    expect(&s, "GET /some/tail HTTP/1.1\r\n" LAST, "HTTP/1.1 200", "GET /some/tail|some||-");
    expect(&s, "GET /path HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "GET /path|||-");
    expect(&s, "POST /body HTTP/1.1\r\nContent-Length: 5\r\n" LAST "hello", "HTTP/1.1 200",
           "\r\n\r\nhello");
    expect(&s, "POST /body HTTP/1.1\r\nContent-Length: 5\r\n" LAST "hello", "HTTP/1.1 200",
           "Cache-Control: max-age=60\r\n");
    expect(&s,
           "PUT /body HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST
           "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
           "HTTP/1.1 200", "\r\n\r\nabcde");
    expect(&s, "POST /body HTTP/1.1\r\nContent-Length: 0\r\n" LAST, "HTTP/1.1 200",
           "Content-Length: 0\r\n");
    char *head = talk(&s, "HEAD /path HTTP/1.1\r\n" LAST);
    assert_non_null(strstr(head, "Content-Length: "));
    assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n");
    free(head);
    stop(&s);
}

static void test_refusals(void **state)
{
    server s;
    (void)state;
    start(&s, (ti_web_opts){0});
    expect(&s, "GET /none HTTP/1.1\r\n" LAST, "HTTP/1.1 404 Not Found\r\n", "404 Not Found\n");
    expect(&s, "DELETE /body HTTP/1.1\r\n" LAST, "HTTP/1.1 405", "Allow: POST, PUT\r\n");
    expect(&s, "POST /path HTTP/1.1\r\nContent-Length: 2\r\n" LAST "ab", "HTTP/1.1 405",
           "Allow: GET, HEAD\r\n");
    expect(&s, "OPTIONS /body HTTP/1.1\r\n" LAST, "HTTP/1.1 204", "Allow: POST, PUT\r\n");
    expect(&s, "OPTIONS * HTTP/1.1\r\n" LAST, "HTTP/1.1 400", NULL);
    expect(&s, "GET /path HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 400", NULL);
    expect(&s, "GET /path HTTP/1.1\r\nHost: localhost\r\n" LAST, "HTTP/1.1 400", "no host");
    expect(&s, "GET http://evil.example/path HTTP/1.1\r\n" LAST, "HTTP/1.1 400", NULL);
    expect(&s, "GET path HTTP/1.1\r\n" LAST, "HTTP/1.1 400", NULL);
    expect(&s, "GET /p\xc3\xa4th HTTP/1.1\r\n" LAST, "HTTP/1.1 400", NULL);
    expect(&s, "GET /path HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
           "HTTP/1.1 421", "not a name of this server");
    expect(&s,
           "POST /body HTTP/1.1\r\nOrigin: http://evil.example\r\nContent-Length: 1\r\n" LAST
           "a",
           "HTTP/1.1 403", NULL);
    expect(&s,
           "POST /body HTTP/1.1\r\nOrigin: http://localhost\r\nContent-Length: 1\r\n" LAST "a",
           "HTTP/1.1 200", NULL);
    expect(&s, "POST /body HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n" LAST "a",
           "HTTP/1.1 400", "two lengths");
    expect(&s,
           "POST /body HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n" LAST
           "0\r\n\r\n",
           "HTTP/1.1 400", "two lengths");
    expect(&s, "POST /body HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" LAST, "HTTP/1.1 501", NULL);
    expect(&s, "POST /body HTTP/1.1\r\nContent-Length: x\r\n" LAST, "HTTP/1.1 400", NULL);
    expect(&s, "POST /body HTTP/1.1\r\nContent-Length: -1\r\n" LAST, "HTTP/1.1 400", NULL);
    expect(&s, "GET /failure/buffer HTTP/1.1\r\n" LAST, "HTTP/1.1 500", "500 Internal");
    expect(&s, "GET /failure/fail HTTP/1.1\r\n" LAST, "HTTP/1.1 500", "500 Internal");
    expect(&s, "GET /failure/busy HTTP/1.1\r\n" LAST, "HTTP/1.1 429", ": come again\n");
    stop(&s);
}

/* Whatever comes in: no crash, and the next one is served. */
static void test_malformed(void **state)
{
    static const char *const bad[] = {
        "GET\r\n\r\n",
        "GET /path\r\n\r\n",
        "GET /path HTTP/9.9\r\n" LAST,
        "GET /path FTP/1.1\r\n" LAST,
        "GET /path /path HTTP/1.1\r\n" LAST,
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ": : :\r\n: \r\n\r\n",
        "GET /path HTTP/1.1\r\nHost: localhost\r\nbroken\r\n\r\n",
        "POST /body HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST "zz\r\nabc\r\n0\r\n\r\n",
        "POST /body HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "POST /body HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n" LAST,
        "POST /body HTTP/1.1\r\nContent-Length: 10\r\n" LAST "abc",
    };
    server s;
    (void)state;
    start(&s, (ti_web_opts){.idle_ms = 200});
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = dial(&s);
        http_ask(fd, bad[i]);
        shutdown(fd, SHUT_WR);
        char *answer = http_rest_of(fd, NULL);
        if (strncmp(answer, "HTTP/1.", 7) == 0 && strtoul(answer + 9, NULL, 10) < 400) {
            fail_msg("case %zu was answered: %s", i, answer);
        }
        free(answer);
        close(fd);
    }
    expect(&s, "GET /path HTTP/1.1\r\n" LAST, "HTTP/1.1 200", NULL);
    stop(&s);
}

static void test_limits(void **state)
{
    enum { BIG = 3 << 20 };
    server s;
    char body[256], *big = malloc(BIG + 200);
    (void)state;
    assert_non_null(big);
    start(&s, (ti_web_opts){.body_max = 1000, .head_max = 4096});
    int fd = dial(&s); /* a little too long: read, refused, and the connection goes on */
    http_ask(fd, "POST /small HTTP/1.1\r\nContent-Length: 11\r\n" H "\r\nhello world");
    assert_int_equal(http_one_answer(fd, body, sizeof body), 413);
    http_ask(fd, "POST /small HTTP/1.1\r\nContent-Length: 10\r\n" H "\r\nhello you!");
    assert_int_equal(http_one_answer(fd, body, sizeof body), 200);
    http_ask(fd, "POST /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H
                 "\r\n6\r\nhello \r\n6\r\nworld!\r\n0\r\n\r\n");
    assert_int_equal(http_one_answer(fd, body, sizeof body), 413);
    close(fd);
    expect(&s,
           "POST /body HTTP/1.1\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n" LAST,
           "HTTP/1.1 413", NULL);
    expect(&s, "POST /body HTTP/1.1\r\nContent-Length: 99999999\r\n" LAST, "HTTP/1.1 413",
           "413 ");
    /* Far too long, and the length was not said. */
    int n = snprintf(
        big, 200, "POST /body HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H "\r\n%x\r\n", BIG);
    memset(big + n, 'x', BIG);
    fd = dial(&s);
    http_say(fd, big, (size_t)n + BIG);
    char *answer = http_rest_of(fd, NULL);
    assert_true(strstr(answer, "200 OK") == NULL);
    free(answer);
    close(fd);
    /* Heads. */
    n = snprintf(big, 200, "GET /path HTTP/1.1\r\n" H "X-Long: ");
    memset(big + n, 'y', BIG);
    snprintf(big + n + 5000, 100, "\r\nConnection: close\r\n\r\n");
    expect(&s, big, "HTTP/1.1 431", NULL);
    memset(big + n, 'y', 100000);
    snprintf(big + n + 100000, 100, "\r\n\r\n");
    expect(&s, big, "HTTP/1.1 431", NULL);
    n = snprintf(big, 200, "GET /path/");
    memset(big + n, 'z', 100000);
    snprintf(big + n + 100000, 100, " HTTP/1.1\r\n" LAST);
    expect(&s, big, "HTTP/1.1 4", NULL);
    expect(&s, "GET /path HTTP/1.1\r\n" LAST, "HTTP/1.1 200", NULL);
    free(big);
    stop(&s);
}

static void test_pipelined_and_half_closed(void **state)
{
    server s;
    char body[256];
    (void)state;
    start(&s, (ti_web_opts){0});
    int fd = dial(&s);
    http_ask(fd,
             "GET /path?1 HTTP/1.1\r\n" H "\r\nPOST /body HTTP/1.1\r\nContent-Length: 2\r\n" H
             "\r\nhiGET /none HTTP/1.1\r\n" H "\r\nGET /path?4 HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(http_one_answer(fd, body, sizeof body), 200);
    assert_string_equal(body, "GET /path||1|-");
    assert_int_equal(http_one_answer(fd, body, sizeof body), 200);
    assert_string_equal(body, "hi");
    assert_int_equal(http_one_answer(fd, body, sizeof body), 404);
    assert_int_equal(http_one_answer(fd, body, sizeof body), 200);
    assert_string_equal(body, "GET /path||4|-");
    /* One byte at a time. */
    const char *slow = "GET /path?5 HTTP/1.1\r\n" H "\r\n";
    for (const char *p = slow; *p; p++) {
        http_say(fd, p, 1);
    }
    assert_int_equal(http_one_answer(fd, body, sizeof body), 200);
    assert_string_equal(body, "GET /path||5|-");
    /* One that asks first whether it may send. */
    http_ask(fd,
             "POST /small HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n" H "\r\n");
    assert_int_equal(http_one_answer(fd, body, sizeof body), 100);
    http_ask(fd, "ok");
    assert_int_equal(http_one_answer(fd, body, sizeof body), 200);
    assert_string_equal(body, "ok");
    /* The sending side closes: what was asked is answered. */
    http_ask(fd, "GET /slow HTTP/1.1\r\n" H "\r\n");
    shutdown(fd, SHUT_WR);
    assert_int_equal(http_one_answer(fd, body, sizeof body), 200);
    assert_string_equal(body, "slow");
    close(fd);
    stop(&s);
}

static void test_origins(void **state)
{
    server s;
    (void)state;
    start(&s, (ti_web_opts){.origins = "https://a.example", .hosts = "tern.example"});
    expect(&s, "GET /path HTTP/1.1\r\nOrigin: https://a.example\r\n" LAST, "HTTP/1.1 200",
           "Access-Control-Allow-Origin: https://a.example\r\n");
    expect(&s, "GET /path HTTP/1.1\r\nHost: tern.example\r\nConnection: close\r\n\r\n",
           "HTTP/1.1 200", "Vary: Origin\r\n");
    expect(&s,
           "OPTIONS /body HTTP/1.1\r\nOrigin: https://a.example\r\n"
           "Access-Control-Request-Method: POST\r\n"
           "Access-Control-Request-Headers: content-type\r\n" LAST,
           "HTTP/1.1 204", "Access-Control-Allow-Methods: POST, PUT\r\n");
    expect(&s,
           "POST /body HTTP/1.1\r\nOrigin: https://a.example\r\nContent-Length: 1\r\n" LAST "a",
           "HTTP/1.1 200", "Access-Control-Allow-Origin: https://a.example\r\n");
    char *answer = talk(&s, "GET /path HTTP/1.1\r\nOrigin: https://b.example\r\n" LAST);
    assert_null(strstr(answer, "Access-Control"));
    free(answer);
    stop(&s);
    start(&s, (ti_web_opts){.origins = "*", .hosts = "*"});
    expect(&s, "GET /path HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n",
           "HTTP/1.1 200", "Access-Control-Allow-Origin: *\r\n");
    stop(&s);
}

/* --- sources and streams ------------------------------------------------------------------ */

static void test_sources(void **state)
{
    static const char *const kinds[] = {"known", "unknown"};
    server s;
    (void)state;
    atomic_store(&sources_done, 0);
    start(&s, (ti_web_opts){0});
    for (int k = 0; k < 2; k++) {
        char text[200];
        size_t len;
        int fd = dial(&s); /* as HTTP/1.0, so that nothing is chunked */
        snprintf(text, sizeof text, "GET /source/%s HTTP/1.0\r\n\r\n", kinds[k]);
        http_ask(fd, text);
        shutdown(fd, SHUT_WR);
        char *answer = http_rest_of(fd, &len);
        const char *body = strstr(answer, "\r\n\r\n") + 4;
        assert_int_equal(len - (size_t)(body - answer), SOURCE_BYTES);
        for (size_t i = 0; i < SOURCE_BYTES; i++) {
            assert_int_equal(body[i], 'a' + i % 26);
        }
        assert_int_equal(strstr(answer, "Content-Length: 300000") != NULL, k == 0);
        free(answer);
        close(fd);
    }
    char *head = talk(&s, "HEAD /source/known HTTP/1.1\r\n" LAST);
    assert_non_null(strstr(head, "Content-Length: 300000\r\n"));
    free(head);
    char *cut = talk(&s, "GET /source/fails HTTP/1.1\r\n" LAST);
    assert_true(strlen(cut) <
                SOURCE_BYTES); /* and the client knows that there should be more */
    free(cut);
    stop(&s);
    assert_int_equal(atomic_load(&sources_done), 4);
}

static void test_stream(void **state)
{
    server s;
    char piece[512];
    (void)state;
    start(&s, (ti_web_opts){0});
    int fd = dial(&s);
    http_ask(fd, "GET /later HTTP/1.1\r\n" LAST);
    ti_web_reply *reply = wait_kept();
    assert_false(ti_web_reply_gone(reply));
    ti_web_reply_head(reply, 200, "text/event-stream");
    for (int i = 0; i < 3; i++) { /* each piece arrives before the next is written */
        ssize_t n = 0;
        assert_int_equal(ti_web_reply_write(reply, "data: x\n\n", 9, NULL), TERN_OK);
        for (char *end = piece; !memchr(piece, 'x', (size_t)(end - piece)); end += n) {
            n = recv(fd, end, sizeof piece - (size_t)(end - piece), 0);
            assert_true(n > 0);
        }
        memset(piece, 0, sizeof piece);
        nap_ms(2);
    }
    ti_web_reply_end(reply);
    char *rest = http_rest_of(fd, NULL);
    assert_non_null(strstr(rest, "0\r\n\r\n")); /* the last chunk: it is whole */
    free(rest);
    close(fd);
    /* One that fails on its way is cut. */
    fd = dial(&s);
    http_ask(fd, "GET /later HTTP/1.1\r\n" LAST);
    reply = wait_kept();
    assert_int_equal(ti_web_reply_write(reply, "data: x\n\n", 9, NULL), TERN_OK);
    ti_web_reply_fail(reply);
    ti_web_reply_end(reply);
    rest = http_rest_of(fd, NULL);
    assert_null(strstr(rest, "0\r\n\r\n"));
    free(rest);
    close(fd);
    /* An answer that came later, and whole. */
    fd = dial(&s);
    http_ask(fd, "POST /later HTTP/1.1\r\nContent-Length: 1\r\n" LAST "x");
    reply = wait_kept();
    ti_web_reply_text(reply, 202, "text/plain", "at last");
    ti_web_reply_end(reply);
    rest = http_rest_of(fd, NULL);
    assert_non_null(strstr(rest, "202 Accepted"));
    assert_non_null(strstr(rest, "\r\n\r\nat last"));
    free(rest);
    close(fd);
    stop(&s);
}

/* Polls, as whoever generates would. */
static bool gone_soon(ti_web_reply *reply)
{
    uint64_t begun = now_ms(CLOCK_MONOTONIC);
    while (!ti_web_reply_gone(reply)) {
        if (now_ms(CLOCK_MONOTONIC) - begun > 5000) {
            return false;
        }
        nap_ms(1);
    }
    return true;
}

static void test_client_leaves(void **state)
{
    server s;
    tern_err err;
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    (void)state;
    start(&s, (ti_web_opts){.backlog_max = 100000});
    for (int k = 0; k < 4; k++) { /* closed or reset, before the answer or in a stream */
        int fd = dial(&s);
        http_ask(fd, "GET /later HTTP/1.1\r\n" H "\r\n");
        ti_web_reply *reply = wait_kept();
        if (k & 1) {
            char byte;
            assert_int_equal(ti_web_reply_write(reply, "begun", 5, NULL), TERN_OK);
            assert_int_equal(recv(fd, &byte, 1, 0), 1);
        }
        if (k & 2) {
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        }
        close(fd);
        assert_true(gone_soon(reply));
        assert_int_equal(ti_web_reply_write(reply, "more", 4, &err), TERN_CANCELLED);
        ti_web_reply_end(reply);
    }
    /* One that does not read: there is an end to what is kept for it. */
    int fd = dial(&s);
    static char block[10000];
    tern_status status = TERN_OK;
    http_ask(fd, "GET /later HTTP/1.1\r\n" H "\r\n");
    ti_web_reply *reply = wait_kept();
    for (int i = 0; i < 100000 && status == TERN_OK; i++) {
        status = ti_web_reply_write(reply, block, sizeof block, &err);
    }
    assert_int_equal(status, TERN_LIMIT);
    assert_string_equal(err.message, "the client has not taken 100000 bytes");
    ti_web_reply_end(reply);
    close(fd);
    expect(&s, "GET /path HTTP/1.1\r\n" LAST, "HTTP/1.1 200", NULL);
    stop(&s);
}

/* --- those who keep it waiting ------------------------------------------------------------ */

static void test_slow_clients(void **state)
{
    server s;
    char byte;
    (void)state;
    start(&s, (ti_web_opts){.request_ms = 400, .idle_ms = 400});
    int head = dial(&s), body = dial(&s), idle = dial(&s);
    http_ask(head, "GET /path HTTP/1.1\r\n");
    http_ask(body, "POST /body HTTP/1.1\r\nContent-Length: 1000\r\n" H "\r\n");
    uint64_t begun = now_ms(CLOCK_MONOTONIC);
    for (int i = 0; i < 5; i++) { /* never silent for long */
        nap_ms(100);
        http_say(head, "X", 1);
        http_say(body, "X", 1);
    }
    char *answer = http_rest_of(head, NULL);
    assert_memory_equal(answer, "HTTP/1.1 408 Request Timeout\r\n", 30);
    assert_non_null(strstr(answer, "\r\n\r\n408 Request Timeout\n"));
    free(answer);
    answer = http_rest_of(body, NULL);
    assert_memory_equal(answer, "HTTP/1.1 408", 12);
    free(answer);
    assert_true(recv(idle, &byte, 1, 0) <= 0); /* nothing was asked: nothing is said */
    uint64_t spent = now_ms(CLOCK_MONOTONIC) - begun;
    assert_true(spent >= 390 && spent < 5000);
    close(head);
    close(body);
    close(idle);
    expect(&s, "GET /path HTTP/1.1\r\n" LAST, "HTTP/1.1 200", NULL);
    stop(&s);
}

static void test_full_house_and_idle(void **state)
{
    enum { GUESTS = 8 };
    server s;
    char body[256];
    int guests[GUESTS];
    (void)state;
    start(&s, (ti_web_opts){.connections = GUESTS});
    for (int i = 0; i < GUESTS - 2; i++) {
        guests[i] = dial(&s);
        http_ask(guests[i], "GET /path HTTP/1.1\r\n" H "\r\n");
        assert_int_equal(http_one_answer(guests[i], body, sizeof body), 200);
        nap_ms(2);
    }
    int waiting = dial(&s);
    http_ask(waiting, "GET /later HTTP/1.1\r\n" H "\r\n");
    ti_web_reply *reply = wait_kept();
    /* Connections that stay open, and an answer that is not there yet, cost nothing. */
    uint64_t cpu = now_ms(CLOCK_PROCESS_CPUTIME_ID);
    nap_ms(300);
    assert_true(now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu <= 10);
    guests[GUESTS - 2] = dial(&s);
    guests[GUESTS - 1] = dial(&s); /* one too many: the most idle one gives way */
    http_ask(guests[GUESTS - 1], "GET /path HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(http_one_answer(guests[GUESTS - 1], body, sizeof body), 200);
    assert_int_equal(recv(guests[0], body, 1, 0), 0);
    ti_web_reply_text(reply, 200, "text/plain", "still here");
    ti_web_reply_end(reply);
    assert_int_equal(http_one_answer(waiting, body, sizeof body), 200);
    assert_string_equal(body, "still here");
    close(waiting);
    for (int i = 0; i < GUESTS; i++) {
        close(guests[i]);
    }
    stop(&s);
}

/* --- many at once ------------------------------------------------------------------------- */

typedef struct visitor {
    const server *s;
    pthread_t thread;
    unsigned good;
} visitor;

static void *visit(void *user)
{
    visitor *v = user;
    char text[256], body[512], want[64];
    int fd = dial(v->s);
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "GET /path?%p-%d HTTP/1.1\r\n" H "\r\n", user, i);
        snprintf(want, sizeof want, "GET /path||%p-%d|-", user, i);
        http_ask(fd, text);
        v->good += http_one_answer(fd, body, sizeof body) == 200 && strcmp(body, want) == 0;
        if (i % 10 == 0) {
            close(fd);
            fd = dial(v->s);
        }
    }
    close(fd);
    return NULL;
}

static void test_many(void **state)
{
    enum { VISITORS = 8 };
    server s;
    visitor visitors[VISITORS] = {{0}};
    int slow[6];
    (void)state;
    start(&s, (ti_web_opts){.threads = 3});
    atomic_store(&most_running, 0);
    for (int i = 0; i < 6; i++) { /* handlers that wait keep no other connection waiting */
        slow[i] = dial(&s);
        http_ask(slow[i], "GET /slow HTTP/1.1\r\n" LAST);
    }
    for (int i = 0; i < VISITORS; i++) {
        visitors[i].s = &s;
        assert_int_equal(pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]), 0);
    }
    for (int i = 0; i < VISITORS; i++) {
        pthread_join(visitors[i].thread, NULL);
        assert_int_equal(visitors[i].good, 100);
    }
    for (int i = 0; i < 6; i++) {
        char *answer = http_rest_of(slow[i], NULL);
        assert_non_null(strstr(answer, "\r\n\r\nslow"));
        free(answer);
        close(slow[i]);
    }
    assert_int_equal(atomic_load(&most_running), 3); /* as many as there are threads */
    stop(&s);
}

/* --- hooks -------------------------------------------------------------------------------- */

static bool admit(void *user, const ti_web_request *request, ti_web_reply *reply)
{
    const char *token = ti_web_header(request, "authorization");
    (void)user;
    atomic_fetch_add(&admitted, 1);
    if (token && strcmp(token, "Bearer right") == 0) {
        return true;
    }
    ti_web_reply_error(reply, 401, "a token is needed");
    ti_web_reply_header(reply, "WWW-Authenticate", "Bearer");
    return false;
}

static const char *as_json(void *user, ti_buf *body, const char *target, unsigned code,
                           const char *why)
{
    (void)user;
    assert_non_null(target);
    ti_json_open(body, NULL, '{');
    ti_json_uint(body, "code", code);
    ti_json_str(body, "why", why ? why : "");
    ti_json_close(body, '}');
    return "application/json";
}

static void test_hooks(void **state)
{
    server s;
    (void)state;
    start(&s, (ti_web_opts){.admit = admit, .error = as_json, .request_ms = 100});
    expect(&s, "GET /path HTTP/1.1\r\nAuthorization: Bearer right\r\n" LAST, "HTTP/1.1 200",
           NULL);
    expect(&s, "GET /path HTTP/1.1\r\n" LAST, "HTTP/1.1 401", "WWW-Authenticate: Bearer\r\n");
    expect(&s, "POST /body HTTP/1.1\r\nContent-Length: 1\r\n" LAST "x", "HTTP/1.1 401",
           "{\"code\":401,\"why\":\"a token is needed\"}");
    expect(&s, "GET /none HTTP/1.1\r\n" LAST, "HTTP/1.1 404", "Content-Type: application/json");
    expect(&s, "GET /path HTTP/1.1\r\nX: ", "HTTP/1.1 408", "{\"code\":408,\"why\":\"\"}");
    stop(&s);
}

/* --- ends --------------------------------------------------------------------------------- */

static void test_stopping(void **state)
{
    server s;
    char body[256];
    (void)state;
    start(&s, (ti_web_opts){.finish_ms = 3000});
    int fd = dial(&s), idle = dial(&s), later = dial(&s);
    http_ask(later, "GET /later HTTP/1.1\r\n" H "\r\n");
    ti_web_reply *reply = wait_kept();
    http_ask(fd, "GET /slow HTTP/1.1\r\n" H "\r\n");
    nap_ms(20);
    ti_web_stop(s.web);
    ti_web_stop(s.web);
    assert_int_equal(http_one_answer(fd, body, sizeof body), 200); /* it was under way */
    assert_string_equal(body, "slow");
    ti_web_reply_text(reply, 200, "text/plain", "good");
    ti_web_reply_end(reply);
    assert_int_equal(http_one_answer(later, body, sizeof body), 200);
    pthread_join(s.thread, NULL);
    assert_int_equal(s.status, TERN_OK);
    ti_web_close(s.web);
    assert_int_equal(recv(idle, body, 1, 0), 0);
    close(fd);
    close(idle);
    close(later);
}

/* Replies may outlive the server. */
static void test_left_over(void **state)
{
    server s;
    char body[256];
    (void)state;
    start(&s, (ti_web_opts){.finish_ms = 1});
    int a = dial(&s), b = dial(&s);
    http_ask(a, "GET /later HTTP/1.1\r\n" H "\r\n");
    ti_web_reply *first = wait_kept();
    http_ask(b, "GET /later HTTP/1.1\r\n" H "\r\n");
    ti_web_reply *second = wait_kept();
    assert_int_equal(ti_web_reply_write(second, "x", 1, NULL), TERN_OK);
    assert_int_equal(recv(b, body, 1, 0), 1);
    stop(&s);
    assert_true(ti_web_reply_gone(first));
    assert_true(ti_web_reply_gone(second));
    assert_int_equal(ti_web_reply_write(second, "x", 1, NULL), TERN_CANCELLED);
    ti_web_reply_end(first);
    ti_web_reply_end(second);
    close(a);
    close(b);
}

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    signalled = number;
}

static bool was_signalled(void *user)
{
    (void)user;
    return signalled != 0;
}

static void *send_signal(void *user)
{
    nap_ms(50);
    kill(getpid(), SIGTERM);
    return user;
}

static void test_signals(void **state)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    ti_web_opts opts = {.listen = "localhost:0", .routes = routes, .stop = was_signalled};
    ti_web *web;
    pthread_t thread;
    sigset_t term;
    (void)state;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, &before);
    assert_int_equal(ti_web_open(&web, &opts, NULL), TERN_OK);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL); /* for the thread, which is not to be hit */
    assert_int_equal(pthread_create(&thread, NULL, send_signal, NULL), 0);
    pthread_sigmask(SIG_UNBLOCK, &term, NULL);
    assert_int_equal(ti_web_run(web, NULL), TERN_OK);
    assert_int_equal(signalled, SIGTERM);
    pthread_join(thread, NULL);
    ti_web_close(web);
    sigaction(SIGTERM, &before, NULL);
}

static void test_listening(void **state)
{
    static const char *const bad[] = {
        "",          "8080",    "127.0.0.1",   "127.0.0.1:", ":8080",
        "name.x:80", "[::1:80", "127.0.0.1:x", "1.2.3:",     "127.0.0.1:99999"};
    ti_web *web = NULL, *second;
    tern_err err;
    char where[64];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ti_web_opts opts = {.listen = bad[i], .routes = routes};
        tern_status status = ti_web_open(&web, &opts, &err);
        if (status != TERN_USAGE) {
            fail_msg("'%s': %s", bad[i], tern_status_name(status));
        }
        assert_null(web);
    }
    ti_web_opts opts = {.listen = "127.0.0.1:0", .routes = routes};
    assert_int_equal(ti_web_open(&web, &opts, &err), TERN_OK);
    snprintf(where, sizeof where, "%.*s", (int)strlen(ti_web_url(web)) - 8,
             ti_web_url(web) + 7);
    opts.listen = where;
    assert_int_equal(ti_web_open(&second, &opts, &err), TERN_IO); /* the port is taken */
    ti_web_close(web);
    ti_web_close(NULL);
}

/* Every request for memory of ours fails once: the client gets an answer or the end of the
 * connection, and the next one is served. */
static void test_no_memory(void **state)
{
    (void)state;
    bool failed = true;
    ti_web_opts opts = {.listen = "127.0.0.1:0", .routes = routes};
    for (long n = 0; failed; n++) {
        ti_web *web = NULL;
        oom_fail_at(n);
        tern_status status = ti_web_open(&web, &opts, NULL);
        failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        ti_web_close(web);
    }
    server s;
    start(&s, (ti_web_opts){.threads = 1});
    failed = true;
    for (long n = 0; failed; n++) {
        int fd = dial(&s);
        oom_fail_at(n);
        http_ask(fd, "POST /body?a=b HTTP/1.1\r\nContent-Length: 5\r\n" LAST "hello");
        char answer[1024] = "";
        size_t got = 0;
        ssize_t more;
        while ((more = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0) {
            got += (size_t)more;
        }
        failed = oom_disarm();
        answer[got] = '\0';
        bool whole =
            strncmp(answer, "HTTP/1.1 200", 12) == 0 && strstr(answer, "\r\n\r\nhello");
        bool refused = got == 0 || strncmp(answer, "HTTP/1.1 500", 12) == 0;
        assert_true(failed ? refused || whole : whole);
        close(fd);
    }
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_pipelined_and_half_closed),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_slow_clients),
        cmocka_unit_test(test_full_house_and_idle),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_left_over),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_listening),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
