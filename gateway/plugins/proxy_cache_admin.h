#pragma once

/*
 * proxy_cache_admin - what the Admin API can do with stored answers (plugin reference, 16): show one, make
 * all nodes forget one or all.
 *
 * Threads: endpoints on the admin loop; proxy_cache_hear() on the bus thread.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin_endpoint proxy_cache_endpoints[];
void proxy_cache_hear(const struct chain_world *world, struct str word);
