/*
 * log_record - see log_record.h. Entities are printed from their typed objects (model/shown.h) each time:
 * that takes less than a microsecond, which no cache of texts would be worth.
 */

#include "gateway/chain/log_record.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/json_write.h"
#include "gateway/base/network.h"
#include "gateway/chain/chain.h"
#include "gateway/http/encoded.h"
#include "gateway/io/loop.h"

enum {
    USUAL_BYTES = 4096,
    ARGUMENTS_SHOWN = 100, /* of a query, as many as the reference shows */
    CLIENT_HAS_LEFT = 499, /* the status of what was not answered */
    REQUEST_EXTRA = 14,    /* of a head without headers: two blanks, HTTP/1.1, two line ends */
    URL_EXTRA = 4,         /* "://" and ':' */
    HEADER_EXTRA = 4,      /* ": " and CRLF */
};

struct writer {
    struct buf *buf;
    size_t left; /* bytes of texts that still have room */
};

/* ---- values ---- */

static void add_name(const struct writer *writer, struct str name)
{
    buf_add_str(writer->buf, name);
}

/* Of a peer's choice, hence cut. */
static void add_text(struct writer *writer, struct str text)
{
    bool cut;
    struct str part = json_shown(text, writer->left < LOG_TEXT_BYTES ? writer->left : LOG_TEXT_BYTES, &cut);
    char *to = buf_reserve(writer->buf, part.len * JSON_BYTE_MAX + JSON_TEXT_EXTRA);

    writer->buf->len += (size_t)(json_write_text(to, part, cut) - to);
    writer->left -= part.len;
}

static void lower(char *from, const char *to)
{
    for (; from < to; from++)
        if (*from >= 'A' && *from <= 'Z')
            *from = (char)(*from - 'A' + 'a');
}

/* Letters in escapes are hexadecimal digits, whose case means nothing. */
static void add_lower_text(struct writer *writer, struct str text)
{
    size_t from = writer->buf->len;

    add_text(writer, text);
    lower(writer->buf->at + from, writer->buf->at + writer->buf->len);
}

static void add_member(struct writer *writer, struct str name, struct str text)
{
    add_name(writer, name);
    add_text(writer, text);
}

/* Of ours, and short. */
static void add_word(const struct writer *writer, struct str name, struct str word)
{
    add_name(writer, name);
    json_add_text(writer->buf, word);
}

static void add_number(const struct writer *writer, struct str name, int64_t number)
{
    add_name(writer, name);
    json_add_number(writer->buf, number);
}

static void add_id(const struct writer *writer, struct str name, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    add_word(writer, name, str_of(uuid_format(id, text)));
}

/* ---- values by name: headers and arguments ---- */

enum names {
    NAMES_OF_HEADERS,
    NAMES_OF_ARGUMENTS,
};

static bool is_same(enum names names, struct str a, struct str b)
{
    return names == NAMES_OF_HEADERS ? str_equal_nocase(a, b) : str_equal(a, b);
}

static bool is_secret(enum names names, struct str name)
{
    return names == NAMES_OF_HEADERS && (str_equal_nocase(name, STR("authorization")) ||
                                         str_equal_nocase(name, STR("proxy-authorization")));
}

/* An argument without '=' is true. */
static void add_one(struct writer *writer, enum names names, const struct header *one)
{
    if (is_secret(names, one->name))
        buf_add_str(writer->buf, STR("\"REDACTED\""));
    else if (one->value.at == NULL)
        buf_add_str(writer->buf, STR("true"));
    else
        add_text(writer, one->value);
}

static size_t find_same(enum names names, const struct header *list, size_t from, size_t to, struct str name)
{
    while (from < to && !is_same(names, list[from].name, name))
        from++;
    return from;
}

/* What is there several times is an array. */
static void add_all_of_name(struct writer *writer, enum names names, const struct header *list, size_t first,
                            size_t count)
{
    size_t next = find_same(names, list, first + 1, count, list[first].name);

    if (next == count) {
        add_one(writer, names, &list[first]);
        return;
    }
    size_t array = json_begin(writer->buf);
    buf_add_byte(writer->buf, ',');
    add_one(writer, names, &list[first]);
    for (; next < count; next = find_same(names, list, next + 1, count, list[first].name)) {
        buf_add_byte(writer->buf, ',');
        add_one(writer, names, &list[next]);
    }
    json_end_array(writer->buf, array);
}

static void add_list(struct writer *writer, enum names names, const struct header *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (find_same(names, list, 0, i, list[i].name) < i)
            continue;
        buf_add_byte(writer->buf, ',');
        if (names == NAMES_OF_HEADERS)
            add_lower_text(writer, list[i].name);
        else
            add_text(writer, list[i].name);
        buf_add_byte(writer->buf, ':');
        add_all_of_name(writer, names, list, i, count);
    }
}

/* Framing and Host are no headers of an exchange. */
static void add_request_headers(struct writer *writer, const struct exchange_request *request)
{
    size_t object = json_begin(writer->buf);

    if (request->host.at != NULL && headers_find(&request->headers, STR("host")) == NULL)
        add_member(writer, JSON_NAME("host"), request->host);
    if (request->has_length) {
        add_name(writer, JSON_NAME("content-length"));
        buf_add_byte(writer->buf, '"');
        json_add_number(writer->buf, (int64_t)request->body.len);
        buf_add_byte(writer->buf, '"');
    }
    add_list(writer, NAMES_OF_HEADERS, request->headers.at, request->headers.count);
    json_end_object(writer->buf, object);
}

static void add_response_headers(struct writer *writer, const struct headers *headers)
{
    size_t object = json_begin(writer->buf);

    add_list(writer, NAMES_OF_HEADERS, headers->at, headers->count);
    json_end_object(writer->buf, object);
}

static void add_query(struct writer *writer, struct exchange *exchange, struct str query)
{
    struct header arguments[ARGUMENTS_SHOWN];
    size_t count = 0;
    size_t object = json_begin(writer->buf);

    for (size_t at = 0; at < query.len && count < ARGUMENTS_SHOWN;) {
        size_t end = str_find(query, '&', at);
        struct str pair = str_part(query, at, end != SIZE_MAX ? end : query.len);
        size_t equals = str_find(pair, '=', 0);
        at += pair.len + 1;
        if (pair.len == 0 || equals == 0)
            continue;
        arguments[count++] = (struct header){
            .name = encoded_decode(exchange, str_part(pair, 0, equals != SIZE_MAX ? equals : pair.len)),
            .value = equals != SIZE_MAX ? encoded_decode(exchange, str_part(pair, equals + 1, pair.len))
                                        : STR_NONE};
    }
    add_list(writer, NAMES_OF_ARGUMENTS, arguments, count);
    json_end_object(writer->buf, object);
}

/* ---- the request ---- */

static size_t count_digits(size_t number)
{
    char digits[JSON_NUMBER_MAX];

    return (size_t)(json_write_number(digits, (int64_t)number) - digits);
}

size_t log_request_bytes(const struct chain *chain)
{
    const struct exchange_request *request = exchange_request(chain->exchange);
    size_t bytes = request->method.len + request->target.len + REQUEST_EXTRA + request->body.len;

    if (request->host.at != NULL)
        bytes += STR("Host").len + request->host.len + HEADER_EXTRA;
    if (request->has_length)
        bytes += STR("Content-Length").len + count_digits(request->body.len) + HEADER_EXTRA;
    for (size_t i = 0; i < request->headers.count; i++)
        bytes += request->headers.at[i].name.len + request->headers.at[i].value.len + HEADER_EXTRA;
    return bytes;
}

static char *copy_to(char *to, struct str bytes)
{
    if (bytes.len > 0)
        memcpy(to, bytes.at, bytes.len);
    return to + bytes.len;
}

static struct str bare_host(const struct exchange_request *request)
{
    struct str host = request->host;
    size_t colon = host.len;

    if (host.at == NULL)
        return request->local_address;
    while (colon > 0 && host.at[colon - 1] >= '0' && host.at[colon - 1] <= '9')
        colon--;
    return colon > 0 && host.at[colon - 1] == ':' ? str_part(host, 0, colon - 1) : host;
}

/* scheme://host:port/target, the port being ours. */
static void add_url(struct writer *writer, const struct chain *chain)
{
    const struct exchange_request *request = exchange_request(chain->exchange);
    struct str usual = request->tls ? STR("https") : STR("http");
    struct str scheme = chain->hop.scheme.at != NULL ? chain->hop.scheme : usual;
    struct str host = bare_host(request);
    char *url = exchange_alloc(chain->exchange,
                               scheme.len + host.len + request->target.len + URL_EXTRA + JSON_NUMBER_MAX);
    char *to = copy_to(copy_to(copy_to(url, scheme), STR("://")), host);

    lower(url, to);
    to = json_write_number(copy_to(to, STR(":")), request->local_port);
    to = copy_to(to, request->target);
    add_member(writer, JSON_NAME("url"), (struct str){url, (size_t)(to - url)});
}

static void add_tls(struct writer *writer, const struct exchange *exchange,
                    const struct exchange_outcome *outcome)
{
    const char *problem = exchange_peer_problem(exchange);
    size_t object;

    if (outcome->tls == NULL)
        return;
    add_name(writer, JSON_NAME("tls"));
    object = json_begin(writer->buf);
    add_word(writer, JSON_NAME("version"), str_of(outcome->tls));
    add_word(writer, JSON_NAME("cipher"), str_of(outcome->tls_cipher));
    add_word(writer, JSON_NAME("client_verify"),
             exchange_peer_subject(exchange) != NULL ? STR("SUCCESS")
             : problem != NULL                       ? STR("FAILED")
                                                     : STR("NONE"));
    json_end_object(writer->buf, object);
}

static void add_request(struct writer *writer, const struct chain *chain,
                        const struct exchange_outcome *outcome)
{
    const struct exchange_request *request = exchange_request(chain->exchange);

    add_name(writer, JSON_NAME("request"));
    size_t object = json_begin(writer->buf);
    add_word(writer, JSON_NAME("id"), chain->request_id);
    add_member(writer, JSON_NAME("uri"), request->target);
    add_url(writer, chain);
    add_name(writer, JSON_NAME("querystring"));
    add_query(writer, chain->exchange, request->query);
    add_member(writer, JSON_NAME("method"), request->method);
    add_name(writer, JSON_NAME("headers"));
    add_request_headers(writer, request);
    add_number(writer, JSON_NAME("size"), (int64_t)log_request_bytes(chain));
    add_tls(writer, chain->exchange, outcome);
    json_end_object(writer->buf, object);
}

/* ---- the upstream ---- */

/* The oldest first. Returns how many. */
static size_t list_tries(const struct chain *chain, const struct chain_try *tries[CHAIN_TRIES_KEPT])
{
    const struct chain_try *last = chain->hop.last;
    size_t count = 0;

    for (const struct chain_try *one = last; one != NULL && count < CHAIN_TRIES_KEPT; one = one->before)
        count++;
    for (size_t i = count; i > 0; i--, last = last->before)
        tries[i - 1] = last;
    return count;
}

/* "502, 200"; "-": nothing had come when the client left. */
static void add_upstream_status(const struct writer *writer, const struct chain *chain)
{
    const struct chain_try *tries[CHAIN_TRIES_KEPT];
    size_t count = list_tries(chain, tries);

    add_name(writer, JSON_NAME("upstream_status"));
    buf_add_byte(writer->buf, '"');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_str(writer->buf, STR(", "));
        if (tries[i]->status != 0)
            json_add_number(writer->buf, tries[i]->status);
        else
            buf_add_byte(writer->buf, '-');
    }
    buf_add_byte(writer->buf, '"');
}

/* wall_us: what is to be added to a time of the loop's clock. */
static void add_try(struct writer *writer, const struct chain_try *one, int64_t wall_us)
{
    char ip[NETWORK_TEXT_SIZE];
    int port = network_text(&one->address, ip);
    size_t object = json_begin(writer->buf);

    add_number(writer, JSON_NAME("balancer_start"), (one->began_us + wall_us) / 1000);
    add_number(writer, JSON_NAME("balancer_start_ns"), (one->began_us + wall_us) * 1000);
    add_number(writer, JSON_NAME("balancer_latency"), one->lasted_us / 1000);
    add_number(writer, JSON_NAME("balancer_latency_ns"), one->lasted_us * 1000);
    add_word(writer, JSON_NAME("ip"), str_of(ip));
    add_number(writer, JSON_NAME("port"), port);
    if (one->failed)
        add_word(writer, JSON_NAME("state"), STR("failed"));
    if (one->failed && one->status != 0)
        add_number(writer, JSON_NAME("code"), one->status);
    json_end_object(writer->buf, object);
}

static void add_tries(struct writer *writer, const struct chain *chain, int64_t wall_us)
{
    const struct chain_try *tries[CHAIN_TRIES_KEPT];
    size_t count = list_tries(chain, tries);

    add_name(writer, JSON_NAME("tries"));
    size_t array = json_begin(writer->buf);
    for (size_t i = 0; i < count; i++) {
        buf_add_byte(writer->buf, ',');
        add_try(writer, tries[i], wall_us);
    }
    json_end_array(writer->buf, array);
}

void log_latencies(const struct chain *chain, struct log_latencies *latencies)
{
    const struct chain_hop *hop = &chain->hop;
    int64_t received_us = exchange_request(chain->exchange)->received_us;

    latencies->request_us = loop_clock_us() - received_us;
    latencies->upstream_us = hop->head_us != 0 ? hop->head_us - hop->began_us : -1;
    if (hop->began_us != 0 && hop->head_us == 0)
        latencies->gateway_us = hop->began_us - received_us;
    else
        latencies->gateway_us = latencies->request_us - (hop->head_us - hop->began_us);
}

static void add_latencies(const struct writer *writer, const struct log_latencies *latencies)
{
    add_name(writer, JSON_NAME("latencies"));
    size_t object = json_begin(writer->buf);
    add_number(writer, JSON_NAME("kong"), latencies->gateway_us / 1000);
    add_number(writer, JSON_NAME("proxy"), latencies->upstream_us < 0 ? -1 : latencies->upstream_us / 1000);
    add_number(writer, JSON_NAME("request"), latencies->request_us / 1000);
    json_end_object(writer->buf, object);
}

/* ---- the rest ---- */

static void add_response(struct writer *writer, const struct chain *chain,
                         const struct exchange_outcome *outcome)
{
    add_name(writer, JSON_NAME("response"));
    size_t object = json_begin(writer->buf);
    add_number(writer, JSON_NAME("status"), outcome->status != 0 ? outcome->status : CLIENT_HAS_LEFT);
    add_name(writer, JSON_NAME("headers"));
    add_response_headers(writer, &chain->answer.headers);
    add_number(writer, JSON_NAME("size"), (int64_t)outcome->bytes_sent);
    json_end_object(writer->buf, object);
}

static void add_entity(const struct writer *writer, struct str name, const struct schema *schema,
                       const void *object)
{
    if (object == NULL)
        return;
    add_name(writer, name);
    schema->print(writer->buf, object);
}

static void add_who(const struct writer *writer, const struct chain *chain)
{
    if (chain->credential != NULL && chain->consumer != NULL) {
        add_name(writer, JSON_NAME("authenticated_entity"));
        size_t object = json_begin(writer->buf);
        add_id(writer, JSON_NAME("id"), chain->credential); /* the first member of any */
        add_id(writer, JSON_NAME("consumer_id"), &chain->consumer->id);
        json_end_object(writer->buf, object);
    }
    add_entity(writer, JSON_NAME("consumer"), &consumer_schema, chain->consumer);
    add_word(writer, JSON_NAME("client_ip"),
             chain->client_address.at != NULL ? chain->client_address
                                              : exchange_request(chain->exchange)->peer_address);
}

static void add_shared(struct writer *writer, const struct chain *chain)
{
    struct str correlation = chain_find_shared(chain, STR("correlation_id"));
    struct str trace = chain_find_shared(chain, STR("trace_id"));

    if (correlation.at != NULL)
        add_member(writer, JSON_NAME("correlation_id"), correlation);
    if (trace.at == NULL)
        return;
    add_name(writer, JSON_NAME("trace_id"));
    buf_add_str(writer->buf, trace);
}

static void write_record(struct writer *writer, const struct chain *chain)
{
    const struct clock *clock = chain->world->clock;
    int64_t wall_us = clock->wall_us(clock->arg) - loop_clock_us();
    struct exchange_outcome outcome;
    struct log_latencies latencies;

    exchange_read_outcome(chain->exchange, &outcome);
    log_latencies(chain, &latencies);
    size_t object = json_begin(writer->buf);
    add_request(writer, chain, &outcome);
    add_member(writer, JSON_NAME("upstream_uri"), chain->hop.uri);
    add_upstream_status(writer, chain);
    add_response(writer, chain, &outcome);
    add_latencies(writer, &latencies);
    add_tries(writer, chain, wall_us);
    add_who(writer, chain);
    add_entity(writer, JSON_NAME("route"), &route_schema, chain->route);
    add_entity(writer, JSON_NAME("service"), &service_schema, chain->service);
    add_number(writer, JSON_NAME("started_at"),
               (exchange_request(chain->exchange)->received_us + wall_us) / 1000);
    add_shared(writer, chain);
    json_end_object(writer->buf, object);
}

struct str log_record(struct chain *chain)
{
    struct writer writer = {.buf = &chain->record, .left = LOG_TEXTS_BYTES};

    if (chain->record.len == 0) {
        (void)buf_reserve(&chain->record, USUAL_BYTES);
        write_record(&writer, chain);
    }
    return buf_str(&chain->record);
}
