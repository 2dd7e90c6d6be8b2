/*
 * noted - see noted.h. What /schemas shows of workspaces (there is one), of filter chains, data planes and
 * parameters (there are none), and of tags (they belong to their entities: tag.c).
 */

#include "gateway/model/noted.h"

#include "gateway/base/mem.h"
#include "gateway/model/entities.h"
#include "gateway/model/texts.h"

static const struct field meta[] = {
    {.name = "color", .kind = FIELD_STRING},
    {.name = "thumbnail", .kind = FIELD_STRING},
};

static const struct field workspace_fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_UNIQUE, .check = text_is_name},
    {.name = "comment", .kind = FIELD_STRING},
    FIELD_ROW_CREATED_AT,
    FIELD_ROW_UPDATED_AT,
    {.name = "meta", .kind = FIELD_RECORD, .fields = meta, .field_count = COUNT(meta)},
    {.name = "config", .kind = FIELD_RECORD},
    /* clang-format on */
};

static const struct field filter_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "enabled", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    {.name = "config", .kind = FIELD_STRING},
};
static const struct field filter = {
    .name = "filter", .kind = FIELD_RECORD, .fields = filter_fields, .field_count = COUNT(filter_fields)};

static const struct field filter_chain_fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_NAME,
    {.name = "enabled", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    {.name = "route", .kind = FIELD_FOREIGN, .flags = FIELD_CASCADE | FIELD_NULL_DEFAULT, .reference = "routes"},
    {.name = "service", .kind = FIELD_FOREIGN, .flags = FIELD_CASCADE | FIELD_NULL_DEFAULT, .reference = "services"},
    {.name = "filters", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .elements = &filter},
    FIELD_ROW_CREATED_AT,
    FIELD_ROW_UPDATED_AT,
    FIELD_ROW_TAGS,
    /* clang-format on */
};
static const char *const scopes[] = {"service", "route", NULL};
static const struct check filter_chain_checks[] = {
    {.kind = CHECK_MUTUALLY_EXCLUSIVE, .names = scopes},
    {.kind = CHECK_AT_LEAST_ONE_OF, .names = scopes},
};

static const char *const sync_states[] = {"unknown",
                                          "normal",
                                          "kong_version_incompatible",
                                          "plugin_set_incompatible",
                                          "plugin_version_incompatible",
                                          "filter_set_incompatible",
                                          NULL};
static const struct field data_plane_fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    {.name = "last_seen", .kind = FIELD_INTEGER, .flags = FIELD_TIMESTAMP},
    {.name = "config_hash", .kind = FIELD_STRING, .len_eq = 32},
    {.name = "hostname", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "ip", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "version", .kind = FIELD_STRING},
    {.name = "sync_status", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"unknown\"", .one_of = sync_states},
    /* clang-format on */
};

static const struct field parameter_fields[] = {
    {.name = "key", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_UNIQUE},
    {.name = "value", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_ENCRYPTED},
    FIELD_ROW_CREATED_AT,
};

static const struct schema noted[] = {
    {.name = "workspaces", .fields = workspace_fields, .field_count = COUNT(workspace_fields)},
    {.name = "filter_chains",
     .fields = filter_chain_fields,
     .field_count = COUNT(filter_chain_fields),
     .checks = filter_chain_checks,
     .check_count = COUNT(filter_chain_checks)},
    {.name = "clustering_data_planes", .fields = data_plane_fields, .field_count = COUNT(data_plane_fields)},
    {.name = "parameters", .fields = parameter_fields, .field_count = COUNT(parameter_fields)},
};

const struct schema *noted_find(struct str name)
{
    for (size_t i = 0; i < COUNT(noted); i++)
        if (str_equal(name, str_of(noted[i].name)))
            return &noted[i];
    return str_equal(name, str_of(tag_schema.name)) ? &tag_schema : NULL;
}
