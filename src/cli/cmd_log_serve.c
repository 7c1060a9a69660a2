/* SPDX-License-Identifier: Apache-2.0 */
/* tern log serve-dir - HTTP/1.1, GET and HEAD, one request a connection.
 *
 * Any web server can serve a log's files.  This one checks each against the signed root before
 * it is sent, so that a damaged disk is noticed here and not by those who asked. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/out.h"
#include "ledger/log.h"

enum { MAX_CLIENTS = 64, REQUEST_MAX = 4096, PATIENCE_MS = 10000 };

typedef struct serve_args {
    const char *listen;
} serve_args;

static const serve_args defaults = {.listen = "127.0.0.1:8407"};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "listen",
     .metavar = "ADDRESS:PORT",
     .help = "where to listen; port 0 takes a free one",
     .offset = offsetof(serve_args, listen)},
    {0},
};

static const ti_operand operands[] = {
    {.metavar = "DIR", .help = "the log's directory", .words = TI_WORDS_FILE},
    {0},
};

typedef struct client {
    int fd; /* -1 = free */
    uint64_t since_ns;
    size_t got, sent;
    ti_buf answer; /* not empty once the request is complete */
    char request[REQUEST_MAX];
} client;

typedef struct server {
    const char *dir;
    int fd;
    client clients[MAX_CLIENTS];
} server;

static void head(ti_buf *out, const char *status, const char *type, const char *cache,
                 size_t len)
{
    ti_buf_addf(out,
                "HTTP/1.1 %s\r\nContent-Type: %s\r\nCache-Control: %s\r\n"
                "Content-Length: %zu\r\nAccess-Control-Allow-Origin: *\r\n"
                "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
                status, type, cache, len);
}

static void refuse(ti_buf *out, const char *status)
{
    ti_buf_clear(out);
    head(out, status, "text/plain; charset=utf-8", "no-store", strlen(status) + 1);
    ti_buf_addf(out, "%s\n", status);
}

/* Answers one path, without its first '/'. */
static void answer_path(const char *dir, ti_buf *out, const char *path, size_t len, bool body)
{
    ti_log_view *view;
    ti_buf bytes = {0};
    tern_err err = {0};
    bool is_head = len == 10 && memcmp(path, "checkpoint", 10) == 0;
    tern_status status = ti_log_view_open(&view, dir, NULL, NULL, &err);
    if (status == TERN_OK) {
        status = ti_log_view_file(view, &bytes, path, len, &err);
        ti_log_view_close(view);
    }
    if (status == TERN_OK) {
        head(out, "200 OK", is_head ? "text/plain; charset=utf-8" : "application/octet-stream",
             is_head ? "no-cache" : "public, max-age=31536000, immutable", bytes.len);
        if (body) {
            ti_buf_add(out, bytes.data ? bytes.data : "", bytes.len);
        }
    } else if (status == TERN_NO) {
        refuse(out, "404 Not Found");
    } else {
        ti_warn("not served: %s", err.message);
        refuse(out, "500 Internal Server Error");
    }
    ti_buf_free(&bytes);
}

/* The request line is all that matters. */
static void answer(const char *dir, client *c)
{
    const char *end = memchr(c->request, '\r', c->got);
    const char *path = c->request;
    bool get = c->got > 4 && memcmp(path, "GET ", 4) == 0;
    bool only_head = c->got > 5 && memcmp(path, "HEAD ", 5) == 0;
    path += get ? 4 : 5;
    const char *space = end && path < end ? memchr(path, ' ', (size_t)(end - path)) : NULL;
    if (!get && !only_head) {
        refuse(&c->answer, "405 Method Not Allowed");
    } else if (!space || *path != '/' || end - space < 8 || memcmp(space, " HTTP/1.", 8) != 0) {
        refuse(&c->answer, "400 Bad Request");
    } else {
        answer_path(dir, &c->answer, path + 1, (size_t)(space - path) - 1, get);
    }
}

static void drop(client *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    ti_buf_free(&c->answer);
    c->fd = -1;
}

static void accept_one(server *s)
{
    int fd = accept(s->fd, NULL, NULL);
    if (fd < 0) {
        return;
    }
    for (int i = 0; i < MAX_CLIENTS; i++) {
        client *c = &s->clients[i];
        if (c->fd < 0) {
            (void)fcntl(fd, F_SETFL, O_NONBLOCK);
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
            c->fd = fd;
            c->got = c->sent = 0;
            c->answer = (ti_buf){0};
            c->since_ns = ti_now_ns();
            return;
        }
    }
    close(fd);
}

/* Reads until the empty line; the answer is then made. */
static void receive(const char *dir, client *c)
{
    ssize_t n = recv(c->fd, c->request + c->got, sizeof c->request - c->got, 0);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            drop(c);
        }
        return;
    }
    c->got += (size_t)n;
    for (size_t i = 3; i < c->got; i++) {
        if (memcmp(c->request + i - 3, "\r\n\r\n", 4) == 0) {
            answer(dir, c);
            break;
        }
    }
    if (c->answer.len == 0 && c->got == sizeof c->request) {
        refuse(&c->answer, "431 Request Header Fields Too Large");
    }
    if (c->answer.failed) {
        drop(c);
    }
}

static void transmit(client *c)
{
    ssize_t n = send(c->fd, c->answer.data + c->sent, c->answer.len - c->sent, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    c->sent += n > 0 ? (size_t)n : 0;
    if (n < 0 || c->sent == c->answer.len) {
        (void)shutdown(c->fd, SHUT_WR);
        drop(c);
    }
}

/* One round of waiting and serving.  Sleeps for ever while nobody is connected. */
static void turn(server *s)
{
    struct pollfd polls[1 + MAX_CLIENTS] = {{.fd = s->fd, .events = POLLIN}};
    int busy = 0;
    for (int i = 0; i < MAX_CLIENTS; i++) {
        client *c = &s->clients[i];
        polls[1 + i] = (struct pollfd){.fd = c->fd};
        polls[1 + i].events = c->answer.len > 0 ? POLLOUT : POLLIN;
        busy += c->fd >= 0;
    }
    if (poll(polls, 1 + MAX_CLIENTS, busy > 0 ? 1000 : -1) < 0) {
        return; /* a signal */
    }
    for (int i = 0; i < MAX_CLIENTS; i++) {
        client *c = &s->clients[i];
        if (c->fd >= 0 && polls[1 + i].revents) {
            if (c->answer.len > 0) {
                transmit(c);
            } else {
                receive(s->dir, c);
            }
        }
        if (c->fd >= 0 && ti_now_ns() - c->since_ns > PATIENCE_MS * UINT64_C(1000000)) {
            drop(c);
        }
    }
    if (polls[0].revents) {
        accept_one(s);
    }
}

/* Binds ADDRESS:PORT ([ADDRESS]:PORT for IPv6) and prints where that is. */
static tern_status start(server *s, const char *where, tern_err *err)
{
    char host[256];
    const char *colon = strrchr(where, ':');
    size_t len = colon ? (size_t)(colon - where) : 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found;
    if (!colon || len == 0 || len >= sizeof host) {
        return ti_fail(err, TERN_USAGE, "log", TI_NO_OFFSET, "'%.80s' is not ADDRESS:PORT",
                       where);
    }
    bool v6 = where[0] == '[' && where[len - 1] == ']' && len > 2;
    memcpy(host, where + v6, len - 2 * v6);
    host[len - 2 * v6] = '\0';
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
        return ti_fail(err, TERN_USAGE, "log", TI_NO_OFFSET, "'%.80s' is not ADDRESS:PORT",
                       where);
    }
    int one = 1;
    struct sockaddr_storage at;
    socklen_t at_len = sizeof at;
    char port[16];
    s->fd = socket(found->ai_family, SOCK_STREAM, 0);
    bool good = s->fd >= 0 && fcntl(s->fd, F_SETFD, FD_CLOEXEC) == 0 &&
                setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
                bind(s->fd, found->ai_addr, found->ai_addrlen) == 0 && listen(s->fd, 64) == 0 &&
                fcntl(s->fd, F_SETFL, O_NONBLOCK) == 0 &&
                getsockname(s->fd, (struct sockaddr *)&at, &at_len) == 0 &&
                getnameinfo((struct sockaddr *)&at, at_len, NULL, 0, port, sizeof port,
                            NI_NUMERICSERV) == 0;
    int e = errno;
    freeaddrinfo(found);
    if (!good) {
        return ti_fail_errno(err, e, "log", "cannot listen on '%s'", where);
    }
    ti_printf("http://%.*s:%s/\n", (int)len, where, port);
    return ti_out_finish(err);
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const serve_args *args = values;
    ti_log_view *view;
    server *s = calloc(1, sizeof *s);
    if (!s) {
        return ti_fail_nomem(err, "log", sizeof *s, "a server");
    }
    s->dir = given->items[0];
    s->fd = -1;
    for (int i = 0; i < MAX_CLIENTS; i++) {
        s->clients[i].fd = -1;
    }
    tern_status status = ti_log_view_open(&view, s->dir, NULL, NULL, err);
    if (status == TERN_OK) {
        ti_log_view_close(view);
        ti_interrupt_catch();
        status = start(s, args->listen, err);
    }
    while (status == TERN_OK && !ti_interrupted()) {
        turn(s);
    }
    for (int i = 0; i < MAX_CLIENTS; i++) {
        drop(&s->clients[i]);
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    free(s);
    return status;
}

const ti_command ti_cmd_log_serve_dir = {
    .name = "log serve-dir",
    .summary = "serve a log over HTTP",
    .description = "Serves the public files of a log (checkpoint, tile/...) over HTTP, each "
                   "checked against the signed root before it is sent.  Any static web server "
                   "can do the same with these two, without the checks; nothing else in the "
                   "directory is for others.",
    .opts = opts,
    .operands = operands,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
