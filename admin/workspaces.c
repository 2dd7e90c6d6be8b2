/*
 * workspaces - GET /workspaces: there is one, "default", and it cannot be changed.
 */

#include "admin/handlers.h"

#include "admin/state.h"
#include "gateway/base/log.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"

/* The caller owns what is returned; NULL: the answer says why. */
static cJSON *load(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    cJSON *documents = NULL;

    if (!store_workspaces(session, &documents, &error)) {
        log_error("admin: the workspaces cannot be read; why=%s", error.err.text);
        answer_message(&request->answer, 500, "An unexpected error occurred");
        store_error_fini(&error);
    }
    return documents;
}

static void list(struct store_session *session, struct request *request)
{
    cJSON *documents = load(session, request);

    if (documents == NULL)
        return;
    cJSON *json = cJSON_CreateObject();
    (void)cJSON_AddItemToObject(json, "data", documents);
    (void)cJSON_AddNullToObject(json, "next");
    answer_json(&request->answer, 200, json);
}

static bool is_called(const cJSON *document, struct str key)
{
    struct uuid asked;
    struct uuid own;

    if (uuid_from_str(key, &asked))
        return document_id(document, &own) && uuid_equal(&asked, &own);
    return str_equal(str_of(document_text(document, "name")), key);
}

static void show(struct store_session *session, struct request *request)
{
    cJSON *documents = load(session, request);
    cJSON *found = NULL;
    cJSON *document;

    if (documents == NULL)
        return;
    cJSON_ArrayForEach(document, documents)
    {
        if (is_called(document, request->path.segments[1]))
            found = document;
    }
    if (found != NULL)
        answer_json(&request->answer, 200, cJSON_DetachItemViaPointer(documents, found));
    else
        answer_not_found(&request->answer);
    cJSON_Delete(documents);
}

void workspaces_list(struct request *request)
{
    request_run(request, list);
}

void workspaces_show(struct request *request)
{
    request_run(request, show);
}
