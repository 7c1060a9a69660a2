/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/parts.h"

enum { HOST_MAX = 256, BACKLOG = 512 };

/* getaddrinfo() takes larger numbers, and other ones. */
static bool port_valid(const char *port)
{
    size_t n = strlen(port);
    return n > 0 && n <= 5 && strspn(port, "0123456789") == n &&
           strtoul(port, NULL, 10) <= UINT16_MAX;
}

/* Takes ADDRESS:PORT apart.  No name is looked up: what is listened on is said in digits. */
static tern_status find(struct addrinfo **out, int *host_len, const char *where, tern_err *err)
{
    char host[HOST_MAX];
    const char *colon = strrchr(where, ':');
    size_t len = colon ? (size_t)(colon - where) : 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    bool v6 = len > 2 && where[0] == '[' && where[len - 1] == ']';
    bool good = colon && port_valid(colon + 1) && len > 0 && len < sizeof host;
    if (good) {
        size_t inner = len - (v6 ? 2 : 0);
        memcpy(host, where + v6, inner);
        host[inner] = '\0';
        if (strcmp(host, "localhost") == 0) {
            memcpy(host, "127.0.0.1", sizeof "127.0.0.1");
        }
        good = getaddrinfo(host, colon + 1, &hints, out) == 0;
    }
    if (!good) {
        return ti_fail(err, TERN_USAGE, "http", TI_NO_OFFSET, "'%.80s' is not ADDRESS:PORT",
                       where);
    }
    *host_len = (int)len;
    return TERN_OK;
}

tern_status ti_web_listen(int *out, char *url, const char *where, tern_err *err)
{
    struct addrinfo *found;
    struct sockaddr_storage at;
    socklen_t at_len = sizeof at;
    int one = 1, host_len;
    char port[16];
    TI_TRY(find(&found, &host_len, where, err));
    int fd = socket(found->ai_family, SOCK_STREAM, 0);
    bool good = fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
                setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
                bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0 &&
                fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
                getsockname(fd, (struct sockaddr *)&at, &at_len) == 0 &&
                getnameinfo((struct sockaddr *)&at, at_len, NULL, 0, port, sizeof port,
                            NI_NUMERICSERV) == 0;
    int e = errno;
    freeaddrinfo(found);
    if (!good) {
        if (fd >= 0) {
            close(fd);
        }
        return ti_fail_errno(err, e, "http", "cannot listen on '%s'", where);
    }
    snprintf(url, TI_WEB_URL_MAX, "http://%.*s:%s/", host_len, where, port);
    *out = fd;
    return TERN_OK;
}
