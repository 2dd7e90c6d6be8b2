#pragma once

/*
 * correlation_id - gives requests a number that goes to the upstream and, if wanted, back to the client
 * (plugin reference, 15).
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin correlation_id_plugin;
