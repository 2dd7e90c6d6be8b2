#pragma once

/*
 * front - what listener.c and h2o_exchange.c know in common: servers, loops and connections. For those two,
 * refusal.c, request_chunks.c and tls.c only.
 *
 * Threads: a front is written on main before loops start; a front_loop and its connections belong to their
 * loop, except for the counters, which anybody may read.
 */

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <h2o.h>

#include "gateway/base/list.h"
#include "gateway/http/arena.h"
#include "gateway/http/guard.h"
#include "gateway/http/lingering.h"
#include "gateway/http/listener.h"
#include "gateway/http/spool.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"

struct exchange;
struct exchange_backend;
struct exchange_request;
struct exchange_outcome;
struct h2o_exchange;
struct headers;
struct proxy_line;
struct tunnel;

struct front_server {
    struct http_front *front;
    char *name;
    void (*handle)(struct exchange *exchange, void *arg);
    void (*refuse)(struct exchange *exchange, int status, const char *text, void *arg);
    bool (*show)(void *arg, struct loop *loop, struct str name, SSL *ssl); /* NULL: tls has what is shown */
    void *arg;
    h2o_hostconf_t *hosts[2]; /* exactly one: h2o then does not match names */
    SSL_CTX *tls;             /* NULL: no address wants it */
    struct front_address {
        int fd;
        int port;
        bool tls, http2, proxy_protocol;
    } * addresses;
    size_t address_count;
};

struct front_loop {
    h2o_context_t context;
    struct front_loop *next; /* the front's, under its lock */
    struct http_front *front;
    struct loop *loop;
    struct front_listener {
        h2o_socket_t *sock;      /* NULL: closed */
        h2o_accept_ctx_t accept; /* owns a reference of its ssl_ctx */
        struct front_server *server;
        struct front_loop *at;
        bool proxy_protocol;
        bool http2; /* offered */
    } * listeners;
    size_t listener_count;
    struct list connections;
    int connection_count;
    struct arena_stock arenas; /* of exchanges */
    struct lingering_room lingering;
    struct spool_listener spool;
    struct timer lost; /* bodies could not be kept: answers those requests */
    bool paused;       /* the cap is reached; listeners do not read */
    bool listening;    /* counted in the front's */
    bool draining;
    int64_t listen_until_ms; /* while draining; loop_now_ms() */
    int idle_limit_ms;       /* likewise */
    struct timer sweep;      /* closes idle connections while draining */
    struct timer retry;      /* accepts again after a shortage of descriptors */
    struct timer h2_tick;    /* h2_watch.c; while h2_count is not 0 */
    int h2_count;            /* connections that speak HTTP/2 */
    uint64_t shortages;      /* pauses since the one that was logged */
    void (*on_empty)(void *arg);
    void *on_empty_arg;
    struct loop_end end;
    /* thread: this loop writes, any reads */
    _Atomic uint64_t accepted, active, requests;
};

/* Why a certificate that was fine does not count any more. */
#define FRONT_AUTHORITIES_CHANGED "the authorities have changed since the connection was made"

struct front_connection {
    struct list link;
    struct front_loop *at;
    struct front_listener *listener; /* it came in by */
    struct front_server *server;
    h2o_socket_t *sock;
    struct list exchanges;         /* that run; over HTTP/1 at most one */
    struct tunnel *tunnel;         /* NULL: it speaks HTTP */
    struct lingering *lingering;   /* NULL: it may close at once */
    struct proxy_line *proxy_line; /* NULL: none is awaited */
    uint64_t request_count;
    int idle_ms; /* while draining, as far as sweeps have seen */
    bool tls;
    struct {
        bool spoken;
        SSL *ssl;            /* h2o's */
        uint64_t credited;   /* bytes received that belong to requests that began, or need no account */
        bool cut;            /* it is shut; h2o has not noticed yet */
        uint64_t taken_back; /* requests that the client did not want answered */
        int64_t active_ms;   /* when a request began or ended, or the connection did */
        uint64_t written;    /* bytes, when that was last looked at; `written_ms`: since then no more were */
        int64_t written_ms;
    } h2;
    bool addresses_known;
    struct sockaddr_storage peer;
    char peer_address[INET6_ADDRSTRLEN];
    char local_address[INET6_ADDRSTRLEN];
    int peer_port, local_port;
    char *server_name;        /* SNI; NULL: none */
    char *peer_subject;       /* of the client's certificate; NULL: none, or it is not accepted */
    const char *peer_problem; /* why not; NULL: there was none */
};

struct http_front {
    h2o_globalconf_t conf;
    struct http_front_options options;
    struct guard_limits limits;
    struct front_server **servers;
    size_t server_count;
    pthread_mutex_t *lock; /* of `loops` */
    struct front_loop *loops;
    atomic_size_t listening; /* loops that have not closed their listeners. thread: any */
};

/* h2o_exchange.c: h2o's handler of a server, and the end of what a client that is gone had asked for. */
int front_on_request(h2o_handler_t *handler, h2o_req_t *req);
void front_abandon(struct h2o_exchange *exchange);
/* All that run on a connection. */
void front_abandon_all(struct front_connection *connection);
/* Is an answer being written? */
bool front_is_sending(const struct front_connection *connection);
/* An exchange on a request of h2o's; backend NULL: the usual one. `below` is for the backend. */
struct exchange *front_exchange_new(h2o_req_t *req, const struct exchange_backend *backend, void *below);
/* How its connection is protected. */
void front_read_tls(const struct exchange *exchange, struct exchange_outcome *outcome);
/* Puts the lines into h2o's response: no framing, no Date. */
void front_set_headers(h2o_req_t *req, const struct headers *headers);

/* h2o_request.c: the exchange's request as h2o has it; its pieces are borrowed from req. */
void front_read_request(h2o_req_t *req, struct front_connection *connection, struct exchange *exchange);
/* Path and query of a target. */
void front_split_target(struct exchange_request *request);
/* Before anything of the head is copied: is it too large? Then its headers are dropped. */
struct guard_refusal front_bound_head(h2o_req_t *req, const struct guard_limits *limits);
/* What of the request counts, or why it does not pass. */
struct guard_refusal front_check(h2o_req_t *req, struct front_connection *connection,
                                 const struct exchange *exchange, struct guard_request *checked);

/* request_chunks.c: asserts that libh2o decodes chunked bodies by our rules. */
void front_check_decoder(void);

/* refusal.c: gives errors that h2o answers by itself the server's look. */
void front_dress_errors(struct front_server *server, h2o_pathconf_t *path);
/* The client of a refused HTTP/1 request may still be sending it: the connection closes with patience. */
void front_close_gently(h2o_req_t *req);
/* Answers requests that are still being read and whose bodies are lost. */
void front_refuse_lost(struct front_loop *at);
/* Whether that has become of the body of a request that is complete. */
bool front_has_lost_body(const h2o_req_t *req);

struct front_handler {
    h2o_handler_t super;
    struct front_server *server;
};
