/*
 * rate_limiting - the settings of rate-limiting (plugin reference, 9).
 */

#include "gateway/plugin_schemas/rows.h"

#include <stdio.h>
#include <string.h>

#include "gateway/model/document.h"
#include "gateway/model/header_name.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static bool is_consistent(const cJSON *config, char message[256])
{
    const char *policy = document_text(config, "policy");
    const cJSON *rate = cJSON_GetObjectItemCaseSensitive(config, "sync_rate");
    double sync_rate = cJSON_IsNumber(rate) ? rate->valuedouble : -1;
    bool is_redis = policy != NULL && strcmp(policy, "redis") == 0;
    const char *wrong = NULL;

    if (!part_periods_ascend(config, message))
        return false;
    if (sync_rate != -1 && !is_redis)
        wrong = "sync_rate can only be used with the redis policy";
    else if (sync_rate != -1 && sync_rate < 0.02)
        wrong = "sync_rate must be greater than 0.02, or -1 to disable";
    if (wrong != NULL)
        (void)snprintf(message, 256, "%s", wrong);
    return wrong == NULL;
}

static const struct field_note path_notes[] = {
    {"match_none", "[{\"pattern\":\"//\",\"err\":\"must not have empty segments\"}]"}, {NULL, NULL}};

static const char *const limit_by_choices[] = {"consumer", "credential", "ip", "service",
                                               "header",   "path",       NULL};

static const char *const policy_choices[] = {"local", "cluster", "redis", NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "second", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "minute", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "hour", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "day", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "month", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "year", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "limit_by", .kind = FIELD_STRING, .fallback = "\"consumer\"", .one_of = limit_by_choices},
    {.name = "header_name", .kind = FIELD_STRING, .check = text_is_header_name},
    {.name = "path", .kind = FIELD_STRING, .starts_with = "/", .check = text_is_path, .notes = path_notes},
    {.name = "policy", .kind = FIELD_STRING, .flags = FIELD_EMPTY_OK, .fallback = "\"local\"",
     .one_of = policy_choices},
    {.name = "fault_tolerant", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    {.name = "redis_host", .kind = FIELD_STRING, .check = text_is_host},
    {.name = "redis_port", .kind = FIELD_INTEGER, .fallback = "6379", .has_between = true, .between_max = 65535},
    {.name = "redis_password", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_EMPTY_OK},
    {.name = "redis_username", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE},
    {.name = "redis_ssl", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "redis_ssl_verify", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "redis_server_name", .kind = FIELD_STRING, .check = text_is_sni},
    {.name = "redis_timeout", .kind = FIELD_NUMBER, .fallback = "2000"},
    {.name = "redis_database", .kind = FIELD_INTEGER, .fallback = "0"},
    {.name = "hide_client_headers", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "error_code", .kind = FIELD_NUMBER, .fallback = "429", .has_gt = true},
    {.name = "error_message", .kind = FIELD_STRING, .fallback = "\"API rate limit exceeded\""},
    {.name = "sync_rate", .kind = FIELD_NUMBER, .flags = FIELD_REQUIRED, .fallback = "-1"},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
    .check = is_consistent,
};

static const char *const periods[] = {"config.second", "config.minute", "config.hour", "config.day",
                                      "config.month",  "config.year",   NULL};

static const struct field if_redis = {.name = "config.policy", .eq_json = "\"redis\""};

static const struct field needs_redis_host = {.name = "config.redis_host", .flags = FIELD_REQUIRED};

static const struct field needs_redis_port = {.name = "config.redis_port", .flags = FIELD_REQUIRED};

static const struct field needs_redis_timeout = {.name = "config.redis_timeout", .flags = FIELD_REQUIRED};

static const struct field if_by_header = {.name = "config.limit_by", .eq_json = "\"header\""};

static const struct field needs_header_name = {.name = "config.header_name", .flags = FIELD_REQUIRED};

static const struct field if_by_path = {.name = "config.limit_by", .eq_json = "\"path\""};

static const struct field needs_path = {.name = "config.path", .flags = FIELD_REQUIRED};

static const struct check checks[] = {
    {.kind = CHECK_AT_LEAST_ONE_OF, .names = periods},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_redis, .then_field = &needs_redis_host},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_redis, .then_field = &needs_redis_port},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_by_header, .then_field = &needs_header_name},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_by_path, .then_field = &needs_path},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_redis, .then_field = &needs_redis_timeout},
};

const struct plugin_schema rate_limiting_plugin_schema = {
    .name = "rate-limiting",
    .version = "3.5.0",
    .priority = 910,
    .config = &config_record,
    .protocols = part_web_protocols,
    .checks = checks,
    .check_count = COUNT(checks),
};
