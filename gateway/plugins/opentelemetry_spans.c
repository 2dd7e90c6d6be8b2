/*
 * opentelemetry_spans - see opentelemetry_spans.h. Names of spans and attributes are those dashboards know.
 */

#include "gateway/plugins/opentelemetry_spans.h"

#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/base/network.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/span.h"
#include "gateway/io/loop.h"
#include "gateway/plugins/otlp.h"

enum {
    NAME_MAX_BYTES = 128
};

struct writer {
    struct otlp otlp;
    const struct chain *chain;
    struct opentelemetry_ids *ids;
    int64_t now_us;  /* loop_clock_us() */
    int64_t wall_us; /* to be added to such times */
};

/* ---- who tells ---- */

static void write_own(struct otlp *otlp, const cJSON *resource, const char *name, struct str value)
{
    if (cJSON_GetObjectItemCaseSensitive(resource, name) == NULL)
        otlp_resource(otlp, str_of(name), value);
}

static void write_resource(struct writer *writer, const cJSON *resource)
{
    const cJSON *attribute;

    write_own(&writer->otlp, resource, "service.name", STR("kong"));
    write_own(&writer->otlp, resource, "service.version", STR("3.5.0"));
    write_own(&writer->otlp, resource, "service.instance.id", str_of(writer->chain->world->node_id));
    cJSON_ArrayForEach(attribute, resource)
    {
        if (cJSON_IsString(attribute))
            otlp_resource(&writer->otlp, str_of(attribute->string), str_of(attribute->valuestring));
    }
    otlp_scope(&writer->otlp, STR("kong-internal"), STR("0.1.0"));
}

/* ---- spans ---- */

static void begin_span(struct writer *writer, struct otlp_span *span, int64_t began_us, int64_t ended_us)
{
    span->trace = &writer->ids->trace;
    span->began_unix_us = began_us + writer->wall_us;
    span->ended_unix_us = ended_us + writer->wall_us;
    otlp_span_begin(&writer->otlp, span);
}

static void write_text(struct writer *writer, struct str name, struct str value)
{
    if (value.at != NULL)
        otlp_text(&writer->otlp, name, value);
}

static struct str flavor_of(int version)
{
    switch (version) {
    case 0x100:
        return STR("1.0");
    case 0x200:
        return STR("2");
    default:
        return STR("1.1");
    }
}

static void write_request_attributes(struct writer *writer, int status)
{
    const struct chain *chain = writer->chain;
    const struct exchange_request *request = exchange_request(chain->exchange);
    struct str scheme = chain->hop.scheme;

    if (scheme.at == NULL)
        scheme = request->tls ? STR("https") : STR("http");
    write_text(writer, STR("http.method"), request->method);
    write_text(writer, STR("http.scheme"), scheme);
    write_text(writer, STR("http.host"), request->host);
    write_text(writer, STR("http.url"),
               exchange_printf(chain->exchange, "%.*s://%.*s%.*s", STR_ARG(scheme), STR_ARG(request->host),
                               STR_ARG(request->target)));
    write_text(writer, STR("http.flavor"), flavor_of(request->version));
    write_text(writer, STR("http.client_ip"), chain->client_address);
    write_text(writer, STR("net.peer.ip"), request->peer_address);
    if (chain->route != NULL && chain->route->paths.count > 0)
        write_text(writer, STR("http.route"), str_of(chain->route->paths.at[0]));
    if (status != 0)
        otlp_number(&writer->otlp, STR("http.status_code"), status);
}

static void write_root(struct writer *writer)
{
    const struct exchange_request *request = exchange_request(writer->chain->exchange);
    struct exchange_outcome outcome;
    struct otlp_span span = {
        .id = writer->ids->root, .parent = writer->ids->parent, .name = STR("kong"), .kind = OTLP_SERVER};

    exchange_read_outcome(writer->chain->exchange, &outcome);
    begin_span(writer, &span, request->received_us, writer->now_us);
    write_request_attributes(writer, outcome.status);
    otlp_span_end(&writer->otlp, outcome.status >= 500);
}

static struct str name_of(const struct span *span, char text[NAME_MAX_BYTES])
{
    static const char *const names[SPAN_KINDS] = {
        [SPAN_DB_QUERY] = "kong.database.query",
        [SPAN_DNS_QUERY] = "kong.dns",
        [SPAN_ROUTER] = "kong.router",
        [SPAN_PLUGIN_REWRITE] = "kong.rewrite.plugin.",
        [SPAN_PLUGIN_ACCESS] = "kong.access.plugin.",
        [SPAN_PLUGIN_HEADER_FILTER] = "kong.header_filter.plugin.",
    };

    if (span->kind < SPAN_PLUGIN_REWRITE)
        return str_of(names[span->kind]);
    (void)snprintf(text, NAME_MAX_BYTES, "%s%.*s", names[span->kind], STR_ARG(span->what));
    return str_of(text);
}

static void write_child(struct writer *writer, const struct span *child)
{
    char name[NAME_MAX_BYTES];
    int64_t lasted_us = child->lasted_us >= 0 ? child->lasted_us : writer->now_us - child->began_us;
    struct otlp_span span = {
        .id = trace_span_id_new(&writer->ids->lot),
        .parent = writer->ids->root,
        .name = name_of(child, name),
        .kind = child->kind <= SPAN_DNS_QUERY ? OTLP_CLIENT : OTLP_INTERNAL,
    };

    begin_span(writer, &span, child->began_us, child->began_us + lasted_us);
    if (child->kind == SPAN_DNS_QUERY)
        write_text(writer, STR("dns.record.domain"), child->what);
    if (child->kind == SPAN_DB_QUERY) {
        write_text(writer, STR("db.system"), STR("postgresql"));
        write_text(writer, STR("db.sql.table"), child->what);
    }
    otlp_span_end(&writer->otlp, /* failed= */ false);
}

/* number: from 1, in the order of time. */
static void write_try(struct writer *writer, const struct chain_try *one, int number)
{
    const struct chain *chain = writer->chain;
    bool is_last = one == chain->hop.last;
    char text[NETWORK_TEXT_SIZE];
    int port = network_text(&one->address, text);
    struct otlp_span span = {
        .id = is_last ? writer->ids->last : trace_span_id_new(&writer->ids->lot),
        .parent = writer->ids->root,
        .name = STR("kong.balancer"),
        .kind = OTLP_CLIENT,
    };

    begin_span(writer, &span, one->began_us, one->began_us + one->lasted_us);
    otlp_number(&writer->otlp, STR("try_count"), number);
    write_text(writer, STR("net.peer.ip"), str_of(text));
    otlp_number(&writer->otlp, STR("net.peer.port"), port);
    if (is_last && chain->service != NULL)
        write_text(writer, STR("net.peer.name"), str_of(chain->service->host));
    if (one->status != 0)
        otlp_number(&writer->otlp, STR("http.status_code"), one->status);
    otlp_span_end(&writer->otlp, one->failed);
}

static void write_tries(struct writer *writer)
{
    const struct chain_try *last = writer->chain->hop.last;
    int number = 0;

    for (const struct chain_try *one = last; one != NULL; one = one->before)
        number++;
    for (const struct chain_try *one = last; one != NULL; one = one->before)
        write_try(writer, one, number--);
}

void opentelemetry_spans_write(const struct chain *chain, struct opentelemetry_ids *ids,
                               const cJSON *resource, struct buf *buf)
{
    const struct clock *clock = chain->world->clock;
    struct writer writer = {.chain = chain, .ids = ids, .now_us = loop_clock_us()};

    writer.wall_us = clock->wall_us(clock->arg) - writer.now_us;
    otlp_begin(&writer.otlp, buf);
    write_resource(&writer, resource);
    write_root(&writer);
    for (const struct span *span = chain->spans->last; span != NULL; span = span->before)
        write_child(&writer, span);
    if ((chain->spans->wanted >> SPAN_BALANCER & 1) != 0)
        write_tries(&writer);
    otlp_end(&writer.otlp);
}
