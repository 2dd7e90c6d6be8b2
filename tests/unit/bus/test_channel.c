/* The channel: it makes changes arrive sooner, and nothing it says or fails to say does any harm. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "bus/hint.h"
#include "tests/unit/bus/nodes.h"

enum {
    SOON_MS = 5000,
    NEVER_POLL_MS = 600000,
    AT_ONCE_MS = 500
};

struct fixture {
    struct servers servers;
    struct pg_session *session;
    redisContext *stranger; /* somebody else on the same Redis */
    bool usable;
};

/* The socket exists a moment before Redis listens on it. */
static bool try_stranger(struct fixture *f)
{
    const char *argv[2] = {"AUTH", "sesame"};
    redisReply *reply;
    bool good;

    if (f->stranger != NULL)
        redisFree(f->stranger);
    f->stranger = redisConnectUnix(f->servers.socket);
    reply = f->stranger->err == 0 ? redisCommandArgv(f->stranger, 2, argv, NULL) : NULL;
    good = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    if (reply != NULL)
        freeReplyObject(reply);
    return good;
}

static void connect_stranger(struct fixture *f)
{
    assert_true(HOLDS_WITHIN(10000, try_stranger(f)));
}

static int set_up(void **state)
{
    struct fixture *f = machine_alloc(sizeof(*f));

    *state = f;
    f->usable = servers_start_postgres(&f->servers) && servers_start_redis(&f->servers);
    if (f->usable) {
        const struct pg_options options = servers_pg_options(&f->servers);

        f->session = pg_session_new(&options);
        connect_stranger(f);
    }
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->stranger != NULL)
        redisFree(f->stranger);
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
    if (f->servers.redis == 0) { /* a test that failed has left it dead */
        assert_true(servers_start_redis(&f->servers));
        connect_stranger(f);
    }
    make_rows(f->session);
    return f;
}

/* A node that would not poll by itself for a long time, on Redis. */
static struct node *new_listener(const struct fixture *f, uint8_t id)
{
    struct node *node = node_new(&f->servers, id);

    node->options.lease_ms = (int64_t)NEVER_POLL_MS * 3;
    node->options.live = (struct bus_live){
        .poll_ms = NEVER_POLL_MS,
        .channel = BUS_CHANNEL_REDIS,
        .redis = {.host = f->servers.socket, .password = "sesame", .timeout_ms = 4000, .channel = "test"},
    };
    return node;
}

static bool is_up(const struct node *node)
{
    return node_stats(node).channel_up;
}

/* The poll that a new subscription asks for has come and gone. */
static void open_and_settle(struct node *node)
{
    node_open(node);
    assert_true(HOLDS_WITHIN(SOON_MS, is_up(node)));
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(node).bells_rung >= 1));
    pause_ms(50);
}

static struct outbox_receipt write_and_tell(const struct fixture *f, struct node *writer)
{
    const uint8_t keys[2][16] = {{1}, {2}};
    struct outbox_receipt receipt = write_change(f->session, 1, 0);

    bus_wake(writer->bus);
    bus_announce(writer->bus, receipt.position, receipt.tag, keys, 2);
    return receipt;
}

static void publish(const struct fixture *f, const struct node *node, const uint8_t *bytes, size_t length)
{
    uint8_t salt[16], history[16];
    char name[64] = "test:{";
    const char *argv[3] = {"PUBLISH", name, (const char *)bytes};
    size_t lengths[3] = {7, 0, length};

    bus_identity(node->bus, salt, history);
    for (int i = 0; i < 16; i++)
        (void)snprintf(name + 6 + i * 2, 4, "%02x}", history[i]);
    lengths[1] = strlen(name);
    freeReplyObject(redisCommandArgv(f->stranger, 3, argv, lengths));
}

static void forge(const struct fixture *f, const struct node *node, uint64_t position, const char *secret)
{
    struct hint *hint = machine_alloc(sizeof(*hint));
    uint8_t bytes[HINT_MAX_BYTES];
    uint8_t salt[16];

    bus_identity(node->bus, salt, hint->history);
    hint->first = hint->last = position;
    hint->tag = 4711;
    publish(f, node, bytes, hint_encode(hint, secret, bytes));
    free(hint);
}

static void a_told_change_is_applied_at_once(void **state)
{
    struct fixture *f = need(state);
    struct node *a = new_listener(f, 1);
    struct node *b = new_listener(f, 2);

    open_and_settle(a);
    open_and_settle(b);
    for (int i = 0; i < 20; i++) {
        struct outbox_receipt receipt = write_and_tell(f, a);

        assert_true(bus_wait(a->bus, receipt.position, AT_ONCE_MS));
        assert_true(bus_wait(b->bus, receipt.position, AT_ONCE_MS));
    }
    assert_int_equal(a->restarts + b->restarts, 2);
    assert_int_equal(node_stats(a).hints_sent, 20);
    assert_int_equal(node_stats(b).hints_dropped_old + node_stats(b).hints_dropped_tag, 0);
    node_stop(a);
    node_stop(b);
}

static void keys_are_handed_on_only_if_wanted(void **state)
{
    struct fixture *f = need(state);
    struct node *a = new_listener(f, 1);
    struct node *b = new_listener(f, 2);
    struct outbox_receipt receipt;

    open_and_settle(a);
    open_and_settle(b);
    receipt = write_and_tell(f, a);
    assert_true(bus_wait(b->bus, receipt.position, AT_ONCE_MS));
    assert_int_equal(b->hints, 0);
    b->options.live.redis.hint_purge = true;
    bus_reload(b->bus, &b->options.live);
    pause_ms(50);
    receipt = write_and_tell(f, a);
    assert_true(bus_wait(b->bus, receipt.position, AT_ONCE_MS));
    assert_true(HOLDS_WITHIN(SOON_MS, b->hints == 2));
    node_stop(a);
    node_stop(b);
}

static void a_redis_that_dies_and_returns_is_logged_once_each(void **state)
{
    struct fixture *f = need(state);
    struct node *a = new_listener(f, 1);
    struct node *b = new_listener(f, 2);
    struct outbox_receipt receipt;
    int losses, returns;

    b->options.live.poll_ms = NODE_POLL_MS;
    open_and_settle(a);
    open_and_settle(b);
    losses = node_logged(b, "no channel");
    returns = node_logged(b, "channel is up");
    stop_process(&f->servers.redis, SIGKILL);
    assert_true(HOLDS_WITHIN(SOON_MS, !is_up(a) && !is_up(b)));
    receipt = write_and_tell(f, a);
    assert_true(bus_wait(b->bus, receipt.position, SOON_MS)); /* by polling */
    pause_ms(1500);
    assert_int_equal(node_logged(b, "no channel"), losses + 1);
    assert_true(servers_start_redis(&f->servers));
    connect_stranger(f);
    assert_true(HOLDS_WITHIN(10000, is_up(a) && is_up(b)));
    assert_int_equal(node_logged(b, "channel is up"), returns + 1);
    assert_int_equal(node_stats(b).channel_reconnects, returns);
    receipt = write_and_tell(f, a);
    assert_true(bus_wait(b->bus, receipt.position, AT_ONCE_MS));
    node_stop(a);
    node_stop(b);
}

static void a_redis_that_hangs_is_noticed_within_seconds(void **state)
{
    struct fixture *f = need(state);
    struct node *node = new_listener(f, 1);

    open_and_settle(node);
    assert_int_equal(kill(f->servers.redis, SIGSTOP), 0);
    assert_true(HOLDS_WITHIN(6000, !is_up(node)));
    assert_int_equal(kill(f->servers.redis, SIGCONT), 0);
    assert_true(HOLDS_WITHIN(10000, is_up(node)));
    node_stop(node);
}

static void a_change_missed_while_away_is_found_on_return(void **state)
{
    struct fixture *f = need(state);
    struct node *node = new_listener(f, 1);
    struct outbox_receipt receipt;

    open_and_settle(node);
    stop_process(&f->servers.redis, SIGKILL);
    assert_true(HOLDS_WITHIN(SOON_MS, !is_up(node)));
    receipt = write_change(f->session, 1, 0);
    assert_true(servers_start_redis(&f->servers));
    connect_stranger(f);
    assert_true(bus_wait(node->bus, receipt.position, 10000)); /* no poll is due for minutes */
    node_stop(node);
}

static void a_wrong_password_leaves_the_node_polling(void **state)
{
    struct fixture *f = need(state);
    struct node *node = new_listener(f, 1);
    struct outbox_receipt receipt;

    node->options.live.redis.password = "open";
    node->options.live.poll_ms = NODE_POLL_MS;
    node_open(node);
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(node).channel_errors >= 2));
    assert_int_equal(node_logged(node, "WRONGPASS"), 1);
    receipt = write_and_tell(f, node);
    assert_true(bus_wait(node->bus, receipt.position, SOON_MS));
    node_stop(node);
}

static void garbage_is_counted_and_rings_nothing(void **state)
{
    struct fixture *f = need(state);
    struct node *node = new_listener(f, 1);
    uint8_t bytes[HINT_MAX_BYTES + 100] = {0};
    uint64_t polls;

    node->options.live.redis.secret = "secret";
    open_and_settle(node);
    polls = node_stats(node).polls;
    publish(f, node, (const uint8_t *)"hello", 5);
    publish(f, node, bytes, sizeof(bytes));
    publish(f, node, bytes, 0);
    forge(f, node, 5, NULL);
    forge(f, node, 5, "guess");
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(node).hints_received == 5));
    pause_ms(100);
    assert_int_equal(node_stats(node).hints_dropped_size, 3);
    assert_int_equal(node_stats(node).hints_dropped_mac, 2);
    assert_int_equal(node_stats(node).polls, polls);
    forge(f, node, 5, "secret");
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(node).polls == polls + 1));
    assert_true(is_up(node));
    node_stop(node);
}

static void a_later_version_only_rings(void **state)
{
    struct fixture *f = need(state);
    struct node *node = new_listener(f, 1);
    uint8_t bytes[HINT_MAX_BYTES] = {'F', 'R', 'H', '1', 9};
    uint64_t polls;

    open_and_settle(node);
    polls = node_stats(node).polls;
    publish(f, node, bytes, 500);
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(node).polls == polls + 1));
    assert_int_equal(node_stats(node).hints_dropped_version, 1);
    node_stop(node);
}

static void repeated_messages_do_nothing(void **state)
{
    struct fixture *f = need(state);
    struct node *node = new_listener(f, 1);
    struct outbox_receipt receipt;
    struct hint hint = {.sender = {9}};
    uint8_t bytes[HINT_MAX_BYTES], salt[16];
    uint64_t polls;

    open_and_settle(node);
    receipt = write_change(f->session, 1, 0);
    bus_identity(node->bus, salt, hint.history);
    hint.first = hint.last = receipt.position;
    hint.tag = receipt.tag;
    publish(f, node, bytes, hint_encode(&hint, NULL, bytes));
    assert_true(bus_wait(node->bus, receipt.position, AT_ONCE_MS));
    pause_ms(50);
    polls = node_stats(node).polls;
    for (int i = 0; i < 50; i++)
        publish(f, node, bytes, hint_encode(&hint, NULL, bytes));
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(node).hints_dropped_old == 50));
    assert_int_equal(node_stats(node).polls, polls);
    assert_int_equal(node->restarts, 1);
    node_stop(node);
}

static void a_flood_of_forged_messages_costs_a_bounded_rate_of_polls(void **state)
{
    struct fixture *f = need(state);
    struct node *node = new_listener(f, 1);
    int64_t started_us, passed_ms;
    uint64_t polls;

    open_and_settle(node);
    polls = node_stats(node).polls;
    started_us = machine_now_us();
    for (uint64_t i = 0; i < 4000; i++)
        forge(f, node, 2 + i, NULL);
    assert_true(
        HOLDS_WITHIN(20000, node_stats(node).hints_received == 4000 && node_stats(node).polls > polls));
    polls = node_stats(node).polls - polls;
    passed_ms = (machine_now_us() - started_us) / 1000;
    assert_true(polls <= 20 + (uint64_t)passed_ms / 10);
    assert_int_equal(bus_applied(node->bus), 1);
    assert_int_equal(node->restarts, 1);
    node_stop(node);
}

static void a_position_far_ahead_is_hardly_heard(void **state)
{
    struct fixture *f = need(state);
    struct node *node = new_listener(f, 1);
    uint64_t polls;

    open_and_settle(node);
    polls = node_stats(node).polls;
    for (int i = 0; i < 200; i++)
        forge(f, node, UINT64_MAX, NULL);
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(node).hints_dropped_implausible == 200));
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(node).polls > polls));
    assert_true(node_stats(node).polls <= polls + 2);
    node_stop(node);
}

static void what_a_dead_writer_did_not_tell_is_told_by_another(void **state)
{
    struct fixture *f = need(state);
    struct node *a = new_listener(f, 1);
    struct node *b = new_listener(f, 2);
    struct outbox_receipt receipt;

    a->options.live.poll_ms = 1000;
    open_and_settle(a);
    open_and_settle(b);
    pause_ms(100);
    receipt = write_change(f->session, 1, 0);
    pause_ms(10);
    assert_true(bus_wait(b->bus, receipt.position, 3000)); /* b would not poll for minutes */
    assert_int_equal(node_stats(a).hints_missed, 1);
    assert_int_equal(node_stats(a).hints_sent, 1);
    node_stop(a);
    node_stop(b);
}

static void a_reload_switches_the_channel_off_and_on(void **state)
{
    struct fixture *f = need(state);
    struct node *node = new_listener(f, 1);
    struct bus_live off;

    open_and_settle(node);
    off = node->options.live;
    off.channel = BUS_CHANNEL_OFF;
    bus_reload(node->bus, &off);
    assert_false(node_stats(node).channel_wanted);
    assert_true(HOLDS_WITHIN(SOON_MS, !is_up(node)));
    bus_reload(node->bus, &node->options.live);
    assert_true(HOLDS_WITHIN(SOON_MS, is_up(node)));
    bus_reload(node->bus, &node->options.live);
    pause_ms(100);
    assert_int_equal(node_logged(node, "channel is up"), 2);
    assert_int_equal(node_logged(node, "no channel"), 0);
    node_stop(node);
}

static void a_new_history_has_a_channel_of_its_own(void **state)
{
    struct fixture *f = need(state);
    struct node *a = new_listener(f, 1);
    struct node *b = new_listener(f, 2);
    struct outbox_receipt receipt;

    open_and_settle(a);
    open_and_settle(b);
    (void)ask_sql(f->session, "UPDATE cluster_head SET history = 'abcdef00-0000-0000-0000-000000000000'");
    bus_wake(a->bus);
    bus_wake(b->bus);
    assert_true(HOLDS_WITHIN(
        SOON_MS, node_logged(a, "name=test:{abcdef00") + node_logged(b, "name=test:{abcdef00") == 2));
    receipt = write_and_tell(f, a);
    assert_true(bus_wait(b->bus, receipt.position, AT_ONCE_MS));
    assert_int_equal(node_stats(b).hints_dropped_history, 0);
    node_stop(a);
    node_stop(b);
}

static void postgres_itself_can_carry_the_messages(void **state)
{
    struct fixture *f = need(state);
    struct node *a = new_listener(f, 1);
    struct node *b = new_listener(f, 2);
    struct outbox_receipt receipt;

    a->options.live.channel = b->options.live.channel = BUS_CHANNEL_PG_NOTIFY;
    open_and_settle(a);
    open_and_settle(b);
    for (int i = 0; i < 10; i++) {
        receipt = write_and_tell(f, a);
        assert_true(bus_wait(b->bus, receipt.position, AT_ONCE_MS));
    }
    (void)ask_sql(f->session,
                  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' "
                  "OR query LIKE '%pg_notify%' AND pid <> pg_backend_pid()");
    assert_true(HOLDS_WITHIN(SOON_MS, node_stats(a).channel_reconnects == 1 &&
                                          node_stats(b).channel_reconnects == 1 && is_up(a) && is_up(b)));
    receipt = write_and_tell(f, a);
    assert_true(bus_wait(b->bus, receipt.position, AT_ONCE_MS));
    node_stop(a);
    node_stop(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_told_change_is_applied_at_once),
        cmocka_unit_test(keys_are_handed_on_only_if_wanted),
        cmocka_unit_test(a_redis_that_dies_and_returns_is_logged_once_each),
        cmocka_unit_test(a_redis_that_hangs_is_noticed_within_seconds),
        cmocka_unit_test(a_change_missed_while_away_is_found_on_return),
        cmocka_unit_test(a_wrong_password_leaves_the_node_polling),
        cmocka_unit_test(garbage_is_counted_and_rings_nothing),
        cmocka_unit_test(a_later_version_only_rings),
        cmocka_unit_test(repeated_messages_do_nothing),
        cmocka_unit_test(a_flood_of_forged_messages_costs_a_bounded_rate_of_polls),
        cmocka_unit_test(a_position_far_ahead_is_hardly_heard),
        cmocka_unit_test(what_a_dead_writer_did_not_tell_is_told_by_another),
        cmocka_unit_test(a_reload_switches_the_channel_off_and_on),
        cmocka_unit_test(a_new_history_has_a_channel_of_its_own),
        cmocka_unit_test(postgres_itself_can_carry_the_messages),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
