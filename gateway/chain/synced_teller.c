/*
 * synced_teller - see synced_teller.h.
 *
 * A round has the windows of one Redis and one sync_rate. A batch of it that is under way holds the windows
 * it tells of: they stay until it is answered.
 */

#include "gateway/chain/synced_teller.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/chain/redis_target.h"
#include "gateway/chain/tally_op.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"

enum {
    BATCH_MAX = 64,
    IDLE_ROUNDS_MAX = 3, /* a window that nobody has needed for so long goes */
    LONGEST_AFTER_S = 60 /* what could not be told by then is of no use */
};

struct told {
    struct list link; /* of its round */
    struct digest digest;
    int64_t ends_s;
    int64_t amount; /* under way */
    bool is_under_way;
    int idle_rounds;
    size_t key_len;
    char key[];
};

struct round {
    struct list link; /* of the teller */
    struct synced_teller *teller;
    struct redis_target *target;
    int64_t sync_ms;
    struct timer timer;
    struct list windows; /* of struct told */
    size_t batches;      /* under way */
};

struct batch {
    struct redis_command command;
    struct round *round;
    size_t count;
    struct told *windows[BATCH_MAX];
};

struct synced_teller {
    struct synced_teller_options options;
    struct list rounds;
};

static void forget(struct round *round, struct told *told)
{
    list_remove(&told->link);
    synced_remove(round->teller->options.counters, &told->digest);
    free(told);
}

static void on_reply(struct redis_command *command, const int64_t *numbers)
{
    struct batch *batch = CONTAINER_OF(command, struct batch, command);
    struct synced_counters *counters = batch->round->teller->options.counters;
    int64_t now_ms = clock_now_ms(batch->round->teller->options.clock);

    for (size_t i = 0; i < batch->count; i++) {
        struct told *told = batch->windows[i];
        told->is_under_way = false;
        if (numbers != NULL)
            synced_told(counters, &told->digest, told->amount, numbers[i], now_ms);
        else
            synced_lost(counters, &told->digest, told->amount);
    }
    batch->round->batches--;
    free(batch);
}

static void tell(struct batch *batch, int64_t now_s)
{
    const struct round *round = batch->round;
    struct tally_change changes[BATCH_MAX];

    for (size_t i = 0; i < batch->count; i++) {
        const struct told *told = batch->windows[i];
        changes[i] = (struct tally_change){
            .key = {told->key, told->key_len}, .amount = told->amount, .left_s = told->ends_s - now_s};
    }
    batch->command = (struct redis_command){.wanted = batch->count, .on_reply = on_reply};
    if (tally_redis_change(round->teller->options.redis, round->target, changes, batch->count,
                           &batch->command)) {
        batch->round->batches++;
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        batch->windows[i]->is_under_way = false;
        synced_unsaid(round->teller->options.counters, &batch->windows[i]->digest, batch->windows[i]->amount);
    }
    free(batch);
}

/* Adds the window to the batch that is being made, which leaves when it is full. */
static void add(struct round *round, struct batch **batch, struct told *told, int64_t now_s)
{
    if (*batch == NULL) {
        *batch = mem_zalloc(sizeof(**batch));
        (*batch)->round = round;
    }
    told->is_under_way = true;
    (*batch)->windows[(*batch)->count++] = told;
    if ((*batch)->count < BATCH_MAX)
        return;
    tell(*batch, now_s);
    *batch = NULL;
}

static void close_round(struct round *round)
{
    while (!list_is_empty(&round->windows))
        forget(round, CONTAINER_OF(round->windows.next, struct told, link));
    timer_stop(&round->timer);
    list_remove(&round->link);
    redis_target_free(round->target);
    free(round);
}

static void on_due(struct timer *timer)
{
    struct round *round = CONTAINER_OF(timer, struct round, timer);
    struct synced_counters *counters = round->teller->options.counters;
    int64_t now_s = clock_unix_s(round->teller->options.clock);
    struct batch *batch = NULL;
    struct list *next;

    for (struct list *link = round->windows.next; link != &round->windows; link = next) {
        struct told *told = CONTAINER_OF(link, struct told, link);
        next = link->next;
        if (told->is_under_way)
            continue;
        bool is_wanted = synced_tell(counters, &told->digest, &told->amount);
        bool is_over = now_s >= told->ends_s;
        told->idle_rounds = is_wanted ? 0 : told->idle_rounds + 1;
        if ((is_over && told->amount == 0) || now_s >= told->ends_s + LONGEST_AFTER_S ||
            told->idle_rounds > IDLE_ROUNDS_MAX)
            forget(round, told);
        else if (is_wanted)
            add(round, &batch, told, now_s);
    }
    if (batch != NULL)
        tell(batch, now_s);
    if (list_is_empty(&round->windows) && round->batches == 0)
        close_round(round);
    else
        timer_start(round->teller->options.loop, timer, round->sync_ms, on_due);
}

struct synced_teller *synced_teller_new(const struct synced_teller_options *options)
{
    struct synced_teller *teller = mem_zalloc(sizeof(*teller));

    teller->options = *options;
    list_init(&teller->rounds);
    return teller;
}

void synced_teller_free(struct synced_teller *teller)
{
    if (teller == NULL)
        return;
    while (!list_is_empty(&teller->rounds))
        close_round(CONTAINER_OF(teller->rounds.next, struct round, link));
    free(teller);
}

static struct round *round_of(struct synced_teller *teller, const struct redis_target *target,
                              int64_t sync_ms)
{
    list_each (link, &teller->rounds) {
        struct round *round = CONTAINER_OF(link, struct round, link);
        if (round->sync_ms == sync_ms && digest_equal(&round->target->digest, &target->digest))
            return round;
    }
    struct round *round = mem_zalloc(sizeof(*round));
    round->teller = teller;
    round->target = redis_target_copy(target);
    round->sync_ms = sync_ms;
    list_init(&round->windows);
    list_add_last(&teller->rounds, &round->link);
    timer_start(teller->options.loop, &round->timer, sync_ms, on_due);
    return round;
}

bool synced_teller_adopt(struct synced_teller *teller, const struct redis_target *target, int64_t sync_ms,
                         const struct synced_window *window)
{
    switch (synced_make(teller->options.counters, &window->digest)) {
    case SYNCED_FULL:
        return false;
    case SYNCED_THERE:
        return true; /* another loop was faster */
    case SYNCED_MADE:
        break;
    }
    struct told *told = mem_zalloc(sizeof(*told) + window->key.len);
    told->digest = window->digest;
    told->ends_s = window->ends_s;
    told->key_len = window->key.len;
    memcpy(told->key, window->key.at, window->key.len);
    list_add_last(&round_of(teller, target, sync_ms)->windows, &told->link);
    return true;
}

struct synced_counters *synced_teller_counters(struct synced_teller *teller)
{
    return teller->options.counters;
}
