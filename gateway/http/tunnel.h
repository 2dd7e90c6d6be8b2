#pragma once

/*
 * tunnel - two connections whose bytes go across until either closes or both are idle for too long.
 *
 * Threads: the loop of both.
 */

#include <h2o.h>

struct loop;
struct tunnel;

/* Owns both sockets from now on. *slot holds the tunnel while it lives, NULL afterwards. idle_ms 0: no limit.
 */
void tunnel_start(struct loop *loop, h2o_socket_t *client, h2o_socket_t *upstream, int idle_ms,
                  struct tunnel **slot);
/* Closes both. */
void tunnel_close(struct tunnel *tunnel);
