#pragma once

/*
 * tunnel - two connections whose bytes go across until both have ended, or one breaks, or nothing moves for
 * too long.
 *
 * The end of one direction is passed on as such and the other goes on, except towards TLS, whose end cannot
 * be said to h2o apart from the connection's: there it ends both. At most TUNNEL_PIECE_BYTES of a direction
 * are in memory; of a TLS side what the kernel may hold (socket_option.h), for h2o reads that.
 *
 * Threads: the loop of both.
 */

#include <h2o.h>

struct exchange_tunnel;
struct loop;
struct tunnel;

enum {
    TUNNEL_PIECE_BYTES = 64 * 1024
};

/* Owns both sockets from now on. *slot holds the tunnel while it lives, NULL afterwards. */
void tunnel_start(struct loop *loop, h2o_socket_t *client, h2o_socket_t *upstream,
                  const struct exchange_tunnel *options, struct tunnel **slot);
/* Closes both. */
void tunnel_close(struct tunnel *tunnel);
