#pragma once

/*
 * router - which route is it? Pure: routes in, answers out; no socket, no clock, no thread.
 *
 * Flavour traditional_compatible (data-plane reference, section 1). Persistent: a changed
 * router shares with the one before everything that was not touched, so the cost of a change does not grow
 * with the number of routes. A match looks at the routes that share the request's host and a prefix of its
 * path, and at no other.
 *
 * Threads: making and freeing: one thread at a time. router_match(): any number, on a router published with
 * release order. Regular expressions match with a per-thread context and a match limit.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"
#include "gateway/base/uuid.h"

struct route;
struct router;
struct rule;

/* A route as the router holds it: counted, so that routers share it. Immutable. */
struct routed {
    uint32_t refs;             /* making thread only */
    const struct route *route; /* owned: freed with release */
    void (*release)(void *route);
    struct rule *rule; /* the router's: compiled when it is first put in; NULL: not yet */
};
struct routed *routed_new(const struct route *route, void (*release)(void *route));
struct routed *routed_ref(struct routed *routed);
void routed_unref(struct routed *routed);

struct router_change {
    struct routed *old; /* to take out; NULL: was not there. The very object that was put in */
    struct routed *new; /* to put in; NULL: none */
};

/* An empty router. */
struct router *router_new(void);
/*
 * Applies the changes to *router, or does nothing and returns false with err set when a pattern of a `new`
 * does not compile. Takes references of its own to the routes. The reference in *router goes over to what it
 * becomes: what only *router holds is changed in place, what others hold stays as it is for them.
 */
bool router_change(struct router **router, const struct router_change *changes, size_t count,
                   struct err *err) MUST_CHECK;
struct router *router_ref(struct router *router);
void router_unref(struct router *router);
size_t router_count(const struct router *router);

struct router_header {
    struct str name;
    struct str value;
};

struct router_query {
    struct str method;
    struct str host;        /* as sent, port included; at == NULL: none */
    struct str path;        /* normalised: path_normalize() */
    struct str server_name; /* SNI; at == NULL: none */
    bool tls;
    const struct router_header *headers;
    size_t header_count;
};

enum {
    ROUTER_MAX_CAPTURES = 16
};

struct router_capture {
    struct str name;  /* len 0: only numbered */
    struct str value; /* part of query.path; at == NULL: did not take part */
};

struct router_match {
    const struct route *route;
    size_t path_index;     /* of route->paths; SIZE_MAX: matched without a path */
    size_t matched_length; /* bytes of query.path that the route path matched */
    size_t capture_count;  /* 0 unless group 1 exists; entry 0 is the whole match */
    struct router_capture captures[ROUTER_MAX_CAPTURES];
};

/* false: no route. */
bool router_match(const struct router *router, const struct router_query *query, struct router_match *match);
