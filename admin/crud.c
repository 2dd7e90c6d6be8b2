/*
 * crud - keys are checked on the loop; everything that needs the database is a store job. This file has the
 * reading ones, crud_write.c those that change something, crud_path.c what a path means.
 */

#include "admin/crud.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/asking.h"
#include "admin/audit.h"
#include "admin/crud_write.h"
#include "admin/names.h"
#include "admin/paging.h"
#include "admin/request.h"
#include "admin/state.h"
#include "admin/url.h"
#include "admin/version.h"

enum {
    MAX_CACHE_KEY =
        4096 /* bytes of X-Cache-Key; a longer one would be refused as a URL, and by clients as a header */
};

/* Can the key be one of that schema at all? false: the answer says why not. */
static bool check_key(struct request *request, const struct schema *schema, const struct crud_key *key)
{
    char message[256];
    struct uuid id;

    if (key->field == NULL || (strcmp(key->field, "id") == 0 && uuid_from_str(key->text, &id)))
        return true;
    if (strcmp(key->field, "id") == 0) {
        static const char expected[] = "expected a valid UUID";
        cJSON *fields = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(fields, "id", expected);
        (void)snprintf(message, sizeof(message), "invalid primary key: '{id=\"%s\"}'", expected);
        answer_error(&request->answer, ANSWER_INVALID_PRIMARY_KEY, fields, message);
        return false;
    }
    if (document_check_key(key->through != NULL ? key->through : schema, key->text, message))
        return true;
    answer_invalid_unique(&request->answer, key->field, message);
    return false;
}

static void keep_first_key(void *arg, int lookup, struct str key)
{
    struct buf *first = arg;

    (void)lookup;
    if (first->len == 0)
        url_escape(first, key, ":!$&'()*,;=@");
}

static struct asking asking_of(struct store_session *session, struct request *request,
                               struct store_error *error)
{
    return (struct asking){session, request->admin->options.schemas, &request->answer, error};
}

/* What is left to say when a job has failed. */
static void answer_failure(struct request *request, const struct schema *schema, struct store_error *error)
{
    if (request->answer.status == 0)
        answer_store_error(&request->answer, schema, error);
    store_error_fini(error);
}

/* Unless the client has it already, or wants another one. Takes `document`. */
static void answer_seen(struct request *request, cJSON *document, const struct digest *version)
{
    switch (version_judge(&request->condition, version)) {
    case VERSION_FITS:
        break;
    case VERSION_IS_KNOWN:
        cJSON_Delete(document);
        answer_empty(&request->answer, 304);
        version_format(version, request->answer.etag);
        return;
    case VERSION_DIFFERS:
        cJSON_Delete(document);
        answer_message(&request->answer, 412, "If-Match: the entity has changed");
        version_format(version, request->answer.etag);
        return;
    }
    crud_answer_document(request, 200, document, version);
}

static void show(struct store_session *session, struct request *request)
{
    const struct schema *schema = request->target.schema;
    struct store_error error = {0};
    struct asking asking = asking_of(session, request, &error);
    cJSON *document = NULL;
    struct digest version;

    if (!asking_load(&asking, &request->target, STORE_READ, &document, NULL)) {
        answer_failure(request, schema, &error);
    } else if (document == NULL) {
        asking_answer_missing(&asking, schema, &request->target.key);
    } else if (names_show(&asking, &request->target, document) &&
               version_look(&asking, &request->admin->options.salt, schema, document, &version)) {
        answer_seen(request, document, &version);
    } else {
        cJSON_Delete(document);
        answer_failure(request, schema, &error);
    }
}

static void add_next(cJSON *json, const struct request *request, const struct paging *paging,
                     const char *offset)
{
    struct buf url = {0};

    for (size_t i = 0; i < request->path.count; i++)
        buf_printf(&url, "/%.*s", STR_ARG(request->path.raw[i]));
    paging_add_argument(&url, "offset", str_of(offset));
    if (request->target.kind == CRUD_COLLECTION) {
        if (paging->tag_text.at != NULL)
            paging_add_argument(&url, "tags", paging->tag_text);
        if (paging->has_size) {
            char size[16];
            (void)snprintf(size, sizeof(size), "%d", paging->size);
            paging_add_argument(&url, "size", str_of(size));
        }
    }
    (void)cJSON_AddStringToObject(json, "next", url.at);
    (void)cJSON_AddStringToObject(json, "offset", offset);
    buf_fini(&url);
}

static void answer_page(struct request *request, const struct paging *paging, struct store_page *page)
{
    cJSON *json = cJSON_CreateObject();

    (void)cJSON_AddItemToObject(json, "data", page->documents);
    if (page->next_offset != NULL)
        add_next(json, request, paging, page->next_offset);
    else
        (void)cJSON_AddNullToObject(json, "next");
    free(page->next_offset);
    answer_json(&request->answer, 200, json);
}

/* The parent a nested list belongs to. false: answered. */
static bool find_list_parent(struct asking *asking, struct request *request, struct store_page_query *query)
{
    cJSON *parent = NULL;

    if (request->target.kind != CRUD_NESTED_COLLECTION)
        return true;
    if (!asking_load_other(asking, &request->target, STORE_READ, &parent))
        return false;
    bool found = parent != NULL && document_id(parent, &query->parent);
    cJSON_Delete(parent);
    query->parent_field = request->target.foreign_name;
    if (!found)
        asking_answer_missing(asking, request->target.other, &request->target.other_key);
    return found;
}

/* The tags of a nested list are checked, but do not filter (reference 1.18). */
static void list(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    struct asking asking = asking_of(session, request, &error);
    struct store_page_query query = {.schema = request->target.schema};
    struct store_page page;
    struct paging paging;

    if (!find_list_parent(&asking, request, &query)) {
        answer_failure(request, request->target.other, &error);
        return;
    }
    query.newest_first = query.schema->is_newest_first && !request->target.is_by_id;
    if (query.newest_first ? !paging_read_position(&request->query, query.schema, &paging, &request->answer)
                           : !paging_read(&request->query, query.schema, &paging, &request->answer))
        return;
    query.skip = paging.skip;
    query.size = paging.size;
    query.offset = paging.offset;
    query.as_text = names_member(query.schema) == NULL;
    if (query.parent_field == NULL) {
        query.match_field = paging.match_field;
        query.match_value = paging.match_value;
        query.tags = paging.tags;
        query.tag_count = paging.tag_count;
        query.any_tag = paging.any_tag;
    }
    if (!store_list(session, &query, &page, &error)) {
        answer_failure(request, query.schema, &error);
    } else if (names_show(&asking, &request->target, page.documents)) {
        answer_page(request, &paging, &page);
    } else {
        cJSON_Delete(page.documents);
        free(page.next_offset);
        answer_failure(request, query.schema, &error);
    }
}

void crud_answer_document(struct request *request, int status, cJSON *document, const struct digest *version)
{
    const struct schema *schema = request->target.schema;
    struct buf key = {0};

    if (schema->cache_keys != NULL)
        schema->cache_keys(schema, document, keep_first_key, &key);
    if (schema->has_ttl)
        cJSON_DeleteItemFromObjectCaseSensitive(document, "expires_at"); /* the store's, not a field */
    answer_json(&request->answer, status, document);
    version_format(version, request->answer.etag);
    if (key.len > 0 && key.len <= MAX_CACHE_KEY)
        request->answer.cache_key = buf_take(&key);
    buf_fini(&key);
}

/* What the client has seen, of one entity. false: the answer says what is wrong with it. */
static bool read_condition(struct request *request)
{
    char problem[VERSION_PROBLEM_SIZE];

    if (version_read(&exchange_request(request->exchange)->headers, &request->condition, problem))
        return true;
    answer_message(&request->answer, 400, "%s", problem);
    return false;
}

void crud_answer(struct request *request)
{
    const struct crud_target *target = &request->target;
    bool is_list = target->kind == CRUD_COLLECTION || target->kind == CRUD_NESTED_COLLECTION;

    if (!check_key(request, target->other, &target->other_key) ||
        !check_key(request, target->schema, &target->key) || (!is_list && !read_condition(request)))
        return;
    if (request->method != METHOD_GET)
        audit_begin(request);
    switch (request->method) {
    case METHOD_GET:
        request_run(request, is_list ? list : show);
        break;
    case METHOD_POST:
        request_run(request, crud_write_create);
        break;
    case METHOD_PUT:
        request_run(request, target->schema->put_only_changes ? crud_write_patch : crud_write_put);
        break;
    case METHOD_PATCH:
        request_run(request, crud_write_patch);
        break;
    case METHOD_DELETE:
        request_run(request, crud_write_delete);
        break;
    case METHOD_OPTIONS:
    case METHOD_OTHER:
        break;
    }
}
