/*
 * root - GET / and two small ones: what this node is, and every setting it runs with.
 */

#include "admin/handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/state.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/config/config.h"

static void add_list(cJSON *object, const char *name, const struct config_list *list)
{
    cJSON *array = cJSON_AddArrayToObject(object, name);

    for (size_t i = 0; i < list->count; i++)
        (void)cJSON_AddItemToArray(array, cJSON_CreateString(list->at[i]));
}

/* As it is written in files: in the largest unit that leaves no rest. */
static void add_size(cJSON *object, const char *name, int64_t bytes)
{
    static const char *const units[] = {"", "k", "m", "g"};
    char text[32];
    size_t unit = 0;

    while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < COUNT(units)) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(text, sizeof(text), "%" PRId64 "%s", bytes, units[unit]);
    (void)cJSON_AddStringToObject(object, name, text);
}

/* Numbers and truth values as JSON has them, lists as arrays, the rest as it is written in the file. */
static void add_setting(cJSON *object, const struct config *config, const struct config_key *key)
{
    const void *at = (const char *)config + key->offset;

    switch (key->kind) {
    case CONFIG_BOOLEAN:
        (void)cJSON_AddBoolToObject(object, key->name, *(const bool *)at);
        return;
    case CONFIG_INTEGER:
    case CONFIG_MILLISECONDS:
        if (*(const int64_t *)at != CONFIG_UNSET)
            (void)cJSON_AddNumberToObject(object, key->name, (double)*(const int64_t *)at);
        return;
    case CONFIG_SECONDS:
        if (*(const int64_t *)at != CONFIG_UNSET)
            (void)cJSON_AddNumberToObject(object, key->name, (double)*(const int64_t *)at / 1000);
        return;
    case CONFIG_NUMBER:
        (void)cJSON_AddNumberToObject(object, key->name, *(const double *)at);
        return;
    case CONFIG_LIST:
    case CONFIG_LISTEN:
    case CONFIG_NETWORKS:
    case CONFIG_PORT_MAPS:
    case CONFIG_HEADERS:
        add_list(object, key->name, at);
        return;
    case CONFIG_SECRET:
    case CONFIG_TEXT:
    case CONFIG_CHOICE:
    case CONFIG_ADDRESSES:
        if (*(char *const *)at == NULL)
            return;
        break;
    case CONFIG_BYTES:
        if (*(const int64_t *)at != CONFIG_UNSET)
            add_size(object, key->name, *(const int64_t *)at);
        return;
    }
    char *text = config_show(config, key);
    if (text != NULL)
        (void)cJSON_AddStringToObject(object, key->name, text);
    free(text);
}

static void add_listeners(cJSON *object, const char *name, const struct config_list *list)
{
    cJSON *array = cJSON_AddArrayToObject(object, name);

    for (size_t i = 0; i < list->count; i++) {
        struct config_listen listen;
        char reason[160];
        if (!config_parse_listen(list->at[i], &listen, reason))
            continue;
        cJSON *item = cJSON_CreateObject();
        char *ip = mem_strndup(listen.host.at, listen.host.len);
        (void)cJSON_AddStringToObject(item, "ip", ip);
        (void)cJSON_AddNumberToObject(item, "port", listen.port);
        (void)cJSON_AddBoolToObject(item, "ssl", listen.ssl);
        (void)cJSON_AddBoolToObject(item, "http2", listen.http2);
        (void)cJSON_AddBoolToObject(item, "proxy_protocol", listen.proxy_protocol);
        (void)cJSON_AddBoolToObject(item, "reuseport", listen.reuseport);
        (void)cJSON_AddStringToObject(item, "listener", list->at[i]);
        (void)cJSON_AddItemToArray(array, item);
        free(ip);
    }
}

/* What clients know beside the settings: the plugins' and vaults' names, and where files are. */
static void add_derived(cJSON *object, const struct config *config, const struct schemas *schemas)
{
    static const struct {
        const char *name;
        const char *place; /* below the prefix */
    } files[] = {{"nginx_err_logs", "logs/error.log"}, {"nginx_pid", "pids/freshet.pid"}};
    cJSON *loaded = cJSON_AddObjectToObject(object, "loaded_plugins");
    const struct schema *vaults = schemas_find(schemas, STR("vaults"));

    for (size_t i = 0; i < schemas_plugin_count(schemas); i++)
        (void)cJSON_AddBoolToObject(loaded, schemas_plugin_at(schemas, i)->name, true);
    loaded = cJSON_AddObjectToObject(object, "loaded_vaults");
    for (size_t i = 0; vaults->variants[i] != NULL; i++)
        (void)cJSON_AddBoolToObject(loaded, vaults->variants[i]->name, true);
    (void)cJSON_AddItemToArray(cJSON_AddArrayToObject(object, "vaults"), cJSON_CreateString("bundled"));
    if (config->file != NULL)
        (void)cJSON_AddStringToObject(object, "kong_env", config->file);
    for (size_t i = 0; i < COUNT(files); i++) {
        char *path = mem_printf("%s/%s", config->prefix, files[i].place);
        (void)cJSON_AddStringToObject(object, files[i].name, path);
        free(path);
    }
}

static cJSON *describe_configuration(const struct config *config, const struct schemas *schemas)
{
    cJSON *object = cJSON_CreateObject();

    for (size_t i = 0; i < config_key_count; i++)
        add_setting(object, config, &config_keys[i]);
    cJSON_DeleteItemFromObjectCaseSensitive(object, "log_level");
    (void)cJSON_AddStringToObject(object, "log_level", log_level_name(log_get_level()));
    add_listeners(object, "proxy_listeners", &config->proxy_listen);
    add_listeners(object, "admin_listeners", &config->admin_listen);
    add_listeners(object, "status_listeners", &config->status_listen);
    add_derived(object, config, schemas);
    return object;
}

static void add_plugins(cJSON *object, const struct schemas *schemas, cJSON *names)
{
    cJSON *plugins = cJSON_AddObjectToObject(object, "plugins");
    cJSON *available = cJSON_AddObjectToObject(plugins, "available_on_server");

    for (size_t i = 0; i < schemas_plugin_count(schemas); i++) {
        const struct plugin_schema *plugin = schemas_plugin_at(schemas, i);
        cJSON *one = cJSON_AddObjectToObject(available, plugin->name);
        (void)cJSON_AddStringToObject(one, "version", plugin->version);
        (void)cJSON_AddNumberToObject(one, "priority", plugin->priority);
    }
    (void)cJSON_AddItemToObject(plugins, "enabled_in_cluster", names);
}

static void add_process(cJSON *object, int64_t master_pid)
{
    cJSON *timers = cJSON_AddObjectToObject(object, "timers");
    cJSON *pids = cJSON_AddObjectToObject(object, "pids");
    cJSON *workers = cJSON_AddArrayToObject(pids, "workers");

    (void)cJSON_AddNumberToObject(timers, "running", 0);
    (void)cJSON_AddNumberToObject(timers, "pending", 0);
    (void)cJSON_AddNumberToObject(pids, "master", (double)master_pid);
    (void)cJSON_AddItemToArray(workers, cJSON_CreateNumber(getpid()));
}

/* A job: only the names of configured plugins come from the database. */
static void show_with_names(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    cJSON *names = NULL;

    if (!store_plugin_names(session, &names, &error)) {
        log_error("admin: the configured plugins cannot be read; why=%s", error.err.text);
        answer_message(&request->answer, 500, "An unexpected error occurred");
        store_error_fini(&error);
        return;
    }
    const struct admin_options *options = &request->admin->options;
    cJSON *object = cJSON_CreateObject();
    char host[256] = "";
    char id[UUID_TEXT_SIZE];
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    (void)cJSON_AddStringToObject(object, "tagline", "Welcome to kong");
    (void)cJSON_AddStringToObject(object, "version", ADMIN_API_VERSION);
    (void)cJSON_AddStringToObject(object, "hostname", host);
    (void)cJSON_AddStringToObject(object, "node_id", uuid_format(&options->node_id, id));
    (void)cJSON_AddStringToObject(object, "lua_version", "LuaJIT 2.1.0-beta3");
    (void)cJSON_AddStringToObject(object, "edition", "community");
    (void)cJSON_AddStringToObject(cJSON_AddObjectToObject(object, "freshet"), "version", FRESHET_VERSION);
    add_process(object, options->master_pid);
    add_plugins(object, options->schemas, names);
    (void)cJSON_AddItemToObject(object, "configuration",
                                describe_configuration(request->config, options->schemas));
    answer_json(&request->answer, 200, object);
}

void root_show(struct request *request)
{
    request_run(request, show_with_names);
}

void robots_show(struct request *request)
{
    answer_text(&request->answer, 200, "text/plain; charset=utf-8", "User-agent: *\nDisallow: /\n");
}

void plugins_enabled(struct request *request)
{
    const struct schemas *schemas = request->admin->options.schemas;
    cJSON *object = cJSON_CreateObject();
    cJSON *names = cJSON_AddArrayToObject(object, "enabled_plugins");

    for (size_t i = 0; i < schemas_plugin_count(schemas); i++)
        (void)cJSON_AddItemToArray(names, cJSON_CreateString(schemas_plugin_at(schemas, i)->name));
    answer_json(&request->answer, 200, object);
}
