#pragma once

/*
 * node - a gateway process: the real cache, the real board and follower of the bus, and a model of what
 * gateway/proxy/refresh.c and gateway/wiring.c put between them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/board.h"
#include "bus/follow.h"
#include "gateway/base/clock.h"
#include "gateway/cache/cache.h"
#include "tests/sim/database.h"

struct fill;
struct world;

/* What the cache holds: a row, and in which state it was read. */
struct row {
    const struct commit *at;
    struct node *node;
    unsigned key;
    uint64_t read_step;
    bool is_without_position; /* of a replica under the delay gate */
    uint64_t judged_step;     /* the bus has seen its position by then */
    int64_t delivered_us;
};

/* An absence has no object, so what was delivered is remembered here. */
enum {
    ABSENCES = 64
};
struct absences {
    struct row rows[ABSENCES];
    uint64_t positions[ABSENCES]; /* that the cache was told */
    uint64_t count;
};

/* A routing snapshot. */
struct routing {
    struct routing *older;
    const struct commit *at;
    int32_t rows[ROUTES];
};

/* What a request may insist on: what was so when it began. */
struct debt {
    const struct commit *owed; /* applied */
    const struct routing *routing;
    uint64_t good_step; /* the last good poll began */
};

struct request {
    struct cache_waiter waiter;
    struct request *next; /* of all of the node */
    struct node *node;
    unsigned key;
    struct debt debt;
    uint64_t began_step;
    int64_t filled_us;  /* when it began to wait */
    bool is_cancelling; /* a fiber has its address */
    enum {
        REQUEST_RUNNING,
        REQUEST_WAITING,
        REQUEST_CANCELLED,
        REQUEST_TOLD
    } state;
};

enum node_state {
    NODE_DOWN,
    NODE_JOINING,
    NODE_SERVING, /* follow_open() has returned */
    NODE_LEAVING,
    NODE_LEFT,
};

struct node {
    struct world *world;
    int index;
    enum node_state state;
    bool stopped;         /* SIGSTOP */
    int64_t continued_us; /* SIGCONT */
    struct clock clock;
    struct cache *cache;
    struct board board;
    struct follow *follow;

    const struct routing *routing; /* what a request pins; NULL: none was published */
    struct routing *loaded;        /* between load() and restart() */
    struct routing *newest;        /* all ever made */

    /* What the oracle knows. */
    const struct commit *published; /* applied, and visible as such */
    uint64_t began_step;            /* of the poll that runs */
    uint64_t good_step;             /* when the last good poll began */
    uint64_t restarted_step;
    int64_t obstacle_us;   /* until when it could not be expected to hear of commits */
    bool was_woken;        /* by a commit of its own, which the bell does not count */
    int64_t bells_full_us; /* the bell's allowance, kept independently */
    struct absences absences[KEYS];
    uint64_t cached_at[KEYS]; /* position of the entry when it was last looked at; 0: there was none */
    int64_t excused_us[KEYS]; /* when a load of the key failed last: what is old may have stood in */
    uint64_t excused_step[KEYS];
    struct {
        uint64_t began_step, ended_step;
    } purges[KEYS]; /* the last DELETE /cache or /cache/{key} */
    struct request *requests;
    uint64_t live_rows;
};

struct node *node_new(struct world *world, int index);
/* Nothing of it may run any more. */
void node_free(struct node *node);
/* In a fiber of its own: bus and cache start; close ends the bus. */
void node_start(struct node *node);
void node_stop(struct node *node);

/* A client asks for a key. */
void node_request(struct node *node, unsigned key);
/* One of those who wait gives up. */
void node_cancel(struct node *node);
/* An answer arrives. */
void node_deliver(struct node *node, struct fill *fill);
/* DELETE /cache, or of one key if key < KEYS. */
void node_purge(struct node *node, unsigned key);
/* A message of the channel, as bus.c takes it. */
void node_hear(struct node *node, const uint8_t *bytes, size_t length, bool forged);
/* The registry: this node reports to have applied a position. */
void node_report(struct node *node, uint64_t position, int64_t tag);

/* The digest of a key, and the names of entity types. */
const struct digest *node_digest(const struct world *world, unsigned key);
extern const char *const node_types[];
