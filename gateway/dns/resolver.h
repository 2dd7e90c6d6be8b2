#pragma once

/*
 * resolver - names to addresses, without ever blocking a loop.
 *
 * c-ares speaks DNS on a thread of its own; answers are kept for their TTL, asked for again just after its
 * end, and meanwhile used on as long as the kind of use allows. Numeric hosts and those of the hosts file
 * never leave the caller. Rules and their sources: README.md.
 *
 * Threads: resolver_open/close: main. The others: any, resolver_ask and resolver_cancel on the query's loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"

struct loop;
struct resolver;

enum {
    RESOLVER_MAX_ADDRESSES = 32
};

struct resolver_options {
    const char *servers;    /* "ip[:port],..."; NULL: resolv.conf */
    const char *hosts_file; /* NULL: /etc/hosts */
    const char *order;      /* types, "LAST,SRV,A,CNAME", which NULL means */
    int valid_ttl_s;        /* 0: the records' own */
    int stale_ttl_s, not_found_ttl_s, error_ttl_s;
    int cache_size;
    int timeout_ms; /* of one question to one server; default 2000, two tries; five times that for a name */
};

struct resolver_address {
    struct sockaddr_storage at; /* its port is 0 */
    uint16_t port;              /* of the SRV record; 0: the caller's own */
    uint16_t weight;            /* of the SRV record, at least 1; 0: the caller's own */
    const char *name;           /* the target of the SRV record; NULL: there is none. Lives in the answer */
};

/* Immutable, counted. As long as addresses, ports, weights and names stay the same it is the same object. */
struct resolver_answer {
    uint64_t number; /* what resolver_generation() was when it became known; 0: numeric */
    uint16_t type;   /* A 1, AAAA 28, SRV 33 as on the wire; 0: without addresses */
    size_t count;    /* 0: the name does not exist or cannot be asked for */
    struct resolver_address addresses[];
};
const struct resolver_answer *resolver_answer_ref(const struct resolver_answer *answer);
void resolver_answer_unref(const struct resolver_answer *answer);
/* Which of its addresses, of at least one, is the turn-th: each in its turn, by weight where weights differ.
 */
size_t resolver_answer_pick(const struct resolver_answer *answer, size_t turn);

/* `order` is checked before anything is opened. */
bool resolver_open(const struct resolver_options *options, struct resolver **resolver,
                   struct err *err) MUST_CHECK;
/* Its thread ends: nobody hears from it any more, what is known can still be found. NULL is fine. */
void resolver_stop(struct resolver *resolver);
void resolver_close(struct resolver *resolver);

/* How old an answer may be. */
enum resolver_use {
    RESOLVER_SERVICE, /* as dns_stale_ttl says; a TTL of 0 means a question for each query, shared */
    RESOLVER_TARGET,  /* the last good one until a better one comes, whatever fails */
};

/* What is known now; a reference for the caller, or NULL: ask. Takes a mutex for a look into a hash table. */
const struct resolver_answer *resolver_find(struct resolver *resolver, struct str name,
                                            enum resolver_use use);

/* Moves whenever the addresses of any name change, appear or go; never for a TTL. One atomic load: a caller
 * who has seen it compares, and looks the names up again that concern him. */
uint64_t resolver_generation(const struct resolver *resolver);

/*
 * From now on the name is kept up to date whether or not anybody asks: again just after its TTL (0: each 60
 * s), after a failure each 30 s; and it does not leave the cache. Once per user of the name; nested calls
 * count.
 */
void resolver_watch(struct resolver *resolver, struct str name);
void resolver_unwatch(struct resolver *resolver, struct str name);

/* Lives in the caller; on_done runs on `loop`, never from inside resolver_ask(). */
struct resolver_query {
    struct loop *loop;
    enum resolver_use use;
    void (*on_done)(struct resolver_query *query,
                    const struct resolver_answer *answer); /* borrowed; may be empty */
    void *internal;
};
void resolver_ask(struct resolver *resolver, struct str name, struct resolver_query *query);
/* on_done will not come any more. On the query's loop. */
void resolver_cancel(struct resolver_query *query);
