#pragma once

/*
 * await - `?wait=none|node|cluster` of a write: when is it answered?
 *
 *   none     once it is committed
 *   node     once this node has applied it (the default), so that who has written sees it here
 *   cluster  once every node that counts has (consistency reference, 8); `wait_timeout` (seconds, default 10)
 * later with 202 and the names of those that have not
 *
 * One question to the registry serves all who wait, and one at a time is under way: what waiting costs grows
 * neither with the number of writers nor, beyond a row each, with that of nodes. The first looks follow each
 * other at once, because with fast invalidation the others need a millisecond; later ones every 20 to 250 ms.
 *
 * Threads: the loop; what the store job has in hands is said in the struct.
 */

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/list.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"
#include "gateway/store/cluster.h"

struct admin;
struct request;

enum await_whom {
    AWAIT_NODE,
    AWAIT_NONE,
    AWAIT_CLUSTER
};

enum {
    AWAIT_ASKED_MAX = 256 /* of a look; the others are first in the next one */
};

struct await {
    struct admin *admin;
    struct list waiting; /* requests, those that are to be looked after next first */
    struct timer timer;
    int looks; /* since the last one came */
    int64_t pause_ms;
    bool is_looking;
    /* The job's while is_looking. Places are those of the first `count` requests. */
    struct loop_message done;
    struct outbox_receipt receipts[AWAIT_ASKED_MAX];
    enum store_arrival arrivals[AWAIT_ASKED_MAX];
    size_t count;
    uint64_t late_position; /* the greatest of those whose time is up; 0: nobody's is */
    cJSON *laggards;        /* nodes that have not applied late_position; NULL: unknown */
};

void await_init(struct await *await, struct admin *admin);
/* After the store is closed and the loop has ended. */
void await_fini(struct await *await);

/* What a write's query says, into the request. false: the answer says what is wrong. */
bool await_read(struct request *request) MUST_CHECK;
/* Takes a request whose job is done, answered with success at request->receipt; replies when it is time. */
void await_add(struct await *await, struct request *request);
