#pragma once

/*
 * registry - this node's row in cluster_node: who is there, and how far each has come.
 *
 * One function of the database serves for joining, for every heartbeat and for coming back after somebody
 * removed the row. It can be called alone or by a poll, which makes a heartbeat free of an extra statement.
 *
 * Threads: the session's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/pg_session.h"

enum registry_state {
    REGISTRY_JOINING = 1,
    REGISTRY_LIVE = 2
};

enum {
    REGISTRY_PARAMS = 9
};

/* Immutable after registry_init(). */
struct registry_self {
    char node_id[33]; /* hex */
    char boot_id[33];
    const char *name; /* borrowed */
    const char *version;
    char lease_ms[24];
};

/* The parameters of REGISTRY_BEAT as text, $1 .. $9; valid while it lives. $1 is the applied position. */
struct registry_row {
    char position[24];
    char tag[24];
    char state[4];
    char info[96]; /* JSON for people: how the node hears of changes */
    const char *params[REGISTRY_PARAMS];
};

/* Of log_polls.sql. */
#define REGISTRY_BEAT                                                                                        \
    "cluster_beat($2::uuid, $3::uuid, $4, $5, $6::smallint, $7::integer, $1::bigint, $8::bigint, $9::jsonb)"

void registry_init(struct registry_self *self, const uint8_t node_id[16], const uint8_t boot_id[16],
                   int64_t lease_ms);

/* REGISTRY_JOINING leaves the position NULL: writers that want the whole cluster wait for this node. `info`
 * is
 * "{}" and may be replaced. */
void registry_fill_row(const struct registry_self *self, enum registry_state state, uint64_t position,
                       int64_t tag, struct registry_row *row);

/* Must be committed before the first snapshot is loaded (consistency reference, 8). */
bool registry_join(const struct registry_self *self, struct pg_session *session, int64_t deadline_ms,
                   struct bus_err *err);

/* Removes the row, so that nobody waits for a node that has ended. */
bool registry_leave(const struct registry_self *self, struct pg_session *session, int64_t deadline_ms,
                    struct bus_err *err);
