#pragma once

/*
 * database - a Postgres cluster that remembers every state it ever had.
 *
 * Commits form a tree: a failover that loses commits, or a restored backup, begins a new branch. A commit
 * holds the whole state after it, so a snapshot is a pointer to a commit, and whether an answer is too old is
 * a question about the tree. Servers are the present primary, the one before it while it still answers, and
 * up to three replicas that replay the present branch later.
 *
 * Tags name their commit, so that the oracle can tell from what a node knows which commit it means.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/event.h"
#include "bus/reader.h"
#include "tests/sim/dice.h"

enum {
    KEYS = 12,    /* rows of keyed entities; their type is key % KEY_TYPES */
    HOT_KEYS = 3, /* of these */
    ROUTES = 6,   /* rows of routing entities; their type is KEY_TYPES + route % ROUTE_TYPES */
    ROWS = KEYS + ROUTES,
    KEY_TYPES = 3,
    ROUTE_TYPES = 2,
    REPLICAS = 3,
    BRANCHES = 64,
    OPEN_APPENDS = 3, /* more than one only in a mutant */
};

struct commit {
    uint32_t index; /* of all commits */
    uint32_t branch;
    uint32_t depth; /* on its branch, from 0 */
    uint64_t position;
    int64_t tag;
    int64_t at_us;
    enum bus_event_kind kind;
    uint8_t type;       /* of BUS_EVENT_ENTITY */
    bool acknowledge;   /* a writer waits for the whole cluster */
    bool removed;       /* somebody has deleted its events by hand */
    uint32_t changed;   /* a bit per row that its events name */
    int32_t rows[ROWS]; /* the commit that wrote it + 1; negative: deleted it; 0: there never was one */
    const struct commit *newest; /* the one with the greatest position up to here */
};

struct branch {
    struct commit **line; /* by depth */
    uint32_t length, room;
    uint8_t history[16];
    uint64_t floor;   /* events at or below may be gone */
    uint64_t deleted; /* events at or below are gone */
};

/* A server as seen by one statement. */
struct snapshot {
    const struct branch *branch;
    const struct commit *at;
};

struct database {
    struct dice *dice;
    struct commit **commits;
    uint32_t commit_count, commit_room;
    struct branch branches[BRANCHES];
    uint32_t branch_count;
    uint32_t present; /* branch of the primary */
    int old;          /* branch of the primary before it, which still answers; -1: none */
    bool down;        /* the primary does not answer */
    struct {
        uint32_t depth; /* of the present branch */
        bool down;
    } replicas[REPLICAS];
    unsigned replica_count;
    struct {
        bool open;
        int64_t began_us;
        uint64_t position; /* drawn early; only in a mutant */
    } appends[OPEN_APPENDS];
};

void database_init(struct database *database, struct dice *dice, unsigned replica_count);
void database_fini(struct database *database);

const struct commit *database_tip(const struct database *database);
struct snapshot database_primary(const struct database *database);
struct snapshot database_old(const struct database *database);
struct snapshot database_replica(const struct database *database, unsigned replica);
/* NULL: no commit has this tag. */
const struct commit *database_find(const struct database *database, int64_t tag);

/* Is `a` an ancestor of `b`, or `b` itself? */
bool database_is_within(const struct database *database, const struct commit *a, const struct commit *b);
bool database_is_present(const struct database *database, const struct commit *commit);

/* What a transaction is to change. */
struct change {
    enum bus_event_kind kind;
    uint8_t type;
    bool acknowledge;
    int row; /* one that it writes; -1: any */
};
/* A commit of random rows. NULL: the append lock is taken. */
const struct commit *database_commit(struct database *database, const struct change *change);
/* One more in the transaction of the commit before it (gateway/store/group.h): nobody looks in between.
 * Replicas may show less than all of them, which asks more of the nodes than Postgres does. */
const struct commit *database_commit_too(struct database *database, const struct change *change);
/* An append that takes the lock and does not go on. */
void database_stall(struct database *database);
/* Ends stalled appends: by commit or abort, and those over `longest_us` by abort. The commit, if there was
 * one. */
const struct commit *database_unstall(struct database *database, const struct change *change,
                                      int64_t longest_us);

void database_replay(struct database *database, unsigned replica, uint32_t commits);
/* Replicas show whatever was committed up to this instant. */
void database_replay_until(struct database *database, int64_t at_us);
/* Replica `replica` becomes the primary with what it has. keep_old: the old one goes on answering. */
void database_fail_over(struct database *database, unsigned replica, bool keep_old);
/* The state as of `back` commits ago. fork: under a new identity. */
void database_restore(struct database *database, uint32_t back, bool fork);
void database_prune(struct database *database, uint64_t floor, bool delete_rows);
/* Removes the events of a commit by hand. */
void database_remove_events(struct database *database, uint64_t position);

void database_read_head(const struct snapshot *snapshot, uint64_t applied, struct reader_head *head);
/* The commits above `applied` whose events are there, in order; as many as fit. */
size_t database_read_log(const struct snapshot *snapshot, uint64_t applied, const struct commit **commits,
                         size_t room);
