#pragma once

/*
 * rate_limiting - lets so many requests through per calendar period (plugin reference, 9). Counted on each
 * node by itself.
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin rate_limiting_plugin;
