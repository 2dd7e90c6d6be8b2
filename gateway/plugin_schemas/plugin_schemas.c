/*
 * plugin_schemas - a line per schema, by name.
 */

#include "gateway/plugin_schemas/plugin_schemas.h"

#include <assert.h>

#include "gateway/plugin_schemas/rows.h"

static const struct plugin_schema *const schemas[] = {
    /* clang-format off */
    &acme_plugin_schema,
    &aws_lambda_plugin_schema,
    &azure_functions_plugin_schema,
    &grpc_gateway_plugin_schema,
    &grpc_web_plugin_schema,
    &ldap_auth_plugin_schema,
    &loggly_plugin_schema,
    &oauth2_plugin_schema,
    &post_function_plugin_schema,
    &pre_function_plugin_schema,
    &session_plugin_schema,
    /* clang-format on */
};

size_t plugin_schemas_count(void)
{
    return COUNT(schemas);
}

const struct plugin_schema *plugin_schemas_at(size_t i)
{
    assert(i < COUNT(schemas));
    return schemas[i];
}
