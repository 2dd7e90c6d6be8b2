#pragma once

/*
 * order - the setting dns_order: which types of records a name is asked for, one after the other, until one
 * is there.
 *
 * Threads: any; immutable once parsed.
 */

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"

/* As on the wire: RFC 1035, 3.2.2; RFC 3596; RFC 2782. */
enum dns_type {
    DNS_LAST = 0, /* no type: the one that succeeded last */
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_AAAA = 28,
    DNS_SRV = 33,
};

enum {
    ORDER_MAX = 5
};

struct order {
    enum dns_type types[ORDER_MAX];
    size_t count;
};

/* "LAST,SRV,A,CNAME": case and blanks do not matter. */
bool order_parse(struct str text, struct order *order, struct err *err) MUST_CHECK;
/* The order for a name of which `last` succeeded last, or DNS_LAST: each type once, without LAST. */
struct order order_for(const struct order *order, enum dns_type last);
/* The types of addresses in it, in its order; A when it has none. */
struct order order_of_addresses(const struct order *order);
