/*
 * round_robin - in a full turn each peer is chosen as often as its weight says, spread over the turn.
 *
 * Time is counted in turns. A peer of (reduced) weight w is due w times a turn, at (k + phase) / w for k = 0,
 * 1, ... w - 1, where phase in [0, 1) is its own and random; whoever is due first is next. So each turn, and
 * each window as long as a turn, has each peer exactly w times, evenly spaced, and no two loops go through
 * the peers in step. A heap finds the first: O(log n), whatever the weights.
 *
 * A peer that becomes usable again takes up its place in the current turn; it does not catch up.
 */

#include <stdlib.h>

#include "gateway/balancer/inside.h"
#include "gateway/base/mem.h"

/*
 * Times are fixed-point: turns above, FRACTION_BITS of a fraction below, so that k < 2^16 with PHASE_BITS of
 * phase, shifted to the full fraction, stays within 64 bits before the division by w. Times that differ do so
 * by more than 2^-48, so none are rounded into one. They wrap after 2^16 turns; those that are compared are
 * at most a turn or so apart.
 */
enum {
    FRACTION_BITS = 48,
    PHASE_BITS = 16
};

struct seat {
    uint64_t due;
    uint32_t index; /* of the entry */
    uint16_t weight;
    uint16_t done; /* times in this turn: k */
    uint16_t phase;
};

struct turns {
    uint64_t now; /* when the last one was due */
    size_t due_count;
    size_t count;
    struct seat seats[]; /* a heap of due_count, then those that are not usable in any order */
};

static bool is_before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

/* Of those due at once always the same is first, or two turns would not be alike. */
static bool precedes(const struct seat *a, const struct seat *b)
{
    return a->due != b->due ? is_before(a->due, b->due) : a->index < b->index;
}

/* The time in turn `turn` at which the seat is due for the k-th time. */
static uint64_t due_at(const struct seat *seat, uint64_t turn, uint64_t k)
{
    return (turn << FRACTION_BITS) +
           ((k << PHASE_BITS | seat->phase) << (FRACTION_BITS - PHASE_BITS)) / seat->weight;
}

static void advance(struct seat *seat)
{
    uint64_t turn = seat->due >> FRACTION_BITS;

    seat->done++;
    if (seat->done == seat->weight) {
        seat->done = 0;
        turn++;
    }
    seat->due = due_at(seat, turn, seat->done);
}

/* Due next at or after `now`. */
static void sit_down(struct seat *seat, uint64_t now)
{
    uint64_t turn = now >> FRACTION_BITS;
    uint64_t fraction = now & ((UINT64_C(1) << FRACTION_BITS) - 1);

    seat->done = (uint16_t)(fraction * seat->weight >> FRACTION_BITS);
    seat->due = due_at(seat, turn, seat->done);
    if (is_before(seat->due, now))
        advance(seat);
}

static void sift_down(struct turns *turns, size_t at)
{
    const struct seat moving = turns->seats[at];

    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < turns->due_count && precedes(&turns->seats[child + 1], &turns->seats[child]))
            child++;
        if (child >= turns->due_count || !precedes(&turns->seats[child], &moving))
            break;
        turns->seats[at] = turns->seats[child];
        at = child;
    }
    turns->seats[at] = moving;
}

static void *turns_new(const struct balancer_cursor *cursor, struct random_sequence *random)
{
    const struct balancer *balancer = cursor->balancer;
    struct turns *turns = mem_zalloc(sizeof(*turns) + balancer->count * sizeof(struct seat));

    for (size_t i = 0; i < balancer->count; i++)
        if (balancer->entries[i].weight > 0)
            turns->seats[turns->count++] = (struct seat){
                .index = (uint32_t)i,
                .weight = (uint16_t)(balancer->entries[i].weight),
                .phase = (uint16_t)draw(random, 1 << PHASE_BITS),
            };
    return turns;
}

/* Who is still usable keeps his time. */
static void seat_the_usable(struct balancer_cursor *cursor)
{
    struct turns *turns = cursor->state;
    size_t due_before = turns->due_count;

    turns->due_count = 0;
    for (size_t i = 0; i < turns->count; i++) {
        struct seat seat = turns->seats[i];
        if (!cursor->is_usable[seat.index])
            continue;
        if (i >= due_before)
            sit_down(&seat, turns->now);
        turns->seats[i] = turns->seats[turns->due_count];
        turns->seats[turns->due_count++] = seat;
    }
    for (size_t i = turns->due_count / 2; i-- > 0;)
        sift_down(turns, i);
}

/* Of those not tried: a look at all of them, for a retry only. */
static size_t first_untried(const struct balancer_cursor *cursor, const struct balancer_query *query)
{
    const struct turns *turns = cursor->state;
    size_t first = BALANCER_NONE;

    for (size_t i = 0; i < turns->due_count; i++)
        if ((first == BALANCER_NONE || precedes(&turns->seats[i], &turns->seats[first])) &&
            !was_tried(cursor, query, turns->seats[i].index))
            first = i;
    return first;
}

static size_t pick(struct balancer_cursor *cursor, const struct balancer_query *query)
{
    struct turns *turns = cursor->state;
    size_t at = query->tried_count == 0 ? 0 : first_untried(cursor, query);

    if (at == BALANCER_NONE)
        return BALANCER_NONE;
    struct seat *seat = &turns->seats[at];
    size_t index = seat->index;
    if (at == 0)
        turns->now = seat->due;
    advance(seat);
    sift_down(turns, at);
    return index;
}

const struct algorithm round_robin = {
    .state = turns_new,
    .refresh = seat_the_usable,
    .pick = pick,
};
