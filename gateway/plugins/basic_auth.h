#pragma once

/*
 * basic_auth - who knows the user name and password of a consumer may pass (plugin reference, 2).
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"
#include "gateway/model/schema.h"

extern const struct schema basicauth_credentials_schema;
extern const struct plugin basic_auth_plugin;
