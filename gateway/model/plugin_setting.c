/*
 * plugin_setting - a row of `plugins`: which plugin runs, for whom, with which settings.
 *
 * `config` is abstract here; its record is the named plugin's (document.c).
 */

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/pack.h"
#include "gateway/model/texts.h"

static const struct field protocol_element = {
    .name = "elements", .kind = FIELD_STRING, .one_of = protocol_names};

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "instance_name", .kind = FIELD_STRING, .flags = FIELD_UNIQUE, .check = text_is_name},
    FIELD_ROW_CREATED_AT,
    FIELD_ROW_UPDATED_AT,
    {.name = "route", .kind = FIELD_FOREIGN, .flags = FIELD_CASCADE | FIELD_NULL_DEFAULT, .reference = "routes"},
    {.name = "service", .kind = FIELD_FOREIGN, .flags = FIELD_CASCADE | FIELD_NULL_DEFAULT, .reference = "services"},
    {.name = "consumer", .kind = FIELD_FOREIGN, .flags = FIELD_CASCADE | FIELD_NULL_DEFAULT, .reference = "consumers"},
    {.name = "config", .kind = FIELD_RECORD, .flags = FIELD_ABSTRACT},
    {.name = "protocols", .kind = FIELD_SET, .flags = FIELD_REQUIRED, .elements = &protocol_element,
     .fallback = "[\"grpc\",\"grpcs\",\"http\",\"https\"]"},
    {.name = "enabled", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    FIELD_ROW_TAGS,
    /* clang-format on */
};

static const char *const unique_together[] = {"name", "route", "service", "consumer", NULL};

static bool decode(const cJSON *document, void **object, size_t *bytes, struct err *err)
{
    struct plugin_setting *setting = mem_zalloc(sizeof(*setting));
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(document, "config");
    const cJSON *item;
    *bytes = sizeof(*setting);
    *object = setting;
    if (!document_id(document, &setting->id) || document_text(document, "name") == NULL) {
        free(setting);
        return err_set(err, ERR_INVALID, "a plugin without id or name");
    }
    setting->name = mem_strdup(document_text(document, "name"));
    setting->instance_name = mem_strdup(document_text(document, "instance_name"));
    (void)document_reference(document, "route", &setting->route);
    (void)document_reference(document, "service", &setting->service);
    (void)document_reference(document, "consumer", &setting->consumer);
    setting->enabled = document_bool(document, "enabled", true);
    cJSON_ArrayForEach(item,
                       cJSON_GetObjectItemCaseSensitive(document, "protocols")) if (cJSON_IsString(item))
        setting->protocols |= protocol_of(item->valuestring);
    setting->config = cJSON_IsObject(config) ? cJSON_Duplicate(config, true) : cJSON_CreateObject();
    setting->created_at = document_int(document, "created_at", 0);
    setting->updated_at = document_int(document, "updated_at", 0);
    return true;
}

static void release(void *object)
{
    struct plugin_setting *setting = object;
    free(setting->name);
    free(setting->instance_name);
    cJSON_Delete(setting->config);
    free(setting);
}

const struct schema plugin_setting_schema = {
    .name = "plugins",
    .path = "plugins",
    .parameter = "plugins",
    .endpoint_key = "instance_name",
    .fields = fields,
    .field_count = COUNT(fields),
    .unique_together = unique_together,
    .has_tags = true,
    .is_routing = true,
    .cache_keys = schema_lookup_keys,
    .decode = decode,
    .release = release,
};
