/*
 * zipkin_spans - see zipkin_spans.h.
 *
 *     GET                          the client waits; kind SERVER
 *       GET (balancer try 1)       one after the other; CLIENT
 *       GET (balancer try 2)
 *       GET (proxy)                plugins and upstream; CLIENT, what the upstream is told
 */

#include "gateway/plugins/zipkin_spans.h"

#include <inttypes.h>
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/base/json_write.h"
#include "gateway/base/network.h"
#include "gateway/http/token.h"
#include "gateway/io/loop.h"
#include "gateway/model/document.h"
#include "gateway/plugins/trace_words.h"

const char *const zipkin_reserved_tags[] = {"error",
                                            "http.method",
                                            "http.path",
                                            "http.status_code",
                                            "kong.balancer.state",
                                            "kong.balancer.try",
                                            "kong.consumer",
                                            "kong.credential",
                                            "kong.node.id",
                                            "kong.route",
                                            "kong.service",
                                            "lc",
                                            "peer.hostname",
                                            NULL};

enum {
    NAME_BYTES = 256 /* of a method, and of a path, in names */
};

struct writer {
    struct buf *buf;
    const struct chain *chain;
    const struct zipkin_wording *wording;
    struct zipkin_part *part;
    int64_t now_us;  /* loop_clock_us() */
    int64_t wall_us; /* to be added to such times */
};

/* Of one span; the caller's own words. */
struct head {
    uint64_t id, parent; /* parent 0: none */
    struct str suffix;   /* behind the request's name */
    const char *kind;
    int64_t began_us, ended_us;
};

/* ---- words ---- */

static void add_text(const struct writer *writer, struct str name, struct str text)
{
    buf_add_str(writer->buf, name);
    json_add_text(writer->buf, text);
}

static void add_number(const struct writer *writer, struct str name, int64_t number)
{
    buf_add_str(writer->buf, name);
    json_add_number(writer->buf, number);
}

static void add_span_id(const struct writer *writer, struct str name, uint64_t id)
{
    buf_add_str(writer->buf, name);
    buf_printf(writer->buf, "\"%016" PRIx64 "\"", id);
}

static void add_uuid(const struct writer *writer, struct str name, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    add_text(writer, name, str_of(uuid_format(id, text)));
}

/* Any name: constants have JSON_NAME(). */
static void add_tag(const struct writer *writer, struct str name, struct str value)
{
    buf_add_byte(writer->buf, ',');
    json_add_text(writer->buf, name);
    buf_add_byte(writer->buf, ':');
    json_add_text(writer->buf, value);
}

/* Values of tags are texts. */
static void add_tag_number(const struct writer *writer, struct str name, int64_t number)
{
    buf_add_str(writer->buf, name);
    buf_printf(writer->buf, "\"%" PRId64 "\"", number);
}

/* ---- parts of a span ---- */

/* Every span of a request has it: a long path is told whole once, in a tag. */
static void add_name(const struct writer *writer, struct str suffix)
{
    const struct exchange_request *request = exchange_request(writer->chain->exchange);
    bool has_path = writer->wording->name_has_path, is_cut;
    struct str method = json_shown(request->method, NAME_BYTES, &is_cut);
    struct str path = has_path ? json_shown(request->path, NAME_BYTES, &is_cut) : STR("");
    struct str name = exchange_printf(writer->chain->exchange, "%.*s%s%.*s%.*s", STR_ARG(method),
                                      has_path ? " " : "", STR_ARG(path), STR_ARG(suffix));

    add_text(writer, JSON_NAME("name"), name);
}

/* Begins an object and all that every span has. Returns what json_end_object() wants. */
static size_t begin_span(const struct writer *writer, const struct head *head)
{
    if (writer->buf->len > 0)
        buf_add_byte(writer->buf, ',');
    size_t object = json_begin(writer->buf);
    add_text(writer, JSON_NAME("traceId"), trace_id_text(writer->chain->exchange, &writer->part->trace));
    add_span_id(writer, JSON_NAME("id"), head->id);
    if (head->parent != 0)
        add_span_id(writer, JSON_NAME("parentId"), head->parent);
    add_name(writer, head->suffix);
    add_text(writer, JSON_NAME("kind"), str_of(head->kind));
    add_number(writer, JSON_NAME("timestamp"), head->began_us + writer->wall_us);
    int64_t lasted_us = head->ended_us - head->began_us;
    add_number(writer, JSON_NAME("duration"), lasted_us > 0 ? lasted_us : 1); /* 0 would mean "unknown" */
    buf_add_str(writer->buf, JSON_NAME("localEndpoint"));
    size_t endpoint = json_begin(writer->buf);
    add_text(writer, JSON_NAME("serviceName"), str_of(writer->wording->local_service));
    json_end_object(writer->buf, endpoint);
    return object;
}

/* service NULL: the default one. Nothing at all is known of nobody. */
static void add_remote(const struct writer *writer, const char *service, struct str ip, int port)
{
    const char *name = service != NULL ? service : writer->wording->default_service;
    bool is_six = str_find(ip, ':', 0) != SIZE_MAX;

    if (name == NULL && ip.len == 0)
        return;
    buf_add_str(writer->buf, JSON_NAME("remoteEndpoint"));
    size_t endpoint = json_begin(writer->buf);
    if (name != NULL)
        add_text(writer, JSON_NAME("serviceName"), str_of(name));
    if (ip.len > 0)
        add_text(writer, is_six ? JSON_NAME("ipv6") : JSON_NAME("ipv4"), ip);
    if (ip.len > 0)
        add_number(writer, JSON_NAME("port"), port);
    json_end_object(writer->buf, endpoint);
}

static size_t begin_tags(const struct writer *writer)
{
    buf_add_str(writer->buf, JSON_NAME("tags"));
    return json_begin(writer->buf);
}

static void add_service_and_route(const struct writer *writer)
{
    const struct service *service = writer->chain->service;
    const struct route *route = writer->chain->route;

    if (service == NULL)
        return;
    add_uuid(writer, JSON_NAME("kong.service"), &service->id);
    if (service->name != NULL)
        add_text(writer, JSON_NAME("kong.service_name"), str_of(service->name));
    if (route == NULL)
        return;
    add_uuid(writer, JSON_NAME("kong.route"), &route->id);
    if (route->name != NULL)
        add_text(writer, JSON_NAME("kong.route_name"), str_of(route->name));
}

static const char *service_name(const struct writer *writer)
{
    return writer->chain->service != NULL ? writer->chain->service->name : NULL;
}

/* ---- phases ---- */

struct phase {
    const char *began, *ended, *tag; /* names */
    int64_t began_us, ended_us;
};

static void add_durations(const struct writer *writer, const struct phase *phases, size_t count)
{
    for (size_t i = 0; i < count && writer->wording->durations_are_tags; i++) {
        int64_t lasted_us = phases[i].ended_us - phases[i].began_us;
        buf_printf(writer->buf, ",\"%s\":\"%" PRId64 ".%03d\"", phases[i].tag, lasted_us / 1000,
                   (int)(lasted_us % 1000));
    }
}

static void add_annotation(const struct writer *writer, const char *name, int64_t at_us)
{
    buf_printf(writer->buf, ",{\"timestamp\":%" PRId64 ",\"value\":\"%s\"}", at_us + writer->wall_us, name);
}

static void add_annotations(const struct writer *writer, const struct phase *phases, size_t count)
{
    if (writer->wording->durations_are_tags)
        return;
    buf_add_str(writer->buf, JSON_NAME("annotations"));
    size_t array = json_begin(writer->buf);
    for (size_t i = 0; i < count; i++) {
        add_annotation(writer, phases[i].began, phases[i].began_us);
        add_annotation(writer, phases[i].ended, phases[i].ended_us);
    }
    json_end_array(writer->buf, array);
}

static int64_t first_of(int64_t one_us, int64_t other_us)
{
    return one_us != 0 ? one_us : other_us;
}

/* A request that was answered before access, or whose client has gone, has not come to all of them. */
static int64_t proxy_began_us(const struct writer *writer)
{
    const struct zipkin_part *part = writer->part;

    return first_of(part->access_us, first_of(part->filter_us, writer->now_us));
}

/* ---- tags of clients ---- */

static bool is_reserved(struct str name)
{
    static const char *const more[] = {"http.host", "http.protocol"};

    for (const char *const *word = zipkin_reserved_tags; *word != NULL; word++)
        if (str_equal(name, str_of(*word)))
            return true;
    return str_equal(name, str_of(more[0])) || str_equal(name, str_of(more[1])) ||
           str_starts_with(name, STR("kong."));
}

static bool is_static(const struct writer *writer, struct str name)
{
    const cJSON *tag;

    cJSON_ArrayForEach(tag, writer->wording->static_tags)
    {
        if (str_equal(name, str_of(document_text(tag, "name"))))
            return true;
    }
    return false;
}

/* Two names of other bytes could look the same in JSON. */
static bool is_name(struct str name)
{
    return name.len > 0 && token_is_value(name) && str_is_utf8(name);
}

/* Names that are ours, or that were there already, are left out; so is what is not of the form name=value. */
static void add_client_tags(const struct writer *writer)
{
    struct str rest = writer->part->tags;
    struct str seen[ZIPKIN_TAGS_MAX];
    size_t count = 0;

    while (rest.at != NULL && count < ZIPKIN_TAGS_MAX) {
        struct str value = trace_take(&rest, ';');
        struct str name = str_trim(trace_take(&value, '='));
        bool is_good = value.at != NULL && is_name(name) && !is_reserved(name) && !is_static(writer, name);
        for (size_t i = 0; i < count && is_good; i++)
            is_good = !str_equal(name, seen[i]);
        if (!is_good)
            continue;
        seen[count++] = name;
        add_tag(writer, name, str_trim(value));
    }
}

/* ---- spans ---- */

static void add_static_tags(const struct writer *writer)
{
    const cJSON *tag;

    cJSON_ArrayForEach(tag, writer->wording->static_tags)
    {
        add_tag(writer, str_of(document_text(tag, "name")), str_of(document_text(tag, "value")));
    }
}

static struct str without_port(struct str host)
{
    size_t end = str_starts_with(host, STR("[")) ? str_find(host, ']', 0) : str_find(host, ':', 0);

    if (end == SIZE_MAX)
        return host;
    return str_part(host, 0, host.at[end] == ']' ? end + 1 : end);
}

static const char *http_version(int version)
{
    switch (version) {
    case 0x100:
        return "HTTP/1.0";
    case 0x200:
        return "HTTP/2";
    default:
        return "HTTP/1.1";
    }
}

static void add_request_tags(const struct writer *writer)
{
    const struct chain *chain = writer->chain;
    const struct exchange_request *request = exchange_request(chain->exchange);
    struct exchange_outcome outcome;

    exchange_read_outcome(chain->exchange, &outcome);
    add_text(writer, JSON_NAME("lc"), STR("kong"));
    add_text(writer, JSON_NAME("http.method"), request->method);
    if (request->host.at != NULL)
        add_text(writer, JSON_NAME("http.host"), without_port(request->host));
    add_text(writer, JSON_NAME("http.path"), request->path);
    add_text(writer, JSON_NAME("http.protocol"), str_of(http_version(request->version)));
    add_static_tags(writer);
    add_client_tags(writer);
    if (outcome.status != 0)
        add_tag_number(writer, JSON_NAME("http.status_code"), outcome.status);
    if (chain->consumer != NULL)
        add_uuid(writer, JSON_NAME("kong.consumer"), &chain->consumer->id);
    if (chain->credential != NULL && writer->wording->shows_credential)
        add_uuid(writer, JSON_NAME("kong.credential"), chain->credential);
    add_text(writer, JSON_NAME("kong.node.id"), str_of(chain->world->node_id));
}

static void write_request(const struct writer *writer)
{
    const struct zipkin_part *part = writer->part;
    const struct chain *chain = writer->chain;
    const struct exchange_request *request = exchange_request(chain->exchange);
    struct str client = chain->client_address.at != NULL ? chain->client_address : request->peer_address;
    const struct phase rewrite = {"krs", "krf", "kong.rewrite.duration_ms", request->received_us,
                                  proxy_began_us(writer)};
    const struct head head = {part->request, part->request_parent, STR(""),
                              "SERVER",      request->received_us, writer->now_us};
    size_t object = begin_span(writer, &head);

    add_remote(writer, NULL, client, request->peer_port);
    size_t tags = begin_tags(writer);
    add_request_tags(writer);
    add_durations(writer, &rewrite, 1);
    json_end_object(writer->buf, tags);
    add_annotations(writer, &rewrite, 1);
    json_end_object(writer->buf, object);
}

static void write_proxy(const struct writer *writer)
{
    const struct zipkin_part *part = writer->part;
    const struct chain_try *last = writer->chain->hop.last;
    int64_t began_us = proxy_began_us(writer);
    int64_t filter_us = first_of(part->filter_us, writer->now_us);
    int64_t filtered_us = first_of(part->times.filtered_us, filter_us);
    const struct phase phases[] = {
        {"kas", "kaf", "kong.access.duration_ms", began_us, first_of(part->times.accessed_us, filter_us)},
        {"khs", "khf", "kong.header_filter.duration_ms", filter_us, filtered_us},
        {"kbs", "kbf", "kong.body_filter.duration_ms", filtered_us, writer->now_us},
    };
    const struct head head = {part->proxy, part->request, STR(" (proxy)"),
                              "CLIENT",    began_us,      writer->now_us};
    char ip[NETWORK_TEXT_SIZE] = "";
    int port = last != NULL ? network_text(&last->address, ip) : 0;
    size_t object = begin_span(writer, &head);

    add_remote(writer, service_name(writer), str_of(ip), port);
    size_t tags = begin_tags(writer);
    if (last != NULL && writer->chain->service != NULL)
        add_text(writer, JSON_NAME("peer.hostname"), str_of(writer->chain->service->host));
    add_service_and_route(writer);
    add_durations(writer, phases, COUNT(phases));
    json_end_object(writer->buf, tags);
    add_annotations(writer, phases, COUNT(phases));
    json_end_object(writer->buf, object);
}

static void write_try(const struct writer *writer, const struct chain_try *one, size_t number)
{
    char ip[NETWORK_TEXT_SIZE];
    int port = network_text(&one->address, ip);
    struct str suffix = exchange_printf(writer->chain->exchange, " (balancer try %zu)", number);
    const struct head head = {
        trace_span_id_new(&writer->part->lot), writer->part->request, suffix, "CLIENT", one->began_us,
        one->began_us + one->lasted_us};
    size_t object = begin_span(writer, &head);

    add_remote(writer, service_name(writer), str_of(ip), port);
    size_t tags = begin_tags(writer);
    add_tag_number(writer, JSON_NAME("kong.balancer.try"), (int64_t)number);
    if (one->failed) {
        add_text(writer, JSON_NAME("error"), STR("true"));
        add_text(writer, JSON_NAME("kong.balancer.state"), STR("failed"));
    }
    if (one->failed && one->status != 0)
        add_tag_number(writer, JSON_NAME("http.status_code"), one->status);
    add_service_and_route(writer);
    json_end_object(writer->buf, tags);
    json_end_object(writer->buf, object);
}

static void write_tries(const struct writer *writer)
{
    const struct chain_try *tries[CHAIN_TRIES_KEPT];
    size_t count = 0;

    for (const struct chain_try *one = writer->chain->hop.last; one != NULL && count < CHAIN_TRIES_KEPT;
         one = one->before)
        tries[count++] = one;
    for (size_t i = count; i > 0; i--)
        write_try(writer, tries[i - 1], count - i + 1);
}

void zipkin_spans_write(const struct chain *chain, const struct zipkin_wording *wording,
                        struct zipkin_part *part, struct buf *buf)
{
    const struct clock *clock = chain->world->clock;
    struct writer writer = {
        .buf = buf, .chain = chain, .wording = wording, .part = part, .now_us = loop_clock_us()};

    writer.wall_us = clock->wall_us(clock->arg) - writer.now_us;
    write_tries(&writer);
    write_proxy(&writer);
    write_request(&writer);
}
