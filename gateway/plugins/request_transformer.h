#pragma once

/*
 * request_transformer - changes what goes to the upstream: path, method, headers, query and body (plugin
 * reference, 13).
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin request_transformer_plugin;
