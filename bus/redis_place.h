#pragma once

/*
 * redis_place - which server to connect to: the one in the settings, the master that Sentinels name, or any
 * node of a Redis Cluster.
 *
 * Every time a line is opened this is found out anew, so a failover costs one reconnection; a server that is
 * no master any more hangs up by itself (Sentinel makes it). In a Cluster classic messages reach the
 * subscribers of all nodes, whichever node they are given to: each gateway takes a node at random, which
 * spreads the subscribers, and no slot has to be followed.
 *
 * Threads: the channel's thread.
 */

#include <stdbool.h>

#include "bus/bus.h"
#include "bus/redis_wire.h"

struct redis_place {
    char host[256];
    int port;
};

/* `tls`: as for wire_open(); Sentinels are spoken to alike. */
bool redis_find(const struct bus_redis *redis, SSL_CTX *tls, const struct patience *patience,
                struct redis_place *place, struct bus_err *err);
/* Is what we are connected to what was looked for? Sentinels may be behind: the server itself knows if it is
 * master. */
bool redis_is_place(struct wire *wire, const struct bus_redis *redis, const struct patience *patience,
                    struct bus_err *err);
