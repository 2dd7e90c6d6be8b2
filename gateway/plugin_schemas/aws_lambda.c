/*
 * aws_lambda - the settings of aws-lambda (plugin reference, 24).
 */

#include "gateway/plugin_schemas/rows.h"

#include <string.h>

#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static const char *const invocation_type_choices[] = {"RequestResponse", "Event", "DryRun", NULL};

static const char *const log_type_choices[] = {"Tail", "None", NULL};

static const char *const aws_imds_protocol_version_choices[] = {"v1", "v2", NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "timeout", .kind = FIELD_NUMBER, .flags = FIELD_REQUIRED, .fallback = "60000"},
    {.name = "keepalive", .kind = FIELD_NUMBER, .flags = FIELD_REQUIRED, .fallback = "60000"},
    {.name = "aws_key", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_ENCRYPTED},
    {.name = "aws_secret", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_ENCRYPTED},
    {.name = "aws_assume_role_arn", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_ENCRYPTED},
    {.name = "aws_role_session_name", .kind = FIELD_STRING, .fallback = "\"kong\""},
    {.name = "aws_region", .kind = FIELD_STRING, .check = text_is_host},
    {.name = "function_name", .kind = FIELD_STRING},
    {.name = "qualifier", .kind = FIELD_STRING},
    {.name = "invocation_type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"RequestResponse\"",
     .one_of = invocation_type_choices},
    {.name = "log_type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"Tail\"",
     .one_of = log_type_choices},
    {.name = "host", .kind = FIELD_STRING, .check = text_is_host},
    {.name = "port", .kind = FIELD_INTEGER, .fallback = "443", .has_between = true, .between_max = 65535},
    {.name = "disable_https", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "unhandled_status", .kind = FIELD_INTEGER, .has_between = true, .between_min = 100, .between_max = 999},
    {.name = "forward_request_method", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "forward_request_uri", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "forward_request_headers", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "forward_request_body", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "is_proxy_integration", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "awsgateway_compatible", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "proxy_url", .kind = FIELD_STRING, .check = text_is_url},
    {.name = "skip_large_bodies", .kind = FIELD_BOOLEAN, .fallback = "true"},
    {.name = "base64_encode_body", .kind = FIELD_BOOLEAN, .fallback = "true"},
    {.name = "aws_imds_protocol_version", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"v1\"",
     .one_of = aws_imds_protocol_version_choices},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

static const char *const keys[] = {"config.aws_key", "config.aws_secret", NULL};

static const char *const proxy[] = {"config.proxy_url", NULL};

static void check_proxy(const cJSON *object, struct violations *violations)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(object, "config");
    const char *url = document_text(config, "proxy_url");

    if (url != NULL && strncmp(url, "http://", 7) != 0)
        violations_add(violations, NULL, "proxy_url scheme must be http");
}

static const struct check checks[] = {
    {.kind = CHECK_MUTUALLY_REQUIRED, .names = keys},
    {.kind = CHECK_CUSTOM, .names = proxy, .run = check_proxy},
};

const struct plugin_schema aws_lambda_plugin_schema = {
    .name = "aws-lambda",
    .version = "3.5.0",
    .priority = 750,
    .config = &config_record,
    .protocols = part_web_protocols,
    .checks = checks,
    .check_count = COUNT(checks),
    .absence = part_not_here,
};
