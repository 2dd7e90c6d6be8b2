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

enum {
    POSITION_PREFIX = 9 /* of a position as text: eight digits of the history and a dash */
};

struct bus {
    /* immutable after bus_open() */
    void (*on_hint)(void *arg, uint64_t position, const uint8_t (*keys)[16], size_t key_count);
    void *arg;
    uint8_t node_id[16];
    struct channel *channel;
    struct follow *follow;

    struct board *board;

    /* thread: any. Relaxed: for people only. */
    _Atomic enum bus_channel_kind kind;
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

/* The names are those of the setting fast_invalidation. */
static void describe(void *arg, char *json, size_t size)
{
    static const char *const modes[] = {
        [BUS_CHANNEL_OFF] = "polling", [BUS_CHANNEL_REDIS] = "redis", [BUS_CHANNEL_PG_NOTIFY] = "pg_notify"};
    struct bus *bus = arg;
    enum bus_channel_kind kind = atomic_load_explicit(&bus->kind, memory_order_relaxed);
    struct bus_stats stats = {0};

    channel_read_stats(bus->channel, &stats);
    (void)snprintf(json, size, "{\"mode\":\"%s\",\"channel\":\"%s\"}", modes[kind],
                   kind == BUS_CHANNEL_OFF ? "off" : (stats.channel_up ? "up" : "down"));
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
        .describe = describe,
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
    atomic_init(&made->kind, options->live.channel);
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
    atomic_store_explicit(&bus->kind, live->channel, memory_order_relaxed);
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

enum bus_place bus_look(struct bus *bus, const char *text, size_t length)
{
    char copy[40], own[40];
    char *end = copy;

    if (length < POSITION_PREFIX + 1 || length >= sizeof(copy))
        return BUS_NOWHERE;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (copy[POSITION_PREFIX - 1] != '-' || copy[POSITION_PREFIX] < '0' || copy[POSITION_PREFIX] > '9')
        return BUS_NOWHERE;
    uint64_t position = strtoull(copy + POSITION_PREFIX, &end, 10);
    if (*end != '\0' || position > INT64_MAX)
        return BUS_NOWHERE;
    bus_position_text(bus, 0, own);
    if (memcmp(copy, own, POSITION_PREFIX) != 0)
        return BUS_ELSEWHERE;
    if (bus_applied(bus) >= position)
        return BUS_THERE;
    bus_ring(bus);
    return BUS_BEHIND;
}

void bus_identity(const struct bus *bus, uint8_t salt[16], uint8_t history[16])
{
    board_identity(bus->board, salt, history);
}

enum bus_verdict bus_judge(struct bus *bus, uint64_t position, int64_t tag, bool from_replica)
{
    switch (board_judge(bus->board, position, tag, from_replica)) {
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
