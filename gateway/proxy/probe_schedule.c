/*
 * probe_schedule - see probe_schedule.h. A look at all turns per call: a comparison each, so that neither
 * intervals nor health have to be told to anybody.
 */

#include "gateway/proxy/probe_schedule.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/balancer/peer.h"
#include "gateway/base/mem.h"
#include "gateway/model/entities.h"

#define LONGEST_DELAY 0.25 /* of the first probe, in intervals */

static struct probe_turn *turn_new(struct peer *peer, const struct probe_moment *moment)
{
    struct probe_turn *turn = mem_zalloc(sizeof(*turn));

    turn->peer = peer_ref(peer);
    turn->since_ms = moment->now_ms;
    turn->delay = random_fraction(moment->random) * LONGEST_DELAY;
    return turn;
}

static void turn_free(struct probe_turn *turn)
{
    peer_unref(turn->peer);
    free(turn->host);
    free(turn);
}

static void take_names(struct probe_turn *turn, const struct probe_peer *from)
{
    turn->target = from->target;
    if (turn->host != NULL && str_equal(str_of(turn->host), from->host))
        return;
    free(turn->host);
    turn->host = mem_strndup(from->host.at, from->host.len);
}

static int order(const struct probe_turn *turn, const struct peer *peer)
{
    return memcmp(&turn->peer->address, &peer->address, sizeof(peer->address));
}

/* The turns so far, while new ones are made of them. */
struct merge {
    struct probe_schedule *schedule;
    const struct probe_moment *moment;
    struct probe_turn **old;
    size_t old_count, at;
};

/* Those before `peer` are not among the new ones; NULL: all that are left. */
static void drop_before(struct merge *merge, const struct peer *peer)
{
    while (merge->at < merge->old_count && (peer == NULL || order(merge->old[merge->at], peer) < 0)) {
        struct probe_turn *turn = merge->old[merge->at++];
        if (turn->probe != NULL) {
            merge->schedule->running--;
            merge->moment->on_gone(merge->moment->arg, turn);
        }
        turn_free(turn);
    }
}

static struct probe_turn *turn_of(struct merge *merge, struct peer *peer)
{
    drop_before(merge, peer);
    if (merge->at < merge->old_count && order(merge->old[merge->at], peer) == 0)
        return merge->old[merge->at++];
    return turn_new(peer, merge->moment);
}

static bool is_last(const struct probe_schedule *schedule, const struct peer *peer)
{
    return schedule->count > 0 && order(schedule->turns[schedule->count - 1], peer) == 0;
}

void probe_schedule_set(struct probe_schedule *schedule, const struct probe_peer *peers, size_t count,
                        const struct probe_moment *moment)
{
    struct merge merge = {schedule, moment, schedule->turns, schedule->count, 0};

    schedule->turns = count > 0 ? mem_zalloc(count * sizeof(*schedule->turns)) : NULL;
    schedule->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_last(schedule, peers[i].peer))
            continue;
        struct probe_turn *turn = turn_of(&merge, peers[i].peer);
        take_names(turn, &peers[i]);
        schedule->turns[schedule->count++] = turn;
    }
    drop_before(&merge, NULL);
    free(merge.old);
}

int64_t probe_turn_due_ms(const struct probe_turn *turn, const struct probe_settings *settings)
{
    int interval_ms =
        health_is_good(&turn->peer->health) ? settings->healthy_interval_ms : settings->unhealthy_interval_ms;

    if (interval_ms == 0)
        return INT64_MAX;
    return turn->since_ms + interval_ms + (int64_t)(turn->delay * interval_ms);
}

struct probe_turn *probe_schedule_next(struct probe_schedule *schedule, const struct probe_settings *settings,
                                       int64_t now_ms)
{
    for (size_t i = 0; i < schedule->count; i++) {
        size_t number = (schedule->next + i) % schedule->count;
        struct probe_turn *turn = schedule->turns[number];
        if (turn->probe != NULL || probe_turn_due_ms(turn, settings) > now_ms)
            continue;
        schedule->has_waiting = schedule->running >= (size_t)settings->concurrency;
        schedule->next = schedule->has_waiting ? number : number + 1;
        return schedule->has_waiting ? NULL : turn;
    }
    schedule->has_waiting = false;
    return NULL;
}

void probe_schedule_began(struct probe_schedule *schedule, struct probe_turn *turn, void *probe)
{
    turn->probe = probe;
    schedule->running++;
}

void probe_schedule_ended(struct probe_schedule *schedule, struct probe_turn *turn, int64_t now_ms)
{
    turn->probe = NULL;
    turn->since_ms = now_ms;
    turn->delay = 0;
    schedule->running--;
}
