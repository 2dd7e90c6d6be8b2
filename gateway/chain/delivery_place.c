/*
 * delivery_place - see delivery_place.h.
 */

#include "gateway/chain/delivery_place.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/base/network.h"
#include "gateway/base/str.h"
#include "gateway/dns/resolver.h"

void delivery_place_init(struct delivery_place *place, const char *host, int port)
{
    *place = (struct delivery_place){.host = mem_strdup(host), .port = port};
}

void delivery_place_fini(struct delivery_place *place)
{
    if (place->resolver != NULL)
        resolver_unwatch(place->resolver, str_of(place->host));
    free(place->host);
    *place = (struct delivery_place){0};
}

bool delivery_place_find(struct delivery_place *place, struct resolver *resolver,
                         struct sockaddr_storage *address, socklen_t *length)
{
    struct str host = str_of(place->host);

    if (network_address(host, address)) {
        *length = network_set_port(address, place->port);
        return true;
    }
    if (resolver == NULL)
        return false;
    if (place->resolver == NULL) {
        place->resolver = resolver;
        resolver_watch(resolver, host);
    }
    place->generation = resolver_generation(resolver);
    const struct resolver_answer *answer = resolver_find(resolver, host, RESOLVER_TARGET);
    bool found = answer != NULL && answer->count > 0;
    if (found) {
        const struct resolver_address *chosen = &answer->addresses[resolver_answer_pick(answer, place->turn)];
        *address = chosen->at;
        *length = network_set_port(address, chosen->port != 0 ? chosen->port : place->port);
    }
    resolver_answer_unref(answer);
    return found;
}

bool delivery_place_has_moved(const struct delivery_place *place)
{
    return place->resolver != NULL && resolver_generation(place->resolver) != place->generation;
}
