/*
 * A request's steps from its arrival to the upstream or to a refusal, through a whole proxy (data-plane
 * reference, 3 and 5.4).
 */

#include "gateway.h"

#define TIMES   "'connect_timeout':3000,'write_timeout':3000,'read_timeout':3000"
#define SERVICE "'protocol':'http','host':'127.0.0.1','retries':0," TIMES
#define OK      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static char got[1 << 15];
static char seen[1 << 15];

static void expect_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in: %s", part, text);
}

static void expect_has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("'%s' is in: %s", part, text);
}

/* The gateway answers by itself: the upstream sees nothing. */
static void expect_refusal(struct gateway *gateway, const char *request, const char *first_line,
                           const char *message)
{
    raw_send_text(gateway->client, request);
    (void)raw_receive(gateway->client, got, sizeof(got), "request_id");
    expect_has(got, first_line);
    expect_has(got, message);
    expect_has(got, "\r\nServer: kong/3.5.0\r\n");
    expect_has(got, "\r\nX-Kong-Response-Latency: ");
    expect_has(got, "\r\nX-Kong-Request-Id: ");
    expect_has_not(got, "\r\nVia: ");
    gateway_expect_no_other(gateway);
}

/* The upstream gets the request, answers, and the client gets that. */
static void expect_passed(struct gateway *gateway, const char *request)
{
    raw_send_text(gateway->client, request);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    (void)raw_receive(gateway->client, got, sizeof(got), "\r\n\r\nok");
    expect_has(got, "HTTP/1.1 200 OK\r\n");
    close(fd);
}

/* ---- refusals ---- */

static void no_route_is_404(void **state)
{
    struct gateway *gateway = gateway_open(
        &(struct gateway_options){.route = "'paths':['/only'],'protocols':['http'],'service':{'id':'$2$'}"});
    (void)state;
    expect_refusal(gateway, "GET /other HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 Not Found\r\n",
                   "\"message\":\"no Route matched with those values\"");
    gateway_close(gateway);
}

static void a_route_without_service_is_503(void **state)
{
    struct gateway *gateway =
        gateway_open(&(struct gateway_options){.route = "'paths':['/'],'protocols':['http']"});
    (void)state;
    expect_refusal(gateway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 503 ",
                   "no Service found with those values");
    gateway_close(gateway);
}

static void a_protocol_that_is_not_spoken_is_503(void **state)
{
    struct gateway *gateway =
        gateway_open(&(struct gateway_options){.service = "'protocol':'grpc','host':'127.0.0.1'," TIMES});
    (void)state;
    expect_refusal(gateway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 503 ", "is not spoken");
    gateway_close(gateway);
}

static void a_name_without_address_is_503(void **state)
{
    struct gateway *gateway =
        gateway_open(&(struct gateway_options){.service = "'protocol':'http','host':'nowhere.test'," TIMES});
    (void)state;
    expect_refusal(gateway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 503 ", "name resolution failed");
    expect_refusal(gateway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 503 ", "name resolution failed");
    gateway_close(gateway);
}

static void a_client_may_leave_while_a_name_is_looked_up(void **state)
{
    struct gateway *gateway =
        gateway_open(&(struct gateway_options){.service = "'protocol':'http','host':'nowhere.test'," TIMES});
    (void)state;
    int other = gateway_connect(gateway);
    raw_send_text(other, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(raw_wait(gateway->name_server, RAW_DEADLINE_MS)); /* somebody asks */
    close(other);
    expect_refusal(gateway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 503 ", "name resolution failed");
    gateway_close(gateway);
}

static void what_the_front_refuses_looks_like_an_engine_error(void **state)
{
    struct gateway *gateway = gateway_open(&(struct gateway_options){0});
    (void)state;
    expect_refusal(gateway, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", "Bad request\nrequest_id");
    (void)raw_receive(gateway->client, got, sizeof(got), NULL); /* the id */
    assert_true(raw_is_closed(gateway->client));
    gateway_close(gateway);
}

static void a_stale_node_refuses_if_it_is_told_to(void **state)
{
    static const struct {
        const char *settings;
        bool refuses;
    } cases[] = {{"cluster_stale_policy = refuse\n", true}, {"cluster_stale_policy = serve\n", false}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gateway *gateway = gateway_open(&(struct gateway_options){.settings = cases[i].settings});
        expect_passed(gateway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        proxy_set_stale(gateway->proxy, true);
        if (cases[i].refuses)
            expect_refusal(gateway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 503 ", "out of date");
        else
            expect_passed(gateway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        proxy_set_stale(gateway->proxy, false);
        gateway_close(gateway);
    }
}

/* ---- https only ---- */

#define HTTPS_ONLY "'paths':['/'],'protocols':['https'],'service':{'id':'$2$'},"

static void plain_text_where_https_is_wanted_is_426(void **state)
{
    struct gateway *gateway =
        gateway_open(&(struct gateway_options){.route = HTTPS_ONLY "'https_redirect_status_code':426"});
    (void)state;
    expect_refusal(gateway, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n",
                   "HTTP/1.1 426 Upgrade Required\r\n", "\"message\":\"Please use HTTPS protocol\"");
    expect_has(got, "\r\nConnection: Upgrade\r\n");
    expect_has(got, "\r\nUpgrade: TLS/1.2, HTTP/1.1\r\n");
    gateway_close(gateway);
}

static void or_a_redirect_to_the_host_that_was_meant(void **state)
{
    static const struct {
        const char *settings, *lines, *location;
    } cases[] = {
        {"", "Host: Shop.Test:8000\r\n", "https://shop.test/a%2F?b=1&c"},
        {"", "Host: shop.test\r\nX-Forwarded-Host: evil\r\n", "https://shop.test/a%2F?b=1&c"},
        {"trusted_ips = 127.0.0.1\n", "Host: x\r\nX-Forwarded-Host: front.test:80\r\n",
         "https://front.test/a%2F?b=1&c"},
        {"trusted_ips = 127.0.0.1\n", "Host: x\r\nX-Forwarded-Proto: http\r\n", "https://x/a%2F?b=1&c"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gateway *gateway = gateway_open(&(struct gateway_options){
            .settings = cases[i].settings, .route = HTTPS_ONLY "'https_redirect_status_code':308"});
        struct buf text = {0};
        buf_printf(&text, "GET /a%%2F?b=1&c HTTP/1.1\r\n%s\r\n", cases[i].lines);
        raw_send_text(gateway->client, text.at);
        (void)raw_receive(gateway->client, got, sizeof(got), "\r\n\r\n");
        expect_has(got, "HTTP/1.1 308 Permanent Redirect\r\n");
        buf_clear(&text);
        buf_printf(&text, "\r\nLocation: %s\r\n", cases[i].location);
        expect_has(got, text.at);
        expect_has(got, "\r\nContent-Length: 0\r\n");
        expect_has(got, "\r\nServer: kong");
        buf_fini(&text);
        gateway_close(gateway);
    }
}

static void a_trusted_peer_has_done_the_https(void **state)
{
    struct gateway *gateway = gateway_open(&(struct gateway_options){
        .settings = "trusted_ips = 127.0.0.1\n", .route = HTTPS_ONLY "'https_redirect_status_code':426"});
    (void)state;
    expect_passed(gateway, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n");
    expect_has(seen, "\r\nX-Forwarded-Proto: https\r\n");
    expect_refusal(gateway, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: HTTPS\r\n\r\n", "HTTP/1.1 426 ",
                   "HTTPS");
    gateway_close(gateway);
}

/* ---- what goes upstream ---- */

static void a_prefix_is_stripped_and_told(void **state)
{
    static const struct {
        const char *route, *target, *line, *prefix;
    } cases[] = {
        {"'paths':['/shop'],'strip_path':true", "/shop/a%20b?q", "GET /svc/a%20b?q HTTP/1.1\r\n", "/shop"},
        {"'paths':['/shop'],'strip_path':false", "/shop/x", "GET /svc/shop/x HTTP/1.1\r\n", NULL},
        {"'paths':['/'],'strip_path':true", "/shop/x?", "GET /svc/shop/x? HTTP/1.1\r\n", NULL},
        {"'paths':['~/s[a-z]+'],'strip_path':true", "/shop/x", "GET /svc/x HTTP/1.1\r\n", "/shop"},
        {"'hosts':['a'],'strip_path':true", "/shop/x", "GET /svc/shop/x HTTP/1.1\r\n", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = {0};
        buf_printf(&text, "%s,'protocols':['http'],'service':{'id':'$2$'}", cases[i].route);
        struct gateway *gateway =
            gateway_open(&(struct gateway_options){.service = SERVICE ",'path':'/svc'", .route = text.at});
        buf_clear(&text);
        buf_printf(&text, "GET %s HTTP/1.1\r\nHost: a\r\nX-Forwarded-Prefix: /evil\r\n\r\n", cases[i].target);
        expect_passed(gateway, text.at);
        if (strncmp(seen, cases[i].line, strlen(cases[i].line)) != 0)
            fail_msg("%s", seen);
        buf_clear(&text);
        buf_printf(&text, "\r\nX-Forwarded-Prefix: %s", cases[i].prefix != NULL ? cases[i].prefix : "");
        if (cases[i].prefix != NULL)
            expect_has(seen, text.at);
        else
            expect_has_not(seen, text.at);
        buf_fini(&text);
        gateway_close(gateway);
    }
}

static void the_host_is_the_services_or_the_clients(void **state)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: Shop.Test:8000\r\n\r\n";
    char wanted[64];
    struct gateway *gateway = gateway_open(&(struct gateway_options){0});
    (void)state;
    expect_passed(gateway, request);
    (void)snprintf(wanted, sizeof(wanted), "\r\nHost: 127.0.0.1:%d\r\n", gateway->upstream_port);
    expect_has(seen, wanted);
    gateway_close(gateway);

    gateway = gateway_open(&(struct gateway_options){
        .route = "'paths':['/'],'protocols':['http'],'preserve_host':true,'service':{'id':'$2$'}"});
    expect_passed(gateway, request);
    expect_has(seen, "\r\nHost: Shop.Test:8000\r\n");
    expect_passed(gateway, "GET / HTTP/1.0\r\n\r\n"); /* has none to preserve */
    (void)snprintf(wanted, sizeof(wanted), "\r\nHost: 127.0.0.1:%d\r\n", gateway->upstream_port);
    expect_has(seen, wanted);
    gateway_close(gateway);
}

static void what_connection_names_goes_no_further(void **state)
{
    struct gateway *gateway = gateway_open(&(struct gateway_options){0});
    (void)state;
    expect_passed(gateway, "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\n"
                           "X-Other: 2\r\nProxy: evil\r\n\r\n");
    expect_has(seen, "\r\nX-Other: 2\r\n");
    expect_has_not(seen, "X-Mine");
    expect_has_not(seen, "evil");
    expect_has(seen, "\r\nConnection: keep-alive\r\n");
    gateway_close(gateway);
}

static void both_sides_get_the_same_request_id(void **state)
{
    struct gateway *gateway = gateway_open(&(struct gateway_options){0});
    static const char name[] = "\r\nX-Kong-Request-Id: ";
    char first[33];
    (void)state;
    expect_passed(gateway, "GET / HTTP/1.1\r\nHost: a\r\nX-Kong-Request-Id: mine\r\n\r\n");
    expect_has(seen, name);
    expect_has(got, name);
    const char *id = strstr(seen, name) + sizeof(name) - 1;
    assert_int_equal(strspn(id, "0123456789abcdef"), 32);
    assert_memory_equal(id, strstr(got, name) + sizeof(name) - 1, 34);
    expect_has_not(seen, "mine");
    memcpy(first, id, 32);
    first[32] = '\0';
    expect_passed(gateway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_has_not(seen, first);
    gateway_close(gateway);
}

/* ---- life of the proxy ---- */

static void a_reload_reaches_the_next_request(void **state)
{
    struct gateway *gateway = gateway_open(&(struct gateway_options){0});
    struct config *next = test_config("prefix = /tmp\nserver_token = next/1\nheaders = Via\n");
    (void)state;
    expect_passed(gateway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_has(got, "\r\nVia: kong/3.5.0\r\n");
    proxy_reload(gateway->proxy, next);
    expect_passed(gateway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_has(got, "\r\nVia: next/1\r\n");
    expect_has_not(got, "Latency");
    gateway_close(gateway);
    config_free(next);
}

/* Loops say by message what they have let go of. */
static bool only_one_snapshot_is_left(struct gateway *gateway)
{
    for (int i = 0; i < RAW_DEADLINE_MS / 10 && live_settings != 1; i++) {
        (void)poll(NULL, 0, 10);
        snapshot_sweep(gateway->place);
    }
    return live_settings == 1;
}

static void a_request_keeps_the_settings_and_rows_it_began_with(void **state)
{
    struct gateway *gateway = gateway_open(&(struct gateway_options){0});
    struct config *next = test_config("prefix = /tmp\nserver_token = next/1\n");
    (void)state;
    raw_send_text(gateway->client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int fd = gateway_take(gateway, seen, sizeof(seen));
    proxy_reload(gateway->proxy, next);
    gateway_publish(gateway, &(struct gateway_options){.route = "'paths':['/gone'],'protocols':['http']"});
    snapshot_sweep(gateway->place);
    int other = gateway_connect(gateway);
    raw_send_text(other, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)raw_receive(other, got, sizeof(got), "request_id");
    expect_has(got, "HTTP/1.1 404 ");
    expect_has(got, "\r\nServer: next/1\r\n");
    snapshot_sweep(gateway->place);
    assert_int_equal(live_settings, 2);
    raw_send_text(fd, OK);
    (void)raw_receive(gateway->client, got, sizeof(got), "\r\n\r\nok");
    expect_has(got, "\r\nVia: kong/3.5.0\r\n");
    assert_true(only_one_snapshot_is_left(gateway));
    close(fd);
    close(other);
    gateway_close(gateway);
    config_free(next);
}

/* The node is waking up, and a request has found it so. */
static void ask_while_asleep(struct gateway *gateway)
{
    struct http_front_stats stats = {0};
    proxy_set_awake(gateway->proxy, loop_clock_us());
    raw_send_text(gateway->client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < RAW_DEADLINE_MS / 10 && stats.requests == 0; i++) {
        (void)poll(NULL, 0, 10);
        http_front_read_stats(proxy_front(gateway->proxy), &stats);
    }
    assert_int_equal(stats.requests, 1);
}

static void a_request_that_waited_for_the_node_to_wake_sees_what_it_missed(void **state)
{
    struct gateway *gateway = gateway_open(&(struct gateway_options){0});
    (void)state;
    ask_while_asleep(gateway);
    assert_false(raw_wait(gateway->client, 30) || raw_wait(gateway->upstream, 0));
    gateway_publish(gateway, &(struct gateway_options){.route = "'paths':['/gone'],'protocols':['http']"});
    proxy_set_awake(gateway->proxy, INT64_MAX);
    (void)raw_receive(gateway->client, got, sizeof(got), "request_id");
    expect_has(got, "HTTP/1.1 404 ");
    assert_true(only_one_snapshot_is_left(gateway));
    gateway_close(gateway);
}

static void a_node_that_stays_asleep_serves_what_it_knows(void **state)
{
    struct gateway *gateway = gateway_open(&(struct gateway_options){0});
    (void)state;
    int64_t began_us = loop_clock_us();
    ask_while_asleep(gateway);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    assert_true(loop_clock_us() - began_us >= 250000);
    raw_send_text(fd, OK);
    (void)raw_receive(gateway->client, got, sizeof(got), "\r\n\r\nok");
    close(fd);
    gateway_close(gateway);
}

static void a_client_may_leave_while_the_node_wakes(void **state)
{
    struct gateway *gateway = gateway_open(&(struct gateway_options){0});
    (void)state;
    ask_while_asleep(gateway);
    close(gateway->client);
    gateway->client = gateway_connect(gateway);
    expect_passed(gateway, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); /* one nap later */
    gateway_expect_no_other(gateway);
    gateway_close(gateway);
}

static void on_empty(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void a_drain_waits_for_what_runs(void **state)
{
    struct gateway *gateway = gateway_open(&(struct gateway_options){0});
    atomic_int emptied = 0;
    (void)state;
    raw_send_text(gateway->client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int fd = gateway_take(gateway, seen, sizeof(seen));
    proxy_drain(gateway->proxy, &(struct http_drain){.on_empty = on_empty, .arg = &emptied});
    raw_send_text(fd, OK);
    (void)raw_receive(gateway->client, got, sizeof(got), NULL); /* until it is closed */
    expect_has(got, "HTTP/1.1 200 OK\r\n");
    expect_has(got, "\r\n\r\nok");
    assert_true(raw_reaches(&emptied, 1));
    assert_true(raw_is_closed(fd)); /* nothing is kept any more */
    close(fd);
    gateway_close(gateway);
}

static void a_proxy_may_end_with_requests_under_way(void **state)
{
    struct gateway *gateway = gateway_open(&(struct gateway_options){0});
    int other = gateway_connect(gateway);
    (void)state;
    raw_send_text(gateway->client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    raw_send_text(other, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int first = gateway_take(gateway, seen, sizeof(seen));
    int second = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(first, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    gateway_close(gateway);
    close(first);
    close(second);
    close(other);
}

static void an_address_in_use_is_an_error(void **state)
{
    struct gateway *gateway = gateway_open(&(struct gateway_options){0});
    char settings[64];
    struct err err = {0};
    struct proxy *proxy = NULL;
    (void)state;
    (void)snprintf(settings, sizeof(settings), "prefix = /tmp\nproxy_listen = 127.0.0.1:%d\n",
                   gateway->upstream_port);
    struct config *config = test_config(settings);
    const struct proxy_options options = {
        .config = config, .place = gateway->place, .loops = &gateway->loop, .loop_count = 1};
    assert_false(proxy_open(&options, &proxy, &err));
    expect_has(err.text, "proxy_listen");
    config_free(config);
    gateway_close(gateway);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_route_is_404),
        cmocka_unit_test(a_route_without_service_is_503),
        cmocka_unit_test(a_protocol_that_is_not_spoken_is_503),
        cmocka_unit_test(a_name_without_address_is_503),
        cmocka_unit_test(a_client_may_leave_while_a_name_is_looked_up),
        cmocka_unit_test(what_the_front_refuses_looks_like_an_engine_error),
        cmocka_unit_test(a_stale_node_refuses_if_it_is_told_to),
        cmocka_unit_test(plain_text_where_https_is_wanted_is_426),
        cmocka_unit_test(or_a_redirect_to_the_host_that_was_meant),
        cmocka_unit_test(a_trusted_peer_has_done_the_https),
        cmocka_unit_test(a_prefix_is_stripped_and_told),
        cmocka_unit_test(the_host_is_the_services_or_the_clients),
        cmocka_unit_test(what_connection_names_goes_no_further),
        cmocka_unit_test(both_sides_get_the_same_request_id),
        cmocka_unit_test(a_reload_reaches_the_next_request),
        cmocka_unit_test(a_request_keeps_the_settings_and_rows_it_began_with),
        cmocka_unit_test(a_request_that_waited_for_the_node_to_wake_sees_what_it_missed),
        cmocka_unit_test(a_node_that_stays_asleep_serves_what_it_knows),
        cmocka_unit_test(a_client_may_leave_while_the_node_wakes),
        cmocka_unit_test(a_drain_waits_for_what_runs),
        cmocka_unit_test(a_proxy_may_end_with_requests_under_way),
        cmocka_unit_test(an_address_in_use_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
