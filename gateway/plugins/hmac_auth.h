#pragma once

/*
 * hmac_auth - who signs a request with the secret of a consumer may pass (plugin reference, 4).
 *
 * Threads: see chain/plugin.h.
 */

#include "gateway/chain/plugin.h"
#include "gateway/model/schema.h"

extern const struct schema hmacauth_credentials_schema;
extern const struct plugin hmac_auth_plugin;
