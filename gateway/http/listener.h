#pragma once

/*
 * listener - addresses on which a server answers, and the servers behind them.
 *
 * A server is a set of addresses with one handler (proxy, admin, status). All servers of a loop share its h2o
 * context. Listening sockets are opened once and shared: every loop accepts from a duplicate, so nothing in a
 * queue is lost when a loop stops.
 *
 * Threads: listener_open() and http_front_* on main before loops start; the rest as noted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/err.h"
#include "gateway/base/str.h"

struct exchange;
struct http_front;
struct http_server;
struct listen_sockets;
struct loop;
struct ssl_ctx_st; /* OpenSSL's SSL_CTX */
struct ssl_st;

/* One entry of proxy_listen and the like. */
struct listen_address {
    struct str host; /* numeric; "::" and others without brackets */
    int port;        /* 0: any free one, see listener_port() */
    bool tls;
    bool http2;
    bool proxy_protocol;
    bool reuseport, deferred, bind, ipv6only;
    int backlog;
};

struct http_server_options {
    const char *name; /* for logs */
    const struct listen_address *addresses;
    size_t address_count;
    const char *certificate_file; /* PEM; NULL: a self-signed pair is made at start */
    const char *key_file;
    /*
     * With a context made `by_name`: shows what belongs to the name, by tls_identity_show(); false: there is
     * nothing, and the handshake fails. name: in lower case; at == NULL: the client has sent none, or none
     * that can be a host's. On the connection's loop, in the middle of its first read.
     */
    bool (*show)(void *arg, struct loop *loop, struct str name, struct ssl_st *ssl);
    struct ssl_ctx_st *tls; /* instead of these two, see tls.h; gets a reference; NULL: they count */
    void (*handle)(struct exchange *exchange, void *arg);
    /*
     * How errors found before the handler look (guard, 413, h2o's own): writes an answer. NULL: plain text.
     */
    void (*refuse)(struct exchange *exchange, int status, const char *text, void *arg);
    void *arg;
};

struct http_front_options {
    size_t max_body_bytes;       /* over all servers of the front; 0: 1 GiB */
    size_t max_head_bytes;       /* default 32 KiB */
    bool raw_targets;            /* names in URLs may be UTF-8 as it is; for servers that forward nothing */
    int request_timeout_ms;      /* idle, head and body of one request */
    int max_connections;         /* per loop; 0: from RLIMIT_NOFILE and the share */
    size_t descriptor_share;     /* a loop may have one in so many descriptors for clients; 0: one in 3 */
    int keepalive_requests;      /* per connection; 0: no limit */
    int write_timeout_ms;        /* a client that takes nothing is dropped after */
    const char *spool_directory; /* bodies above 32 MiB */
    /* Where addresses are taken from that are bound already, see listen_sockets.h; NULL: nowhere. */
    struct listen_sockets *sockets;
};

/* A front: the servers that the given loops will run. */
struct http_front *http_front_new(const struct http_front_options *options);
/* Opens the sockets. Servers are numbered from 0 in the order they are added. */
bool http_front_add(struct http_front *front, const struct http_server_options *server,
                    struct err *err) MUST_CHECK;
/* The port that address `index` of server `server` really has. */
int http_front_port(const struct http_front *front, size_t server, size_t index);
/* On the loop's own thread, once per loop: makes its context and starts to accept. */
bool http_front_attach(struct http_front *front, struct loop *loop, struct err *err) MUST_CHECK;

struct http_drain {
    /* Connections that wait in the sockets' queues are accepted first, and new ones turned away by the kernel
     * (their clients try again after a second and are refused). Not for sockets that others listen on. */
    bool last_accepts;
    int idle_ms; /* a connection without a request for so long is closed */
    /* Called once, on the loop, when its last connection is gone; NULL: nobody wants to know. */
    void (*on_empty)(void *arg);
    void *arg;
};
/*
 * On each loop: stop accepting, close idle connections, let running exchanges end with Connection: close.
 */
void http_front_drain(struct http_front *front, struct loop *loop, const struct http_drain *drain);
/*
 * On each loop: TLS connections that server `number` accepts from now on get `tls`, of which a reference is
 * taken. A certificate that an older connection has shown does not count any more; idle ones are closed.
 */
void http_front_use_tls(struct http_front *front, struct loop *loop, size_t number, struct ssl_ctx_st *tls);
/* Every loop has ended. */
void http_front_free(struct http_front *front);

struct http_front_stats {
    uint64_t accepted, active, requests;
};
/* Any thread. */
void http_front_read_stats(const struct http_front *front, struct http_front_stats *stats);
