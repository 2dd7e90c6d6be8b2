#pragma once

/*
 * udp_log - udp-log: a request as JSON in a datagram (plugin reference, 20).
 */

#include "gateway/chain/plugin.h"

extern const struct plugin udp_log_plugin;
