#pragma once

/*
 * proxy_cache - answers that were given before are given again (plugin reference, 16).
 */

#include "gateway/chain/plugin.h"

extern const struct plugin proxy_cache_plugin;
