/* SPDX-License-Identifier: Apache-2.0 */
/* http_talk.h - a client for tests of servers that says exactly what it is told to.  Include it
 * in one file of a test program, after cmocka's header. */
#ifndef TESTS_HTTP_TALK_H
#define TESTS_HTTP_TALK_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/buf.h"

/* A connection to a port of this machine; reads wait 10 s at most. */
static inline int http_dial(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 10};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

/* Sends all, or what the other side still takes. */
static inline void http_say(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return;
        }
        bytes += n;
        len -= (size_t)n;
    }
}

static inline void http_ask(int fd, const char *text)
{
    http_say(fd, text, strlen(text));
}

/* Reads until the connection ends. */
static inline char *http_rest_of(int fd, size_t *len)
{
    ti_buf all = {0};
    char piece[8192];
    ssize_t n;
    while ((n = recv(fd, piece, sizeof piece, 0)) > 0) {
        ti_buf_add(&all, piece, (size_t)n);
    }
    ti_buf_adds(&all, "");
    if (len) {
        *len = all.len;
    }
    return all.data ? all.data : strdup("");
}

/* One answer with Content-Length; the connection stays. Returns the status; body[cap]. */
static inline unsigned http_one_answer(int fd, char *body, size_t cap)
{
    char head[2048];
    size_t n = 0;
    while (n < sizeof head - 1 && (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0)) {
        if (recv(fd, head + n, 1, 0) != 1) {
            return 0;
        }
        n++;
    }
    head[n] = '\0';
    const char *length = strstr(head, "Content-Length: ");
    size_t len = length ? strtoul(length + 16, NULL, 10) : 0;
    assert_true(len < cap);
    for (size_t got = 0; got < len;) {
        ssize_t more = recv(fd, body + got, len - got, 0);
        assert_true(more > 0);
        got += (size_t)more;
    }
    body[len] = '\0';
    return (unsigned)strtoul(head + 9, NULL, 10);
}

#endif
