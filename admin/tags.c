/*
 * tags - which entities have which tags. Read only: a tag is written with its entity.
 */

#include "admin/handlers.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin/paging.h"
#include "admin/state.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"

/* `next` of the rows of one tag carries no size (reference 2.10). */
static void add_next(cJSON *json, const struct request *request, const struct paging *paging,
                     const char *offset)
{
    struct buf url = {0};

    for (size_t i = 0; i < request->path.count; i++)
        buf_printf(&url, "/%.*s", STR_ARG(request->path.raw[i]));
    paging_add_argument(&url, "offset", str_of(offset));
    if (paging->has_size && request->path.count == 1) {
        char size[16];
        (void)snprintf(size, sizeof(size), "%d", paging->size);
        paging_add_argument(&url, "size", str_of(size));
    }
    (void)cJSON_AddStringToObject(json, "next", url.at);
    (void)cJSON_AddStringToObject(json, "offset", offset);
    buf_fini(&url);
}

static void list(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    struct store_page page = {0};
    struct paging paging;

    if (!paging_read(&request->query, NULL, &paging, &request->answer))
        return;
    const struct store_tags_query query = {.tag =
                                               request->path.count > 1 ? request->path.segments[1] : STR_NONE,
                                           .size = paging.size,
                                           .offset = paging.offset};
    if (!store_tags(session, &query, &page, &error)) {
        answer_store_error(&request->answer, &tag_schema, &error);
        store_error_fini(&error);
        return;
    }
    cJSON *json = cJSON_CreateObject();
    (void)cJSON_AddItemToObject(json, "data", page.documents);
    if (page.next_offset != NULL)
        add_next(json, request, &paging, page.next_offset);
    else
        (void)cJSON_AddNullToObject(json, "next");
    free(page.next_offset);
    answer_json(&request->answer, 200, json);
}

void tags_list(struct request *request)
{
    request_run(request, list);
}

void tags_show(struct request *request)
{
    char message[256];

    if (document_check_key(&tag_schema, request->path.segments[1], message))
        request_run(request, list);
    else
        answer_invalid_unique(&request->answer, "tag", message);
}

void tags_refuse(struct request *request)
{
    struct violations violations = {0};

    violations_add(&violations, "tags", "does not support insert/upsert/update/delete operations");
    answer_violations(&request->answer, &violations);
    violations_fini(&violations);
}
