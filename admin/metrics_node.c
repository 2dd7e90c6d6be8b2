/*
 * metrics_node - the part of /metrics about the node itself, under the names dashboards made for Kong know,
 * and what the cache and the routing snapshot hold.
 *
 * "Shared dictionaries" are our own pools, as in /status. Whether the database can be reached is what the
 * last poll says: asking would make a scrape wait, and be least likely to succeed when it is wanted most.
 */

#include "admin/metrics_inside.h"

#include <malloc.h>
#include <string.h>

#include "admin/state.h"
#include "gateway/base/exposition.h"
#include "gateway/base/metrics.h"
#include "gateway/base/pmap.h"
#include "gateway/base/series.h"
#include "gateway/cache/cache.h"
#include "gateway/config/config.h"
#include "gateway/http/listener.h"
#include "gateway/proxy/snapshot.h"

static void write_alone(struct buf *out, const char *name, const char *help, int64_t value)
{
    exposition_family(out, name, "gauge", help);
    exposition_sample(out, name, STR(""), value);
}

/* A sample with node_id and one or two more labels; value NULL: there is no second. */
static void write_of_node(struct buf *out, const struct scrape *scrape, const char *name,
                          const char *const more[4], int64_t value)
{
    char id[UUID_TEXT_SIZE];
    struct buf labels = {0};

    exposition_label(&labels, "node_id", str_of(uuid_format(&scrape->admin->options.node_id, id)));
    for (size_t i = 0; i < 4 && more[i] != NULL; i += 2)
        exposition_label(&labels, more[i], str_of(more[i + 1]));
    exposition_sample(out, name, buf_str(&labels), value);
    buf_fini(&labels);
}

static void write_connections(const struct scrape *scrape, struct buf *out)
{
    static const char name[] = "kong_nginx_connections_total";
    static const char requests[] = "kong_nginx_requests_total";
    const struct admin *admin = scrape->admin;
    struct http_front_stats fronts[3] = {{0}};
    struct http_front_stats all = {0};

    admin->options.proxy_stats(admin->options.proxy_stats_arg, &fronts[0]);
    http_front_read_stats(admin->front, &fronts[1]);
    http_front_read_stats(admin->status_front, &fronts[2]);
    for (size_t i = 0; i < COUNT(fronts); i++) {
        all.accepted += fronts[i].accepted;
        all.active += fronts[i].active;
        all.requests += fronts[i].requests;
    }
    int64_t active = (int64_t)all.active;
    int64_t busy = metrics_read(METRIC_HTTP_RUNNING) + 1; /* and this one */
    const struct {
        const char *state;
        int64_t value;
    } states[] = {
        {"accepted", (int64_t)all.accepted},
        {"handled", (int64_t)all.accepted},
        {"total", (int64_t)all.requests},
        {"active", active},
        {"reading", 0}, /* heads and bodies that come are not told from connections that wait */
        {"writing", busy < active ? busy : active},
        {"waiting", busy < active ? active - busy : 0},
    };
    exposition_family(out, name, "gauge", "connections of all listeners; total: their requests");
    for (size_t i = 0; i < COUNT(states); i++)
        write_of_node(out, scrape, name,
                      (const char *const[4]){"subsystem", "http", "state", states[i].state}, states[i].value);
    exposition_family(out, requests, "gauge", "requests to all listeners");
    write_of_node(out, scrape, requests, (const char *const[4]){"subsystem", "http"}, (int64_t)all.requests);
}

static void write_timers(struct buf *out)
{
    static const char name[] = "kong_nginx_timers";

    exposition_family(out, name, "gauge", "timers of all loops");
    exposition_sample(out, name, STR("state=\"running\""), 0); /* none takes time */
    exposition_sample(out, name, STR("state=\"pending\""), metrics_read(METRIC_TIMERS));
}

static void write_memory(const struct scrape *scrape, const struct cache_stats *cache, struct buf *out)
{
    static const char used[] = "kong_memory_lua_shared_dict_bytes";
    static const char total[] = "kong_memory_lua_shared_dict_total_bytes";
    struct mallinfo2 heap = mallinfo2();
    /* The loops of the workers come before the Admin API's. */
    int64_t loops = (int64_t)scrape->admin->options.loop_number;
    const struct {
        const char *name;
        int64_t used, total;
    } pools[] = {
        {"kong", (int64_t)(heap.uordblks + heap.hblkhd), (int64_t)(heap.arena + heap.hblkhd)},
        {"kong_db_cache", (int64_t)cache->bytes, scrape->config->mem_cache_size},
        {"prometheus_metrics", metrics_read(METRIC_SERIES_BYTES), loops * SERIES_BYTES_MAX},
    };

    exposition_family(out, used, "gauge",
                      "bytes in use of a pool: the whole heap, the entity cache, the series");
    for (size_t i = 0; i < COUNT(pools); i++)
        write_of_node(out, scrape, used,
                      (const char *const[4]){"shared_dict", pools[i].name, "kong_subsystem", "http"},
                      pools[i].used);
    exposition_family(out, total, "gauge", "bytes a pool may have; of the heap: what it has of the system");
    for (size_t i = 0; i < COUNT(pools); i++)
        write_of_node(out, scrape, total,
                      (const char *const[4]){"shared_dict", pools[i].name, "kong_subsystem", "http"},
                      pools[i].total);
}

static void write_cache(const struct cache_stats *cache, struct buf *out)
{
    static const char entries[] = "freshet_cache_entries";

    exposition_family(out, entries, "gauge", "what the entity cache remembers: entities and absences");
    exposition_sample(out, entries, STR("kind=\"value\""), (int64_t)cache->entries);
    exposition_sample(out, entries, STR("kind=\"negative\""), (int64_t)cache->negatives);
    write_alone(out, "freshet_cache_bytes", "memory of the entity cache in use", (int64_t)cache->bytes);
    write_alone(out, "freshet_fill_flights", "fills under way", (int64_t)cache->flights);
    write_alone(out, "freshet_fill_queue", "fills that wait for their turn", (int64_t)cache->queued);
}

static void write_snapshot(const struct scrape *scrape, struct buf *out)
{
    static const char name[] = "freshet_config_entities";
    const struct admin_options *options = &scrape->admin->options;
    const struct snapshot *snapshot = snapshot_pin(options->place, options->loop_number);

    if (snapshot == NULL)
        return;
    const struct {
        const char *labels;
        const struct pmap *map;
    } maps[] = {
        {"entity=\"services\"", snapshot->services}, {"entity=\"routes\"", snapshot->routes},
        {"entity=\"plugins\"", snapshot->plugins},   {"entity=\"upstreams\"", snapshot->upstreams},
        {"entity=\"targets\"", snapshot->targets},   {"entity=\"certificates\"", snapshot->certificates},
        {"entity=\"snis\"", snapshot->snis},
    };
    write_alone(out, "freshet_config_position", "position of the event log that requests are routed by",
                (int64_t)snapshot->position);
    exposition_family(out, name, "gauge", "entities that requests are routed by");
    for (size_t i = 0; i < COUNT(maps); i++)
        exposition_sample(out, name, str_of(maps[i].labels), (int64_t)pmap_count(maps[i].map));
    snapshot_unpin(options->place, options->loop_number, snapshot);
}

bool metrics_write_node(struct scrape *scrape, struct buf *out)
{
    const struct admin_options *options = &scrape->admin->options;
    struct cache_stats cache;

    cache_read_stats(options->cache, &cache);
    write_alone(out, "kong_datastore_reachable", "1: the last poll of the database was answered",
                options->bus.is_answered(options->bus.arg));
    exposition_family(out, "kong_node_info", "gauge", "what this node is; always 1");
    write_of_node(out, scrape, "kong_node_info", (const char *const[4]){"version", ADMIN_API_VERSION}, 1);
    write_connections(scrape, out);
    write_timers(out);
    write_memory(scrape, &cache, out);
    write_cache(&cache, out);
    write_snapshot(scrape, out);
    return false;
}
