#pragma once

/*
 * prometheus - counts requests, bytes and times by service and route (plugin reference, 17).
 *
 * What it counts stands in the series of base/series.h, each loop's own; GET /metrics of the Admin and the
 * Status API shows it.
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin prometheus_plugin;
