/* Nodes on one database: everything arrives, in order, in its own snapshot; contradictions start over. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/bus/nodes.h"

enum {
    SOON_MS = 5000,
    WRITES = 40
};

struct fixture {
    struct servers servers;
    struct pg_session *session;
    bool usable;
};

static int set_up(void **state)
{
    struct fixture *f = machine_alloc(sizeof(*f));

    *state = f;
    f->usable = servers_start_postgres(&f->servers);
    if (f->usable) {
        const struct pg_options options = servers_pg_options(&f->servers);

        f->session = pg_session_new(&options);
    }
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    pg_session_free(f->session);
    servers_stop(&f->servers);
    free(f);
    return 0;
}

static struct fixture *need(void **state)
{
    struct fixture *f = *state;

    if (!f->usable)
        skip();
    make_rows(f->session);
    return f;
}

static void two_nodes_are_given_every_change_in_order(void **state)
{
    struct fixture *f = need(state);
    struct node *a = node_start(&f->servers, 1);
    struct node *b = node_start(&f->servers, 2);
    struct outbox_receipt last = {0};

    for (int i = 0; i < WRITES; i++) {
        last = write_change(f->session, (size_t)(i % 3) + 1, 0);
        if (i % 4 == 0)
            bus_wake(a->bus);
    }
    assert_int_equal(last.position, WRITES + 1);
    assert_true(bus_wait(a->bus, last.position, SOON_MS));
    assert_true(bus_wait(b->bus, last.position, SOON_MS));
    assert_int_equal(a->position, last.position);
    assert_int_equal(b->position, last.position);
    assert_int_equal(a->restarts + b->restarts, 2);
    node_stop(a);
    node_stop(b);
}

static void a_change_is_applied_within_the_poll_frequency(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_start(&f->servers, 1);

    for (int i = 0; i < 5; i++) {
        struct outbox_receipt receipt = write_change(f->session, 1, 0);

        assert_true(bus_wait(node->bus, receipt.position, NODE_POLL_MS + 200));
    }
    node_stop(node);
}

static void waiting_for_what_does_not_come_ends_in_time(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_start(&f->servers, 1);
    int64_t started_us = machine_now_us();

    assert_false(bus_wait(node->bus, 99, 150));
    assert_in_range(machine_now_us() - started_us, 140000, 1000000);
    node_stop(node);
}

/* One has a transaction number, the other a snapshot: neither holds back what is final (consistency
 * reference, 3.1). */
static void open_transactions_of_others_delay_nothing(void **state)
{
    struct fixture *f = need(state);
    const struct pg_options options = servers_pg_options(&f->servers);
    struct pg_session *others[2] = {pg_session_new(&options), pg_session_new(&options)};
    struct node *node = node_start(&f->servers, 1);

    (void)ask_sql(others[0], "BEGIN");
    (void)ask_sql(others[0], "SELECT pg_current_xact_id()");
    (void)ask_sql(others[1], "BEGIN ISOLATION LEVEL REPEATABLE READ");
    (void)ask_sql(others[1], "SELECT count(*) FROM cluster_log");
    for (int i = 0; i < 3; i++) {
        struct outbox_receipt receipt = write_change(f->session, 1, 0);

        assert_true(bus_wait(node->bus, receipt.position, NODE_POLL_MS + 200));
    }
    node_stop(node);
    pg_session_free(others[0]);
    pg_session_free(others[1]);
}

static void a_refused_batch_comes_again(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_start(&f->servers, 1);
    struct outbox_receipt receipt;

    (void)pthread_mutex_lock(&node->lock);
    node->refuse_next = 3;
    (void)pthread_mutex_unlock(&node->lock);
    receipt = write_change(f->session, 2, 0);
    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    assert_int_equal(node->batches, 1);
    assert_true(node_stats(node).poll_failures >= 3);
    assert_true(HOLDS_WITHIN(SOON_MS, node_logged(node, "followed again") == 1));
    assert_int_equal(node_logged(node, "cannot be followed"), 1);
    node_stop(node);
}

static void rewritten_history_starts_over(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_start(&f->servers, 1);
    struct outbox_receipt receipt = write_change(f->session, 1, 0);

    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    /* As after a failover that lost commit 2 and went on: the number is the same, the tag is not. */
    (void)ask_sql(f->session, "UPDATE cluster_log SET tag = tag + 1 WHERE pos = 2");
    assert_true(HOLDS_WITHIN(SOON_MS, node_was_restarted_for(node, "history")));
    assert_int_equal(node_stats(node).resyncs_history, 1);
    assert_int_equal(bus_judge(node->bus, receipt.position, receipt.tag, false), BUS_CONTRADICTS);
    assert_int_equal(bus_judge(node->bus, receipt.position, receipt.tag + 1, false), BUS_ACCEPT);
    node_stop(node);
}

static void a_shorter_history_starts_over(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_start(&f->servers, 1);
    struct outbox_receipt receipt = {0};

    for (int i = 0; i < 3; i++)
        receipt = write_change(f->session, 1, 0);
    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    (void)ask_sql(f->session, "WITH gone AS (DELETE FROM cluster_log WHERE pos > 2) "
                              "UPDATE rows_of_test SET value = 1");
    assert_true(HOLDS_WITHIN(SOON_MS, node_was_restarted_for(node, "history")));
    assert_int_equal(bus_applied(node->bus), 2);
    receipt = write_change(f->session, 1, 0);
    assert_true(
        HOLDS_WITHIN(SOON_MS, bus_judge(node->bus, receipt.position, receipt.tag, false) == BUS_ACCEPT &&
                                  bus_applied(node->bus) == 3));
    node_stop(node);
}

static void another_identity_starts_over_under_its_name(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_start(&f->servers, 1);
    char before[40], after[40];

    bus_position_text(node->bus, 17, before);
    (void)ask_sql(f->session, "UPDATE cluster_head SET history = '01020304-0000-0000-0000-000000000000'");
    assert_true(HOLDS_WITHIN(SOON_MS, node_was_restarted_for(node, "history")));
    bus_position_text(node->bus, 17, after);
    assert_string_equal(after, "01020304-17");
    assert_string_not_equal(before, after);
    node_stop(node);
}

static void missing_events_start_over(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_new(&f->servers, 1);

    node->options.live.poll_ms = 3000; /* both changes and the damage fall between two polls */
    node_open(node);
    (void)write_change(f->session, 1, 0);
    (void)write_change(f->session, 1, 0);
    (void)ask_sql(f->session, "DELETE FROM cluster_log WHERE pos = 2");
    bus_ring(node->bus);
    assert_true(HOLDS_WITHIN(SOON_MS, node_was_restarted_for(node, "gap")));
    assert_int_equal(bus_applied(node->bus), 3);
    node_stop(node);
}

static void an_emptied_log_is_survived(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_start(&f->servers, 1);

    (void)ask_sql(f->session, "TRUNCATE cluster_log");
    assert_true(HOLDS_WITHIN(SOON_MS, node_was_restarted_for(node, "empty")));
    (void)ask_sql(f->session, "UPDATE rows_of_test SET value = -1");
    (void)write_change(f->session, 1, 0);
    assert_true(HOLDS_WITHIN(SOON_MS, bus_applied(node->bus) == 1));
    node_stop(node);
}

static void a_floor_above_applied_starts_over(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_new(&f->servers, 1);

    node->options.live.poll_ms = 3000;
    node_open(node);
    for (int i = 0; i < 3; i++)
        (void)write_change(f->session, 1, 0);
    (void)ask_sql(f->session, "UPDATE cluster_head SET floor_pos = 3");
    (void)ask_sql(f->session, "DELETE FROM cluster_log WHERE pos <= 3");
    bus_ring(node->bus);
    assert_true(HOLDS_WITHIN(SOON_MS, node_was_restarted_for(node, "lag")));
    assert_int_equal(bus_applied(node->bus), 4);
    node_stop(node);
}

static void a_fill_from_another_history_starts_over(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_start(&f->servers, 1);

    assert_int_equal(bus_judge(node->bus, 7, 12345, false), BUS_ACCEPT);
    assert_true(HOLDS_WITHIN(SOON_MS, node_was_restarted_for(node, "history")));
    node_stop(node);
}

static void a_fill_that_knows_more_rings(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_new(&f->servers, 1);
    struct outbox_receipt receipt;

    node->options.live.poll_ms = 4000;
    node_open(node);
    receipt = write_change(f->session, 1, 0);
    assert_int_equal(bus_judge(node->bus, receipt.position, receipt.tag, false), BUS_ACCEPT);
    assert_true(bus_wait(node->bus, receipt.position, 1000));
    assert_int_equal(node->restarts, 1);
    node_stop(node);
}

static void a_broken_connection_is_replaced_and_logged_once(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_start(&f->servers, 1);
    struct outbox_receipt receipt;

    stop_process(&f->servers.postgres, SIGQUIT);
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(node).poll_failures >= 3));
    assert_true(servers_run_postgres(&f->servers));
    receipt = write_change(f->session, 1, 0);
    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    assert_int_equal(node_logged(node, "cannot be followed"), 1);
    assert_true(HOLDS_WITHIN(SOON_MS, node_logged(node, "followed again") == 1));
    assert_true(node_stats(node).pg_reconnects >= 1);
    assert_int_equal(node->restarts, 1);
    node_stop(node);
}

static void a_server_that_hangs_costs_the_poll_deadline(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_new(&f->servers, 1);
    struct outbox_receipt receipt;

    node->options.poll_deadline_ms = 300;
    node_open(node);
    (void)ask_sql(f->session, "BEGIN");
    (void)ask_sql(f->session, "LOCK TABLE cluster_head IN ACCESS EXCLUSIVE MODE");
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(node).poll_failures >= 2));
    (void)ask_sql(f->session, "COMMIT");
    receipt = write_change(f->session, 1, 0);
    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    node_stop(node);
}

static void a_node_is_registered_beats_and_says_goodbye(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_new(&f->servers, 1);
    struct outbox_receipt receipt;

    node->options.lease_ms = 600;
    node_open(node);
    assert_string_equal(ask_sql(f->session, "SELECT state || ' ' || applied_pos FROM cluster_node"), "2 1");
    receipt = write_change(f->session, 1, 0);
    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    assert_true(HOLDS_WITHIN(SOON_MS, ask_sql(f->session, "SELECT applied_pos FROM cluster_node")[0] == '2'));
    assert_true(node_stats(node).heartbeats >= 2);
    (void)ask_sql(f->session, "DELETE FROM cluster_node");
    assert_true(HOLDS_WITHIN(SOON_MS, ask_sql(f->session, "SELECT count(*) FROM cluster_node")[0] == '1'));
    node_stop(node);
    assert_string_equal(ask_sql(f->session, "SELECT count(*) FROM cluster_node"), "0");
}

static void a_flagged_commit_is_acknowledged_at_once(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_start(&f->servers, 1);
    struct outbox_receipt receipt = write_change(f->session, 1, BUS_EVENT_ACKNOWLEDGE);
    char sql[160];

    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    (void)snprintf(sql, sizeof(sql), "SELECT applied_tag = %lld FROM cluster_node WHERE applied_pos = 2",
                   (long long)receipt.tag);
    assert_true(HOLDS_WITHIN(500, ask_sql(f->session, sql)[0] == 't')); /* the lease is 15 s */
    node_stop(node);
}

static const char *durability_of_beat(struct fixture *f, const char *state)
{
    char sql[200];

    (void)snprintf(
        sql, sizeof(sql),
        "SELECT cluster_beat(gen_random_uuid(), gen_random_uuid(), 'n', '1', %s::smallint, 1, 1, 1, '{}')",
        state);
    (void)ask_sql(f->session, "BEGIN");
    (void)ask_sql(f->session, sql);
    const char *durability = ask_sql(f->session, "SHOW synchronous_commit");
    struct bus_err err;
    assert_true(pg_session_command(f->session, "ROLLBACK", SOON_MS, &err));
    return durability;
}

static void a_heartbeat_waits_for_no_disk_but_joining_does(void **state)
{
    struct fixture *f = need(state);

    assert_string_equal(durability_of_beat(f, "2"), "off");
    assert_string_equal(durability_of_beat(f, "1"), "on");
    assert_string_equal(ask_sql(f->session, "SHOW synchronous_commit"), "on");
}

/* All of them doing so at each poll would be their number squared. */
static void many_nodes_are_counted_less_often(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_new(&f->servers, 1);

    (void)ask_sql(
        f->session,
        "SELECT cluster_beat(gen_random_uuid(), gen_random_uuid(), 'n', '1', 2::smallint, 60000, 1, 1, '{}') "
        "FROM generate_series(1, 100)");
    node->options.live.poll_ms = 20;
    node_open(node);
    assert_int_equal(node_stats(node).node_count, 101);
    (void)ask_sql(f->session, "DELETE FROM cluster_node WHERE lease_ms = 60000");
    uint64_t polls = node_stats(node).idle_polls;
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(node).idle_polls > polls + 2));
    assert_int_equal(node_stats(node).node_count, 101);
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(node).node_count == 1));
    node_stop(node);
}

static void a_refused_heartbeat_does_not_stop_polling(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_new(&f->servers, 1);
    struct outbox_receipt receipt;

    node->options.lease_ms = 300;
    node_open(node);
    (void)ask_sql(f->session, "ALTER TABLE cluster_node ADD CHECK (applied_pos < 2) NOT VALID");
    receipt = write_change(f->session, 1, 0);
    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    assert_true(HOLDS_WITHIN(SOON_MS, node_logged(node, "heartbeat refused") == 1));
    receipt = write_change(f->session, 1, 0);
    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    assert_int_equal(node_stats(node).poll_failures, 0);
    node_stop(node);
}

static void old_events_are_trimmed_but_never_the_newest(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_new(&f->servers, 1);
    struct outbox_receipt receipt = {0};

    node->options.live.poll_ms = 20;
    node->options.retention_ms = 400;
    node_open(node);
    for (int i = 0; i < 10; i++)
        receipt = write_change(f->session, 1, 0);
    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    assert_true(
        HOLDS_WITHIN(SOON_MS, strcmp(ask_sql(f->session, "SELECT count(*) FROM cluster_log"), "1") == 0));
    assert_string_equal(ask_sql(f->session, "SELECT max(pos) FROM cluster_log"), "11");
    assert_string_equal(ask_sql(f->session, "SELECT floor_pos FROM cluster_head"), "10");
    receipt = write_change(f->session, 1, 0);
    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    assert_int_equal(node->restarts, 1);
    assert_int_equal(node_stats(node).trimmed_rows, 10);
    node_stop(node);
}

static void an_idle_poll_is_one_statement(void **state)
{
    struct fixture *f = need(state);
    struct node *node;
    struct bus_stats before, after;
    uint64_t calls;

    (void)ask_sql(f->session, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
    node = node_new(&f->servers, 1);
    node->options.live.poll_ms = 20;
    node_open(node);
    pause_ms(100);
    (void)ask_sql(f->session, "SELECT pg_stat_statements_reset()");
    before = node_stats(node);
    pause_ms(1500);
    calls = strtoull(ask_sql(f->session, "SELECT sum(calls) FROM pg_stat_statements WHERE query NOT LIKE "
                                         "'%pg_stat_statements%'"),
                     NULL, 10);
    after = node_stats(node);
    assert_true(after.polls - before.polls >= 30);
    assert_in_range(calls, after.polls - before.polls - 2, after.polls - before.polls + 2);
    node_stop(node);
}

/* They are rung all at once; each must go on polling at instants of its own. */
static void a_bell_does_not_move_the_schedule(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_new(&f->servers, 1);

    node->options.live.poll_ms = 400;
    node_open(node);
    for (int i = 0; i < 12; i++) {
        pause_ms(250);
        bus_ring(node->bus);
    }
    assert_true(node_stats(node).idle_polls >= 4); /* polls that nobody has rung for */
    assert_true(node_stats(node).bells_rung >= 8);
    node_stop(node);
}

static void nodes_that_start_together_do_not_poll_together(void **state)
{
    enum {
        NODES = 8,
        PERIOD_MS = 2000
    };
    struct fixture *f = need(state);
    struct node *nodes[NODES];
    int64_t started_us = machine_now_us();
    int early = 0;

    for (uint8_t i = 0; i < NODES; i++) {
        nodes[i] = node_new(&f->servers, i);
        nodes[i]->options.live.poll_ms = PERIOD_MS;
        node_open(nodes[i]);
    }
    pause_ms(PERIOD_MS * 85 / 100 - (machine_now_us() - started_us) / 1000);
    for (int i = 0; i < NODES; i++)
        early += node_stats(nodes[i]).idle_polls > 0;
    assert_true(early > 0); /* a pause of full length has not ended yet */
    for (int i = 0; i < NODES; i++)
        node_stop(nodes[i]);
}

static void a_reload_shortens_a_running_pause(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_new(&f->servers, 1);
    struct bus_live live = {.poll_ms = 50};
    struct outbox_receipt receipt;

    node->options.live.poll_ms = 3600000; /* the first pause is drawn from all of it */
    node->options.lease_ms = 36000000;
    node_open(node);
    receipt = write_change(f->session, 1, 0);
    assert_false(bus_wait(node->bus, receipt.position, 300));
    bus_reload(node->bus, &live);
    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    receipt = write_change(f->session, 1, 0);
    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    node_stop(node);
}

static void a_database_without_the_log_is_refused_at_the_start(void **state)
{
    struct fixture *f = need(state);
    struct node *node = node_new(&f->servers, 1);
    struct bus_err err;

    (void)ask_sql(f->session, "DROP TABLE cluster_log");
    assert_false(bus_open(&node->options, &node->bus, &err));
    assert_int_equal(err.code, BUS_ERR_SQL);
    make_rows(f->session);
    (void)ask_sql(f->session, "UPDATE cluster_head SET format = 2");
    assert_false(bus_open(&node->options, &node->bus, &err));
    assert_int_equal(err.code, BUS_ERR_INVALID);
    node_stop(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_nodes_are_given_every_change_in_order),
        cmocka_unit_test(a_change_is_applied_within_the_poll_frequency),
        cmocka_unit_test(waiting_for_what_does_not_come_ends_in_time),
        cmocka_unit_test(open_transactions_of_others_delay_nothing),
        cmocka_unit_test(a_refused_batch_comes_again),
        cmocka_unit_test(rewritten_history_starts_over),
        cmocka_unit_test(a_shorter_history_starts_over),
        cmocka_unit_test(another_identity_starts_over_under_its_name),
        cmocka_unit_test(missing_events_start_over),
        cmocka_unit_test(an_emptied_log_is_survived),
        cmocka_unit_test(a_floor_above_applied_starts_over),
        cmocka_unit_test(a_fill_from_another_history_starts_over),
        cmocka_unit_test(a_fill_that_knows_more_rings),
        cmocka_unit_test(a_broken_connection_is_replaced_and_logged_once),
        cmocka_unit_test(a_server_that_hangs_costs_the_poll_deadline),
        cmocka_unit_test(a_node_is_registered_beats_and_says_goodbye),
        cmocka_unit_test(a_flagged_commit_is_acknowledged_at_once),
        cmocka_unit_test(a_heartbeat_waits_for_no_disk_but_joining_does),
        cmocka_unit_test(many_nodes_are_counted_less_often),
        cmocka_unit_test(a_refused_heartbeat_does_not_stop_polling),
        cmocka_unit_test(old_events_are_trimmed_but_never_the_newest),
        cmocka_unit_test(an_idle_poll_is_one_statement),
        cmocka_unit_test(a_bell_does_not_move_the_schedule),
        cmocka_unit_test(nodes_that_start_together_do_not_poll_together),
        cmocka_unit_test(a_reload_shortens_a_running_pause),
        cmocka_unit_test(a_database_without_the_log_is_refused_at_the_start),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
