#pragma once

/*
 * hmac_auth_credentials - names and secrets of consumers that sign their requests (plugin reference, 4).
 *
 * Threads: constant.
 */

#include "gateway/model/schema.h"

extern const struct schema hmacauth_credentials_schema;
