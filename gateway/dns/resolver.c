/*
 * resolver - see resolver.h.
 *
 * One thread owns the c-ares channel and polls its sockets and a bell. Loops put names on a list under the
 * lock and ring the bell; answers go into the cache, and to those who wait by messages to their loops.
 * However many wait for a name, it is asked for once.
 *
 * A record is fresh until expires_at; from refresh_at on the next look starts a refresh, so that a name in
 * use does not expire. After that it is served stale until stale_until while refreshes go on. A failure with
 * nothing to fall back on is remembered for error_ttl as an empty answer.
 */

#include "gateway/dns/resolver.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include <ares.h>

#include "gateway/base/attributes.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/dns/hosts_file.h"
#include "gateway/dns/record_cache.h"
#include "gateway/io/loop.h"

enum {
    DEFAULT_TIMEOUT_MS = 2000,
    TRIES = 2,
    LONGEST_POLL_MS = 60 * 1000,
    LONGEST_TTL_S = 7 * 24 * 3600,
};

struct resolver {
    struct resolver_options options;
    struct hosts_file *hosts;
    const struct clock *clock;
    ares_channel channel; /* thread: the resolver's own */
    bool channel_made;
    pthread_t thread;
    bool thread_started;
    int bell;
    atomic_bool stopping; /* thread: any */
    pthread_mutex_t lock; /* of what follows */
    struct record_cache cache;
    struct list to_ask;
};

/* One query under way. Heap; travels to the query's loop as a message and is freed there. */
struct waiter {
    struct loop_message super;
    struct list link; /* the record's, under the lock */
    struct loop *loop;
    struct resolver_query *query; /* thread: its loop. NULL: cancelled */
    const struct resolver_answer *answer;
};

struct question {
    struct resolver *resolver;
    struct record *record; /* pinned by `asking` */
};

static int64_t now_ms(const struct resolver *resolver)
{
    return clock_now_ms(resolver->clock);
}

static void ring(struct resolver *resolver)
{
    const uint64_t one = 1;

    if (write(resolver->bell, &one, sizeof(one)) < 0 && errno != EAGAIN)
        log_error("dns: its thread cannot be woken; errno=%d", errno);
}

static void on_answered(struct loop_message *message)
{
    struct waiter *waiter = CONTAINER_OF(message, struct waiter, super);

    if (waiter->query != NULL) {
        waiter->query->internal = NULL;
        waiter->query->on_done(waiter->query, waiter->answer);
    }
    resolver_answer_unref(waiter->answer);
    free(waiter);
}

/* Takes one reference of the caller's for each waiter. */
static void tell(struct list *waiting, const struct resolver_answer *answer)
{
    struct list *link;

    while ((link = list_take_first(waiting)) != NULL) {
        struct waiter *waiter = CONTAINER_OF(link, struct waiter, link);

        waiter->answer = resolver_answer_ref(answer);
        loop_post(waiter->loop, &waiter->super);
    }
}

/* Under the lock. */
static void keep(struct resolver *resolver, struct record *record, const struct resolver_answer *answer,
                 int64_t ttl_s)
{
    int64_t now = now_ms(resolver);
    int64_t ttl_ms = (ttl_s < LONGEST_TTL_S ? ttl_s : LONGEST_TTL_S) * 1000;

    resolver_answer_unref(record->answer);
    record->answer = answer;
    record->expires_at_ms = now + ttl_ms;
    record->refresh_at_ms = now + ttl_ms - ttl_ms / 10;
    record->stale_until_ms = record->expires_at_ms + (int64_t)resolver->options.stale_ttl_s * 1000;
}

static size_t copy_family(const struct ares_addrinfo *from, int family, struct sockaddr_storage *to,
                          size_t capacity)
{
    size_t count = 0;

    for (const struct ares_addrinfo_node *node = from->nodes; node != NULL && count < capacity;
         node = node->ai_next) {
        if (node->ai_family != family || node->ai_addrlen > sizeof(*to))
            continue;
        memset(&to[count], 0, sizeof(*to));
        memcpy(&to[count], node->ai_addr, node->ai_addrlen);
        count++;
    }
    return count;
}

static const struct resolver_answer *read_answer(const struct ares_addrinfo *from, int64_t *ttl_s)
{
    struct sockaddr_storage addresses[RESOLVER_MAX_ADDRESSES];
    size_t count = copy_family(from, AF_INET, addresses, RESOLVER_MAX_ADDRESSES);

    count += copy_family(from, AF_INET6, addresses + count, RESOLVER_MAX_ADDRESSES - count);
    *ttl_s = LONGEST_TTL_S;
    for (const struct ares_addrinfo_node *node = from->nodes; node != NULL; node = node->ai_next) {
        if (node->ai_ttl < *ttl_s)
            *ttl_s = node->ai_ttl > 0 ? node->ai_ttl : 0; /* the top bit set means 0: RFC 2181, section 8 */
    }
    return resolver_answer_new(addresses, count);
}

/* Under the lock: what this outcome means for the record. */
static void settle(struct resolver *resolver, struct record *record, int status,
                   const struct ares_addrinfo *result)
{
    const struct resolver_options *options = &resolver->options;
    int64_t ttl_s;

    if (status == ARES_SUCCESS && result != NULL && result->nodes != NULL) {
        const struct resolver_answer *answer = read_answer(result, &ttl_s);

        keep(resolver, record, answer, options->valid_ttl_s > 0 ? options->valid_ttl_s : ttl_s);
        return;
    }
    if (status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_SUCCESS ||
        status == ARES_EBADNAME) {
        keep(resolver, record, resolver_answer_new(NULL, 0), options->not_found_ttl_s);
        return;
    }
    if (record->answer != NULL && record->answer->count > 0 && now_ms(resolver) < record->stale_until_ms) {
        record->refresh_at_ms =
            now_ms(resolver) + (int64_t)options->error_ttl_s * 1000; /* not at once again */
        return;
    }
    keep(resolver, record, resolver_answer_new(NULL, 0), options->error_ttl_s);
}

static void drop_waiters(struct record *record)
{
    struct list *link;

    while ((link = list_take_first(&record->waiting)) != NULL)
        free(CONTAINER_OF(link, struct waiter, link));
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
    struct question *question = arg;
    struct resolver *resolver = question->resolver;
    struct record *record = question->record;

    (void)timeouts;
    (void)pthread_mutex_lock(&resolver->lock);
    record->asking = false;
    if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) {
        drop_waiters(record);
    } else {
        settle(resolver, record, status, result);
        tell(&record->waiting, record->answer);
    }
    (void)pthread_mutex_unlock(&resolver->lock);
    if (result != NULL)
        ares_freeaddrinfo(result);
    free(question);
}

/* c-ares may answer from inside, so the lock is not held. */
static void ask_what_is_listed(struct resolver *resolver)
{
    for (;;) {
        (void)pthread_mutex_lock(&resolver->lock);
        struct list *link = list_take_first(&resolver->to_ask);
        (void)pthread_mutex_unlock(&resolver->lock);
        if (link == NULL)
            return;
        const struct ares_addrinfo_hints hints = {
            .ai_flags = ARES_AI_NOSORT,
            .ai_family = resolver->options.ipv6 ? AF_UNSPEC : AF_INET,
            .ai_socktype = SOCK_STREAM,
        };
        struct question *question = mem_alloc(sizeof(*question));
        question->resolver = resolver;
        question->record = CONTAINER_OF(link, struct record, asked);
        ares_getaddrinfo(resolver->channel, question->record->name, NULL, &hints, on_addresses, question);
    }
}

static int poll_timeout_ms(struct resolver *resolver)
{
    struct timeval longest = {LONGEST_POLL_MS / 1000, 0};
    struct timeval buffer;
    struct timeval *wait = ares_timeout(resolver->channel, &longest, &buffer);

    return (int)(wait->tv_sec * 1000 + wait->tv_usec / 1000) + 1;
}

/* One wait: for the bell, c-ares' sockets, or its next time-out. */
static void wait_and_process(struct resolver *resolver)
{
    ares_socket_t socks[ARES_GETSOCK_MAXNUM];
    struct pollfd polled[ARES_GETSOCK_MAXNUM + 1] = {{.fd = resolver->bell, .events = POLLIN}};
    int bits = ares_getsock(resolver->channel, socks, ARES_GETSOCK_MAXNUM);
    nfds_t count = 1;
    uint64_t rings;

    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        bool readable = ARES_GETSOCK_READABLE(bits, i);
        bool writable = ARES_GETSOCK_WRITABLE(bits, i);

        if (!readable && !writable)
            break;
        polled[count++] = (struct pollfd){
            .fd = socks[i],
            .events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0)),
        };
    }
    if (poll(polled, count, poll_timeout_ms(resolver)) < 0)
        return;
    if (polled[0].revents != 0 && read(resolver->bell, &rings, sizeof(rings)) < 0 && errno != EAGAIN)
        log_error("dns: cannot read its bell; errno=%d", errno);
    for (nfds_t i = 1; i < count; i++) {
        bool readable = (polled[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
        bool writable = (polled[i].revents & POLLOUT) != 0;

        ares_process_fd(resolver->channel, readable ? polled[i].fd : ARES_SOCKET_BAD,
                        writable ? polled[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* time-outs */
}

static void *run(void *arg)
{
    struct resolver *resolver = arg;

    (void)pthread_setname_np(pthread_self(), "dns"); /* a name only */
    while (!atomic_load_explicit(&resolver->stopping, memory_order_relaxed)) {
        ask_what_is_listed(resolver);
        wait_and_process(resolver);
    }
    return NULL;
}

/* Under the lock. True: the thread has to be woken. */
static bool ask_for(struct resolver *resolver, struct record *record)
{
    if (record->asking)
        return false;
    record->asking = true;
    list_add_last(&resolver->to_ask, &record->asked);
    return true;
}

/* Numeric hosts and those of the hosts file. A new reference, or NULL. */
static const struct resolver_answer *find_fixed(const struct resolver *resolver, struct str name,
                                                const char *canonical, size_t length)
{
    struct sockaddr_storage addresses[RESOLVER_MAX_ADDRESSES];
    size_t count;

    if (address_from_str(name, &addresses[0]))
        return resolver_answer_new(addresses, 1);
    if (length == 0)
        return resolver_answer_new(NULL, 0);
    count =
        hosts_file_find(resolver->hosts, (struct str){canonical, length}, addresses, RESOLVER_MAX_ADDRESSES);
    return count > 0 ? resolver_answer_new(addresses, count) : NULL;
}

/* Under the lock: what may be used now, borrowed, or NULL. *wake: a refresh was listed. */
static const struct resolver_answer *look(struct resolver *resolver, struct record *record, bool *wake)
{
    int64_t now = now_ms(resolver);

    if (record == NULL || record->answer == NULL)
        return NULL;
    bool usable = now < record->expires_at_ms || (record->answer->count > 0 && now < record->stale_until_ms);
    if (usable && now >= record->refresh_at_ms && record->answer->count > 0)
        *wake = ask_for(resolver, record);
    return usable ? record->answer : NULL;
}

const struct resolver_answer *resolver_find(struct resolver *resolver, struct str name)
{
    char canonical[RECORD_NAME_SIZE];
    size_t length = 0;
    bool wake = false;

    (void)record_name(name, canonical, &length); /* length stays 0 when it is not a name */
    const struct resolver_answer *found = find_fixed(resolver, name, canonical, length);
    if (found != NULL)
        return found;
    (void)pthread_mutex_lock(&resolver->lock);
    found = look(resolver, record_cache_find(&resolver->cache, canonical, length), &wake);
    if (found != NULL)
        found = resolver_answer_ref(found);
    (void)pthread_mutex_unlock(&resolver->lock);
    if (wake)
        ring(resolver);
    return found;
}

void resolver_ask(struct resolver *resolver, struct str name, struct resolver_query *query)
{
    struct waiter *waiter = mem_zalloc(sizeof(*waiter));
    char canonical[RECORD_NAME_SIZE];
    size_t length = 0;
    bool wake = false;

    assert(loop_is_mine(query->loop));
    waiter->super.run = on_answered;
    waiter->loop = query->loop;
    waiter->query = query;
    query->internal = waiter;
    (void)record_name(name, canonical, &length); /* length stays 0 when it is not a name */
    waiter->answer = find_fixed(resolver, name, canonical, length);
    if (waiter->answer != NULL) {
        loop_post(waiter->loop, &waiter->super);
        return;
    }
    (void)pthread_mutex_lock(&resolver->lock);
    struct record *record = record_cache_find(&resolver->cache, canonical, length);
    if (record == NULL)
        record = record_cache_add(&resolver->cache, canonical, length);
    const struct resolver_answer *known = look(resolver, record, &wake);
    if (known != NULL) {
        waiter->answer = resolver_answer_ref(known);
    } else {
        list_add_last(&record->waiting, &waiter->link);
        wake = ask_for(resolver, record);
    }
    (void)pthread_mutex_unlock(&resolver->lock);
    if (known != NULL)
        loop_post(waiter->loop, &waiter->super);
    if (wake)
        ring(resolver);
}

void resolver_cancel(struct resolver_query *query)
{
    struct waiter *waiter = query->internal;

    if (waiter == NULL)
        return;
    assert(loop_is_mine(waiter->loop));
    waiter->query = NULL;
    query->internal = NULL;
}

static bool make_channel(struct resolver *resolver, struct err *err)
{
    static char lookups[] = "b"; /* DNS only: the hosts file is read here */
    struct ares_options options = {
        .timeout = resolver->options.timeout_ms > 0 ? resolver->options.timeout_ms : DEFAULT_TIMEOUT_MS,
        .tries = TRIES,
        .lookups = lookups,
    };
    int status = ares_library_init(ARES_LIB_INIT_ALL);

    if (status != ARES_SUCCESS)
        return err_set(err, ERR_INTERNAL, "c-ares: %s", ares_strerror(status));
    status = ares_init_options(&resolver->channel, &options,
                               ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS);
    if (status != ARES_SUCCESS) {
        ares_library_cleanup();
        return err_set(err, ERR_INTERNAL, "c-ares: %s", ares_strerror(status));
    }
    resolver->channel_made = true;
    if (resolver->options.servers == NULL)
        return true;
    status = ares_set_servers_ports_csv(resolver->channel, resolver->options.servers);
    return status == ARES_SUCCESS || err_set(err, ERR_INVALID, "\"%s\" is not a list of name servers: %s",
                                             resolver->options.servers, ares_strerror(status));
}

static bool start_thread(struct resolver *resolver, struct err *err)
{
    sigset_t all;
    sigset_t before;

    resolver->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (resolver->bell < 0)
        return err_set(err, ERR_IO, "cannot make an eventfd: %s", strerror(errno));
    (void)sigfillset(&all); /* signals belong to main */
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&resolver->thread, NULL, run, resolver);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return err_set(err, ERR_IO, "cannot start the DNS thread: %s", strerror(failed));
    resolver->thread_started = true;
    return true;
}

bool resolver_open(const struct resolver_options *options, struct resolver **resolver, struct err *err)
{
    struct resolver *opened = mem_zalloc(sizeof(*opened));

    opened->options = *options;
    opened->clock = clock_system();
    opened->bell = -1;
    opened->hosts = hosts_file_read(options->hosts_file != NULL ? options->hosts_file : "/etc/hosts");
    (void)pthread_mutex_init(&opened->lock, NULL); /* cannot fail with default attributes */
    record_cache_init(&opened->cache, options->cache_size > 0 ? (size_t)options->cache_size : 1);
    list_init(&opened->to_ask);
    if (!make_channel(opened, err) || !start_thread(opened, err)) {
        resolver_close(opened);
        return false;
    }
    *resolver = opened;
    return true;
}

void resolver_close(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    if (resolver->thread_started) {
        atomic_store_explicit(&resolver->stopping, true, memory_order_relaxed);
        ring(resolver);
        (void)pthread_join(resolver->thread, NULL); /* ours to join, so it cannot fail */
    }
    if (resolver->channel_made) {
        ares_destroy(resolver->channel);
        ares_library_cleanup();
    }
    list_each (link, &resolver->cache.by_age)
        drop_waiters(CONTAINER_OF(link, struct record, age));
    record_cache_fini(&resolver->cache);
    hosts_file_free(resolver->hosts);
    (void)pthread_mutex_destroy(&resolver->lock);
    if (resolver->bell >= 0)
        close(resolver->bell);
    free(resolver);
}
