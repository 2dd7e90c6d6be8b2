/*
 * resolver, against a name server of a few lines: it answers names by what they begin with.
 *
 *   a...      one address, 10.0.0.<number of questions so far>, TTL 1 s
 *   many...   three addresses, TTL 300 s
 *   six...    an IPv6 address and an IPv4 address
 *   none...   the name does not exist
 *   fail...   the server fails
 *   silent... no answer
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"
#include "gateway/dns/hosts_file.h"
#include "gateway/dns/record_cache.h"
#include "gateway/dns/resolver.h"
#include "gateway/io/loop.h"

struct server {
    pthread_t thread;
    int fd;
    char address[32];
    atomic_int questions;
    atomic_bool failing; /* whatever the name */
    atomic_bool stopping;
};

struct bench {
    struct server server;
    struct loop *loop;
    struct resolver *resolver;
    char hosts[64];
};

/* One name asked for from the loop. */
struct asked {
    struct loop_message super;
    struct bench *bench;
    const char *name;
    struct resolver_query query;
    bool cancel;
    const struct resolver_answer *answer;
    atomic_int done;
};

static size_t add_record(uint8_t *to, uint16_t type, uint32_t ttl, const uint8_t *data, uint16_t length)
{
    const uint8_t head[] = {0xc0,
                            12,
                            (uint8_t)(type >> 8),
                            (uint8_t)type,
                            0,
                            1,
                            (uint8_t)(ttl >> 24),
                            (uint8_t)(ttl >> 16),
                            (uint8_t)(ttl >> 8),
                            (uint8_t)ttl,
                            (uint8_t)(length >> 8),
                            (uint8_t)length};

    memcpy(to, head, sizeof(head));
    memcpy(to + sizeof(head), data, length);
    return sizeof(head) + length;
}

/* Turns the question in `packet` into its answer; returns its length, 0: no answer. */
static size_t answer_question(struct server *server, uint8_t *packet, size_t length)
{
    const char *label = (const char *)packet + 13; /* behind the header and the length of the first label */
    uint8_t address[4] = {10, 0, 0, 0};
    uint8_t address6[16] = {0xfd, 0};
    size_t at = 12;

    if (length < 17)
        return 0;
    while (at < length && packet[at] != 0)
        at += packet[at] + 1u;
    uint16_t type = (uint16_t)(packet[at + 1] << 8 | packet[at + 2]);
    at += 5; /* the question ends; whatever follows (EDNS) is dropped */
    packet[2] = 0x81;
    packet[3] = 0x80;
    memset(packet + 6, 0, 6);
    address[3] = (uint8_t)(atomic_fetch_add(&server->questions, 1) + 1);
    if (strncmp(label, "silent", 6) == 0)
        return 0;
    if (atomic_load(&server->failing) || strncmp(label, "fail", 4) == 0) {
        packet[3] |= 2;
        return at;
    }
    if (strncmp(label, "none", 4) == 0) {
        packet[3] |= 3;
        return at;
    }
    if (strncmp(label, "six", 3) == 0 && type == 28) {
        packet[7] = 1;
        return at + add_record(packet + at, 28, 300, address6, 16);
    }
    if (type != 1)
        return at;
    packet[7] = strncmp(label, "many", 4) == 0 ? 3 : 1;
    for (int i = 0; i < packet[7]; i++) {
        address[2] = (uint8_t)i;
        at += add_record(packet + at, 1, label[0] == 'a' ? 1 : 300, address, 4);
    }
    return at;
}

static void *serve(void *arg)
{
    struct server *server = arg;
    uint8_t packet[1024];
    struct sockaddr_in peer;

    while (!atomic_load(&server->stopping)) {
        struct pollfd polled = {.fd = server->fd, .events = POLLIN};
        socklen_t peer_length = sizeof(peer);

        if (poll(&polled, 1, 20) <= 0)
            continue;
        ssize_t count = recvfrom(server->fd, packet, 512, 0, (void *)&peer, &peer_length);
        size_t length = count > 0 ? answer_question(server, packet, (size_t)count) : 0;
        if (length > 0)
            (void)sendto(server->fd, packet, length, 0, (void *)&peer, peer_length);
    }
    return NULL;
}

static void start_server(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);

    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (void *)&address, length), 0);
    assert_int_equal(getsockname(server->fd, (void *)&address, &length), 0);
    (void)snprintf(server->address, sizeof(server->address), "127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static int start(void **state)
{
    struct bench *bench = mem_zalloc(sizeof(*bench));
    struct err err;

    start_server(&bench->server);
    (void)snprintf(bench->hosts, sizeof(bench->hosts), "/tmp/freshet-test-hosts-%d", (int)getpid());
    FILE *hosts = fopen(bench->hosts, "we");
    assert_non_null(hosts);
    (void)fputs("127.0.0.9 Here here.too # a comment\n\n::1 here\n10.1.1.1 herein\nrubbish x\n", hosts);
    (void)fclose(hosts);
    const struct resolver_options options = {
        .servers = bench->server.address,
        .hosts_file = bench->hosts,
        .ipv6 = true,
        .stale_ttl_s = 3600,
        .not_found_ttl_s = 30,
        .error_ttl_s = 1,
        .cache_size = 100,
        .timeout_ms = 200,
    };
    assert_true(resolver_open(&options, &bench->resolver, &err));
    assert_true(loop_open("test", &bench->loop, &err));
    assert_true(loop_start(bench->loop, NULL, NULL, &err));
    *state = bench;
    return 0;
}

static int stop(void **state)
{
    struct bench *bench = *state;

    loop_stop(bench->loop);
    loop_join(bench->loop);
    resolver_close(bench->resolver);
    loop_close(bench->loop);
    atomic_store(&bench->server.stopping, true);
    (void)pthread_join(bench->server.thread, NULL);
    close(bench->server.fd);
    unlink(bench->hosts);
    free(bench);
    return 0;
}

static void on_done(struct resolver_query *query, const struct resolver_answer *answer)
{
    struct asked *asked = CONTAINER_OF(query, struct asked, query);

    asked->answer = resolver_answer_ref(answer);
    atomic_store(&asked->done, 1);
}

static void ask_now(struct loop_message *message)
{
    struct asked *asked = CONTAINER_OF(message, struct asked, super);

    asked->query = (struct resolver_query){.loop = asked->bench->loop, .on_done = on_done};
    resolver_ask(asked->bench->resolver, str_of(asked->name), &asked->query);
    if (asked->cancel)
        resolver_cancel(&asked->query);
}

static void post(struct bench *bench, struct asked *asked, const char *name)
{
    *asked = (struct asked){.super.run = ask_now, .bench = bench, .name = name};
    loop_post(bench->loop, &asked->super);
}

static const struct resolver_answer *wait_for(struct asked *asked)
{
    for (int i = 0; i < 500 && atomic_load(&asked->done) == 0; i++)
        (void)poll(NULL, 0, 10);
    assert_int_equal(atomic_load(&asked->done), 1);
    return asked->answer;
}

static const struct resolver_answer *ask(struct bench *bench, const char *name)
{
    struct asked asked;

    post(bench, &asked, name);
    return wait_for(&asked);
}

static const char *text_of(const struct resolver_answer *answer, size_t index)
{
    static char text[INET6_ADDRSTRLEN];
    const struct sockaddr_in *four = (const void *)&answer->addresses[index];
    const struct sockaddr_in6 *six = (const void *)&answer->addresses[index];

    assert_true(index < answer->count);
    if (four->sin_family == AF_INET)
        return inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text));
    return inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
}

static void expect(struct bench *bench, const char *name, size_t count, const char *first)
{
    const struct resolver_answer *answer = ask(bench, name);

    assert_int_equal(answer->count, count);
    if (first != NULL)
        assert_string_equal(text_of(answer, 0), first);
    resolver_answer_unref(answer);
}

static void numbers_and_the_hosts_file_ask_nobody(void **state)
{
    struct bench *bench = *state;
    const struct resolver_answer *found = resolver_find(bench->resolver, STR("192.0.2.1"));

    assert_string_equal(text_of(found, 0), "192.0.2.1");
    resolver_answer_unref(found);
    found = resolver_find(bench->resolver, STR("[2001:db8::1]"));
    assert_string_equal(text_of(found, 0), "2001:db8::1");
    resolver_answer_unref(found);
    found = resolver_find(bench->resolver, STR("HERE."));
    assert_int_equal(found->count, 2);
    assert_string_equal(text_of(found, 0), "127.0.0.9");
    assert_string_equal(text_of(found, 1), "::1");
    resolver_answer_unref(found);
    expect(bench, "here.too", 1, "127.0.0.9");
    expect(bench, "not a name", 0, NULL);
    assert_int_equal(atomic_load(&bench->server.questions), 0);
}

static void an_answer_is_kept_for_its_ttl(void **state)
{
    struct bench *bench = *state;

    assert_null(resolver_find(bench->resolver, STR("many.test")));
    expect(bench, "many.test", 3, NULL);
    int before = atomic_load(&bench->server.questions);
    for (int i = 0; i < 10; i++)
        expect(bench, "MANY.test", 3, NULL);
    assert_int_equal(atomic_load(&bench->server.questions), before);
    const struct resolver_answer *found = resolver_find(bench->resolver, STR("many.test."));
    assert_int_equal(found->count, 3);
    resolver_answer_unref(found);
}

static void both_families_are_asked_for_and_ipv4_comes_first(void **state)
{
    struct bench *bench = *state;
    const struct resolver_answer *answer = ask(bench, "six.test");

    assert_int_equal(answer->count, 2);
    assert_int_equal(answer->addresses[0].ss_family, AF_INET);
    assert_string_equal(text_of(answer, 1), "fd00::");
    resolver_answer_unref(answer);
}

static void many_who_wait_are_one_question(void **state)
{
    struct bench *bench = *state;
    struct asked asked[20];

    expect(bench, "many.first", 3, NULL); /* how many questions one name makes */
    int each = atomic_load(&bench->server.questions);
    for (size_t i = 0; i < COUNT(asked); i++)
        post(bench, &asked[i], "many.second");
    for (size_t i = 0; i < COUNT(asked); i++)
        resolver_answer_unref(wait_for(&asked[i]));
    assert_int_equal(atomic_load(&bench->server.questions), 2 * each);
}

static void that_a_name_does_not_exist_is_remembered(void **state)
{
    struct bench *bench = *state;

    expect(bench, "none.test", 0, NULL);
    int before = atomic_load(&bench->server.questions);
    expect(bench, "none.test", 0, NULL);
    assert_int_equal(atomic_load(&bench->server.questions), before);
}

static void failures_and_silence_give_an_empty_answer(void **state)
{
    expect(*state, "fail.test", 0, NULL);
    expect(*state, "silent.test", 0, NULL);
}

static void a_stale_answer_serves_while_the_server_fails(void **state)
{
    struct bench *bench = *state;

    resolver_answer_unref(ask(bench, "a.test"));
    atomic_store(&bench->server.failing, true);
    int before = atomic_load(&bench->server.questions);
    (void)poll(NULL, 0, 1200); /* its TTL is one second */
    for (int i = 0; i < 20; i++) {
        const struct resolver_answer *found = resolver_find(bench->resolver, STR("a.test"));

        assert_non_null(found);
        assert_int_equal(found->count, 1);
        resolver_answer_unref(found);
        (void)poll(NULL, 0, 10);
    }
    assert_true(atomic_load(&bench->server.questions) > before);
}

static void a_used_name_is_refreshed_before_it_expires(void **state)
{
    struct bench *bench = *state;
    const struct resolver_answer *first = ask(bench, "a.test");
    bool changed = false;

    for (int i = 0; i < 300 && !changed; i++) {
        const struct resolver_answer *found = resolver_find(bench->resolver, STR("a.test"));

        assert_non_null(found);
        changed = memcmp(&found->addresses[0], &first->addresses[0], sizeof(first->addresses[0])) != 0;
        resolver_answer_unref(found);
        (void)poll(NULL, 0, 10);
    }
    assert_true(changed);
    resolver_answer_unref(first);
}

static void a_cancelled_query_hears_nothing(void **state)
{
    struct bench *bench = *state;
    struct asked asked = {.super.run = ask_now, .bench = bench, .name = "many.cancelled", .cancel = true};

    loop_post(bench->loop, &asked.super);
    const struct resolver_answer *answer = ask(bench, "many.cancelled"); /* joins the same question */
    assert_int_equal(answer->count, 3);
    resolver_answer_unref(answer);
    (void)poll(NULL, 0, 50);
    assert_int_equal(atomic_load(&asked.done), 0);
}

static void the_cache_is_bounded(void **state)
{
    struct record_cache cache;
    char name[RECORD_NAME_SIZE];
    size_t length;

    (void)state;
    record_cache_init(&cache, 10);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "name%d", i);
        struct record *record = record_cache_add(&cache, name, strlen(name));
        record->asking = i == 0;
        (void)record_cache_find(&cache, "name1", 5); /* used again and again */
    }
    assert_int_equal(cache.count, 10);
    assert_non_null(record_cache_find(&cache, "name0", 5)); /* being asked for */
    assert_non_null(record_cache_find(&cache, "name1", 5));
    assert_non_null(record_cache_find(&cache, "name999", 7));
    assert_null(record_cache_find(&cache, "name2", 5));
    assert_true(record_name(STR("Exam-ple_1.Test."), name, &length));
    assert_string_equal(name, "exam-ple_1.test");
    assert_false(record_name(STR(""), name, &length));
    assert_false(record_name(STR("a b"), name, &length));
    record_cache_fini(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FACT(name) cmocka_unit_test_setup_teardown(name, start, stop)
        FACT(numbers_and_the_hosts_file_ask_nobody),
        FACT(an_answer_is_kept_for_its_ttl),
        FACT(both_families_are_asked_for_and_ipv4_comes_first),
        FACT(many_who_wait_are_one_question),
        FACT(that_a_name_does_not_exist_is_remembered),
        FACT(failures_and_silence_give_an_empty_answer),
        FACT(a_stale_answer_serves_while_the_server_fails),
        FACT(a_used_name_is_refreshed_before_it_expires),
        FACT(a_cancelled_query_hears_nothing),
        cmocka_unit_test(the_cache_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
