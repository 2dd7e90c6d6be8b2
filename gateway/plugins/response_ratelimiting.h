#pragma once

/*
 * response_ratelimiting - limits of what an upstream says its answers cost (plugin reference, 10).
 */

#include "gateway/chain/plugin.h"

extern const struct plugin response_ratelimiting_plugin;
