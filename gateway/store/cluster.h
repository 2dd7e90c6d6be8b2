#pragma once

/*
 * cluster - what the log and the registry say of all nodes together: who is there, how far each has come,
 * what was changed and where it is in force (consistency reference, 8).
 *
 * A node counts as long as its lease runs. What it says of its position counts only if the log has that
 * commit: a node that follows another history has applied nothing of this one.
 *
 * Threads: the job.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "bus/outbox.h"
#include "gateway/base/attributes.h"
#include "gateway/base/uuid.h"

struct store_error;
struct store_session;

/* An object: the identity of the log, its newest and oldest position, how many nodes, how far all have come.
 */
bool store_cluster_position(struct store_session *session, cJSON **object,
                            struct store_error *error) MUST_CHECK;
/* An array, by name; those whose lease has run out included, for a day. */
bool store_cluster_nodes(struct store_session *session, cJSON **nodes, struct store_error *error) MUST_CHECK;
/* An array of commits, newest first: `size` of those below `before` (0: of all). */
bool store_cluster_events(struct store_session *session, uint64_t before, int size, cJSON **commits,
                          struct store_error *error) MUST_CHECK;
/* A commit, and who has applied it. NULL: the log does not have it. */
bool store_cluster_commit(struct store_session *session, uint64_t position, cJSON **commit,
                          struct store_error *error) MUST_CHECK;
/* Nodes that count and have not applied `position`: an array of {"id", "name", "position"}. */
bool store_cluster_laggards(struct store_session *session, uint64_t position, cJSON **nodes,
                            struct store_error *error) MUST_CHECK;

enum store_arrival {
    STORE_ON_ITS_WAY,
    STORE_EVERYWHERE, /* every node that counts has applied it */
    STORE_LOST,       /* the log does not have it any more: a failover went back behind it */
};
/* One statement, however many commits are asked about: `arrivals` has `count` members. */
bool store_cluster_arrivals(struct store_session *session, const struct outbox_receipt *receipts,
                            size_t count, enum store_arrival *arrivals, struct store_error *error) MUST_CHECK;

/*
 * A copy of a database that is going to be used on its own gets another identity: its nodes start over, and
 * it can never be taken for the original. Nodes of the original, copied along, are forgotten. *history: the
 * caller's.
 */
bool store_fork(struct store_session *session, char **history, struct store_error *error) MUST_CHECK;

/*
 * Tells every node to take a kind of entity for changed, or one entity of it, or (entity NULL) everything:
 * for rows written around the gateway, and for memories that are to be emptied everywhere.
 */
bool store_touch(struct store_session *session, const char *entity, const struct uuid *id,
                 struct outbox_receipt *receipt, struct store_error *error) MUST_CHECK;
