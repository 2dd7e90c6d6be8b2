/*
 * Each statement takes time to get there and back, and the snapshot is taken in between. It may fail at any
 * time, before or after it was executed. A session stays with the server it has found: after a failover that
 * may be the old primary, and now and then it is a standby.
 */

#include "tests/sim/sql.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/pg_session.h"
#include "bus/poller.h"
#include "bus/trim.h"
#include "gateway/base/mem.h"
#include "tests/sim/fiber.h"
#include "tests/sim/node.h"
#include "tests/sim/report.h"
#include "tests/sim/world.h"

struct pg_session {
    struct node *node;
    bool connected;
    bool is_standby;
    uint32_t branch;
    uint64_t connects;
    const struct commit *view; /* NULL: none is open */
    uint64_t view_step;
};

static struct world *the_world; /* SQL has no argument to bring it */

void sql_begin(struct world *world)
{
    the_world = world;
}

/* ---- bus/pg_session.h ---- */

bool bus_err_set(struct bus_err *err, enum bus_err_code code, const char *format, ...)
{
    va_list arguments;

    *err = (struct bus_err){.code = code};
    va_start(arguments, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    return false;
}

struct pg_session *pg_session_new(const struct pg_options *options)
{
    struct pg_session *session = mem_zalloc(sizeof(*session));

    session->node = the_world->nodes[options->port];
    return session;
}

void pg_session_free(struct pg_session *session)
{
    free(session);
}

static bool is_fault(unsigned per_myriad)
{
    return !the_world->calm && dice_chance(&the_world->dice, per_myriad);
}

static bool find_server(struct pg_session *session)
{
    const struct database *database = &the_world->database;

    session->is_standby = database->replica_count > 0 && is_fault(300);
    session->branch = database->present;
    if (database->old >= 0 && is_fault(5000))
        session->branch = (uint32_t)database->old;
    session->connected = session->branch != database->present || !database->down || session->is_standby;
    session->connects += session->connected;
    return session->connected;
}

static bool is_reachable(const struct pg_session *session)
{
    const struct database *database = &the_world->database;

    if (session->branch == database->present)
        return !database->down || session->is_standby;
    return database->old == (int)session->branch;
}

bool pg_session_is_connected(const struct pg_session *session)
{
    return session->connected;
}

void pg_session_drop(struct pg_session *session)
{
    session->connected = false;
    session->view = NULL;
    session->node->obstacle_us = fibers_now_us();
}

uint64_t pg_session_connects(const struct pg_session *session)
{
    return session->connects;
}

bool pg_session_is_in_transaction(const struct pg_session *session)
{
    return session->view != NULL;
}

static void travel(void)
{
    fiber_sleep(dice_up_to(&the_world->dice, the_world->plan.latency_us));
}

static bool fail(struct pg_session *session, int64_t deadline_ms, struct bus_err *err)
{
    bool hangs = dice_below(&the_world->dice, 4) == 0;

    fiber_sleep(dice_up_to(&the_world->dice, hangs ? deadline_ms * 1000 : the_world->plan.latency_us));
    pg_session_drop(session);
    report_say("a statement of the bus fails");
    return bus_err_set(err, BUS_ERR_DEADLINE, "no answer");
}

/* To the server. From here to the next travel() or fiber_pause() is one snapshot. */
static bool ask(struct pg_session *session, int64_t deadline_ms, struct bus_err *err)
{
    travel();
    if (!session->connected && !find_server(session))
        return fail(session, deadline_ms, err);
    if (!is_reachable(session) || is_fault(the_world->plan.faults))
        return fail(session, deadline_ms, err);
    if (session->branch != the_world->database.present)
        session->node->obstacle_us = fibers_now_us(); /* what the primary has committed is not here */
    return true;
}

/* And back. */
static bool get(struct pg_session *session, int64_t deadline_ms, struct bus_err *err)
{
    travel();
    return !is_fault(the_world->plan.faults / 4) || fail(session, deadline_ms, err);
}

bool pg_session_connect(struct pg_session *session, int64_t deadline_ms, struct bus_err *err)
{
    return session->connected || ask(session, deadline_ms, err);
}

bool pg_session_command(struct pg_session *session, const char *sql, int64_t deadline_ms, struct bus_err *err)
{
    (void)sql; /* ROLLBACK */
    session->view = NULL;
    return ask(session, deadline_ms, err);
}

static struct snapshot snapshot_of(const struct pg_session *session)
{
    const struct database *database = &the_world->database;

    return session->branch == database->present ? database_primary(database) : database_old(database);
}

const struct commit *sql_view(const struct pg_session *session)
{
    return session->view;
}

uint64_t sql_view_step(const struct pg_session *session)
{
    return session->view_step;
}

bool sql_read_rows(struct pg_session *session, struct bus_err *err)
{
    return ask(session, 1000, err) && get(session, 1000, err);
}

/* ---- bus/registry.h ---- */

void registry_init(struct registry_self *self, const uint8_t node_id[16], const uint8_t boot_id[16],
                   int64_t lease_ms)
{
    (void)self;
    (void)node_id;
    (void)boot_id;
    (void)lease_ms;
}

void registry_fill_row(const struct registry_self *self, enum registry_state state, uint64_t position,
                       int64_t tag, struct registry_row *row)
{
    (void)self;
    (void)state;
    (void)snprintf(row->position, sizeof(row->position), "%" PRIu64, position);
    (void)snprintf(row->tag, sizeof(row->tag), "%" PRId64, tag);
}

bool registry_join(const struct registry_self *self, struct pg_session *session, int64_t deadline_ms,
                   struct bus_err *err)
{
    (void)self;
    return ask(session, deadline_ms, err);
}

bool registry_leave(const struct registry_self *self, struct pg_session *session, int64_t deadline_ms,
                    struct bus_err *err)
{
    (void)self;
    return ask(session, deadline_ms, err);
}

static void write_row(struct pg_session *session, const struct registry_row *beat)
{
    if (beat != NULL)
        node_report(session->node, strtoull(beat->position, NULL, 10), strtoll(beat->tag, NULL, 10));
}

/* ---- bus/poller.h ---- */

void poller_init(struct poller *poller, struct pg_session *session, int64_t deadline_ms)
{
    *poller = (struct poller){.session = session, .deadline_ms = deadline_ms};
}

void poller_fini(struct poller *poller)
{
    free(poller->events);
    free(poller->keys);
}

static void read_head(struct poller *poller, const struct snapshot *snapshot, uint64_t applied,
                      struct reader_head *head)
{
    database_read_head(snapshot, applied, head);
    head->in_recovery = poller->session->is_standby;
    poller->extra.node_count = the_world->plan.nodes > 0 ? (uint64_t)the_world->plan.nodes : 1;
}

bool poller_peek(struct poller *poller, uint64_t applied, const struct registry_row *beat,
                 struct reader_head *head, struct bus_err *err)
{
    struct pg_session *session = poller->session;
    struct snapshot snapshot;

    if (!ask(session, poller->deadline_ms, err))
        return false;
    write_row(session, beat);
    snapshot = snapshot_of(session);
    read_head(poller, &snapshot, applied, head);
    return get(session, poller->deadline_ms, err);
}

/* One event per row of routing, one per type of keyed rows with all their keys, or one of a wide kind. */
static void add_events(struct poller *poller, const struct commit *commit, uint8_t (**keys)[16])
{
    struct bus_event event = {.position = commit->position,
                              .n = 1,
                              .tag = commit->tag,
                              .kind = commit->kind,
                              .flags = commit->acknowledge ? BUS_EVENT_ACKNOWLEDGE : 0};

    if (commit->kind == BUS_EVENT_ENTITY)
        (void)snprintf(event.entity, sizeof(event.entity), "%s", node_types[commit->type]);
    if (commit->kind != BUS_EVENT_ROW) {
        poller->events[poller->event_count++] = event;
        return;
    }
    for (unsigned row = KEYS; row < ROWS; row++) {
        if ((commit->changed >> row & 1) == 0)
            continue;
        (void)snprintf(event.entity, sizeof(event.entity), "%s",
                       node_types[KEY_TYPES + (row - KEYS) % ROUTE_TYPES]);
        event.has_id = true;
        event.id[0] = (uint8_t)(row - KEYS);
        poller->events[poller->event_count++] = event;
        event.n++;
    }
    for (unsigned type = 0; type < KEY_TYPES; type++) {
        (void)snprintf(event.entity, sizeof(event.entity), "%s", node_types[type]);
        event.has_id = false;
        event.keys = (const uint8_t(*)[16]) * keys;
        event.key_count = 0;
        for (unsigned key = type; key < KEYS; key += KEY_TYPES) {
            if ((commit->changed >> key & 1) != 0)
                memcpy((*keys)[event.key_count++], node_digest(the_world, key)->bytes, 16);
        }
        *keys += event.key_count;
        if (event.key_count > 0) {
            poller->events[poller->event_count++] = event;
            event.n++;
        }
    }
}

static void read_events(struct poller *poller, const struct snapshot *snapshot, uint64_t applied)
{
    enum {
        COMMITS = READER_MAX_COMMITS + 1
    };
    static const struct commit *commits[COMMITS];
    size_t count = database_read_log(snapshot, applied, commits, COMMITS);
    uint8_t(*keys)[16];

    poller->events = mem_realloc(poller->events, (count * ROWS + 1) * sizeof(poller->events[0]));
    poller->keys = mem_realloc(poller->keys, count * KEYS * sizeof(poller->keys[0]) + 1);
    poller->event_count = 0;
    keys = poller->keys;
    for (size_t i = 0; i < count && poller->event_count <= READER_MAX_EVENTS; i++)
        add_events(poller, commits[i], &keys);
    if (count > 0)
        poller->newest_age_ms = (fibers_now_us() - commits[count - 1]->at_us) / 1000;
}

bool poller_open_view(struct poller *poller, enum poller_scope scope, uint64_t applied,
                      struct reader_head *head, struct bus_err *err)
{
    struct pg_session *session = poller->session;
    struct snapshot snapshot;

    poller->event_count = 0;
    poller->newest_age_ms = 0;
    if (!ask(session, poller->deadline_ms, err))
        return false;
    snapshot = snapshot_of(session);
    read_head(poller, &snapshot, applied, head);
    if (scope == POLLER_HEAD_AND_EVENTS)
        read_events(poller, &snapshot, applied);
    session->view = snapshot.at;
    session->view_step = the_world->step;
    report_say("opens a view of %" PRIu64 " on branch %u", head->head, snapshot.at->branch);
    return get(session, poller->deadline_ms, err);
}

bool poller_close_view(struct poller *poller, const struct registry_row *beat, struct bus_err *err)
{
    struct pg_session *session = poller->session;

    if (session->view == NULL)
        return bus_err_set(err, BUS_ERR_CONNECT, "the connection broke while the view was open");
    session->view = NULL;
    if (!ask(session, poller->deadline_ms, err))
        return false;
    write_row(session, beat);
    return get(session, poller->deadline_ms, err);
}

/* ---- bus/trim.h ---- */

static struct branch *trimmed_branch(const struct pg_session *session)
{
    return session->branch == the_world->database.present
               ? &the_world->database.branches[the_world->database.present]
               : NULL;
}

bool trim_move_floor(struct pg_session *session, int64_t retention_ms, int64_t deadline_ms, bool *moved,
                     struct bus_err *err)
{
    const struct branch *branch;
    uint64_t floor = 0;

    if (!ask(session, deadline_ms, err))
        return false;
    branch = trimmed_branch(session);
    for (uint32_t i = 0; branch != NULL && i < branch->length; i++) {
        if (branch->line[i]->at_us < fibers_now_us() - retention_ms * 1000)
            floor = branch->line[i]->position;
    }
    *moved = branch != NULL && floor > branch->floor;
    if (*moved)
        database_prune(&the_world->database, floor, /* delete_rows= */ false);
    return get(session, deadline_ms, err);
}

bool trim_delete(struct pg_session *session, int64_t deadline_ms, uint64_t *deleted, struct bus_err *err)
{
    struct branch *branch;

    if (!ask(session, deadline_ms, err))
        return false;
    branch = trimmed_branch(session);
    *deleted = 0;
    if (branch != NULL && branch->deleted < branch->floor) {
        *deleted = branch->floor - branch->deleted;
        branch->deleted = branch->floor;
    }
    return get(session, deadline_ms, err);
}
