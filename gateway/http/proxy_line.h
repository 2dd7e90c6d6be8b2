#pragma once

/*
 * proxy_line - who the peer of a load balancer's connection is, as the first bytes on it say: version 2 of
 * the PROXY protocol (binary). Version 1 (text) is read by libh2o, which knows no other.
 *
 * Source: haproxy.org/download/2.8/doc/proxy-protocol.txt, section 2.2.
 *
 * Threads: the parser: any; the rest: the connection's loop.
 */

#include <stdbool.h>
#include <stddef.h>

#include <sys/socket.h>

#include "gateway/base/str.h"

struct front_connection;
struct proxy_line;

enum {
    PROXY_LINE_MAX = 2048, /* bytes, additions of the balancer included */
};

enum proxy_line_state {
    PROXY_LINE_MORE, /* what is there is the beginning of one; *length bytes are needed to go on */
    PROXY_LINE_READ, /* it has *length bytes */
    PROXY_LINE_BAD,
};

/*
 * Reads a header of version 2. *peer is AF_UNSPEC if it names none that we know: then the connection's own
 * counts. `bytes` are never more than *length.
 */
enum proxy_line_state proxy_line_read(struct str bytes, size_t *length, struct sockaddr_storage *peer);

/*
 * Waits for the first bytes of a fresh connection. begin: nothing has been read, or a whole header of version
 * 2, and its peer is the socket's; is_text: a line of version 1 must follow. What is neither, or is not there
 * in time, closes the connection.
 */
void proxy_line_await(struct front_connection *connection,
                      void (*begin)(struct front_connection *connection, bool is_text));
/* The connection is closed. NULL is fine. */
void proxy_line_free(struct proxy_line *line);
