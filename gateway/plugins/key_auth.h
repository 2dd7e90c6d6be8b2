#pragma once

/*
 * key_auth - who has a key of a consumer may pass (plugin reference, 1).
 *
 * Threads: see chain/plugin.h.
 */

#include <stdint.h>

#include "gateway/base/uuid.h"
#include "gateway/chain/plugin.h"
#include "gateway/model/entities.h"

/* Decoded keyauth_credentials; one block of memory. */
struct keyauth_credential {
    struct uuid id;
    struct uuid consumer;
    char *key;
    struct texts tags;
    int64_t created_at;
    int64_t expires_at_ms; /* on the machine's monotonic clock; 0: never */
};

extern const struct schema keyauth_credentials_schema;
extern const struct plugin key_auth_plugin;
