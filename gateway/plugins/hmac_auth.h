#pragma once

/*
 * hmac_auth - who signs a request with the secret of a consumer may pass (plugin reference, 4).
 *
 * Threads: see chain/plugin.h.
 */

#include <stdint.h>

#include "gateway/base/uuid.h"
#include "gateway/chain/plugin.h"
#include "gateway/model/entities.h"

/* Decoded hmacauth_credentials; one block of memory. */
struct hmacauth_credential {
    struct uuid id;
    struct uuid consumer;
    char *username;
    char *secret; /* NULL: none */
    struct texts tags;
    int64_t created_at;
};

extern const struct schema hmacauth_credentials_schema;
extern const struct plugin hmac_auth_plugin;
