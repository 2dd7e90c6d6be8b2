/*
 * draft_routes - routes and services. A service that is switched off or goes takes its routes out of the
 * router, one that comes back puts them in again. Routes are grouped by service, so that neither looks at
 * the routes of others.
 */

#include "gateway/proxy/draft_inside.h"

#include "gateway/base/log.h"
#include "gateway/model/entities.h"
#include "gateway/model/schema.h"
#include "gateway/router/router.h"

enum {
    SERVED_PROTOCOLS = PROTOCOL_HTTP | PROTOCOL_HTTPS | PROTOCOL_GRPC | PROTOCOL_GRPCS
};

static bool change_router(struct draft *draft, struct routed *old, struct routed *new, struct err *err)
{
    const struct router_change change = {.old = old, .new = new};
    return router_change(&draft->next->router, &change, 1, err);
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

/* Compiled even when it is not served now, so that a bad pattern is known when it is written. */
bool draft_set_route(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    struct routed *after = value;
    struct routed *before = pmap_find(draft->next->routes, id->bytes);
    if (!change_router(draft, before, after, err))
        return false;
    if (after != NULL && !is_served(draft, after->route))
        (void)change_router(draft, after, NULL, NULL); /* taking out cannot fail */
    if (before != NULL)
        draft_set_in_group(&draft->next->groups, &snapshot_groups, &snapshot_routes, &before->route->service,
                           id, NULL);
    if (after != NULL)
        draft_set_in_group(&draft->next->groups, &snapshot_groups, &snapshot_routes, &after->route->service,
                           id, after);
    pmap_set(&draft->next->routes, &snapshot_routes, id->bytes, after);
    return true;
}

bool draft_put_route(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    struct routed *routed = routed_new(object, route_schema.release);
    bool ok = draft_set_route(draft, id, routed, err);
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

bool draft_set_service(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    const struct shared_service *after = value;
    const struct service *before = snapshot_service(draft->next, id);
    bool was_on = before != NULL && before->enabled;
    bool is_on = after != NULL && after->service->enabled;
    (void)err;
    pmap_set(&draft->next->services, &snapshot_services, id->bytes, value);
    if (was_on != is_on)
        pmap_each(pmap_find(draft->next->groups, id->bytes), is_on ? put_in_route : take_out_route, draft);
    return true;
}

bool draft_put_service(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    struct shared_service *shared = shared_service_new(object);
    bool ok = draft_set_service(draft, id, shared, err);
    snapshot_services.unref(shared);
    return ok;
}
