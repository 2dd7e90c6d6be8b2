#pragma once

/*
 * basic_auth - who knows the user name and password of a consumer may pass (plugin reference, 2).
 *
 * Threads: see chain/plugin.h.
 */

#include <stdint.h>

#include "gateway/base/uuid.h"
#include "gateway/chain/plugin.h"
#include "gateway/model/entities.h"

/* Decoded basicauth_credentials; one block of memory. */
struct basicauth_credential {
    struct uuid id;
    struct uuid consumer;
    char *username;
    char *password; /* its hash */
    struct texts tags;
    int64_t created_at;
};

extern const struct schema basicauth_credentials_schema;
extern const struct plugin basic_auth_plugin;
