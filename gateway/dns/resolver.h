#pragma once

/*
 * resolver - names to addresses, without ever blocking a loop.
 *
 * c-ares speaks DNS on a thread of its own and reads the hosts file; answers are kept for their TTL,
 * refreshed ahead of its end and served stale while a refresh fails. Numeric hosts never leave the caller.
 *
 * Threads: resolver_open/close: main. resolver_find and resolver_ask: any loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

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
    bool ipv6;              /* ask for AAAA as well */
    int valid_ttl_s;        /* 0: the records' own */
    int stale_ttl_s, not_found_ttl_s, error_ttl_s;
    int cache_size;
    int timeout_ms; /* of one query; default 2000, two tries */
};

/* Immutable, counted. Ports are 0. */
struct resolver_answer {
    size_t count; /* 0: the name does not exist or cannot be asked for */
    struct sockaddr_storage addresses[];
};
const struct resolver_answer *resolver_answer_ref(const struct resolver_answer *answer);
void resolver_answer_unref(const struct resolver_answer *answer);

bool resolver_open(const struct resolver_options *options, struct resolver **resolver,
                   struct err *err) MUST_CHECK;
void resolver_close(struct resolver *resolver);

/* What is known now; a reference for the caller, or NULL: ask. Takes a mutex for a look into a hash table. */
const struct resolver_answer *resolver_find(struct resolver *resolver, struct str name);

/* Lives in the caller; on_done runs on `loop`, never from inside resolver_ask(). */
struct resolver_query {
    struct loop *loop;
    void (*on_done)(struct resolver_query *query,
                    const struct resolver_answer *answer); /* borrowed; may be empty */
    void *internal;
};
void resolver_ask(struct resolver *resolver, struct str name, struct resolver_query *query);
/* on_done will not come any more. On the query's loop. */
void resolver_cancel(struct resolver_query *query);
