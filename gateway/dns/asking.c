/*
 * asking - the resolver's thread: names that were listed are looked up, at most 200 at a time, those somebody
 * waits for first; outcomes go into the cache and to those who wait.
 *
 * Whoever waits hears within five time-outs of one question, whatever the servers do: a lookup that takes
 * longer is given up (its questions end later, unheard), and so is a name that was not even begun.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/attributes.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/dns/freshness.h"
#include "gateway/dns/inside.h"

enum {
    MAX_UNDER_WAY = 200,
    HOSTS_CHECK_MS = 5000,
    LONGEST_WAIT_MS = HOSTS_CHECK_MS,
    BUSY_WAIT_MS = 50, /* while something may have to be given up */
    GIVE_UP_FACTOR = 5,
    LOG_EVERY_MS = 1000,
};

/* A name being looked up. */
struct pursuit {
    struct list link;
    struct resolver *resolver;
    struct record *record; /* pinned by `asking`; NULL: given up */
    int64_t give_up_at_ms;
};

bool asking_list(struct resolver *resolver, struct record *record, enum urgency urgency)
{
    if (urgency == SOMEBODY_WAITS && list_is_empty(&record->waiting))
        record->asked_at_ms = resolver_now_ms(resolver);
    if (!record->asking) {
        record->asking = true;
        list_add_last(urgency == SOMEBODY_WAITS ? &resolver->urgent : &resolver->later, &record->asked);
        return true;
    }
    /* Who waits for a name that is only to be kept up to date does so in the other list. */
    if (urgency == SOMEBODY_WAITS && list_is_linked(&record->asked) && list_is_empty(&record->waiting)) {
        list_remove(&record->asked);
        list_add_last(&resolver->urgent, &record->asked);
    }
    return false;
}

static void tell(struct list *waiting, const struct resolver_answer *answer)
{
    struct list *link;

    while ((link = list_take_first(waiting)) != NULL) {
        struct waiter *waiter = CONTAINER_OF(link, struct waiter, link);

        waiter->answer = resolver_answer_ref(answer);
        loop_post(waiter->loop, &waiter->super);
    }
}

enum news {
    NO_NEWS,
    BEGAN_TO_FAIL,
    WORKS_AGAIN
};

/* Under the lock. */
static enum news settle(struct resolver *resolver, struct record *record, const struct lookup_result *result)
{
    uint64_t number = atomic_load_explicit(&resolver->generation, memory_order_relaxed) + 1;
    bool fails = result->outcome != DNS_FOUND;
    enum news news = fails == record->failing ? NO_NEWS : fails ? BEGAN_TO_FAIL : WORKS_AGAIN;

    record->asking = false;
    record->failing = fails;
    /* Pairs with the acquire in resolver_generation(); the answers themselves are behind the lock. */
    if (freshness_settle(record, result, &resolver->options, number, resolver_now_ms(resolver)))
        atomic_store_explicit(&resolver->generation, number, memory_order_release);
    if (record->watchers > 0 && record->recheck_at_ms < resolver->due_at_ms)
        resolver->due_at_ms = record->recheck_at_ms;
    tell(&record->waiting, record->answer);
    return news;
}

/* A line a second at most: names may be many, and fail together. */
static bool may_log(struct resolver *resolver)
{
    struct asking *asking = &resolver->asking;
    int64_t now = resolver_now_ms(resolver);

    if (asking->logged_at_ms != 0 && now < asking->logged_at_ms + LOG_EVERY_MS) {
        asking->unlogged++;
        return false;
    }
    asking->logged_at_ms = now;
    return true;
}

static void report(struct resolver *resolver, enum news news, const char *name,
                   const struct lookup_result *result)
{
    if (result->cut)
        log_debug("dns: a name has more addresses than are used; name=%s used=%zu", name, result->count);
    if (news == NO_NEWS || !may_log(resolver))
        return;
    if (news == WORKS_AGAIN)
        log_notice("dns: a name resolves again; name=%s unlogged=%" PRId64, name, resolver->asking.unlogged);
    else
        log_warn("dns: a name does not resolve; name=%s reason=\"%s\" unlogged=%" PRId64, name,
                 result->outcome == DNS_NOT_FOUND ? "there is no such name" : result->why,
                 resolver->asking.unlogged);
    resolver->asking.unlogged = 0;
}

static void conclude(struct resolver *resolver, struct record *record, const struct lookup_result *result)
{
    char name[RECORD_NAME_SIZE];

    if (result->outcome != DNS_FOUND)
        metrics_add(result->outcome == DNS_NOT_FOUND ? METRIC_DNS_NOT_FOUND : METRIC_DNS_FAILED, 1);
    (void)pthread_mutex_lock(&resolver->lock);
    memcpy(name, record->name, sizeof(name)); /* the record is no longer pinned behind the lock */
    enum news news = settle(resolver, record, result);
    (void)pthread_mutex_unlock(&resolver->lock);
    report(resolver, news, name, result);
}

static void on_result(void *arg, const struct lookup_result *result)
{
    struct pursuit *pursuit = arg;
    struct resolver *resolver = pursuit->resolver;

    if (pursuit->record != NULL) {
        list_remove(&pursuit->link);
        resolver->asking.under_way_count--;
        if (!resolver->world.servers.closing)
            conclude(resolver, pursuit->record, result);
    }
    free(pursuit);
}

/* The name that is to be looked up next, or NULL. Under the lock. */
static struct record *take_listed(struct resolver *resolver)
{
    struct list *link = list_take_first(&resolver->urgent);

    if (link == NULL)
        link = list_take_first(&resolver->later);
    return link != NULL ? CONTAINER_OF(link, struct record, asked) : NULL;
}

/* False: nothing was listed. c-ares may answer from inside, so the lock is not held. */
static bool start_one(struct resolver *resolver)
{
    int64_t now = resolver_now_ms(resolver);
    struct lookup_past past = {.last = DNS_LAST};
    int64_t since = now;

    (void)pthread_mutex_lock(&resolver->lock);
    struct record *record = take_listed(resolver);
    if (record != NULL) {
        past = freshness_past(record, now);
        if (past.answer != NULL)
            past.answer = resolver_answer_ref(past.answer);
        if (!list_is_empty(&record->waiting))
            since = record->asked_at_ms;
    }
    (void)pthread_mutex_unlock(&resolver->lock);
    if (record == NULL)
        return false;
    struct pursuit *pursuit = mem_alloc(sizeof(*pursuit));
    *pursuit = (struct pursuit){
        .resolver = resolver,
        .record = record,
        .give_up_at_ms = since + (int64_t)GIVE_UP_FACTOR * resolver->options.timeout_ms,
    };
    list_add_last(&resolver->asking.under_way, &pursuit->link);
    resolver->asking.under_way_count++;
    metrics_add(METRIC_DNS_LOOKUPS, 1);
    lookup_start(&resolver->world, record->name, &past, on_result, pursuit);
    resolver_answer_unref(past.answer);
    return true;
}

static const struct lookup_result too_late = {
    .outcome = DNS_FAILED,
    .why = "the name servers do not answer in time",
};

static void give_up_lookups(struct resolver *resolver)
{
    int64_t now = resolver_now_ms(resolver);
    struct list *next;

    for (struct list *link = resolver->asking.under_way.next; link != &resolver->asking.under_way;
         link = next) {
        struct pursuit *pursuit = CONTAINER_OF(link, struct pursuit, link);

        next = link->next;
        if (now < pursuit->give_up_at_ms)
            continue;
        list_remove(&pursuit->link);
        resolver->asking.under_way_count--;
        conclude(resolver, pursuit->record, &too_late);
        pursuit->record = NULL; /* freed when its last question has ended */
    }
}

static void give_up_listed(struct resolver *resolver)
{
    int64_t limit = resolver_now_ms(resolver) - (int64_t)GIVE_UP_FACTOR * resolver->options.timeout_ms;

    for (;;) {
        struct record *record = NULL;

        (void)pthread_mutex_lock(&resolver->lock);
        if (!list_is_empty(&resolver->urgent))
            record = CONTAINER_OF(resolver->urgent.next, struct record, asked);
        if (record != NULL && record->asked_at_ms <= limit)
            list_remove(&record->asked);
        else
            record = NULL;
        (void)pthread_mutex_unlock(&resolver->lock);
        if (record == NULL)
            return;
        conclude(resolver, record, &too_late);
    }
}

/* Under the lock. A name of the hosts file is not asked for as long as it is there. */
static void list_if_due(struct resolver *resolver, struct record *record, int64_t now)
{
    bool absolute = record->name[record->name_length - 1] == '.';
    struct str host = {record->name, record->name_length - (absolute ? 1 : 0)};

    if (record->asking)
        return; /* its end sets due_at_ms */
    if (freshness_is_due(record, RESOLVER_TARGET, now)) {
        if (hosts_file_find(resolver->world.hosts, host) == NULL) {
            (void)asking_list(resolver, record, NOBODY_WAITS); /* the thread is awake */
            return;
        }
        record->recheck_at_ms = now + HOSTS_CHECK_MS;
    }
    if (record->recheck_at_ms < resolver->due_at_ms)
        resolver->due_at_ms = record->recheck_at_ms;
}

/* Lists the watched names whose time has come. */
static void list_due(struct resolver *resolver)
{
    int64_t now = resolver_now_ms(resolver);

    (void)pthread_mutex_lock(&resolver->lock);
    if (now >= resolver->due_at_ms) {
        resolver->due_at_ms = INT64_MAX;
        list_each (link, &resolver->cache.watched)
            list_if_due(resolver, CONTAINER_OF(link, struct record, age), now);
    }
    (void)pthread_mutex_unlock(&resolver->lock);
}

/* Reads the hosts file again when it has changed; loops go on with the old one meanwhile. */
static void check_hosts(struct resolver *resolver)
{
    struct asking *asking = &resolver->asking;
    int64_t now = resolver_now_ms(resolver);

    if (now < asking->hosts_checked_at_ms + HOSTS_CHECK_MS)
        return;
    asking->hosts_checked_at_ms = now;
    struct hosts_version version = hosts_version_of(resolver->hosts_path);
    if (hosts_version_equal(&version, &asking->hosts_version))
        return;
    asking->hosts_version = version;
    struct hosts_file *before = resolver->world.hosts;
    uint64_t number = atomic_load_explicit(&resolver->generation, memory_order_relaxed) + 1;
    struct hosts_file *read =
        hosts_file_read(resolver->hosts_path, resolver_preferred_family(resolver), number);
    bool differs = hosts_file_adopt(read, before);

    (void)pthread_mutex_lock(&resolver->lock);
    resolver->world.hosts = read;
    if (differs) /* pairs with the acquire in resolver_generation() */
        atomic_store_explicit(&resolver->generation, number, memory_order_release);
    (void)pthread_mutex_unlock(&resolver->lock);
    hosts_file_free(before);
    log_info("dns: the hosts file was read again; names=%zu", hosts_file_count(read));
}

static int wait_ms(struct resolver *resolver)
{
    int64_t now = resolver_now_ms(resolver);
    int64_t wait = LONGEST_WAIT_MS;

    if (resolver->asking.under_way_count > 0)
        return BUSY_WAIT_MS;
    (void)pthread_mutex_lock(&resolver->lock);
    if (resolver->due_at_ms < now + wait)
        wait = resolver->due_at_ms > now ? resolver->due_at_ms - now : 0;
    (void)pthread_mutex_unlock(&resolver->lock);
    return (int)wait;
}

static void take_rings(struct resolver *resolver)
{
    uint64_t rings;

    if (read(resolver->bell, &rings, sizeof(rings)) < 0 && errno != EAGAIN)
        log_error("dns: cannot read its bell; errno=%d", errno);
}

void *asking_run(void *arg)
{
    struct resolver *resolver = arg;

    (void)pthread_setname_np(pthread_self(), "dns"); /* a name only */
    while (!atomic_load_explicit(&resolver->stopping, memory_order_relaxed)) {
        check_hosts(resolver);
        list_due(resolver);
        give_up_lookups(resolver); /* makes room for those who wait behind them */
        while (resolver->asking.under_way_count < MAX_UNDER_WAY && start_one(resolver))
            ;
        give_up_listed(resolver);
        name_servers_wait(&resolver->world.servers, resolver->bell, wait_ms(resolver));
        take_rings(resolver);
    }
    return NULL;
}
