/* Appending to the log: positions without gaps, nothing without its event, and a lost answer to COMMIT found
 * again. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "bus/outbox.h"
#include "tests/unit/bus/servers.h"

enum {
    TIMEOUT_MS = 2000,
    WRITERS = 4,
    COMMITS = 50
};

static const uint8_t origin[16] = "origin of events";

struct fixture {
    struct servers servers;
    struct pg_options options;
    struct pg_session *session;
    bool usable;
};

static int set_up(void **state)
{
    struct fixture *f = machine_alloc(sizeof(*f));

    *state = f;
    f->usable = servers_start_postgres(&f->servers);
    f->options = servers_pg_options(&f->servers);
    f->session = pg_session_new(&f->options);
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
    make_log(f->session);
    return f;
}

static bool change(struct pg_session *session, struct outbox_receipt *receipt, struct bus_err *err)
{
    const struct bus_event event = {.kind = BUS_EVENT_BARRIER};

    return outbox_begin(session, TIMEOUT_MS, err) &&
           outbox_commit(session, &event, 1, origin, TIMEOUT_MS, receipt, err);
}

static void the_receipt_names_the_next_position_and_its_tag(void **state)
{
    struct fixture *f = need(state);
    struct outbox_receipt receipt;
    char sql[128];
    struct bus_err err;

    assert_true(change(f->session, &receipt, &err));
    assert_int_equal(receipt.position, 2);
    (void)snprintf(sql, sizeof(sql), "SELECT tag = %lld FROM cluster_log WHERE pos = 2",
                   (long long)receipt.tag);
    assert_string_equal(ask_sql(f->session, sql), "t");
    assert_true(change(f->session, &receipt, &err));
    assert_int_equal(receipt.position, 3);
}

static void every_event_of_a_commit_has_its_row(void **state)
{
    struct fixture *f = need(state);
    const uint8_t keys[2][16] = {"key number one..", {0, 1, 0xff}};
    const struct bus_event events[3] = {
        {.kind = BUS_EVENT_ROW,
         .entity = "odd \"name\\,{}",
         .has_id = true,
         .id = {0xab},
         .keys = keys,
         .key_count = 2},
        {.kind = BUS_EVENT_ENTITY, .entity = "consumers", .flags = BUS_EVENT_ACKNOWLEDGE},
        {.kind = BUS_EVENT_EVERYTHING},
    };
    struct outbox_receipt receipt;
    struct bus_err err;

    assert_true(outbox_begin(f->session, TIMEOUT_MS, &err));
    assert_true(outbox_commit(f->session, events, 3, origin, TIMEOUT_MS, &receipt, &err));
    assert_string_equal(ask_sql(f->session,
                                "SELECT string_agg(n || ':' || kind, ' ' ORDER BY n) FROM cluster_log "
                                "WHERE pos = 2"),
                        "1:1 2:2 3:3");
    assert_string_equal(ask_sql(f->session, "SELECT entity FROM cluster_log WHERE pos = 2 AND n = 1"),
                        "odd \"name\\,{}");
    assert_string_equal(ask_sql(f->session, "SELECT id FROM cluster_log WHERE pos = 2 AND n = 1"),
                        "ab000000-0000-0000-0000-000000000000");
    assert_string_equal(
        ask_sql(f->session, "SELECT encode(keys, 'hex') FROM cluster_log WHERE pos = 2 AND n = 1"),
        "6b6579206e756d626572206f6e652e2e0001ff00000000000000000000000000");
    assert_string_equal(ask_sql(f->session, "SELECT count(DISTINCT tag) || ' ' || bool_and(flags = 1) FROM "
                                            "cluster_log WHERE pos = 2"),
                        "1 true");
}

static void commits_of_one_transaction_follow_each_other(void **state)
{
    struct fixture *f = need(state);
    const struct bus_event first[2] = {{.kind = BUS_EVENT_ENTITY, .entity = "a"},
                                       {.kind = BUS_EVENT_ENTITY, .entity = "b"}};
    const struct bus_event second = {.kind = BUS_EVENT_ENTITY, .entity = "c", .flags = BUS_EVENT_ACKNOWLEDGE};
    struct outbox_commit commits[2] = {{.events = first, .count = 2}, {.events = &second, .count = 1}};
    const struct outbox_append append = {.commits = commits,
                                         .count = 2,
                                         .origin = origin,
                                         .timeout_ms = TIMEOUT_MS,
                                         .release_sql = "RELEASE SAVEPOINT one"};
    struct outbox_receipt next;
    struct bus_err err;

    assert_true(outbox_begin(f->session, TIMEOUT_MS, &err));
    assert_true(pg_session_command(f->session, "SAVEPOINT one", TIMEOUT_MS, &err));
    assert_true(outbox_append(f->session, &append, &err));
    assert_int_equal(commits[0].receipt.position, 2);
    assert_int_equal(commits[1].receipt.position, 3);
    assert_true(commits[0].receipt.tag != commits[1].receipt.tag);
    assert_string_equal(ask_sql(f->session,
                                "SELECT string_agg(pos || '.' || n || entity || flags, ' ' ORDER BY pos, n) "
                                "FROM cluster_log WHERE pos > 1"),
                        "2.1a0 2.2b0 3.1c1");
    assert_string_equal(ask_sql(f->session, "SELECT count(DISTINCT tag) || ' ' || count(DISTINCT xmin::text) "
                                            "FROM cluster_log WHERE pos > 1"),
                        "2 1");
    assert_true(change(f->session, &next, &err));
    assert_int_equal(next.position, 4);
}

static void a_rollback_gives_the_number_back(void **state)
{
    struct fixture *f = need(state);
    struct outbox_receipt receipt;
    struct bus_err err;

    assert_true(outbox_begin(f->session, TIMEOUT_MS, &err));
    (void)ask_sql(f->session, "ROLLBACK");
    assert_true(change(f->session, &receipt, &err));
    assert_int_equal(receipt.position, 2);
}

static void a_failed_change_leaves_no_event_and_no_transaction(void **state)
{
    struct fixture *f = need(state);
    const struct bus_event event = {.kind = BUS_EVENT_BARRIER};
    struct outbox_receipt receipt;
    struct bus_err err;

    assert_true(outbox_begin(f->session, TIMEOUT_MS, &err));
    assert_false(pg_session_command(f->session, "SELECT 1/0", 1000, &err));
    assert_false(outbox_commit(f->session, &event, 1, origin, TIMEOUT_MS, &receipt, &err));
    assert_int_equal(err.code, BUS_ERR_SQL);
    assert_false(pg_session_is_in_transaction(f->session));
    assert_string_equal(ask_sql(f->session, "SELECT max(pos) FROM cluster_log"), "1");
}

static void without_its_transaction_nothing_is_appended(void **state)
{
    struct fixture *f = need(state);
    const struct bus_event event = {.kind = BUS_EVENT_BARRIER};
    struct outbox_receipt receipt;
    struct bus_err err;

    assert_false(outbox_commit(f->session, &event, 1, origin, TIMEOUT_MS, &receipt, &err));
    assert_int_equal(err.code, BUS_ERR_CONNECT);
    assert_string_equal(ask_sql(f->session, "SELECT max(pos) FROM cluster_log"), "1");
}

static void numbers_go_on_above_the_floor_of_an_emptied_log(void **state)
{
    struct fixture *f = need(state);
    struct outbox_receipt receipt;
    struct bus_err err;

    (void)ask_sql(f->session, "UPDATE cluster_head SET floor_pos = 70");
    (void)ask_sql(f->session, "TRUNCATE cluster_log");
    assert_true(change(f->session, &receipt, &err));
    assert_int_equal(receipt.position, 71);
}

static void a_stalled_append_delays_others_for_its_timeout_only(void **state)
{
    struct fixture *f = need(state);
    struct pg_session *stalled = pg_session_new(&f->options);
    const struct bus_event event = {.kind = BUS_EVENT_BARRIER};
    struct outbox_receipt receipt;
    struct bus_err err;

    (void)ask_sql(stalled, "BEGIN");
    (void)ask_sql(stalled, "SELECT 1 FROM cluster_head FOR UPDATE");
    assert_true(outbox_begin(f->session, 200, &err));
    assert_false(outbox_commit(f->session, &event, 1, origin, 200, &receipt, &err));
    assert_string_equal(err.sqlstate, "55P03");
    assert_false(pg_session_is_in_transaction(f->session));
    pg_session_free(stalled);
    assert_true(change(f->session, &receipt, &err));
}

struct writer {
    const struct fixture *f;
    int failures;
};

static void *write_many(void *arg)
{
    struct writer *writer = arg;
    struct pg_session *session = pg_session_new(&writer->f->options);
    struct outbox_receipt receipt;
    struct bus_err err;

    for (int i = 0; i < COMMITS; i++)
        writer->failures += !change(session, &receipt, &err);
    pg_session_free(session);
    return NULL;
}

static void writers_at_once_leave_no_gap(void **state)
{
    struct fixture *f = need(state);
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];

    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.f = f};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(writers[i].failures, 0);
    }
    assert_string_equal(ask_sql(f->session, "SELECT count(*) || ' ' || max(pos) FROM cluster_log"),
                        "201 201");
    assert_string_equal(ask_sql(f->session,
                                "SELECT count(*) FROM (SELECT at, lag(at) OVER (ORDER BY pos) AS before "
                                "FROM cluster_log) t WHERE at < before"),
                        "0");
}

/* Stands between client and server, and loses one answer or one question on demand. */
enum loss {
    LOSE_NOTHING,
    LOSE_ANSWER,
    LOSE_QUESTION
};

struct proxy {
    int listener;
    char server[108];
    _Atomic int loss; /* set by the test, relaxed: the next message after it is a round trip away */
    atomic_bool stopping;
    pthread_t thread;
};

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* One connection from beginning to end. */
static void relay(struct proxy *proxy, int client)
{
    int server = connect_unix(proxy->server);
    char bytes[4096];

    while (!atomic_load(&proxy->stopping)) {
        struct pollfd polls[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
        ssize_t got;

        if (poll(polls, 2, 20) <= 0)
            continue;
        for (int i = 0; i < 2; i++) {
            if (polls[i].revents == 0)
                continue;
            got = read(polls[i].fd, bytes, sizeof(bytes));
            if (got <= 0 || atomic_load(&proxy->loss) == (i == 0 ? LOSE_QUESTION : LOSE_ANSWER))
                goto out;
            if (write(polls[1 - i].fd, bytes, (size_t)got) != got)
                goto out;
        }
    }
out:
    atomic_store(&proxy->loss, LOSE_NOTHING);
    (void)close(client);
    (void)close(server);
}

static void *run_proxy(void *arg)
{
    struct proxy *proxy = arg;

    while (!atomic_load(&proxy->stopping)) {
        struct pollfd waiting = {.fd = proxy->listener, .events = POLLIN};

        if (poll(&waiting, 1, 20) > 0)
            relay(proxy, accept(proxy->listener, NULL, NULL));
    }
    return NULL;
}

static struct pg_session *open_through_proxy(const struct fixture *f, struct proxy *proxy)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct pg_options options = f->options;

    memset(proxy, 0, sizeof(*proxy));
    (void)snprintf(proxy->server, sizeof(proxy->server), "%s/.s.PGSQL.5432", f->servers.directory);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.5433", f->servers.directory);
    (void)unlink(address.sun_path);
    proxy->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(proxy->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(proxy->listener, 8), 0);
    assert_int_equal(pthread_create(&proxy->thread, NULL, run_proxy, proxy), 0);
    options.port = 5433;
    return pg_session_new(&options);
}

static void close_proxy(struct proxy *proxy)
{
    atomic_store(&proxy->stopping, true);
    assert_int_equal(pthread_join(proxy->thread, NULL), 0);
    (void)close(proxy->listener);
}

static void a_lost_answer_to_commit_is_found_by_its_tag(void **state)
{
    struct fixture *f = need(state);
    const struct bus_event event = {.kind = BUS_EVENT_BARRIER};
    struct outbox_receipt receipt = {0};
    struct proxy proxy;
    struct pg_session *session = open_through_proxy(f, &proxy);
    struct bus_err err;

    assert_true(outbox_begin(session, TIMEOUT_MS, &err));
    atomic_store(&proxy.loss, LOSE_ANSWER);
    assert_true(outbox_commit(session, &event, 1, origin, TIMEOUT_MS, &receipt, &err));
    assert_int_equal(receipt.position, 2);
    assert_string_equal(ask_sql(f->session, "SELECT max(pos) FROM cluster_log"), "2");
    pg_session_free(session);
    close_proxy(&proxy);
}

/* Its savepoints make the pipeline longer, and the one tag that is looked for stands for all. */
static void a_lost_answer_to_several_commits_is_found_for_each(void **state)
{
    struct fixture *f = need(state);
    const struct bus_event event = {.kind = BUS_EVENT_BARRIER};
    struct outbox_commit commits[2] = {{.events = &event, .count = 1}, {.events = &event, .count = 1}};
    const struct outbox_append append = {.commits = commits,
                                         .count = 2,
                                         .origin = origin,
                                         .timeout_ms = TIMEOUT_MS,
                                         .release_sql = "RELEASE SAVEPOINT one"};
    struct proxy proxy;
    struct pg_session *session = open_through_proxy(f, &proxy);
    struct bus_err err;

    assert_true(outbox_begin(session, TIMEOUT_MS, &err));
    assert_true(pg_session_command(session, "SAVEPOINT one", TIMEOUT_MS, &err));
    atomic_store(&proxy.loss, LOSE_ANSWER);
    assert_true(outbox_append(session, &append, &err));
    assert_int_equal(commits[0].receipt.position, 2);
    assert_int_equal(commits[1].receipt.position, 3);
    pg_session_free(session);
    close_proxy(&proxy);
}

static void a_commit_that_never_arrived_is_an_unknown_outcome(void **state)
{
    struct fixture *f = need(state);
    const struct bus_event event = {.kind = BUS_EVENT_BARRIER};
    struct outbox_receipt receipt = {0};
    struct proxy proxy;
    struct pg_session *session = open_through_proxy(f, &proxy);
    int64_t started_us;
    struct bus_err err;

    assert_true(outbox_begin(session, 300, &err));
    atomic_store(&proxy.loss, LOSE_QUESTION);
    started_us = machine_now_us();
    assert_false(outbox_commit(session, &event, 1, origin, 300, &receipt, &err));
    assert_int_equal(err.code, BUS_ERR_UNKNOWN_OUTCOME);
    assert_in_range(machine_now_us() - started_us, 250000, 2000000);
    assert_int_equal(receipt.position, 0);
    assert_false(pg_session_is_in_transaction(session));
    assert_string_equal(ask_sql(f->session, "SELECT max(pos) FROM cluster_log"), "1");
    pg_session_free(session);
    close_proxy(&proxy);
}

static void a_server_that_ends_the_session_before_the_lock_is_a_plain_failure(void **state)
{
    struct fixture *f = need(state);
    struct pg_session *doomed = pg_session_new(&f->options);
    const struct bus_event event = {.kind = BUS_EVENT_BARRIER};
    struct outbox_receipt receipt;
    struct bus_err err;

    assert_true(outbox_begin(doomed, 100, &err));
    pause_ms(300); /* idle_in_transaction_session_timeout */
    assert_false(outbox_commit(doomed, &event, 1, origin, 100, &receipt, &err));
    assert_int_equal(err.code, BUS_ERR_CONNECT);
    assert_string_equal(err.sqlstate, "25P03");
    pg_session_free(doomed);
    assert_string_equal(ask_sql(f->session, "SELECT max(pos) FROM cluster_log"), "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_receipt_names_the_next_position_and_its_tag),
        cmocka_unit_test(every_event_of_a_commit_has_its_row),
        cmocka_unit_test(commits_of_one_transaction_follow_each_other),
        cmocka_unit_test(a_rollback_gives_the_number_back),
        cmocka_unit_test(a_failed_change_leaves_no_event_and_no_transaction),
        cmocka_unit_test(without_its_transaction_nothing_is_appended),
        cmocka_unit_test(numbers_go_on_above_the_floor_of_an_emptied_log),
        cmocka_unit_test(a_stalled_append_delays_others_for_its_timeout_only),
        cmocka_unit_test(writers_at_once_leave_no_gap),
        cmocka_unit_test(a_lost_answer_to_commit_is_found_by_its_tag),
        cmocka_unit_test(a_lost_answer_to_several_commits_is_found_for_each),
        cmocka_unit_test(a_commit_that_never_arrived_is_an_unknown_outcome),
        cmocka_unit_test(a_server_that_ends_the_session_before_the_lock_is_a_plain_failure),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
