#pragma once

/*
 * datadog - datadog: metrics of requests for a Datadog agent (plugin reference, 24).
 */

#include "gateway/chain/plugin.h"

extern const struct plugin datadog_plugin;
