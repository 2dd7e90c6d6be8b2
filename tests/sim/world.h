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
    NODES = 20, /* at most, of what a seed draws */
    MOST_NODES = 1000,
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
    uint64_t fingerprint; /* of everything that happened: who ran, when, and how many dice had been thrown */
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
    uint64_t step;
    struct dice dice;
    struct plan plan;
    struct database database;
    struct redis redis;
    struct digest digests[KEYS]; /* of the keys */
    struct node *nodes[MOST_NODES];
    unsigned check_every, rest_steps;
    struct fill **fills;
    size_t fill_count, fill_room;
    bool calm;       /* no more faults: everything has to come to rest */
    bool is_at_rest; /* it has come: every request must be answered */
    int busy;        /* a node that had work when somebody asked */
    struct tallies tallies;
};

/* What a run is asked for. Seed and wish together decide everything that happens. */
struct wish {
    uint64_t seed, steps;
    bool traced;
    int nodes;       /* 0: as many as the seed draws */
    uint64_t spared; /* faults that do not happen: bits by world_find_fault() */
};

/* The number of a fault by its name; -1: there is none. Of a number its name; NULL: there are no more. */
int world_find_fault(const char *name);
const char *world_fault_name(int number);

/* A violation ends the process. */
void world_run(const struct wish *wish, struct tallies *tallies);
