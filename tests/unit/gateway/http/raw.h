#pragma once

/*
 * raw - bytes over loopback, without any idea of HTTP: what a client or an upstream really sends and gets.
 */

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/attributes.h"

enum {
    RAW_DEADLINE_MS = 5000
};

static inline struct sockaddr_in raw_loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

static inline UNUSED int raw_connect(int port)
{
    struct sockaddr_in address = raw_loopback(port);
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert(fd >= 0);
    if (connect(fd, (const void *)&address, sizeof(address)) != 0)
        abort();
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* Listens on a free port. */
static inline UNUSED int raw_listen(int *port)
{
    struct sockaddr_in address = raw_loopback(0);
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (const void *)&address, length) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (void *)&address, &length) != 0)
        abort();
    *port = ntohs(address.sin_port);
    return fd;
}

static inline UNUSED void raw_send(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        bytes += sent;
        length -= (size_t)sent;
    }
}

static inline UNUSED void raw_send_text(int fd, const char *text)
{
    raw_send(fd, text, strlen(text));
}

static inline bool raw_wait(int fd, int wait_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    return poll(&polled, 1, wait_ms) > 0;
}

/* Reads until `until` has come (NULL: until the other side closes) or `size` - 1 bytes are there. Returns the
 * count. */
static inline UNUSED size_t raw_receive(int fd, char *to, size_t size, const char *until)
{
    size_t length = 0;

    to[0] = '\0';
    while (length < size - 1 && raw_wait(fd, RAW_DEADLINE_MS)) {
        ssize_t count = recv(fd, to + length, size - 1 - length, 0);

        if (count <= 0)
            break;
        length += (size_t)count;
        to[length] = '\0';
        if (until != NULL && memmem(to, length, until, strlen(until)) != NULL)
            break;
    }
    return length;
}

/* True if the other side has closed, or closes within the deadline, sending nothing more. */
static inline UNUSED bool raw_is_closed(int fd)
{
    char byte;

    return raw_wait(fd, RAW_DEADLINE_MS) && recv(fd, &byte, 1, 0) <= 0;
}

/* Waits until a counter of another thread has this value. */
static inline UNUSED bool raw_reaches(atomic_int *counter, int value)
{
    for (int i = 0; i < RAW_DEADLINE_MS / 10 && atomic_load(counter) != value; i++)
        (void)poll(NULL, 0, 10);
    return atomic_load(counter) == value;
}
