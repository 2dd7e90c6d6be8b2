/*
 * health_view - see health_view.h.
 */

#include "gateway/proxy/health_view.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/base/pmap.h"
#include "gateway/chain/plugin.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/balance.h"
#include "gateway/proxy/snapshot.h"

static const char *dns_name(const struct balance_target *target)
{
    static const struct {
        uint16_t type;
        const char *name;
    } types[] = {{1, "A"}, {28, "AAAA"}, {33, "SRV"}};

    for (size_t i = 0; i < COUNT(types); i++)
        if (types[i].type == target->dns_type)
            return types[i].name;
    return "unknown";
}

static enum health_state state_if(bool healthy)
{
    return healthy ? HEALTH_GOOD : HEALTH_BAD;
}

/* Good if one of its addresses is; without any, what DNS says. */
static enum health_state state_of(const struct balance_target *target, const struct health_view_target *view)
{
    enum health_state state = HEALTH_OFF;

    if (view->count == 0)
        return target->name == BALANCE_UNKNOWN ? HEALTH_UNKNOWN : HEALTH_NO_ADDRESS;
    for (size_t i = 0; i < view->count && state != HEALTH_GOOD; i++)
        if (view->addresses[i].state != HEALTH_OFF)
            state = view->addresses[i].state;
    return state;
}

static void show_address(const struct balancer_entry *entry, bool is_checked,
                         struct health_view_address *address)
{
    bool is_good = health_is_good(&entry->peer->health);

    (void)peer_text_host(&entry->peer->address, address->ip);
    address->port = peer_text_port(&entry->peer->address);
    address->weight = entry->weight;
    address->healthy = is_good;
    address->state = !is_checked || entry->weight == 0 ? HEALTH_OFF : state_if(is_good);
}

static void show_target(const struct balance_target *target, struct health_view_target *view)
{
    view->id = target->id;
    view->host = mem_strdup(target->host);
    view->port = target->port;
    view->weight = target->weight;
    view->dns = dns_name(target);
}

/* Entries are by address: each target gets a stretch of the block, and then what belongs there. */
static void show_addresses(const struct balance_set *set, bool is_checked, struct health_view *view)
{
    size_t count;
    const struct balancer_entry *entries = balancer_entries(set->balancer, &count);
    struct health_view_address *next;

    view->addresses = next = mem_zalloc((count + 1) * sizeof(*view->addresses));
    for (size_t i = 0; i < count; i++)
        view->targets[entries[i].target].count++;
    for (size_t i = 0; i < view->count; i++) {
        view->targets[i].addresses = next;
        next += view->targets[i].count;
        view->targets[i].count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        struct health_view_target *target = &view->targets[entries[i].target];
        struct health_view_address *address = &target->addresses[target->count++];
        show_address(&entries[i], is_checked, address);
        target->sum.total += address->weight;
        target->sum.available += address->healthy ? address->weight : 0;
    }
}

struct health_view *health_view_new(const struct upstream *upstream, const struct balance_set *set)
{
    struct health_view *view = mem_zalloc(sizeof(*view));
    bool is_checked = upstream_probes(upstream) || upstream_watches(upstream);
    struct balancer_availability availability;

    view->upstream = upstream->id;
    view->count = set->target_count;
    view->targets = mem_zalloc((view->count + 1) * sizeof(*view->targets));
    for (size_t i = 0; i < view->count; i++)
        show_target(&set->targets[i], &view->targets[i]);
    show_addresses(set, is_checked, view);
    for (size_t i = 0; i < view->count; i++) {
        view->targets[i].state = state_of(&set->targets[i], &view->targets[i]);
        view->sum.total += view->targets[i].sum.total;
        view->sum.available += view->targets[i].sum.available;
    }
    balancer_availability(set->balancer, &availability);
    view->healthy = availability.healthy;
    view->state = !is_checked ? HEALTH_OFF : state_if(view->healthy);
    return view;
}

void health_view_free(struct health_view *view)
{
    if (view == NULL)
        return;
    for (size_t i = 0; i < view->count; i++)
        free(view->targets[i].host);
    free(view->targets);
    free(view->addresses);
    free(view);
}

static bool find_no_wish(void *arg, const uint8_t key[16], void *value)
{
    const struct plugin_instance *instance = value;
    bool *wanted = arg;

    (void)key;
    *wanted = instance->plugin->wants_health != NULL && instance->plugin->wants_health(instance->object);
    return !*wanted;
}

bool health_view_is_wanted(const struct snapshot *snapshot)
{
    bool wanted = false;

    pmap_each(snapshot->plugins, find_no_wish, &wanted);
    return wanted;
}

static int order_targets(const void *id, const void *target)
{
    return uuid_order(id, &((const struct health_view_target *)target)->id);
}

const struct health_view_target *health_view_find(const struct health_view *view, const struct uuid *target)
{
    return bsearch(target, view->targets, view->count, sizeof(*view->targets), order_targets);
}
