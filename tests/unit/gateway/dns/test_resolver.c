/*
 * resolver, against the name server of name_server.h.
 */

#include "name_server.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "gateway/base/attributes.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/dns/hosts_file.h"
#include "gateway/dns/record_cache.h"
#include "gateway/dns/resolver.h"
#include "gateway/io/loop.h"

enum {
    TIMEOUT_MS = 200
};

struct bench {
    struct name_server server;
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

static void write_hosts(struct bench *bench, const char *text)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s.new", bench->hosts);
    FILE *hosts = fopen(path, "we");
    assert_non_null(hosts);
    (void)fputs(text, hosts);
    (void)fclose(hosts);
    assert_int_equal(rename(path, bench->hosts), 0);
}

static void open_resolver(struct bench *bench, const char *order, int stale_ttl_s)
{
    struct err err = {0};
    const struct resolver_options options = {
        .servers = bench->server.address,
        .hosts_file = bench->hosts,
        .order = order,
        .stale_ttl_s = stale_ttl_s,
        .not_found_ttl_s = 30,
        .error_ttl_s = 1,
        .cache_size = 100,
        .timeout_ms = TIMEOUT_MS,
    };

    if (!resolver_open(&options, &bench->resolver, &err))
        fail_msg("%s", err.text);
}

static void reopen(struct bench *bench, const char *order, int stale_ttl_s)
{
    resolver_close(bench->resolver);
    open_resolver(bench, order, stale_ttl_s);
}

static int start(void **state)
{
    struct bench *bench = mem_zalloc(sizeof(*bench));
    struct err err;

    name_server_start(&bench->server);
    (void)snprintf(bench->hosts, sizeof(bench->hosts), "/tmp/freshet-test-hosts-%d", (int)getpid());
    write_hosts(bench,
                "127.0.0.9 Here here.too # a comment\n\n::1 here only.six\n10.1.1.1 herein\nrubbish x\n"
                "127.0.0.8 here\n");
    open_resolver(bench, NULL, 3600);
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
    name_server_stop(&bench->server);
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

static const struct resolver_answer *find(struct bench *bench, const char *name, enum resolver_use use)
{
    return resolver_find(bench->resolver, str_of(name), use);
}

static const char *text_of(const struct resolver_answer *answer, size_t index)
{
    static char text[INET6_ADDRSTRLEN];
    const struct sockaddr_in *four = (const void *)&answer->addresses[index].at;
    const struct sockaddr_in6 *six = (const void *)&answer->addresses[index].at;

    assert_true(index < answer->count);
    if (four->sin_family == AF_INET)
        return inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text));
    return inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
}

static void expect_answer(const struct resolver_answer *answer, size_t count, const char *first)
{
    assert_non_null(answer);
    assert_int_equal(answer->count, count);
    if (first != NULL)
        assert_string_equal(text_of(answer, 0), first);
    resolver_answer_unref(answer);
}

static void expect(struct bench *bench, const char *name, size_t count, const char *first)
{
    expect_answer(ask(bench, name), count, first);
}

static int questions(struct bench *bench)
{
    return atomic_load(&bench->server.questions);
}

static void numbers_and_the_hosts_file_ask_nobody(void **state)
{
    struct bench *bench = *state;

    expect_answer(find(bench, "192.0.2.1", RESOLVER_SERVICE), 1, "192.0.2.1");
    expect_answer(find(bench, "[2001:db8::1]", RESOLVER_SERVICE), 1, "2001:db8::1");
    expect_answer(find(bench, "HERE.", RESOLVER_TARGET), 2, "127.0.0.9");
    expect_answer(find(bench, "only.six", RESOLVER_SERVICE), 1, "::1");
    expect_answer(find(bench, "localhost", RESOLVER_SERVICE), 1, "127.0.0.1");
    expect(bench, "here.too", 1, "127.0.0.9");
    expect(bench, "not a name", 0, NULL);
    reopen(bench, "AAAA,A", 3600);
    expect(bench, "here", 1, "::1");
    expect(bench, "localhost", 1, "::1");
    assert_int_equal(questions(bench), 0);
}

static void the_hosts_file_is_read_again_when_it_has_changed(void **state)
{
    struct bench *bench = *state;
    const struct resolver_answer *kept = find(bench, "here.too", RESOLVER_TARGET);
    uint64_t before = resolver_generation(bench->resolver);
    int64_t end = clock_now_ms(clock_system()) + 15000;

    write_hosts(bench, "127.0.0.9 here.too\n10.9.9.9 new.one\n");
    while (resolver_generation(bench->resolver) == before && clock_now_ms(clock_system()) < end)
        (void)poll(NULL, 0, 20);
    assert_true(resolver_generation(bench->resolver) > before);
    expect_answer(find(bench, "new.one", RESOLVER_TARGET), 1, "10.9.9.9");
    assert_null(find(bench, "herein", RESOLVER_TARGET));
    const struct resolver_answer *again = find(bench, "here.too", RESOLVER_TARGET);
    assert_ptr_equal(again, kept); /* the same object, since its line is the same */
    resolver_answer_unref(again);
    resolver_answer_unref(kept);
}

static void a_pipe_in_the_place_of_the_hosts_file_stops_nobody(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(unlink(bench->hosts), 0);
    assert_int_equal(mkfifo(bench->hosts, 0600), 0);
    reopen(bench, NULL, 3600);
    expect(bench, "many.test", 3, NULL);
}

static void an_answer_is_kept_for_its_ttl(void **state)
{
    struct bench *bench = *state;

    assert_null(find(bench, "many.test", RESOLVER_SERVICE));
    expect(bench, "many.test", 3, NULL);
    int before = questions(bench);
    for (int i = 0; i < 10; i++)
        expect(bench, "MANY.test", 3, NULL);
    assert_int_equal(questions(bench), before);
    expect_answer(find(bench, "Many.test", RESOLVER_SERVICE), 3, NULL);
}

static void the_first_type_of_the_order_that_is_there_counts(void **state)
{
    struct bench *bench = *state;

    expect(bench, "six.test", 1, NULL);
    assert_int_equal(questions(bench), 2); /* SRV, A */
    expect(bench, "only6.test", 0, NULL);
    reopen(bench, "LAST,A,AAAA", 3600);
    expect(bench, "only6.test", 1, "fd00::");
    reopen(bench, "AAAA,A", 3600);
    expect(bench, "six.test", 1, "fd00::");
}

static void the_type_that_was_there_last_is_asked_for_first(void **state)
{
    struct bench *bench = *state;

    expect(bench, "zero.test", 1, NULL); /* its TTL is 0 */
    assert_int_equal(questions(bench), 2);
    expect(bench, "zero.test", 1, NULL);
    assert_int_equal(questions(bench), 3);
    reopen(bench, "SRV,A", 3600);
    expect(bench, "zero.test", 1, NULL);
    expect(bench, "zero.test", 1, NULL);
    assert_int_equal(questions(bench), 7);
}

static void srv_records_bring_ports_weights_and_names(void **state)
{
    struct bench *bench = *state;
    const struct resolver_answer *answer = ask(bench, "srv.test");

    assert_int_equal(answer->type, DNS_SRV);
    assert_int_equal(answer->count, 4); /* one of a.t2, three of many.t1 */
    assert_string_equal(answer->addresses[0].name, "a.t2");
    assert_int_equal(answer->addresses[0].port, 8082);
    assert_int_equal(answer->addresses[0].weight, 5);
    for (size_t i = 1; i < 4; i++) {
        assert_string_equal(answer->addresses[i].name, "many.t1");
        assert_int_equal(answer->addresses[i].port, 8081);
        assert_int_equal(answer->addresses[i].weight, 1);
    }
    size_t taken[4] = {0};
    for (size_t turn = 0; turn < 800; turn++)
        taken[resolver_answer_pick(answer, turn)]++;
    assert_in_range(taken[0], 490, 510);
    assert_in_range(taken[1], 90, 110);
    resolver_answer_unref(answer);
}

static void a_cname_is_followed_to_where_its_records_are(void **state)
{
    expect(*state, "alias.test", 3, NULL);
    reopen(*state, "CNAME,A", 3600);
    expect(*state, "alias.test", 3, NULL);
}

static void the_search_list_is_tried_as_ndots_says(void **state)
{
    struct bench *bench = *state;

    (void)setenv("LOCALDOMAIN", "none.one Many.two", 1); /* read by c-ares */
    (void)setenv("RES_OPTIONS", "ndots:2", 1);
    reopen(bench, "A", 3600);
    (void)unsetenv("LOCALDOMAIN");
    (void)unsetenv("RES_OPTIONS");
    expect(bench, "none", 0, NULL);
    assert_int_equal(questions(bench), 3);
    expect(bench, "none.a", 0, NULL);
    assert_int_equal(questions(bench), 6);
    expect(bench, "none.", 0, NULL);
    assert_int_equal(questions(bench), 7);
    expect(bench, "many.with.dots", 3, NULL); /* as it is, first */
    assert_int_equal(questions(bench), 8);
}

static void many_who_wait_are_one_question(void **state)
{
    struct bench *bench = *state;
    struct asked asked[20];

    expect(bench, "many.first", 3, NULL); /* how many questions one name makes */
    int each = questions(bench);
    for (size_t i = 0; i < COUNT(asked); i++)
        post(bench, &asked[i], "lazy.second");
    for (size_t i = 0; i < COUNT(asked); i++)
        resolver_answer_unref(wait_for(&asked[i]));
    assert_int_equal(questions(bench), 2 * each);
}

static void that_a_name_does_not_exist_is_remembered(void **state)
{
    struct bench *bench = *state;

    expect(bench, "none.test", 0, NULL);
    int before = questions(bench);
    expect(bench, "none.test", 0, NULL);
    assert_int_equal(questions(bench), before);
}

static void whatever_the_server_does_there_is_an_answer_in_time(void **state)
{
    static const char *const names[] = {"fail",      "silent", "garbage", "wrongid",
                                        "wrongname", "lying",  "circle",  "endless"};
    struct bench *bench = *state;
    struct asked asked[COUNT(names)];

    reopen(bench, "SRV,A,AAAA,CNAME", 3600); /* all tries of all types would take 12 time-outs */
    int64_t began = clock_now_ms(clock_system());
    for (size_t i = 0; i < COUNT(names); i++)
        post(bench, &asked[i], names[i]);
    for (size_t i = 0; i < COUNT(names); i++)
        expect_answer(wait_for(&asked[i]), 0, NULL);
    assert_in_range(clock_now_ms(clock_system()) - began, 0, 5 * TIMEOUT_MS + 1000);
}

static void aliases_without_end_cost_a_bounded_number_of_questions(void **state)
{
    struct bench *bench = *state;

    expect(bench, "endless.test", 0, NULL);
    assert_in_range(questions(bench), 9, 200);
}

static void who_waits_does_not_stand_behind_names_nobody_waits_for(void **state)
{
    struct bench *bench = *state;
    char name[32];

    for (int i = 0; i < 500; i++) {
        (void)snprintf(name, sizeof(name), "silent%d.test", i);
        resolver_watch(bench->resolver, str_of(name));
    }
    resolver_watch(bench->resolver, STR("many.test"));
    (void)poll(NULL, 0, 100); /* 200 of them are under way, and this one is the last */
    int64_t began = clock_now_ms(clock_system());
    expect(bench, "many.test", 3, NULL);
    assert_in_range(clock_now_ms(clock_system()) - began, 0, 9 * TIMEOUT_MS); /* not two rounds of them */
}

static void what_is_cut_comes_over_tcp(void **state)
{
    expect(*state, "cut.test", 2, "10.0.0.1");
    expect(*state, "huge.test", RESOLVER_MAX_ADDRESSES, "10.0.0.1");
}

static void answers_that_come_late_and_again_do_no_harm(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < 3; i++) {
        reopen(bench, "A", 3600);
        expect(bench, "twice.test", 3, NULL);
        expect(bench, "slow.test", 1, NULL); /* slower than the first try waits */
        expect(bench, "many.test", 3, NULL); /* and now the second answer comes */
    }
}

static void a_failure_that_ends_is_tried_once_more(void **state)
{
    expect(*state, "flaky.test", 1, NULL);
}

static void a_stale_answer_serves_while_the_server_fails(void **state)
{
    struct bench *bench = *state;

    resolver_answer_unref(ask(bench, "a.test"));
    atomic_store(&bench->server.failing, true);
    int before = questions(bench);
    (void)poll(NULL, 0, 1200); /* its TTL is one second */
    for (int i = 0; i < 20; i++) {
        expect_answer(find(bench, "a.test", RESOLVER_SERVICE), 1, NULL);
        (void)poll(NULL, 0, 10);
    }
    assert_true(questions(bench) > before);
}

static void services_do_without_what_is_too_stale_and_targets_keep_it(void **state)
{
    struct bench *bench = *state;

    reopen(bench, NULL, 0);
    resolver_answer_unref(ask(bench, "a.test"));
    uint64_t before = resolver_generation(bench->resolver);
    atomic_store(&bench->server.failing, true);
    (void)poll(NULL, 0, 1200);
    assert_null(find(bench, "a.test", RESOLVER_SERVICE));
    expect(bench, "a.test", 0, NULL);
    assert_true(resolver_generation(bench->resolver) > before);
    expect_answer(find(bench, "a.test", RESOLVER_TARGET), 1, NULL);
}

static void a_failing_target_of_srv_records_keeps_its_addresses(void **state)
{
    struct bench *bench = *state;

    expect(bench, "srvzero.test", 6, NULL);
    uint64_t before = resolver_generation(bench->resolver);
    atomic_store(&bench->server.partly, true);
    expect(bench, "srvzero.test", 6, NULL);
    assert_int_equal(resolver_generation(bench->resolver), before);
    reopen(bench, NULL, 3600); /* nothing is known from before */
    expect(bench, "srvzero.test", 3, NULL);
}

static void addresses_do_not_stand_in_for_srv_records_that_fail(void **state)
{
    struct bench *bench = *state;

    expect(bench, "srvzero.test", 6, NULL);
    atomic_store(&bench->server.no_srv, true);
    expect(bench, "srvzero.test", 6, NULL);
    reopen(bench, NULL, 0); /* nothing is known from before */
    expect(bench, "srvzero.test", 1, NULL);
}

static void a_used_name_is_asked_for_again_when_its_ttl_is_over(void **state)
{
    struct bench *bench = *state;
    const struct resolver_answer *first = ask(bench, "a.test");
    int before = questions(bench);
    bool changed = false;

    for (int i = 0; i < 300 && !changed; i++) {
        const struct resolver_answer *found = find(bench, "a.test", RESOLVER_SERVICE);

        assert_non_null(found);
        changed = found != first;
        resolver_answer_unref(found);
        if (i < 50)
            assert_int_equal(questions(bench), before); /* not ahead of its end */
        (void)poll(NULL, 0, 10);
    }
    assert_true(changed);
    resolver_answer_unref(first);
}

static void a_watched_name_is_kept_up_to_date_though_nobody_asks(void **state)
{
    struct bench *bench = *state;
    uint64_t seen = resolver_generation(bench->resolver);

    resolver_watch(bench->resolver, STR("a.test"));
    for (int changes = 0; changes < 3; changes++) {
        for (int i = 0; i < 500 && resolver_generation(bench->resolver) == seen; i++)
            (void)poll(NULL, 0, 10);
        assert_true(resolver_generation(bench->resolver) > seen);
        seen = resolver_generation(bench->resolver);
        const struct resolver_answer *found = find(bench, "a.test", RESOLVER_TARGET);
        assert_int_equal(found->number, seen);
        resolver_answer_unref(found);
    }
    resolver_unwatch(bench->resolver, STR("a.test"));
    (void)poll(NULL, 0, 1200);
    int before = questions(bench);
    (void)poll(NULL, 0, 1200);
    assert_int_equal(questions(bench), before);
}

static void the_generation_moves_for_addresses_only(void **state)
{
    struct bench *bench = *state;

    reopen(bench, "A", 3600);
    expect(bench, "zero.test", 1, NULL);
    uint64_t before = resolver_generation(bench->resolver);
    expect(bench, "zero.test", 1, NULL); /* its address has changed */
    assert_int_equal(resolver_generation(bench->resolver), before + 1);
    expect(bench, "none.test", 0, NULL); /* now it is known that it is not there */
    assert_int_equal(resolver_generation(bench->resolver), before + 2);
    const struct resolver_answer *first = ask(bench, "many.test");
    before = resolver_generation(bench->resolver);
    assert_int_equal(first->number, before);
    resolver_answer_unref(first);
    expect(bench, "many.test", 3, "10.0.0.1");
    assert_int_equal(resolver_generation(bench->resolver), before);
}

static void what_is_wrong_with_settings_is_said(void **state)
{
    struct resolver *resolver;
    struct err err = {0};
    const struct resolver_options order = {.order = "A,TXT"};
    const struct resolver_options servers = {.servers = "nonsense"};

    (void)state;
    assert_false(resolver_open(&order, &resolver, &err));
    assert_string_equal(err.text, "dns_order: 'TXT' is not one of: LAST SRV A AAAA CNAME");
    assert_false(resolver_open(&servers, &resolver, &err));
    assert_non_null(strstr(err.text, "\"nonsense\" is not a list of name servers"));
}

static void questions_under_way_end_with_the_resolver(void **state)
{
    struct bench *bench = *state;
    static const char *const names[] = {"silent.a", "silent.b", "srv.c"};
    static struct asked asked[COUNT(names)];

    for (size_t i = 0; i < COUNT(names); i++)
        post(bench, &asked[i], names[i]);
    resolver_watch(bench->resolver, STR("silent.d"));
    (void)poll(NULL, 0, 50);
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
    struct record_name kept;

    (void)state;
    record_cache_init(&cache, 10);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "name%d", i);
        struct record *record = record_cache_add(&cache, name, strlen(name));
        record->asking = i == 0;
        if (i == 3)
            record_cache_watch(&cache, record);
        (void)record_cache_find(&cache, "name1", 5); /* used again and again */
    }
    assert_int_equal(cache.count, 10);
    assert_non_null(record_cache_find(&cache, "name0", 5)); /* being asked for */
    assert_non_null(record_cache_find(&cache, "name1", 5));
    assert_non_null(record_cache_find(&cache, "name999", 7));
    assert_null(record_cache_find(&cache, "name2", 5));
    struct record *watched = record_cache_find(&cache, "name3", 5);
    assert_non_null(watched);
    record_cache_unwatch(&cache, watched);
    assert_int_equal(cache.count, 11);
    (void)record_cache_add(&cache, "last", 4);
    assert_int_equal(cache.count, 10);
    assert_true(record_name(STR("Exam-ple_1.Test."), &kept));
    assert_string_equal(kept.text, "exam-ple_1.test.");
    assert_int_equal(kept.host.len, kept.length - 1);
    assert_false(record_name(STR(""), &kept));
    assert_false(record_name(STR("."), &kept));
    assert_false(record_name(STR("a b"), &kept));
    record_cache_fini(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FACT(name) cmocka_unit_test_setup_teardown(name, start, stop)
        FACT(numbers_and_the_hosts_file_ask_nobody),
        FACT(the_hosts_file_is_read_again_when_it_has_changed),
        FACT(a_pipe_in_the_place_of_the_hosts_file_stops_nobody),
        FACT(an_answer_is_kept_for_its_ttl),
        FACT(the_first_type_of_the_order_that_is_there_counts),
        FACT(the_type_that_was_there_last_is_asked_for_first),
        FACT(srv_records_bring_ports_weights_and_names),
        FACT(a_cname_is_followed_to_where_its_records_are),
        FACT(the_search_list_is_tried_as_ndots_says),
        FACT(many_who_wait_are_one_question),
        FACT(that_a_name_does_not_exist_is_remembered),
        FACT(whatever_the_server_does_there_is_an_answer_in_time),
        FACT(aliases_without_end_cost_a_bounded_number_of_questions),
        FACT(who_waits_does_not_stand_behind_names_nobody_waits_for),
        FACT(what_is_cut_comes_over_tcp),
        FACT(answers_that_come_late_and_again_do_no_harm),
        FACT(a_failure_that_ends_is_tried_once_more),
        FACT(a_stale_answer_serves_while_the_server_fails),
        FACT(services_do_without_what_is_too_stale_and_targets_keep_it),
        FACT(a_failing_target_of_srv_records_keeps_its_addresses),
        FACT(addresses_do_not_stand_in_for_srv_records_that_fail),
        FACT(a_used_name_is_asked_for_again_when_its_ttl_is_over),
        FACT(a_watched_name_is_kept_up_to_date_though_nobody_asks),
        FACT(the_generation_moves_for_addresses_only),
        FACT(what_is_wrong_with_settings_is_said),
        FACT(questions_under_way_end_with_the_resolver),
        FACT(a_cancelled_query_hears_nothing),
        cmocka_unit_test(the_cache_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
