#pragma once

/*
 * client_pool - connections to upstreams, and which of them are idle. The inner side of client.h, for
 * client.c only.
 *
 * Last in, first out: the connection used last is the least likely to have been closed meanwhile, and surplus
 * ones grow old and go. An idle connection keeps reading: any event on it means that it is of no use any
 * more, so that taking one needs no look at the socket.
 *
 * Threads: the loop's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <h2o.h>

#include "gateway/base/list.h"
#include "gateway/http/client.h"
#include "gateway/io/timer.h"

struct client_target;
struct tls_reader;

/* One connection, in use or idle. Heap; freed by upstream_close(). */
struct upstream {
    struct list link; /* the target's idle list; not linked while in use */
    struct client_pool *pool;
    struct client_target *target;
    h2o_socket_t *sock;
    struct client *client; /* NULL: idle */
    struct timer idle;
    int request_count;
    struct tls_reader *tls; /* NULL: plain */
    bool eventful;          /* something happened on it while nothing was expected: not to be kept */
    bool read_paused;       /* not polled for reading */
    bool read_full;         /* the last read got all it had room for: there may be more */
    size_t read_bytes;      /* how much the next read asks for */
};

struct loop *client_pool_loop(const struct client_pool *pool);
/* The target of a request, made if it is new, and held. NULL: its TLS settings cannot be used (logged once).
 */
struct client_target *client_pool_hold(struct client_pool *pool, const struct client_request *request);
void client_target_release(struct client_target *target);
/* The context for its TLS, NULL: plain. */
SSL_CTX *client_target_tls(const struct client_target *target);

/* An idle connection, now the caller's, or NULL. */
struct upstream *client_pool_take(struct client_target *target);
/* A new one around a connected socket, which h2o does not read from any more; ssl NULL: plain. */
struct upstream *upstream_new(struct client_target *target, h2o_socket_t *sock, SSL *ssl);
/* Its socket, for somebody who lets h2o read. What is left is to be closed. */
h2o_socket_t *upstream_give_socket(struct upstream *upstream);
/* Keeps it for others, or closes it. The caller has checked that the last answer allows it. */
void client_pool_give(struct upstream *upstream);
void upstream_close(struct upstream *upstream);
