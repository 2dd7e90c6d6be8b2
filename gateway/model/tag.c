/*
 * tag - what /tags lists: one row per entity and tag. Not stored: the entities have their tags.
 */

#include "gateway/base/mem.h"
#include "gateway/model/entities.h"
#include "gateway/model/texts.h"

static const struct field fields[] = {
    {.name = "tag", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = text_is_tag},
    {.name = "entity_name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "entity_id", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
};

const struct schema tag_schema = {
    .name = "tags",
    .path = "tags",
    .parameter = "tags",
    .endpoint_key = "tag",
    .fields = fields,
    .field_count = COUNT(fields),
};
