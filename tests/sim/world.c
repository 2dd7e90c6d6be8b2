/*
 * A run is a loop: either somebody who is ready goes on until it gives way, or the seed picks something new
 * from the table below. Each seed weighs the table differently ("swarm"), so that some runs know no failover
 * and others little else. In the end all faults cease, and everything must come to rest in the state of the
 * database.
 */

#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/cache/inside.h"
#include "tests/sim/fiber.h"
#include "tests/sim/node.h"
#include "tests/sim/oracle.h"
#include "tests/sim/plan.h"
#include "tests/sim/report.h"
#include "tests/sim/request.h"
#include "tests/sim/sql.h"

enum {
    APPEND_TIMEOUT_US = 3000000,
    REST_STEPS = 400000, /* more than it ever takes to come to rest, with up to NODES nodes */
    CROWD = 448,         /* of fibers */
    THREADS = 3,         /* of a node */
    CHECK_EVERY = 32,    /* steps: all nodes, not only the one that ran */
    IMPORT_COMMITS = 100,
    MOST_TOGETHER = 4
};

static unsigned below(struct world *world, unsigned n)
{
    return dice_below(&world->dice, n);
}

static struct node *any_node(struct world *world)
{
    return world->nodes[below(world, (unsigned)world->plan.nodes)];
}

/* One that serves; NULL: the one looked at does not. */
static struct node *any_serving(struct world *world)
{
    struct node *node = any_node(world);

    return node->state == NODE_SERVING && !node->stopped ? node : NULL;
}

/* From here on nodes have their time again to hear of what happened. */
static void excuse_all(struct world *world)
{
    for (int i = 0; i < world->plan.nodes; i++)
        world->nodes[i]->obstacle_us = fibers_now_us();
}

/* ---- what can happen ---- */

static void step_request(struct world *world)
{
    struct node *node = any_serving(world);
    /* Most requests are for few keys: waiters meet, entries live. */
    unsigned key = below(world, 4) > 0 ? below(world, HOT_KEYS) : below(world, KEYS);

    if (node != NULL)
        node_request(node, key);
}

static void step_fill(struct world *world)
{
    if (world->fill_count > 0)
        request_move_fill(world, world->fills[below(world, (unsigned)world->fill_count)]);
}

static struct change any_change(struct world *world)
{
    unsigned kind = below(world, 40);
    int row = -1;

    /* A row that is on its way to somebody: there the races are. */
    if (world->fill_count > 0 && below(world, 2) == 0)
        row = (int)world->fills[below(world, (unsigned)world->fill_count)]->key;
    return (struct change){
        .kind = kind == 0   ? BUS_EVENT_EVERYTHING
                : kind <= 3 ? BUS_EVENT_ENTITY
                : kind == 4 ? BUS_EVENT_BARRIER
                            : BUS_EVENT_ROW,
        .type = (uint8_t)below(world, KEY_TYPES + ROUTE_TYPES),
        .acknowledge = below(world, 8) == 0,
        .row = row,
    };
}

/* The node that wrote it knows; the others are told, unless it dies before. */
static void tell(struct world *world, const struct commit *commit)
{
    struct node *writer = any_serving(world);

    world->tallies.commits++;
    report_say("commit %" PRIu64 " on branch %u, rows %05x, kind %d", commit->position, commit->branch,
               commit->changed, (int)commit->kind);
    if (writer == NULL || below(world, 8) == 0)
        return;
    writer->was_woken = true;
    board_wake(&writer->board);
    redis_announce(world, commit);
}

static void step_commit(struct world *world)
{
    struct change change = any_change(world);
    const struct commit *commit = world->database.down ? NULL : database_commit(&world->database, &change);

    if (commit != NULL)
        tell(world, commit);
}

/* Several writers of one node in one transaction: each with a position of its own, and told of on its own. */
static void step_group(struct world *world)
{
    struct change change = any_change(world);
    const struct commit *commit = world->database.down ? NULL : database_commit(&world->database, &change);
    const struct commit *members[MOST_TOGETHER];
    unsigned count = 0;

    while (commit != NULL && count < MOST_TOGETHER) {
        members[count++] = commit;
        change = any_change(world);
        commit = below(world, MOST_TOGETHER) > 0 ? database_commit_too(&world->database, &change) : NULL;
    }
    for (unsigned i = 0; i < count; i++)
        tell(world, members[i]);
}

static void step_import(struct world *world)
{
    unsigned count = below(world, IMPORT_COMMITS);

    for (unsigned i = 0; i < count && !world->database.down; i++) {
        struct change change = any_change(world);

        world->tallies.commits += database_commit(&world->database, &change) != NULL;
    }
    report_say("an import brings the head to %" PRIu64, database_tip(&world->database)->position);
}

static void step_stall(struct world *world)
{
    if (!world->database.down)
        database_stall(&world->database);
}

static void step_unstall(struct world *world)
{
    struct change change = any_change(world);
    const struct commit *commit = database_unstall(
        &world->database, below(world, 3) > 0 && !world->database.down ? &change : NULL, APPEND_TIMEOUT_US);

    if (commit != NULL)
        tell(world, commit);
}

static void step_replay(struct world *world)
{
    if (world->plan.replicas > 0)
        database_replay(&world->database, below(world, world->plan.replicas), below(world, 6));
}

static void step_purge(struct world *world)
{
    struct node *node = any_serving(world);

    if (node != NULL)
        node_purge(node, below(world, 3) == 0 ? KEYS : below(world, KEYS));
}

static void step_cancel(struct world *world)
{
    struct node *node = any_serving(world);

    if (node != NULL)
        node_cancel(node);
}

static void continue_node(struct node *node)
{
    node->stopped = false;
    node->continued_us = fibers_now_us();
    node->obstacle_us = fibers_now_us();
    fibers_stop_group(node->index, false);
    report_say("node %d goes on", node->index);
}

static void step_stop(struct world *world)
{
    struct node *node = any_node(world);

    if (node->stopped) {
        continue_node(node);
    } else if (node->state == NODE_SERVING && below(world, 6) == 0) {
        node->stopped = true;
        fibers_stop_group(node->index, true);
        report_say("node %d is stopped", node->index);
    }
}

static void step_fail_over(struct world *world)
{
    if (world->plan.replicas == 0)
        return;
    database_fail_over(&world->database, below(world, world->plan.replicas), below(world, 2) == 0);
    world->database.down = false;
    excuse_all(world);
    world->tallies.failovers++;
    report_say("failover to %" PRIu64 ", now branch %u%s", database_tip(&world->database)->position,
               world->database.present, world->database.old >= 0 ? ", the old one still answers" : "");
}

static void step_bury(struct world *world)
{
    world->database.old = -1;
    excuse_all(world);
}

static void step_restore(struct world *world)
{
    database_restore(&world->database, below(world, 20), below(world, 2) == 0);
    excuse_all(world);
    world->tallies.restores++;
    report_say("a backup is restored, the head is %" PRIu64 ", now branch %u",
               database_tip(&world->database)->position, world->database.present);
}

static void step_prune(struct world *world)
{
    uint64_t head = database_tip(&world->database)->position;
    const struct node *node = any_node(world);
    uint64_t floor = head - below(world, 10) % head;

    if (node->published != NULL && below(world, 2) == 0)
        floor = node->published->position; /* just where somebody stands */
    database_prune(&world->database, floor, below(world, 2) == 0);
    report_say("the floor is at %" PRIu64, world->database.branches[world->database.present].floor);
}

static void step_remove(struct world *world)
{
    uint64_t head = database_tip(&world->database)->position;

    database_remove_events(&world->database, head - below(world, 6) % head);
}

static void step_outage(struct world *world)
{
    if (below(world, 3) == 0 && world->plan.replicas > 0) {
        unsigned replica = below(world, world->plan.replicas);

        world->database.replicas[replica].down = !world->database.replicas[replica].down;
        return;
    }
    world->database.down = !world->database.down && below(world, 6) == 0;
    excuse_all(world);
    report_say("the primary is %s", world->database.down ? "down" : "up");
}

static void step_time(struct world *world)
{
    if (below(world, 4) == 0)
        fibers_advance_to_next(1000000);
    else
        fibers_advance(dice_up_to(&world->dice, world->plan.pace_us * 2));
}

static void start(void *arg)
{
    node_start(arg);
}

static void step_start(struct world *world)
{
    struct node *node = any_node(world);

    if (node->state == NODE_DOWN && fiber_start(node->index, start, node))
        node->state = NODE_JOINING;
}

static const struct step_kind {
    const char *name; /* of a fault: --without spares it */
    void (*run)(struct world *world);
    unsigned weight;
    bool always; /* no run is without it: no fault, or one that ends */
} kinds[] = {
    /* clang-format off */
    {"time",     step_time,       400, true},
    {"request",  step_request,    500, true},
    {"load",     step_fill,       500, true},
    {"commit",   step_commit,      60, true},
    {"start",    step_start,       60, true},
    {"channel",  redis_move,      200, false},
    {"forgery",  redis_forge,     120, false},
    {"replay",   step_replay,     150, false},
    {"purge",    step_purge,       60, false},
    {"cancel",   step_cancel,      20, false},
    {"stop",     step_stop,        10, false},
    {"stall",    step_stall,       10, false},
    {"unstall",  step_unstall,     40, true},
    {"failover", step_fail_over,    6, false},
    {"bury",     step_bury,         6, true},
    {"restore",  step_restore,      3, false},
    {"prune",    step_prune,       10, false},
    {"removal",  step_remove,       2, false},
    {"outage",   step_outage,       8, false},
    {"import",   step_import,       1, false},
    {"group",    step_group,       20, false},
    /* clang-format on */
};

const char *world_fault_name(int number)
{
    static const int first_of_plan = COUNT(kinds);

    if (number < first_of_plan)
        return kinds[number].name;
    return plan_faults[number - first_of_plan];
}

int world_find_fault(const char *name)
{
    for (int i = 0; world_fault_name(i) != NULL; i++) {
        if (strcmp(world_fault_name(i), name) == 0)
            return i < (int)COUNT(kinds) && kinds[i].always ? -1 : i;
    }
    return -1;
}

static void spare(struct world *world, uint64_t faults)
{
    for (int i = 0; world_fault_name(i) != NULL; i++) {
        if ((faults >> i & 1) == 0)
            continue;
        if (i < (int)COUNT(kinds))
            world->plan.weights[i] = 0;
        else
            plan_spare(&world->plan, i - (int)COUNT(kinds));
    }
}

/* ---- the loop ---- */

static void draw_weights(struct world *world)
{
    static const unsigned quarters[] = {0, 1, 4, 16};

    for (unsigned i = 0; i < COUNT(kinds); i++) {
        unsigned times = quarters[below(world, COUNT(quarters))];

        if (kinds[i].always && times == 0)
            times = 2;
        world->plan.weights[i] = kinds[i].weight * times;
    }
}

static void run_something(struct world *world)
{
    unsigned sum = 0, at;

    for (unsigned i = 0; i < COUNT(kinds); i++)
        sum += world->plan.weights[i];
    at = below(world, sum);
    for (unsigned i = 0; i < COUNT(kinds); i++) {
        if (at < world->plan.weights[i]) {
            kinds[i].run(world);
            return;
        }
        at -= world->plan.weights[i];
    }
}

static void check_all(struct world *world)
{
    for (int i = 0; i < world->plan.nodes; i++) {
        struct node *node = world->nodes[i];

        if (world->database.down || node->stopped)
            node->obstacle_us = fibers_now_us();
        oracle_check_node(node);
    }
    request_sweep_fills(world);
}

static void note_step(struct world *world, int group)
{
    uint64_t now = world->dice.state ^ (uint64_t)fibers_now_us() << 16 ^ (uint64_t)group;

    world->tallies.fingerprint = (world->tallies.fingerprint ^ now) * UINT64_C(0x100000001b3);
}

static void run_step(struct world *world)
{
    int group = -2;

    report_set_step(++world->step);
    world->tallies.steps++;
    if (world->calm || dice_chance(&world->dice, world->plan.running))
        group = fibers_run_one();
    if (group >= 0)
        oracle_check_node(world->nodes[group]);
    if (group == -2 && !world->calm)
        run_something(world);
    note_step(world, group);
    if (world->step % world->check_every == 0)
        check_all(world);
}

/* ---- coming to rest ---- */

static void end_faults(struct world *world)
{
    struct database *database = &world->database;

    world->calm = true;
    fibers_set_yields(0);
    database->old = -1;
    database->down = false;
    memset(database->appends, 0, sizeof(database->appends));
    for (unsigned i = 0; i < REPLICAS; i++)
        database->replicas[i].down = false;
    redis_fini(&world->redis);
    world->redis = (struct redis){0};
    for (int i = 0; i < world->plan.nodes; i++) {
        if (world->nodes[i]->stopped)
            continue_node(world->nodes[i]);
    }
    excuse_all(world);
    report_say("all faults end");
}

static bool has_requests(const struct node *node)
{
    const struct request *request = node->requests;

    while (request != NULL && request->state != REQUEST_RUNNING && request->state != REQUEST_WAITING)
        request = request->next;
    return request != NULL;
}

/* Looks first where there was some last time. */
static bool has_work(struct world *world)
{
    for (int i = 0; i < world->plan.nodes; i++) {
        int at = (world->busy + i) % world->plan.nodes;

        if (world->nodes[at]->cache->flights.count == 0 && !has_requests(world->nodes[at]))
            continue;
        world->busy = at;
        return true;
    }
    return world->fill_count > 0;
}

/* Has every node polled since then? */
static bool has_polled_since(const struct world *world, uint64_t step)
{
    for (int i = 0; i < world->plan.nodes; i++) {
        if (world->nodes[i]->state != NODE_SERVING || world->nodes[i]->good_step <= step)
            return false;
    }
    return true;
}

static void go_on_calmly(struct world *world, unsigned i)
{
    if (i == world->rest_steps)
        report_violation("I11", "without faults it does not come to rest");
    if (world->fill_count > 0)
        request_move_fill(world, world->fills[i % world->fill_count]);
    step_replay(world);
    step_start(world);
    run_step(world);
    request_sweep_fills(world);
    fibers_advance_to_next(world->fill_count > 0 ? 1000 : 100000);
}

static void come_to_rest(struct world *world)
{
    uint64_t quiet_step;

    end_faults(world);
    quiet_step = world->step;
    for (unsigned i = 0; !has_polled_since(world, quiet_step); i++) {
        go_on_calmly(world, i);
        if (has_work(world))
            quiet_step = world->step;
    }
    oracle_check_rest(world);
    world->is_at_rest = true;
    for (unsigned key = 0; key < KEYS; key++) {
        for (int i = 0; i < world->plan.nodes; i++)
            node_request(world->nodes[i], key);
        for (unsigned i = 0; has_work(world); i++)
            go_on_calmly(world, i);
    }
}

static void stop(void *arg)
{
    node_stop(arg);
}

static void stop_all(struct world *world)
{
    for (int i = 0; i < world->plan.nodes; i++)
        (void)fiber_start(world->nodes[i]->index, stop, world->nodes[i]);
    for (unsigned i = 0; fibers_count() > 0; i++) {
        if (i == world->rest_steps)
            report_violation("I11", "nodes do not end");
        (void)fibers_run_one();
        fibers_advance_to_next(100000);
    }
}

static void make_digests(struct world *world)
{
    const struct digest_salt salt = {{7}};

    for (unsigned key = 0; key < KEYS; key++) {
        digest_make(&salt, (struct str){(const char *)&key, sizeof(key)}, &world->digests[key]);
        if (world->plan.crowded) {
            world->digests[key].bytes[14] = 0;
            world->digests[key].bytes[15] = (uint8_t)(key / 2 % 4);
        }
    }
}

static void draw(struct world *world, const struct wish *wish)
{
    struct plan *plan = &world->plan;

    world->dice.state = wish->seed * UINT64_C(0xd1342543de82ef95) + 1;
    plan_draw(plan, &world->dice);
    draw_weights(world);
    if (wish->nodes > 0)
        plan->nodes = wish->nodes;
    spare(world, wish->spared);
    world->check_every = plan->nodes > NODES ? CHECK_EVERY * (unsigned)plan->nodes / NODES : CHECK_EVERY;
    world->rest_steps = plan->nodes > NODES ? REST_STEPS / NODES * (unsigned)plan->nodes : REST_STEPS;
}

static void begin(struct world *world, const struct wish *wish)
{
    int more = 0; /* nodes than a seed draws */

    report_begin(wish->seed, wish->traced);
    draw(world, wish);
    if (world->plan.nodes > NODES)
        more = world->plan.nodes - NODES;
    fibers_reset(&world->dice, world->plan.yields, CROWD + THREADS * (size_t)more);
    database_init(&world->database, &world->dice, world->plan.replicas);
    make_digests(world);
    sql_begin(world);
    for (int i = 0; i < world->plan.nodes; i++)
        world->nodes[i] = node_new(world, i);
    for (int i = 0; i < world->plan.nodes; i++)
        step_start(world); /* most are there from the beginning */
}

void world_run(const struct wish *wish, struct tallies *tallies)
{
    struct world *world = mem_zalloc(sizeof(*world));

    begin(world, wish);
    while (world->step < wish->steps)
        run_step(world);
    come_to_rest(world);
    stop_all(world);
    for (int i = 0; i < world->plan.nodes; i++)
        node_free(world->nodes[i]);
    request_sweep_fills(world);
    free(world->fills);
    database_fini(&world->database);
    *tallies = world->tallies;
    free(world);
}
