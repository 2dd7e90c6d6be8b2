#pragma once

/*
 * response_transformer - changes headers and JSON bodies of answers (plugin reference, 14).
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin response_transformer_plugin;
