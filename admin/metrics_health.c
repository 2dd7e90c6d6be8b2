/*
 * metrics_health - the part of /metrics about the peers of upstreams: what this node's prober, which lives on
 * this loop, thinks of each address. Some upstreams per piece.
 */

#include "admin/metrics_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin/state.h"
#include "gateway/base/exposition.h"
#include "gateway/base/mem.h"
#include "gateway/base/pmap.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/health_view.h"
#include "gateway/proxy/prober.h"
#include "gateway/proxy/snapshot.h"

static const char family[] = "kong_upstream_target_health";

/* Those of the snapshot at the beginning; who is gone meanwhile has no view. */
struct metrics_upstreams {
    size_t count, next;
    struct named_upstream {
        struct uuid id;
        char *name;
    } at[];
};

static bool note_upstream(void *arg, const uint8_t key[16], void *value)
{
    struct metrics_upstreams *upstreams = arg;
    const struct upstream *upstream = ((const struct balanced *)value)->upstream;
    struct named_upstream *noted = &upstreams->at[upstreams->count++];

    (void)key;
    noted->id = upstream->id;
    noted->name = mem_strdup(upstream->name);
    return true;
}

/* Without any, where nobody wants them. */
static struct metrics_upstreams *look(const struct admin *admin)
{
    const struct admin_options *options = &admin->options;
    const struct snapshot *snapshot = snapshot_pin(options->place, options->loop_number);
    bool wanted = snapshot != NULL && health_view_is_wanted(snapshot);
    size_t count = wanted ? pmap_count(snapshot->upstreams) : 0;
    struct metrics_upstreams *upstreams =
        mem_zalloc(sizeof(*upstreams) + count * sizeof(struct named_upstream));

    if (wanted)
        pmap_each(snapshot->upstreams, note_upstream, upstreams);
    if (snapshot != NULL)
        snapshot_unpin(options->place, options->loop_number, snapshot);
    return upstreams;
}

void metrics_upstreams_free(struct metrics_upstreams *upstreams)
{
    for (size_t i = 0; upstreams != NULL && i < upstreams->count; i++)
        free(upstreams->at[i].name);
    free(upstreams);
}

/* `labels` are those of the address, without a state. */
static void write_states(struct buf *out, struct str labels, enum health_state now)
{
    static const struct {
        const char *name;
        enum health_state state, other;
    } states[] = {
        {"healthchecks_off", HEALTH_OFF, HEALTH_OFF},
        {"healthy", HEALTH_GOOD, HEALTH_GOOD},
        {"unhealthy", HEALTH_BAD, HEALTH_BAD},
        {"dns_error", HEALTH_NO_ADDRESS, HEALTH_UNKNOWN},
    };

    for (size_t i = 0; i < COUNT(states); i++) {
        struct buf all = {0};
        buf_add_str(&all, labels);
        exposition_label(&all, "state", str_of(states[i].name));
        exposition_label(&all, "subsystem", STR("http"));
        exposition_sample(out, family, buf_str(&all), now == states[i].state || now == states[i].other);
        buf_fini(&all);
    }
}

static void write_address(struct buf *out, const char *upstream, const struct health_view_target *target,
                          const struct health_view_address *address)
{
    struct buf labels = {0};
    struct buf text = {0};

    exposition_label(&labels, "upstream", str_of(upstream));
    buf_printf(&text, "%s:%d", target->host, target->port);
    exposition_label(&labels, "target", buf_str(&text));
    buf_clear(&text);
    if (address != NULL)
        buf_printf(&text, "%s:%d", address->ip, address->port);
    exposition_label(&labels, "address", buf_str(&text));
    write_states(out, buf_str(&labels), address != NULL ? address->state : target->state);
    buf_fini(&labels);
    buf_fini(&text);
}

static void write_upstream(struct buf *out, const char *name, const struct health_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        const struct health_view_target *target = &view->targets[i];
        if (target->count == 0)
            write_address(out, name, target, NULL);
        for (size_t j = 0; j < target->count; j++)
            write_address(out, name, target, &target->addresses[j]);
    }
}

bool metrics_write_health(struct scrape *scrape, struct buf *out)
{
    if (scrape->upstreams == NULL) {
        scrape->upstreams = look(scrape->admin);
        if (scrape->upstreams->count > 0)
            exposition_family(out, family, "gauge", "state of an address of a target: 1 where it is");
    }
    struct metrics_upstreams *upstreams = scrape->upstreams;
    while (upstreams->next < upstreams->count && out->len < METRICS_PIECE_BYTES) {
        const struct named_upstream *upstream = &upstreams->at[upstreams->next++];
        struct health_view *view = prober_view(scrape->admin->options.prober, &upstream->id);
        if (view != NULL)
            write_upstream(out, upstream->name, view);
        health_view_free(view);
    }
    return upstreams->next < upstreams->count;
}
