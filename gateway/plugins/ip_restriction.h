#pragma once

/*
 * ip_restriction - lets requests in or keeps them out by the client's address (plugin reference, 6).
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"

extern const struct plugin ip_restriction_plugin;
