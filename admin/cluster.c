/*
 * cluster - /cluster: who is there, how far each node has come, what was changed and where it is live.
 *
 * Whichever node is asked gives the same answer, because it is the database's: a node that cannot be reached
 * is seen like any other.
 */

#include "admin/handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/state.h"
#include "gateway/store/cluster.h"

enum {
    EVENTS_PAGE = 100,
    EVENTS_PAGE_MAX = 1000,
};

static void answer_failure(struct request *request, struct store_error *error)
{
    answer_store_error(&request->answer, NULL, error);
    store_error_fini(error);
}

/* ---- positions ---- */

static void work_position(struct store_session *session, struct request *request)
{
    const struct admin_bus *bus = &request->admin->options.bus;
    struct store_error error = {0};
    cJSON *object = NULL;
    char text[40];

    if (!store_cluster_position(session, &object, &error)) {
        answer_failure(request, &error);
        return;
    }
    uint64_t applied = bus->applied(bus->arg);
    bus->position_text(bus->arg, applied, text);
    (void)cJSON_AddNumberToObject(object, "applied_here", (double)applied);
    (void)cJSON_AddStringToObject(object, "position", text);
    answer_json(&request->answer, 200, object);
}

void cluster_position(struct request *request)
{
    request_run(request, work_position);
}

/* "17", or "0badf00d-17" of this history. */
static bool read_position(const struct request *request, struct str text, uint64_t *position)
{
    const struct admin_bus *bus = &request->admin->options.bus;
    size_t dash = str_find(text, '-', 0);
    char own[40];
    int64_t number;

    bus->position_text(bus->arg, 0, own);
    if (dash != SIZE_MAX && !str_equal(str_part(text, 0, dash), str_part(str_of(own), 0, strcspn(own, "-"))))
        return false;
    if (!str_to_int(str_part(text, dash != SIZE_MAX ? dash + 1 : 0, text.len), &number) || number < 1)
        return false;
    *position = (uint64_t)number;
    return true;
}

static void work_commit(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    cJSON *commit = NULL;
    uint64_t position;

    if (!read_position(request, request->path.segments[2], &position)) {
        answer_not_found(&request->answer);
        return;
    }
    if (!store_cluster_commit(session, position, &commit, &error)) {
        answer_failure(request, &error);
        return;
    }
    if (commit != NULL)
        answer_json(&request->answer, 200, commit);
    else
        answer_not_found(&request->answer);
}

void cluster_commit(struct request *request)
{
    request_run(request, work_commit);
}

/* ---- lists ---- */

static void answer_page(struct request *request, cJSON *data_give, const char *offset)
{
    cJSON *page = cJSON_CreateObject();
    char next[64];

    (void)cJSON_AddItemToObject(page, "data", data_give);
    (void)snprintf(next, sizeof(next), "/cluster/events?offset=%s", offset != NULL ? offset : "");
    if (offset == NULL) {
        (void)cJSON_AddNullToObject(page, "next");
    } else {
        (void)cJSON_AddStringToObject(page, "offset", offset);
        (void)cJSON_AddStringToObject(page, "next", next);
    }
    answer_json(&request->answer, 200, page);
}

static bool read_number(struct request *request, const char *name, int64_t least, int64_t most,
                        int64_t *number)
{
    const struct query_argument *argument = query_string_find(&request->query, name);
    char problem[80];

    if (argument == NULL || (str_to_int(argument->value, number) && *number >= least && *number <= most))
        return true;
    (void)snprintf(problem, sizeof(problem), "must be an integer from %" PRId64 " to %" PRId64, least, most);
    answer_invalid_option(&request->answer, name, problem);
    return false;
}

static void work_events(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    int64_t size = EVENTS_PAGE;
    int64_t before = 0;
    cJSON *commits = NULL;
    char offset[24];

    if (!read_number(request, "size", 1, EVENTS_PAGE_MAX, &size) ||
        !read_number(request, "offset", 1, INT64_MAX, &before))
        return;
    if (!store_cluster_events(session, (uint64_t)before, (int)size, &commits, &error)) {
        answer_failure(request, &error);
        return;
    }
    int count = cJSON_GetArraySize(commits);
    const cJSON *last = cJSON_GetArrayItem(commits, count - 1);
    const cJSON *position = cJSON_GetObjectItemCaseSensitive(last, "position");
    bool is_full = count == (int)size && cJSON_IsNumber(position) && position->valuedouble > 1;
    if (is_full)
        (void)snprintf(offset, sizeof(offset), "%.0f", position->valuedouble);
    answer_page(request, commits, is_full ? offset : NULL);
}

void cluster_events(struct request *request)
{
    request_run(request, work_events);
}

static void work_nodes(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    cJSON *nodes = NULL;

    if (store_cluster_nodes(session, &nodes, &error))
        answer_page(request, nodes, NULL);
    else
        answer_failure(request, &error);
}

void cluster_nodes(struct request *request)
{
    request_run(request, work_nodes);
}
