#pragma once

/*
 * world - a run: the plan its seed draws, the servers, the nodes, and what happens in which order.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/digest.h"
#include "tests/sim/database.h"
#include "tests/sim/dice.h"
#include "tests/sim/redis.h"

struct node;
struct row;

enum {
    NODES = 20,
    STEP_KINDS = 32,
    SECRET_BYTES = 8
};

/* What stays the same during a run. */
struct plan {
    int nodes;
    unsigned replicas;
    bool delay_gate;
    int64_t propagation_ms, ttl_ms, negative_ttl_ms, resurrect_ms, fill_deadline_ms;
    int64_t poll_ms, poll_deadline_ms, retention_ms;
    int64_t latency_us; /* of a server, at most, each way */
    int max_flights, max_queued;
    size_t max_bytes;
    bool crowded; /* keys share slots of the fences */
    bool hints, hint_purge;
    const char *secret;   /* NULL: hints are not signed */
    unsigned yields;      /* in 10,000 times that a mutex is touched */
    unsigned faults;      /* in 10,000 statements of the bus */
    unsigned fill_faults; /* and of loads */
    unsigned running;     /* in 10,000 steps: whoever is ready goes on, rather than something new */
    int64_t pace_us;      /* how far time goes in a step of it */
    unsigned weights[STEP_KINDS];
};

/* What was seen, so that a run that tests nothing shows it. */
struct tallies {
    uint64_t steps, requests, hits, absences, misses, answers, refused, failed, resurrected;
    uint64_t commits, polls, batches, renewals, resyncs, hints, forged, failovers, restores;
};

/* A load under way. */
struct fill {
    struct node *node;
    struct cache_flight *flight;
    unsigned key;
    bool from_replica;
    bool is_read;            /* a server has answered; the answer travels */
    bool failed;             /* no server has */
    bool is_done;            /* cache_fill_done() was called */
    const struct commit *at; /* the snapshot it read */
    uint64_t position;       /* what the answer says; tag likewise */
    int64_t tag;
    uint64_t read_step;
    uint64_t fiber;  /* who delivers it */
    struct row *row; /* what is delivered, object or absence */
};

struct world {
    uint64_t seed, step;
    struct dice dice;
    struct plan plan;
    struct database database;
    struct redis redis;
    struct digest digests[KEYS]; /* of the keys */
    struct node *nodes[NODES];
    struct fill **fills;
    size_t fill_count, fill_room;
    bool calm;       /* no more faults: everything has to come to rest */
    bool is_at_rest; /* it has come: every request must be answered */
    struct tallies tallies;
};

/* Runs a seed. A violation ends the process. */
void world_run(uint64_t seed, uint64_t steps, bool traced, struct tallies *tallies);
