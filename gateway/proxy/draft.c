/*
 * draft - one row per routing entity in a table. What a change of one entity means for others is here and
 * nowhere else: a service that is switched off or goes takes its routes out of the router, one that comes
 * back puts them in again. Routes are grouped by service, so that neither looks at the routes of others.
 */

#include "gateway/proxy/draft.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/pmap.h"
#include "gateway/chain/scope.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/router/router.h"

enum {
    SERVED_PROTOCOLS = PROTOCOL_HTTP | PROTOCOL_HTTPS | PROTOCOL_GRPC | PROTOCOL_GRPCS
};

struct draft {
    const struct draft_options *options;
    const struct snapshot *last;
    enum draft_start start;
    struct snapshot *next;
};

/* map[id] = value, or without id when value is NULL. */
static void set_in(struct pmap **map, const struct pmap_values *values, const struct uuid *id, void *value)
{
    struct pmap *after =
        value != NULL ? pmap_with(*map, values, id->bytes, value) : pmap_without(*map, values, id->bytes);
    pmap_unref(*map, values);
    *map = after;
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

/* ---- routes ---- */

/* Stream routes never take part in the choice of a route for HTTP (data-plane reference, 1.2). */
static bool is_served(const struct draft *draft, const struct route *route)
{
    if ((route->protocols & SERVED_PROTOCOLS) == 0)
        return false;
    const struct service *service = snapshot_service(draft->next, &route->service);
    return uuid_is_nil(&route->service) || (service != NULL && service->enabled);
}

static void set_in_group(struct draft *draft, const struct uuid *service, const struct uuid *id, void *routed)
{
    if (uuid_is_nil(service))
        return;
    struct pmap *group = pmap_ref(pmap_find(draft->next->groups, service->bytes));
    set_in(&group, &snapshot_routes, id, routed);
    set_in(&draft->next->groups, &snapshot_groups, service, group);
    pmap_unref(group, &snapshot_routes);
}

/* Compiled even when it is not served now, so that a bad pattern is known when it is written. */
static bool set_route(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    struct routed *after = value;
    struct routed *before = pmap_find(draft->next->routes, id->bytes);
    if (!change_router(draft, before, after, err))
        return false;
    if (after != NULL && !is_served(draft, after->route))
        (void)change_router(draft, after, NULL, NULL); /* taking out cannot fail */
    if (before != NULL)
        set_in_group(draft, &before->route->service, id, NULL);
    if (after != NULL)
        set_in_group(draft, &after->route->service, id, after);
    set_in(&draft->next->routes, &snapshot_routes, id, after);
    return true;
}

static bool put_route(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    struct routed *routed = routed_new(object, route_schema.release);
    bool ok = set_route(draft, id, routed, err);
    char text[UUID_TEXT_SIZE];
    if (ok && (routed->route->protocols & SERVED_PROTOCOLS) == 0)
        log_notice("draft: a route of stream protocols is kept but not served; id=%s", uuid_format(id, text));
    routed_unref(routed);
    return ok;
}

/* ---- services ---- */

static bool take_out_route(void *draft, const uint8_t key[16], void *value)
{
    (void)key;
    (void)change_router(draft, value, NULL, NULL); /* taking out cannot fail */
    return true;
}

static bool put_in_route(void *draft, const uint8_t key[16], void *value)
{
    const struct routed *routed = value;
    (void)key;
    if (is_served(draft, routed->route))
        (void)change_router(draft, NULL, value, NULL); /* its patterns have compiled before */
    return true;
}

static bool set_service(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    const struct shared_service *after = value;
    const struct service *before = snapshot_service(draft->next, id);
    bool was_on = before != NULL && before->enabled;
    bool is_on = after != NULL && after->service->enabled;
    (void)err;
    set_in(&draft->next->services, &snapshot_services, id, value);
    if (was_on != is_on)
        pmap_each(pmap_find(draft->next->groups, id->bytes), is_on ? put_in_route : take_out_route, draft);
    return true;
}

static bool put_service(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    struct shared_service *shared = shared_service_new(object);
    bool ok = set_service(draft, id, shared, err);
    snapshot_services.unref(shared);
    return ok;
}

/* ---- plugins ---- */

static bool set_plugin(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    struct plugin_instance *before = pmap_find(draft->next->plugins, id->bytes);
    (void)err;
    if (before == NULL && value == NULL)
        return true;
    struct scope_index *scope = scope_change(draft->next->scope, before, value);
    scope_unref(draft->next->scope);
    draft->next->scope = scope;
    set_in(&draft->next->plugins, &snapshot_plugins, id, value);
    return true;
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
    if (ok) /* one that is switched off is as though it were not there */
        ok = set_plugin(draft, id, instance, err);
    plugin_instance_unref(instance);
    plugin_setting_schema.release(setting);
    return ok;
}

/* ---- the table ---- */

static const struct kind {
    const struct schema *schema;
    size_t members; /* offset of its map in struct snapshot */
    /* From a decoded object, which it owns. */
    bool (*put)(struct draft *draft, const struct uuid *id, void *object, struct err *err);
    /* To a member of the map, or to none. Fails for a new member only. */
    bool (*set)(struct draft *draft, const struct uuid *id, void *value, struct err *err);
} kinds[] = {
    {&service_schema, offsetof(struct snapshot, services), put_service, set_service},
    {&route_schema, offsetof(struct snapshot, routes), put_route, set_route},
    {&plugin_setting_schema, offsetof(struct snapshot, plugins), put_plugin, set_plugin},
};

static const struct kind *kind_of(const struct schema *schema)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].schema == schema)
            return &kinds[i];
    return NULL;
}

static void set_failing(struct draft *draft, const struct uuid *id, bool fails)
{
    static char mark; /* some value that is not NULL */
    set_in(&draft->next->failing, &snapshot_failing, id, fails ? &mark : NULL);
}

/* A whole draft starts empty: the version that served until now is fetched. */
static void keep(struct draft *draft, const struct kind *kind, const struct uuid *id)
{
    if (draft->start != DRAFT_WHOLE || draft->last == NULL)
        return;
    const void *members = (const char *)draft->last + kind->members;
    void *value = pmap_find(*(struct pmap *const *)members, id->bytes);
    if (value != NULL)
        (void)kind->set(draft, id, value, NULL); /* it has compiled before */
}

bool draft_put(struct draft *draft, const struct schema *schema, const cJSON *document, struct err *err)
{
    const struct kind *kind = kind_of(schema);
    struct uuid id;
    void *object;
    size_t bytes;
    if (kind == NULL || !document_id(document, &id))
        return err_set(err, ERR_INVALID, "no routing entity with an id");
    bool ok = schema->decode(document, &object, &bytes, err) && kind->put(draft, &id, object, err);
    set_failing(draft, &id, !ok);
    if (!ok)
        keep(draft, kind, &id);
    return ok;
}

void draft_remove(struct draft *draft, const struct schema *schema, const struct uuid *id)
{
    const struct kind *kind = kind_of(schema);
    if (kind == NULL)
        return;
    (void)kind->set(draft, id, NULL, NULL); /* taking out cannot fail */
    set_failing(draft, id, false);
}

struct draft *draft_new(const struct draft_options *options, const struct snapshot *last,
                        enum draft_start start)
{
    bool from_last = last != NULL && start == DRAFT_CHANGED;
    struct draft *draft = mem_alloc(sizeof(*draft));
    struct snapshot *next = mem_zalloc(sizeof(*next));
    *draft = (struct draft){.options = options, .last = last, .start = start, .next = next};
    next->router = from_last ? router_ref(last->router) : router_new();
    next->services = from_last ? pmap_ref(last->services) : NULL;
    next->routes = from_last ? pmap_ref(last->routes) : NULL;
    next->groups = from_last ? pmap_ref(last->groups) : NULL;
    next->plugins = from_last ? pmap_ref(last->plugins) : NULL;
    next->failing = from_last ? pmap_ref(last->failing) : NULL;
    next->scope = from_last ? scope_ref(last->scope) : scope_new(options->plugins, options->plugin_count);
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
    snapshot_free(draft->next);
    free(draft);
}
