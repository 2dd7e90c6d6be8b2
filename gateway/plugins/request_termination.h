#pragma once

/*
 * request_termination - answers instead of the upstream (plugin reference, 12).
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin request_termination_plugin;
