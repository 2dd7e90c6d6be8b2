#pragma once

/*
 * basic_auth_credentials - names and passwords of consumers (plugin reference, 2).
 *
 * Threads: constant.
 */

#include "gateway/model/schema.h"

extern const struct schema basicauth_credentials_schema;
