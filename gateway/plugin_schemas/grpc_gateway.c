/*
 * grpc_gateway - the settings of grpc-gateway (plugin reference, 24).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "proto", .kind = FIELD_STRING},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema grpc_gateway_plugin_schema = {
    .name = "grpc-gateway",
    .version = "3.5.0",
    .priority = 998,
    .config = &config_record,
    .protocols = protocol_names,
    .absence = part_not_here,
};
