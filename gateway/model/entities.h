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
    int tls_verify_depth;           /* -1: unset */
    struct uuid client_certificate; /* nil: none */
    struct uuid *authorities;       /* ca_certificates */
    size_t authority_count;
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

/* ---- balancing ---- */

enum balancing {
    BALANCING_ROUND_ROBIN,
    BALANCING_CONSISTENT_HASHING,
    BALANCING_LEAST_CONNECTIONS,
    BALANCING_LATENCY,
};

/* What of a request is hashed. */
enum hash_input {
    HASH_NONE,
    HASH_CONSUMER,
    HASH_IP,
    HASH_HEADER,
    HASH_COOKIE,
    HASH_PATH,
    HASH_QUERY_ARG,
    HASH_URI_CAPTURE,
};

struct hash_source {
    enum hash_input input;
    char *name; /* of the header, cookie, argument or capture; NULL: the input needs none */
};

/* A set of HTTP statuses. */
struct statuses {
    uint64_t bits[16];
};
static inline bool statuses_have(const struct statuses *statuses, int status)
{
    return status >= 0 && status < 1024 && (statuses->bits[status / 64] >> (status % 64) & 1) != 0;
}

/* How often something has to happen until it counts; 0: never. */
struct health_limits {
    int successes, http_failures, tcp_failures, timeouts;
};

/* What makes a peer healthy or not: looking at answers as they come, or asking. */
struct health_rules {
    struct statuses healthy, unhealthy;
    struct health_limits limits;
};

enum probe_kind {
    PROBE_TCP, /* also gRPC: a connection is all that is asked for */
    PROBE_HTTP,
    PROBE_HTTPS,
};

struct probe_settings {
    enum probe_kind kind;
    int timeout_ms, concurrency;
    int healthy_interval_ms, unhealthy_interval_ms; /* 0: peers in that state are not asked */
    bool verify;
    char *path, *server_name;     /* server_name NULL: the host of the target */
    struct route_header *headers; /* names as they were written */
    size_t header_count;
};

struct upstream {
    struct uuid id;
    char *name; /* lower case */
    enum balancing balancing;
    struct hash_source hash_on, hash_fallback;
    char *cookie_path;
    int slots;
    double threshold; /* percent of the weight */
    struct health_rules passive, active;
    struct probe_settings probe;
    char *host_header;              /* NULL: none */
    struct uuid client_certificate; /* nil: none */
    bool use_srv_name;
    int64_t created_at, updated_at;
};
/* Are peers asked, are answers looked at? */
bool upstream_probes(const struct upstream *upstream);
bool upstream_watches(const struct upstream *upstream);

struct target {
    struct uuid id, upstream;
    char *target; /* as it is stored: host:port */
    char *host;   /* an IPv6 address without brackets */
    int port;
    int weight; /* 0: takes nothing */
};

/* ---- certificates; PEM texts, private keys among them ---- */

struct certificate {
    struct uuid id;
    char *cert, *key;
    char *cert_alt, *key_alt; /* NULL: no second pair */
};

struct sni {
    struct uuid id, certificate;
    char *name; /* lower case; "*" may stand for its first or last label, or be all of it */
};

struct ca_certificate {
    struct uuid id;
    char *cert;
};

extern const struct schema service_schema;
extern const struct schema route_schema;
extern const struct schema consumer_schema;
extern const struct schema plugin_setting_schema;
extern const struct schema upstream_schema;
extern const struct schema target_schema;
extern const struct schema certificate_schema;
extern const struct schema sni_schema;
extern const struct schema ca_certificate_schema;
/* These are stored and shown; no object of the data plane is made of them. */
extern const struct schema key_set_schema;
extern const struct schema key_schema;
extern const struct schema vault_schema;
/* Made of other entities; not in the set of schemas. */
extern const struct schema tag_schema;

/* "http" -> PROTOCOL_HTTP; 0: unknown. */
unsigned protocol_of(const char *name);
const char *protocol_name(unsigned protocol);
