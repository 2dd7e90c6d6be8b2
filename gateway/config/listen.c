/*
 * listen - one address of proxy_listen and the like: "0.0.0.0:8000 reuseport backlog=16384".
 *
 * The flags are a table. All of nginx's spelling is accepted; what has no effect here (so_keepalive, udp) is
 * refused with the reason, so that nobody believes in it.
 */

#include "gateway/config/config.h"

#include <stdarg.h>
#include <stdio.h>

#include <arpa/inet.h>

enum {
    BACKLOG_MAX = 65535,
    REASON_SIZE = 160
};

static bool wrong(char reason[REASON_SIZE], const char *format, ...) PRINTF_LIKE(2, 3);

static bool wrong(char reason[REASON_SIZE], const char *format, ...)
{
    va_list values;
    va_start(values, format);
    (void)vsnprintf(reason, REASON_SIZE, format, values);
    va_end(values);
    return false;
}

static bool numeric_host(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (host.len == 0 || host.len >= sizeof(text))
        return false;
    memcpy(text, host.at, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* "1.2.3.4:80" or "[::1]:80". */
static bool parse_address(struct str text, struct config_listen *listen, char reason[REASON_SIZE])
{
    size_t colon = SIZE_MAX;
    if (text.len > 0 && text.at[0] == '[') {
        size_t bracket = str_find(text, ']', 0);
        if (bracket == SIZE_MAX || bracket + 1 >= text.len || text.at[bracket + 1] != ':')
            return wrong(reason, "an IPv6 address is written [address]:port");
        listen->host = str_part(text, 1, bracket);
        colon = bracket + 1;
    } else {
        colon = str_find(text, ':', 0);
        if (colon == SIZE_MAX)
            return wrong(reason, "must be of form: [off] | <ip>:<port> [ssl] [http2] [proxy_protocol] ...");
        listen->host = str_part(text, 0, colon);
    }
    int64_t port;
    if (!numeric_host(listen->host))
        return wrong(reason, "'%.*s' is not an IP address", STR_ARG(listen->host));
    if (!str_to_int(str_part(text, colon + 1, text.len), &port) || port < 0 || port > 65535)
        return wrong(reason, "the port must be between 0 and 65535");
    listen->port = (int)port;
    return true;
}

static const struct flag {
    const char *name;
    size_t offset;
} flags[] = {
    {"ssl", offsetof(struct config_listen, ssl)},
    {"http2", offsetof(struct config_listen, http2)},
    {"proxy_protocol", offsetof(struct config_listen, proxy_protocol)},
    {"reuseport", offsetof(struct config_listen, reuseport)},
    {"deferred", offsetof(struct config_listen, deferred)},
    {"bind", offsetof(struct config_listen, bind)},
};

static bool parse_flag(struct str word, struct config_listen *listen, char reason[REASON_SIZE])
{
    for (size_t i = 0; i < COUNT(flags); i++) {
        if (str_equal(word, str_of(flags[i].name))) {
            *(bool *)(void *)((char *)listen + flags[i].offset) = true;
            return true;
        }
    }
    if (str_starts_with(word, STR("backlog="))) {
        int64_t backlog;
        if (!str_to_int(str_part(word, 8, word.len), &backlog) || backlog < 1 || backlog > BACKLOG_MAX)
            return wrong(reason, "backlog must be between 1 and %d", BACKLOG_MAX);
        listen->backlog = (int)backlog;
        return true;
    }
    if (str_equal(word, STR("ipv6only=on")) || str_equal(word, STR("ipv6only=off"))) {
        listen->ipv6only = word.len == sizeof("ipv6only=on") - 1;
        return true;
    }
    if (str_starts_with(word, STR("so_keepalive=")))
        return wrong(reason, "so_keepalive is not supported; client_timeout ends idle connections");
    return wrong(reason,
                 "'%.*s' is no flag; flags are ssl, http2, proxy_protocol, reuseport, deferred, bind, "
                 "backlog=N, ipv6only=on|off",
                 STR_ARG(word));
}

bool config_parse_listen(const char *text, struct config_listen *listen, char reason[REASON_SIZE])
{
    *listen = (struct config_listen){.ipv6only = true};
    struct str rest = str_trim(str_of(text));
    for (bool first = true; rest.len > 0; first = false) {
        size_t blank = str_find(rest, ' ', 0);
        size_t end = blank == SIZE_MAX ? rest.len : blank;
        struct str word = str_part(rest, 0, end);
        if (first ? !parse_address(word, listen, reason) : !parse_flag(word, listen, reason))
            return false;
        rest = str_trim(str_part(rest, end, rest.len));
    }
    if (listen->host.len == 0)
        return wrong(reason, "must be of form: [off] | <ip>:<port> [ssl] [http2] [proxy_protocol] ...");
    return true;
}

bool config_parse_port_map(const char *text, struct config_port_map *map)
{
    struct str all = str_of(text);
    size_t colon = str_find(all, ':', 0);
    int64_t to, from;
    if (colon == SIZE_MAX || !str_to_int(str_part(all, 0, colon), &from) ||
        !str_to_int(str_part(all, colon + 1, all.len), &to))
        return false;
    if (from < 1 || from > 65535 || to < 1 || to > 65535)
        return false;
    *map = (struct config_port_map){.public_port = (int)from, .local_port = (int)to};
    return true;
}
