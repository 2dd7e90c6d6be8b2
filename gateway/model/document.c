/*
 * document - from a body to a complete entity: shorthands, generated values, defaults, rules, field order.
 *
 * The record behind an abstract field (plugins.config) is that of the plugin the document names; without a
 * known plugin nothing else about the body can be said, so nothing else is.
 */

#include "gateway/model/document.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/random.h"
#include "gateway/model/checks.h"
#include "gateway/model/entities.h"
#include "gateway/model/repeated.h"
#include "gateway/model/rules.h"
#include "gateway/model/texts.h"

static const double exact_max = 9007199254740993.0; /* whole numbers below it are what they were in JSON */

const char *document_text(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(value) ? value->valuestring : NULL;
}

int64_t document_int(const cJSON *object, const char *name, int64_t fallback)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    bool fits = cJSON_IsNumber(value) && fabs(value->valuedouble) < exact_max;
    return fits ? (int64_t)value->valuedouble : fallback;
}

bool document_bool(const cJSON *object, const char *name, bool fallback)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsBool(value) ? cJSON_IsTrue(value) : fallback;
}

bool document_id(const cJSON *document, struct uuid *id)
{
    const char *text = document_text(document, "id");
    *id = (struct uuid){0};
    return text != NULL && uuid_from_str(str_of(text), id);
}

bool document_reference(const cJSON *document, const char *name, struct uuid *id)
{
    *id = (struct uuid){0};
    const cJSON *reference = cJSON_GetObjectItemCaseSensitive(document, name);
    return cJSON_IsObject(reference) && document_id(reference, id);
}

bool document_check_key(const struct schema *schema, struct str text, char message[256])
{
    const struct field *field =
        schema_field(schema, schema->endpoint_key != NULL ? schema->endpoint_key : schema->nested_key);
    struct buf buf = {0};
    char wrong[512];
    size_t nul = str_find(text, '\0', 0);
    size_t bad = utf8_fault(str_part(text, 0, nul != SIZE_MAX ? nul : text.len));
    if (bad == 0 && nul != SIZE_MAX)
        bad = nul + 1;
    if (bad != 0) {
        (void)snprintf(message, 256, "invalid utf-8 character sequence detected at position %zu", bad);
        return false;
    }
    buf_add_str(&buf, text);
    cJSON *value = cJSON_CreateString(buf_str(&buf).at);
    const char *fault = rules_attributes(field, value, wrong);
    if (fault != NULL)
        (void)snprintf(message, 256, "%s", fault);
    cJSON_Delete(value);
    buf_fini(&buf);
    return fault == NULL;
}

static cJSON *generated(const struct field *field, int64_t now_us)
{
    int64_t now_ms = now_us / 1000;
    int64_t now_s = now_us / 1000000;
    if ((field->flags & FIELD_UUID) != 0) {
        struct uuid uuid;
        char text[UUID_TEXT_SIZE];
        uuid_make(&uuid);
        return cJSON_CreateString(uuid_format(&uuid, text));
    }
    if ((field->flags & FIELD_MILLISECONDS) != 0)
        return cJSON_CreateNumber((double)now_ms / 1000);
    if ((field->flags & FIELD_TIMESTAMP) != 0)
        return cJSON_CreateNumber((double)now_s);
    return rules_make_key(field);
}

/* Ids, timestamps, keys. updated_at is the server's whatever a client sends; an update keeps the rest. */
static void generate(const struct document_context *context, cJSON *document)
{
    for (size_t i = 0; i < context->schema->field_count; i++) {
        const struct field *field = &context->schema->fields[i];
        if ((field->flags & FIELD_AUTO) == 0)
            continue;
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(document, field->name);
        bool absent = value == NULL || cJSON_IsNull(value);
        if ((field->flags & FIELD_READ_ONLY) == 0 &&
            (!absent || (context->op == DOCUMENT_UPDATE && value != NULL)))
            continue;
        cJSON_DeleteItemFromObjectCaseSensitive(document, field->name);
        cJSON_AddItemToObject(document, field->name, generated(field, context->now_us));
    }
}

static void sort_record(const struct field *fields, size_t field_count, cJSON *record)
{
    for (size_t i = 0; i < field_count; i++) {
        cJSON *value = cJSON_DetachItemFromObjectCaseSensitive(record, fields[i].name);
        if (value == NULL)
            continue;
        if (fields[i].kind == FIELD_RECORD && cJSON_IsObject(value))
            sort_record(fields[i].fields, fields[i].field_count, value);
        cJSON_AddItemToObject(record, fields[i].name, value);
    }
}

static bool has_abstract_field(const struct schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if ((schema->fields[i].flags & FIELD_ABSTRACT) != 0)
            return true;
    return false;
}

/* One that is known but does not run is told from one that nobody knows. */
static void refuse_plugin(const struct schemas *schemas, const char *name, struct violations *violations)
{
    const struct plugin_schema *known = schemas_find_known_plugin(schemas, str_of(name));
    struct buf running = {0};
    if (known == NULL) {
        violations_add(violations, "name",
                       "plugin '%s' not enabled; add it to the 'plugins' configuration property", name);
        return;
    }
    for (size_t i = 0; i < schemas_plugin_count(schemas); i++)
        buf_printf(&running, "%s%s", i > 0 ? ", " : "", schemas_plugin_at(schemas, i)->name);
    violations_add(violations, "name", "plugin '%s' not enabled: %s; plugins that run here: %s", name,
                   known->absence != NULL ? known->absence : "this gateway does not run it yet",
                   running.len > 0 ? buf_str(&running).at : "none");
    buf_fini(&running);
}

/* The plugin (or variant) a document names, or NULL with the one violation that is then told. */
static const struct plugin_schema *named_plugin(const struct document_context *context, const cJSON *document,
                                                struct violations *violations)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(document, "name");
    if (name == NULL || cJSON_IsNull(name)) {
        violations_add(violations, "name", "required field missing");
        return NULL;
    }
    if (!cJSON_IsString(name)) {
        violations_add(violations, "name", "expected a string");
        return NULL;
    }
    struct str text = str_of(name->valuestring);
    const struct schema *schema = context->schema;
    const struct plugin_schema *plugin = context->takes_idle_plugins && schema->variants == NULL
                                             ? schemas_find_known_plugin(context->schemas, text)
                                             : schemas_find_variant(context->schemas, schema, text);
    if (plugin == NULL && schema->variants != NULL)
        violations_add(violations, "name", "%s '%s' is not installed", schema->variant_noun,
                       name->valuestring);
    else if (plugin == NULL)
        refuse_plugin(context->schemas, name->valuestring, violations);
    return plugin;
}

/* A field of the generic schema as this plugin has it. */
static struct field specialised(const struct field *field, const struct plugin_schema *plugin,
                                struct field *element)
{
    struct field own = *field;
    if ((field->flags & FIELD_ABSTRACT) != 0) {
        own = *plugin->config;
        own.name = field->name;
        own.flags |= FIELD_REQUIRED;
    } else if (strcmp(field->name, "protocols") == 0) {
        if (plugin->protocols_default != NULL)
            own.fallback = plugin->protocols_default;
        if (plugin->protocols != NULL) {
            *element = *field->elements;
            element->one_of = plugin->protocols;
            own.elements = element;
        }
    } else if ((plugin->refuses_consumer && strcmp(field->name, "consumer") == 0) ||
               (plugin->refuses_service && strcmp(field->name, "service") == 0) ||
               (plugin->refuses_route && strcmp(field->name, "route") == 0)) {
        own.flags |= FIELD_EQ_NULL;
    }
    return own;
}

/* Members of a reference that names nothing are judged like those of the entity it was meant to name. */
static void check_named(const struct document_context *context, const struct field *field, cJSON *reference,
                        struct violations *violations)
{
    const struct schema *other = schemas_find(context->schemas, str_of(field->reference));
    struct examination examination = {.op = context->op, .violations = violations};
    if (other == NULL || !cJSON_IsObject(reference) ||
        cJSON_GetObjectItemCaseSensitive(reference, "id") != NULL)
        return;
    place_push(&examination.place, field->name);
    for (size_t i = 0; i < other->field_count; i++) {
        const struct field *member = &other->fields[i];
        cJSON *value = cJSON_GetObjectItemCaseSensitive(reference, member->name);
        if (value == NULL || cJSON_IsNull(value) || (member->flags & (FIELD_ABSTRACT | FIELD_READ_ONLY)) != 0)
            continue;
        place_push(&examination.place, member->name);
        rules_check_value(member, value, &examination);
        place_pop(&examination.place);
    }
}

static void check_references(const struct document_context *context, const struct field *fields,
                             const cJSON *document, struct violations *violations)
{
    for (size_t i = 0; i < context->schema->field_count && context->schemas != NULL; i++)
        if (fields[i].kind == FIELD_FOREIGN && (fields[i].flags & FIELD_EQ_NULL) == 0)
            check_named(context, &fields[i], cJSON_GetObjectItemCaseSensitive(document, fields[i].name),
                        violations);
}

enum {
    FIELDS_MAX = 64
};

bool document_complete(const struct document_context *context, cJSON *document, struct violations *violations)
{
    const struct schema *schema = context->schema;
    const struct field *fields = schema->fields;
    struct field own[FIELDS_MAX];
    struct field element;
    struct field record = {.checks = schema->checks, .check_count = schema->check_count};
    repeated_members_drop(document);
    if (schema->expand != NULL)
        schema->expand(document, violations);
    if (has_abstract_field(schema) && schema->field_count <= FIELDS_MAX) {
        const struct plugin_schema *plugin = named_plugin(context, document, violations);
        if (plugin == NULL)
            return false;
        for (size_t i = 0; i < schema->field_count; i++)
            own[i] = specialised(&schema->fields[i], plugin, &element);
        fields = own;
        record.checks = plugin->checks;
        record.check_count = plugin->check_count;
    }
    generate(context, document);
    record.fields = fields;
    record.field_count = schema->field_count;
    struct examination examination = {.op = context->op, .violations = violations};
    check_references(context, fields, document, violations);
    rules_check_record(&record, document, &examination);
    if (violations_any(violations))
        return false;
    if (schema->derive != NULL)
        schema->derive(document, context->op == DOCUMENT_UPDATE ? context->change : document);
    sort_record(fields, schema->field_count, document);
    return true;
}

void document_check_change(const struct schema *schema, cJSON *change, struct violations *violations)
{
    const struct field record = {.checks = schema->change_checks, .check_count = schema->change_check_count};
    struct examination examination = {.op = DOCUMENT_UPDATE, .violations = violations};
    checks_run(&record, change, &examination);
}

/* [] is what some clients write for an empty record. */
static bool is_record(const cJSON *value)
{
    return cJSON_IsObject(value) || (cJSON_IsArray(value) && value->child == NULL);
}

/* Of the first `count` members. */
static cJSON *find_among(const cJSON *object, size_t count, const char *name)
{
    cJSON *item = object->child;
    for (; item != NULL && count > 0 && strcmp(item->string, name) != 0; count--)
        item = item->next;
    return count > 0 ? item : NULL;
}

/* Names in `change` are different, so what was added is never looked for: a body may have a million members.
 */
static void merge_record(const struct field *fields, size_t field_count, cJSON *stored, const cJSON *change)
{
    const cJSON *item;
    size_t old_count = (size_t)cJSON_GetArraySize(stored);
    cJSON_ArrayForEach(item, change)
    {
        const struct field *field = NULL;
        for (size_t i = 0; i < field_count; i++)
            if (strcmp(fields[i].name, item->string) == 0)
                field = &fields[i];
        cJSON *old = find_among(stored, old_count, item->string);
        if (field != NULL && field->kind == FIELD_RECORD && cJSON_IsObject(old) && is_record(item)) {
            merge_record(field->fields, field->field_count, old, item);
            continue;
        }
        if (old != NULL) {
            cJSON_Delete(cJSON_DetachItemViaPointer(stored, old));
            old_count--;
        }
        cJSON_AddItemToObject(stored, item->string, cJSON_Duplicate(item, true));
    }
}

/* A well-formed id in a body is ignored, and null does not undo what the server made. */
static void drop_generated(const struct schema *schema, cJSON *change)
{
    struct uuid uuid;
    if (document_id(change, &uuid))
        cJSON_DeleteItemFromObjectCaseSensitive(change, "id");
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(change, field->name);
        if (cJSON_IsNull(value) && (field->flags & (FIELD_UUID | FIELD_TIMESTAMP)) != 0 &&
            (field->flags & FIELD_AUTO) != 0)
            cJSON_DeleteItemFromObjectCaseSensitive(change, field->name);
    }
}

/* The config in `change`, taken out and merged, if both are records of the plugin that will be named. */
static void merge_config(const struct schemas *schemas, const struct schema *schema, cJSON *stored,
                         cJSON *change)
{
    const char *name = document_text(change, "name");
    if (name == NULL)
        name = document_text(stored, "name");
    const struct plugin_schema *plugin = schemas_find_variant(schemas, schema, str_of(name));
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(change, "config");
    cJSON *old = cJSON_GetObjectItemCaseSensitive(stored, "config");
    if (plugin == NULL || !is_record(config) || !cJSON_IsObject(old))
        return;
    merge_record(plugin->config->fields, plugin->config->field_count, old, config);
    cJSON_DeleteItemFromObjectCaseSensitive(change, "config");
}

void document_merge(const struct schema *schema, const struct schemas *schemas, cJSON *stored,
                    const cJSON *change)
{
    cJSON *copy = cJSON_Duplicate(change, true);
    repeated_members_drop(copy);
    drop_generated(schema, copy);
    if (has_abstract_field(schema))
        merge_config(schemas, schema, stored, copy);
    merge_record(schema->fields, schema->field_count, stored, copy);
    cJSON_Delete(copy);
}

void document_fill_config(const struct plugin_schema *plugin, cJSON *config)
{
    rules_fill_defaults(plugin->config, config);
}

/* FNV-1a, which is fast enough for the short texts that documents are made of. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < count; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_bytes(hash, text, strlen(text) + 1);
}

static uint64_t hash_value(uint64_t hash, const cJSON *value)
{
    const cJSON *member;
    int type = value->type & 0xff;

    hash = hash_bytes(hash, &type, sizeof(type));
    if (value->string != NULL)
        hash = hash_text(hash, value->string);
    if (cJSON_IsString(value))
        return hash_text(hash, value->valuestring);
    if (cJSON_IsNumber(value))
        return hash_bytes(hash, &value->valuedouble, sizeof(value->valuedouble));
    cJSON_ArrayForEach(member, value) hash = hash_value(hash, member);
    return hash_bytes(hash, "]", 1);
}

uint64_t document_hash(const cJSON *value)
{
    return hash_value(UINT64_C(0xcbf29ce484222325), value);
}
