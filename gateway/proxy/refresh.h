#pragma once

/*
 * refresh - the bus's subscriber: a batch becomes purged entries and the next snapshot.
 *
 * Order is the protocol's (consistency reference, 4.1): raise fences and drop entries, build from rows read
 * in the batch's own database snapshot, publish. A row that does not compile keeps its old version and is
 * counted.
 *
 * Threads: the bus thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "bus/bus.h"

struct cache;
struct plugin;
struct refresh;
struct schemas;
struct snapshot_place;

struct refresh_options {
    struct cache *cache;
    const struct schemas *schemas;
    struct snapshot_place *place;
    const struct plugin *const *plugins; /* the registry in descending priority; only enabled ones */
    size_t plugin_count;
    /* Said by a node to all of them, when the snapshot of its batch is published; NULL: nobody listens. */
    void (*on_word)(void *arg, const char *word);
    void (*on_restart)(void *arg); /* everything was loaded anew: words may have been missed; NULL likewise */
    void *arg;
};

struct refresh *refresh_new(const struct refresh_options *options);
void refresh_free(struct refresh *refresh);
struct bus_subscriber refresh_subscriber(struct refresh *refresh);
