#pragma once

/*
 * upstream_typed - decode() of upstreams: the object the data plane reads.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "gateway/base/err.h"

bool upstream_decode(const cJSON *document, void **object, size_t *bytes, struct err *err);
