#pragma once

/*
 * plugins - the plugins that do not run, switched on all the same, and the least each must be told.
 */

#include "gateway/plugin_schemas/plugin_schemas.h"
#include "tests/unit/gateway/model/bodies.h"

/* The settings that have no default and must be there. */
static const struct least {
    const char *name;
    const char *config;
} plugins_least[] = {
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

static inline int plugins_setup(void **state)
{
    struct schemas *schemas = schemas_new();

    schemas_add_core(schemas);
    for (size_t i = 0; i < plugin_schemas_count(); i++)
        schemas_add_plugin(schemas, plugin_schemas_at(i));
    *state = schemas;
    return 0;
}

static inline int plugins_teardown(void **state)
{
    schemas_free(*state);
    return 0;
}

/* The body of a plugin with these settings. */
static inline cJSON *plugins_body(const char *name, const char *config)
{
    cJSON *body = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(body, "name", name);
    (void)cJSON_AddItemToObject(body, "config", parse(config));
    return body;
}
