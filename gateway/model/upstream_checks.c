/*
 * upstream_checks - see upstream_checks.h.
 */

#include "gateway/model/upstream_checks.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>

#include "gateway/model/texts.h"

enum {
    MESSAGE_SIZE = 256,
    PORT_MAX = 65535,
    DEFAULT_PORT = 8000
};

/* "host", "host:port", "[address]:port"; an address of IPv6 may do without brackets, then it has no port. */
struct place_of {
    struct str host;
    struct str port; /* at == NULL: none; "" is a bad one */
};

static struct place_of split(struct str text)
{
    size_t first = str_find(text, ':', 0);
    size_t bracket = text.len > 0 && text.at[0] == '[' ? str_find(text, ']', 0) : SIZE_MAX;

    if (bracket != SIZE_MAX) {
        struct place_of place = {str_part(text, 1, bracket), STR_NONE};
        if (bracket + 1 < text.len)
            place.port = text.at[bracket + 1] == ':' ? str_part(text, bracket + 2, text.len) : STR("");
        return place;
    }
    if (first == SIZE_MAX || str_find(text, ':', first + 1) != SIZE_MAX)
        return (struct place_of){text, STR_NONE};
    return (struct place_of){str_part(text, 0, first), str_part(text, first + 1, text.len)};
}

static bool read_port(struct str text, int64_t *port)
{
    for (size_t i = 0; i < text.len; i++)
        if (isdigit((unsigned char)text.at[i]) == 0)
            return false;
    return text.len > 0 && text.len <= 5 && str_to_int(text, port) && *port <= PORT_MAX;
}

/* Four groups of digits, leading zeros allowed; in `plain` without them. */
static bool read_ipv4(struct str text, char plain[INET_ADDRSTRLEN])
{
    int64_t groups[4];
    size_t from = 0;

    for (size_t i = 0; i < 4; i++) {
        size_t to = i < 3 ? str_find(text, '.', from) : text.len;
        if (to == SIZE_MAX || to == from || to - from > 3)
            return false;
        for (size_t k = from; k < to; k++)
            if (isdigit((unsigned char)text.at[k]) == 0)
                return false;
        if (!str_to_int(str_part(text, from, to), &groups[i]) || groups[i] > 255)
            return false;
        from = to + 1;
    }
    (void)snprintf(plain, INET_ADDRSTRLEN, "%d.%d.%d.%d", (int)groups[0], (int)groups[1], (int)groups[2],
                   (int)groups[3]);
    return true;
}

/* In `full` all eight groups of four digits, in brackets. */
static bool read_ipv6(struct str text, char full[48])
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    size_t length = 0;

    if (text.len >= sizeof(copy) || str_find(text, ':', 0) == SIZE_MAX)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET6, copy, &address) != 1)
        return false;
    for (size_t i = 0; i < 16; i += 2)
        length += (size_t)snprintf(full + length, 48 - length, "%s%02x%02x", i == 0 ? "[" : ":",
                                   address.s6_addr[i], address.s6_addr[i + 1]);
    (void)snprintf(full + length, 48 - length, "]");
    return true;
}

static bool looks_like_ipv4(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (isdigit((unsigned char)text.at[i]) == 0 && text.at[i] != '.')
            return false;
    return true;
}

bool target_normalise(const char *text, char stored[TARGET_SIZE])
{
    struct place_of place = split(str_of(text));
    char address[48];
    int64_t port = DEFAULT_PORT;

    if (place.port.at != NULL && !read_port(place.port, &port))
        return false;
    if (read_ipv6(place.host, address) || read_ipv4(place.host, address))
        (void)snprintf(stored, TARGET_SIZE, "%s:%d", address, (int)port);
    else if (text[0] != '[' && !looks_like_ipv4(place.host) && host_is_valid(place.host))
        (void)snprintf(stored, TARGET_SIZE, "%.*s:%d", STR_ARG(place.host), (int)port);
    else
        return false;
    return true;
}

bool upstream_check_name(const cJSON *value, char message[MESSAGE_SIZE])
{
    const char *name = value->valuestring;
    struct place_of place = split(str_of(name));
    const char *wrong = NULL;
    char address[48];

    if (read_ipv4(place.host, address) || read_ipv6(place.host, address))
        wrong = "no ip addresses allowed";
    else if (!host_is_valid(place.host))
        wrong = "must be a valid hostname";
    else if (place.port.at != NULL)
        wrong = "no port allowed";
    if (wrong != NULL)
        (void)snprintf(message, MESSAGE_SIZE, "Invalid name ('%.180s'); %s", name, wrong);
    return wrong == NULL;
}

bool upstream_check_cookie(const cJSON *value, char message[MESSAGE_SIZE])
{
    for (const char *at = value->valuestring; *at != '\0'; at++) {
        if (isalnum((unsigned char)*at) != 0 || *at == '-' || *at == '_')
            continue;
        (void)snprintf(message, MESSAGE_SIZE,
                       "bad cookie name '%.100s', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
                       value->valuestring);
        return false;
    }
    return true;
}

bool upstream_check_host_header(const cJSON *value, char message[MESSAGE_SIZE])
{
    struct place_of place = split(str_of(value->valuestring));
    int64_t port;

    if (!address_is_valid(place.host) && !host_is_valid(place.host))
        (void)snprintf(message, MESSAGE_SIZE, "invalid hostname: %.200s", value->valuestring);
    else if (place.port.at != NULL && !read_port(place.port, &port))
        (void)snprintf(message, MESSAGE_SIZE, "invalid port number");
    else
        return true;
    return false;
}
