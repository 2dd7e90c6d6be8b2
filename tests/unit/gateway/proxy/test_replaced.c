/*
 * An answer that a plugin's header_filter puts in the place of the upstream's: what the client gets, and what
 * becomes of the upstream's connection.
 */

#include "gateway.h"

#define GET "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"

static char got[1 << 16];
static char seen[1 << 16];
/* thread: the loop, until the gateway is closed */
static int logged[64];
static size_t logged_count;

/* Refuses everything but /pass. */
static void refuse(struct chain *chain, const void *object)
{
    (void)object;
    if (!str_equal(chain->path, STR("/pass")))
        (void)chain_answer_message(chain, 429, "enough");
    chain->wants_body = str_equal(chain->path, STR("/double"));
}

/* What it is shown is the answer that was put in the place. */
static void double_body(struct chain *chain, const void *object)
{
    (void)object;
    chain->answer_body = exchange_printf(chain->exchange, "%.*s%.*s", STR_ARG(chain->answer_body),
                                         STR_ARG(chain->answer_body));
}

static void note_status(struct chain *chain, const void *object)
{
    (void)object;
    if (logged_count < COUNT(logged))
        logged[logged_count++] = chain->answer.status;
}

static const struct plugin refusing_plugin = {
    .schema = {.name = "refusing", .version = "1", .priority = 5, .config = &counting_config},
    .configure = counting_configure,
    .dispose = counting_dispose,
    .header_filter = refuse,
    .body_filter = double_body,
    .log = note_status,
};

static const struct plugin *const plugins[] = {&refusing_plugin};

static struct gateway *open_refusing(void)
{
    return gateway_open(&(struct gateway_options){
        .plugins = plugins, .settings = "headers = server_tokens, latency_tokens, X-Kong-Upstream-Status\n"});
}

static void expect_refusal(struct gateway *gateway)
{
    (void)raw_receive(gateway->client, got, sizeof(got), "{\"message\":\"enough\"}");
    assert_non_null(strstr(got, "HTTP/1.1 429 "));
    assert_non_null(strcasestr(got, "\r\nContent-Length: 20\r\n"));
}

/* The next request goes over the same connection and is answered. */
static void expect_kept(struct gateway *gateway, int upstream)
{
    raw_send_text(gateway->client, "GET /pass HTTP/1.1\r\nHost: a.test\r\n\r\n");
    (void)raw_receive(upstream, seen, sizeof(seen), "\r\n\r\n");
    assert_true(strncmp(seen, "GET /pass ", 10) == 0);
    raw_send_text(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    (void)raw_receive(gateway->client, got, sizeof(got), "\r\n\r\nok");
    assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\n"));
}

static void the_client_gets_the_plugins_answer_with_the_head_of_a_proxied_one(void **state)
{
    struct gateway *gateway = open_refusing();
    (void)state;
    raw_send_text(gateway->client, GET);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(
        fd, "HTTP/1.1 200 Fine\r\nContent-Length: 4\r\nContent-Type: image/gif\r\nContent-Encoding: br\r\n"
            "ETag: \"1\"\r\nCache-Control: max-age=60\r\nX-Own: 1\r\nServer: up\r\n\r\nbody");
    expect_refusal(gateway);
    static const char *const there[] = {"HTTP/1.1 429 Too Many Requests\r\n",
                                        "\r\nX-Own: 1\r\n",
                                        "\r\nVia: ",
                                        "\r\nServer: up\r\n",
                                        "\r\nX-Kong-Upstream-Latency: ",
                                        "\r\nX-Kong-Upstream-Status: 200\r\n",
                                        "\r\nContent-Type: application/json; charset=utf-8\r\n"};
    static const char *const gone[] = {"image/gif", "Content-Encoding", "ETag", "max-age",
                                       "Response-Latency"};
    for (size_t i = 0; i < COUNT(there); i++)
        if (strcasestr(got, there[i]) == NULL)
            fail_msg("%s in %s", there[i], got);
    for (size_t i = 0; i < COUNT(gone); i++)
        if (strcasestr(got, gone[i]) != NULL)
            fail_msg("no %s in %s", gone[i], got);
    expect_kept(gateway, fd);
    close(fd);
    gateway_close(gateway);
    assert_int_equal(logged[0], 429);
    assert_int_equal(logged[1], 200);
}

static void a_short_body_is_dropped_and_the_connection_kept(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\n\r\n",
    };
    struct gateway *gateway = open_refusing();
    int fd = -1;
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        raw_send_text(gateway->client, GET);
        if (fd < 0)
            fd = gateway_take(gateway, seen, sizeof(seen));
        else
            (void)raw_receive(fd, seen, sizeof(seen), "\r\n\r\n");
        raw_send_text(fd, answers[i]);
        expect_refusal(gateway);
        expect_kept(gateway, fd);
    }
    close(fd);
    gateway_close(gateway);
}

static void a_body_that_is_long_or_late_costs_the_connection_and_no_time(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n",
        "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct gateway *gateway = open_refusing();
        raw_send_text(gateway->client, GET);
        int fd = gateway_take(gateway, seen, sizeof(seen));
        int64_t began_us = clock_now_us(clock_system());
        raw_send_text(fd, answers[i]);
        expect_refusal(gateway);
        assert_true(clock_now_us(clock_system()) - began_us < 2000000); /* read_timeout is 3 s */
        assert_true(raw_is_closed(fd));
        gateway_expect_no_other(gateway);
        close(fd);
        gateway_close(gateway);
    }
}

static void a_body_without_announced_end_is_dropped_only_so_far(void **state)
{
    static char bytes[1 << 20];
    struct gateway *gateway = open_refusing();
    (void)state;
    raw_send_text(gateway->client, GET);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, "HTTP/1.1 200 OK\r\n\r\n");
    memset(bytes, 'x', sizeof(bytes));
    (void)send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
    expect_refusal(gateway);
    assert_true(raw_is_closed(fd));
    close(fd);
    gateway_close(gateway);
}

static void body_filters_see_the_new_body(void **state)
{
    struct gateway *gateway = open_refusing();
    (void)state;
    raw_send_text(gateway->client, "GET /double HTTP/1.1\r\nHost: a.test\r\n\r\n");
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody");
    (void)raw_receive(gateway->client, got, sizeof(got),
                      "\r\n\r\n{\"message\":\"enough\"}{\"message\":\"enough\"}");
    assert_non_null(strstr(got, "HTTP/1.1 429 "));
    assert_non_null(strstr(got, "{\"message\":\"enough\"}{\"message\":\"enough\"}"));
    assert_null(strstr(got, "body"));
    close(fd);
    gateway_close(gateway);
}

static void an_upstream_that_breaks_off_makes_no_difference(void **state)
{
    struct gateway *gateway = open_refusing();
    (void)state;
    raw_send_text(gateway->client, GET);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    close(fd);
    expect_refusal(gateway);
    gateway_expect_no_other(gateway);
    gateway_close(gateway);
}

static void head_has_the_length_and_no_body(void **state)
{
    struct gateway *gateway = open_refusing();
    (void)state;
    raw_send_text(gateway->client, "HEAD /x HTTP/1.1\r\nHost: a.test\r\n\r\n");
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    (void)raw_receive(gateway->client, got, sizeof(got), "\r\n\r\n");
    assert_non_null(strstr(got, "HTTP/1.1 429 "));
    assert_non_null(strcasestr(got, "\r\nContent-Length: 20\r\n"));
    expect_kept(gateway, fd);
    assert_null(strstr(got, "enough"));
    close(fd);
    gateway_close(gateway);
}

static void a_change_of_protocols_is_an_answer_like_others(void **state)
{
    struct gateway *gateway = open_refusing();
    (void)state;
    raw_send_text(gateway->client,
                  "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(
        fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello");
    expect_refusal(gateway);
    assert_null(strcasestr(got, "\r\nUpgrade:"));
    assert_null(strstr(got, "hello"));
    assert_true(raw_is_closed(fd));
    close(fd);
    gateway_close(gateway);
}

static void a_client_that_leaves_meanwhile_harms_nobody(void **state)
{
    struct gateway *gateway = open_refusing();
    (void)state;
    raw_send_text(gateway->client, GET);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    const struct linger reset = {.l_onoff = 1};
    (void)setsockopt(gateway->client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(gateway->client);
    assert_true(raw_is_closed(fd));
    close(fd);
    gateway->client = gateway_connect(gateway);
    raw_send_text(gateway->client, GET);
    fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    expect_refusal(gateway);
    close(fd);
    gateway_close(gateway);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_gets_the_plugins_answer_with_the_head_of_a_proxied_one),
        cmocka_unit_test(a_short_body_is_dropped_and_the_connection_kept),
        cmocka_unit_test(a_body_that_is_long_or_late_costs_the_connection_and_no_time),
        cmocka_unit_test(a_body_without_announced_end_is_dropped_only_so_far),
        cmocka_unit_test(body_filters_see_the_new_body),
        cmocka_unit_test(an_upstream_that_breaks_off_makes_no_difference),
        cmocka_unit_test(head_has_the_length_and_no_body),
        cmocka_unit_test(a_change_of_protocols_is_an_answer_like_others),
        cmocka_unit_test(a_client_that_leaves_meanwhile_harms_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
