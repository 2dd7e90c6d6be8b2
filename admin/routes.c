/*
 * routes - see routes.h.
 *
 * The first row whose form fits decides: so literal segments stand above parameters. Rows of one form stand
 * together, one per method.
 */

#include "admin/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"
#include "admin/plugin_endpoints.h"
#include "admin/state.h"
#include "gateway/base/mem.h"

typedef void (*handler_fn)(struct request *request);

enum api {
    ADMIN_API = 1,
    STATUS_API = 2,
    UNLISTED = 4,     /* not in /endpoints */
    EVERY_METHOD = 8, /* whatever the row says */
    NO_BODY = 16,     /* none is looked at, whatever its type */
    ABSENT = ADMIN_API | EVERY_METHOD | NO_BODY,
};

static const struct route {
    enum method method;
    const char *form;
    handler_fn handle;
    unsigned apis; /* set of enum api */
} routes[] = {
    /* clang-format off */
    {METHOD_GET,    "/",                         root_show,                 ADMIN_API},
    {METHOD_GET,    "/robots.txt",               robots_show,               ADMIN_API | UNLISTED},
    {METHOD_GET,    "/status",                   status_show,               ADMIN_API | STATUS_API},
    {METHOD_GET,    "/status/ready",             status_ready,              STATUS_API},
    {METHOD_GET,    "/status/live",              status_live,               STATUS_API},
    {METHOD_GET,    "/metrics",                  metrics_show,              ADMIN_API | STATUS_API},
    {METHOD_GET,    "/endpoints",                endpoints_show,            ADMIN_API},
    {METHOD_GET,    "/openapi.json",             openapi_show,              ADMIN_API | UNLISTED},
    {METHOD_GET,    "/plugins/enabled",          plugins_enabled,           ADMIN_API},
    {METHOD_GET,    "/plugins/schema/{name}",    schema_show_plugin_config, ADMIN_API},
    {METHOD_POST,   "/schemas/plugins/validate", schema_validate_plugin,    ADMIN_API},
    {METHOD_GET,    "/schemas/plugins/{name}",   schema_show_plugin,        ADMIN_API},
    {METHOD_POST,   "/schemas/vaults/validate",  schema_validate_vault,     ADMIN_API | UNLISTED},
    {METHOD_GET,    "/schemas/vaults/{name}",    schema_show_vault,         ADMIN_API},
    {METHOD_GET,    "/schemas/filters/{name}",   schema_show_filter,        ADMIN_API},
    {METHOD_GET,    "/schemas/{name}",           schema_show,               ADMIN_API},
    {METHOD_POST,   "/schemas/{db_entity_name}/validate", schema_validate,  ADMIN_API},
    {METHOD_GET,    "/tags",                     tags_list,                 ADMIN_API},
    {METHOD_POST,   "/tags",                     tags_refuse,               ADMIN_API},
    {METHOD_GET,    "/tags/{tags}",              tags_show,                 ADMIN_API},
    {METHOD_GET,    "/cache",                    cache_list,                ADMIN_API},
    {METHOD_DELETE, "/cache",                    cache_drop_all,            ADMIN_API},
    {METHOD_GET,    "/cache/{key}",              cache_show,                ADMIN_API},
    {METHOD_DELETE, "/cache/{key}",              cache_drop,                ADMIN_API},
    {METHOD_GET,    "/debug/node/log-level",     log_level_show,            ADMIN_API},
    {METHOD_PUT,    "/debug/node/log-level/{log_level}",    log_level_set_here,       ADMIN_API},
    {METHOD_PUT,    "/debug/cluster/log-level/{log_level}", log_level_set_everywhere, ADMIN_API},
    {METHOD_GET,    "/upstreams/{upstreams}/health", upstream_health_show,  ADMIN_API},
    {METHOD_PUT,    "/upstreams/{upstreams}/targets/{targets}/healthy",             target_health_set, ADMIN_API | NO_BODY},
    {METHOD_PUT,    "/upstreams/{upstreams}/targets/{targets}/unhealthy",           target_health_set, ADMIN_API | NO_BODY},
    {METHOD_PUT,    "/upstreams/{upstreams}/targets/{targets}/{address}/healthy",   target_health_set, ADMIN_API | NO_BODY},
    {METHOD_PUT,    "/upstreams/{upstreams}/targets/{targets}/{address}/unhealthy", target_health_set, ADMIN_API | NO_BODY},
    {METHOD_GET,    "/cluster/position",         cluster_position,          ADMIN_API},
    {METHOD_GET,    "/cluster/positions/{position}", cluster_commit,        ADMIN_API},
    {METHOD_GET,    "/cluster/events",           cluster_events,            ADMIN_API},
    {METHOD_GET,    "/cluster/nodes",            cluster_nodes,             ADMIN_API},
    {METHOD_GET,    "/timers",                   timers_show,               ADMIN_API},
    {METHOD_GET,    "/workspaces",               workspaces_list,           ADMIN_API},
    {METHOD_GET,    "/workspaces/{workspaces}",  workspaces_show,           ADMIN_API},
    {METHOD_GET,    "/config",                   absent_config,             ADMIN_API},
    {METHOD_POST,   "/config",                   absent_config,             ADMIN_API | NO_BODY},
    {METHOD_GET,    "/clustering/data-planes",   absent_control_plane,      ADMIN_API},
    {METHOD_GET,    "/clustering/status",        absent_control_plane,      ADMIN_API},
    {METHOD_GET,    "/filter-chains",                           absent_filters, ABSENT},
    {METHOD_GET,    "/filter-chains/{filter_chains}",           absent_filters, ABSENT},
    {METHOD_GET,    "/filter-chains/{filter_chains}/route",     absent_filters, ABSENT},
    {METHOD_GET,    "/filter-chains/{filter_chains}/service",   absent_filters, ABSENT},
    {METHOD_GET,    "/routes/{routes}/filter-chains",           absent_filters, ABSENT},
    {METHOD_GET,    "/routes/{routes}/filter-chains/{filter_chains}", absent_filters, ABSENT},
    {METHOD_GET,    "/routes/{routes}/filters/all",             absent_filters, ABSENT},
    {METHOD_GET,    "/routes/{routes}/filters/disabled",        absent_filters, ABSENT},
    {METHOD_GET,    "/routes/{routes}/filters/enabled",         absent_filters, ABSENT},
    {METHOD_GET,    "/services/{services}/filter-chains",       absent_filters, ABSENT},
    {METHOD_GET,    "/services/{services}/filter-chains/{filter_chains}", absent_filters, ABSENT},
    /* clang-format on */
};

/* In the order in which Allow lists them. */
static const struct {
    const char *name;
    enum method method;
} offered_names[] = {
    {"DELETE", METHOD_DELETE}, {"GET", METHOD_GET},   {"HEAD", METHOD_GET}, {"OPTIONS", METHOD_OPTIONS},
    {"PATCH", METHOD_PATCH},   {"POST", METHOD_POST}, {"PUT", METHOD_PUT},
};

/* What a path offers: a handler per method, NULL where there is none. */
struct offer {
    handler_fn handlers[METHOD_OFFERED_COUNT];
    bool takes_no_body;
};

static void add_offer(struct offer *offer, const struct route *route)
{
    offer->handlers[route->method] = route->handle;
    offer->takes_no_body |= (route->apis & NO_BODY) != 0;
    for (size_t i = 0; (route->apis & EVERY_METHOD) != 0 && i < METHOD_OFFERED_COUNT; i++)
        offer->handlers[i] = route->handle;
}

static bool find_route(const struct request *request, struct offer *offer)
{
    unsigned api = request->is_status_api ? STATUS_API : ADMIN_API;
    const char *form = NULL;

    for (size_t i = 0; i < COUNT(routes); i++) {
        const struct route *route = &routes[i];
        if (form == NULL && (route->apis & api) != 0 && path_matches(&request->path, route->form))
            form = route->form;
        if (form != NULL && strcmp(form, route->form) == 0)
            add_offer(offer, route);
    }
    return form != NULL;
}

static bool find_entity(struct request *request, struct offer *offer)
{
    if (request->is_status_api ||
        !crud_find(request->admin->options.schemas, &request->path, &request->target))
        return false;
    for (enum method method = METHOD_GET; method <= METHOD_DELETE; method++)
        if (crud_offers(request->target.kind, request->target.is_by_id, method))
            offer->handlers[method] = crud_answer;
    return true;
}

static bool find_of_plugin(const struct request *request, struct offer *offer)
{
    static const enum method methods[] = {METHOD_GET, METHOD_DELETE};
    bool found = false;

    for (size_t i = 0; i < COUNT(methods) && !request->is_status_api; i++) {
        if (plugin_endpoints_find(request, methods[i]) == NULL)
            continue;
        offer->handlers[methods[i]] = plugin_endpoint_answer;
        found = true;
    }
    return found;
}

static void answer_options(struct request *request, const struct offer *offer)
{
    size_t length = 0;

    for (size_t i = 0; i < COUNT(offered_names); i++) {
        enum method method = offered_names[i].method;
        if (method != METHOD_OPTIONS && offer->handlers[method] == NULL)
            continue;
        length += (size_t)snprintf(request->allow + length, sizeof(request->allow) - length, "%s%s",
                                   length > 0 ? ", " : "", offered_names[i].name);
    }
    answer_empty(&request->answer, 204);
    request->answer.allow = request->allow;
}

static bool read_body(struct request *request)
{
    const struct exchange_request *in = exchange_request(request->exchange);
    const struct header *type = headers_find(&in->headers, STR("content-type"));
    struct answer *answer = &request->answer;

    switch (body_parse(type != NULL ? type->value : STR_NONE, in->body, &request->body)) {
    case BODY_OK:
        return true;
    case BODY_BAD_JSON:
        answer_message(answer, 400, "Cannot parse JSON body");
        return false;
    case BODY_BAD_FORM:
        answer_message(answer, 400, "Cannot parse form body");
        return false;
    case BODY_TOO_MANY:
        answer_message(answer, 400, "Too many arguments");
        return false;
    case BODY_UNSUPPORTED:
        break;
    }
    answer_text(answer, 415, "text/html; charset=utf-8",
                "<html><head><title>415 Unsupported Media Type</title></head>"
                "<body><h1>415 Unsupported Media Type</h1></body></html>\n");
    return false;
}

static bool has_body(enum method method)
{
    return method == METHOD_POST || method == METHOD_PUT || method == METHOD_PATCH;
}

/* The order clients know: '/' is below every other character. */
static int compare_templates(const void *a, const void *b)
{
    const unsigned char *left = *(unsigned char *const *)a;
    const unsigned char *right = *(unsigned char *const *)b;

    while (*left != '\0' && *left == *right) {
        left++;
        right++;
    }
    return (*left == '/' ? 1 : *left) - (*right == '/' ? 1 : *right);
}

struct templates {
    char **at;
    size_t count;
};

static void add_template(struct templates *templates, const char *text)
{
    templates->at = mem_realloc(templates->at, (templates->count + 1) * sizeof(char *));
    templates->at[templates->count++] = mem_strdup(text);
}

static void add_entity_template(void *arg, const struct crud_template *template)
{
    add_template(arg, template->text);
}

static void add_plugin_template(void *arg, enum method method, const struct plugin_endpoint *endpoint)
{
    (void)method;
    add_template(arg, endpoint->form);
}

void endpoints_show(struct request *request)
{
    struct templates templates = {0};
    cJSON *json = cJSON_CreateObject();
    cJSON *data = cJSON_AddArrayToObject(json, "data");

    for (size_t i = 0; i < COUNT(routes); i++)
        if ((routes[i].apis & (ADMIN_API | UNLISTED)) == ADMIN_API)
            add_template(&templates, routes[i].form);
    plugin_endpoints_each(request->admin->options.schemas, add_plugin_template, &templates);
    crud_templates(request->admin->options.schemas, add_entity_template, &templates);
    qsort(templates.at, templates.count, sizeof(char *), compare_templates);
    for (size_t i = 0; i < templates.count; i++)
        if (i == 0 || strcmp(templates.at[i], templates.at[i - 1]) != 0)
            (void)cJSON_AddItemToArray(data, cJSON_CreateString(templates.at[i]));
    for (size_t i = 0; i < templates.count; i++)
        free(templates.at[i]);
    free(templates.at);
    answer_json(&request->answer, 200, json);
}

void routes_each(void (*row)(void *arg, enum method method, const char *form), void *arg)
{
    for (size_t i = 0; i < COUNT(routes); i++) {
        struct offer offer = {0};
        if ((routes[i].apis & ADMIN_API) != 0)
            add_offer(&offer, &routes[i]);
        for (enum method method = METHOD_GET; method <= METHOD_DELETE; method++)
            if (offer.handlers[method] != NULL)
                row(arg, method, routes[i].form);
    }
}

void routes_answer(struct request *request)
{
    struct offer offer = {0};

    if (!find_route(request, &offer) && !find_of_plugin(request, &offer) && !find_entity(request, &offer)) {
        answer_not_found(&request->answer);
    } else if (request->method == METHOD_OPTIONS) {
        answer_options(request, &offer);
    } else if (request->method == METHOD_OTHER || offer.handlers[request->method] == NULL) {
        answer_message(&request->answer, 405, "Method not allowed");
    } else if (!query_string_parse(exchange_request(request->exchange)->query, &request->query)) {
        answer_message(&request->answer, 400, "Too many arguments");
    } else if (request->method != METHOD_GET && !await_read(request)) {
        return;
    } else if (!has_body(request->method) || offer.takes_no_body || read_body(request)) {
        offer.handlers[request->method](request);
    }
}
