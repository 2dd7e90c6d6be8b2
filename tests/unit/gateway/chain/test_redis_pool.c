/*
 * A loop's connection to a Redis that does not behave: the server is this thread, the loop another.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/chain/redis_pool.h"
#include "gateway/chain/redis_target.h"
#include "gateway/io/loop.h"
#include "tests/unit/gateway/http/raw.h"

enum {
    ASKS_MAX = 8,
    NO_ANSWER = -1
};

struct ask {
    struct redis_command command;
    struct bench *bench;
    int64_t number; /* of its answer */
};

struct bench {
    struct loop *loop;
    struct loop_end end;
    struct client_pool *clients;
    struct redis_pool *pool;
    struct redis_target *target;
    int server; /* listening */
    struct ask asks[ASKS_MAX];
    size_t ask_count;
    atomic_int sent, refused, answered;
};

struct order {
    struct loop_message super;
    struct bench *bench;
    int count; /* of commands */
};

/* ---- on the loop ---- */

static void on_loop_end(struct loop_end *end)
{
    struct bench *bench = CONTAINER_OF(end, struct bench, end);

    redis_pool_free(bench->pool);
    client_pool_free(bench->clients);
}

static void on_start(void *arg)
{
    struct bench *bench = arg;
    const struct client_pool_options clients = {0};

    bench->clients = client_pool_new(bench->loop, &clients);
    const struct redis_pool_options options = {.loop = bench->loop, .clients = bench->clients}; /* no names */
    bench->pool = redis_pool_new(&options);
    bench->end.on_end = on_loop_end;
    loop_on_end(bench->loop, &bench->end);
}

static void on_reply(struct redis_command *command, const int64_t *numbers)
{
    struct ask *ask = CONTAINER_OF(command, struct ask, command);

    ask->number = numbers != NULL ? numbers[0] : NO_ANSWER;
    atomic_fetch_add(&ask->bench->answered, 1);
}

static void on_order(struct loop_message *message)
{
    struct order *order = CONTAINER_OF(message, struct order, super);
    struct bench *bench = order->bench;
    const struct str words[] = {STR("ASK"), STR("")};

    for (int i = 0; i < order->count; i++) {
        struct ask *ask = &bench->asks[bench->ask_count++ % ASKS_MAX];
        *ask = (struct ask){.command = {.wanted = 1, .on_reply = on_reply}, .bench = bench};
        bool good = redis_pool_send(bench->pool, bench->target, words, COUNT(words), &ask->command);
        atomic_fetch_add(good ? &bench->sent : &bench->refused, 1);
    }
    free(order);
}

/* ---- the test's ---- */

static int set_up(void **state)
{
    struct bench *bench = mem_zalloc(sizeof(*bench));
    struct err err;
    int port;

    bench->server = raw_listen(&port);
    cJSON *config = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(config, "redis_host", "127.0.0.1");
    (void)cJSON_AddNumberToObject(config, "redis_port", port);
    (void)cJSON_AddNumberToObject(config, "redis_timeout", 300);
    (void)cJSON_AddNumberToObject(config, "redis_database", 3);
    (void)cJSON_AddStringToObject(config, "redis_password", "p w");
    bench->target = redis_target_new(config);
    cJSON_Delete(config);
    assert_true(loop_open("redis", &bench->loop, &err));
    assert_true(loop_start(bench->loop, on_start, bench, &err));
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    loop_stop(bench->loop);
    loop_join(bench->loop);
    loop_close(bench->loop);
    redis_target_free(bench->target);
    close(bench->server);
    free(bench);
    return 0;
}

static void order(struct bench *bench, int count)
{
    struct order *order = mem_zalloc(sizeof(*order));

    order->count = count;
    order->super.run = on_order;
    order->bench = bench;
    int before = atomic_load(&bench->sent) + atomic_load(&bench->refused);
    loop_post(bench->loop, &order->super);
    while (atomic_load(&bench->sent) + atomic_load(&bench->refused) < before + count)
        (void)poll(NULL, 0, 1);
}

#define GREETING "*2\r\n$4\r\nAUTH\r\n$3\r\np w\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
#define QUESTION "*2\r\n$3\r\nASK\r\n$0\r\n\r\n"

static void expect(int fd, const char *text)
{
    char got[512];

    assert_int_equal(raw_receive(fd, got, strlen(text) + 1, text), strlen(text));
    assert_string_equal(got, text);
}

static int greeted(struct bench *bench)
{
    int fd = accept(bench->server, NULL, NULL);

    expect(fd, GREETING);
    raw_send_text(fd, "+OK\r\n+OK\r\n");
    return fd;
}

static void wait_for_answers(struct bench *bench, int count)
{
    assert_true(raw_reaches(&bench->answered, count));
}

static void commands_wait_for_the_first_connection_and_share_it(void **state)
{
    struct bench *bench = *state;

    order(bench, 3);
    int fd = greeted(bench);
    expect(fd, QUESTION QUESTION QUESTION);
    raw_send_text(fd, "*1\r\n:1\r\n*1\r\n:2");
    wait_for_answers(bench, 1);
    raw_send_text(fd, "2\r\n*1\r\n$1\r\n3\r\n");
    wait_for_answers(bench, 3);
    assert_int_equal(bench->asks[0].number, 1);
    assert_int_equal(bench->asks[1].number, 22);
    assert_int_equal(bench->asks[2].number, 3);
    order(bench, 2);
    expect(fd, QUESTION QUESTION);
    close(fd);
    wait_for_answers(bench, 5);
    assert_int_equal(bench->asks[4].number, NO_ANSWER);
}

static void an_error_is_no_answer_and_not_the_end(void **state)
{
    struct bench *bench = *state;

    order(bench, 3);
    int fd = greeted(bench);
    raw_send_text(fd, "-READONLY\r\n*2\r\n:1\r\n:2\r\n*1\r\n:5\r\n");
    wait_for_answers(bench, 3);
    assert_int_equal(bench->asks[0].number, NO_ANSWER);
    assert_int_equal(bench->asks[1].number, NO_ANSWER);
    assert_int_equal(bench->asks[2].number, 5);
    close(fd);
}

static size_t count_in_file(const char *path, const char *text)
{
    char line[1024];
    size_t count = 0;
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, text) != NULL ? 1 : 0;
    (void)fclose(file);
    return count;
}

/* A replica refuses what writes and answers what reads, as often as anybody asks. */
static void errors_between_answers_do_not_fill_the_log(void **state)
{
    struct bench *bench = *state;
    char path[] = "/tmp/test_redis_pool.XXXXXX";
    struct err err;

    close(mkstemp(path));
    assert_true(log_open(path, LOG_WARN, &err));
    order(bench, 4);
    int fd = greeted(bench);
    raw_send_text(fd, "-READONLY\r\n*1\r\n:1\r\n-READONLY\r\n*1\r\n:1\r\n");
    wait_for_answers(bench, 4);
    log_close();
    assert_int_equal(count_in_file(path, "READONLY"), 1);
    (void)unlink(path);
    close(fd);
}

/* After a failure: refused at once, until the next connection stands. */
static void nobody_waits_for_a_server_that_has_failed(struct bench *bench, int fd, int answered)
{
    wait_for_answers(bench, answered);
    order(bench, 1);
    assert_int_equal(atomic_load(&bench->refused), 1);
    close(fd);
    fd = greeted(bench); /* tried for, since somebody has asked */
    for (int tries = 0; tries < 1000 && atomic_load(&bench->sent) == answered; tries++)
        order(bench, 1);
    expect(fd, QUESTION);
    raw_send_text(fd, "*1\r\n:9\r\n");
    wait_for_answers(bench, answered + 1);
    close(fd);
}

static void a_silent_server_is_left_when_its_time_is_over(void **state)
{
    struct bench *bench = *state;

    order(bench, 2);
    nobody_waits_for_a_server_that_has_failed(bench, greeted(bench), 2);
}

static void a_server_that_does_not_greet_is_left(void **state)
{
    struct bench *bench = *state;

    order(bench, 2);
    nobody_waits_for_a_server_that_has_failed(bench, accept(bench->server, NULL, NULL), 2);
}

static void a_server_that_refuses_the_password_is_left(void **state)
{
    struct bench *bench = *state;

    order(bench, 1);
    int fd = accept(bench->server, NULL, NULL);
    expect(fd, GREETING);
    raw_send_text(fd, "-WRONGPASS no\r\n+OK\r\n");
    assert_true(raw_is_closed(fd)); /* nothing is asked of it */
    nobody_waits_for_a_server_that_has_failed(bench, fd, 1);
}

static void what_is_no_redis_is_left(void **state)
{
    struct bench *bench = *state;

    order(bench, 1);
    int fd = greeted(bench);
    expect(fd, QUESTION);
    raw_send_text(fd, "HTTP/1.1 400 Bad Request\r\n");
    nobody_waits_for_a_server_that_has_failed(bench, fd, 1);
}

static void a_connection_that_is_closed_while_nothing_is_asked_costs_nobody_an_answer(void **state)
{
    struct bench *bench = *state;

    order(bench, 1);
    int fd = greeted(bench);
    expect(fd, QUESTION);
    raw_send_text(fd, "*1\r\n:1\r\n");
    wait_for_answers(bench, 1);
    (void)shutdown(fd, SHUT_WR);
    assert_true(raw_is_closed(fd));
    close(fd);
    (void)poll(NULL, 0, 50);
    order(bench, 1);
    fd = greeted(bench);
    raw_send_text(fd, "*1\r\n:2\r\n");
    wait_for_answers(bench, 2);
    assert_int_equal(bench->asks[1].number, 2);
    assert_int_equal(atomic_load(&bench->refused), 0);
    close(fd);
}

static void what_waits_at_the_end_is_told(void **state)
{
    struct bench *bench = *state;

    order(bench, 2);
    loop_stop(bench->loop);
    loop_join(bench->loop);
    assert_int_equal(atomic_load(&bench->answered), 2);
    assert_int_equal(bench->asks[0].number, NO_ANSWER);
}

static void settings_that_differ_are_other_targets(void **state)
{
    static const char *const others[] = {
        "{\"redis_host\":\"b\"}",
        "{\"redis_host\":\"a\",\"redis_port\":1}",
        "{\"redis_host\":\"a\",\"redis_username\":\"u\"}",
        "{\"redis_host\":\"a\",\"redis_password\":\"u\"}",
        "{\"redis_host\":\"a\",\"redis_server_name\":\"u\"}",
        "{\"redis_host\":\"a\",\"redis_database\":1}",
        "{\"redis_host\":\"a\",\"redis_timeout\":1}",
        "{\"redis_host\":\"a\",\"redis_ssl\":true}",
        "{\"redis_host\":\"a\",\"redis_ssl_verify\":true}",
        "{\"redis_host\":\"a\"}",
    };
    struct redis_target *targets[COUNT(others)];
    (void)state;

    for (size_t i = 0; i < COUNT(others); i++) {
        cJSON *config = cJSON_Parse(others[i]);
        targets[i] = redis_target_new(config);
        cJSON_Delete(config);
        for (size_t k = 0; k < i; k++)
            assert_false(digest_equal(&targets[i]->digest, &targets[k]->digest));
    }
    struct redis_target *copy = redis_target_copy(targets[2]);
    assert_true(digest_equal(&copy->digest, &targets[2]->digest));
    assert_string_equal(copy->username, "u");
    redis_target_free(copy);
    for (size_t i = 0; i < COUNT(others); i++)
        redis_target_free(targets[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commands_wait_for_the_first_connection_and_share_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_error_is_no_answer_and_not_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_between_answers_do_not_fill_the_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_server_is_left_when_its_time_is_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_server_that_does_not_greet_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_server_that_refuses_the_password_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_redis_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_connection_that_is_closed_while_nothing_is_asked_costs_nobody_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_at_the_end_is_told, set_up, tear_down),
        cmocka_unit_test(settings_that_differ_are_other_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
