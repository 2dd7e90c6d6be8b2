/*
 * response - see response.h.
 *
 * "Proxied" is a request that has left for an upstream, even if nothing came back, or was answered as though:
 * it has Via and both latencies; all others have Server and the latency of the answer.
 */

#include "gateway/proxy/response.h"

#include <string.h>

#include "gateway/chain/error_page.h"
#include "gateway/chain/grpc_error.h"
#include "gateway/config/header_tokens.h"
#include "gateway/io/loop.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/request.h"
#include "gateway/proxy/settings.h"

static enum error_page_type type_for_engine(const struct request *request)
{
    const struct header *type =
        headers_find(&exchange_request(request->exchange)->headers, STR("Content-Type"));

    return type != NULL ? error_page_choose(type->value, request->settings->error_type)
                        : request->settings->error_type;
}

void response_make_error(struct request *request, enum response_source source, int status,
                         const char *message)
{
    struct chain *chain = &request->chain;
    const struct header *accept = headers_find(&exchange_request(request->exchange)->headers, STR("Accept"));
    const struct error_page_wish wish = {
        .templates = chain->templates,
        .accept = accept != NULL ? accept->value : STR_NONE,
        .fallback = source == RESPONSE_OF_ENGINE ? type_for_engine(request) : ERROR_PAGE_JSON,
        .status = status,
        .message = message,
        .request_id = chain->request_id,
    };
    struct str content_type;

    if (grpc_is_spoken(request->exchange)) {
        grpc_error(request->exchange, &chain->answer, status, message);
        chain->answer_body = STR_NONE;
        chain->answered = true;
        return;
    }
    chain->answer_body = error_page(request->exchange, &wish, &content_type);
    exchange_answer_init(request->exchange, &chain->answer, status);
    headers_add(&chain->answer.headers, STR("Content-Type"), content_type);
    chain->answered = true;
    chain->request_id_in_body = true;
}

/* Milliseconds as text, in the exchange's memory. */
static struct str milliseconds(struct request *request, int64_t us)
{
    enum {
        DIGITS = 20
    };
    char *end = (char *)exchange_alloc(request->exchange, DIGITS) + DIGITS;
    char *at = end;
    uint64_t left = us > 0 ? (uint64_t)us / 1000 : 0;

    do
        *--at = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    return (struct str){at, (size_t)(end - at)};
}

static bool is_proxied(const struct request *request)
{
    return request->proxied || request->chain.as_proxied;
}

static void add_latencies(struct request *request, struct headers *headers)
{
    unsigned wanted = request->settings->answer_headers;
    int64_t received_us = exchange_request(request->exchange)->received_us;
    const struct chain_hop *hop = &request->chain.hop;

    if (!is_proxied(request)) {
        if ((wanted & HEADER_RESPONSE_LATENCY) != 0)
            headers_set(headers, STR("X-Kong-Response-Latency"),
                        milliseconds(request, loop_clock_us() - received_us));
        return;
    }
    int64_t head_us = hop->head_us != 0 ? hop->head_us : loop_clock_us();
    int64_t began_us = request->proxied ? hop->began_us : head_us;
    if ((wanted & HEADER_UPSTREAM_LATENCY) != 0)
        headers_set(headers, STR("X-Kong-Upstream-Latency"), milliseconds(request, head_us - began_us));
    if ((wanted & HEADER_PROXY_LATENCY) != 0)
        headers_set(headers, STR("X-Kong-Proxy-Latency"), milliseconds(request, began_us - received_us));
}

static void add_debug(struct request *request, struct headers *headers)
{
    const struct route *route = request->chain.route;
    const struct service *service = request->chain.service;
    char id[UUID_TEXT_SIZE];

    if (headers_find(&exchange_request(request->exchange)->headers, STR("Kong-Debug")) == NULL)
        return;
    if (route != NULL) {
        headers_set(headers, STR("Kong-Route-Id"),
                    exchange_copy(request->exchange, str_of(uuid_format(&route->id, id))));
        if (route->name != NULL)
            headers_set(headers, STR("Kong-Route-Name"), str_of(route->name));
    }
    if (service != NULL) {
        headers_set(headers, STR("Kong-Service-Id"),
                    exchange_copy(request->exchange, str_of(uuid_format(&service->id, id))));
        if (service->name != NULL)
            headers_set(headers, STR("Kong-Service-Name"), str_of(service->name));
    }
}

/* Types whose reader would have to guess; the list is that of nginx's charset_types. */
static bool is_text(struct str media_type)
{
    static const char *const texts[] = {
        "text/html",          "text/plain", "text/xml", "text/vnd.wap.wml", "application/javascript",
        "application/rss+xml"};

    for (size_t i = 0; i < COUNT(texts); i++)
        if (str_equal_nocase(media_type, str_of(texts[i])))
            return true;
    return false;
}

static bool names_charset(struct str parameters)
{
    for (size_t at = 0; at < parameters.len;) {
        size_t end = str_find(parameters, ';', at);
        struct str parameter = str_trim(str_part(parameters, at, end != SIZE_MAX ? end : parameters.len));
        if (parameter.len >= 8 && str_equal_nocase(str_part(parameter, 0, 8), STR("charset=")))
            return true;
        at = end != SIZE_MAX ? end + 1 : parameters.len;
    }
    return false;
}

static struct str with_charset(struct exchange *exchange, struct str type, struct str charset)
{
    struct str middle = STR("; charset=");
    char *text = exchange_alloc(exchange, type.len + middle.len + charset.len);

    memcpy(text, type.at, type.len);
    memcpy(text + type.len, middle.at, middle.len);
    memcpy(text + type.len + middle.len, charset.at, charset.len);
    return (struct str){text, type.len + middle.len + charset.len};
}

static void add_charset(struct request *request, struct headers *headers)
{
    struct header *type = headers_find(headers, STR("Content-Type"));
    struct str charset = request->settings->charset;

    if (type == NULL || charset.at == NULL)
        return;
    size_t end = str_find(type->value, ';', 0);
    size_t length = end != SIZE_MAX ? end : type->value.len;
    if (is_text(str_trim(str_part(type->value, 0, length))) &&
        !names_charset(str_part(type->value, length, type->value.len)))
        type->value = with_charset(request->exchange, type->value, charset);
}

void response_dress(struct request *request)
{
    struct headers *headers = &request->chain.answer.headers;
    const struct settings *settings = request->settings;

    request->chain.wants_body = false;
    request->chain.wants_pieces = false;
    chain_header_filter(&request->chain);
    add_charset(request, headers);
    if (is_proxied(request) && (settings->answer_headers & HEADER_VIA) != 0)
        headers_set(headers, STR("Via"), settings->server_token);
    if (!is_proxied(request) && (settings->answer_headers & HEADER_SERVER) != 0)
        headers_set(headers, STR("Server"), settings->server_token);
    add_latencies(request, headers);
    if (is_proxied(request) && (settings->answer_headers & HEADER_UPSTREAM_STATUS) != 0)
        headers_set(headers, STR("X-Kong-Upstream-Status"),
                    exchange_printf(request->exchange, "%d",
                                    request->proxied ? request->relay.status : request->chain.answer.status));
    if ((settings->answer_headers & HEADER_REQUEST_ID) != 0)
        headers_set(headers, STR("X-Kong-Request-Id"), request->chain.request_id);
    if (settings->debug_headers)
        add_debug(request, headers);
}

void response_send(struct request *request)
{
    struct chain *chain = &request->chain;

    request->step = SIZE_MAX; /* a plugin that wakes it now finds nothing left to do */
    response_dress(request);
    chain_body_filter(chain);
    request->whole = true;
    if (chain->head_length == 0 || chain->answer_body.len > 0 ||
        !str_equal(exchange_request(request->exchange)->method, STR("HEAD"))) {
        exchange_reply(request->exchange, &chain->answer, chain->answer_body);
        return;
    }
    exchange_begin(request->exchange, &chain->answer, chain->head_length);
    exchange_send(request->exchange, STR_NONE, EXCHANGE_LAST, NULL, NULL);
}

void response_error(struct request *request, enum response_source source, int status, const char *message)
{
    response_make_error(request, source, status, message);
    response_send(request);
}
