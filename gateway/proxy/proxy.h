#pragma once

/*
 * proxy - the data plane: loops with listeners, the steps of a request, drain.
 *
 * Threads: proxy_open/close: main. Others as noted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/err.h"
#include "gateway/chain/chain.h"
#include "gateway/http/listener.h"

struct bus;
struct client_pool_options;
struct config;
struct loop;
struct proxy;
struct resolver;
struct snapshot_place;

struct proxy_options {
    const struct config *config;       /* borrowed for the proxy's life */
    struct chain_world world;
    struct snapshot_place *place;
    struct resolver *resolver;
    struct loop *const *loops;         /* opened, not started; one per worker */
    size_t loop_count;
};

bool proxy_open(const struct proxy_options *options, struct proxy **proxy, struct err *err) MUST_CHECK;
/* The front that the proxy's loops run; node.c attaches it on each loop's start. */
struct http_front *proxy_front(struct proxy *proxy);
/* On a loop's own thread, when it starts. */
bool proxy_attach(struct proxy *proxy, size_t loop_number, struct err *err) MUST_CHECK;
/* Stop accepting; on_empty is called once, on some loop, when no exchange is left anywhere. */
void proxy_drain(struct proxy *proxy, void (*on_empty)(void *arg), void *arg);
/* Loops have ended. */
void proxy_close(struct proxy *proxy);
/* Live settings (upstream keep-alive). Any thread. */
void proxy_reload(struct proxy *proxy, const struct config *config);
