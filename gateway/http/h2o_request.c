/*
 * h2o_request - what h2o has received as an exchange's request, once the guard has let it pass.
 */

#include <arpa/inet.h>
#include <string.h>

#include <h2o.h>

#include "gateway/base/network.h"
#include "gateway/http/exchange_backend.h"
#include "gateway/http/front.h"
#include "gateway/http/guard.h"
#include "gateway/http/h2_watch.h"
#include "gateway/io/loop.h"

enum {
    SPARE_HEADERS = 12 /* room for what a gateway adds to a request */
};

static int read_address(const struct sockaddr_storage *address, char text[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in6 *six = (const void *)address;
    int port = network_text(address, text);

    if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        (void)inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], text, INET6_ADDRSTRLEN);
    return port;
}

/* Once per connection, at its first request: a PROXY line may have changed the peer until then. */
static void learn_addresses(struct front_connection *connection, h2o_conn_t *conn)
{
    struct sockaddr_storage local = {0};

    connection->addresses_known = true;
    (void)conn->callbacks->get_peername(conn, (void *)&connection->peer); /* stays AF_UNSPEC when it fails */
    (void)conn->callbacks->get_sockname(conn, (void *)&local);
    connection->peer_port = read_address(&connection->peer, connection->peer_address);
    connection->local_port = read_address(&local, connection->local_address);
}

static struct str str_of_iovec(h2o_iovec_t bytes)
{
    return (struct str){bytes.base, bytes.len};
}

/* HTTP/2 cuts a Cookie into pieces, for the sake of compression (RFC 9113, section 8.2.3). */
static void join_cookies(struct exchange *exchange)
{
    struct headers *headers = &exchange->request.headers;
    struct header *first = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < headers->count; i++) {
        struct header *header = &headers->at[i];

        if (!str_equal(header->name, STR("cookie"))) {
            headers->at[kept++] = *header;
        } else if (first == NULL) {
            first = &headers->at[kept];
            headers->at[kept++] = *header;
        } else {
            first->value =
                exchange_printf(exchange, "%.*s; %.*s", STR_ARG(first->value), STR_ARG(header->value));
        }
    }
    headers->count = kept;
}

static void read_headers(const h2o_req_t *req, struct exchange *exchange)
{
    const h2o_headers_t *from = &req->headers;
    struct headers *to = &exchange->request.headers;

    to->owner = exchange;
    to->capacity = from->size + SPARE_HEADERS;
    to->at = exchange_alloc(exchange, to->capacity * sizeof(*to->at));
    for (size_t i = 0; i < from->size; i++) {
        const h2o_header_t *line = &from->entries[i];

        to->at[i].name =
            (struct str){line->orig_name != NULL ? line->orig_name : line->name->base, line->name->len};
        to->at[i].value = str_of_iovec(line->value);
    }
    to->count = from->size;
    if (req->version >= 0x200)
        join_cookies(exchange);
}

void front_split_target(struct exchange_request *request)
{
    size_t mark = str_find(request->target, '?', 0);

    if (mark == SIZE_MAX) {
        request->path = request->target;
        request->query = STR_NONE;
    } else {
        request->path = str_part(request->target, 0, mark);
        request->query = str_part(request->target, mark + 1, request->target.len);
    }
}

void front_read_request(h2o_req_t *req, struct front_connection *connection, struct exchange *exchange)
{
    struct exchange_request *request = &exchange->request;

    if (!connection->addresses_known)
        learn_addresses(connection, req->conn);

    request->method = str_of_iovec(req->method);
    request->target = str_of_iovec(req->path);
    request->host = str_of_iovec(req->authority);
    request->version = req->version;
    request->tls = connection->tls;
    request->server_name = str_of(connection->server_name);
    request->upgrade = str_of_iovec(req->upgrade);
    request->body = str_of_iovec(req->entity);
    request->peer = connection->peer;
    request->peer_address = str_of(connection->peer_address);
    request->peer_port = connection->peer_port;
    request->local_address = str_of(connection->local_address);
    request->local_port = connection->local_port;
    request->received_us = loop_clock_us();
    request->connection = req->conn->id;
    read_headers(req, exchange);
    front_split_target(request);
}

/* HPACK makes few bytes on the wire many headers: bounded before any is copied. */
struct guard_refusal front_bound_head(h2o_req_t *req, const struct guard_limits *limits)
{
    size_t bytes = 0;

    if (req->version < 0x200)
        return (struct guard_refusal){0, NULL};
    for (size_t i = 0; i < req->headers.size && bytes <= limits->head_bytes; i++)
        bytes += req->headers.entries[i].name->len + req->headers.entries[i].value.len;
    if (bytes <= limits->head_bytes && req->headers.size <= GUARD_HEADERS_MAX)
        return (struct guard_refusal){0, NULL};
    req->headers.size = 0;
    return (struct guard_refusal){431, "Request header or cookie too large"};
}

/* Where a client has named no host, h2o puts in the name of ours. */
static bool is_made_up(const h2o_req_t *req)
{
    return req->authority.base == NULL || req->authority.base == req->hostconf->authority.hostport.base;
}

struct guard_refusal front_check(h2o_req_t *req, struct front_connection *connection,
                                 const struct exchange *exchange, struct guard_request *checked)
{
    const struct guard_limits *limits = &connection->at->front->limits;
    const h2o_buffer_t *input = connection->sock->input;
    const struct exchange_request *request = &exchange->request;

    if (req->version < 0x200)
        return guard_check((struct str){input->bytes, input->size}, limits, checked);

    *checked = (struct guard_request){
        .method = request->method,
        .target = request->target,
        .host = is_made_up(req) ? STR_NONE : request->host,
        .version = 0x200,
        .has_length = headers_find(&request->headers, STR("content-length")) != NULL,
    };
    checked->chunked =
        !checked->has_length && request->body.len > 0; /* comes in pieces of no announced number */
    if (!h2_watch_begin(connection, request->body.len))
        return (struct guard_refusal){503, "Service unavailable"};
    return guard_check_parts(checked, &request->headers, limits);
}
