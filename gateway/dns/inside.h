#pragma once

/*
 * inside - what the files of the resolver share: resolver.c is what loops call, asking.c what its thread
 * does.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/dns/hosts_file.h"
#include "gateway/dns/lookup.h"
#include "gateway/dns/record_cache.h"
#include "gateway/dns/resolver.h"
#include "gateway/io/loop.h"

struct clock;

/* What only the resolver's thread touches. */
struct asking {
    struct list under_way; /* of lookups nobody has given up */
    size_t under_way_count;
    struct hosts_version hosts_version;
    int64_t hosts_checked_at_ms;
    int64_t logged_at_ms;
    int64_t unlogged; /* lines left out since */
};

struct resolver {
    struct resolver_options options; /* texts: borrowed during resolver_open(), but hosts_path */
    char *hosts_path;
    const struct clock *clock;
    pthread_t thread;
    bool thread_started;
    int bell;
    atomic_bool stopping;        /* thread: any */
    _Atomic uint64_t generation; /* thread: any; written under the lock */
    struct asking asking;
    struct lookup_world world; /* thread: the resolver's own. world.hosts: also any, under the lock */
    pthread_mutex_t lock;      /* of what follows */
    struct record_cache cache;
    struct list urgent; /* names somebody waits for, by asked_at_ms; asked before */
    struct list later;  /* names to be kept up to date */
    int64_t due_at_ms;  /* the first watched name may be due */
};

/* One query under way. Heap; travels to the query's loop as a message and is freed there. */
struct waiter {
    struct loop_message super;
    struct list link; /* the record's, under the lock */
    struct loop *loop;
    struct resolver_query *query; /* thread: its loop. NULL: cancelled */
    const struct resolver_answer *answer;
};

int64_t resolver_now_ms(const struct resolver *resolver);
void resolver_ring(struct resolver *resolver);
/* Of which names in the hosts file have theirs: IPv6 when dns_order has AAAA before A. */
sa_family_t resolver_preferred_family(const struct resolver *resolver);

enum urgency {
    SOMEBODY_WAITS,
    NOBODY_WAITS
};
/* Under the lock. True: the thread has to be woken. */
bool asking_list(struct resolver *resolver, struct record *record, enum urgency urgency);
/* The thread. */
void *asking_run(void *arg);
