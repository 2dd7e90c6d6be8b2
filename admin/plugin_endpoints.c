/*
 * plugin_endpoints - see plugin_endpoints.h.
 *
 * An endpoint answers at once, from what this node has in memory. What it says besides becomes a word in the
 * log of changes, which every node acts on when it comes to that position, ours before the answer goes out.
 */

#include "admin/plugin_endpoints.h"

#include <string.h>

#include "admin/audit.h"
#include "admin/state.h"

static enum method method_of(const struct plugin_endpoint *endpoint)
{
    return strcmp(endpoint->method, "DELETE") == 0 ? METHOD_DELETE : METHOD_GET;
}

void plugin_endpoints_each(const struct schemas *schemas,
                           void (*row)(void *arg, enum method method, const struct plugin_endpoint *endpoint),
                           void *arg)
{
    for (size_t i = 0; i < schemas_plugin_count(schemas); i++)
        for (const struct plugin_endpoint *endpoint = schemas_plugin_at(schemas, i)->endpoints;
             endpoint != NULL && endpoint->method != NULL; endpoint++)
            row(arg, method_of(endpoint), endpoint);
}

struct search {
    const struct request *request;
    enum method method;
    const struct plugin_endpoint *found;
};

static void compare(void *arg, enum method method, const struct plugin_endpoint *endpoint)
{
    struct search *search = arg;

    if (search->found == NULL && method == search->method &&
        path_matches(&search->request->path, endpoint->form))
        search->found = endpoint;
}

const struct plugin_endpoint *plugin_endpoints_find(const struct request *request, enum method method)
{
    struct search search = {request, method, NULL};

    plugin_endpoints_each(request->admin->options.schemas, compare, &search);
    return search.found;
}

/* Those that stand for a name in braces, in order. */
static void read_segments(const struct request *request, const char *form,
                          struct str segments[PATH_MAX_SEGMENTS])
{
    size_t count = 0;
    size_t number = 0;

    for (const char *slash = strchr(form, '/'); slash != NULL; slash = strchr(slash + 1, '/'), number++)
        if (slash[1] == '{')
            segments[count++] = request->path.segments[number];
}

/* A job. The answer stands already. */
static void say(struct store_session *session, struct request *request)
{
    const struct plugin_endpoint *endpoint = plugin_endpoints_find(request, request->method);
    struct store_error error = {0};
    struct outbox_receipt receipt = {0};
    struct str segments[PATH_MAX_SEGMENTS];
    char word[PLUGIN_WORD_SIZE];

    read_segments(request, endpoint->form, segments);
    if (!endpoint->say(segments, word))
        return;
    if (store_say(session, word, &receipt, &error))
        request_spread(request, session, &receipt);
    else
        answer_store_error(&request->answer, NULL, &error);
    store_error_fini(&error);
}

void plugin_endpoint_answer(struct request *request)
{
    const struct plugin_endpoint *endpoint = plugin_endpoints_find(request, request->method);
    struct str segments[PATH_MAX_SEGMENTS];
    char word[PLUGIN_WORD_SIZE];
    cJSON *json = NULL;

    read_segments(request, endpoint->form, segments);
    switch (endpoint->answer(request->admin->options.plugin_world, segments, &json)) {
    case 200:
        answer_json(&request->answer, 200, json);
        break;
    case 204:
        answer_empty(&request->answer, 204);
        break;
    default:
        answer_not_found(&request->answer);
        break;
    }
    if (endpoint->say == NULL || !endpoint->say(segments, word))
        return;
    audit_note(request, "purge", endpoint->form, word);
    request_run(request, say);
}
