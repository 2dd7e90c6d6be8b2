#pragma once

/*
 * cors - tells browsers which pages of other origins may use an answer (plugin reference, 8; Fetch standard,
 * "CORS protocol").
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin cors_plugin;
