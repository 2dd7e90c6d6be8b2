/*
 * rules - the validator's vocabulary (Admin API reference 1.10). The order of tests is the order of its
 * table; the first failure of a field is the one that is told.
 */

#include "gateway/model/rules.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/random.h"
#include "gateway/model/checks.h"
#include "gateway/model/repeated.h"
#include "gateway/model/secret.h"
#include "gateway/model/texts.h"

enum {
    MESSAGE_SIZE = 512,
    COMPLAINTS_MAX = 100, /* of one container; a body can have millions of wrong elements */
    MADE_LENGTH = 32,
    MADE_LENGTH_MAX = 64
};

static const double integer_max = 9007199254740991.0; /* above it other numbers of a text become this one */

cJSON *rules_parse(const char *json)
{
    cJSON *value = cJSON_Parse(json);
    assert(value != NULL); /* a mistake in a schema row */
    return value;
}

bool rules_is_empty(const cJSON *value)
{
    return value == NULL || cJSON_IsNull(value) || (cJSON_IsString(value) && value->valuestring[0] == '\0') ||
           ((cJSON_IsArray(value) || cJSON_IsObject(value)) && value->child == NULL);
}

/* "a, b" of a NULL-terminated list. */
static const char *listed(const char *const *words, char text[MESSAGE_SIZE])
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; words[i] != NULL && len < MESSAGE_SIZE; i++)
        len += (size_t)snprintf(text + len, MESSAGE_SIZE - len, "%s%s", i > 0 ? ", " : "", words[i]);
    return text;
}

/* A value as the lists of a schema write it. */
static const char *written(const cJSON *value, char text[MESSAGE_SIZE])
{
    if (cJSON_IsString(value))
        return value->valuestring;
    if (cJSON_IsNumber(value))
        (void)snprintf(text, MESSAGE_SIZE, "%.14g", value->valuedouble);
    else
        (void)snprintf(text, MESSAGE_SIZE, "%s",
                       cJSON_IsTrue(value)    ? "true"
                       : cJSON_IsFalse(value) ? "false"
                                              : "null");
    return text;
}

static bool is_one_of(const char *const *words, const cJSON *value)
{
    char text[MESSAGE_SIZE];
    const char *wanted = written(value, text);
    for (size_t i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], wanted) == 0)
            return true;
    return false;
}

static bool equals_json(const cJSON *value, const char *json)
{
    cJSON *other = rules_parse(json);
    bool same = cJSON_Compare(value, other, true);
    cJSON_Delete(other);
    return same;
}

static const char *unquoted(const char *json, char text[MESSAGE_SIZE])
{
    cJSON *value = rules_parse(json);
    char scratch[MESSAGE_SIZE];
    (void)snprintf(text, MESSAGE_SIZE, "%s", written(value, scratch));
    cJSON_Delete(value);
    return text;
}

static const char *say(char message[MESSAGE_SIZE], const char *format, ...) PRINTF_LIKE(2, 3);

static const char *say(char message[MESSAGE_SIZE], const char *format, ...)
{
    va_list values;
    va_start(values, format);
    (void)vsnprintf(message, MESSAGE_SIZE, format, values);
    va_end(values);
    return message;
}

/* Characters of a text, members of a container; SIZE_MAX: has no length. */
static size_t length_of(const cJSON *value)
{
    if (cJSON_IsString(value))
        return strlen(value->valuestring);
    if (cJSON_IsArray(value) || cJSON_IsObject(value))
        return (size_t)cJSON_GetArraySize(value);
    return SIZE_MAX;
}

static const char *equality(const struct field *field, const cJSON *value, char message[MESSAGE_SIZE])
{
    char text[MESSAGE_SIZE];
    if ((field->flags & FIELD_EQ_NULL) != 0 && !cJSON_IsNull(value))
        return "value must be null";
    if (field->eq_json != NULL && !equals_json(value, field->eq_json))
        return say(message, "value must be %.400s", unquoted(field->eq_json, text));
    if (field->ne_json != NULL && equals_json(value, field->ne_json))
        return say(message, "value must not be %.400s", unquoted(field->ne_json, text));
    if (field->not_one_of != NULL && is_one_of(field->not_one_of, value))
        return say(message, "must not be one of: %.400s", listed(field->not_one_of, text));
    if (field->one_of != NULL && !is_one_of(field->one_of, value))
        return say(message, "expected one of: %.400s", listed(field->one_of, text));
    return NULL;
}

static const char *form(const struct field *field, const cJSON *value, char message[MESSAGE_SIZE])
{
    struct uuid uuid;
    char words[160];
    if (field->has_gt && value->valuedouble <= field->gt)
        return say(message, "value must be greater than %.14g", field->gt);
    if ((field->flags & FIELD_TIMESTAMP) != 0 && !(cJSON_IsNumber(value) && value->valuedouble > 0))
        return "expected a valid timestamp";
    if ((field->flags & FIELD_UUID) != 0 &&
        !(cJSON_IsString(value) && uuid_from_str(str_of(value->valuestring), &uuid)))
        return "expected a valid UUID";
    if ((field->flags & FIELD_IS_REGEX) != 0 && !pattern_is_valid(value->valuestring, words))
        return say(message, "not a valid regex: %.400s", value->valuestring);
    if (field->has_between &&
        (value->valuedouble < field->between_min || value->valuedouble > field->between_max))
        return say(message, "value should be between %.14g and %.14g", field->between_min,
                   field->between_max);
    return NULL;
}

static const char *length(const struct field *field, const cJSON *value, char message[MESSAGE_SIZE])
{
    size_t len = length_of(value);
    size_t least = field->len_min;
    if (least == 0 && cJSON_IsString(value) && (field->flags & FIELD_EMPTY_OK) == 0 && field->len_eq == 0)
        least = 1;
    if (len == SIZE_MAX)
        return NULL;
    if (field->len_eq > 0 && len != field->len_eq)
        return say(message, "length must be %zu", field->len_eq);
    if (len < least)
        return say(message, "length must be at least %zu", least);
    if (field->len_max > 0 && len > field->len_max)
        return say(message, "length must be at most %zu", field->len_max);
    return NULL;
}

static bool array_contains(const cJSON *array, const char *text)
{
    const cJSON *item;
    cJSON_ArrayForEach(item,
                       array) if (cJSON_IsString(item) && strcmp(item->valuestring, text) == 0) return true;
    return false;
}

/* Which of the groups have a member in the set? More than one is a clash, told with all members of those
 * groups. */
static const char *exclusive_groups(const struct field *field, const cJSON *value, char message[MESSAGE_SIZE])
{
    size_t clashing = 0;
    size_t len = (size_t)snprintf(message, MESSAGE_SIZE, "these sets are mutually exclusive: ");
    for (size_t i = 0; field->exclusive_sets[i] != NULL; i++) {
        const char *const *group = field->exclusive_sets[i];
        bool present = false;
        for (size_t k = 0; group[k] != NULL; k++)
            present = present || array_contains(value, group[k]);
        if (!present)
            continue;
        len += (size_t)snprintf(message + len, MESSAGE_SIZE - len, "%s(", clashing++ > 0 ? ", " : "");
        for (size_t k = 0; group[k] != NULL; k++)
            len += (size_t)snprintf(message + len, MESSAGE_SIZE - len, "%s'%s'", k > 0 ? ", " : "", group[k]);
        len += (size_t)snprintf(message + len, MESSAGE_SIZE - len, ")");
    }
    return clashing > 1 ? message : NULL;
}

const char *rules_attributes(const struct field *field, const cJSON *value, char message[MESSAGE_SIZE])
{
    char own[256];
    const char *wrong = equality(field, value, message);
    if (wrong != NULL || cJSON_IsNull(value))
        return wrong;
    wrong = form(field, value, message);
    if (wrong == NULL)
        wrong = length(field, value, message);
    if (wrong == NULL && field->starts_with != NULL &&
        !str_starts_with(str_of(value->valuestring), str_of(field->starts_with)))
        wrong = say(message, "should start with: %s", field->starts_with);
    if (wrong == NULL && field->check != NULL && !field->check(value, own))
        wrong = say(message, "%s", own);
    if (wrong == NULL && field->contains != NULL && !array_contains(value, field->contains))
        wrong = say(message, "expected to contain: %s", field->contains);
    if (wrong == NULL && field->exclusive_sets != NULL)
        wrong = exclusive_groups(field, value, message);
    return wrong;
}

/* What the type of a field is called when a value is of another. NULL: it fits. */
static const char *type_fault(const struct field *field, const cJSON *value)
{
    bool is_table = cJSON_IsArray(value) || cJSON_IsObject(value);
    bool is_empty_table = is_table && value->child == NULL; /* [] and {} are the same to clients */
    switch (field->kind) {
    case FIELD_STRING:
        return cJSON_IsString(value) ? NULL : "expected a string";
    case FIELD_INTEGER:
        return cJSON_IsNumber(value) && floor(value->valuedouble) == value->valuedouble &&
                       fabs(value->valuedouble) <= integer_max
                   ? NULL
                   : "expected an integer";
    case FIELD_NUMBER:
        return cJSON_IsNumber(value) && isfinite(value->valuedouble) ? NULL : "expected a number";
    case FIELD_BOOLEAN:
        return cJSON_IsBool(value) ? NULL : "expected a boolean";
    case FIELD_ARRAY:
        return cJSON_IsArray(value) || is_empty_table ? NULL : "expected an array";
    case FIELD_SET:
        return cJSON_IsArray(value) || is_empty_table ? NULL : "expected a set";
    case FIELD_MAP:
        return cJSON_IsObject(value) || is_empty_table ? NULL : "expected a map";
    case FIELD_RECORD:
        return cJSON_IsObject(value) || is_empty_table ? NULL : "expected a record";
    case FIELD_FOREIGN:
    default:
        return NULL;
    }
}

/* {} where a list is wanted becomes [], and the other way round. */
static void set_container_type(const struct field *field, cJSON *value)
{
    if (value->child != NULL || !(cJSON_IsArray(value) || cJSON_IsObject(value)))
        return;
    if (field->kind == FIELD_ARRAY || field->kind == FIELD_SET)
        value->type = (value->type & ~0xff) | cJSON_Array;
    else if (field->kind == FIELD_MAP || field->kind == FIELD_RECORD)
        value->type = (value->type & ~0xff) | cJSON_Object;
}

static void found(struct examination *examination, const char *text)
{
    violations_put(examination->violations, &examination->place, text);
}

static void check_elements(const struct field *field, cJSON *array, struct examination *examination)
{
    if (field->kind == FIELD_SET)
        repeated_elements_drop(array);
    size_t most = examination->violations->count + COMPLAINTS_MAX;
    int position = 0;
    for (cJSON *item = array->child; item != NULL && examination->violations->count < most;
         item = item->next) {
        place_push_position(&examination->place, ++position);
        if (cJSON_IsNull(item))
            found(examination, "required field missing");
        else
            rules_check_value(field->elements, item, examination);
        place_pop(&examination->place);
    }
}

/* Entries are not named in violations: the error of one stands in the place of the map (reference 1.8). */
static void check_entries(const struct field *field, cJSON *map, struct examination *examination)
{
    size_t before = examination->violations->count;
    for (cJSON *item = map->child; item != NULL && examination->violations->count == before;
         item = item->next) {
        char message[MESSAGE_SIZE];
        cJSON *key = cJSON_CreateString(item->string);
        const char *wrong = field->keys != NULL ? rules_attributes(field->keys, key, message) : NULL;
        if (wrong != NULL)
            found(examination, wrong);
        else if (cJSON_IsNull(item))
            found(examination, "required field missing");
        else
            rules_check_value(field->values, item, examination);
        cJSON_Delete(key);
    }
}

static void lower_case(char *text)
{
    for (; *text != '\0'; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

/* {"id": uuid}; other members have been resolved or are ignored (reference 1.16). */
static void check_reference(cJSON *value, struct examination *examination)
{
    struct uuid uuid;
    cJSON *id = cJSON_GetObjectItemCaseSensitive(value, "id");
    place_push(&examination->place, "id");
    if (!cJSON_IsObject(value) || id == NULL)
        found(examination, "missing primary key");
    else if (cJSON_IsNull(id))
        found(examination, "required field missing");
    else if (!cJSON_IsString(id) || !uuid_from_str(str_of(id->valuestring), &uuid))
        found(examination, "expected a valid UUID");
    else
        lower_case(id->valuestring);
    place_pop(&examination->place);
    if (!cJSON_IsObject(value))
        return;
    for (cJSON *child = value->child, *next; child != NULL; child = next) {
        next = child->next;
        if (child != id)
            cJSON_Delete(cJSON_DetachItemViaPointer(value, child));
    }
}

/* {vault://...}: what it stands for is nobody's to judge before it is used. */
static bool is_vault_reference(const struct field *field, const cJSON *value)
{
    return (field->flags & FIELD_REFERENCEABLE) != 0 && cJSON_IsString(value) &&
           secret_is_reference(value->valuestring);
}

void rules_check_value(const struct field *field, cJSON *value, struct examination *examination)
{
    char message[MESSAGE_SIZE];
    const char *wrong = type_fault(field, value);
    if (wrong != NULL) {
        found(examination, wrong);
        return;
    }
    if (is_vault_reference(field, value))
        return;
    set_container_type(field, value);
    switch (field->kind) {
    case FIELD_ARRAY:
    case FIELD_SET:
        check_elements(field, value, examination);
        break;
    case FIELD_MAP:
        check_entries(field, value, examination);
        break;
    case FIELD_RECORD:
        rules_check_record(field, value, examination);
        break;
    case FIELD_FOREIGN:
        if ((field->flags & FIELD_EQ_NULL) == 0)
            check_reference(value, examination);
        break;
    default:
        break;
    }
    wrong = rules_attributes(field, value, message);
    if (wrong != NULL && field->new_error != NULL && examination->op == DOCUMENT_CREATE &&
        !rules_is_empty(value))
        wrong = field->new_error;
    if (wrong != NULL)
        found(examination, wrong);
    else if ((field->flags & FIELD_UUID) != 0)
        lower_case(value->valuestring);
}

cJSON *rules_make_key(const struct field *field)
{
    char key[MADE_LENGTH_MAX + 1];
    size_t length = field->made_length != 0 ? field->made_length : MADE_LENGTH;
    assert(length <= MADE_LENGTH_MAX);
    random_alphanumeric(key, length);
    return cJSON_CreateString(key);
}

static cJSON *fallback_of(const struct field *field)
{
    if (field->fallback != NULL)
        return rules_parse(field->fallback);
    if ((field->flags & (FIELD_AUTO | FIELD_UUID | FIELD_TIMESTAMP)) == FIELD_AUTO)
        return rules_make_key(field);
    bool is_record = field->kind == FIELD_RECORD && (field->flags & FIELD_REQUIRED) != 0;
    return is_record ? cJSON_CreateObject() : cJSON_CreateNull();
}

void rules_fill_defaults(const struct field *record, cJSON *value)
{
    for (size_t i = 0; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];
        cJSON *member = cJSON_GetObjectItemCaseSensitive(value, field->name);
        if (member == NULL) {
            member = fallback_of(field);
            cJSON_AddItemToObject(value, field->name, member);
        }
        set_container_type(field, member);
        if (field->kind == FIELD_RECORD && cJSON_IsObject(member))
            rules_fill_defaults(field, member);
    }
}

static void check_member(const struct field *field, cJSON *holder, struct examination *examination)
{
    cJSON *value = cJSON_GetObjectItemCaseSensitive(holder, field->name);
    place_push(&examination->place, field->name);
    if (value != NULL && !cJSON_IsNull(value))
        rules_check_value(field, value, examination);
    else if ((field->flags & FIELD_REQUIRED) != 0)
        found(examination, "required field missing");
    place_pop(&examination->place);
}

static bool is_known(const struct field *record, const char *name)
{
    for (size_t i = 0; i < record->field_count; i++)
        if (strcmp(record->fields[i].name, name) == 0)
            return true;
    return false;
}

/* What is said under an older name counts, unless it is null. */
static void rename_members(const struct field *record, cJSON *value)
{
    for (const struct field_alias *alias = record->aliases; alias != NULL && alias->old != NULL; alias++) {
        cJSON *member = cJSON_DetachItemFromObjectCaseSensitive(value, alias->old);
        if (member == NULL || cJSON_IsNull(member) || alias->name[0] == '\0') {
            cJSON_Delete(member);
            continue;
        }
        cJSON_DeleteItemFromObjectCaseSensitive(value, alias->name);
        cJSON_AddItemToObject(value, alias->name, member);
    }
}

void rules_check_record(const struct field *record, cJSON *value, struct examination *examination)
{
    rename_members(record, value);
    size_t most = examination->violations->count + COMPLAINTS_MAX;
    for (const cJSON *child = value->child; child != NULL && examination->violations->count < most;
         child = child->next) {
        if (is_known(record, child->string))
            continue;
        place_push(&examination->place, child->string);
        found(examination, "unknown field");
        place_pop(&examination->place);
    }
    rules_fill_defaults(record, value);
    for (size_t i = 0; i < record->field_count; i++)
        check_member(&record->fields[i], value, examination);
    checks_run(record, value, examination);
}
