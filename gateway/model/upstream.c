/*
 * upstream - a name that stands for several targets: how one is chosen, and how their health is known.
 *
 * The way of choosing follows from what is hashed: see derive().
 */

#include <stdlib.h>
#include <string.h>

#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/model/header_name.h"
#include "gateway/model/texts.h"
#include "gateway/model/upstream_checks.h"
#include "gateway/model/upstream_typed.h"

static const struct field status = {
    .name = "elements", .kind = FIELD_INTEGER, .has_between = true, .between_min = 100, .between_max = 999};

static const char *const check_types[] = {"tcp", "http", "https", "grpc", "grpcs", NULL};

/* clang-format off */
#define STATUSES(list) {.name = "http_statuses", .kind = FIELD_ARRAY, .elements = &status, .fallback = (list)}
#define COUNTER(text)  {.name = (text), .kind = FIELD_INTEGER, .fallback = "0", .has_between = true, .between_max = 255}
#define SECONDS(text, seconds) \
    {.name = (text), .kind = FIELD_NUMBER, .fallback = (seconds), .has_between = true, .between_max = 65535}
#define TYPE {.name = "type", .kind = FIELD_STRING, .one_of = check_types, .fallback = "\"http\""}
#define RECORD(text, members) \
    {.name = (text), .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = (members), .field_count = COUNT(members)}

static const struct field passive_healthy[] = {
    COUNTER("successes"),
    STATUSES("[200,201,202,203,204,205,206,207,208,226,300,301,302,303,304,305,306,307,308]"),
};
static const struct field passive_unhealthy[] = {
    COUNTER("tcp_failures"), STATUSES("[429,500,503]"), COUNTER("http_failures"), COUNTER("timeouts"),
};
static const struct field passive[] = {
    RECORD("healthy", passive_healthy),
    RECORD("unhealthy", passive_unhealthy),
    TYPE,
};
static const struct field active_healthy[] = {
    STATUSES("[200,302]"), COUNTER("successes"), SECONDS("interval", "0"),
};
static const struct field active_unhealthy[] = {
    STATUSES("[429,404,500,501,502,503,504,505]"), COUNTER("tcp_failures"), COUNTER("timeouts"),
    COUNTER("http_failures"), SECONDS("interval", "0"),
};
static const struct field probe_header_key = {.name = "keys", .kind = FIELD_STRING, .check = text_is_header_name};
static const struct field probe_header_value = {.name = "elements", .kind = FIELD_STRING};
static const struct field probe_header_values = {.name = "values", .kind = FIELD_ARRAY, .elements = &probe_header_value};
static const struct field active[] = {
    TYPE,
    {.name = "concurrency", .kind = FIELD_INTEGER, .fallback = "10", .has_between = true, .between_min = 1, .between_max = 2147483648.0},
    {.name = "http_path", .kind = FIELD_STRING, .fallback = "\"/\"", .starts_with = "/", .check = text_is_path},
    {.name = "https_sni", .kind = FIELD_STRING, .check = text_is_sni},
    {.name = "https_verify_certificate", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    RECORD("healthy", active_healthy),
    RECORD("unhealthy", active_unhealthy),
    SECONDS("timeout", "1"),
    {.name = "headers", .kind = FIELD_MAP, .keys = &probe_header_key, .values = &probe_header_values},
};
static const struct field healthchecks[] = {
    RECORD("passive", passive),
    RECORD("active", active),
    {.name = "threshold", .kind = FIELD_NUMBER, .fallback = "0", .has_between = true, .between_max = 100},
};

static const char *const algorithms[] = {"consistent-hashing", "least-connections", "round-robin", "latency", NULL};
static const char *const hashes[] = {"none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture", NULL};

#define HASH(text) \
    {.name = (text), .kind = FIELD_STRING, .one_of = hashes, .fallback = "\"none\""}

static const struct field fields[] = {
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_UNIQUE, .check = upstream_check_name,
     .description = "A host name, which the host of a service may be equal to."},
    FIELD_ROW_UPDATED_AT,
    {.name = "algorithm", .kind = FIELD_STRING, .one_of = algorithms, .fallback = "\"round-robin\"",
     .description = "How a target is chosen."},
    HASH("hash_on"),
    HASH("hash_fallback"),
    {.name = "hash_on_header", .kind = FIELD_STRING, .check = text_is_header_name},
    {.name = "hash_fallback_header", .kind = FIELD_STRING, .check = text_is_header_name},
    {.name = "hash_on_cookie", .kind = FIELD_STRING, .check = upstream_check_cookie},
    {.name = "hash_on_cookie_path", .kind = FIELD_STRING, .fallback = "\"/\"", .starts_with = "/", .check = text_is_path},
    {.name = "hash_on_query_arg", .kind = FIELD_STRING},
    {.name = "hash_fallback_query_arg", .kind = FIELD_STRING},
    {.name = "hash_on_uri_capture", .kind = FIELD_STRING},
    {.name = "hash_fallback_uri_capture", .kind = FIELD_STRING},
    {.name = "slots", .kind = FIELD_INTEGER, .fallback = "10000", .has_between = true, .between_min = 10, .between_max = 65536},
    {.name = "healthchecks", .kind = FIELD_RECORD, .fields = healthchecks, .field_count = COUNT(healthchecks), .flags = FIELD_REQUIRED},
    FIELD_ROW_TAGS,
    {.name = "host_header", .kind = FIELD_STRING, .check = upstream_check_host_header},
    {.name = "client_certificate", .kind = FIELD_FOREIGN, .reference = "certificates"},
    {.name = "use_srv_name", .kind = FIELD_BOOLEAN, .fallback = "false"},
};
/* clang-format on */

static const char *const none[] = {"none", NULL};
static const char *const but_consumer[] = {"none", "ip",        "header",      "cookie",
                                           "path", "query_arg", "uri_capture", NULL};
static const char *const but_ip[] = {"none", "consumer",  "header",      "cookie",
                                     "path", "query_arg", "uri_capture", NULL};
static const char *const but_path[] = {"none",      "consumer", "header",      "cookie",
                                       "query_arg", "ip",       "uri_capture", NULL};

/* clang-format off */
#define WHEN(text, value)  (&(const struct field){.name = (text), .eq_json = "\"" value "\""})
#define REQUIRED(text)     (&(const struct field){.name = (text), .flags = FIELD_REQUIRED})
#define FALLBACK(choices)  (&(const struct field){.name = "hash_fallback", .one_of = (choices)})
#define NEEDS(text, value, other) \
    {.kind = CHECK_CONDITIONAL, .if_field = WHEN(text, value), .then_field = REQUIRED(other)}
/* Told even where the fallback is wrong by itself: the shorter list of choices is the one that helps. */
#define ALLOWS(value, choices) \
    {.kind = CHECK_CONDITIONAL, .if_field = WHEN("hash_on", value), .then_field = FALLBACK(choices), .overrides = true}
#define DIFFER(texts) {.kind = CHECK_DISTINCT, .names = (texts)}
/* clang-format on */

static const char *const headers[] = {"hash_on_header", "hash_fallback_header", NULL};
static const char *const arguments[] = {"hash_on_query_arg", "hash_fallback_query_arg", NULL};
static const char *const captures[] = {"hash_on_uri_capture", "hash_fallback_uri_capture", NULL};

static const struct check checks[] = {
    NEEDS("hash_on", "header", "hash_on_header"),
    NEEDS("hash_fallback", "header", "hash_fallback_header"),
    NEEDS("hash_on", "cookie", "hash_on_cookie"),
    NEEDS("hash_fallback", "cookie", "hash_on_cookie"),
    ALLOWS("none", none),
    ALLOWS("cookie", none),
    ALLOWS("consumer", but_consumer),
    ALLOWS("ip", but_ip),
    ALLOWS("path", but_path),
    DIFFER(headers),
    NEEDS("hash_on", "query_arg", "hash_on_query_arg"),
    NEEDS("hash_fallback", "query_arg", "hash_fallback_query_arg"),
    DIFFER(arguments),
    NEEDS("hash_on", "uri_capture", "hash_on_uri_capture"),
    NEEDS("hash_fallback", "uri_capture", "hash_fallback_uri_capture"),
    DIFFER(captures),
};

static void set(cJSON *document, const char *name, const char *text)
{
    (void)cJSON_ReplaceItemInObjectCaseSensitive(document, name, cJSON_CreateString(text));
}

/*
 * Hashing and the ways of choosing that do without it exclude each other. Without a hash there is no second
 * one either: what is stored obeys its own rules.
 */
static void derive(cJSON *document, const cJSON *given)
{
    const char *algorithm = document_text(document, "algorithm");
    const char *hash_on = document_text(document, "hash_on");
    bool needs_none = algorithm != NULL &&
                      (strcmp(algorithm, "least-connections") == 0 || strcmp(algorithm, "latency") == 0);

    (void)given;
    if (!needs_none && hash_on != NULL && strcmp(hash_on, "none") != 0) {
        set(document, "algorithm", "consistent-hashing");
        return;
    }
    if (!needs_none)
        set(document, "algorithm", "round-robin");
    set(document, "hash_on", "none");
    if (document_text(document, "hash_fallback") != NULL)
        set(document, "hash_fallback", "none");
}

const struct schema upstream_schema = {
    .name = "upstreams",
    .path = "upstreams",
    .parameter = "upstreams",
    .endpoint_key = "name",
    .fields = fields,
    .field_count = COUNT(fields),
    .checks = checks,
    .check_count = COUNT(checks),
    .has_tags = true,
    .is_routing = true,
    .derive = derive,
    .cache_keys = schema_lookup_keys,
    .decode = upstream_decode,
    .release = free,
};
