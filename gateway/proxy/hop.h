#pragma once

/*
 * hop - the way from the gateway to a service, worked out once per version of the service: what to connect to
 * and what to call it there.
 *
 * Threads: made on the bus thread; immutable.
 */

#include <stdbool.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include "gateway/base/digest.h"
#include "gateway/base/str.h"
#include "gateway/http/client.h"

struct resolver_address;
struct service;

struct hop {
    bool spoken;                 /* a protocol that is spoken to upstreams: http, https */
    bool numeric;                /* hop_address() knows; otherwise `name` has to be resolved */
    struct sockaddr_in6 address; /* or the shorter sockaddr_in */
    struct str name;             /* the service's host; borrowed from it */
    struct digest name_key;      /* of one that is not numeric: under which an upstream is looked for */
    int port;
    struct str host; /* the Host header: the name, with the port unless it is the usual one; owned */
    bool tls;
    struct client_tls client_tls; /* server_name borrowed from the service */
};

/* The service must stay as long as the hop. */
void hop_init(struct hop *hop, const struct service *service);
void hop_fini(struct hop *hop);

/* Is it what the scheme implies? Then no Host header needs it. */
bool hop_is_usual_port(const struct hop *hop, int port);
/* Of a numeric one. Returns its length. */
socklen_t hop_address(const struct hop *hop, struct sockaddr_storage *address);
/* Of one whose name has an address: with the port of the SRV record, or else of the service. Returns its
 * length. */
socklen_t hop_resolved(const struct hop *hop, const struct resolver_address *found,
                       struct sockaddr_storage *address);
