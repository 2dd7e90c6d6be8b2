/*
 * names - see names.h.
 */

#include "admin/names.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/model/document.h"

enum {
    PAGE_SIZE = 1000,
    NAMES_MAX = 10000 /* each is a statement or two */
};

/* The one such member there is. */
static const struct holder {
    const char *schema; /* of the entity that shows it */
    const char *member; /* also the name of the schema its rows are of */
    const char *field;  /* what is listed */
    const char *parent; /* the foreign field that leads back */
} holders[] = {
    {"certificates", "snis", "name", "certificate"},
};

/* A certificate reached through a service is shown without (reference 2.7). */
static const struct holder *holder_of(const struct crud_target *target)
{
    for (size_t i = 0; i < COUNT(holders) && target->kind != CRUD_PARENT; i++)
        if (strcmp(holders[i].schema, target->schema->name) == 0)
            return &holders[i];
    return NULL;
}

const char *names_member(const struct schema *schema)
{
    const struct holder *holder = holder_of(&(struct crud_target){.kind = CRUD_ENTITY, .schema = schema});

    return holder != NULL ? holder->member : NULL;
}

static const struct schema *rows_of(const struct asking *asking, const struct holder *holder)
{
    return schemas_find(asking->schemas, str_of(holder->member));
}

void names_fini(struct names *names)
{
    cJSON_Delete(names->list);
    free(names->sorted);
    *names = (struct names){0};
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The place of a name in `sorted`; NULL: it is not in the list. */
static const char **place_of(const struct names *names, const char *name)
{
    return names->count > 0
               ? bsearch(&name, names->sorted, names->count, sizeof(*names->sorted), compare_texts)
               : NULL;
}

static bool refuse(struct asking *asking, const char *path, const char *text)
{
    struct violations violations = {0};

    violations_add(&violations, path, "%s", text);
    answer_violations(asking->answer, &violations);
    violations_fini(&violations);
    return false;
}

/* Texts, none of them twice. */
static bool check_list(struct asking *asking, const struct holder *holder, struct names *names)
{
    const cJSON *item;
    int count = cJSON_GetArraySize(names->list);

    if (count > NAMES_MAX)
        return refuse(asking, holder->member, "length must be at most 10000");
    names->sorted = mem_alloc(((size_t)count + 1) * sizeof(*names->sorted));
    cJSON_ArrayForEach(item, names->list)
    {
        if (!cJSON_IsString(item)) {
            char *path = mem_printf("%s.%zu", holder->member, names->count + 1);
            (void)refuse(asking, path, "expected a string");
            free(path);
            return false;
        }
        names->sorted[names->count++] = item->valuestring;
    }
    qsort(names->sorted, names->count, sizeof(*names->sorted), compare_texts);
    for (size_t i = 1; i < names->count; i++) {
        if (strcmp(names->sorted[i - 1], names->sorted[i]) != 0)
            continue;
        char *text = mem_printf("%s is duplicated", names->sorted[i]);
        (void)refuse(asking, holder->member, text);
        free(text);
        return false;
    }
    return true;
}

static bool check_owner(struct asking *asking, const struct holder *holder, const char *name,
                        const char *own_id)
{
    const struct schema *rows = rows_of(asking, holder);
    char message[256];
    cJSON *row = NULL;

    if (!document_check_key(rows, str_of(name), message)) {
        answer_invalid_unique(asking->answer, holder->field, message);
        return false;
    }
    if (!store_find(asking->session, rows, holder->field, str_of(name), STORE_READ, &row, asking->error))
        return false;
    const char *owner = document_text(cJSON_GetObjectItemCaseSensitive(row, holder->parent), "id");
    bool is_free = owner == NULL || (own_id != NULL && strcmp(owner, own_id) == 0);
    if (!is_free) {
        char *text = mem_printf("%s already associated with existing certificate '%s'", name, owner);
        (void)refuse(asking, holder->member, text);
        free(text);
    }
    cJSON_Delete(row);
    return is_free;
}

/* What a client may write for a list: a form has no lists of one, and an empty one is {} to some. */
static cJSON *as_list(cJSON *given)
{
    bool is_empty = given->child == NULL && (cJSON_IsObject(given) || cJSON_IsArray(given));

    if (cJSON_IsArray(given))
        return given;
    cJSON *list = cJSON_CreateArray();
    if (cJSON_IsString(given) && given->valuestring[0] != '\0')
        (void)cJSON_AddItemToArray(list, cJSON_CreateString(given->valuestring));
    else if (!is_empty && !cJSON_IsString(given))
        (void)cJSON_AddItemToArray(list, cJSON_CreateNull()); /* refused as what it is */
    cJSON_Delete(given);
    return list;
}

bool names_take(struct asking *asking, const struct crud_target *target, cJSON *body, const char *own_id,
                struct names *names)
{
    const struct holder *holder = holder_of(target);
    bool ok = true;

    bool from_form = names->from_form;
    names_fini(names);
    if (holder == NULL)
        return true;
    cJSON *given = cJSON_DetachItemFromObjectCaseSensitive(body, holder->member);
    bool is_ignored = !from_form && cJSON_IsString(given);
    names->is_given = given != NULL && !is_ignored;
    if (given == NULL || is_ignored || cJSON_IsNull(given)) {
        cJSON_Delete(given);
        return true;
    }
    names->list = as_list(given);
    ok = check_list(asking, holder, names);
    for (size_t i = 0; i < names->count && ok; i++)
        ok = check_owner(asking, holder, names->sorted[i], own_id);
    return ok;
}

void names_add(struct names *names, struct str name)
{
    if (names->list == NULL)
        return;
    char *text = mem_strndup(name.at, name.len);
    if (place_of(names, text) == NULL) {
        cJSON *item = cJSON_CreateString(text);
        (void)cJSON_AddItemToArray(names->list, item);
        names->sorted[names->count++] = item->valuestring; /* there is room for one */
        qsort(names->sorted, names->count, sizeof(*names->sorted), compare_texts);
    }
    free(text);
}

/* Deletes the rows that are not wanted; those of the others are marked in `kept`. */
static bool remove_others(struct asking *asking, const struct holder *holder, const char *id,
                          const struct names *names, bool *kept)
{
    struct store_page_query query = {
        .schema = rows_of(asking, holder), .parent_field = holder->parent, .size = PAGE_SIZE};
    char *offset = NULL;
    bool ok = uuid_from_str(str_of(id), &query.parent);

    do {
        struct store_page page = {0};
        ok = ok && store_list(asking->session, &query, &page, asking->error);
        free(offset);
        const cJSON *row = page.documents != NULL ? page.documents->child : NULL;
        for (; row != NULL && ok; row = row->next) {
            const char **place = place_of(names, document_text(row, holder->field));
            if (place != NULL)
                kept[place - names->sorted] = true;
            else
                ok = store_delete(asking->session, query.schema, row, asking->error);
        }
        cJSON_Delete(page.documents);
        offset = page.next_offset;
        query.offset = str_of(offset);
    } while (ok && offset != NULL);
    free(offset);
    return ok;
}

static bool add_row(struct asking *asking, const struct holder *holder, const char *id, const char *name)
{
    const struct clock *clock = clock_system();
    const struct document_context context = {.schemas = asking->schemas,
                                             .schema = rows_of(asking, holder),
                                             .op = DOCUMENT_CREATE,
                                             .now_us = clock->wall_us(clock->arg)};
    struct violations violations = {0};
    cJSON *row = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(row, holder->field, name);
    (void)cJSON_AddItemToObject(row, holder->parent, asking_reference(id));
    bool ok = document_complete(&context, row, &violations);
    if (!ok)
        answer_violations(asking->answer, &violations);
    ok = ok && store_insert(asking->session, context.schema, row, asking->error);
    violations_fini(&violations);
    cJSON_Delete(row);
    return ok;
}

bool names_store(struct asking *asking, const struct crud_target *target, const char *id,
                 const struct names *names)
{
    const struct holder *holder = holder_of(target);

    if (holder == NULL)
        return true;
    bool *kept = mem_zalloc(names->count + 1);
    bool ok = remove_others(asking, holder, id, names, kept);
    for (size_t i = 0; i < names->count && ok; i++)
        if (!kept[i])
            ok = add_row(asking, holder, id, names->sorted[i]);
    free(kept);
    return ok;
}

static void add_names(const struct holder *holder, cJSON *document, cJSON *lists)
{
    cJSON *list = cJSON_DetachItemFromObjectCaseSensitive(lists, document_text(document, "id"));

    asking_set(document, holder->member, list != NULL ? list : cJSON_CreateArray());
}

bool names_show(struct asking *asking, const struct crud_target *target, cJSON *documents)
{
    const struct holder *holder = holder_of(target);
    cJSON *lists = NULL;
    cJSON *document;

    if (holder == NULL)
        return true;
    const struct store_children children = {.schema = rows_of(asking, holder),
                                            .field = holder->field,
                                            .parent_field = holder->parent,
                                            .parents = documents};
    if (!store_list_children(asking->session, &children, &lists, asking->error))
        return false;
    if (cJSON_IsArray(documents)) {
        cJSON_ArrayForEach(document, documents)
        {
            add_names(holder, document, lists);
        }
    } else {
        add_names(holder, documents, lists);
    }
    cJSON_Delete(lists);
    return true;
}
