/*
 * proxy_line - see proxy_line.h.
 *
 * The header is taken off the socket by recv(2), exactly: not one byte more may go past libh2o, which starts
 * a TLS handshake or a request with what follows.
 */

#include "gateway/http/proxy_line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <h2o.h>

#include "gateway/base/mem.h"
#include "gateway/http/front.h"

enum {
    TEXT_BYTES = 107, /* of version 1, newline included */
    FIXED_BYTES = 16, /* signature, version and command, family, length */
    FOUR_BYTES = 12,  /* two IPv4 addresses, two ports */
    SIX_BYTES = 36,
    AWAITED_MS = 10000, /* as libh2o waits for TLS */
};

struct proxy_line {
    struct front_connection *connection;
    void (*begin)(struct front_connection *connection);
    struct timer deadline;
    size_t used, wanted;
    char bytes[PROXY_LINE_MAX];
};

/* ---- version 2 ---- */

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

enum proxy_line_state proxy_line_read_binary(struct str bytes, size_t *length, struct sockaddr_storage *peer)
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

/* ---- version 1 ---- */

static struct str take_word(struct str *rest)
{
    size_t end = str_find(*rest, ' ', 0);
    struct str word = str_part(*rest, 0, end != SIZE_MAX ? end : rest->len);

    *rest = end != SIZE_MAX ? str_part(*rest, end + 1, rest->len) : STR_NONE;
    return word;
}

static bool read_address(struct str word, int family, void *to)
{
    char text[INET6_ADDRSTRLEN];

    if (word.len >= sizeof(text))
        return false;
    (void)snprintf(text, sizeof(text), "%.*s", STR_ARG(word));
    return inet_pton(family, text, to) == 1;
}

static bool read_port(struct str word, in_port_t *to)
{
    int64_t port;

    if (word.len == 0 || word.at[0] < '0' || word.at[0] > '9' || !str_to_int(word, &port) ||
        port > UINT16_MAX)
        return false;
    *to = htons((uint16_t)port);
    return true;
}

/* "192.0.2.1 192.0.2.2 4711 443": of the source, but all four must be right. */
static bool read_addresses(struct str rest, int family, struct sockaddr_storage *peer)
{
    struct sockaddr_in *four = (void *)peer;
    struct sockaddr_in6 *six = (void *)peer;
    struct in6_addr ours;
    in_port_t our_port;

    peer->ss_family = (sa_family_t)family;
    return read_address(take_word(&rest), family,
                        family == AF_INET ? (void *)&four->sin_addr : (void *)&six->sin6_addr) &&
           read_address(take_word(&rest), family, &ours) &&
           read_port(take_word(&rest), family == AF_INET ? &four->sin_port : &six->sin6_port) &&
           read_port(take_word(&rest), &our_port) && rest.at == NULL;
}

enum proxy_line_state proxy_line_read_text(struct str line, struct sockaddr_storage *peer)
{
    struct sockaddr_storage read = {0};
    bool ok = false;

    if (line.len == 0 || line.at[line.len - 1] != '\n')
        return line.len < TEXT_BYTES ? PROXY_LINE_MORE : PROXY_LINE_BAD;
    if (line.len < 2 || line.at[line.len - 2] != '\r')
        return PROXY_LINE_BAD;
    struct str rest = str_part(line, 0, line.len - 2);
    if (!str_equal(take_word(&rest), STR("PROXY")))
        return PROXY_LINE_BAD;
    struct str protocol = take_word(&rest);
    if (str_equal(protocol, STR("TCP4")))
        ok = read_addresses(rest, AF_INET, &read);
    else if (str_equal(protocol, STR("TCP6")))
        ok = read_addresses(rest, AF_INET6, &read);
    else
        ok = str_equal(protocol, STR("UNKNOWN")); /* whatever follows */
    if (!ok)
        return PROXY_LINE_BAD;
    *peer = read;
    return PROXY_LINE_READ;
}

/* ---- the connection ---- */

/* libh2o's from here on. */
static void go_on(struct proxy_line *line, struct sockaddr_storage *peer)
{
    struct front_connection *connection = line->connection;
    void (*begin)(struct front_connection *) = line->begin;
    socklen_t length = peer->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

    if (peer->ss_family != AF_UNSPEC)
        h2o_socket_setpeername(connection->sock, (void *)peer, length);
    h2o_socket_read_stop(connection->sock);
    h2o_socket_dont_read(connection->sock, 0);
    connection->proxy_line = NULL;
    proxy_line_free(line);
    begin(connection);
}

/* How many of the waiting bytes belong to it: of text, up to the newline. <= 0: as recv(2). */
static ssize_t look_ahead(struct proxy_line *line, int fd)
{
    char *to = line->bytes + line->used;

    ssize_t count = recv(fd, to, line->wanted - line->used, MSG_PEEK | MSG_DONTWAIT);
    if (count <= 0 || line->bytes[0] == signature[0])
        return count;
    const char *end = memchr(to, '\n', (size_t)count);
    return end != NULL ? end - to + 1 : count;
}

static enum proxy_line_state read_more(struct proxy_line *line, struct sockaddr_storage *peer)
{
    int fd = h2o_socket_get_fd(line->connection->sock);
    ssize_t count = look_ahead(line, fd);

    if (count > 0)
        count = recv(fd, line->bytes + line->used, (size_t)count, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return PROXY_LINE_MORE;
    if (count <= 0)
        return PROXY_LINE_BAD;
    line->used += (size_t)count;
    struct str bytes = {line->bytes, line->used};
    if (bytes.at[0] == signature[0])
        return proxy_line_read_binary(bytes, &line->wanted, peer);
    line->wanted = TEXT_BYTES;
    return proxy_line_read_text(bytes, peer);
}

static void on_bytes(h2o_socket_t *sock, const char *error)
{
    const struct front_connection *connection = sock->on_close.data;
    struct sockaddr_storage peer;

    (void)error; /* not set: h2o does not read */
    switch (read_more(connection->proxy_line, &peer)) {
    case PROXY_LINE_MORE:
        break;
    case PROXY_LINE_READ:
        go_on(connection->proxy_line, &peer);
        break;
    case PROXY_LINE_BAD:
        h2o_socket_close(sock);
        break;
    }
}

static void on_late(struct timer *timer)
{
    h2o_socket_close(CONTAINER_OF(timer, struct proxy_line, deadline)->connection->sock);
}

void proxy_line_await(struct front_connection *connection, void (*begin)(struct front_connection *connection))
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
