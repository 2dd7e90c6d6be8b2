/*
 * schema - the set of schemas and plugins a program knows, and the form of cache keys.
 */

#include "gateway/model/schema.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/entities.h"

enum {
    PLUGIN_MAX_COUNT = 128
};

struct schemas {
    const struct schema *at[SCHEMA_MAX_COUNT];
    bool hidden[SCHEMA_MAX_COUNT];
    size_t count;
    const struct plugin_schema *plugins[PLUGIN_MAX_COUNT];
    size_t plugin_count;
    const struct plugin_schema *idle[PLUGIN_MAX_COUNT];
    size_t idle_count;
};

struct schemas *schemas_new(void)
{
    return mem_zalloc(sizeof(struct schemas));
}

void schemas_free(struct schemas *schemas)
{
    free(schemas);
}

void schemas_add(struct schemas *schemas, const struct schema *schema)
{
    assert(schemas->count < SCHEMA_MAX_COUNT);
    schemas->at[schemas->count++] = schema;
}

void schemas_add_hidden(struct schemas *schemas, const struct schema *schema)
{
    schemas_add(schemas, schema);
    schemas->hidden[schemas->count - 1] = true;
}

bool schemas_is_hidden(const struct schemas *schemas, const struct schema *schema)
{
    return schemas->hidden[schemas_number(schemas, schema)];
}

void schemas_add_core(struct schemas *schemas)
{
    static const struct schema *const core[] = {&service_schema,        &route_schema,       &consumer_schema,
                                                &plugin_setting_schema, &certificate_schema, &sni_schema,
                                                &ca_certificate_schema, &key_set_schema,     &key_schema,
                                                &upstream_schema,       &target_schema,      &vault_schema};
    for (size_t i = 0; i < COUNT(core); i++)
        schemas_add(schemas, core[i]);
}

const struct schema *schemas_find(const struct schemas *schemas, struct str name)
{
    for (size_t i = 0; i < schemas->count; i++)
        if (str_equal(str_of(schemas->at[i]->name), name))
            return schemas->at[i];
    return NULL;
}

const struct schema *schemas_find_path(const struct schemas *schemas, struct str path)
{
    for (size_t i = 0; i < schemas->count; i++)
        if (!schemas->hidden[i] && str_equal(str_of(schemas->at[i]->path), path))
            return schemas->at[i];
    return NULL;
}

const struct schema *schemas_at(const struct schemas *schemas, size_t index)
{
    return index < schemas->count ? schemas->at[index] : NULL;
}

size_t schemas_count(const struct schemas *schemas)
{
    return schemas->count;
}

uint8_t schemas_number(const struct schemas *schemas, const struct schema *schema)
{
    for (size_t i = 0; i < schemas->count; i++)
        if (schemas->at[i] == schema)
            return (uint8_t)i;
    assert(!"a schema that was never added");
    return 0;
}

void schemas_add_plugin(struct schemas *schemas, const struct plugin_schema *plugin)
{
    assert(schemas->plugin_count < PLUGIN_MAX_COUNT);
    schemas->plugins[schemas->plugin_count++] = plugin;
}

void schemas_add_idle_plugin(struct schemas *schemas, const struct plugin_schema *plugin)
{
    assert(schemas->idle_count < PLUGIN_MAX_COUNT);
    schemas->idle[schemas->idle_count++] = plugin;
}

static const struct plugin_schema *find_among(const struct plugin_schema *const *plugins, size_t count,
                                              struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal(str_of(plugins[i]->name), name))
            return plugins[i];
    return NULL;
}

const struct plugin_schema *schemas_find_plugin(const struct schemas *schemas, struct str name)
{
    return find_among(schemas->plugins, schemas->plugin_count, name);
}

const struct plugin_schema *schemas_find_known_plugin(const struct schemas *schemas, struct str name)
{
    const struct plugin_schema *plugin = schemas_find_plugin(schemas, name);

    return plugin != NULL ? plugin : find_among(schemas->idle, schemas->idle_count, name);
}

const struct plugin_schema *schemas_plugin_at(const struct schemas *schemas, size_t index)
{
    return index < schemas->plugin_count ? schemas->plugins[index] : NULL;
}

size_t schemas_plugin_count(const struct schemas *schemas)
{
    return schemas->plugin_count;
}

const struct plugin_schema *schemas_idle_plugin_at(const struct schemas *schemas, size_t index)
{
    return index < schemas->idle_count ? schemas->idle[index] : NULL;
}

const struct plugin_schema *schemas_find_variant(const struct schemas *schemas, const struct schema *schema,
                                                 struct str name)
{
    size_t count = 0;

    if (schema->variants == NULL)
        return schemas_find_plugin(schemas, name);
    while (schema->variants[count] != NULL)
        count++;
    return find_among(schema->variants, count, name);
}

const struct field *schema_field(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return &schema->fields[i];
    return NULL;
}

void cache_key_format(struct buf *buf, const char *name, const char *const parts[5], bool with_workspace)
{
    buf_add_text(buf, name);
    for (size_t i = 0; i < 5; i++) {
        buf_add_byte(buf, ':');
        if (parts[i] != NULL)
            buf_add_text(buf, parts[i]);
    }
    buf_add_byte(buf, ':');
    if (with_workspace)
        buf_add_text(buf, DEFAULT_WORKSPACE);
}

void schema_lookup_key(struct buf *buf, const struct schema *schema, int lookup, const char *value)
{
    struct uuid id;
    bool could_be_an_id = lookup > 0 && uuid_from_str(str_of(value), &id);
    const char *const parts[5] = {value, could_be_an_id ? schema->lookups[lookup].field : NULL};

    cache_key_format(buf, schema->name, parts, true);
}

static void add_key(const struct schema *schema, int lookup, const char *text,
                    void (*add)(void *arg, int lookup, struct str key), void *arg)
{
    struct buf buf = {0};
    schema_lookup_key(&buf, schema, lookup, text);
    add(arg, lookup, buf_str(&buf));
    buf_fini(&buf);
}

void schema_lookup_keys(const struct schema *schema, const cJSON *document,
                        void (*add)(void *arg, int lookup, struct str key), void *arg)
{
    if (schema->lookups[0].field == NULL) {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(document, "id");
        if (cJSON_IsString(id))
            add_key(schema, -1, id->valuestring, add, arg);
        return;
    }
    for (int i = 0; i < SCHEMA_MAX_LOOKUPS && schema->lookups[i].field != NULL; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(document, schema->lookups[i].field);
        if (cJSON_IsString(value))
            add_key(schema, i, value->valuestring, add, arg);
    }
}
