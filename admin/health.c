/*
 * health - /upstreams/{u}/health, and .../targets/{t}[/{address}]/healthy and unhealthy (reference 2.6).
 *
 * Targets come from the database, what is thought of them from this node's prober: a job loads the page, then
 * the loop adds the health. A health that is set by hand is said to all nodes, through the log; this one acts
 * on it before the answer goes out.
 */

#include "admin/audit.h"
#include "admin/handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/asking.h"
#include "admin/paging.h"
#include "admin/state.h"
#include "gateway/base/log.h"
#include "gateway/proxy/health_view.h"
#include "gateway/proxy/health_word.h"
#include "gateway/proxy/peer_text.h"
#include "gateway/proxy/prober.h"

static const char *state_text(enum health_state state)
{
    switch (state) {
    case HEALTH_OFF:
        return "HEALTHCHECKS_OFF";
    case HEALTH_GOOD:
        return "HEALTHY";
    case HEALTH_BAD:
        return "UNHEALTHY";
    case HEALTH_NO_ADDRESS:
        return "DNS_ERROR";
    case HEALTH_UNKNOWN:
        break;
    }
    return NULL; /* as before the node knows the upstream at all */
}

static struct asking asking_of(struct store_session *session, struct request *request,
                               struct store_error *error)
{
    return (struct asking){session, request->admin->options.schemas, &request->answer, error};
}

static void answer_failure(struct request *request, struct store_error *error)
{
    if (request->answer.status == 0)
        answer_store_error(&request->answer, request->target.schema, error);
    store_error_fini(error);
}

/* The path of the targets, or of a target, that this one leads through. False: there is none. */
static bool find_target(struct request *request, size_t segment_count)
{
    struct path path = request->path;

    path.count = segment_count;
    path.segments[2] = path.raw[2] = STR("targets");
    return crud_find(request->admin->options.schemas, &path, &request->target) && !request->target.is_by_id;
}

/* ---- what is shown ---- */

static cJSON *weights(const struct health_weight *sum)
{
    cJSON *json = cJSON_CreateObject();

    (void)cJSON_AddNumberToObject(json, "total", (double)sum->total);
    (void)cJSON_AddNumberToObject(json, "available", (double)sum->available);
    (void)cJSON_AddNumberToObject(json, "unavailable", (double)(sum->total - sum->available));
    return json;
}

/* The list has words for an address, the details of a balancer say yes or no. */
static cJSON *address_json(const struct health_view_address *address, bool with_state)
{
    cJSON *json = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(json, "ip", address->ip);
    (void)cJSON_AddNumberToObject(json, "port", address->port);
    (void)cJSON_AddNumberToObject(json, "weight", address->weight);
    if (with_state)
        (void)cJSON_AddStringToObject(json, "health", state_text(address->state));
    else
        (void)cJSON_AddBoolToObject(json, "healthy", address->healthy);
    return json;
}

static cJSON *target_json(const struct health_view_target *target, bool with_state)
{
    cJSON *json = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(json, "host", target->host);
    (void)cJSON_AddNumberToObject(json, "port", target->port);
    (void)cJSON_AddStringToObject(json, "dns", target->dns);
    (void)cJSON_AddNumberToObject(json, "nodeWeight", target->weight);
    (void)cJSON_AddItemToObject(json, "weight", weights(&target->sum));
    cJSON *addresses = cJSON_AddArrayToObject(json, "addresses");
    for (size_t i = 0; i < target->count; i++)
        (void)cJSON_AddItemToArray(addresses, address_json(&target->addresses[i], with_state));
    return json;
}

static void add_node_id(const struct request *request, cJSON *json)
{
    char text[UUID_TEXT_SIZE];

    (void)cJSON_AddStringToObject(json, "node_id", uuid_format(&request->admin->options.node_id, text));
}

/* Of the upstream whose document the job has left. NULL: this node does not know it. */
static struct health_view *view_of(const struct request *request)
{
    struct uuid id;

    return document_id(cJSON_GetObjectItemCaseSensitive(request->found, "upstream"), &id)
               ? prober_view(request->admin->options.prober, &id)
               : NULL;
}

static void show_targets(struct request *request)
{
    struct health_view *view = view_of(request);
    cJSON *json = request->found;
    cJSON *document;
    struct uuid id;

    request->found = NULL;
    cJSON_DeleteItemFromObjectCaseSensitive(json, "upstream");
    cJSON_ArrayForEach(document, cJSON_GetObjectItemCaseSensitive(json, "data"))
    {
        const struct health_view_target *target =
            view != NULL && document_id(document, &id) ? health_view_find(view, &id) : NULL;
        const char *health = target != NULL ? state_text(target->state) : NULL;
        if (health == NULL)
            continue;
        (void)cJSON_AddStringToObject(document, "health", health);
        (void)cJSON_AddItemToObject(document, "data", target_json(target, /* with_state= */ true));
    }
    add_node_id(request, json);
    health_view_free(view);
    answer_json(&request->answer, 200, json);
}

static void show_balancer(struct request *request)
{
    struct health_view *view = view_of(request);
    cJSON *json = cJSON_CreateObject();

    if (view != NULL) {
        char id[UUID_TEXT_SIZE];
        cJSON *data = cJSON_AddObjectToObject(json, "data");
        (void)cJSON_AddStringToObject(data, "id", uuid_format(&view->upstream, id));
        (void)cJSON_AddStringToObject(data, "health", state_text(view->state));
        (void)cJSON_AddStringToObject(data, "balancer_health",
                                      state_text(view->healthy ? HEALTH_GOOD : HEALTH_BAD));
        cJSON *details = cJSON_AddObjectToObject(data, "details");
        (void)cJSON_AddBoolToObject(details, "healthy", view->healthy);
        (void)cJSON_AddItemToObject(details, "weight", weights(&view->sum));
        cJSON *hosts = cJSON_AddArrayToObject(details, "hosts");
        for (size_t i = 0; i < view->count; i++)
            (void)cJSON_AddItemToArray(hosts, target_json(&view->targets[i], /* with_state= */ false));
    }
    (void)cJSON_AddNullToObject(json, "next");
    add_node_id(request, json);
    health_view_free(view);
    answer_json(&request->answer, 200, json);
}

/* ---- loading ---- */

static void add_next(cJSON *json, const struct request *request, char *offset)
{
    struct buf url = {0};

    for (size_t i = 0; offset != NULL && i < request->path.count; i++)
        buf_printf(&url, "/%.*s", STR_ARG(request->path.raw[i]));
    if (offset != NULL) {
        paging_add_argument(&url, "offset", str_of(offset));
        (void)cJSON_AddStringToObject(json, "next", url.at);
        (void)cJSON_AddStringToObject(json, "offset", offset);
    } else {
        (void)cJSON_AddNullToObject(json, "next");
    }
    buf_fini(&url);
    free(offset);
}

/* False: answered, or the database's fault. */
static bool load_upstream(struct asking *asking, struct request *request)
{
    cJSON *upstream = NULL;

    if (!asking_load_other(asking, &request->target, STORE_READ, &upstream))
        return false;
    if (upstream == NULL) {
        answer_not_found(&request->answer);
        return false;
    }
    request->found = cJSON_CreateObject();
    (void)cJSON_AddItemToObject(request->found, "upstream", upstream);
    return true;
}

/* Jobs. */

static void load_balancer(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    struct asking asking = asking_of(session, request, &error);

    if (!load_upstream(&asking, request))
        answer_failure(request, &error);
}

static void load_targets(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    struct asking asking = asking_of(session, request, &error);
    struct store_page_query query = {.schema = request->target.schema, .newest_first = true};
    struct store_page page;
    struct paging paging;

    if (!load_upstream(&asking, request)) {
        answer_failure(request, &error);
        return;
    }
    if (!paging_read_position(&request->query, query.schema, &paging, &request->answer))
        return;
    query.skip = paging.skip;
    query.size = paging.size;
    query.parent_field = request->target.foreign_name;
    (void)document_id(cJSON_GetObjectItemCaseSensitive(request->found, "upstream"), &query.parent);
    if (!store_list(session, &query, &page, &error)) {
        answer_failure(request, &error);
        return;
    }
    (void)cJSON_AddItemToObject(request->found, "data", page.documents);
    add_next(request->found, request, page.next_offset);
}

void upstream_health_show(struct request *request)
{
    const struct query_argument *argument = query_string_find(&request->query, "balancer_health");
    bool of_balancer = argument != NULL && str_equal(argument->value, STR("1"));

    if (!find_target(request, 3)) {
        answer_not_found(&request->answer);
        return;
    }
    request->after = of_balancer ? show_balancer : show_targets;
    request_run(request, of_balancer ? load_balancer : load_targets);
}

/* ---- by hand ---- */

enum {
    SEGMENTS_OF_TARGET = 4,
    SEGMENTS_WITH_ADDRESS = 6,
};

static bool has_address(const struct request *request)
{
    return request->path.count == SEGMENTS_WITH_ADDRESS;
}

/* Only one address can be that of a target that is one. */
static bool can_have(const cJSON *target, const struct health_word *word)
{
    struct peer_address own;

    return !word->has_address || !peer_text_parse(str_of(document_text(target, "target")), &own) ||
           memcmp(&own, &word->address, sizeof(own)) == 0;
}

static void note_in_audit(struct request *request, const cJSON *target, bool healthy)
{
    struct buf what = {0};

    buf_printf(&what, "%s", document_text(target, "target"));
    if (has_address(request))
        buf_printf(&what, " %.*s", STR_ARG(request->path.segments[SEGMENTS_OF_TARGET]));
    buf_printf(&what, " %s", healthy ? "healthy" : "unhealthy");
    audit_note(request, "set", "health of a target", what.at);
    buf_fini(&what);
}

/* In a job. Takes `target`. */
static void say(struct store_session *session, struct request *request, struct health_word *word,
                cJSON *target)
{
    struct store_error error = {0};
    struct outbox_receipt receipt = {0};
    char text[HEALTH_WORD_SIZE];

    if (target == NULL || !document_id(target, &word->target) || !can_have(target, word)) {
        answer_not_found(&request->answer);
    } else {
        health_word_format(word, text);
        if (store_say(session, text, &receipt, &error)) {
            answer_empty(&request->answer, 204);
            note_in_audit(request, target, word->healthy);
            request_spread(request, session, &receipt);
        } else {
            answer_store_error(&request->answer, request->target.schema, &error);
        }
    }
    store_error_fini(&error);
    cJSON_Delete(target);
}

static void set(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    struct asking asking = asking_of(session, request, &error);
    struct health_word word = {.has_address = has_address(request)};
    cJSON *target = NULL;

    word.healthy = str_equal(request->path.segments[request->path.count - 1], STR("healthy"));
    if (!asking_load(&asking, &request->target, STORE_READ, &target, NULL)) {
        answer_failure(request, &error);
    } else if (target != NULL && word.has_address &&
               !peer_text_parse(request->path.segments[SEGMENTS_OF_TARGET], &word.address)) {
        answer_message(&request->answer, 400, "invalid address: expected ip:port");
        cJSON_Delete(target);
    } else {
        say(session, request, &word, target);
    }
}

void target_health_set(struct request *request)
{
    if (!find_target(request, SEGMENTS_OF_TARGET)) {
        answer_not_found(&request->answer);
        return;
    }
    audit_begin(request);
    request_run(request, set);
}
