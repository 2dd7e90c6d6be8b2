#pragma once

/*
 * jwt_secrets - keys and secrets for the tokens of consumers (plugin reference, 3).
 *
 * Threads: constant; decoded ones are immutable.
 */

#include <stdint.h>

#include "gateway/base/uuid.h"
#include "gateway/model/entities.h"
#include "gateway/model/schema.h"

struct evp_pkey_st; /* of OpenSSL */

/* Decoded jwt_secrets; one block of memory and OpenSSL's key. */
struct jwt_secret {
    struct uuid id;
    struct uuid consumer;
    char *key;
    char *secret;                   /* NULL: none */
    char *rsa_public_key;           /* PEM, or base64 of it; NULL: none */
    char *algorithm;                /* the one its tokens have, whatever they say */
    struct evp_pkey_st *public_key; /* NULL: none that can be read */
    struct texts tags;
    int64_t created_at;
};

extern const struct schema jwt_secrets_schema;
