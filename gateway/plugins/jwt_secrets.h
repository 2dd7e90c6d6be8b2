#pragma once

/*
 * jwt_secrets - keys with which the tokens of consumers are checked (plugin reference, 3).
 *
 * Threads: constant.
 */

#include "gateway/model/schema.h"

extern const struct schema jwt_secrets_schema;
