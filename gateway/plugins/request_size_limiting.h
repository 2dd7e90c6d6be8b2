#pragma once

/*
 * request_size_limiting - refuses requests whose body is too large (plugin reference, 11).
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin request_size_limiting_plugin;
