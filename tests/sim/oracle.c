/*
 * The question behind most checks: a row was read in the state `seen`; somebody is owed the state `owed` or a
 * later one. On one branch the row is new enough if nothing wrote it between the two. On different branches
 * (a history was rewritten) positions prove nothing, and the row passes only while the node cannot know
 * better: it lies above what is applied, and no poll that began after the node had seen it has succeeded
 * (I9).
 *
 * Here rules of the cache are not repeated: nothing is looked up in fences, entries or tags, but in the tree
 * of commits.
 */

#include "tests/sim/oracle.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "gateway/base/attributes.h"
#include "gateway/cache/inside.h"
#include "tests/sim/fiber.h"
#include "tests/sim/node.h"
#include "tests/sim/report.h"
#include "tests/sim/request.h"
#include "tests/sim/world.h"

enum {
    APPLY_US = 1500000,    /* A of I3: statements of a poll, and a thread that is not scheduled at once */
    AGE_SLACK_US = 500000, /* an answer may lie for a while between its delivery and its entry */
    ENTRY_BYTES = 600,     /* more than any entry of ours has */
};

/* Where the cursor stands; between its restart and the publication ahead of node->published. */
static const struct commit *cursor_commit(const struct node *node)
{
    return database_find(&node->world->database, cursor_tag(&node->board.reader.cursor));
}

static bool is_comparable(const struct database *database, const struct commit *a, const struct commit *b)
{
    return database_is_within(database, a, b) || database_is_within(database, b, a);
}

/*
 * A replica without positions shows whatever the present primary has. Until the node hears that commits were
 * lost nothing can tell it, and what was read of commits that were lost later cannot be told from what was
 * not.
 */
static bool is_lost_to_delay(const struct world *world, const struct row *row, const struct commit *owed)
{
    return world->plan.delay_gate &&
           (!database_is_present(&world->database, owed) ||
            (row->is_without_position && !database_is_present(&world->database, row->at)));
}

/* Can a node that stands at `stand` take `seen` for the history it follows? */
static bool is_plausible(const struct database *database, const struct commit *seen,
                         const struct commit *stand)
{
    return is_comparable(database, seen, stand) || seen->position > stand->position;
}

static bool is_new_enough(const struct node *node, const struct row *row, const struct debt *debt)
{
    const struct database *database = &node->world->database;
    const struct commit *seen = row->at, *owed = debt->owed, *cursor = cursor_commit(node);
    bool has_left = cursor != NULL && !database_is_within(database, owed, cursor);

    if (database_is_within(database, owed, seen) || is_lost_to_delay(node->world, row, owed))
        return true;
    /* Has the node left the branch of what it owed? Then anything of the branch that it follows now will do,
     * or what was accepted before it came to this one, and is told late. */
    if (has_left && (is_plausible(database, seen, cursor) || is_plausible(database, seen, node->published) ||
                     row->judged_step < node->restarted_step))
        return true;
    if (database_is_within(database, seen, owed))
        return seen->rows[row->key] == owed->rows[row->key];
    return seen->position > owed->position && row->judged_step >= debt->good_step;
}

/* I7: a row is never behind the routing snapshot it is used with. Rewritten histories have no order. */
static bool is_behind_routing(const struct node *node, const struct row *row, const struct routing *routing)
{
    const struct database *database = &node->world->database;
    const struct commit *cursor = cursor_commit(node);

    /* The newest is published before the cursor moves; one that is pinned may be of a branch the node has
     * left. */
    bool is_ahead =
        routing == node->routing && cursor != NULL && database_is_within(database, node->published, cursor);

    if (cursor == NULL || (!is_ahead && !database_is_within(database, routing->at, cursor)))
        return false;
    return row->at != routing->at && database_is_within(database, row->at, routing->at) &&
           row->at->rows[row->key] != routing->at->rows[row->key] &&
           !is_lost_to_delay(node->world, row, routing->at);
}

static void check_routing(const struct node *node, const struct routing *routing)
{
    for (unsigned i = 0; i < ROUTES; i++) {
        if (routing->rows[i] != routing->at->rows[KEYS + i])
            report_violation("I6", "node %d: route %u of the snapshot of %" PRIu64 " is of commit %d, not %d",
                             node->index, i, routing->at->position, routing->rows[i],
                             routing->at->rows[KEYS + i]);
    }
}

/* What is wrong with serving this row; NULL: nothing. */
static const char *find_fault(const struct node *node, const struct row *row, const struct debt *debt)
{
    if (!is_new_enough(node, row, debt))
        return is_comparable(&node->world->database, row->at, debt->owed) ? "I1" : "I9";
    return is_behind_routing(node, row, debt->routing) ? "I7" : NULL;
}

/* What a request could insist on that begins now. */
static struct debt current_debt(const struct node *node)
{
    return (struct debt){node->published, node->routing, node->good_step};
}

static void report_row(const char *fault, const char *how, const struct row *row, const struct commit *owed)
{
    report_violation(fault,
                     "node %d: key %u %s, read at %" PRIu64 " (branch %u, row of commit %d) though %" PRIu64
                     " (branch %u, row of commit %d) is owed",
                     row->node->index, row->key, how, row->at->position, row->at->branch,
                     row->at->rows[row->key], owed->position, owed->branch, owed->rows[row->key]);
}

/* ---- what lies in the cache ---- */

struct look {
    const struct node *node;
    unsigned key;
    uint64_t position; /* what was found */
};

static void check_absence(const struct look *look, uint64_t position)
{
    const struct node *node = look->node;
    const struct absences *absences = &node->absences[look->key];
    const struct debt debt = current_debt(node);
    const struct row *last = NULL;

    if (absences->count > ABSENCES)
        return; /* which delivery it was is not known any more */
    for (uint64_t i = 0; i < absences->count; i++) {
        if (absences->positions[i] != position && !node->world->plan.delay_gate)
            continue;
        last = &absences->rows[i];
        if (find_fault(node, last, &debt) == NULL)
            return;
    }
    if (last == NULL)
        report_violation("I2", "node %d: key %u is cached as absent at %" PRIu64 ", which nobody has told it",
                         node->index, look->key, position);
    report_row(find_fault(node, last, &debt), "is cached as absent", last, node->published);
}

static void check_entry(void *arg, const struct cache_entry_info *info)
{
    struct look *look = arg;
    const struct node *node = look->node;
    const struct row *row = info->object;
    const struct debt debt = current_debt(node);
    const char *fault;

    look->position = info->position;
    if (info->position < node->cached_at[look->key])
        report_violation("6.1", "node %d: key %u as of %" PRIu64 " has taken the place of %" PRIu64,
                         node->index, look->key, info->position, node->cached_at[look->key]);
    if (info->negative) {
        check_absence(look, info->position);
        return;
    }
    fault = find_fault(node, row, &debt);
    if (fault != NULL)
        report_row(fault, "is cached", row, node->published);
    if (row->key != look->key)
        report_violation("I2", "node %d: key %u holds the row of key %u", node->index, look->key, row->key);
    if (info->position != row->at->newest->position && !node->world->plan.delay_gate)
        report_violation("I2", "node %d: key %u was read at %" PRIu64 " and is cached as of %" PRIu64,
                         node->index, look->key, row->at->newest->position, info->position);
}

/* ---- bounds ---- */

static bool is_joinable(const struct cache *cache, const struct cache_flight *flight)
{
    return !flight->outdated && flight->generation == cache->generation;
}

/* Two loads of one key that a request could join. */
static void check_flights(const struct node *node)
{
    const struct flights *flights = &node->cache->flights;
    const struct plan *plan = &node->world->plan;
    unsigned seen = 0;

    if (flights->running > plan->max_flights || flights->queued > plan->max_queued)
        report_violation("I14", "node %d: %d loads run and %d wait", node->index, flights->running,
                         flights->queued);
    for (size_t i = 0; i < FLIGHT_BUCKETS && flights->count > 1; i++) {
        for (const struct cache_flight *flight = flights->buckets[i]; flight != NULL; flight = flight->next) {
            if (!is_joinable(node->cache, flight))
                continue;
            if ((seen >> flight->ask.lookup & 1) != 0)
                report_violation("I5", "node %d: two loads of key %u at once", node->index,
                                 flight->ask.lookup);
            seen |= 1U << flight->ask.lookup;
        }
    }
}

static void check_size(const struct node *node)
{
    struct cache_stats stats;

    cache_read_stats(node->cache, &stats);
    if (stats.bytes > node->world->plan.max_bytes + (uint64_t)CACHE_SHARDS * 2 * ENTRY_BYTES)
        report_violation("I14", "node %d: %" PRIu64 " bytes are cached", node->index, stats.bytes);
    if (node->board.reader.cursor.pend_count > CURSOR_PEND)
        report_violation("I14", "node %d: pend is too long", node->index);
}

/* Since when the node has owed its clients something it has not applied; INT64_MAX: it is up to date. */
static int64_t behind_since_us(const struct node *node)
{
    const struct database *database = &node->world->database;
    const struct snapshot primary = database_primary(database);
    int64_t since_us;

    if (node->published == primary.at)
        return INT64_MAX;
    if (!database_is_within(database, node->published, primary.at))
        return node->obstacle_us;
    if (primary.at->depth - node->published->depth > 500)
        return INT64_MAX; /* an import: A is unbounded */
    since_us = primary.branch->line[node->published->depth + 1]->at_us;
    return since_us > node->obstacle_us ? since_us : node->obstacle_us;
}

static void check_bound(const struct node *node)
{
    const struct plan *plan = &node->world->plan;
    int64_t since_us = behind_since_us(node);
    int64_t bound_us = (plan->poll_ms + plan->poll_deadline_ms) * 1000 + APPLY_US;

    if (node->state != NODE_SERVING || node->stopped || node->world->database.down || since_us == INT64_MAX)
        return;
    if (fibers_now_us() - since_us > bound_us)
        report_violation("I3",
                         "node %d has applied %" PRIu64 " of %" PRIu64 " and has been behind for %" PRId64
                         " ms; the bound is %" PRId64 " ms",
                         node->index, node->published->position,
                         database_tip(&node->world->database)->position, (fibers_now_us() - since_us) / 1000,
                         bound_us / 1000);
}

void oracle_check_node(struct node *node)
{
    if (node->published == NULL)
        return;
    for (unsigned key = 0; key < KEYS; key++) {
        struct look look = {.node = node, .key = key};

        (void)cache_peek(node->cache, node_digest(node->world, key), check_entry, &look);
        node->cached_at[key] = look.position;
    }
    check_routing(node, node->routing);
    check_flights(node);
    check_bound(node);
    if (node->world->step % 64 == 0)
        check_size(node);
}

/* ---- what a request is told ---- */

/* Older than its time, or than a purge; unless it stands in for a load that has failed. */
static const char *find_age_fault(const struct request *request, const struct row *row)
{
    const struct node *node = request->node;
    const struct plan *plan = &node->world->plan;
    unsigned key = request->key;
    int64_t ttl_ms = row->at->rows[key] > 0 ? plan->ttl_ms : plan->negative_ttl_ms;
    bool is_excusing = request_is_excusing(node, key);
    bool stands_in =
        is_excusing || node->excused_us[key] + plan->resurrect_ms * 1000 + AGE_SLACK_US >= fibers_now_us();
    bool waited = request->filled_us != 0;
    /* A node that was stopped may have been about to put it in. */
    int64_t from_us = row->delivered_us > node->continued_us ? row->delivered_us : node->continued_us;

    if (ttl_ms > 0 && !waited && !stands_in && fibers_now_us() > from_us + ttl_ms * 1000 + AGE_SLACK_US)
        return "ttl";
    if (row->read_step < node->purges[key].began_step && request->began_step > node->purges[key].ended_step &&
        node->excused_step[key] < node->purges[key].began_step && !is_excusing)
        return "purge";
    return NULL;
}

static const char *find_answer_fault(const struct request *request, const struct row *row)
{
    const char *fault = find_fault(request->node, row, &request->debt);

    return fault != NULL ? fault : find_age_fault(request, row);
}

static void check_absent_answer(const struct request *request)
{
    const struct absences *absences = &request->node->absences[request->key];
    const char *fault = "I2";

    if (absences->count > ABSENCES)
        return;
    for (uint64_t i = 0; i < absences->count && fault != NULL; i++)
        fault = find_answer_fault(request, &absences->rows[i]);
    if (fault != NULL)
        report_row(fault, "was answered to be absent",
                   &absences->rows[absences->count > 0 ? absences->count - 1 : 0], request->debt.owed);
}

void oracle_check_answer(const struct request *request, enum cache_status status, const struct row *row)
{
    const char *fault;

    check_routing(request->node, request->debt.routing);
    if (request->node->world->is_at_rest && status != CACHE_NEGATIVE && status != CACHE_HIT)
        report_violation("I11", "at rest key %u cannot be loaded", request->key);
    if (status == CACHE_NEGATIVE)
        check_absent_answer(request);
    if (status != CACHE_HIT)
        return;
    report_say("key %u is answered, read at %" PRIu64, request->key, row->at->position);
    fault = find_answer_fault(request, row);
    if (fault != NULL)
        report_row(fault, request->filled_us == 0 ? "was a hit" : "was answered", row, request->debt.owed);
}

bool oracle_must_accept(const struct node *node, const struct fill *fill)
{
    struct cache *cache = node->cache;
    const struct cursor *cursor = &node->board.reader.cursor;
    const struct commit *at_cursor = cursor_commit(node);

    if (fill->failed || fill->from_replica || cache->frozen || at_cursor == NULL)
        return false;
    if (fill->position <
        fence_of_key(&cache->fences, node_digest(node->world, fill->key), (uint8_t)(fill->key % KEY_TYPES)))
        return false;
    if (fill->position <= cursor->applied)
        return fill->position >= cursor->base && cursor->applied - fill->position < CURSOR_RING &&
               database_is_within(&node->world->database, fill->at, at_cursor);
    return !cursor_contradicts_pend(cursor, fill->position, fill->tag);
}

/* ---- positions ---- */

void oracle_check_report(const struct node *node, uint64_t position, int64_t tag)
{
    const struct database *database = &node->world->database;
    const struct commit *reported = database_find(database, tag);

    if (reported == NULL || reported->position != position)
        report_violation("I10", "node %d reports %" PRIu64 " under a tag that is not its own", node->index,
                         position);
    if (node->published == NULL ||
        (reported != node->published && database_is_within(database, node->published, reported)))
        report_violation("I10", "node %d reports %" PRIu64 " and has applied %" PRIu64, node->index, position,
                         node->published != NULL ? node->published->position : 0);
}

void oracle_check_fences(const struct node *node)
{
    uint64_t applied = node->board.reader.cursor.applied;

    for (unsigned key = 0; key < KEYS; key++) {
        uint64_t fence =
            fence_of_key(&node->cache->fences, node_digest(node->world, key), (uint8_t)(key % KEY_TYPES));

        if (fence > applied)
            report_violation("I11", "key %u: its fence is %" PRIu64 ", but only %" PRIu64 " is applied", key,
                             fence, applied);
    }
}

void oracle_check_bell(struct node *node)
{
    int64_t interval_us = node->board.bell.interval_us;
    int64_t full_us = node->bells_full_us > fibers_now_us() ? node->bells_full_us : fibers_now_us();

    if (node->was_woken) {
        node->was_woken = false;
        return;
    }
    if (full_us - fibers_now_us() > (BELL_BURST + 2) * interval_us)
        report_violation("I14", "node %d: the bell has caused too many polls", node->index);
    node->bells_full_us = full_us + interval_us;
}

void oracle_note_facts(const struct node *node, struct oracle_facts *facts)
{
    const struct cursor *cursor = &node->board.reader.cursor;
    struct fences *fences = &node->cache->fences;

    memset(facts, 0, sizeof(*facts));
    facts->applied = board_applied(&node->board);
    facts->cursor_applied = cursor->applied;
    facts->base = cursor->base;
    facts->oldest = cursor->oldest;
    facts->tag = cursor_tag(cursor);
    facts->pend_count = cursor->pend_count;
    facts->routing = node->routing;
    facts->frozen = node->cache->frozen;
    for (unsigned key = 0; key < KEYS; key++)
        facts->fences[key] = fence_of_key(fences, node_digest(node->world, key), (uint8_t)(key % KEY_TYPES));
    for (uint8_t type = 0; type < KEY_TYPES; type++)
        facts->fences[KEYS + type] = fence_of_type(fences, type);
    facts->fences[KEYS + KEY_TYPES] = fences->all;
}

void oracle_compare_facts(const struct node *node, const struct oracle_facts *before)
{
    struct oracle_facts after;

    oracle_note_facts(node, &after);
    if (memcmp(&after, before, sizeof(after)) != 0)
        report_violation("I4", "node %d: a hint has moved a position, a fence, a tag or the snapshot",
                         node->index);
}

/* ---- at rest ---- */

static void check_rest_of_entry(void *arg, const struct cache_entry_info *info)
{
    const struct look *look = arg;
    const struct commit *tip = database_tip(&look->node->world->database);
    const struct row *row = info->object;
    int32_t owed = tip->rows[look->key];
    bool agrees = info->negative ? owed <= 0 : row->at->rows[look->key] == owed;

    if (!agrees)
        report_violation("I2", "node %d: at rest key %u is not what the database holds", look->node->index,
                         look->key);
}

static void check_rest_of_node(const struct node *node)
{
    const struct commit *tip = database_tip(&node->world->database);
    const struct flights *flights = &node->cache->flights;

    if (node->published != tip)
        report_violation("I3", "node %d rests at %" PRIu64 ", the head is %" PRIu64, node->index,
                         node->published->position, tip->position);
    if (flights->count != 0 || flights->running != 0 || flights->queued != 0)
        report_violation("I5", "node %d rests with %zu loads, %d running, %d queued", node->index,
                         flights->count, flights->running, flights->queued);
    for (const struct request *request = node->requests; request != NULL; request = request->next) {
        if (request->state == REQUEST_WAITING)
            report_violation("I11", "node %d: nobody tells who waits for key %u", node->index, request->key);
    }
    for (unsigned i = 0; i < ROUTES; i++) {
        if (node->routing->rows[i] != tip->rows[KEYS + i])
            report_violation("I6", "node %d: at rest route %u is not what the database holds", node->index,
                             i);
    }
    for (unsigned key = 0; key < KEYS; key++) {
        struct look look = {.node = node, .key = key};

        (void)cache_peek(node->cache, node_digest(node->world, key), check_rest_of_entry, &look);
    }
}

void oracle_check_rest(const struct world *world)
{
    for (int i = 0; i < world->plan.nodes; i++)
        check_rest_of_node(world->nodes[i]);
}
