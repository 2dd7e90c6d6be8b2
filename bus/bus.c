/*
 * The public face: joins the follower of the log (follow.h) and the channel (channel.h), which know nothing
 * of each other. The channel's hints ring the bell; what the follower learns of the history becomes the
 * channel's name.
 */

#include "bus/bus.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/board.h"
#include "bus/channel.h"
#include "bus/follow.h"
#include "bus/machine.h"

struct bus {
    /* immutable after bus_open() */
    void (*on_hint)(void *arg, uint64_t position, const uint8_t (*keys)[16], size_t key_count);
    void *arg;
    uint8_t node_id[16];
    struct channel *channel;
    struct follow *follow;

    struct board *board;

    /* thread: any. Relaxed: a hint that comes during a reload may be treated either way. */
    _Atomic bool hint_purge;
};

static bool wants_purge(struct bus *bus)
{
    return bus->on_hint != NULL && atomic_load_explicit(&bus->hint_purge, memory_order_relaxed);
}

static void on_hint(void *arg, const struct hint *hint)
{
    struct bus *bus = arg;
    bool is_own = memcmp(hint->sender, bus->node_id, sizeof(hint->sender)) == 0;

    switch (board_hear(bus->board, hint->last, hint->tag)) {
    case CURSOR_NEWS:
        if (hint->key_count > 0 && wants_purge(bus))
            bus->on_hint(bus->arg, hint->last, hint->keys, hint->key_count);
        return;
    case CURSOR_NO_NEWS:
        if (!is_own) /* our own words come back to us */
            board_count(bus->board, &bus->board->stats.hints_dropped_old, 1);
        return;
    case CURSOR_OTHER_TAG:
        board_count(bus->board, &bus->board->stats.hints_dropped_tag, 1);
        return;
    case CURSOR_IMPLAUSIBLE:
        board_count(bus->board, &bus->board->stats.hints_dropped_implausible, 1);
        return;
    }
}

static void on_ring(void *arg)
{
    struct bus *bus = arg;

    board_ring(bus->board);
}

static bool has_heard(void *arg, uint64_t position)
{
    struct bus *bus = arg;

    return board_has_heard(bus->board, position);
}

static void on_restart(void *arg, const uint8_t history[16])
{
    struct bus *bus = arg;

    channel_set_history(bus->channel, history);
}

static void on_missed(void *arg, uint64_t position, int64_t tag)
{
    struct bus *bus = arg;

    channel_tell_again(bus->channel, position, tag);
}

static bool open_channel(struct bus *bus, const struct bus_options *options, struct bus_err *err)
{
    struct channel_options channel = {
        .primary = &options->primary,
        .on_hint = on_hint,
        .on_ring = on_ring,
        .has_heard = has_heard,
        .arg = bus,
        .log = options->log,
        .log_arg = options->arg,
    };

    memcpy(channel.node_id, options->node_id, sizeof(channel.node_id));
    return channel_open(&channel, &bus->channel, err);
}

static bool open_follow(struct bus *bus, const struct bus_options *options, struct bus_err *err)
{
    const struct follow_options follow = {
        .bus = options,
        .board = bus->board,
        .on_restart = on_restart,
        .on_missed = on_missed,
        .arg = bus,
    };

    return follow_open(&follow, &bus->follow, err);
}

bool bus_open(const struct bus_options *options, struct bus **bus, struct bus_err *err)
{
    struct bus *made = machine_alloc(sizeof(*made));

    made->on_hint = options->on_hint;
    made->arg = options->arg;
    memcpy(made->node_id, options->node_id, sizeof(made->node_id));
    atomic_init(&made->hint_purge, options->live.redis.hint_purge);
    made->board = machine_alloc(sizeof(*made->board));
    board_init(made->board, options->live.poll_ms);
    if (!open_channel(made, options, err) || !open_follow(made, options, err)) {
        bus_close(made);
        return false;
    }
    channel_configure(made->channel, &options->live); /* not before there is a history to name it by */
    *bus = made;
    return true;
}

void bus_close(struct bus *bus)
{
    if (bus == NULL)
        return;
    /* The follower speaks to the channel, and the channel's thread to the board: both threads end before
     * either goes. */
    follow_close(bus->follow);
    channel_close(bus->channel);
    board_fini(bus->board);
    free(bus->board);
    free(bus);
}

void bus_reload(struct bus *bus, const struct bus_live *live)
{
    atomic_store_explicit(&bus->hint_purge, live->redis.hint_purge, memory_order_relaxed);
    board_set_poll_ms(bus->board, live->poll_ms);
    channel_configure(bus->channel, live);
}

uint64_t bus_applied(const struct bus *bus)
{
    return board_applied(bus->board);
}

void bus_position_text(const struct bus *bus, uint64_t position, char text[40])
{
    uint8_t salt[16], history[16];

    bus_identity(bus, salt, history);
    (void)snprintf(text, 40, "%02x%02x%02x%02x-%" PRIu64, history[0], history[1], history[2], history[3],
                   position);
}

void bus_identity(const struct bus *bus, uint8_t salt[16], uint8_t history[16])
{
    board_identity(bus->board, salt, history);
}

enum bus_verdict bus_judge(struct bus *bus, uint64_t position, int64_t tag)
{
    switch (board_judge(bus->board, position, tag)) {
    case CURSOR_ACCEPT:
        return BUS_ACCEPT;
    case CURSOR_PASS:
        return BUS_PASS;
    case CURSOR_OLD:
        return BUS_OLD;
    case CURSOR_CONTRADICTS:
        break;
    }
    return BUS_CONTRADICTS;
}

void bus_wake(struct bus *bus)
{
    board_wake(bus->board);
}

void bus_ring(struct bus *bus)
{
    board_ring(bus->board);
}

bool bus_wait(struct bus *bus, uint64_t position, int64_t timeout_ms)
{
    return board_wait(bus->board, position, timeout_ms);
}

void bus_announce(struct bus *bus, uint64_t position, int64_t tag, const uint8_t (*keys)[16],
                  size_t key_count)
{
    board_note_told(bus->board, position);
    channel_tell(bus->channel, position, tag, keys, key_count);
}

void bus_read_stats(const struct bus *bus, struct bus_stats *stats)
{
    board_read_stats(bus->board, stats);
    channel_read_stats(bus->channel, stats);
}
