#pragma once

/*
 * reply - the answer of a name server as it came, read with suspicion (RFC 1035, section 4).
 *
 * Only records of the name that was asked for, or of the name its aliases lead to, are taken. What a server
 * sends is bounded: the best 32 records are kept whatever their number, in an order of their own, so that the
 * same records make the same reply however the server shuffles them.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

#include "gateway/base/attributes.h"
#include "gateway/dns/order.h"

enum {
    REPLY_MAX_RECORDS = 32,
    REPLY_MAX_ALIASES = 8,
    DNS_NAME_SIZE = 256 /* lower case, no dot at the end, NUL */
};

/* An SRV record of the lowest priority there is. */
struct reply_service {
    char target[DNS_NAME_SIZE];
    uint16_t priority, port, weight; /* weight as sent */
};

struct reply {
    enum dns_type type;
    char name[DNS_NAME_SIZE]; /* the one that has the records, or to which the aliases lead */
    bool aliased;             /* `name` is another than was asked for */
    bool final;               /* the server says with a SOA record that there is no more (RFC 2308, 2.2) */
    int64_t ttl_s;            /* the shortest of all that were used */
    bool cut;                 /* there were more than 32 */
    size_t count;             /* of one of the two; 0 for CNAME */
    struct sockaddr_storage addresses[REPLY_MAX_RECORDS];
    struct reply_service services[REPLY_MAX_RECORDS];
};

/* False: no reply, and *why says what is wrong with it. `name` in lower case without a dot at the end. */
bool reply_read(const uint8_t *bytes, size_t size, const char *name, struct reply *reply,
                const char **why) MUST_CHECK;
