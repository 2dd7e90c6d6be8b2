#pragma once

/*
 * statsd - statsd: metrics of requests for a StatsD server (plugin reference, 21).
 */

#include "gateway/chain/plugin.h"

extern const struct plugin statsd_plugin;
