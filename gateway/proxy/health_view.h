#pragma once

/*
 * health_view - what this node thinks of the peers of an upstream at one moment, for people to look at.
 *
 * Threads: made on a loop that has the set; afterwards its owner's. Refers to nothing outside.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/uuid.h"
#include "gateway/proxy/peer_text.h"

struct balance_set;
struct snapshot;
struct upstream;

enum health_state {
    HEALTH_OFF, /* nobody looks after it */
    HEALTH_GOOD,
    HEALTH_BAD,
    HEALTH_NO_ADDRESS, /* DNS knows none */
    HEALTH_UNKNOWN,    /* DNS has not answered yet */
};

struct health_weight {
    uint64_t total, available;
};

struct health_view_address {
    char ip[PEER_TEXT_SIZE]; /* IPv6 in brackets */
    int port;
    uint32_t weight;
    bool healthy;            /* as requests are sent there */
    enum health_state state; /* OFF, GOOD, BAD */
};

struct health_view_target {
    struct uuid id;
    char *host;
    int port, weight;
    const char *dns; /* type of its records */
    enum health_state state;
    struct health_weight sum;
    struct health_view_address *addresses; /* in the view's block */
    size_t count;
};

struct health_view {
    struct uuid upstream;
    enum health_state state; /* OFF, GOOD, BAD: as the threshold says */
    bool healthy;            /* the same, whether or not checks are on */
    struct health_weight sum;
    struct health_view_target *targets; /* by id */
    size_t count;
    struct health_view_address *addresses;
};

struct health_view *health_view_new(const struct upstream *upstream, const struct balance_set *set);
/* NULL is fine. */
void health_view_free(struct health_view *view);
/* Does any configuration of a plugin want health to be shown among the metrics? */
bool health_view_is_wanted(const struct snapshot *snapshot);
/* NULL: there is no such target. */
const struct health_view_target *health_view_find(const struct health_view *view, const struct uuid *target);
