/*
 * plugin_setting - a row of `plugins`: which plugin runs, for whom, with which settings.
 *
 * `config` is abstract here; its record is the named plugin's (document.c).
 */

#include <stdlib.h>

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

static bool pack(struct packer *packer, const cJSON *document, struct plugin_setting *setting,
                 struct err *err)
{
    const char *name = document_text(document, "name");
    const cJSON *item;
    if (!document_id(document, &setting->id) || name == NULL)
        return err_set(err, ERR_INVALID, "a plugin without id or name");
    setting->name = pack_text(packer, name);
    setting->instance_name = pack_text(packer, document_text(document, "instance_name"));
    (void)document_reference(document, "route", &setting->route);
    (void)document_reference(document, "service", &setting->service);
    (void)document_reference(document, "consumer", &setting->consumer);
    setting->enabled = document_bool(document, "enabled", true);
    setting->protocols = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(document, "protocols"))
    {
        if (cJSON_IsString(item))
            setting->protocols |= protocol_of(item->valuestring);
    }
    setting->tags = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(document, "tags"));
    setting->created_at = document_int(document, "created_at", 0);
    setting->updated_at = document_int(document, "updated_at", 0);
    return true;
}

PACK_DECODE(plugin_setting, pack)

/* All but the config is one block. */
static bool decode_all(const cJSON *document, void **object, size_t *bytes, struct err *err)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(document, "config");
    void *made = NULL;
    if (!decode(document, &made, bytes, err))
        return false;
    struct plugin_setting *setting = made;
    setting->config = cJSON_IsObject(config) ? cJSON_Duplicate(config, true) : cJSON_CreateObject();
    *bytes += json_bytes(setting->config);
    *object = setting;
    return true;
}

static void release(void *object)
{
    struct plugin_setting *setting = object;
    if (setting != NULL)
        cJSON_Delete(setting->config);
    free(setting);
}

static cJSON *show(const void *object)
{
    const struct plugin_setting *setting = object;
    cJSON *shown = cJSON_CreateObject();
    cJSON_AddItemToObject(shown, "id", show_id(&setting->id));
    cJSON_AddItemToObject(shown, "name", show_text(setting->name));
    cJSON_AddItemToObject(shown, "instance_name", show_text(setting->instance_name));
    cJSON_AddNumberToObject(shown, "created_at", (double)setting->created_at);
    cJSON_AddNumberToObject(shown, "updated_at", (double)setting->updated_at);
    cJSON_AddItemToObject(shown, "route", show_reference(&setting->route));
    cJSON_AddItemToObject(shown, "service", show_reference(&setting->service));
    cJSON_AddItemToObject(shown, "consumer", show_reference(&setting->consumer));
    cJSON_AddItemToObject(shown, "config", cJSON_Duplicate(setting->config, true));
    cJSON_AddItemToObject(shown, "protocols", show_protocols(setting->protocols));
    cJSON_AddBoolToObject(shown, "enabled", setting->enabled);
    cJSON_AddItemToObject(shown, "tags", show_texts(&setting->tags));
    cJSON_AddStringToObject(shown, "ws_id", DEFAULT_WORKSPACE);
    return show_without_nulls(shown);
}

/* "plugins:<name>:<route>:<service>:<consumer>::<workspace>": what clients of the cache know it by. */
static void cache_keys(const struct schema *schema, const cJSON *document,
                       void (*add)(void *arg, int lookup, struct str key), void *arg)
{
    const cJSON *route = cJSON_GetObjectItemCaseSensitive(document, "route");
    const cJSON *service = cJSON_GetObjectItemCaseSensitive(document, "service");
    const cJSON *consumer = cJSON_GetObjectItemCaseSensitive(document, "consumer");
    const char *const parts[5] = {document_text(document, "name"), document_text(route, "id"),
                                  document_text(service, "id"), document_text(consumer, "id")};
    struct buf buf = {0};
    cache_key_format(&buf, schema->name, parts, true);
    add(arg, -1, buf_str(&buf));
    buf_fini(&buf);
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
    .cache_keys = cache_keys,
    .decode = decode_all,
    .release = release,
    .show = show,
};
