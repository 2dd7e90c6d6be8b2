#pragma once

/*
 * redis - the fast path as an adversary: hints come late, twice, in another order, not at all, or from a
 * forger.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct commit;
struct node;
struct world;

struct message {
    struct node *to;
    bool forged;
    size_t length;
    uint8_t bytes[];
};

struct redis {
    struct message **messages;
    size_t count, room;
};

void redis_fini(struct redis *redis);
/* A writer tells everybody of its commit; or somebody else does so again. */
void redis_announce(struct world *world, const struct commit *commit);
/* One message to a random node, made up. */
void redis_forge(struct world *world);
/* A random message reaches its node: in a fiber of that node. Or it is lost. */
void redis_move(struct world *world);
