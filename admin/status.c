/*
 * status - GET /status, and of the Status API /status/ready and /status/live.
 *
 * The members keep the shape clients know: the "Lua VM" of the one process is what its allocator has handed
 * out; kong is that allocator's heap, in which the routing snapshot lives too (so kong_core_db_cache is
 * empty); kong_db_cache is the cache of keyed entities. "freshet" holds the figures of the bus and the cache.
 */

#include "admin/handlers.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "admin/state.h"
#include "admin/status_unit.h"
#include "gateway/base/metrics.h"
#include "gateway/cache/cache.h"
#include "gateway/config/config.h"
#include "gateway/http/listener.h"
#include "gateway/proxy/snapshot.h"

static void add_zone(cJSON *zones, const char *name, const struct status_unit *unit, size_t used,
                     size_t capacity)
{
    cJSON *zone = cJSON_AddObjectToObject(zones, name);

    (void)cJSON_AddItemToObject(zone, "allocated_slabs", status_unit_bytes(unit, used));
    (void)cJSON_AddItemToObject(zone, "capacity", status_unit_bytes(unit, capacity));
}

static void add_memory(cJSON *object, const struct request *request, const struct status_unit *unit)
{
    cJSON *memory = cJSON_AddObjectToObject(object, "memory");
    cJSON *workers = cJSON_AddArrayToObject(memory, "workers_lua_vms");
    cJSON *zones = cJSON_AddObjectToObject(memory, "lua_shared_dicts");
    cJSON *worker = cJSON_CreateObject();
    struct mallinfo2 heap = mallinfo2();
    struct cache_stats cache;

    cache_read_stats(request->admin->options.cache, &cache);
    (void)cJSON_AddNumberToObject(worker, "pid", getpid());
    (void)cJSON_AddItemToObject(worker, "http_allocated_gc", status_unit_bytes(unit, heap.uordblks));
    (void)cJSON_AddItemToArray(workers, worker);
    add_zone(zones, "kong", unit, heap.uordblks + heap.hblkhd, heap.arena + heap.hblkhd);
    add_zone(zones, "kong_core_db_cache", unit, 0, 0);
    add_zone(zones, "kong_db_cache", unit, (size_t)cache.bytes, (size_t)request->config->mem_cache_size);
}

/* Connections of all listeners; which of them read, write or wait is not counted apart. */
static void add_server(cJSON *object, struct admin *admin)
{
    cJSON *server = cJSON_AddObjectToObject(object, "server");
    struct http_front_stats proxy = {0};
    struct http_front_stats own = {0};
    struct http_front_stats status = {0};

    admin->options.proxy_stats(admin->options.proxy_stats_arg, &proxy);
    http_front_read_stats(admin->front, &own);
    http_front_read_stats(admin->status_front, &status);
    double active = (double)(proxy.active + own.active + status.active);
    double accepted = (double)(proxy.accepted + own.accepted + status.accepted);
    double requests = (double)(proxy.requests + own.requests + status.requests);
    (void)cJSON_AddNumberToObject(server, "connections_accepted", accepted);
    (void)cJSON_AddNumberToObject(server, "connections_active", active);
    (void)cJSON_AddNumberToObject(server, "connections_handled", accepted);
    (void)cJSON_AddNumberToObject(server, "connections_reading", 0);
    (void)cJSON_AddNumberToObject(server, "connections_writing", 1);
    (void)cJSON_AddNumberToObject(server, "connections_waiting", active > 1 ? active - 1 : 0);
    (void)cJSON_AddNumberToObject(server, "total_requests", requests);
}

static void add_own_figures(cJSON *object, const struct admin *admin)
{
    const struct admin_options *options = &admin->options;
    cJSON *figures = options->bus.describe(options->bus.arg);
    struct cache_stats cache;

    cache_read_stats(options->cache, &cache);
    (void)cJSON_AddNumberToObject(figures, "cache_entries", (double)cache.entries);
    (void)cJSON_AddNumberToObject(figures, "cache_negatives", (double)cache.negatives);
    (void)cJSON_AddNumberToObject(figures, "cache_bytes", (double)cache.bytes);
    (void)cJSON_AddNumberToObject(figures, "cache_flights", (double)cache.flights);
    (void)cJSON_AddNumberToObject(figures, "cache_queued", (double)cache.queued);
    (void)cJSON_AddNumberToObject(figures, "openapi_bytes", (double)admin->openapi_bytes);
    cJSON *metrics = cJSON_AddObjectToObject(figures, "metrics");
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++)
        (void)cJSON_AddNumberToObject(metrics, metrics_info(metric)->name, (double)metrics_read(metric));
    (void)cJSON_AddItemToObject(object, "freshet", figures);
}

/* A job: whether the database answers is found out by asking it. */
static void show(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    struct status_unit unit;
    cJSON *object = cJSON_CreateObject();
    cJSON *database = cJSON_AddObjectToObject(object, "database");

    (void)cJSON_AddBoolToObject(database, "reachable", store_ping(session, &error));
    store_error_fini(&error);
    if (status_unit_read(&request->query, &unit, &request->answer))
        add_memory(object, request, &unit);
    add_server(object, request->admin);
    add_own_figures(object, request->admin);
    answer_json(&request->answer, 200, object);
}

void status_show(struct request *request)
{
    struct status_unit unit;

    if (status_unit_read(&request->query, &unit, &request->answer))
        request_run(request, show);
}

/*
 * Requests are served from memory while the database is away, so that alone makes a node unready only where
 * cluster_max_staleness says so.
 */
void status_ready(struct request *request)
{
    const struct admin_options *options = &request->admin->options;
    const struct snapshot *snapshot = snapshot_pin(options->place, options->loop_number);
    int64_t limit_ms = request->config->cluster_max_staleness;

    if (snapshot == NULL) {
        answer_message(&request->answer, 503, "router builds not yet complete");
        return;
    }
    snapshot_unpin(options->place, options->loop_number, snapshot);
    if (request->admin->is_leaving)
        answer_message(&request->answer, 503, "the node is ending");
    else if (limit_ms > 0 && options->bus.since_good_poll_ms(options->bus.arg) > limit_ms)
        answer_message(&request->answer, 503, "failed to connect to database");
    else
        answer_message(&request->answer, 200, "ready");
}

/*
 * For who ends a node that hangs: nothing but that this loop turns is said. Without the database a restarted
 * node could not serve at all, so all of them would be lost by asking for it here.
 */
void status_live(struct request *request)
{
    answer_message(&request->answer, 200, "alive");
}
