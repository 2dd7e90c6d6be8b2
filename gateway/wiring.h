#pragma once

/*
 * wiring - what joins parts that do not know each other: cache, store, bus and Admin API; and settings as
 * their options.
 *
 * Threads: making options: main. The functions inside them run on the threads of the parts that call them.
 */

#include <stdatomic.h>

#include "admin/admin.h"
#include "bus/bus.h"
#include "gateway/cache/cache.h"

struct answer_cache;
struct chain_world;
struct config;
struct plugin;
struct schemas;
struct store;

/* Lives as long as the parts. Members are set while the node opens, in this order. */
struct wiring {
    struct schemas *schemas;
    struct cache *cache;
    struct answer_cache *answers;
    _Atomic(struct bus *) bus;     /* threads of the bus and the cache may run before it is there */
    struct store *store;           /* set before the first loop runs */
    _Atomic(struct admin *) admin; /* for the bus thread, which runs before it is there and ends before it */
    _Atomic(struct prober *) prober;     /* likewise */
    const struct plugin *const *plugins; /* that are enabled */
    size_t plugin_count;
    _Atomic(const struct chain_world *) world; /* likewise */
    char host_name[256];
};

/* As the registry of nodes and the audit log have it; lives as long as the wiring and the settings. */
const char *wiring_node_name(struct wiring *wiring, const struct config *config);
/* What nobody may believe to be in force. */
void wiring_warn_of_idle_plugins(const struct config *config);
/* For refresh: a word of some node goes to the Admin API, the prober and the plugins; a node that has started
 * over may have missed some. `arg` is the wiring. */
void wiring_hear(void *arg, const char *word);
void wiring_restarted(void *arg);
/* Every tick: answers may take what entities leave of mem_cache_size. */
void wiring_share_memory(struct wiring *wiring, const struct config *config);
struct cache_options wiring_cache_options(struct wiring *wiring, const struct config *config);
/* Adds on_hint, log and arg. */
void wiring_bus_callbacks(struct wiring *wiring, struct bus_options *options);
struct bus_live wiring_bus_live(const struct config *config);
/* Windows that all nodes count, over the store, which ends first. */
struct cluster_counters *wiring_cluster_counters(struct store *store);
struct admin_bus wiring_admin_bus(struct bus *bus);
