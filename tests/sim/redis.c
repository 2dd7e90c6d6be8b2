/* Real messages (bus/hint.c) in the hands of a channel that owes nothing. */

#include "tests/sim/redis.h"

#include <stdlib.h>
#include <string.h>

#include "bus/hint.h"
#include "gateway/base/mem.h"
#include "tests/sim/fiber.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

enum {
    MESSAGES = 400 /* on their way; beyond it the oldest is lost */
};

static void drop(struct redis *redis, size_t i)
{
    free(redis->messages[i]);
    redis->messages[i] = redis->messages[--redis->count];
}

void redis_fini(struct redis *redis)
{
    while (redis->count > 0)
        drop(redis, 0);
    free(redis->messages);
}

static struct message *put(struct world *world, struct node *to, const uint8_t *bytes, size_t length)
{
    struct redis *redis = &world->redis;
    struct message *message = mem_alloc(sizeof(*message) + length);

    *message = (struct message){.to = to, .length = length};
    memcpy(message->bytes, bytes, length);
    if (redis->count == MESSAGES)
        drop(redis, 0);
    if (redis->room == 0) {
        redis->room = MESSAGES;
        redis->messages = mem_alloc(MESSAGES * sizeof(redis->messages[0]));
    }
    redis->messages[redis->count++] = message;
    return message;
}

static size_t encode(struct world *world, struct hint *hint, const char *secret, uint8_t *bytes)
{
    const struct database *database = &world->database;

    memcpy(hint->history, database->branches[database->present].history, sizeof(hint->history));
    return hint_encode(hint, secret, bytes);
}

void redis_announce(struct world *world, const struct commit *commit)
{
    struct hint *hint;
    uint8_t bytes[HINT_MAX_BYTES];
    size_t length;

    if (!world->plan.hints)
        return;
    hint = mem_zalloc(sizeof(*hint));
    hint->first = hint->last = commit->position;
    hint->tag = commit->tag;
    hint->flags = HINT_KEYS_COMPLETE;
    for (unsigned key = 0; key < KEYS; key++) {
        if ((commit->changed >> key & 1) != 0)
            memcpy(hint->keys[hint->key_count++], node_digest(world, key)->bytes, HINT_KEY_BYTES);
    }
    length = encode(world, hint, world->plan.secret, bytes);
    for (int i = 0; i < world->plan.nodes; i++)
        (void)put(world, world->nodes[i], bytes, length);
    free(hint);
}

void redis_forge(struct world *world)
{
    struct dice *dice = &world->dice;
    uint64_t head = database_tip(&world->database)->position;
    const uint64_t claims[] = {1 + dice_below(dice, (unsigned)head), head + 1 + dice_below(dice, 20),
                               head + 5000, head + 200000, UINT64_MAX};
    struct hint *hint = mem_zalloc(sizeof(*hint));
    uint8_t bytes[HINT_MAX_BYTES];
    struct message *message;
    size_t length;

    hint->first = hint->last = claims[dice_below(dice, 5)];
    hint->tag = (int64_t)dice_next(dice);
    while (hint->key_count < KEYS && dice_below(dice, 3) > 0)
        memcpy(hint->keys[hint->key_count++], node_digest(world, dice_below(dice, KEYS))->bytes,
               HINT_KEY_BYTES);
    length = encode(world, hint, dice_below(dice, 2) == 0 ? "a guess" : NULL, bytes);
    if (dice_below(dice, 4) == 0)
        bytes[dice_below(dice, (unsigned)length)] ^= (uint8_t)(1U << dice_below(dice, 8));
    message = put(world, world->nodes[dice_below(dice, (unsigned)world->plan.nodes)], bytes, length);
    message->forged = true;
    world->tallies.forged++;
    free(hint);
}

static void hear(void *arg)
{
    struct message *message = arg;

    if (message->to->state == NODE_SERVING)
        node_hear(message->to, message->bytes, message->length, message->forged);
    free(message);
}

void redis_move(struct world *world)
{
    struct redis *redis = &world->redis;
    struct message *message, *copy;
    size_t i;

    if (redis->count == 0)
        return;
    i = dice_below(&world->dice, (unsigned)redis->count);
    message = redis->messages[i];
    if (message->to->stopped)
        return;
    if (dice_below(&world->dice, 4) > 0) {
        copy = mem_dup(message, sizeof(*message) + message->length);
        world->tallies.hints++;
        if (!fiber_start(message->to->index, hear, copy))
            free(copy);
        if (dice_below(&world->dice, 5) == 0)
            return; /* it comes again */
    }
    drop(redis, i);
}
