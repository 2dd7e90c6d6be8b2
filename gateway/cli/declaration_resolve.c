/*
 * declaration_resolve - one entity after the other, parents first: whom it refers to, what is missing, who it
 * is.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/digest.h"
#include "gateway/base/mem.h"
#include "gateway/cli/declaration.h"
#include "gateway/cli/declaration_names.h"
#include "gateway/model/document.h"

enum {
    MAX_TTL_S = 100000000
};

/* Stands for whom nobody found, so that the rest can be judged. */
static const char nobody[] = "00000000-0000-0000-0000-000000000000";

static void set(cJSON *document, const char *name, cJSON *value)
{
    if (cJSON_GetObjectItemCaseSensitive(document, name) != NULL)
        (void)cJSON_ReplaceItemInObjectCaseSensitive(document, name, value);
    else
        (void)cJSON_AddItemToObject(document, name, value);
}

static cJSON *reference_to(const char *id)
{
    cJSON *reference = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(reference, "id", id);
    return reference;
}

/* ---- what the database has ---- */

static void store_name(struct declaration *declaration, struct buf *name, bool is_one, const cJSON *document)
{
    if (is_one)
        known_get(declaration, name)->stored = document;
    buf_clear(name);
}

void declaration_add_stored(struct declaration *declaration, const struct schema *schema,
                            const cJSON *document)
{
    cJSON *copy = cJSON_Duplicate(document, true);
    struct buf name = {0};

    (void)cJSON_AddItemToArray(declaration->stored, copy);
    store_name(declaration, &name, name_by_field(&name, schema, "id", copy), copy);
    store_name(declaration, &name, name_together(&name, schema, copy), copy);
    for (size_t i = 0; i < schema->field_count; i++)
        if ((schema->fields[i].flags & FIELD_UNIQUE) != 0)
            store_name(declaration, &name, name_by_field(&name, schema, schema->fields[i].name, copy), copy);
    buf_fini(&name);
}

/* ---- references ---- */

static const char *id_of(const struct known *known)
{
    if (known == NULL)
        return NULL;
    return document_text(known->declared != NULL ? known->declared->document : known->stored, "id");
}

static const char *find_id(const struct declaration *declaration, const struct schema *schema,
                           const char *field, const char *value)
{
    struct buf name = {0};
    const char *id = NULL;

    if (field != NULL && name_by_value(&name, schema, field, value))
        id = id_of(known_find(declaration, &name));
    buf_fini(&name);
    return id;
}

/* "an id", "a name", {"id": ...} or {"name": ...}. */
static const char *find_referenced(const struct declaration *declaration, const struct schema *other,
                                   const cJSON *value, const char **said)
{
    struct uuid id;
    char text[UUID_TEXT_SIZE];
    const char *field = other->endpoint_key;

    *said = cJSON_IsString(value) ? value->valuestring : NULL;
    if (cJSON_IsObject(value) && value->child != NULL && cJSON_IsString(value->child)) {
        *said = value->child->valuestring;
        const struct field *named = schema_field(other, value->child->string);
        field = named != NULL && (named->flags & FIELD_UNIQUE) != 0 ? named->name : NULL;
        if (strcmp(value->child->string, "id") == 0)
            field = "id";
    }
    const char *found = NULL;
    if (*said != NULL && uuid_from_str(str_of(*said), &id))
        found = find_id(declaration, other, "id", uuid_format(&id, text));
    if (found != NULL)
        return found;
    return *said != NULL ? find_id(declaration, other, field, *said) : NULL;
}

static bool resolve_reference(struct declaration *declaration, struct declared *entity,
                              const struct field *field)
{
    const struct schema *other = schemas_find(declaration->schemas, str_of(field->reference));
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(entity->document, field->name);
    const char *said = NULL;

    if (entity->parent_field == field) {
        const char *id = document_text(declaration->at[entity->parent].document, "id");
        set(entity->document, field->name, reference_to(id != NULL ? id : nobody));
        return id != NULL; /* if not, that is the parent's problem */
    }
    if (value == NULL || cJSON_IsNull(value) || other == NULL)
        return true;
    const char *id = find_referenced(declaration, other, value, &said);
    if (id == NULL)
        declaration_problem(declaration, entity, "%s: there is no entity '%s' among %s", field->name,
                            said != NULL ? said : "?", other->name);
    set(entity->document, field->name, reference_to(id != NULL ? id : nobody));
    return id != NULL;
}

static bool resolve_references(struct declaration *declaration, struct declared *entity)
{
    bool ok = true;

    for (size_t i = 0; i < entity->schema->field_count; i++)
        if (entity->schema->fields[i].kind == FIELD_FOREIGN)
            ok = resolve_reference(declaration, entity, &entity->schema->fields[i]) && ok;
    return ok;
}

/* ---- violations ---- */

static void tell(struct declaration *declaration, const struct declared *entity, const char *above,
                 const cJSON *node)
{
    int position = 0;

    if (cJSON_IsString(node)) {
        declaration_problem(declaration, entity, above[0] != '\0' ? "%s: %s" : "%s%s", above,
                            node->valuestring);
        return;
    }
    for (const cJSON *child = node->child; child != NULL; child = child->next) {
        const char *dot = above[0] != '\0' ? "." : "";
        char *path = NULL;
        position++;
        if (child->string == NULL)
            path = mem_printf("%s%s%d", above, dot, position);
        else if (strcmp(child->string, "@entity") == 0)
            path = mem_strdup(above);
        else
            path = mem_printf("%s%s%s", above, dot, child->string);
        if (child->string != NULL && strcmp(child->string, "@entity") == 0)
            for (const cJSON *text = child->child; text != NULL; text = text->next)
                tell(declaration, entity, path, text);
        else
            tell(declaration, entity, path, child);
        free(path);
    }
}

/* ---- who it is ---- */

/* The same for the same key in every file: 122 bits of a hash whose key is public, which is fine for a name.
 */
static void make_id(const struct buf *name, char text[UUID_TEXT_SIZE])
{
    static const struct digest_salt salt = {"freshet file ids"};
    struct digest digest;
    struct uuid id;

    digest_make(&salt, buf_str(name), &digest);
    memcpy(id.bytes, digest.bytes, sizeof(id.bytes));
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x80);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    (void)uuid_format(&id, text);
}

/* Who has this name in the database. */
static const char *stored_id(const struct declaration *declaration, struct buf *name, bool is_one)
{
    const struct known *known = is_one ? known_find(declaration, name) : NULL;

    buf_clear(name);
    return known != NULL && known->stored != NULL ? document_text(known->stored, "id") : NULL;
}

static const char *find_stored(const struct declaration *declaration, const struct declared *entity,
                               const cJSON *given)
{
    const struct schema *schema = entity->schema;
    struct buf name = {0};
    const char *id = stored_id(declaration, &name, name_together(&name, schema, entity->document));

    for (size_t i = 0; i < schema->field_count && id == NULL; i++) {
        const struct field *field = &schema->fields[i];
        if ((field->flags & FIELD_UNIQUE) != 0 && document_text(given, field->name) != NULL)
            id = stored_id(declaration, &name, name_by_field(&name, schema, field->name, entity->document));
    }
    buf_fini(&name);
    return id;
}

/* The name an id is made of: the key; without one all that is said, and how often it was said before. */
static void name_to_hash(const struct declaration *declaration, const struct declared *entity,
                         const cJSON *given, struct buf *name)
{
    const struct schema *schema = entity->schema;
    char id[UUID_TEXT_SIZE];

    if (name_together(name, schema, entity->document))
        return;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        if ((field->flags & FIELD_UNIQUE) != 0 && document_text(given, field->name) != NULL &&
            name_by_field(name, schema, field->name, entity->document))
            return;
    }
    char *text = document_print(given);
    buf_printf(name, "%s %s", schema->name, text);
    cJSON_free(text);
    for (int again = 0; again < DECLARATION_PROBLEMS_MAX; again++) {
        make_id(name, id);
        if (find_id(declaration, schema, "id", id) == NULL)
            return;
        struct buf own = {0};
        (void)name_by_value(&own, schema, "id", id);
        bool is_taken = known_find(declaration, &own)->declared != NULL;
        buf_fini(&own);
        if (!is_taken)
            return;
        buf_add_byte(name, '+');
    }
}

static void identify(struct declaration *declaration, struct declared *entity, const cJSON *given)
{
    const char *id = document_text(given, "id") != NULL ? document_text(entity->document, "id")
                                                        : find_stored(declaration, entity, given);
    char made[UUID_TEXT_SIZE];
    struct buf name = {0};

    if (id == NULL) {
        name_to_hash(declaration, entity, given, &name);
        make_id(&name, made);
        id = made;
        buf_clear(&name);
    }
    (void)name_by_value(&name, entity->schema, "id", id);
    const struct known *known = known_find(declaration, &name);
    entity->old = known != NULL ? known->stored : NULL;
    char *text = mem_strdup(id);
    set(entity->document, "id", cJSON_CreateString(text));
    free(text);
    buf_fini(&name);
}

/* What the server would make anew stays what it is; times that the file gives are kept. */
static void keep_generated(const struct declared *entity, const cJSON *given)
{
    for (size_t i = 0; i < entity->schema->field_count; i++) {
        const struct field *field = &entity->schema->fields[i];
        if ((field->flags & FIELD_AUTO) == 0 || strcmp(field->name, "id") == 0)
            continue;
        const cJSON *own = cJSON_GetObjectItemCaseSensitive(given, field->name);
        const cJSON *old = cJSON_GetObjectItemCaseSensitive(entity->old, field->name);
        bool is_time = (field->flags & FIELD_TIMESTAMP) != 0;
        if (is_time && cJSON_IsNumber(own) && own->valuedouble > 0)
            set(entity->document, field->name, cJSON_Duplicate(own, true));
        else if ((own == NULL || cJSON_IsNull(own)) && old != NULL && (field->flags & FIELD_READ_ONLY) == 0)
            set(entity->document, field->name, cJSON_Duplicate(old, true));
    }
}

static bool is_equal(const cJSON *a, const cJSON *b)
{
    bool no_a = a == NULL || cJSON_IsNull(a);
    bool no_b = b == NULL || cJSON_IsNull(b);

    return no_a || no_b ? no_a && no_b : cJSON_Compare(a, b, true) != 0;
}

/* updated_at says when something changed; it is no change. */
static bool differs(const struct declared *entity)
{
    if (entity->old == NULL)
        return true;
    for (size_t i = 0; i < entity->schema->field_count; i++) {
        const char *name = entity->schema->fields[i].name;
        if ((entity->schema->fields[i].flags & FIELD_READ_ONLY) == 0 &&
            !is_equal(cJSON_GetObjectItemCaseSensitive(entity->document, name),
                      cJSON_GetObjectItemCaseSensitive(entity->old, name)))
            return true;
    }
    return entity->schema->has_ttl && !is_equal(cJSON_GetObjectItemCaseSensitive(entity->document, "ttl"),
                                                cJSON_GetObjectItemCaseSensitive(entity->old, "ttl"));
}

/* Nobody else may have this name. */
static void claim(struct declaration *declaration, const struct declared *entity, struct buf *name,
                  bool is_one, const char *what)
{
    const char *id = document_text(entity->document, "id");

    if (is_one) {
        struct known *known = known_get(declaration, name);
        if (known->declared != NULL)
            declaration_problem(declaration, entity, "%s: %s has the same", what, known->declared->place);
        else if (known->stored != NULL && strcmp(document_text(known->stored, "id"), id) != 0)
            declaration_problem(declaration, entity, "%s: the stored entity %s has the same", what,
                                document_text(known->stored, "id"));
        else
            known->declared = entity;
    }
    buf_clear(name);
}

static void claim_names(struct declaration *declaration, const struct declared *entity)
{
    const struct schema *schema = entity->schema;
    struct buf name = {0};
    struct buf fields = {0};
    size_t before = declaration->problem_count;

    for (size_t i = 0; i < schema->field_count; i++) {
        const char *field = schema->fields[i].name;
        if ((schema->fields[i].flags & FIELD_UNIQUE) != 0)
            claim(declaration, entity, &name, name_by_field(&name, schema, field, entity->document), field);
    }
    for (const char *const *field = schema->unique_together; field != NULL && *field != NULL; field++)
        buf_printf(&fields, "%s%s", fields.len > 0 ? ", " : "", *field);
    claim(declaration, entity, &name, name_together(&name, schema, entity->document), fields.at);
    if (declaration->problem_count == before) /* else the id was made of what somebody else has */
        claim(declaration, entity, &name, name_by_field(&name, schema, "id", entity->document), "id");
    buf_fini(&fields);
    buf_fini(&name);
}

/* Seconds from now on, outside the schema. The caller owns *ttl; NULL: it never expires. */
static bool take_ttl(struct declaration *declaration, const struct declared *entity, cJSON **ttl)
{
    cJSON *given =
        entity->schema->has_ttl ? cJSON_DetachItemFromObjectCaseSensitive(entity->document, "ttl") : NULL;
    double seconds = given != NULL && cJSON_IsNumber(given) ? given->valuedouble : 0;
    bool is_good = (given == NULL || cJSON_IsNull(given) || cJSON_IsNumber(given)) && seconds >= 0 &&
                   seconds <= MAX_TTL_S && seconds == floor(seconds);

    if (!is_good)
        declaration_problem(declaration, entity, "ttl: must be an integer between 0 and %d", MAX_TTL_S);
    cJSON_Delete(given);
    *ttl = is_good && seconds > 0 ? cJSON_CreateNumber(seconds) : NULL;
    return is_good;
}

static bool complete(struct declaration *declaration, struct declared *entity, int64_t now_us)
{
    /* An update without a change hashes nothing. */
    const struct document_context context = {
        .schemas = declaration->schemas,
        .schema = entity->schema,
        .op = declaration->keeps_texts ? DOCUMENT_UPDATE : DOCUMENT_CREATE,
        .now_us = now_us,
    };
    struct violations violations = {0};
    cJSON *ttl = NULL;
    bool has_good_ttl = take_ttl(declaration, entity, &ttl);
    bool ok = document_complete(&context, entity->document, &violations);

    if (!ok)
        tell(declaration, entity, "", violations.fields);
    if (ttl != NULL)
        set(entity->document, "ttl", ttl);
    violations_fini(&violations);
    return ok && has_good_ttl;
}

static void resolve(struct declaration *declaration, struct declared *entity, int64_t now_us)
{
    bool has_references = resolve_references(declaration, entity);
    cJSON *given = cJSON_Duplicate(entity->document, true);

    /* Also when references are missing: the rest of what is wrong is to be told at once. */
    bool is_complete = complete(declaration, entity, now_us);
    if (is_complete && has_references) {
        identify(declaration, entity, given);
        keep_generated(entity, given);
        entity->is_changed = differs(entity);
        claim_names(declaration, entity);
    } else {
        cJSON_DeleteItemFromObjectCaseSensitive(entity->document, "id");
    }
    cJSON_Delete(given);
}

bool declaration_resolve(struct declaration *declaration, int64_t now_us)
{
    for (size_t i = 0; i < declaration->order_count; i++)
        for (size_t k = 0; k < declaration->count; k++)
            if (declaration->at[k].schema == declaration->order[i])
                resolve(declaration, &declaration->at[k], now_us);
    return declaration->problem_count == 0;
}
