#pragma once

/*
 * proxy - the data plane: loops with listeners, the steps of a request, drain.
 *
 * Threads: main, unless noted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/chain/chain.h"

struct bus;
struct config;
struct config_problems;
struct http_drain;
struct http_front;
struct line_sink;
struct listen_sockets;
struct loop;
struct prober;
struct proxy;
struct resolver;
struct snapshot_place;

struct proxy_options {
    const struct config *config; /* borrowed for the proxy's life */
    struct chain_world world;
    struct snapshot_place *place; /* its first loops are these, in this order */
    struct bus *bus;              /* outlives the loops */
    struct resolver *resolver;
    struct line_sink *access_sink; /* of the access log; NULL: there is none */
    struct loop *const *loops;     /* opened, not started; one per worker */
    size_t loop_count;
    struct listen_sockets *sockets; /* for proxy_listen (listen_sockets.h); NULL: they are made */
    const uint8_t *ticket_secret;   /* of TLS sessions, TLS_TICKETS_SECRET_SIZE bytes (tls_tickets.h) */
    struct loop *prober_loop;       /* the next one of the place; NULL: nobody is probed */
};

/* Are the settings that proxy_open() reads files for right? Every mistake becomes a problem. */
bool proxy_check(const struct config *config, struct config_problems *problems) MUST_CHECK;
/* Likewise for proxy_reload(). */
bool proxy_check_live(const struct config *config, struct config_problems *problems) MUST_CHECK;
/* Opens the listening sockets. */
bool proxy_open(const struct proxy_options *options, struct proxy **proxy, struct err *err) MUST_CHECK;
/* On each loop's own thread, when it starts: begins to accept. */
bool proxy_attach(struct proxy *proxy, size_t loop_number, struct err *err) MUST_CHECK;
/* It is attached by the one who runs its loop. NULL: there is none. */
struct prober *proxy_prober(struct proxy *proxy);
/* What all chains share. */
const struct chain_world *proxy_world(const struct proxy *proxy);
/* For its figures. */
struct http_front *proxy_front(struct proxy *proxy);
/*
 * Live settings; what runs keeps those it began with. `config` is borrowed for the proxy's life.
 */
void proxy_reload(struct proxy *proxy, const struct config *config);
/* The settings are the same, but files that they name may not be. */
void proxy_reload_files(struct proxy *proxy, const struct config *config);
/* Now and then, on main: lets go of what is not used any more. now_ms: the clock of loops. */
void proxy_tick(struct proxy *proxy, int64_t now_ms);
/* Is the last good poll older than cluster_max_staleness? With cluster_stale_policy = refuse clients get 503.
 */
void proxy_set_stale(struct proxy *proxy, bool stale);
/*
 * The process is known to run, and to have heard of changes, until this instant (loop_clock_us). Requests
 * that find it over wait a moment: the process or its machine has been stopped, and the node is about to
 * learn what it has missed (consistency reference, 8). Any thread.
 */
void proxy_set_awake(struct proxy *proxy, int64_t until_us);
/* As `drain` says (listener.h); on_empty is called once, on some loop, when no connection is left anywhere.
 */
void proxy_drain(struct proxy *proxy, const struct http_drain *drain);
/* The loops have ended, and the resolver is about to be closed. */
void proxy_let_go(struct proxy *proxy);
/* The loops have ended. NULL is fine. */
void proxy_close(struct proxy *proxy);
