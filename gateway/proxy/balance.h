#pragma once

/*
 * balance - the peers behind an upstream: its targets, their names resolved, as a balancer that all loops
 * share and a cursor that each has of its own.
 *
 * A set of peers belongs to one version of an upstream (struct balanced) and to what DNS said then. A loop
 * that finds its own out of date takes the one another loop has made meanwhile, or makes it. So a request
 * balances over what its snapshot says, without a lock unless something has changed. Names of targets are
 * watched as long as a set has them; a name that is not known yet is left out until it is, and a last good
 * answer stays when DNS fails (data-plane reference, 7.5).
 *
 * Threads: struct balance: any; its mutex is a leaf. struct balance_loop: its loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/balancer/balancer.h"
#include "gateway/base/str.h"

struct balance;
struct balance_loop;
struct balanced;
struct loop;
struct resolver;

struct balance *balance_new(struct resolver *resolver);
/* Every loop has let go. */
void balance_free(struct balance *balance);
/* Now and then, any thread: forgets what nobody uses any more. */
void balance_sweep(struct balance *balance, int64_t now_ms);

struct balance_loop *balance_attach(struct balance *balance, struct loop *loop);
void balance_detach(struct balance_loop *at);

enum balance_name {
    BALANCE_ADDRESS, /* numeric: nothing to resolve */
    BALANCE_RESOLVED,
    BALANCE_UNKNOWN,    /* no answer yet */
    BALANCE_UNRESOLVED, /* DNS says that there is no such name, or says nothing */
};

/* One target, in the order of ids. Texts live as long as the set. */
struct balance_target {
    struct uuid id;
    char *text; /* host:port as it is stored */
    char *host;
    int port, weight;
    enum balance_name name;
    uint16_t
        dns_type; /* of its records, as on the wire: A 1, AAAA 28, SRV 33; numeric: as if asked; 0: none */
};

/* Immutable, shared. Inside: balance.c. */
struct balance_set {
    struct balancer *balancer;
    size_t target_count;
    struct balance_target *targets; /* struct balancer_entry: `target` is an index */
    size_t address_count;
};
/* What the host of that peer is called: the target's, or with use_srv_name the record's. Lives in the set. */
struct str balance_host(const struct balance_set *set, const struct balancer_entry *entry);

/*
 * The peers now, borrowed until the next call on this loop. *cursor: this loop's, over them. again: names are
 * looked up although nothing seems to have changed, by one who has just waited for one of them.
 */
const struct balance_set *balance_find(struct balance_loop *at, const struct balanced *balanced, bool again,
                                       struct balancer_cursor **cursor);
/* Everybody in the set is healthy from now on; who was not is told of, with the cause. */
void balance_heal(const struct balanced *balanced, const struct balance_set *set, const char *cause);
/* What loops share of that upstream is kept as if somebody had asked for it. False: there is nothing. */
bool balance_keep(struct balance_loop *at, const struct uuid *upstream);
/* Moves when any name has other addresses than before: balance_find() may find others, too. */
uint64_t balance_generation(const struct balance_loop *at);
/* No peer has an address yet, and this name may bring one: wait for it. STR_NONE: it is as it is. */
struct str balance_awaited(const struct balance_set *set);
