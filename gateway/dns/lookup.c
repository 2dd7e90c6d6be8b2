/*
 * lookup - see lookup.h.
 *
 *     next() --asks--> on_reply() --not there--> next()
 *                          |--addresses--> end
 *                          |--alias------> start over with its name, at most 8 times
 *                          `--services---> targets --all have answered--> end
 */

#include "gateway/dns/lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/dns/hosts_file.h"

enum {
    RETRY_TTL_S = 30 /* when some of several targets had to be taken from before */
};

struct target {
    struct lookup *lookup;
    struct reply_service service;
    size_t type_at; /* in order_of_addresses() */
    bool failed;
    struct sockaddr_storage *addresses;
    size_t count;
};

struct lookup {
    struct lookup_world *world;
    lookup_done_fn done;
    void *arg;
    struct lookup_past past; /* a reference to its answer */
    struct order types;
    size_t type_at, name_at;
    int aliases;
    bool absolute;   /* no search list */
    const char *why; /* of the last failure; NULL: none */
    int64_t ttl_s;
    bool cut;
    struct target *targets;
    size_t target_count, targets_waiting;
    char name[DNS_NAME_SIZE];
};

static void next(struct lookup *lookup);

static void end(struct lookup *lookup, const struct lookup_result *result)
{
    lookup->done(lookup->arg, result);
    for (size_t i = 0; i < lookup->target_count; i++)
        free(lookup->targets[i].addresses);
    free(lookup->targets);
    resolver_answer_unref(lookup->past.answer);
    free(lookup);
}

static void end_without(struct lookup *lookup)
{
    const struct lookup_result result = {
        .outcome = lookup->why != NULL ? DNS_FAILED : DNS_NOT_FOUND,
        .why = lookup->why,
    };

    end(lookup, &result);
}

static void end_with(struct lookup *lookup, enum dns_type type, const struct resolver_address *addresses,
                     size_t count)
{
    const struct lookup_result result = {
        .outcome = DNS_FOUND,
        .type = type,
        .ttl_s = lookup->ttl_s,
        .count = count,
        .cut = lookup->cut,
        .addresses = addresses,
    };

    end(lookup, &result);
}

static void shorten_ttl(struct lookup *lookup, int64_t ttl_s)
{
    if (ttl_s < lookup->ttl_s)
        lookup->ttl_s = ttl_s;
}

static size_t add_address(struct resolver_address *to, size_t count, const struct target *target,
                          const struct sockaddr_storage *address)
{
    if (count == RESOLVER_MAX_ADDRESSES)
        return count;
    to[count] = (struct resolver_address){
        .port = target->service.port,
        .weight = target->service.weight > 0 ? target->service.weight : 1,
        .name = target->service.target,
    };
    memcpy(&to[count].at, address, sizeof(*address));
    return count + 1;
}

/* A target whose server fails has what it had. */
static size_t add_from_before(const struct lookup *lookup, struct resolver_address *to, size_t count,
                              const struct target *target)
{
    const struct resolver_answer *before = lookup->past.answer;

    for (size_t i = 0; before != NULL && i < before->count; i++)
        if (before->addresses[i].name != NULL &&
            strcmp(before->addresses[i].name, target->service.target) == 0 &&
            before->addresses[i].port == target->service.port)
            count = add_address(to, count, target, &before->addresses[i].at);
    return count;
}

static void end_with_targets(struct lookup *lookup)
{
    struct resolver_address addresses[RESOLVER_MAX_ADDRESSES] = {{.port = 0}};
    size_t count = 0;

    for (size_t i = 0; i < lookup->target_count; i++) {
        const struct target *target = &lookup->targets[i];

        if (target->failed) {
            count = add_from_before(lookup, addresses, count, target);
            shorten_ttl(lookup, RETRY_TTL_S);
        }
        if (count + target->count > RESOLVER_MAX_ADDRESSES)
            lookup->cut = true;
        for (size_t k = 0; k < target->count; k++)
            count = add_address(addresses, count, target, &target->addresses[k]);
    }
    if (count > 0)
        end_with(lookup, DNS_SRV, addresses, count);
    else
        end_without(lookup);
}

static void target_ended(struct lookup *lookup)
{
    if (--lookup->targets_waiting == 0)
        end_with_targets(lookup);
}

static void keep_addresses(struct target *target, const struct sockaddr_storage *addresses, size_t count)
{
    target->addresses = mem_alloc(count * sizeof(*addresses));
    memcpy(target->addresses, addresses, count * sizeof(*addresses));
    target->count = count;
}

static void ask_target(struct target *target);

static void on_target(void *arg, enum dns_outcome outcome, const struct reply *reply, const char *why)
{
    struct target *target = arg;
    struct lookup *lookup = target->lookup;

    if (outcome == DNS_FOUND) {
        keep_addresses(target, reply->addresses, reply->count);
        target->failed = false;
        lookup->cut = lookup->cut || reply->cut;
        shorten_ttl(lookup, reply->ttl_s);
        target_ended(lookup);
        return;
    }
    if (outcome == DNS_FAILED) {
        target->failed = true;
        lookup->why = why;
    }
    target->type_at++;
    ask_target(target);
}

/* Numbers and names of the hosts file need no question. */
static bool is_known(struct target *target)
{
    struct sockaddr_storage address;
    struct str name = str_of(target->service.target);
    const struct resolver_answer *host;

    if (address_from_str(name, &address)) {
        keep_addresses(target, &address, 1);
        return true;
    }
    host = hosts_file_find(target->lookup->world->hosts, name);
    if (host == NULL)
        return false;
    target->addresses = mem_alloc(host->count * sizeof(*target->addresses));
    for (size_t i = 0; i < host->count; i++)
        target->addresses[target->count++] = host->addresses[i].at;
    return true;
}

static void ask_target(struct target *target)
{
    struct lookup_world *world = target->lookup->world;
    struct order types = order_of_addresses(&world->order);

    if (target->type_at == types.count || world->servers.closing)
        target_ended(target->lookup);
    else
        question_ask(&world->servers, target->service.target, types.types[target->type_at], on_target,
                     target);
}

static void ask_targets(struct lookup *lookup, const struct reply *reply)
{
    lookup->why = NULL; /* types before this one do not matter any more */
    lookup->targets = mem_zalloc(reply->count * sizeof(struct target));
    lookup->target_count = reply->count;
    lookup->targets_waiting = reply->count + 1; /* one for this function: answers may come at once */
    for (size_t i = 0; i < reply->count; i++) {
        struct target *target = &lookup->targets[i];

        target->lookup = lookup;
        target->service = reply->services[i];
        if (is_known(target))
            lookup->targets_waiting--;
        else
            ask_target(target);
    }
    target_ended(lookup);
}

static void start_over(struct lookup *lookup, const char *name)
{
    const struct resolver_answer *host = hosts_file_find(lookup->world->hosts, str_of(name));

    if (host != NULL) {
        end_with(lookup, (enum dns_type)host->type, host->addresses, host->count);
        return;
    }
    if (++lookup->aliases > REPLY_MAX_ALIASES) {
        lookup->why = "aliases without end";
        end_without(lookup);
        return;
    }
    memcpy(lookup->name, name, strlen(name) + 1);
    lookup->absolute = true;
    lookup->why = NULL;
    lookup->types = order_for(&lookup->world->order, DNS_LAST);
    lookup->type_at = 0;
    lookup->name_at = 0;
    next(lookup);
}

static void take(struct lookup *lookup, const struct reply *reply)
{
    struct resolver_address addresses[REPLY_MAX_RECORDS] = {{.port = 0}};

    shorten_ttl(lookup, reply->ttl_s);
    lookup->cut = lookup->cut || reply->cut;
    switch (reply->type) {
    case DNS_SRV:
        ask_targets(lookup, reply);
        return;
    case DNS_CNAME:
        start_over(lookup, reply->name);
        return;
    default:
        for (size_t i = 0; i < reply->count; i++)
            addresses[i].at = reply->addresses[i];
        end_with(lookup, reply->type, addresses, reply->count);
    }
}

static void on_reply(void *arg, enum dns_outcome outcome, const struct reply *reply, const char *why)
{
    struct lookup *lookup = arg;

    if (outcome == DNS_FOUND) {
        take(lookup, reply);
        return;
    }
    if (outcome == DNS_FAILED)
        lookup->why = why;
    bool was_there = lookup->aliases == 0 && lookup->past.answer != NULL &&
                     lookup->types.types[lookup->type_at] == lookup->past.last;
    if (lookup->world->servers.closing || (outcome == DNS_FAILED && was_there)) {
        end_without(lookup);
        return;
    }
    lookup->name_at++;
    next(lookup);
}

static int dots_in(const char *name)
{
    int dots = 0;

    for (; *name != '\0'; name++)
        dots += *name == '.';
    return dots;
}

/* The name_at-th name to try. False: there are no more. One that is too long is "", which nobody has. */
static bool name_to_try(const struct lookup *lookup, char to[DNS_NAME_SIZE])
{
    const struct name_servers *servers = &lookup->world->servers;
    size_t search = lookup->absolute ? 0 : servers->search_count;
    size_t plain_at = dots_in(lookup->name) >= servers->ndots ? 0 : search;
    size_t at = lookup->name_at;

    if (at > search)
        return false;
    if (at == plain_at) {
        memcpy(to, lookup->name, sizeof(lookup->name));
        return true;
    }
    const char *domain = servers->search[at > plain_at ? at - 1 : at];
    int length = snprintf(to, DNS_NAME_SIZE, "%s.%s", lookup->name, domain);
    if (length > 253)
        to[0] = '\0';
    for (char *c = to; *c != '\0'; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    return true;
}

/* Asks for what comes next; the lookup may be gone afterwards. */
static void next(struct lookup *lookup)
{
    char name[DNS_NAME_SIZE];

    while (lookup->type_at < lookup->types.count) {
        if (!name_to_try(lookup, name)) {
            lookup->type_at++;
            lookup->name_at = 0;
        } else if (name[0] == '\0') {
            lookup->name_at++;
        } else {
            question_ask(&lookup->world->servers, name, lookup->types.types[lookup->type_at], on_reply,
                         lookup);
            return;
        }
    }
    end_without(lookup);
}

void lookup_start(struct lookup_world *world, const char *name, const struct lookup_past *past,
                  lookup_done_fn done, void *arg)
{
    struct lookup *lookup = mem_zalloc(sizeof(*lookup));
    size_t length = strnlen(name, sizeof(lookup->name) - 1);

    *lookup = (struct lookup){
        .world = world, .done = done, .arg = arg, .past = {.last = past->last}, .ttl_s = INT32_MAX};
    if (past->answer != NULL)
        lookup->past.answer = resolver_answer_ref(past->answer);
    lookup->types = order_for(&world->order, past->last);
    lookup->absolute = length > 0 && name[length - 1] == '.';
    memcpy(lookup->name, name, lookup->absolute ? length - 1 : length);
    next(lookup);
}
