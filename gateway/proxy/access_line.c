/*
 * access_line - see access_line.h. A JSON line is a table of its members; nothing is allocated, and no printf
 * is used: a line must cost less than a microsecond.
 *
 * Times are in UTC: what the local zone is would have to be read from a file.
 */

#include "gateway/proxy/access_line.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "gateway/base/attributes.h"
#include "gateway/base/clock.h"
#include "gateway/base/json_write.h"
#include "gateway/chain/chain.h"
#include "gateway/http/exchange.h"
#include "gateway/io/loop.h"

enum {
    TARGET_BYTES = 2048, /* of a request's target that are shown */
    FIELD_BYTES = 512,   /* of a header field */
    NAME_BYTES = 255,    /* of all else */
    FIXED_ROOM = 4096,   /* for names of members, numbers, addresses and dots: less than 2 KiB */
};

struct writer {
    char *at;
    const char *text_end; /* texts end before it */
    struct access_time *time;
};

/* ---- bytes and numbers ---- */

static void put(struct writer *writer, struct str bytes)
{
    memcpy(writer->at, bytes.at, bytes.len);
    writer->at += bytes.len;
}

static void put_byte(struct writer *writer, char byte)
{
    *writer->at++ = byte;
}

static void put_number(struct writer *writer, int64_t number)
{
    writer->at = json_write_number(writer->at, number > 0 ? number : 0);
}

static void put_three_digits(struct writer *writer, int64_t number)
{
    put_byte(writer, (char)('0' + number / 100 % 10));
    put_byte(writer, (char)('0' + number / 10 % 10));
    put_byte(writer, (char)('0' + number % 10));
}

static void put_hex(struct writer *writer, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";

    put_byte(writer, digits[byte >> 4]);
    put_byte(writer, digits[byte & 15]);
}

/* ---- texts ---- */

static bool is_plain(unsigned char byte)
{
    return byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
}

/* What is shown of a text. *cut: not all. */
static struct str shown(const struct writer *writer, struct str text, size_t limit, bool *cut)
{
    size_t room = writer->at < writer->text_end ? (size_t)(writer->text_end - writer->at) / JSON_BYTE_MAX : 0;

    return json_shown(text, room < limit ? room : limit, cut);
}

/* As nginx does: the backslash, `ending`, which would end the text, and what is not printable ASCII as \xHH.
 */
static void put_escaped(struct writer *writer, struct str text, size_t limit, char ending)
{
    bool cut;
    struct str part = shown(writer, text, limit, &cut);

    for (size_t i = 0; i < part.len; i++) {
        if (is_plain((unsigned char)part.at[i]) && part.at[i] != ending) {
            put_byte(writer, part.at[i]);
        } else {
            put(writer, STR("\\x"));
            put_hex(writer, (unsigned char)part.at[i]);
        }
    }
    if (cut)
        put(writer, STR("..."));
    else if (text.len == 0)
        put_byte(writer, '-');
}

/* A JSON string or null. */
static void put_json(struct writer *writer, struct str text, size_t limit)
{
    bool cut;
    struct str part = shown(writer, text, limit, &cut);

    if (text.at == NULL)
        put(writer, STR("null"));
    else
        writer->at = json_write_text(writer->at, part, cut);
}

/* ---- values of other kinds ---- */

static void set_time(struct access_time *to, int64_t us)
{
    time_t second = (time_t)(us / 1000000);
    struct tm parts;

    if (to->second == second)
        return;
    to->second = second;
    (void)gmtime_r(&second, &parts);
    to->iso_length = strftime(to->iso, sizeof(to->iso), "%Y-%m-%dT%H:%M:%S", &parts);
    to->common_length = strftime(to->common, sizeof(to->common), "%d/%b/%Y:%H:%M:%S +0000", &parts);
}

static struct str version_text(int version)
{
    switch (version) {
    case 0x100:
        return STR("HTTP/1.0");
    case 0x200:
        return STR("HTTP/2.0");
    default:
        return STR("HTTP/1.1");
    }
}

static void put_milliseconds(struct writer *writer, int64_t us)
{
    if (us < 0) {
        put(writer, STR("null"));
        return;
    }
    put_number(writer, us / 1000);
    put_byte(writer, '.');
    put_three_digits(writer, us % 1000);
}

static void put_address(struct writer *writer, const struct sockaddr_storage *address)
{
    const struct sockaddr_in *four = (const void *)address;
    const struct sockaddr_in6 *six = (const void *)address;
    const uint8_t *bytes = (const void *)&four->sin_addr;

    if (address->ss_family == AF_INET) {
        for (size_t i = 0; i < 4; i++) {
            put_number(writer, bytes[i]);
            put_byte(writer, i < 3 ? '.' : ':');
        }
        put_number(writer, ntohs(four->sin_port));
        return;
    }
    char text[INET6_ADDRSTRLEN] = "";
    (void)inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
    put_byte(writer, '[');
    put(writer, str_of(text));
    put(writer, STR("]:"));
    put_number(writer, ntohs(six->sin6_port));
}

static void put_upstreams(struct writer *writer, const struct chain_try *last)
{
    const struct chain_try *asked[CHAIN_TRIES_KEPT];
    size_t count = 0;

    for (; last != NULL && count < CHAIN_TRIES_KEPT; last = last->before)
        asked[count++] = last;
    put_byte(writer, '[');
    while (count > 0) {
        put_byte(writer, '"');
        put_address(writer, &asked[--count]->address);
        put_byte(writer, '"');
        if (count > 0)
            put_byte(writer, ',');
    }
    put_byte(writer, ']');
}

/* ---- JSON ---- */

enum kind {
    KIND_TIME, /* int64_t: microseconds since 1970 */
    KIND_TARGET,
    KIND_FIELD,
    KIND_NAME,         /* the three are struct str and differ in what is shown at most */
    KIND_NUMBER,       /* int64_t, -1 is null */
    KIND_MILLISECONDS, /* int64_t microseconds, -1 is null */
    KIND_BOOLEAN,
    KIND_PROTOCOL,
    KIND_UPSTREAMS,
};

#define MEMBER(name, kind, member)                                                                           \
    {                                                                                                        \
        JSON_NAME(name), KIND_##kind, offsetof(struct access_line, member)                                   \
    }

/* clang-format off */
static const struct {
    struct str name; /* with what stands around it */
    enum kind kind;
    size_t at;
} members[] = {
    MEMBER("time",               TIME,         ended_us),
    MEMBER("request_id",         NAME,         request_id),
    MEMBER("client",             NAME,         client),
    MEMBER("peer",               NAME,         peer),
    MEMBER("peer_port",          NUMBER,       peer_port),
    MEMBER("user",               NAME,         user),
    MEMBER("method",             NAME,         method),
    MEMBER("scheme",             NAME,         scheme),
    MEMBER("host",               NAME,         host),
    MEMBER("uri",                TARGET,       target),
    MEMBER("protocol",           PROTOCOL,     version),
    MEMBER("status",             NUMBER,       status),
    MEMBER("aborted",            BOOLEAN,      aborted),
    MEMBER("bytes_in",           NUMBER,       bytes_in),
    MEMBER("bytes_out",          NUMBER,       bytes_out),
    MEMBER("request_ms",         MILLISECONDS, request_us),
    MEMBER("gateway_ms",         MILLISECONDS, gateway_us),
    MEMBER("upstream_ms",        MILLISECONDS, upstream_us),
    MEMBER("upstream_addresses", UPSTREAMS,    last_try),
    MEMBER("upstream_status",    NUMBER,       upstream_status),
    MEMBER("retries",            NUMBER,       retries),
    MEMBER("route",              NAME,         route),
    MEMBER("service",            NAME,         service),
    MEMBER("consumer",           NAME,         consumer),
    MEMBER("tls_version",        NAME,         tls),
    MEMBER("tls_cipher",         NAME,         tls_cipher),
    MEMBER("sni",                NAME,         server_name),
    MEMBER("user_agent",         FIELD,        agent),
    MEMBER("referer",            FIELD,        referer),
};
/* clang-format on */

static void put_time(struct writer *writer, int64_t us)
{
    put_byte(writer, '"');
    put(writer, (struct str){writer->time->iso, writer->time->iso_length});
    put_byte(writer, '.');
    put_three_digits(writer, us / 1000 % 1000);
    put(writer, STR("Z\""));
}

static void put_value(struct writer *writer, enum kind kind, const void *value)
{
    switch (kind) {
    case KIND_TIME:
        put_time(writer, *(const int64_t *)value);
        break;
    case KIND_TARGET:
        put_json(writer, *(const struct str *)value, TARGET_BYTES);
        break;
    case KIND_FIELD:
        put_json(writer, *(const struct str *)value, FIELD_BYTES);
        break;
    case KIND_NAME:
        put_json(writer, *(const struct str *)value, NAME_BYTES);
        break;
    case KIND_NUMBER:
        if (*(const int64_t *)value < 0)
            put(writer, STR("null"));
        else
            put_number(writer, *(const int64_t *)value);
        break;
    case KIND_MILLISECONDS:
        put_milliseconds(writer, *(const int64_t *)value);
        break;
    case KIND_BOOLEAN:
        put(writer, *(const bool *)value ? STR("true") : STR("false"));
        break;
    case KIND_PROTOCOL:
        put_json(writer, version_text(*(const int *)value), NAME_BYTES);
        break;
    case KIND_UPSTREAMS:
        put_upstreams(writer, *(const struct chain_try *const *)value);
        break;
    }
}

static void write_json(struct writer *writer, const struct access_line *line)
{
    char *start = writer->at;

    for (size_t i = 0; i < COUNT(members); i++) {
        put(writer, members[i].name);
        put_value(writer, members[i].kind, (const char *)line + members[i].at);
    }
    *start = '{'; /* instead of the first comma */
    put(writer, STR("}\n"));
}

/* ---- combined ---- */

/* client - user [time] "request line" status bytes "referer" "agent" */
static void write_combined(struct writer *writer, const struct access_line *line)
{
    put_escaped(writer, line->client, NAME_BYTES, ' ');
    put(writer, STR(" - "));
    put_escaped(writer, line->user, NAME_BYTES, ' ');
    put(writer, STR(" ["));
    put(writer, (struct str){writer->time->common, writer->time->common_length});
    put(writer, STR("] \""));
    put_escaped(writer, line->method, NAME_BYTES, '\"');
    put_byte(writer, ' ');
    put_escaped(writer, line->target, TARGET_BYTES, '\"');
    put_byte(writer, ' ');
    put(writer, version_text(line->version));
    put(writer, STR("\" "));
    put_number(writer, line->status);
    put_byte(writer, ' ');
    put_number(writer, line->bytes_out);
    put(writer, STR(" \""));
    put_escaped(writer, line->referer, FIELD_BYTES, '\"');
    put(writer, STR("\" \""));
    put_escaped(writer, line->agent, FIELD_BYTES, '\"');
    put(writer, STR("\"\n"));
}

size_t access_line_write(const struct access_line *line, enum access_format format, struct access_time *time,
                         char *to)
{
    struct writer writer = {.at = to, .text_end = to + ACCESS_LINE_ROOM - FIXED_ROOM, .time = time};

    set_time(time, line->ended_us);
    if (format == ACCESS_JSON)
        write_json(&writer, line);
    else
        write_combined(&writer, line);
    return (size_t)(writer.at - to);
}

/* ---- what an exchange knows ---- */

static struct str field(const struct headers *headers, struct str name)
{
    const struct header *line = headers_find(headers, name);

    return line != NULL ? line->value : STR_NONE;
}

void access_line_of(struct access_line *line, struct exchange *exchange)
{
    const struct exchange_request *request = exchange_request(exchange);
    const struct clock *clock = clock_system();
    struct exchange_outcome outcome;

    exchange_read_outcome(exchange, &outcome);
    *line = (struct access_line){
        .ended_us = clock->wall_us(clock->arg),
        .client = request->peer_address,
        .peer = request->peer_address,
        .peer_port = request->peer_port,
        .method = request->method,
        .scheme = request->tls ? STR("https") : STR("http"),
        .host = request->host,
        .target = request->target,
        .version = request->version,
        .status = outcome.status != 0 ? outcome.status : 499,
        .bytes_in = (int64_t)request->body.len,
        .bytes_out = (int64_t)outcome.body_sent,
        .request_us = loop_clock_us() - request->received_us,
        .upstream_us = -1,
        .upstream_status = -1,
        .tls = str_of(outcome.tls),
        .tls_cipher = str_of(outcome.tls_cipher),
        .server_name = request->server_name,
        .agent = field(&request->headers, STR("User-Agent")),
        .referer = field(&request->headers, STR("Referer")),
    };
    line->gateway_us = line->request_us;
}
