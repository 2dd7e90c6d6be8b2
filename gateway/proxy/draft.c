/*
 * draft - one function per routing entity, in a table. What a change of one entity means for others is here
 * and nowhere else: a service that is switched off or goes takes its routes out of the router, one that comes
 * back puts them in again.
 */

#include "gateway/proxy/draft.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/pmap.h"
#include "gateway/chain/scope.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/router/router.h"

struct draft {
    const struct draft_options *options;
    struct snapshot *next;
};

struct draft *draft_new(const struct draft_options *options, const struct snapshot *last)
{
    struct draft *draft = mem_alloc(sizeof(*draft));
    struct snapshot *next = mem_zalloc(sizeof(*next));
    *draft = (struct draft){.options = options, .next = next};
    next->router = last != NULL ? router_ref(last->router) : router_new();
    next->services = last != NULL ? pmap_ref(last->services) : NULL;
    next->routes = last != NULL ? pmap_ref(last->routes) : NULL;
    next->plugins = last != NULL ? pmap_ref(last->plugins) : NULL;
    next->scope = last != NULL ? scope_ref(last->scope) : scope_new(options->plugins, options->plugin_count);
    return draft;
}

struct snapshot *draft_finish(struct draft *draft, uint64_t position, int64_t tag)
{
    struct snapshot *next = draft->next;
    next->position = position;
    next->tag = tag;
    free(draft);
    return next;
}

void draft_free(struct draft *draft)
{
    if (draft == NULL)
        return;
    struct snapshot *next = draft->next;
    router_unref(next->router);
    pmap_unref(next->services, &snapshot_services);
    pmap_unref(next->routes, &snapshot_routes);
    pmap_unref(next->plugins, &snapshot_plugins);
    scope_unref(next->scope);
    free(next);
    free(draft);
}

/* map[id] = value, or without id when value is NULL. */
static void set_in(struct pmap **map, const struct pmap_values *values, const struct uuid *id, void *value)
{
    struct pmap *next =
        value != NULL ? pmap_with(*map, values, id->bytes, value) : pmap_without(*map, values, id->bytes);
    pmap_unref(*map, values);
    *map = next;
}

static bool change_router(struct draft *draft, struct routed *old, struct routed *new, struct err *err)
{
    const struct router_change change = {.old = old, .new = new};
    struct router *next = router_change(draft->next->router, &change, 1, err);
    if (next == NULL)
        return false;
    router_unref(draft->next->router);
    draft->next->router = next;
    return true;
}

/* Is a route of this service part of the router? */
static bool is_served(const struct draft *draft, const struct uuid *service)
{
    const struct service *found = snapshot_service(draft->next, service);
    return uuid_is_nil(service) || (found != NULL && found->enabled);
}

/* ---- routes ---- */

static bool set_route(struct draft *draft, const struct uuid *id, struct routed *new, struct err *err)
{
    struct routed *old = pmap_find(draft->next->routes, id->bytes);
    bool served = new != NULL &&is_served(draft, &new->route->service);
    /* Compiled even when it is not served now, so that a bad pattern is known when it is written. */
    if (!change_router(draft, old, new, err))
        return false;
    if (new != NULL && !served && !change_router(draft, new, NULL, err))
        return false;
    set_in(&draft->next->routes, &snapshot_routes, id, new);
    return true;
}

static bool put_route(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    struct routed *routed = routed_new(object, route_schema.release);
    bool ok = set_route(draft, id, routed, err);
    routed_unref(routed);
    return ok;
}

static void remove_route(struct draft *draft, const struct uuid *id)
{
    (void)set_route(draft, id, NULL, NULL); /* taking out cannot fail */
}

/* ---- services ---- */

struct switching {
    struct draft *draft;
    const struct uuid *service;
    bool on;
};

static bool switch_route(void *arg, const uint8_t key[16], void *value)
{
    const struct switching *switching = arg;
    struct routed *routed = value;
    (void)key;
    if (uuid_equal(&routed->route->service, switching->service))
        (void)change_router(switching->draft, switching->on ? NULL : routed, switching->on ? routed : NULL,
                            NULL);
    return true;
}

/* Only when a service is switched on or off are its routes looked for among all. */
static void switch_routes(struct draft *draft, const struct uuid *service, bool on)
{
    struct switching switching = {draft, service, on};
    struct pmap *routes = pmap_ref(draft->next->routes);
    pmap_each(routes, switch_route, &switching);
    pmap_unref(routes, &snapshot_routes);
}

static void set_service(struct draft *draft, const struct uuid *id, struct shared_service *new)
{
    const struct service *old = snapshot_service(draft->next, id);
    bool was_on = old != NULL && old->enabled;
    bool is_on = new != NULL &&new->service->enabled;
    set_in(&draft->next->services, &snapshot_services, id, new);
    if (was_on != is_on)
        switch_routes(draft, id, is_on);
}

static bool put_service(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    (void)err;
    struct shared_service *shared = mem_alloc(sizeof(*shared));
    *shared = (struct shared_service){.refs = 1, .service = object};
    set_service(draft, id, shared);
    snapshot_services.unref(shared);
    return true;
}

static void remove_service(struct draft *draft, const struct uuid *id)
{
    set_service(draft, id, NULL);
}

/* ---- plugins ---- */

static void set_plugin(struct draft *draft, const struct uuid *id, struct plugin_instance *new)
{
    struct plugin_instance *old = pmap_find(draft->next->plugins, id->bytes);
    struct scope_index *scope = scope_change(draft->next->scope, old, new);
    scope_unref(draft->next->scope);
    draft->next->scope = scope;
    set_in(&draft->next->plugins, &snapshot_plugins, id, new);
}

static const struct plugin *plugin_named(const struct draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->options->plugin_count; i++)
        if (strcmp(draft->options->plugins[i]->schema.name, name) == 0)
            return draft->options->plugins[i];
    return NULL;
}

static bool put_plugin(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    struct plugin_setting *setting = object;
    const struct plugin *plugin = plugin_named(draft, setting->name);
    struct plugin_instance *instance = NULL;
    bool ok = plugin != NULL ||
              err_set(err, ERR_INVALID, "plugin '%s' is in the database but not among this node's 'plugins'",
                      setting->name);
    if (ok && setting->enabled) {
        document_fill_config(&plugin->schema, setting->config);
        instance = plugin_instance_new(plugin, setting, err);
        ok = instance != NULL;
    }
    if (ok)
        set_plugin(draft, id, instance);
    plugin_instance_unref(instance);
    plugin_setting_schema.release(setting);
    return ok;
}

static void remove_plugin(struct draft *draft, const struct uuid *id)
{
    set_plugin(draft, id, NULL);
}

/* ---- the table ---- */

static const struct kind {
    const struct schema *schema;
    bool (*put)(struct draft *draft, const struct uuid *id, void *object,
                struct err *err); /* owns the object */
    void (*remove)(struct draft *draft, const struct uuid *id);
} kinds[] = {
    {&service_schema, put_service, remove_service},
    {&route_schema, put_route, remove_route},
    {&plugin_setting_schema, put_plugin, remove_plugin},
};

static const struct kind *kind_of(const struct schema *schema)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].schema == schema)
            return &kinds[i];
    return NULL;
}

bool draft_put(struct draft *draft, const struct schema *schema, const cJSON *document, struct err *err)
{
    const struct kind *kind = kind_of(schema);
    struct uuid id;
    void *object;
    size_t bytes;
    if (kind == NULL || !document_id(document, &id))
        return err_set(err, ERR_INVALID, "no routing entity with an id");
    return schema->decode(document, &object, &bytes, err) && kind->put(draft, &id, object, err);
}

void draft_remove(struct draft *draft, const struct schema *schema, const struct uuid *id)
{
    const struct kind *kind = kind_of(schema);
    if (kind != NULL)
        kind->remove(draft, id);
}
