/*
 * response_ratelimiting - the settings of response-ratelimiting (plugin reference, 10).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static const char *const periods[] = {"second", "minute", "hour", "day", "month", "year", NULL};

static const struct check limit_checks[] = {{.kind = CHECK_AT_LEAST_ONE_OF, .names = periods}};

static const char *const limit_by_choices[] = {"consumer", "credential", "ip", NULL};

static const char *const policy_choices[] = {"local", "cluster", "redis", NULL};

static const struct field limits_values_fields[] = {
    /* clang-format off */
    {.name = "second", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "minute", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "hour", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "day", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "month", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "year", .kind = FIELD_NUMBER, .has_gt = true},
    /* clang-format on */
};

static const struct field limits_value = {.name = "values",
                                          .kind = FIELD_RECORD,
                                          .check = part_periods_ascend,
                                          .fields = limits_values_fields,
                                          .field_count = COUNT(limits_values_fields),
                                          .checks = limit_checks,
                                          .check_count = COUNT(limit_checks)};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "header_name", .kind = FIELD_STRING, .fallback = "\"x-kong-limit\""},
    {.name = "limit_by", .kind = FIELD_STRING, .fallback = "\"consumer\"", .one_of = limit_by_choices},
    {.name = "policy", .kind = FIELD_STRING, .fallback = "\"local\"", .one_of = policy_choices},
    {.name = "fault_tolerant", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    {.name = "redis_host", .kind = FIELD_STRING, .check = text_is_host},
    {.name = "redis_port", .kind = FIELD_INTEGER, .fallback = "6379", .has_between = true, .between_max = 65535},
    {.name = "redis_password", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_EMPTY_OK},
    {.name = "redis_username", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE},
    {.name = "redis_ssl", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "redis_ssl_verify", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "redis_server_name", .kind = FIELD_STRING, .check = text_is_sni},
    {.name = "redis_timeout", .kind = FIELD_NUMBER, .fallback = "2000"},
    {.name = "redis_database", .kind = FIELD_NUMBER, .fallback = "0"},
    {.name = "block_on_first_violation", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "hide_client_headers", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "limits", .kind = FIELD_MAP, .flags = FIELD_REQUIRED, .len_min = 1, .keys = &part_key,
     .values = &limits_value},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

static const struct check checks[] = {
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_host},
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_port},
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_timeout},
};

const struct plugin_schema response_ratelimiting_plugin_schema = {
    .name = "response-ratelimiting",
    .version = "3.5.0",
    .priority = 900,
    .config = &config_record,
    .protocols = part_web_protocols,
    .checks = checks,
    .check_count = COUNT(checks),
};
