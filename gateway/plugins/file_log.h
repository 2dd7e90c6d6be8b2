#pragma once

/*
 * file_log - a line of JSON per request into a file (plugin reference, 20).
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin file_log_plugin;
