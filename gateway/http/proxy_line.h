#pragma once

/*
 * proxy_line - who the peer of a load balancer's connection is, as the first bytes on it say: the PROXY
 * protocol, version 1 (a line of text) or 2 (binary). libh2o knows version 1 only, and takes connections that
 * say nothing.
 *
 * Source: haproxy.org/download/2.8/doc/proxy-protocol.txt, sections 2.1 and 2.2.
 *
 * Threads: the parsers: any; the rest: the connection's loop.
 */

#include <stddef.h>

#include <sys/socket.h>

#include "gateway/base/str.h"

struct front_connection;
struct proxy_line;

enum {
    PROXY_LINE_MAX = 2048, /* bytes, additions of the balancer included */
};

enum proxy_line_state {
    PROXY_LINE_MORE, /* what is there is the beginning of one */
    PROXY_LINE_READ,
    PROXY_LINE_BAD,
};

/* *peer is AF_UNSPEC if none is named that we know: then the connection's own counts. */

/* Version 1: `line` ends with the first newline, if it has one. */
enum proxy_line_state proxy_line_read_text(struct str line, struct sockaddr_storage *peer);
/*
 * Version 2. MORE: *length bytes are needed to go on; READ: it has *length bytes. `bytes` are never more than
 * *length was.
 */
enum proxy_line_state proxy_line_read_binary(struct str bytes, size_t *length, struct sockaddr_storage *peer);

/*
 * Waits for the first bytes of a fresh connection; begin() follows when they have been read and the socket
 * has the peer that they name. What says nothing, or not in time, is closed.
 */
void proxy_line_await(struct front_connection *connection,
                      void (*begin)(struct front_connection *connection));
/* The connection is closed. NULL is fine. */
void proxy_line_free(struct proxy_line *line);
