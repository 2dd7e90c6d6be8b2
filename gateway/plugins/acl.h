#pragma once

/*
 * acl - which groups of consumers may pass, or may not (plugin reference, 5).
 *
 * Threads: see chain/plugin.h.
 */

#include <stdint.h>

#include "gateway/base/uuid.h"
#include "gateway/chain/plugin.h"
#include "gateway/model/entities.h"

/* A decoded row of acls. */
struct acl_group {
    struct uuid id;
    char *name;
    struct texts tags;
    int64_t created_at;
};

/* All rows of one consumer; one block of memory. */
struct acl_groups {
    struct uuid consumer;
    struct acl_group *at;
    size_t count; /* at least 1 */
};

extern const struct schema acls_schema;
extern const struct plugin acl_plugin;
