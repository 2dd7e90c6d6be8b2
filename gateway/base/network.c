/*
 * network - see network.h. A range is compared by its first bits, byte by byte.
 */

#include "gateway/base/network.h"

#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

enum {
    MAPPED_AT = 12 /* where the IPv4 address of a mapped IPv6 address begins (RFC 4291, section 2.5.5.2) */
};

struct bytes {
    sa_family_t family;
    const uint8_t *at;
};

bool network_address(struct str text, struct sockaddr_storage *address)
{
    char copy[INET6_ADDRSTRLEN];
    struct sockaddr_in *four = (void *)address;
    struct sockaddr_in6 *six = (void *)address;

    memset(address, 0, sizeof(*address));
    if (text.len == 0 || text.len >= sizeof(copy) || str_find(text, '\0', 0) != SIZE_MAX)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, &four->sin_addr) == 1) {
        address->ss_family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, copy, &six->sin6_addr) == 1) {
        address->ss_family = AF_INET6;
        return true;
    }
    return false;
}

static struct bytes bytes_of(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *four = (const void *)address;
    const struct sockaddr_in6 *six = (const void *)address;

    if (address->ss_family == AF_INET)
        return (struct bytes){AF_INET, (const uint8_t *)&four->sin_addr};
    if (address->ss_family != AF_INET6)
        return (struct bytes){address->ss_family, NULL};
    if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        return (struct bytes){AF_INET, six->sin6_addr.s6_addr + MAPPED_AT};
    return (struct bytes){AF_INET6, six->sin6_addr.s6_addr};
}

bool network_is_loopback(struct str text)
{
    struct sockaddr_storage address;
    const struct sockaddr_in6 *six = (const void *)&address;

    if (!network_address(text, &address))
        return false;
    struct bytes bytes = bytes_of(&address);
    if (bytes.family == AF_INET)
        return bytes.at[0] == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

static void clear_behind(struct network *network)
{
    for (int bit = network->bits; bit < 128; bit++)
        network->address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

/* Digits only: "-0" would be a range of everything. */
static bool read_bits(struct str text, int64_t *bits)
{
    return text.len > 0 && text.at[0] >= '0' && text.at[0] <= '9' && str_to_int(text, bits);
}

bool network_parse(struct str text, struct network *network)
{
    struct sockaddr_storage address;
    int64_t bits = -1;
    size_t slash = str_find(text, '/', 0);

    *network = (struct network){0};
    if (str_equal(text, STR("unix:"))) {
        network->family = AF_UNIX;
        return true;
    }
    if (slash != SIZE_MAX && !read_bits(str_part(text, slash + 1, text.len), &bits))
        return false;
    if (!network_address(slash != SIZE_MAX ? str_part(text, 0, slash) : text, &address))
        return false;
    struct bytes bytes = bytes_of(&address);
    int most = bytes.family == AF_INET ? 32 : 128;
    if (address.ss_family == AF_INET6 && bytes.family == AF_INET && bits >= 0)
        bits -= 128 - 32;
    if (bits > most || (slash != SIZE_MAX && bits < 0))
        return false;
    network->family = bytes.family;
    network->bits = bits >= 0 ? (int)bits : most;
    memcpy(network->address, bytes.at, (size_t)most / 8);
    clear_behind(network);
    return true;
}

bool network_contains(const struct network *network, const struct sockaddr_storage *address)
{
    struct bytes bytes = bytes_of(address);
    size_t whole = (size_t)network->bits / 8;
    int rest = network->bits % 8;

    if (network->family == AF_UNIX)
        return address->ss_family == AF_UNIX || address->ss_family == AF_UNSPEC;
    if (bytes.family != network->family || bytes.at == NULL)
        return false;
    if (memcmp(bytes.at, network->address, whole) != 0)
        return false;
    return rest == 0 || ((bytes.at[whole] ^ network->address[whole]) & (0xff00 >> rest & 0xff)) == 0;
}

int network_text(const struct sockaddr_storage *address, char text[NETWORK_TEXT_SIZE])
{
    const struct sockaddr_in *four = (const void *)address;
    const struct sockaddr_in6 *six = (const void *)address;

    _Static_assert((int)NETWORK_TEXT_SIZE == (int)INET6_ADDRSTRLEN, "room for any");
    text[0] = '\0';
    if (address->ss_family == AF_INET) {
        (void)inet_ntop(AF_INET, &four->sin_addr, text, NETWORK_TEXT_SIZE);
        return ntohs(four->sin_port);
    }
    if (address->ss_family != AF_INET6)
        return 0;
    (void)inet_ntop(AF_INET6, &six->sin6_addr, text, NETWORK_TEXT_SIZE);
    return ntohs(six->sin6_port);
}

socklen_t network_set_port(struct sockaddr_storage *address, int port)
{
    if (address->ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)(void *)address)->sin6_port = htons((uint16_t)port);
        return sizeof(struct sockaddr_in6);
    }
    ((struct sockaddr_in *)(void *)address)->sin_port = htons((uint16_t)port);
    return sizeof(struct sockaddr_in);
}
