#pragma once

/*
 * acls - the groups of consumers (plugin reference, 5).
 *
 * Threads: constant.
 */

#include "gateway/model/schema.h"

extern const struct schema acls_schema;
