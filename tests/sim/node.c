/*
 * A node of real parts. Modelled are only what lies between them: refresh.c (the order of acting on a batch,
 * and the routing snapshot), bus.c's hearing of hints, and the answers of SQL, which are in sql.c.
 *
 * Rules that live in refresh.c are broken here: MUTANT_SPLIT_READ reads the rows of a snapshot in a later
 * state than that of the batch, MUTANT_TORN_SWAP publishes it in two halves.
 */

#include "tests/sim/node.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/hint.h"
#include "gateway/base/mem.h"
#include "gateway/cache/inside.h"
#include "tests/sim/fiber.h"
#include "tests/sim/oracle.h"
#include "tests/sim/report.h"
#include "tests/sim/request.h"
#include "tests/sim/sql.h"
#include "tests/sim/world.h"

const char *const node_types[] = {"consumers", "keys", "groups", "routes", "services"};

const struct digest *node_digest(const struct world *world, unsigned key)
{
    return &world->digests[key];
}

static int64_t now_us(void *arg)
{
    (void)arg;
    return fibers_now_us();
}

/* ---- the subscriber, as gateway/proxy/refresh.c is one ---- */

static struct routing *new_routing(struct node *node, const struct commit *at)
{
    struct routing *routing = mem_zalloc(sizeof(*routing));

    routing->older = node->newest;
    routing->at = at;
    node->newest = routing;
    return routing;
}

static void publish(struct node *node, struct routing *routing)
{
#ifdef MUTANT_TORN_SWAP
    struct routing whole = *routing;

    if (node->routing != NULL)
        memcpy(routing->rows, node->routing->rows, sizeof(routing->rows) / 2);
    node->routing = routing;
    fiber_pause();
    *routing = whole;
#endif
    node->routing = routing;
    report_say("publishes the routing snapshot of %" PRIu64, routing->at->position);
}

/* Entries in use that the batch drops (gateway/proxy/renewal.h). */
enum {
    RENEWALS = 256
};

struct renewals {
    struct cache_renewal *at[RENEWALS];
    size_t count;
};

static void invalidate_key(struct node *node, const uint8_t key[16], uint64_t position,
                           struct renewals *renewals)
{
    struct cache_renewal *renewal;
    struct digest digest;

    memcpy(digest.bytes, key, sizeof(digest.bytes));
    renewal = cache_invalidate_used(node->cache, &digest, position);
    if (renewal != NULL && renewals->count < RENEWALS)
        renewals->at[renewals->count++] = renewal;
    else
        free(renewal);
}

/* at NULL: they are left to whoever asks next. */
static void renew(struct node *node, struct renewals *renewals, const struct commit *at, uint64_t read_step)
{
    for (size_t i = 0; i < renewals->count; i++) {
        if (at != NULL)
            request_renew(node, renewals->at[i], at, read_step);
        free(renewals->at[i]);
    }
    renewals->count = 0;
}

/* What a batch means for the routing snapshot. */
enum concern {
    CONCERNS_NOTHING,
    CONCERNS_ROWS,
    CONCERNS_EVERYTHING
};

static enum concern invalidate(struct node *node, const struct bus_event *event, struct renewals *renewals)
{
    uint8_t type = 0;

    while (event->entity[0] != '\0' && strcmp(node_types[type], event->entity) != 0)
        type++;
    switch (event->kind) {
    case BUS_EVENT_EVERYTHING:
        cache_invalidate_all(node->cache, event->position);
        return CONCERNS_EVERYTHING;
    case BUS_EVENT_ENTITY:
        if (type >= KEY_TYPES)
            return CONCERNS_EVERYTHING;
        cache_invalidate_type(node->cache, type, event->position);
        return CONCERNS_NOTHING;
    case BUS_EVENT_ROW:
        for (size_t i = 0; i < event->key_count; i++)
            invalidate_key(node, event->keys[i], event->position, renewals);
        return type >= KEY_TYPES ? CONCERNS_ROWS : CONCERNS_NOTHING;
    case BUS_EVENT_BARRIER:
        break;
    }
    return CONCERNS_NOTHING;
}

/* Rows of `from` into the snapshot: those that the batch names, or all. */
static void read_rows(struct routing *routing, const struct commit *from, const struct bus_batch *batch,
                      bool all)
{
    for (unsigned i = 0; i < ROUTES && all; i++)
        routing->rows[i] = from->rows[KEYS + i];
    for (size_t i = 0; i < batch->event_count && !all; i++) {
        const struct bus_event *event = &batch->events[i];

        if (event->kind == BUS_EVENT_ROW && event->has_id)
            routing->rows[event->id[0]] = from->rows[KEYS + event->id[0]];
    }
}

/* The next snapshot, of the state `at`. */
static void build(struct node *node, const struct bus_batch *batch, enum concern most,
                  const struct commit *at)
{
    struct routing *routing = new_routing(node, at);
    const struct commit *from = at;

#ifdef MUTANT_SPLIT_READ
    from = database_tip(&node->world->database);
#endif
    if (node->routing != NULL)
        memcpy(routing->rows, node->routing->rows, sizeof(routing->rows));
    read_rows(routing, from, batch, most == CONCERNS_EVERYTHING);
    publish(node, routing);
}

static bool apply(void *arg, const struct bus_batch *batch, struct bus_err *err)
{
    struct node *node = arg;
    struct renewals renewals = {.count = 0};
    enum concern most = CONCERNS_NOTHING;
    const struct commit *at = sql_view(batch->view);

    node->world->tallies.batches++;
    for (size_t i = 0; i < batch->event_count; i++) {
        enum concern concern = invalidate(node, &batch->events[i], &renewals);

        most = concern > most ? concern : most;
    }
    cache_clear_suspicions(node->cache);
    if (renewals.count > 0 && !sql_read_rows(batch->view, err)) {
        renew(node, &renewals, NULL, 0);
        return false;
    }
    renew(node, &renewals, at, sql_view_step(batch->view));
    if (most == CONCERNS_NOTHING)
        return true;
    if (!sql_read_rows(batch->view, err))
        return false;
    build(node, batch, most, at);
    return true;
}

static bool load(void *arg, const struct bus_batch *batch, struct bus_err *err)
{
    struct node *node = arg;

    node->loaded = new_routing(node, sql_view(batch->view));
    if (!sql_read_rows(batch->view, err))
        return false;
    read_rows(node->loaded, node->loaded->at, batch, /* all= */ true);
    return true;
}

static void restart(void *arg, uint64_t head, int64_t head_tag)
{
    struct node *node = arg;

    (void)head_tag;
    node->world->tallies.resyncs++;
    node->restarted_step = node->world->step;
    report_say("starts over at %" PRIu64, head);
    cache_freeze(node->cache);
    cache_restart(node->cache, head);
    publish(node, node->loaded);
}

/* ---- what the oracle learns from calls inside the bus, redirected by the linker ---- */

void __real_board_publish(struct board *board);
void __wrap_board_publish(struct board *board);
void __real_board_begin(struct board *board, struct reader_poll *poll);
void __wrap_board_begin(struct board *board, struct reader_poll *poll);
void __real_board_note_good_poll(struct board *board, int64_t started_us);
void __wrap_board_note_good_poll(struct board *board, int64_t started_us);

void __wrap_board_publish(struct board *board)
{
    struct node *node = CONTAINER_OF(board, struct node, board);

    node->published = database_find(&node->world->database, cursor_tag(&board->reader.cursor));
    report_say("has applied %" PRIu64, board->reader.cursor.applied);
    __real_board_publish(board);
}

void __wrap_board_begin(struct board *board, struct reader_poll *poll)
{
    struct node *node = CONTAINER_OF(board, struct node, board);

    if (board->bell.due_us <= fibers_now_us())
        oracle_check_bell(node);
    node->world->tallies.polls++;
    node->began_step = node->world->step;
    __real_board_begin(board, poll);
}

void __wrap_board_note_good_poll(struct board *board, int64_t started_us)
{
    struct node *node = CONTAINER_OF(board, struct node, board);

    node->good_step = node->began_step;
    oracle_check_fences(node);
    __real_board_note_good_poll(board, started_us);
}

/* ---- hints, as bus.c takes them ---- */

static void take_hint(struct node *node, const struct hint *hint)
{
    struct board *board = &node->board;
    enum cursor_news news = board_hear(board, hint->last, hint->tag);
    uint64_t applied = board_applied(board);

    for (size_t i = 0; news == CURSOR_NEWS && node->world->plan.hint_purge && i < hint->key_count; i++) {
        struct digest digest;

        memcpy(digest.bytes, hint->keys[i], sizeof(digest.bytes));
        cache_suspect(node->cache, &digest, hint->last, applied);
    }
}

void node_hear(struct node *node, const uint8_t *bytes, size_t length, bool forged)
{
    const char *secret = node->world->plan.secret;
    struct hint *hint = mem_alloc(sizeof(*hint));
    uint64_t switches = fibers_switches();
    uint8_t salt[16], history[16];
    struct oracle_facts before;

    board_identity(&node->board, salt, history);
    oracle_note_facts(node, &before);
    switch (hint_decode(bytes, length, history, secret, hint)) {
    case HINT_GOOD:
        report_say("hears %s hint of %" PRIu64, forged ? "a forged" : "a", hint->last);
        if (forged && secret != NULL)
            report_violation("I4", "a forged message passed for one of ours");
        take_hint(node, hint);
        break;
    case HINT_OTHER_VERSION:
        board_ring(&node->board);
        break;
    default:
        break;
    }
    free(hint);
    if (switches == fibers_switches())
        oracle_compare_facts(node, &before);
}

void node_report(struct node *node, uint64_t position, int64_t tag)
{
    oracle_check_report(node, position, tag);
}

/* A scheduled poll came first: another node tells again. */
static void on_missed(void *arg, uint64_t position, int64_t tag)
{
    struct node *node = arg;
    const struct commit *commit = database_find(&node->world->database, tag);

    (void)position;
    if (commit != NULL && dice_below(&node->world->dice, 2) == 0)
        redis_announce(node->world, commit);
}

/* ---- life ---- */

static void tick_forever(void *arg)
{
    struct node *node = arg;

    while (node->state != NODE_LEFT) {
        fiber_sleep(100000);
        request_excuse_late(node);
        cache_tick(node->cache);
        request_excuse_late(node);
    }
}

struct node *node_new(struct world *world, int index)
{
    struct node *node = mem_zalloc(sizeof(*node));
    const struct plan *plan = &world->plan;
    struct cache_options options = {
        .max_bytes = plan->max_bytes,
        .ttl_ms = plan->ttl_ms,
        .negative_ttl_ms = plan->negative_ttl_ms,
        .resurrect_ms = plan->resurrect_ms,
        .propagation_ms = plan->propagation_ms,
        .delay_gate = plan->delay_gate,
        .has_replica = plan->replicas > 0,
        .max_flights = plan->max_flights,
        .max_queued = plan->max_queued,
        .fill_deadline_ms = plan->fill_deadline_ms,
        .clock = &node->clock,
        .seed = dice_next(&world->dice),
        .load = request_load,
        .judge = request_judge,
        .release = request_release,
        .arg = node,
    };

    node->world = world;
    node->index = index;
    node->clock = (struct clock){now_us, now_us, node};
    node->obstacle_us = fibers_now_us();
    cache_open(&options, &node->cache);
    board_init(&node->board, plan->poll_ms);
    return node;
}

void node_free(struct node *node)
{
    while (node->newest != NULL) {
        struct routing *routing = node->newest;

        node->newest = routing->older;
        free(routing);
    }
    while (node->requests != NULL) {
        struct request *request = node->requests;

        node->requests = request->next;
        free(request);
    }
    cache_close(node->cache);
    if (node->live_rows != 0)
        report_violation("I14", "node %d: %" PRIu64 " rows were never released", node->index,
                         node->live_rows);
    board_fini(&node->board);
    free(node);
}

void node_start(struct node *node)
{
    const struct plan *plan = &node->world->plan;
    const struct bus_options bus = {
        .primary = {.port = node->index},
        .node_name = "node",
        .version = "0",
        .poll_deadline_ms = plan->poll_deadline_ms,
        .retention_ms = plan->retention_ms,
        .live = {.poll_ms = plan->poll_ms},
        .subscriber = {.apply = apply, .load = load, .restart = restart, .arg = node},
    };
    const struct follow_options options = {
        .bus = &bus, .board = &node->board, .on_missed = on_missed, .arg = node};
    struct bus_err err;

    node->state = NODE_JOINING;
    node->obstacle_us = fibers_now_us();
    if (!follow_open(&options, &node->follow, &err)) {
        node->state = NODE_DOWN;
        return;
    }
    node->obstacle_us = fibers_now_us();
    node->state = NODE_SERVING;
    (void)fiber_start(node->index, tick_forever, node);
}

void node_stop(struct node *node)
{
    node->state = NODE_LEAVING;
    follow_close(node->follow);
    node->follow = NULL;
    node->state = NODE_LEFT;
}
