/*
 * upstream_head - see upstream_head.h. Two walks over the client's lines: one adds up the room, one writes.
 */

#include "gateway/proxy/upstream_head.h"

#include <assert.h>
#include <string.h>

#include "gateway/config/header_tokens.h"
#include "gateway/http/exchange.h"
#include "gateway/proxy/hop_by_hop.h"
#include "gateway/proxy/origin.h"
#include "gateway/proxy/settings.h"

enum {
    FIXED_ROOM = 512 /* names, numbers and separators of all lines that may be added */
};

/* What happens to a line of the client's. */
enum fate {
    FATE_PASSED,
    FATE_DROPPED,
    FATE_TE,
    FATE_TRUSTED,    /* a forwarding header: kept when the peer is trusted */
    FATE_REQUEST_ID, /* ours stands in its place, if we send one */
};

static const struct {
    struct str name;
    enum fate fate;
} fates[] = {
    {{"te", 2}, FATE_TE},
    {{"host", 4}, FATE_DROPPED},
    {{"proxy", 5}, FATE_DROPPED},
    {{"upgrade", 7}, FATE_DROPPED},
    {{"x-real-ip", 9}, FATE_DROPPED},
    {{"connection", 10}, FATE_DROPPED},
    {{"keep-alive", 10}, FATE_DROPPED},
    {{"content-length", 14}, FATE_DROPPED},
    {{"x-forwarded-for", 15}, FATE_DROPPED},
    {{"x-forwarded-host", 16}, FATE_TRUSTED},
    {{"x-forwarded-port", 16}, FATE_TRUSTED},
    {{"x-forwarded-path", 16}, FATE_TRUSTED},
    {{"proxy-connection", 16}, FATE_DROPPED},
    {{"x-forwarded-proto", 17}, FATE_TRUSTED},
    {{"x-kong-request-id", 17}, FATE_REQUEST_ID},
    {{"transfer-encoding", 17}, FATE_DROPPED},
    {{"x-forwarded-prefix", 18}, FATE_TRUSTED},
};

/* Of the names above by length: most lines are passed without a comparison. */
static const uint32_t interesting_lengths =
    1 << 2 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 9 | 1 << 10 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 17 | 1 << 18;

static enum fate fate_of(struct str name)
{
    if (name.len > 18 || (interesting_lengths >> name.len & 1) == 0)
        return FATE_PASSED;
    for (size_t i = 0; i < COUNT(fates); i++)
        if (str_equal_nocase(name, fates[i].name))
            return fates[i].fate;
    return FATE_PASSED;
}

struct writer {
    char *at;
    size_t len;
};

static void put(struct writer *writer, struct str bytes)
{
    if (bytes.len > 0)
        memcpy(writer->at + writer->len, bytes.at, bytes.len);
    writer->len += bytes.len;
}

static void put_number(struct writer *writer, size_t number)
{
    char digits[20];
    size_t count = 0;

    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        writer->at[writer->len++] = digits[--count];
}

static void put_line(struct writer *writer, struct str name, struct str value)
{
    put(writer, name);
    put(writer, STR(": "));
    put(writer, value);
    put(writer, STR("\r\n"));
}

/* What a walk over the client's lines leaves to be written afterwards. */
struct seen {
    bool proto, host, port, path, prefix; /* a trusted peer has said it */
    bool wants_trailers;
};

static void note_trusted(struct seen *seen, struct str name)
{
    struct str what = str_part(name, sizeof("x-forwarded-") - 1, name.len);

    seen->proto |= str_equal_nocase(what, STR("proto"));
    seen->host |= str_equal_nocase(what, STR("host"));
    seen->port |= str_equal_nocase(what, STR("port"));
    seen->path |= str_equal_nocase(what, STR("path"));
    seen->prefix |= str_equal_nocase(what, STR("prefix"));
}

static void put_client_lines(struct writer *writer, const struct upstream_head *head,
                             const struct headers *headers, struct seen *seen)
{
    bool own_id = (head->settings->upstream_headers & HEADER_REQUEST_ID) != 0;

    for (size_t i = 0; i < headers->count; i++) {
        const struct header *line = &headers->at[i];
        switch (fate_of(line->name)) {
        case FATE_PASSED:
            put_line(writer, line->name, line->value);
            break;
        case FATE_REQUEST_ID:
            if (!own_id)
                put_line(writer, line->name, line->value);
            break;
        case FATE_TRUSTED:
            if (!head->origin->trusted)
                break;
            note_trusted(seen, line->name);
            put_line(writer, line->name, line->value);
            break;
        case FATE_TE:
            seen->wants_trailers |= hop_by_hop_mentions(line->value, STR("trailers"));
            break;
        case FATE_DROPPED:
            break;
        }
    }
}

static void put_forwarded_for(struct writer *writer, const struct exchange_request *request,
                              const struct origin *origin)
{
    const struct headers *headers = &request->headers;
    const struct header *line = headers_find(headers, STR("X-Forwarded-For"));

    put(writer, STR("X-Forwarded-For: "));
    if (line == NULL)
        put(writer, origin->address);
    for (; line != NULL; line = headers_find_next(headers, line, STR("X-Forwarded-For"))) {
        put(writer, line->value);
        put(writer, STR(", "));
    }
    if (headers_find(headers, STR("X-Forwarded-For")) != NULL)
        put(writer, request->peer_address);
    put(writer, STR("\r\n"));
}

static void put_forwarding(struct writer *writer, struct exchange *exchange, const struct upstream_head *head,
                           const struct seen *seen)
{
    const struct exchange_request *request = exchange_request(exchange);
    const struct origin *origin = head->origin;

    put_line(writer, STR("X-Real-IP"), origin->address);
    put_forwarded_for(writer, request, origin);
    if (!seen->proto)
        put_line(writer, STR("X-Forwarded-Proto"), origin->scheme);
    if (!seen->host)
        put_line(writer, STR("X-Forwarded-Host"), origin_host(exchange, origin));
    if (!seen->port) {
        put(writer, STR("X-Forwarded-Port: "));
        put_number(writer, (size_t)settings_public_port(head->settings, request->local_port));
        put(writer, STR("\r\n"));
    }
    if (!seen->path)
        put_line(writer, STR("X-Forwarded-Path"), request->path);
    if (!seen->prefix && head->prefix.at != NULL)
        put_line(writer, STR("X-Forwarded-Prefix"), head->prefix);
}

/* A method that means nothing without a body says that there is none. */
static bool expects_body(struct str method)
{
    return str_equal(method, STR("POST")) || str_equal(method, STR("PUT")) || str_equal(method, STR("PATCH"));
}

static size_t room_for(const struct exchange_request *request, const struct upstream_head *head)
{
    size_t room = FIXED_ROOM + request->method.len + head->path.len + head->query.len + head->host.len +
                  head->prefix.len + request->path.len + request->host.len + request->upgrade.len +
                  head->origin->address.len + head->origin->scheme.len + request->peer_address.len +
                  head->request_id.len;

    for (size_t i = 0; i < request->headers.count; i++)
        room += request->headers.at[i].name.len + request->headers.at[i].value.len + 4;
    return room;
}

struct str upstream_head_upgrade(struct exchange *exchange)
{
    const struct exchange_request *request = exchange_request(exchange);

    return request->version == 0x101 && str_equal_nocase(request->upgrade, STR("websocket"))
               ? STR("websocket")
               : STR_NONE;
}

struct str upstream_head_write(struct exchange *exchange, const struct upstream_head *head)
{
    const struct exchange_request *request = exchange_request(exchange);
    struct str upgrade = upstream_head_upgrade(exchange);
    size_t room = room_for(request, head);
    char *memory = exchange_alloc(exchange, room);
    struct writer writer = {.at = memory};
    struct seen seen = {0};

    put(&writer, request->method);
    put(&writer, STR(" "));
    put(&writer, head->path);
    if (head->query.at != NULL) {
        put(&writer, STR("?"));
        put(&writer, head->query);
    }
    put(&writer, STR(" HTTP/1.1\r\n"));
    const struct header *host = headers_find(&request->headers, STR("Host"));
    put_line(&writer, STR("Host"), host != NULL ? host->value : head->host);
    put_client_lines(&writer, head, &request->headers, &seen);
    if (seen.wants_trailers)
        put(&writer, STR("TE: trailers\r\n"));
    put(&writer,
        upgrade.at != NULL ? STR("Connection: keep-alive, Upgrade\r\n") : STR("Connection: keep-alive\r\n"));
    if (upgrade.at != NULL)
        put_line(&writer, STR("Upgrade"), upgrade);
    if (head->body.at != NULL || expects_body(request->method)) {
        put(&writer, STR("Content-Length: "));
        put_number(&writer, head->body.len);
        put(&writer, STR("\r\n"));
    }
    put_forwarding(&writer, exchange, head, &seen);
    if ((head->settings->upstream_headers & HEADER_REQUEST_ID) != 0)
        put_line(&writer, STR("X-Kong-Request-Id"), head->request_id);
    put(&writer, STR("\r\n"));
    assert(writer.len <= room);
    return (struct str){memory, writer.len};
}

struct str upstream_head_uri(struct str head)
{
    size_t from = str_find(head, ' ', 0) + 1;

    return str_part(head, from, str_find(head, ' ', from));
}
