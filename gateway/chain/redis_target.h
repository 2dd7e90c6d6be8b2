#pragma once

/*
 * redis_target - which Redis, and how: the redis_* fields of a plugin's settings (plugin reference, 0.5).
 *
 * Threads: made and freed by one; read by any.
 */

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/digest.h"

struct redis_target {
    char *host;
    char *username, *password; /* NULL: none */
    char *server_name;         /* of TLS; NULL: the host's */
    uint16_t port;
    int64_t database;
    int timeout_ms; /* of each wait: for a connection, for an answer */
    bool tls, tls_verify;
    struct digest digest; /* of all the others: equal ones may share a connection */
};

/* From a complete config document. NULL: it names no host. */
struct redis_target *redis_target_new(const cJSON *config);
struct redis_target *redis_target_copy(const struct redis_target *target);
void redis_target_free(struct redis_target *target);
