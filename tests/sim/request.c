/*
 * A load has two moments that the seed chooses: when a server takes the snapshot, and when the answer
 * arrives. Position and row come from one snapshot (gateway/store; consistency reference, 3.4).
 * MUTANT_SPLIT_FILL breaks that here: it takes the position when the answer arrives.
 */

#include "tests/sim/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/cache/inside.h"
#include "tests/sim/fiber.h"
#include "tests/sim/node.h"
#include "tests/sim/oracle.h"
#include "tests/sim/report.h"
#include "tests/sim/world.h"

enum {
    TEXT_BYTES = 32
};

static void make_ask(const struct world *world, unsigned key, char text[TEXT_BYTES], struct cache_ask *ask)
{
    int length = snprintf(text, TEXT_BYTES, "%s:%u", node_types[key % KEY_TYPES], key);

    *ask = (struct cache_ask){
        .digest = world->digests[key],
        .key = {text, (size_t)length},
        .value = {text, (size_t)length},
        .type = (uint8_t)(key % KEY_TYPES),
        .lookup = (uint8_t)key,
    };
}

static void check_unlocked(const char *what)
{
    if (!fibers_is_unlocked())
        report_violation("locks", "%s was called with a mutex held", what);
}

/* ---- loads ---- */

static void excuse(struct node *node, unsigned key)
{
    node->excused_us[key] = fibers_now_us();
    node->excused_step[key] = node->world->step;
}

/* The one that this fiber is delivering, if it belongs to the flight (NULL: to any). */
static struct fill *find_delivery(const struct world *world, const struct cache_flight *flight)
{
    for (size_t i = 0; i < world->fill_count; i++) {
        struct fill *fill = world->fills[i];

        if (fill->fiber != 0 && fill->fiber == fiber_self() && !fill->is_done &&
            (flight == NULL || fill->flight == flight))
            return fill;
    }
    return NULL;
}

void request_load(void *arg, struct cache_flight *flight, const struct cache_ask *ask,
                  enum cache_source source)
{
    struct node *node = arg;
    struct world *world = node->world;
    const struct fill *refused = find_delivery(world, flight);
    struct fill *fill = mem_zalloc(sizeof(*fill));

    check_unlocked("load");
    if ((refused != NULL || flight->refusals > 0) && source != CACHE_FROM_PRIMARY)
        report_violation("I5", "key %u: a refused load went to a replica again", ask->lookup);
    world->tallies.refused += refused != NULL;
    *fill = (struct fill){
        .node = node, .flight = flight, .key = ask->lookup, .from_replica = source == CACHE_FROM_REPLICA};
    if (world->fill_count == world->fill_room) {
        world->fill_room = world->fill_room > 0 ? world->fill_room * 2 : 64;
        world->fills = mem_realloc(world->fills, world->fill_room * sizeof(world->fills[0]));
    }
    world->fills[world->fill_count++] = fill;
    report_say("%s key %u of %s", refused != NULL ? "refuses the answer and asks again for" : "asks for",
               fill->key, fill->from_replica ? "a replica" : "the primary");
}

enum cache_judgement request_judge(void *arg, uint64_t position, int64_t tag, enum cache_source source)
{
    static const enum cache_judgement judgements[] = {[CURSOR_ACCEPT] = CACHE_ACCEPT,
                                                      [CURSOR_PASS] = CACHE_PASS,
                                                      [CURSOR_OLD] = CACHE_OLD,
                                                      [CURSOR_CONTRADICTS] = CACHE_CONTRADICTS};
    struct node *node = arg;
    const struct fill *fill = find_delivery(node->world, NULL);
    enum cursor_verdict verdict;

    check_unlocked("judge");
    verdict = board_judge(&node->board, position, tag, source == CACHE_FROM_REPLICA);
    if (fill != NULL)
        fill->row->judged_step = node->world->step;
    return judgements[verdict];
}

void request_release(void *object)
{
    struct row *row = object;

    row->node->live_rows--;
    free(row);
}

static void read_snapshot(struct world *world, struct fill *fill)
{
    struct database *database = &world->database;
    const struct plan *plan = &world->plan;
    unsigned replica = plan->replicas > 0 ? dice_below(&world->dice, plan->replicas) : 0;
    struct snapshot snapshot;

    fill->is_read = true;
    fill->read_step = world->step;
    fill->failed = !world->calm && dice_chance(&world->dice, plan->fill_faults);
    if (fill->from_replica) {
        fill->failed = fill->failed || database->replicas[replica].down;
        if (plan->delay_gate)
            database_replay_until(database, fibers_now_us() - plan->propagation_ms * 1000);
        snapshot = database_replica(database, replica);
    } else if (database->old >= 0 && dice_below(&world->dice, 3) == 0) {
        snapshot = database_old(database);
    } else {
        fill->failed = fill->failed || database->down;
        snapshot = database_primary(database);
    }
    fill->at = snapshot.at;
    fill->position = snapshot.at->newest->position;
    fill->tag = snapshot.at->newest->tag;
    report_say("node %d: a server %s key %u at %" PRIu64 " on branch %u", fill->node->index,
               fill->failed ? "fails to read" : "reads", fill->key, fill->position, snapshot.at->branch);
}

static bool is_position_known(const struct world *world, const struct fill *fill)
{
    return !fill->from_replica || !world->plan.delay_gate;
}

static void fill_row(struct row *row, const struct fill *fill)
{
    struct node *node = fill->node;

    *row = (struct row){
        .at = fill->at,
        .node = node,
        .key = fill->key,
        .read_step = fill->read_step,
        .is_without_position = !is_position_known(node->world, fill),
        .judged_step = node->world->step,
        .delivered_us = fibers_now_us(),
    };
}

static struct row *note_absence(struct node *node, const struct fill *fill)
{
    struct absences *absences = &node->absences[fill->key];
    struct row *row = &absences->rows[absences->count % ABSENCES];

    absences->positions[absences->count % ABSENCES] = fill->position;
    absences->count++;
    fill_row(row, fill);
    return row;
}

/* What the answer brings: an object that is the cache's from now on, or an absence that is remembered here.
 */
static void *make_object(struct fill *fill)
{
    if (fill->at->rows[fill->key] <= 0) {
        fill->row = note_absence(fill->node, fill);
        return NULL;
    }
    fill->row = mem_alloc(sizeof(*fill->row));
    fill_row(fill->row, fill);
    fill->node->live_rows++;
    return fill->row;
}

void request_renew(struct node *node, const struct cache_renewal *renewal, const struct commit *at,
                   uint64_t read_step)
{
    struct fill fill = {.node = node,
                        .key = renewal->ask.lookup,
                        .at = at,
                        .position = at->newest->position,
                        .tag = at->newest->tag,
                        .read_step = read_step};
    const struct cache_answer answer = {.position = fill.position,
                                        .tag = fill.tag,
                                        .object = make_object(&fill),
                                        .bytes = sizeof(struct row)};

    memset(node->cached_at, 0,
           sizeof(node->cached_at)); /* one may push out another, which is put back after it */
    node->world->tallies.renewals++;
    report_say("reads key %u again at %" PRIu64, fill.key, fill.position);
    cache_renew(node->cache, renewal, &answer);
}

void node_deliver(struct node *node, struct fill *fill)
{
    struct world *world = node->world;
    uint64_t switches = fibers_switches();
    size_t flights = node->cache->flights.count;
    bool must = oracle_must_accept(node, fill);
    struct cache_answer answer = {.failed = fill->failed, .bytes = sizeof(struct row)};

    world->tallies.answers++;
    world->tallies.failed += fill->failed;
    if (is_position_known(world, fill)) {
        answer.position = fill->position;
        answer.tag = fill->tag;
    }
    if (!fill->failed)
        answer.object = make_object(fill);
    report_say("key %u %s at %" PRIu64, fill->key, fill->failed ? "could not be read" : "arrives, read",
               fill->position);
    fill->fiber = fiber_self();
    if (fill->failed && !fill->from_replica)
        excuse(node, fill->key);
    cache_fill_done(node->cache, fill->flight, &answer);
    if (fill->failed && !fill->from_replica)
        excuse(node, fill->key);
    fill->is_done = true;
    /* Accepted, it ends its load, and perhaps others in the queue that nobody waits for. */
    if (must && switches == fibers_switches() && node->cache->flights.count >= flights)
        report_violation("I4", "key %u: the primary's answer at %" PRIu64 " was refused without a reason",
                         fill->key, fill->position);
}

static void deliver(void *arg)
{
    struct fill *fill = arg;

    node_deliver(fill->node, fill);
}

void request_move_fill(struct world *world, struct fill *fill)
{
    if (!fill->is_read) {
        read_snapshot(world, fill);
        return;
    }
    if (fill->fiber != 0 || fill->node->stopped)
        return;
#ifdef MUTANT_SPLIT_FILL
    if (!fill->failed && !fill->from_replica) {
        fill->position = database_tip(&world->database)->position;
        fill->tag = database_tip(&world->database)->tag;
    }
#endif
    if (fiber_start(fill->node->index, deliver, fill))
        fill->fiber = UINT64_MAX;
}

void request_sweep_fills(struct world *world)
{
    size_t kept = 0;

    for (size_t i = 0; i < world->fill_count; i++) {
        if (world->fills[i]->is_done)
            free(world->fills[i]);
        else
            world->fills[kept++] = world->fills[i];
    }
    world->fill_count = kept;
}

/* ---- clients ---- */

static bool is_late(const struct request *request)
{
    return request->state == REQUEST_WAITING &&
           fibers_now_us() >= request->filled_us + request->node->world->plan.fill_deadline_ms * 1000;
}

void request_excuse_late(struct node *node)
{
    for (const struct request *request = node->requests; request != NULL; request = request->next) {
        if (is_late(request))
            excuse(node, request->key);
    }
}

bool request_is_excusing(const struct node *node, unsigned key)
{
    const struct world *world = node->world;

    for (const struct request *request = node->requests; request != NULL; request = request->next) {
        if (request->key == key && is_late(request))
            return true;
    }
    for (size_t i = 0; i < world->fill_count; i++) {
        const struct fill *fill = world->fills[i];

        if (fill->node == node && fill->key == key && fill->failed && !fill->from_replica && fill->fiber != 0)
            return true;
    }
    return false;
}

static void on_done(struct cache_waiter *waiter, enum cache_status status, const struct cache_value *value)
{
    struct request *request = CONTAINER_OF(waiter, struct request, waiter);

    check_unlocked("on_done");
    if (request->state != REQUEST_WAITING)
        report_violation("I5", "key %u: a waiter was told though it %s", request->key,
                         request->state == REQUEST_TOLD ? "had been told before" : "had given up");
    if (is_late(request))
        excuse(request->node, request->key);
    request->state = REQUEST_TOLD;
    report_say("who waited for key %u since %" PRIu64 " is told%s", request->key, request->began_step,
               status == CACHE_FAILED ? " of a failure"
               : status == CACHE_BUSY ? " to come later"
                                      : "");
    oracle_check_answer(request, status, value != NULL ? cache_value_object(value) : NULL);
    cache_value_unref(value);
}

static void run_request(void *arg)
{
    struct request *request = arg;
    struct node *node = request->node;
    struct tallies *tallies = &node->world->tallies;
    const struct cache_value *value;
    char text[TEXT_BYTES];
    struct cache_ask ask;
    enum cache_status status;

    make_ask(node->world, request->key, text, &ask);
    request->began_step = node->world->step;
    request->debt = (struct debt){node->published, node->routing, node->good_step};
    status = cache_get(node->cache, &ask, &value);
    tallies->requests++;
    tallies->hits += status == CACHE_HIT;
    tallies->absences += status == CACHE_NEGATIVE;
    tallies->misses += status == CACHE_MISS;
    if (status != CACHE_MISS) {
        request->state = REQUEST_TOLD;
        oracle_check_answer(request, status, value != NULL ? cache_value_object(value) : NULL);
        cache_value_unref(value);
        return;
    }
    report_say("misses key %u", request->key);
    request->filled_us = fibers_now_us();
    request->state = REQUEST_WAITING;
    cache_fill(node->cache, &ask, &request->waiter);
}

/* Those who know are forgotten. */
static void sweep_requests(struct node *node)
{
    for (struct request **link = &node->requests; *link != NULL;) {
        struct request *request = *link;

        if (request->state == REQUEST_TOLD && !request->is_cancelling &&
            request->began_step + 2000 < node->world->step) {
            *link = request->next;
            free(request);
        } else {
            link = &request->next;
        }
    }
}

void node_request(struct node *node, unsigned key)
{
    struct request *request = mem_zalloc(sizeof(*request));

    *request = (struct request){
        .waiter.on_done = on_done, .node = node, .key = key, .began_step = node->world->step};
    request->next = node->requests;
    if (!fiber_start(node->index, run_request, request)) {
        free(request);
        return;
    }
    node->requests = request;
    if (dice_below(&node->world->dice, 64) == 0)
        sweep_requests(node);
}

static void run_cancel(void *arg)
{
    struct request *request = arg;

    if (request->state == REQUEST_WAITING && cache_cancel(request->node->cache, &request->waiter)) {
        report_say("gives up key %u", request->key);
        request->state = REQUEST_CANCELLED;
    }
    request->is_cancelling = false;
}

void node_cancel(struct node *node)
{
    for (struct request *request = node->requests; request != NULL; request = request->next) {
        /* Only who is really in a list: cache_fill() has returned. */
        if (request->state == REQUEST_WAITING && request->waiter.flight != NULL && !request->is_cancelling &&
            dice_below(&node->world->dice, 4) == 0) {
            request->is_cancelling = fiber_start(node->index, run_cancel, request);
            return;
        }
    }
}

struct purge {
    struct node *node;
    unsigned key;
};

static void run_purge(void *arg)
{
    struct purge purge = *(struct purge *)arg;
    struct node *node = purge.node;
    uint64_t began_step = node->world->step;

    free(arg);
    if (purge.key < KEYS)
        cache_purge_key(node->cache, node_digest(node->world, purge.key));
    else
        cache_purge(node->cache);
    for (unsigned key = 0; key < KEYS; key++) {
        if (purge.key != key && purge.key < KEYS)
            continue;
        node->purges[key].began_step = began_step;
        node->purges[key].ended_step = node->world->step;
        report_say("has purged key %u", key);
    }
}

void node_purge(struct node *node, unsigned key)
{
    struct purge *purge = mem_alloc(sizeof(*purge));

    *purge = (struct purge){node, key};
    if (!fiber_start(node->index, run_purge, purge))
        free(purge);
}
