/*
 * proxy_line - see proxy_line.h.
 *
 * The header is taken off the socket by recv(2), exactly: not one byte more may go past libh2o, which starts
 * a TLS handshake or a request with what follows.
 */

#include "gateway/http/proxy_line.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <h2o.h>

#include "gateway/base/mem.h"
#include "gateway/http/front.h"

enum {
    FIXED_BYTES = 16, /* signature, version and command, family, length */
    FOUR_BYTES = 12,  /* two IPv4 addresses, two ports */
    SIX_BYTES = 36,
    AWAITED_MS = 10000, /* as libh2o waits for version 1 and for TLS */
};

struct proxy_line {
    struct front_connection *connection;
    void (*begin)(struct front_connection *connection, bool is_text);
    struct timer deadline;
    size_t used, wanted;
    char bytes[PROXY_LINE_MAX];
};

static const char signature[12] = {'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static void read_four(const char *from, struct sockaddr_storage *peer)
{
    struct sockaddr_in *four = (void *)peer;

    four->sin_family = AF_INET;
    memcpy(&four->sin_addr, from, 4);
    memcpy(&four->sin_port, from + 8, 2);
}

static void read_six(const char *from, struct sockaddr_storage *peer)
{
    struct sockaddr_in6 *six = (void *)peer;

    six->sin6_family = AF_INET6;
    memcpy(&six->sin6_addr, from, 16);
    memcpy(&six->sin6_port, from + 32, 2);
}

enum proxy_line_state proxy_line_read(struct str bytes, size_t *length, struct sockaddr_storage *peer)
{
    size_t known = bytes.len < sizeof(signature) ? bytes.len : sizeof(signature);

    *length = FIXED_BYTES;
    if (memcmp(bytes.at, signature, known) != 0)
        return PROXY_LINE_BAD;
    if (bytes.len < FIXED_BYTES)
        return PROXY_LINE_MORE;
    const unsigned char *fixed = (const void *)(bytes.at + sizeof(signature));
    size_t rest = (size_t)fixed[2] << 8 | fixed[3];
    bool is_local = fixed[0] == 0x20; /* the balancer's own, as to see whether somebody is here */
    bool is_proxied = fixed[0] == 0x21;
    bool is_four = is_proxied && fixed[1] == 0x11; /* TCP over IPv4 */
    bool is_six = is_proxied && fixed[1] == 0x21;
    if ((!is_local && !is_proxied) || (is_four && rest < FOUR_BYTES) || (is_six && rest < SIX_BYTES) ||
        rest > PROXY_LINE_MAX - FIXED_BYTES)
        return PROXY_LINE_BAD;
    *length = FIXED_BYTES + rest;
    if (bytes.len < *length)
        return PROXY_LINE_MORE;
    memset(peer, 0, sizeof(*peer)); /* AF_UNSPEC */
    if (is_four)
        read_four(bytes.at + FIXED_BYTES, peer);
    if (is_six)
        read_six(bytes.at + FIXED_BYTES, peer);
    return PROXY_LINE_READ;
}

/* libh2o's from here on. */
static void go_on(struct proxy_line *line, bool is_text)
{
    struct front_connection *connection = line->connection;
    void (*begin)(struct front_connection *, bool) = line->begin;

    h2o_socket_read_stop(connection->sock);
    h2o_socket_dont_read(connection->sock, 0);
    connection->proxy_line = NULL;
    proxy_line_free(line);
    begin(connection, is_text);
}

static void take_peer(struct proxy_line *line, struct sockaddr_storage *peer)
{
    socklen_t length = peer->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

    if (peer->ss_family != AF_UNSPEC)
        h2o_socket_setpeername(line->connection->sock, (void *)peer, length);
    go_on(line, false);
}

static void read_more(struct proxy_line *line)
{
    h2o_socket_t *sock = line->connection->sock;
    struct sockaddr_storage peer;
    ssize_t count =
        recv(h2o_socket_get_fd(sock), line->bytes + line->used, line->wanted - line->used, MSG_DONTWAIT);

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    line->used += count > 0 ? (size_t)count : 0;
    enum proxy_line_state state =
        count > 0 ? proxy_line_read((struct str){line->bytes, line->used}, &line->wanted, &peer)
                  : PROXY_LINE_BAD;
    if (state == PROXY_LINE_BAD)
        h2o_socket_close(sock);
    else if (state == PROXY_LINE_READ)
        take_peer(line, &peer);
}

static void on_bytes(h2o_socket_t *sock, const char *error)
{
    const struct front_connection *connection = sock->on_close.data;
    struct proxy_line *line = connection->proxy_line;
    char first;

    (void)error; /* not set: h2o does not read */
    bool is_text = line->used == 0 &&
                   recv(h2o_socket_get_fd(sock), &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 &&
                   first != signature[0];
    if (is_text)
        go_on(line, true);
    else
        read_more(line);
}

static void on_late(struct timer *timer)
{
    h2o_socket_close(CONTAINER_OF(timer, struct proxy_line, deadline)->connection->sock);
}

void proxy_line_await(struct front_connection *connection,
                      void (*begin)(struct front_connection *connection, bool is_text))
{
    struct proxy_line *line = mem_zalloc(sizeof(*line));

    line->connection = connection;
    line->begin = begin;
    line->wanted = FIXED_BYTES;
    connection->proxy_line = line;
    timer_start(connection->at->loop, &line->deadline, AWAITED_MS, on_late);
    h2o_socket_dont_read(connection->sock, 1);
    h2o_socket_read_start(connection->sock, on_bytes);
}

void proxy_line_free(struct proxy_line *line)
{
    if (line == NULL)
        return;
    timer_stop(&line->deadline);
    free(line);
}
