/*
 * references - see references.h.
 */

#include "admin/references.h"

#include <stdlib.h>
#include <string.h>

#include "admin/asking.h"
#include "gateway/base/mem.h"

/* Names that could not be resolved, as the error object wants them. */
struct unresolved {
    cJSON *fields;
    struct buf text;
    size_t count;
};

static void note_unresolved(struct unresolved *unresolved, const struct field *field, const char *name,
                            const cJSON *value)
{
    cJSON *key = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(key, name, value->valuestring);
    char *key_shown = key_text(key);
    char *text = mem_printf("the foreign key cannot be resolved with '%s' for an existing '%s' entity",
                            key_shown, field->reference);
    if (unresolved->fields == NULL)
        unresolved->fields = cJSON_CreateObject();
    cJSON *member = cJSON_AddObjectToObject(unresolved->fields, field->name);
    (void)cJSON_AddStringToObject(member, name, text);
    buf_printf(&unresolved->text, "%s%s.%s: %s", unresolved->count > 0 ? "; " : "", field->name, name, text);
    unresolved->count++;
    free(text);
    free(key_shown);
    cJSON_Delete(key);
}

/* The first unique field besides the id by which `value` names an entity of `schema`. */
static const struct field *naming_field(const struct schema *schema, const cJSON *value)
{
    if (!cJSON_IsObject(value) || cJSON_GetObjectItemCaseSensitive(value, "id") != NULL)
        return NULL;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        if ((field->flags & FIELD_UNIQUE) != 0 && document_text(value, field->name) != NULL)
            return field;
    }
    return NULL;
}

static bool resolve_one(struct asking *asking, const struct field *field, cJSON *document,
                        struct unresolved *unresolved)
{
    const struct schema *other = schemas_find(asking->schemas, str_of(field->reference));
    cJSON *value = cJSON_GetObjectItemCaseSensitive(document, field->name);
    const struct field *name = other != NULL ? naming_field(other, value) : NULL;
    cJSON *found = NULL;

    if (name == NULL)
        return true;
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(value, name->name);
    if (!store_find(asking->session, other, name->name, str_of(text->valuestring), STORE_READ, &found,
                    asking->error))
        return false;
    if (found != NULL)
        (void)cJSON_ReplaceItemInObjectCaseSensitive(document, field->name,
                                                     asking_reference(document_text(found, "id")));
    else
        note_unresolved(unresolved, field, name->name, text);
    cJSON_Delete(found);
    return true;
}

static void answer_unresolved(struct answer *answer, struct unresolved *unresolved)
{
    char *message = unresolved->count == 1 ? mem_printf("foreign key unresolved (%s)", unresolved->text.at)
                                           : mem_printf("%zu foreign keys unresolved (%s)", unresolved->count,
                                                        unresolved->text.at);

    answer_error(answer, ANSWER_UNRESOLVED, unresolved->fields, message);
    unresolved->fields = NULL;
    free(message);
}

bool references_resolve(struct asking *asking, const struct schema *schema, cJSON *document)
{
    struct unresolved unresolved = {0};
    bool ok = true;

    for (size_t i = 0; i < schema->field_count && ok; i++)
        if (schema->fields[i].kind == FIELD_FOREIGN)
            ok = resolve_one(asking, &schema->fields[i], document, &unresolved);
    if (ok && unresolved.count > 0) {
        answer_unresolved(asking->answer, &unresolved);
        ok = false;
    }
    cJSON_Delete(unresolved.fields);
    buf_fini(&unresolved.text);
    return ok;
}

/* ---- rules between entities ---- */

static bool share_text(const cJSON *a, const cJSON *b)
{
    const cJSON *left;
    const cJSON *right;

    cJSON_ArrayForEach(left, a)
    {
        cJSON_ArrayForEach(right, b)
        {
            if (cJSON_IsString(left) && cJSON_IsString(right) &&
                strcmp(left->valuestring, right->valuestring) == 0)
                return true;
        }
    }
    return false;
}

static bool refuse_protocols(struct asking *asking, const char *text)
{
    struct violations violations = {0};

    violations_add(&violations, "protocols", "%s", text);
    answer_violations(asking->answer, &violations);
    violations_fini(&violations);
    return false;
}

static bool check_route(struct asking *asking, const cJSON *protocols, const struct uuid *id)
{
    const struct schema *routes = schemas_find(asking->schemas, STR("routes"));
    char text[UUID_TEXT_SIZE];
    cJSON *route = NULL;

    if (!store_find(asking->session, routes, "id", str_of(uuid_format(id, text)), STORE_READ, &route,
                    asking->error))
        return false;
    bool fits = route == NULL || share_text(protocols, cJSON_GetObjectItemCaseSensitive(route, "protocols"));
    cJSON_Delete(route);
    return fits || refuse_protocols(asking, "must match the associated route's protocols");
}

/* A page at a time until a route fits; a service without routes fits everything. */
static bool check_service(struct asking *asking, const cJSON *protocols, const struct uuid *id)
{
    struct store_page_query query = {.schema = schemas_find(asking->schemas, STR("routes")),
                                     .parent_field = "service",
                                     .parent = *id,
                                     .size = 1000};
    char *offset = NULL;
    bool any = false;
    bool fits = false;

    do {
        struct store_page page = {0};
        bool ok = store_list(asking->session, &query, &page, asking->error);
        free(offset);
        if (!ok)
            return false;
        const cJSON *route;
        cJSON_ArrayForEach(route, page.documents)
        {
            any = true;
            fits = fits || share_text(protocols, cJSON_GetObjectItemCaseSensitive(route, "protocols"));
        }
        cJSON_Delete(page.documents);
        offset = page.next_offset;
        query.offset = str_of(offset);
    } while (offset != NULL && !fits);
    free(offset);
    if (fits || !any)
        return true;
    return refuse_protocols(
        asking, "must match the protocols of at least one route pointing to this Plugin's service");
}

static bool check_plugin(struct asking *asking, const cJSON *document)
{
    const cJSON *protocols = cJSON_GetObjectItemCaseSensitive(document, "protocols");
    struct uuid id;

    if (document_reference(document, "route", &id))
        return check_route(asking, protocols, &id);
    if (document_reference(document, "service", &id))
        return check_service(asking, protocols, &id);
    return true;
}

static const struct {
    const char *schema;
    bool (*check)(struct asking *asking, const cJSON *document);
} rules[] = {
    {"plugins", check_plugin},
};

bool references_check(struct asking *asking, const struct schema *schema, const cJSON *document)
{
    for (size_t i = 0; i < COUNT(rules); i++)
        if (strcmp(rules[i].schema, schema->name) == 0 && !rules[i].check(asking, document))
            return false;
    return true;
}
