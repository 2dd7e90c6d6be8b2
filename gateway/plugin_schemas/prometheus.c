/*
 * prometheus - the settings of prometheus (plugin reference, 17).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/texts.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "per_consumer", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "status_code_metrics", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "latency_metrics", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "bandwidth_metrics", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "upstream_health_metrics", .kind = FIELD_BOOLEAN, .fallback = "false"},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema prometheus_plugin_schema = {
    .name = "prometheus",
    .version = "3.5.0",
    .priority = 13,
    .config = &config_record,
    .protocols = protocol_names,
};
