#pragma once

/*
 * bot_detection - keeps out programs that call themselves by the names of known robots (plugin reference, 7).
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin bot_detection_plugin;
