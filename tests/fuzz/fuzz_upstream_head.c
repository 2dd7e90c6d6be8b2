/* library: gateway_proxy */

/*
 * fuzz_upstream_head - lines of a request as the front would have read them, from a peer that is trusted or
 * not: what goes upstream is one head of whole lines, with one Host and one of each line the gateway answers
 * for, and a stranger's word is not in it.
 *
 * The first byte chooses settings and peer, the rest is "METHOD target\nName: value\n...".
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/base/network.h"
#include "gateway/config/header_tokens.h"
#include "gateway/http/exchange_recorder.h"
#include "gateway/proxy/hop_by_hop.h"
#include "gateway/proxy/origin.h"
#include "gateway/proxy/settings.h"
#include "gateway/proxy/upstream_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STRANGER = 1 << 0,
    LIST = 1 << 1, /* X-Forwarded-For, recursively */
    OWN_ID = 1 << 2,
    HAS_BODY = 1 << 3,
    IS_TLS = 1 << 4,
    LINES_MAX = 200
};

static void demand(bool fact)
{
    if (!fact)
        abort();
}

static struct str take(struct str *rest, char end)
{
    if (rest->at == NULL)
        return STR_NONE;
    size_t at = str_find(*rest, end, 0);
    struct str word = str_part(*rest, 0, at != SIZE_MAX ? at : rest->len);
    *rest = at != SIZE_MAX ? str_part(*rest, at + 1, rest->len) : STR_NONE;
    return word;
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ' || name.at[i] == 0x7f)
            return false;
    return name.len > 0;
}

/* Control bytes and line ends never get through the guard. */
static bool is_value(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.at[i] < ' ' && value.at[i] != '\t')
            return false;
    return true;
}

static void read_lines(struct exchange *exchange, struct str rest)
{
    struct exchange_request *request = exchange_request(exchange);

    for (size_t i = 0; i < LINES_MAX && rest.len > 0; i++) {
        struct str value = take(&rest, '\n');
        struct str name = take(&value, ':');
        value = value.at != NULL ? str_trim(value) : STR("");
        if (!is_name(name) || !is_value(value))
            continue;
        if (str_equal_nocase(name, STR("host")))
            request->host = value;
        else if (str_equal_nocase(name, STR("upgrade")))
            request->upgrade = value;
        else
            headers_add(&request->headers, name, value);
    }
}

static size_t count_lines(struct str head, struct str name)
{
    size_t count = 0;

    (void)take(&head, '\n'); /* the request line */
    for (struct str line = take(&head, '\n'); line.at != NULL; line = take(&head, '\n')) {
        demand(head.at == NULL || (line.len > 0 && line.at[line.len - 1] == '\r'));
        count += str_equal_nocase(take(&line, ':'), name) ? 1 : 0;
    }
    return count;
}

static void check(struct str head, const struct origin *origin, const struct upstream_head *from)
{
    static const char *const ours[] = {"host", "connection", "x-real-ip", "x-forwarded-for"};
    static const char *const said[] = {"x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
                                       "x-forwarded-path"};
    static const char *const never[] = {"transfer-encoding", "keep-alive", "proxy", "proxy-connection"};
    struct sockaddr_storage address;

    demand(head.len > 4 && memcmp(head.at + head.len - 4, "\r\n\r\n", 4) == 0);
    demand(memmem(head.at, head.len - 1, "\r\n\r\n", 4) == NULL);
    demand(network_address(origin->address, &address));
    for (size_t i = 0; i < COUNT(ours); i++)
        demand(count_lines(head, str_of(ours[i])) == 1);
    for (size_t i = 0; i < COUNT(said); i++)
        demand(count_lines(head, str_of(said[i])) >= 1);
    for (size_t i = 0; i < COUNT(said) && !origin->trusted; i++)
        demand(count_lines(head, str_of(said[i])) == 1);
    for (size_t i = 0; i < COUNT(never); i++)
        demand(count_lines(head, str_of(never[i])) == 0);
    demand(count_lines(head, STR("content-length")) <= 1);
    demand(count_lines(head, STR("te")) <= 1);
    demand(count_lines(head, STR("upgrade")) <= 1);
    if (!origin->trusted)
        demand(count_lines(head, STR("x-forwarded-prefix")) == (from->prefix.at != NULL ? 1 : 0));
    if (from->settings->upstream_headers != 0)
        demand(count_lines(head, STR("x-kong-request-id")) == 1);
}

static void try_request(const struct settings *settings, unsigned choice, struct str input)
{
    struct str first = take(&input, '\n');
    struct exchange_request request = {.version = 0x101, .local_port = 8000, .tls = (choice & IS_TLS) != 0};
    struct origin origin;

    request.method = take(&first, ' ');
    request.target = first.at != NULL ? first : STR("/");
    if (!is_name(request.method) || !is_name(request.target))
        return;
    request.peer_address = (choice & STRANGER) != 0 ? STR("192.0.2.1") : STR("10.0.0.1");
    demand(network_address(request.peer_address, &request.peer));
    struct str query = request.target;
    request.path = take(&query, '?');
    struct exchange *exchange = exchange_recorder_new(NULL, &request);
    read_lines(exchange, input);
    origin_read(exchange, settings, &origin);
    hop_by_hop_drop_named(&exchange_request(exchange)->headers);
    const struct upstream_head head = {
        .settings = settings,
        .origin = &origin,
        .path = request.path,
        .query = query,
        .host = STR("up"),
        .prefix = request.path.len > 9 ? str_part(request.path, 0, 9) : STR_NONE,
        .request_id = STR("0123456789abcdef0123456789abcdef"),
        .body = (choice & HAS_BODY) != 0 ? STR("body") : STR_NONE,
    };
    (void)origin_host(exchange, &origin);
    check(upstream_head_write(exchange, &head), &origin, &head);
    exchange_recorder_free(exchange);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct network trusted;
    unsigned choice = size > 0 ? data[0] : 0;

    demand(network_parse(STR("10.0.0.0/8"), &trusted));
    const struct settings settings = {
        .upstream_headers = (choice & OWN_ID) != 0 ? HEADER_REQUEST_ID : 0,
        .trusted = &trusted,
        .trusted_count = 1,
        .real_ip_header = (choice & LIST) != 0 ? STR("X-Forwarded-For") : STR("X-Real-IP"),
        .real_ip_recursive = (choice & LIST) != 0,
    };
    if (size > 1)
        try_request(&settings, choice, (struct str){(const char *)data + 1, size - 1});
    return 0;
}
