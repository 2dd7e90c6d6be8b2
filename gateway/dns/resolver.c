/*
 * resolver - see resolver.h.
 *
 * Loops look into the cache under the lock. What is missing or old they put on a list and ring the bell of
 * the thread (asking.c); answers come to those who wait as messages to their loops. However many wait for a
 * name, it is asked for once.
 */

#include "gateway/dns/resolver.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gateway/base/attributes.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/dns/answer.h"
#include "gateway/dns/freshness.h"
#include "gateway/dns/inside.h"

enum {
    DEFAULT_TIMEOUT_MS = 2000
};

int64_t resolver_now_ms(const struct resolver *resolver)
{
    return clock_now_ms(resolver->clock);
}

void resolver_ring(struct resolver *resolver)
{
    const uint64_t one = 1;

    if (write(resolver->bell, &one, sizeof(one)) < 0 && errno != EAGAIN)
        log_error("dns: its thread cannot be woken; errno=%d", errno);
}

uint64_t resolver_generation(const struct resolver *resolver)
{
    /* Pairs with the release in asking.c. */
    return atomic_load_explicit(&resolver->generation, memory_order_acquire);
}

sa_family_t resolver_preferred_family(const struct resolver *resolver)
{
    struct order types = order_of_addresses(&resolver->world.order);

    return types.types[0] == DNS_AAAA ? AF_INET6 : AF_INET;
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

static void drop_waiters(struct list *records)
{
    list_each (link, records) {
        struct record *record = CONTAINER_OF(link, struct record, age);
        struct list *waiting;

        while ((waiting = list_take_first(&record->waiting)) != NULL)
            free(CONTAINER_OF(waiting, struct waiter, link));
    }
}

/* Numeric hosts, and what is no name at all. A new reference, or NULL: `to` is the name. */
static const struct resolver_answer *find_fixed(struct str name, struct record_name *to)
{
    struct resolver_address address = {.port = 0};

    if (address_from_str(name, &address.at))
        return answer_new(0, address.at.ss_family == AF_INET ? DNS_A : DNS_AAAA, &address, 1);
    return record_name(name, to) ? NULL : answer_new(0, DNS_LAST, NULL, 0);
}

/* Under the lock: what may be used now, a new reference, or NULL. *wake: a refresh was listed. */
static const struct resolver_answer *look(struct resolver *resolver, const struct record_name *name,
                                          struct record *record, enum resolver_use use, bool *wake)
{
    const struct resolver_answer *found = hosts_file_find(resolver->world.hosts, name->host);
    int64_t now = resolver_now_ms(resolver);

    if (found != NULL)
        return resolver_answer_ref(found);
    if (record == NULL)
        return NULL;
    found = freshness_usable(record, use, now);
    if (found == NULL)
        return NULL;
    if (freshness_is_due(record, use, now) && asking_list(resolver, record, NOBODY_WAITS))
        *wake = true;
    return resolver_answer_ref(found);
}

const struct resolver_answer *resolver_find(struct resolver *resolver, struct str name, enum resolver_use use)
{
    struct record_name kept;
    const struct resolver_answer *found = find_fixed(name, &kept);
    bool wake = false;

    if (found != NULL)
        return found;
    (void)pthread_mutex_lock(&resolver->lock);
    struct record *record = record_cache_find(&resolver->cache, kept.text, kept.length);
    found = look(resolver, &kept, record, use, &wake);
    (void)pthread_mutex_unlock(&resolver->lock);
    if (wake)
        resolver_ring(resolver);
    return found;
}

static struct record *find_or_add(struct resolver *resolver, const struct record_name *name)
{
    struct record *record = record_cache_find(&resolver->cache, name->text, name->length);

    return record != NULL ? record : record_cache_add(&resolver->cache, name->text, name->length);
}

/* An answer that is there, a new reference; or NULL: the waiter waits. */
static const struct resolver_answer *find_or_wait(struct resolver *resolver, const struct record_name *name,
                                                  enum resolver_use use, struct waiter *waiter)
{
    bool wake = false;

    (void)pthread_mutex_lock(&resolver->lock);
    struct record *record = find_or_add(resolver, name);
    const struct resolver_answer *found = look(resolver, name, record, use, &wake);
    if (found == NULL) {
        wake = asking_list(resolver, record, SOMEBODY_WAITS);
        list_add_last(&record->waiting, &waiter->link);
    }
    (void)pthread_mutex_unlock(&resolver->lock);
    metrics_add(METRIC_DNS_WAITS, found == NULL ? 1 : 0);
    if (wake)
        resolver_ring(resolver);
    return found;
}

void resolver_ask(struct resolver *resolver, struct str name, struct resolver_query *query)
{
    struct waiter *waiter = mem_zalloc(sizeof(*waiter));
    enum resolver_use use = query->use;
    struct record_name kept;

    assert(loop_is_mine(query->loop));
    waiter->super.run = on_answered;
    waiter->loop = query->loop;
    waiter->query = query;
    query->internal = waiter;
    const struct resolver_answer *found = find_fixed(name, &kept);
    if (found == NULL)
        found = find_or_wait(resolver, &kept, use, waiter);
    if (found == NULL)
        return;
    waiter->answer = found;
    loop_post(waiter->loop, &waiter->super);
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

/* Can the name be watched? Numeric hosts do not change. */
static bool is_watchable(struct str name, struct record_name *kept)
{
    struct sockaddr_storage address;

    return !address_from_str(name, &address) && record_name(name, kept);
}

void resolver_watch(struct resolver *resolver, struct str name)
{
    struct record_name kept;
    bool wake = false;

    if (!is_watchable(name, &kept))
        return;
    (void)pthread_mutex_lock(&resolver->lock);
    struct record *record = find_or_add(resolver, &kept);
    record_cache_watch(&resolver->cache, record);
    if (record->recheck_at_ms < resolver->due_at_ms) {
        resolver->due_at_ms = record->recheck_at_ms; /* a new one: at once */
        wake = true;
    }
    (void)pthread_mutex_unlock(&resolver->lock);
    if (wake)
        resolver_ring(resolver);
}

void resolver_unwatch(struct resolver *resolver, struct str name)
{
    struct record_name kept;

    if (!is_watchable(name, &kept))
        return;
    (void)pthread_mutex_lock(&resolver->lock);
    struct record *record = record_cache_find(&resolver->cache, kept.text, kept.length);
    assert(record != NULL);
    record_cache_unwatch(&resolver->cache, record);
    (void)pthread_mutex_unlock(&resolver->lock);
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
    int failed = pthread_create(&resolver->thread, NULL, asking_run, resolver);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return err_set(err, ERR_IO, "cannot start the DNS thread: %s", strerror(failed));
    resolver->thread_started = true;
    return true;
}

static void read_hosts(struct resolver *resolver)
{
    const char *path = resolver->options.hosts_file != NULL ? resolver->options.hosts_file : "/etc/hosts";

    resolver->hosts_path = mem_strdup(path);
    resolver->asking.hosts_version = hosts_version_of(path);
    resolver->asking.hosts_checked_at_ms = resolver_now_ms(resolver);
    resolver->world.hosts = hosts_file_read(path, resolver_preferred_family(resolver), /* number= */ 1);
}

bool resolver_open(const struct resolver_options *options, struct resolver **resolver, struct err *err)
{
    struct str order = str_of(options->order != NULL ? options->order : "LAST,SRV,A,CNAME");
    struct resolver *opened = mem_zalloc(sizeof(*opened));

    opened->options = *options;
    if (opened->options.timeout_ms <= 0)
        opened->options.timeout_ms = DEFAULT_TIMEOUT_MS;
    opened->clock = clock_system();
    opened->bell = -1;
    opened->due_at_ms = INT64_MAX;
    atomic_init(&opened->generation, 1);
    (void)pthread_mutex_init(&opened->lock, NULL); /* cannot fail with default attributes */
    record_cache_init(&opened->cache, options->cache_size > 0 ? (size_t)options->cache_size : 1);
    list_init(&opened->urgent);
    list_init(&opened->later);
    list_init(&opened->asking.under_way);
    bool ok = order_parse(order, &opened->world.order, err) || err_wrap(err, "dns_order");
    if (ok)
        read_hosts(opened);
    ok = ok && name_servers_open(options->servers, opened->options.timeout_ms, &opened->world.servers, err) &&
         start_thread(opened, err);
    if (!ok) {
        resolver_close(opened);
        return false;
    }
    *resolver = opened;
    return true;
}

void resolver_stop(struct resolver *resolver)
{
    if (resolver == NULL || !resolver->thread_started)
        return;
    atomic_store_explicit(&resolver->stopping, true, memory_order_relaxed);
    resolver_ring(resolver);
    (void)pthread_join(resolver->thread, NULL); /* ours to join, so it cannot fail */
    resolver->thread_started = false;
}

void resolver_close(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    resolver_stop(resolver);
    name_servers_close(&resolver->world.servers);
    drop_waiters(&resolver->cache.by_age);
    drop_waiters(&resolver->cache.watched);
    record_cache_fini(&resolver->cache);
    hosts_file_free(resolver->world.hosts);
    (void)pthread_mutex_destroy(&resolver->lock);
    if (resolver->bell >= 0)
        close(resolver->bell);
    free(resolver->hosts_path);
    free(resolver);
}
