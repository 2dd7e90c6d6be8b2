/* secret - see secret.h. */

#include "gateway/model/secret.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/str.h"
#include "gateway/model/document.h"
#include "gateway/model/schema.h"

static const char start[] = "{vault://";

bool secret_is_reference(const char *text)
{
    struct str s = str_of(text);

    return str_starts_with(s, STR("{vault://")) && s.at[s.len - 1] == '}';
}

/* "db-password" is DB_PASSWORD; the caller's. */
static char *variable_of(struct str name)
{
    char *variable = mem_strndup(name.at, name.len);

    for (char *at = variable; *at != '\0'; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    return variable;
}

static bool take_member(const char *variable, const char *text, struct str name, char **value,
                        struct err *err)
{
    cJSON *object = cJSON_Parse(text);
    char *key = mem_strndup(name.at, name.len);
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key);

    if (cJSON_IsString(member))
        *value = mem_strdup(member->valuestring);
    else if (cJSON_IsNumber(member) || cJSON_IsBool(member))
        *value = document_print(member);
    else
        *value = NULL;
    bool ok =
        *value != NULL ||
        err_set(err, ERR_NOT_FOUND, "the environment variable %s is no JSON object with '%s'", variable, key);
    free(key);
    cJSON_Delete(object);
    return ok;
}

bool secret_resolve(const char *reference, char **value, struct err *err)
{
    struct str inside = str_part(str_of(reference), strlen(start), strlen(reference) - 1);
    size_t slash = str_find(inside, '/', 0);

    if (slash == SIZE_MAX || !str_equal(str_part(inside, 0, slash), STR("env")))
        return err_set(err, ERR_NOT_FOUND, "a reference to a vault other than env");
    size_t second = str_find(inside, '/', slash + 1);
    char *variable = variable_of(str_part(inside, slash + 1, second != SIZE_MAX ? second : inside.len));
    const char *text = getenv(variable);
    bool ok =
        text != NULL || err_set(err, ERR_NOT_FOUND,
                                "a reference names the environment variable %s, which is not set", variable);
    if (ok && second != SIZE_MAX)
        ok = take_member(variable, text, str_part(inside, second + 1, inside.len), value, err);
    else if (ok)
        *value = mem_strdup(text);
    free(variable);
    return ok;
}

/* ---- in records ---- */

struct walk {
    bool changes; /* or only looks whether there are any */
    bool found;
    struct err *err;
};

static bool visit(const struct field *field, cJSON *value, struct walk *walk);

static bool visit_text(cJSON *value, struct walk *walk)
{
    char *text;

    walk->found = true;
    if (!walk->changes)
        return true;
    if (!secret_resolve(value->valuestring, &text, walk->err))
        return false;
    bool ok = cJSON_SetValuestring(value, text) != NULL;
    free(text);
    return ok || err_set(walk->err, ERR_INTERNAL, "a secret cannot be put in its place");
}

static bool visit_record(const struct field *record, cJSON *object, struct walk *walk)
{
    for (size_t i = 0; i < record->field_count; i++) {
        cJSON *member = cJSON_GetObjectItemCaseSensitive(object, record->fields[i].name);
        if (member != NULL && !visit(&record->fields[i], member, walk))
            return false;
    }
    return true;
}

static bool visit_children(const struct field *each, cJSON *parent, struct walk *walk)
{
    cJSON *child;

    if (each == NULL)
        return true;
    cJSON_ArrayForEach(child, parent)
    {
        if (!visit(each, child, walk))
            return false;
    }
    return true;
}

static bool visit(const struct field *field, cJSON *value, struct walk *walk)
{
    bool may_refer = (field->flags & FIELD_REFERENCEABLE) != 0;

    if (may_refer && cJSON_IsString(value) && secret_is_reference(value->valuestring))
        return visit_text(value, walk);
    if (field->kind == FIELD_RECORD)
        return visit_record(field, value, walk);
    if (field->kind == FIELD_MAP)
        return visit_children(field->values, value, walk);
    return visit_children(field->elements, value, walk);
}

bool secrets_resolve(const struct field *record, const cJSON *object, cJSON **copy, struct err *err)
{
    struct walk walk = {.err = err};

    *copy = NULL;
    if (record == NULL)
        return true;
    /* Looking changes nothing; cJSON has no const. */
    (void)visit(record, (cJSON *)(uintptr_t)object, &walk);
    if (!walk.found)
        return true;
    *copy = cJSON_Duplicate(object, true);
    walk.changes = true;
    if (visit(record, *copy, &walk))
        return true;
    cJSON_Delete(*copy);
    *copy = NULL;
    return false;
}
