#pragma once

/*
 * bundle - every plugin of the bundle, whether it runs or not, switched on, and the least each must be told.
 */

#include "gateway/chain/plugin.h"
#include "gateway/plugin_schemas/plugin_schemas.h"
#include "gateway/plugins/registry.h"
#include "tests/unit/gateway/model/bodies.h"

/* The settings that have no default and must be there. */
static const struct least {
    const char *name;
    const char *config;
} bundle_least[] = {
    {"acl", "{\"allow\":[\"a\"]}"},
    {"acme", "{\"account_email\":\"a@b.test\",\"tos_accepted\":true}"},
    {"aws-lambda", "{}"},
    {"azure-functions", "{\"appname\":\"a\",\"functionname\":\"f\"}"},
    {"basic-auth", "{}"},
    {"bot-detection", "{}"},
    {"correlation-id", "{}"},
    {"cors", "{}"},
    {"datadog", "{}"},
    {"file-log", "{\"path\":\"/tmp/log\"}"},
    {"grpc-gateway", "{}"},
    {"grpc-web", "{}"},
    {"hmac-auth", "{}"},
    {"http-log", "{\"http_endpoint\":\"http://a.test\"}"},
    {"ip-restriction", "{\"deny\":[\"10.0.0.0/8\"]}"},
    {"jwt", "{}"},
    {"key-auth", "{}"},
    {"ldap-auth", "{\"ldap_host\":\"a.test\",\"base_dn\":\"dc=a\",\"attribute\":\"cn\"}"},
    {"loggly", "{\"key\":\"k\"}"},
    {"oauth2", "{\"enable_implicit_grant\":true}"},
    {"opentelemetry", "{\"endpoint\":\"http://a.test/v1/traces\"}"},
    {"post-function", "{\"access\":[\"x\"]}"},
    {"pre-function", "{\"access\":[\"x\"]}"},
    {"prometheus", "{}"},
    {"proxy-cache", "{\"strategy\":\"memory\"}"},
    {"rate-limiting", "{\"minute\":5}"},
    {"request-size-limiting", "{}"},
    {"request-termination", "{}"},
    {"request-transformer", "{}"},
    {"response-ratelimiting", "{\"limits\":{\"video\":{\"minute\":5}}}"},
    {"response-transformer", "{}"},
    {"session", "{}"},
    {"statsd", "{}"},
    {"syslog", "{}"},
    {"tcp-log", "{\"host\":\"a.test\",\"port\":1}"},
    {"udp-log", "{\"host\":\"a.test\",\"port\":1}"},
    {"zipkin", "{}"},
};

static inline const char *bundle_least_of(const char *name)
{
    for (size_t i = 0; i < COUNT(bundle_least); i++)
        if (strcmp(bundle_least[i].name, name) == 0)
            return bundle_least[i].config;
    return NULL;
}

/* In the order of bundle_least; NULL: nobody has it. */
static inline const struct plugin_schema *bundle_at(size_t i)
{
    for (size_t k = 0; k < registry_count(); k++)
        if (strcmp(registry_at(k)->schema.name, bundle_least[i].name) == 0)
            return &registry_at(k)->schema;
    for (size_t k = 0; k < plugin_schemas_count(); k++)
        if (strcmp(plugin_schemas_at(k)->name, bundle_least[i].name) == 0)
            return plugin_schemas_at(k);
    return NULL;
}

static inline int bundle_setup(void **state)
{
    struct schemas *schemas = schemas_new();

    schemas_add_core(schemas);
    for (size_t i = 0; i < COUNT(bundle_least); i++)
        schemas_add_plugin(schemas, bundle_at(i));
    *state = schemas;
    return 0;
}

static inline int bundle_teardown(void **state)
{
    schemas_free(*state);
    return 0;
}

/* The body of a plugin with these settings. */
static inline cJSON *bundle_body(const char *name, const char *config)
{
    cJSON *body = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(body, "name", name);
    (void)cJSON_AddItemToObject(body, "config", parse(config));
    return body;
}
