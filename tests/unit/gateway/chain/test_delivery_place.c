/*
 * Where sinks are: addresses, and names that a resolver keeps.
 */

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/chain/delivery_place.h"
#include "gateway/dns/resolver.h"
#include "tests/unit/gateway/dns/name_server.h"

static struct name_server server;
static struct resolver *resolver;

static int start(void **state)
{
    struct err err;
    (void)state;

    name_server_start(&server);
    const struct resolver_options options = {.servers = server.address,
                                             .hosts_file = "/dev/null",
                                             .not_found_ttl_s = 30,
                                             .error_ttl_s = 1,
                                             .cache_size = 100,
                                             .timeout_ms = 200};
    return resolver_open(&options, &resolver, &err) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    resolver_close(resolver);
    name_server_stop(&server);
    return 0;
}

/* "10.0.0.1:80" */
static const char *shown(const struct sockaddr_storage *address, socklen_t length)
{
    static char text[80];
    char host[64], port[8];

    assert_int_equal(getnameinfo((const struct sockaddr *)address, length, host, sizeof(host), port,
                                 sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV),
                     0);
    (void)snprintf(text, sizeof(text), "%s:%s", host, port);
    return text;
}

/* NULL: not within `patience_ms`. */
static const char *found(struct delivery_place *place, int patience_ms)
{
    struct sockaddr_storage address;
    socklen_t length;

    for (int i = 0; i <= patience_ms; i++) {
        if (delivery_place_find(place, resolver, &address, &length))
            return shown(&address, length);
        (void)poll(NULL, 0, 1);
    }
    return NULL;
}

static void addresses_need_nobody(void **state)
{
    static const struct {
        const char *host, *shown;
    } cases[] = {{"127.0.0.1", "127.0.0.1:514"}, {"::1", "::1:514"}};
    struct delivery_place place;
    struct sockaddr_storage address;
    socklen_t length;
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        delivery_place_init(&place, cases[i].host, 514);
        assert_true(delivery_place_find(&place, NULL, &address, &length));
        assert_string_equal(shown(&address, length), cases[i].shown);
        assert_false(delivery_place_has_moved(&place));
        delivery_place_fini(&place);
    }
    delivery_place_init(&place, "many.test", 514);
    assert_false(delivery_place_find(&place, NULL, &address, &length));
    delivery_place_fini(&place);
}

static void names_are_known_after_a_while_or_never(void **state)
{
    static const char *const nowhere[] = {"none.test", "fail.test", "silent.test", "not a name"};
    struct delivery_place place;
    (void)state;

    delivery_place_init(&place, "many.test", 514);
    const char *where = found(&place, 2000);
    assert_non_null(where);
    assert_memory_equal(where, "10.0.0.", 7);
    assert_string_equal(strchr(where, ':'), ":514");
    delivery_place_fini(&place);
    for (size_t i = 0; i < COUNT(nowhere); i++) {
        delivery_place_init(&place, nowhere[i], 514);
        assert_null(found(&place, 100));
        delivery_place_fini(&place);
    }
}

static void a_record_of_a_service_has_the_port(void **state)
{
    struct delivery_place place;
    (void)state;

    delivery_place_init(&place, "srv.test", 514);
    const char *where = found(&place, 2000);
    assert_non_null(where);
    assert_memory_equal(strchr(where, ':'), ":808", 4);
    delivery_place_fini(&place);
}

static void each_turn_is_another_address(void **state)
{
    struct delivery_place place;
    char seen[3][80];
    (void)state;

    delivery_place_init(&place, "many.turns", 514);
    for (place.turn = 0; place.turn < 3; place.turn++) {
        const char *where = found(&place, 2000);
        assert_non_null(where);
        (void)snprintf(seen[place.turn], sizeof(seen[0]), "%s", where);
        for (size_t i = 0; i < place.turn; i++)
            assert_string_not_equal(seen[i], where);
        assert_string_equal(found(&place, 0), where); /* it stays while the turn does */
    }
    delivery_place_fini(&place);
}

static void a_name_that_moves_is_noticed(void **state)
{
    struct delivery_place place;
    char before[80];
    (void)state;

    delivery_place_init(&place, "a.moves", 514); /* another address each second */
    const char *where = found(&place, 2000);
    assert_non_null(where);
    (void)snprintf(before, sizeof(before), "%s", where);
    for (int i = 0; i < 5000 && strcmp(where, before) == 0; i++) {
        if (delivery_place_has_moved(&place)) /* or another name has */
            where = found(&place, 0);
        (void)poll(NULL, 0, 1);
    }
    assert_string_not_equal(where, before);
    assert_false(delivery_place_has_moved(&place));
    delivery_place_fini(&place);
}

static void a_resolver_that_has_stopped_still_tells_what_it_knows(void **state)
{
    struct delivery_place place, late;
    (void)state;

    delivery_place_init(&place, "many.known", 514);
    delivery_place_init(&late, "many.late", 514);
    assert_non_null(found(&place, 2000));
    resolver_stop(resolver);
    assert_non_null(found(&place, 0));
    assert_null(found(&late, 100));
    delivery_place_fini(&place);
    delivery_place_fini(&late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_need_nobody),
        cmocka_unit_test(names_are_known_after_a_while_or_never),
        cmocka_unit_test(a_record_of_a_service_has_the_port),
        cmocka_unit_test(each_turn_is_another_address),
        cmocka_unit_test(a_name_that_moves_is_noticed),
        cmocka_unit_test(a_resolver_that_has_stopped_still_tells_what_it_knows),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
