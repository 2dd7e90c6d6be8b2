#pragma once

/*
 * lookup - the way of one name to its addresses: types in their order, names of the search list, aliases, SRV
 * records and the addresses of their targets.
 *
 * Types are asked for one after the other: for each the names of the search list, as resolv.conf(5) says. The
 * first type that is there ends it. Addresses of SRV targets are asked for all at once.
 *
 * Threads: the resolver's.
 */

#include <stddef.h>
#include <stdint.h>

#include "gateway/dns/question.h"
#include "gateway/dns/resolver.h"

struct hosts_file;

/* What lookups share. */
struct lookup_world {
    struct name_servers servers;
    struct order order;
    struct hosts_file *hosts; /* replaced on the resolver's thread only */
};

struct lookup_result {
    enum dns_outcome outcome;
    const char *why;    /* when failed: a literal */
    enum dns_type type; /* when found: this and the rest */
    int64_t ttl_s;
    size_t count;
    bool cut;                                 /* there were more addresses than we keep */
    const struct resolver_address *addresses; /* borrowed for the call */
};

/* Once per lookup, maybe from inside lookup_start(). */
typedef void (*lookup_done_fn)(void *arg, const struct lookup_result *result);

/* What is known from before. */
struct lookup_past {
    enum dns_type last; /* what succeeded last, or DNS_LAST */
    /* Still of use, or NULL. If a server fails for the type that succeeded last, the lookup fails: other
     * types could only have other ports. If it fails for one target, its addresses from here are taken. */
    const struct resolver_answer *answer;
};

/* `name`: lower case; a dot at its end keeps the search list out. */
void lookup_start(struct lookup_world *world, const char *name, const struct lookup_past *past,
                  lookup_done_fn done, void *arg);
