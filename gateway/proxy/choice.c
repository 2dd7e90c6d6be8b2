/*
 * choice - see choice.h.
 */

#include "gateway/proxy/choice.h"

#include "gateway/base/network.h"
#include "gateway/http/exchange.h"
#include "gateway/io/loop.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/balance.h"
#include "gateway/proxy/flip.h"
#include "gateway/proxy/hash_key.h"
#include "gateway/proxy/hop.h"
#include "gateway/proxy/inside.h"
#include "gateway/proxy/request.h"
#include "gateway/proxy/snapshot.h"

enum {
    TRIED_MAX = 64,
    WAITS_MAX = 16 /* for names of targets, one after the other */
};

/* host:port, without the port that the scheme means anyway; IPv6 in brackets. */
static struct str host_header(struct request *request, struct str name, bool numeric, int port)
{
    bool is_usual = hop_is_usual_port(request->hop, port);
    bool is_six = numeric && str_find(name, ':', 0) != SIZE_MAX;
    const char *open = is_six ? "[" : "";
    const char *shut = is_six ? "]" : "";

    if (is_usual && !is_six)
        return name;
    return is_usual ? exchange_printf(request->exchange, "%s%.*s%s", open, STR_ARG(name), shut)
                    : exchange_printf(request->exchange, "%s%.*s%s:%d", open, STR_ARG(name), shut, port);
}

/* ---- a service by its own name ---- */

static enum choice_result choose_address(struct request *request)
{
    struct relay *relay = &request->relay;
    struct client_request *ask = &relay->ask;
    struct choice *choice = &relay->choice;
    const struct resolver_answer *resolved = request->resolved;
    const struct hop *hop = request->hop;

    choice->name = hop->name;
    choice->host = hop->host;
    choice->numeric = hop->numeric;
    if (hop->numeric) {
        ask->address_length = hop_address(hop, &ask->address);
        return CHOICE_MADE;
    }
    if (relay->tries == 0)
        choice->turn = resolver_answer_pick(resolved, request->at->turn++);
    const struct resolver_address *found = &resolved->addresses[choice->turn++ % resolved->count];
    ask->address_length = hop_resolved(hop, found, &ask->address);
    if (found->port != 0)
        choice->host = host_header(request, hop->name, /* numeric= */ false, found->port);
    return CHOICE_MADE;
}

/* ---- a peer of an upstream ---- */

static void hash_once(struct request *request)
{
    struct choice *choice = &request->relay.choice;
    const struct upstream *upstream = request->balanced->upstream;
    struct hash_key key;

    if (choice->hashed || upstream->balancing != BALANCING_CONSISTENT_HASHING)
        return;
    hash_key_find(request, upstream, &key);
    choice->hash = balancer_hash(key.text);
    choice->set_cookie = key.set_cookie;
    choice->hashed = true;
}

static enum balancer_answer pick(struct request *request, struct balancer_cursor *cursor,
                                 const struct balancer_entry **entry)
{
    struct choice *choice = &request->relay.choice;
    struct balancer_query query = {
        .hash = choice->hash,
        .tried = choice->tried,
        .tried_count = choice->tried_count,
        .random = &request->at->choices,
        .now_ms = loop_now_ms(request->at->loop),
    };
    enum balancer_answer answer = balancer_pick(cursor, &query, entry);

    if (answer != BALANCER_ALL_TRIED)
        return answer;
    choice->tried_count = query.tried_count = 0; /* round again: a try is left */
    return balancer_pick(cursor, &query, entry);
}

static void take_names(struct request *request, const struct balance_set *set,
                       const struct balancer_entry *entry)
{
    struct choice *choice = &request->relay.choice;
    const char *given = request->balanced->upstream->host_header;
    struct sockaddr_storage address;
    int port = entry->peer->address.port[0] << 8 | entry->peer->address.port[1];

    if (given != NULL) {
        choice->host = str_of(given);
        choice->name = origin_host_of(choice->host);
        choice->numeric = network_address(choice->name, &address);
        return;
    }
    /* The set may be gone before the request is. */
    choice->name = exchange_copy(request->exchange, balance_host(set, entry));
    choice->numeric = set->targets[entry->target].name == BALANCE_ADDRESS;
    choice->host = host_header(request, choice->name, choice->numeric, port);
}

static enum choice_result choose_peer(struct request *request, struct str *awaited)
{
    struct choice *choice = &request->relay.choice;
    struct client_request *ask = &request->relay.ask;
    const struct balancer_entry *entry;
    struct balancer_cursor *cursor;
    const struct balance_set *set =
        balance_find(request->at->balance, request->balanced, /* again= */ choice->waits > 0, &cursor);

    *awaited = balance_awaited(set);
    if (awaited->at != NULL && choice->waits < WAITS_MAX) {
        choice->waits++;
        *awaited = exchange_copy(request->exchange, *awaited);
        return CHOICE_WAIT;
    }
    hash_once(request);
    switch (pick(request, cursor, &entry)) {
    case BALANCER_CHOSEN:
        break;
    case BALANCER_NO_TARGETS:
        return set->target_count > 0 && set->address_count == 0 ? CHOICE_NO_NAME : CHOICE_NO_PEER;
    case BALANCER_UNHEALTHY:
    case BALANCER_ALL_TRIED:
        return CHOICE_NO_PEER;
    }
    peer_begin(entry->peer);
    choice->peer = entry->peer;
    choice->target = set->targets[entry->target].id;
    choice->began_us = loop_clock_us();
    ask->address_length = peer_address_write(&entry->peer->address, &ask->address);
    take_names(request, set, entry);
    return CHOICE_MADE;
}

enum choice_result choice_make(struct request *request, struct str *awaited)
{
    choice_end(request);
    return request->balanced != NULL ? choose_peer(request, awaited) : choose_address(request);
}

/* ---- what became of it ---- */

static void note_tried(struct request *request)
{
    struct choice *choice = &request->relay.choice;

    if (choice->tried == NULL) {
        size_t tries = (size_t)request->chain.service->retries + 1;
        choice->tried_room = tries < TRIED_MAX ? tries : TRIED_MAX;
        choice->tried = exchange_alloc(request->exchange, choice->tried_room * sizeof(*choice->tried));
    }
    if (choice->tried_count < choice->tried_room)
        choice->tried[choice->tried_count++] = choice->peer;
}

/* The connection that was kept says nothing about the peer. */
static bool outcome_of(enum client_failure failure, enum health_outcome *outcome)
{
    switch (failure) {
    case CLIENT_REFUSED:
    case CLIENT_TLS_FAILED:
    case CLIENT_RESET:
        *outcome = HEALTH_TCP_FAILURE;
        return true;
    case CLIENT_CONNECT_TIMEOUT:
    case CLIENT_TIMEOUT:
        *outcome = HEALTH_TIMEOUT;
        return true;
    case CLIENT_BAD_ANSWER:
        *outcome = HEALTH_HTTP_FAILURE;
        return true;
    case CLIENT_SHORTAGE: /* ours */
    case CLIENT_STALE:
    case CLIENT_CUT:
        break;
    }
    return false;
}

static void report(struct request *request, enum health_outcome outcome)
{
    static const char *const causes[] = {
        [HEALTH_SUCCESS] = "traffic: success",
        [HEALTH_TCP_FAILURE] = "traffic: connection failed",
        [HEALTH_TIMEOUT] = "traffic: timeout",
        [HEALTH_HTTP_FAILURE] = "traffic: bad answer",
    };
    const struct choice *choice = &request->relay.choice;
    const struct balanced *balanced = request->balanced;

    if (peer_report(choice->peer, &balanced->upstream->passive.limits, outcome))
        flip_tell(&(struct flip){balanced, choice->peer, &choice->target, causes[outcome]});
}

void choice_failed(struct request *request, enum client_failure failure)
{
    struct peer *peer = request->relay.choice.peer;
    enum health_outcome outcome;

    if (peer == NULL)
        return;
    if (outcome_of(failure, &outcome)) {
        report(request, outcome);
        /* By latency a peer that refuses at once must not look like the fastest. */
        peer_answered(peer, (int64_t)request->relay.ask.connect_ms * 1000, loop_now_ms(request->at->loop));
        note_tried(request);
    }
    choice_end(request);
}

void choice_answered(struct request *request, int status)
{
    const struct choice *choice = &request->relay.choice;

    if (choice->peer == NULL)
        return;
    const struct health_rules *rules = &request->balanced->upstream->passive;
    if (statuses_have(&rules->healthy, status))
        report(request, HEALTH_SUCCESS);
    else if (statuses_have(&rules->unhealthy, status))
        report(request, HEALTH_HTTP_FAILURE);
    peer_answered(choice->peer, loop_clock_us() - choice->began_us, loop_now_ms(request->at->loop));
}

struct peer *choice_give(struct request *request)
{
    struct peer *peer = request->relay.choice.peer;

    request->relay.choice.peer = NULL;
    return peer;
}

void choice_end(struct request *request)
{
    struct choice *choice = &request->relay.choice;

    if (choice->peer != NULL)
        peer_end(choice->peer);
    choice->peer = NULL;
}
