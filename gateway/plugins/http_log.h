#pragma once

/*
 * http_log - tells another server of every request, by HTTP, in batches (plugin reference, 19).
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin http_log_plugin;
