#pragma once

/*
 * jwt - who has a token that is signed for a consumer may pass (plugin reference, 3).
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin jwt_plugin;
