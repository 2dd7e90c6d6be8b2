#pragma once

/*
 * tcp_log - tcp-log: a request as a line of JSON over a kept connection (plugin reference, 20).
 */

#include "gateway/chain/plugin.h"

extern const struct plugin tcp_log_plugin;
