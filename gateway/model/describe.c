/*
 * describe - schemas as /schemas shows them (Admin API reference 3.4). Clients fill defaults from this, so
 * what is shown here and what document.c stores come from the same rows.
 */

#include <string.h>

#include "gateway/model/rules.h"

static cJSON *describe_field(const struct field *field);

static cJSON *text_list(const char *const *texts, bool numbers)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; texts[i] != NULL; i++)
        cJSON_AddItemToArray(list, numbers ? rules_parse(texts[i]) : cJSON_CreateString(texts[i]));
    return list;
}

/* Every field is an object with one member: its name. */
static cJSON *describe_fields(const struct field *fields, size_t count)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddItemToObject(one, fields[i].name, describe_field(&fields[i]));
        cJSON_AddItemToArray(list, one);
    }
    return list;
}

static cJSON *attributes_of(const struct field *field)
{
    cJSON *match = cJSON_CreateObject();
    if (field->one_of != NULL)
        cJSON_AddItemToObject(match, "one_of", text_list(field->one_of, field->kind == FIELD_INTEGER));
    if (field->not_one_of != NULL)
        cJSON_AddItemToObject(match, "not_one_of",
                              text_list(field->not_one_of, field->kind == FIELD_INTEGER));
    if (field->eq_json != NULL)
        cJSON_AddItemToObject(match, "eq", rules_parse(field->eq_json));
    if ((field->flags & FIELD_EQ_NULL) != 0)
        cJSON_AddNullToObject(match, "eq");
    if (field->ne_json != NULL)
        cJSON_AddItemToObject(match, "ne", rules_parse(field->ne_json));
    if (field->has_gt)
        cJSON_AddNumberToObject(match, "gt", field->gt);
    if (field->contains != NULL)
        cJSON_AddStringToObject(match, "contains", field->contains);
    if ((field->flags & FIELD_REQUIRED) != 0)
        cJSON_AddTrueToObject(match, "required");
    return match;
}

static cJSON *describe_conditional(const struct check *check)
{
    cJSON *inner = cJSON_CreateObject();
    cJSON_AddStringToObject(inner, "if_field", check->if_field->name);
    cJSON_AddItemToObject(inner, "if_match", attributes_of(check->if_field));
    cJSON_AddStringToObject(inner, "then_field", check->then_field->name);
    cJSON_AddItemToObject(inner, "then_match", attributes_of(check->then_field));
    if (check->then_error != NULL)
        cJSON_AddStringToObject(inner, "then_err", check->then_error);
    return inner;
}

static cJSON *describe_checks(const struct check *checks, size_t count)
{
    static const char *const names[] = {
        [CHECK_AT_LEAST_ONE_OF] = "at_least_one_of",
        [CHECK_ONLY_ONE_OF] = "only_one_of",
        [CHECK_MUTUALLY_EXCLUSIVE] = "mutually_exclusive",
        [CHECK_MUTUALLY_REQUIRED] = "mutually_required",
        [CHECK_DISTINCT] = "distinct",
        [CHECK_CONDITIONAL] = "conditional",
    };
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        if (checks[i].json != NULL) {
            cJSON_AddItemToArray(list, rules_parse(checks[i].json));
            continue;
        }
        if (checks[i].kind == CHECK_CUSTOM)
            continue;
        cJSON *one = cJSON_CreateObject();
        cJSON_AddItemToObject(one, names[checks[i].kind],
                              checks[i].kind == CHECK_CONDITIONAL ? describe_conditional(&checks[i])
                                                                  : text_list(checks[i].names, false));
        cJSON_AddItemToArray(list, one);
    }
    return list;
}

static void add_flags(cJSON *shown, const struct field *field)
{
    static const struct {
        unsigned flag;
        const char *name;
    } flags[] = {
        {FIELD_REQUIRED, "required"},   {FIELD_UNIQUE, "unique"},
        {FIELD_AUTO, "auto"},           {FIELD_UUID, "uuid"},
        {FIELD_TIMESTAMP, "timestamp"}, {FIELD_REFERENCEABLE, "referenceable"},
        {FIELD_ENCRYPTED, "encrypted"}, {FIELD_ABSTRACT, "abstract"},
        {FIELD_IS_REGEX, "is_regex"},
    };
    for (size_t i = 0; i < COUNT(flags); i++)
        if ((field->flags & flags[i].flag) != 0)
            cJSON_AddTrueToObject(shown, flags[i].name);
    if ((field->flags & FIELD_CASCADE) != 0)
        cJSON_AddStringToObject(shown, "on_delete", "cascade");
    if ((field->flags & FIELD_NULL_DEFAULT) != 0)
        cJSON_AddNullToObject(shown, "default");
    if ((field->flags & FIELD_EQ_NULL) != 0)
        cJSON_AddNullToObject(shown, "eq");
}

static cJSON *exclusive_sets(const struct field *field)
{
    cJSON *sets = cJSON_CreateArray();
    for (size_t i = 0; field->exclusive_sets[i] != NULL; i++)
        cJSON_AddItemToArray(sets, text_list(field->exclusive_sets[i], false));
    return sets;
}

static void add_rules(cJSON *shown, const struct field *field)
{
    bool numbers = field->kind == FIELD_INTEGER || field->kind == FIELD_NUMBER;
    if (field->fallback != NULL)
        cJSON_AddItemToObject(shown, "default", rules_parse(field->fallback));
    if (field->one_of != NULL)
        cJSON_AddItemToObject(shown, "one_of", text_list(field->one_of, numbers));
    if (field->not_one_of != NULL)
        cJSON_AddItemToObject(shown, "not_one_of", text_list(field->not_one_of, numbers));
    if (field->has_between) {
        const double range[] = {field->between_min, field->between_max};
        cJSON_AddItemToObject(shown, "between", cJSON_CreateDoubleArray(range, 2));
    }
    if (field->has_gt)
        cJSON_AddNumberToObject(shown, "gt", field->gt);
    if (field->len_eq > 0)
        cJSON_AddNumberToObject(shown, "len_eq", (double)field->len_eq);
    if (field->len_min > 0)
        cJSON_AddNumberToObject(shown, "len_min", (double)field->len_min);
    else if ((field->flags & FIELD_EMPTY_OK) != 0 && field->kind == FIELD_STRING)
        cJSON_AddNumberToObject(shown, "len_min", 0);
    if (field->len_max > 0)
        cJSON_AddNumberToObject(shown, "len_max", (double)field->len_max);
    if (field->starts_with != NULL)
        cJSON_AddStringToObject(shown, "starts_with", field->starts_with);
    if (field->eq_json != NULL)
        cJSON_AddItemToObject(shown, "eq", rules_parse(field->eq_json));
    if (field->ne_json != NULL)
        cJSON_AddItemToObject(shown, "ne", rules_parse(field->ne_json));
    if (field->contains != NULL)
        cJSON_AddStringToObject(shown, "contains", field->contains);
    if (field->exclusive_sets != NULL)
        cJSON_AddItemToObject(shown, "mutually_exclusive_subsets", exclusive_sets(field));
    for (const struct field_note *note = field->notes; note != NULL && note->name != NULL; note++)
        cJSON_AddItemToObject(shown, note->name, rules_parse(note->json));
}

static cJSON *describe_field(const struct field *field)
{
    static const char *const types[] = {
        [FIELD_STRING] = "string",   [FIELD_INTEGER] = "integer", [FIELD_NUMBER] = "number",
        [FIELD_BOOLEAN] = "boolean", [FIELD_ARRAY] = "array",     [FIELD_SET] = "set",
        [FIELD_MAP] = "map",         [FIELD_RECORD] = "record",   [FIELD_FOREIGN] = "foreign",
    };
    cJSON *shown = cJSON_CreateObject();
    cJSON_AddStringToObject(shown, "type", types[field->kind]);
    if (field->reference != NULL)
        cJSON_AddStringToObject(shown, "reference", field->reference);
    add_flags(shown, field);
    add_rules(shown, field);
    if (field->elements != NULL)
        cJSON_AddItemToObject(shown, "elements", describe_field(field->elements));
    if (field->keys != NULL)
        cJSON_AddItemToObject(shown, "keys", describe_field(field->keys));
    if (field->values != NULL)
        cJSON_AddItemToObject(shown, "values", describe_field(field->values));
    if (field->kind == FIELD_RECORD) {
        cJSON_AddItemToObject(shown, "fields", describe_fields(field->fields, field->field_count));
        if (field->check_count > 0)
            cJSON_AddItemToObject(shown, "entity_checks", describe_checks(field->checks, field->check_count));
    }
    if (field->description != NULL)
        cJSON_AddStringToObject(shown, "description", field->description);
    return shown;
}

cJSON *schema_describe(const struct schema *schema)
{
    cJSON *shown = cJSON_CreateObject();
    cJSON_AddItemToObject(shown, "fields", describe_fields(schema->fields, schema->field_count));
    cJSON_AddItemToObject(shown, "entity_checks", describe_checks(schema->checks, schema->check_count));
    return shown;
}

cJSON *variant_describe(const struct plugin_schema *variant)
{
    cJSON *shown = cJSON_CreateObject();
    struct field config = *variant->config;
    config.name = "config";
    config.flags |= FIELD_REQUIRED;
    cJSON_AddItemToObject(shown, "fields", describe_fields(&config, 1));
    cJSON_AddArrayToObject(shown, "entity_checks");
    return shown;
}

static void add_refusal(cJSON *fields, bool refuses, const char *name, const char *reference)
{
    if (!refuses)
        return;
    const struct field field = {
        .name = name, .kind = FIELD_FOREIGN, .flags = FIELD_EQ_NULL, .reference = reference};
    cJSON *one = cJSON_CreateObject();
    cJSON_AddItemToObject(one, name, describe_field(&field));
    cJSON_AddItemToArray(fields, one);
}

cJSON *plugin_schema_describe(const struct plugin_schema *plugin)
{
    static const char *const any[] = {"grpc", "grpcs", "http", "https", NULL};
    const struct field element = {.name = "elements",
                                  .kind = FIELD_STRING,
                                  .one_of = plugin->protocols != NULL ? plugin->protocols : any};
    const struct field protocols = {
        .name = "protocols",
        .kind = FIELD_SET,
        .flags = FIELD_REQUIRED,
        .elements = &element,
        .fallback = plugin->protocols_default != NULL ? plugin->protocols_default
                                                      : "[\"grpc\",\"grpcs\",\"http\",\"https\"]",
    };
    struct field config = *plugin->config;
    config.name = "config";
    config.flags |= FIELD_REQUIRED;
    cJSON *shown = cJSON_CreateObject();
    cJSON *fields = cJSON_AddArrayToObject(shown, "fields");
    add_refusal(fields, plugin->refuses_consumer, "consumer", "consumers");
    add_refusal(fields, plugin->refuses_service, "service", "services");
    add_refusal(fields, plugin->refuses_route, "route", "routes");
    const struct field own[] = {protocols, config};
    cJSON *rest = describe_fields(own, COUNT(own));
    while (rest->child != NULL)
        cJSON_AddItemToArray(fields, cJSON_DetachItemFromArray(rest, 0));
    cJSON_Delete(rest);
    cJSON_AddItemToObject(shown, "entity_checks", describe_checks(plugin->checks, plugin->check_count));
    return shown;
}
