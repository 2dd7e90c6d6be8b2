/*
 * grpc_web - the settings of grpc-web (plugin reference, 23).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "proto", .kind = FIELD_STRING},
    {.name = "pass_stripped_path", .kind = FIELD_BOOLEAN},
    {.name = "allow_origin_header", .kind = FIELD_STRING, .fallback = "\"*\""},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema grpc_web_plugin_schema = {
    .name = "grpc-web",
    .version = "3.5.0",
    .priority = 3,
    .config = &config_record,
    .protocols = protocol_names,
    .absence = part_not_here,
};
