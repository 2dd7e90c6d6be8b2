#pragma once

/*
 * delivery_place - where a sink is: a host and a port, as an address once the name is known.
 *
 * Names are the node's resolver's business, which keeps them up to date while somebody has a place there
 * (gateway/dns): SRV records, hosts file and dns_order count as for upstreams. Nothing here waits; whoever
 * gets no address comes again.
 *
 * Threads: init: any; all else: delivery's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

#include "gateway/base/attributes.h"

struct resolver;

enum {
    DELIVERY_PLACE_PAUSE_US = 10 * 1000 /* after which to come again for an address */
};

struct delivery_place {
    char *host;
    int port;
    size_t turn;               /* which of several addresses; grows when one does not work */
    struct resolver *resolver; /* that keeps the name; NULL: nobody has asked yet */
    uint64_t generation;       /* of the resolver, when _find() has looked */
};

void delivery_place_init(struct delivery_place *place, const char *host, int port);
/* Before the resolver is closed. */
void delivery_place_fini(struct delivery_place *place);

/* False: not known yet, or there is no such name. `resolver` NULL (no node): only numeric hosts are known. */
bool delivery_place_find(struct delivery_place *place, struct resolver *resolver,
                         struct sockaddr_storage *address, socklen_t *length) MUST_CHECK;
/* Names have changed since, maybe this one. */
bool delivery_place_has_moved(const struct delivery_place *place);
