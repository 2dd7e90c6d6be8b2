#pragma once

/*
 * nodes - a node of a test cluster: a bus with a subscriber that writes down what it is given, and a writer.
 *
 * Every change adds one to the single row of rows_of_test in the transaction of its event. So in the state of
 * position p the row is p - 1, and the subscriber can tell whether the view it was lent is the one of its
 * batch.
 */

#include <pthread.h>

#include "bus/bus.h"
#include "bus/outbox.h"
#include "tests/unit/bus/servers.h"

enum {
    NODE_POLL_MS = 100
};

struct node {
    struct bus *bus;
    struct bus_options options;
    pthread_mutex_t lock;
    /* under lock */
    uint64_t position; /* last one given, by batch or by resync */
    uint64_t batches;
    uint64_t out_of_order; /* events that did not follow their predecessor */
    uint64_t torn;         /* views that were not the state of their position */
    uint64_t hints;        /* keys handed to on_hint */
    int restarts;
    int refuse_next; /* so many batches are refused */
    char reason[16]; /* of the last resync */
    char log[4096];
};

static uint64_t row_in_view(struct pg_session *view)
{
    const struct pg_statement statement = {.sql = "SELECT value FROM rows_of_test"};
    PGresult *result;
    struct bus_err err;
    uint64_t value;

    if (!pg_session_run(view, &statement, 1, &result, 2000, &err))
        return UINT64_MAX;
    value = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return value;
}

static bool node_apply(void *arg, const struct bus_batch *batch, struct bus_err *err)
{
    struct node *node = arg;
    uint64_t value = row_in_view(batch->view);
    bool good = true;

    (void)pthread_mutex_lock(&node->lock);
    if (node->refuse_next > 0) {
        node->refuse_next--;
        good = bus_err_set(err, BUS_ERR_INTERNAL, "refused by the test");
    }
    for (size_t i = 0; good && i < batch->event_count; i++) {
        const struct bus_event *event = &batch->events[i];

        node->out_of_order += event->position != node->position + (event->n == 1);
        node->position = event->position;
    }
    if (good) {
        node->torn += value != batch->head - 1 || node->position != batch->head;
        node->batches++;
    }
    (void)pthread_mutex_unlock(&node->lock);
    return good;
}

static bool node_load(void *arg, const struct bus_batch *batch, struct bus_err *err)
{
    struct node *node = arg;

    if (row_in_view(batch->view) == UINT64_MAX)
        return bus_err_set(err, BUS_ERR_INTERNAL, "the view cannot be read");
    (void)pthread_mutex_lock(&node->lock);
    (void)snprintf(node->reason, sizeof(node->reason), "%s", batch->reason);
    (void)pthread_mutex_unlock(&node->lock);
    return true;
}

static void node_restart(void *arg, uint64_t head, int64_t head_tag)
{
    struct node *node = arg;

    (void)head_tag;
    (void)pthread_mutex_lock(&node->lock);
    node->position = head;
    node->restarts++;
    (void)pthread_mutex_unlock(&node->lock);
}

static void node_on_hint(void *arg, uint64_t position, const uint8_t (*keys)[16], size_t key_count)
{
    struct node *node = arg;

    (void)position;
    (void)keys;
    (void)pthread_mutex_lock(&node->lock);
    node->hints += key_count;
    (void)pthread_mutex_unlock(&node->lock);
}

static void node_log(void *arg, enum bus_log_level level, const char *text)
{
    struct node *node = arg;
    size_t used;

    (void)level;
    (void)pthread_mutex_lock(&node->lock);
    used = strlen(node->log);
    (void)snprintf(node->log + used, sizeof(node->log) - used, "%s\n", text);
    (void)pthread_mutex_unlock(&node->lock);
}

/* Says how often the log holds this text. */
static UNUSED int node_logged(struct node *node, const char *text)
{
    int times = 0;

    (void)pthread_mutex_lock(&node->lock);
    for (const char *at = strstr(node->log, text); at != NULL; at = strstr(at + 1, text))
        times++;
    (void)pthread_mutex_unlock(&node->lock);
    return times;
}

static UNUSED bool node_was_restarted_for(struct node *node, const char *reason)
{
    bool was;

    (void)pthread_mutex_lock(&node->lock);
    was = node->restarts > 1 && strcmp(node->reason, reason) == 0;
    (void)pthread_mutex_unlock(&node->lock);
    return was;
}

static UNUSED struct bus_stats node_stats(const struct node *node)
{
    struct bus_stats stats;

    bus_read_stats(node->bus, &stats);
    return stats;
}

/* Fills in the options; the test may change them before node_open(). */
static UNUSED struct node *node_new(const struct servers *servers, uint8_t id)
{
    struct node *node = machine_alloc(sizeof(*node));

    (void)pthread_mutex_init(&node->lock, NULL);
    node->options = (struct bus_options){
        .primary = servers_pg_options(servers),
        .node_id = {id},
        .boot_id = {id, 1},
        .node_name = "node",
        .version = "test",
        .poll_deadline_ms = 1000,
        .retention_ms = 3600000,
        .lease_ms = 15000,
        .live = {.poll_ms = NODE_POLL_MS, .channel = BUS_CHANNEL_OFF},
        .subscriber = {.apply = node_apply, .load = node_load, .restart = node_restart, .arg = node},
        .on_hint = node_on_hint,
        .log = node_log,
        .arg = node,
    };
    return node;
}

static UNUSED void node_open(struct node *node)
{
    struct bus_err err;

    if (!bus_open(&node->options, &node->bus, &err))
        fail_msg("bus_open: %s", err.text);
}

static UNUSED struct node *node_start(const struct servers *servers, uint8_t id)
{
    struct node *node = node_new(servers, id);

    node_open(node);
    return node;
}

/* Everything that must hold for any node at any time. */
static UNUSED void node_stop(struct node *node)
{
    bus_close(node->bus);
    assert_int_equal(node->out_of_order, 0);
    assert_int_equal(node->torn, 0);
    (void)pthread_mutex_destroy(&node->lock);
    free(node);
}

/* One change with `count` events; returns its receipt. */
static UNUSED struct outbox_receipt write_change(struct pg_session *session, size_t count, unsigned flags)
{
    static const uint8_t keys[1][16] = {"some key digest"};
    static const uint8_t origin[16] = {0};
    struct outbox_receipt receipt = {0};
    struct bus_event *events = machine_alloc(count * sizeof(*events));
    struct bus_err err;

    for (size_t i = 0; i < count; i++)
        events[i] = (struct bus_event){.kind = BUS_EVENT_ROW,
                                       .entity = "things",
                                       .has_id = true,
                                       .keys = keys,
                                       .key_count = 1,
                                       .flags = flags};
    if (!outbox_begin(session, 5000, &err))
        fail_msg("begin: %s", err.text);
    (void)ask_sql(session, "UPDATE rows_of_test SET value = value + 1");
    if (!outbox_commit(session, events, count, origin, 5000, &receipt, &err))
        fail_msg("commit: %s", err.text);
    free(events);
    return receipt;
}

static UNUSED void make_rows(struct pg_session *session)
{
    make_log(session);
    (void)ask_sql(session, "INSERT INTO rows_of_test VALUES (1, 0)");
}
