/*
 * metrics - GET /metrics on the Admin API and the Status API: everything that is counted, for Prometheus.
 *
 * It needs no database and no other thread. With many routes it is long, so it is a stream (stream.h); the
 * parts stand in a table.
 */

#include "admin/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "admin/metrics_inside.h"
#include "admin/state.h"
#include "gateway/base/exposition.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/config/config.h"

enum {
    LEARNED_AT_ONCE = 500 /* series that are new */
};

/* Counters of base/metrics.def. */
static bool write_counters(struct scrape *scrape, struct buf *out)
{
    (void)scrape;
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
        const struct metric_info *info = metrics_info(metric);
        if (info->help[0] != '\0')
            exposition_family(out, info->name, info->kind, info->help);
        exposition_sample(out, info->name, str_of(info->labels), metrics_read(metric));
    }
    return false;
}

static bool write_bus(struct scrape *scrape, struct buf *out)
{
    const struct admin_bus *bus = &scrape->admin->options.bus;

    bus->expose(bus->arg, out);
    return false;
}

static bool learn_series(struct scrape *scrape, struct buf *out)
{
    (void)out;
    return !series_catalogue_learn(scrape->admin->series, LEARNED_AT_ONCE);
}

static bool write_series(struct scrape *scrape, struct buf *out)
{
    return series_catalogue_write(scrape->admin->series, &scrape->cursor, out, METRICS_PIECE_BYTES);
}

static bool (*const parts[])(struct scrape *scrape, struct buf *out) = {
    metrics_write_node, write_counters, write_bus, learn_series, write_series, metrics_write_health,
};

static bool more(void *state, struct buf *out)
{
    struct scrape *scrape = state;

    if (!parts[scrape->part](scrape, out))
        scrape->part++;
    return scrape->part < COUNT(parts);
}

static void close_scrape(void *state)
{
    struct scrape *scrape = state;

    metrics_upstreams_free(scrape->upstreams);
    free(scrape);
}

void metrics_show(struct request *request)
{
    static const struct answer_source source = {.more = more, .close = close_scrape};

    if (!config_enables_plugin(request->config, "prometheus")) {
        answer_not_found(&request->answer);
        return;
    }
    struct scrape *scrape = mem_zalloc(sizeof(*scrape));
    scrape->admin = request->admin;
    scrape->config = request->config;
    answer_pieces(&request->answer, "text/plain; charset=UTF-8", &source, scrape);
}
