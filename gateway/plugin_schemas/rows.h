#pragma once

/*
 * rows - the schemas of this folder, one per file.
 */

#include "gateway/model/schema.h"

extern const struct plugin_schema acme_plugin_schema;
extern const struct plugin_schema aws_lambda_plugin_schema;
extern const struct plugin_schema azure_functions_plugin_schema;
extern const struct plugin_schema grpc_gateway_plugin_schema;
extern const struct plugin_schema grpc_web_plugin_schema;
extern const struct plugin_schema ldap_auth_plugin_schema;
extern const struct plugin_schema loggly_plugin_schema;
extern const struct plugin_schema oauth2_plugin_schema;
extern const struct plugin_schema post_function_plugin_schema;
extern const struct plugin_schema pre_function_plugin_schema;
extern const struct plugin_schema session_plugin_schema;
