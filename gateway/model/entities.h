#pragma once

/*
 * entities - the typed, immutable objects the data plane reads. Made by schema.decode(), freed by
 * schema.release().
 *
 * Texts are owned by the object and NUL-terminated. Absent texts are NULL, absent lists have count 0, an
 * absent reference is the nil uuid. Sharing and counting is done by whoever holds them (snapshot, cache).
 *
 * Threads: any; immutable.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/uuid.h"

struct schema;

struct texts {
    char **at;
    size_t count;
};

enum protocol_bits {
    PROTOCOL_HTTP = 1 << 0,
    PROTOCOL_HTTPS = 1 << 1,
    PROTOCOL_GRPC = 1 << 2,
    PROTOCOL_GRPCS = 1 << 3,
    PROTOCOL_TCP = 1 << 4,
    PROTOCOL_TLS = 1 << 5,
    PROTOCOL_UDP = 1 << 6,
    PROTOCOL_TLS_PASSTHROUGH = 1 << 7,
};

struct service {
    struct uuid id;
    char *name;
    unsigned protocol; /* one of protocol_bits */
    char *host;
    int port;
    char *path;
    int retries;
    int connect_ms, write_ms, read_ms;
    bool enabled;
    bool tls_verify_set, tls_verify;
    int tls_verify_depth; /* -1: unset */
    struct texts tags;
    int64_t created_at, updated_at;
};

struct route_header {
    char *name;          /* lower case, '_' as '-' */
    struct texts values; /* "~*..." is a pattern */
};

struct route {
    struct uuid id;
    char *name;
    unsigned protocols;
    struct texts methods, hosts, paths, snis;
    struct route_header *headers;
    size_t header_count;
    int https_redirect_status_code;
    int64_t regex_priority;
    bool strip_path, preserve_host, request_buffering, response_buffering;
    struct uuid service; /* nil: none */
    struct texts tags;
    int64_t created_at, updated_at;
};

struct plugin_setting {
    struct uuid id;
    char *name;
    char *instance_name;
    struct uuid route, service, consumer; /* nil: any */
    bool enabled;
    unsigned protocols;
    cJSON *config; /* owned; complete */
    struct texts tags;
    int64_t created_at, updated_at;
};

struct consumer {
    struct uuid id;
    char *username;
    char *custom_id;
    struct texts tags;
    int64_t created_at, updated_at;
};

extern const struct schema service_schema;
extern const struct schema route_schema;
extern const struct schema consumer_schema;
extern const struct schema plugin_setting_schema;
/* These are stored and shown; no object of the data plane is made of them. */
extern const struct schema certificate_schema;
extern const struct schema sni_schema;
extern const struct schema ca_certificate_schema;
extern const struct schema key_set_schema;
extern const struct schema key_schema;
extern const struct schema upstream_schema;
extern const struct schema target_schema;
extern const struct schema vault_schema;
/* Made of other entities; not in the set of schemas. */
extern const struct schema tag_schema;

/* "http" -> PROTOCOL_HTTP; 0: unknown. */
unsigned protocol_of(const char *name);
const char *protocol_name(unsigned protocol);
