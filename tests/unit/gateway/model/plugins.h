#pragma once

/*
 * plugins - two plugins that validation can be tried with: key-auth as it really is, and one with every kind
 * of field.
 */

#include "bodies.h"

static const struct field plugins_word = {.name = "elements", .kind = FIELD_STRING};
static const struct field plugins_key_auth_fields[] = {
    {.name = "key_names",
     .kind = FIELD_ARRAY,
     .flags = FIELD_REQUIRED,
     .elements = &plugins_word,
     .fallback = "[\"apikey\"]"},
    {.name = "hide_credentials", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "anonymous", .kind = FIELD_STRING},
};
static const struct field plugins_key_auth_config = {.name = "config",
                                                     .kind = FIELD_RECORD,
                                                     .fields = plugins_key_auth_fields,
                                                     .field_count = COUNT(plugins_key_auth_fields)};
static const char *const plugins_web[] = {"grpc", "grpcs", "http", "https", NULL};
static const struct plugin_schema plugins_key_auth = {.name = "key-auth",
                                                      .config = &plugins_key_auth_config,
                                                      .protocols = plugins_web,
                                                      .refuses_consumer = true};

static const char *const plugins_policies[] = {"local", "cluster", "redis", NULL};
static const char *const plugins_redis[] = {"redis", NULL};
static const struct field plugins_if_redis = {.name = "policy", .one_of = plugins_redis};
static const struct field plugins_host_needed = {.name = "redis_host", .flags = FIELD_REQUIRED};
static const char *const plugins_windows[] = {"second", "minute", NULL};
static const struct check plugins_limit_checks[] = {
    {.kind = CHECK_AT_LEAST_ONE_OF, .names = plugins_windows},
    {.kind = CHECK_CONDITIONAL, .if_field = &plugins_if_redis, .then_field = &plugins_host_needed},
};
static const struct field plugins_nested[] = {
    {.name = "soft", .kind = FIELD_NUMBER, .has_gt = true, .fallback = "10"},
    {.name = "names", .kind = FIELD_ARRAY, .elements = &plugins_word, .fallback = "[]"},
};
static const struct field plugins_limit_fields[] = {
    {.name = "second", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "minute", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "policy",
     .kind = FIELD_STRING,
     .flags = FIELD_EMPTY_OK,
     .one_of = plugins_policies,
     .fallback = "\"local\""},
    {.name = "redis_host", .kind = FIELD_STRING},
    {.name = "nested",
     .kind = FIELD_RECORD,
     .flags = FIELD_REQUIRED,
     .fields = plugins_nested,
     .field_count = COUNT(plugins_nested)},
};
static const struct field plugins_limit_config = {.name = "config",
                                                  .kind = FIELD_RECORD,
                                                  .fields = plugins_limit_fields,
                                                  .field_count = COUNT(plugins_limit_fields),
                                                  .checks = plugins_limit_checks,
                                                  .check_count = COUNT(plugins_limit_checks)};
static const struct plugin_schema plugins_limit = {.name = "limit", .config = &plugins_limit_config};

static const struct field plugins_nothing = {.name = "config", .kind = FIELD_RECORD};
static const struct plugin_schema plugins_global = {.name = "global",
                                                    .config = &plugins_nothing,
                                                    .protocols_default = "[\"http\",\"https\"]",
                                                    .refuses_consumer = true,
                                                    .refuses_service = true,
                                                    .refuses_route = true};

static inline struct schemas *plugins_schemas(void)
{
    struct schemas *schemas = schemas_new();
    schemas_add_core(schemas);
    schemas_add_plugin(schemas, &plugins_key_auth);
    schemas_add_plugin(schemas, &plugins_limit);
    schemas_add_plugin(schemas, &plugins_global);
    return schemas;
}

static inline int plugins_setup(void **state)
{
    *state = plugins_schemas();
    return 0;
}

static inline int plugins_teardown(void **state)
{
    schemas_free(*state);
    return 0;
}
