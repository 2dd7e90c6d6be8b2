/*
 * health_view: what is shown of targets, addresses and the whole.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/balance.h"
#include "gateway/proxy/health_view.h"

enum {
    TARGETS = 5
};

/* Targets: two addresses; the same as one of them; weight 0; no answer yet; no such name. */
struct fixture {
    struct peer_table *table;
    struct upstream upstream;
    struct balance_target targets[TARGETS];
    struct balance_set set;
    struct health_view *view;
};

static struct peer_address address_of(uint8_t number)
{
    return (struct peer_address){.bytes = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = number},
                                 .port = {0, 80}};
}

static char host[] = "h";

static int start(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    const struct balancer_member members[] = {
        {.address = address_of(1), .weight = 100, .target = 0},
        {.address = address_of(2), .weight = 100, .target = 0},
        {.address = address_of(2), .weight = 50, .target = 1},
        {.address = address_of(3), .weight = 0, .target = 2},
    };

    f->table = peer_table_new();
    f->upstream = (struct upstream){.id = {{9}}, .passive.limits.http_failures = 1};
    for (size_t i = 0; i < TARGETS; i++)
        f->targets[i] = (struct balance_target){
            .id = {{(uint8_t)i}}, .host = host, .port = 80, .weight = 100, .dns_type = 1};
    f->targets[0].name = f->targets[1].name = BALANCE_RESOLVED;
    f->targets[2].weight = 0;
    f->targets[3].name = BALANCE_UNKNOWN;
    f->targets[4].name = BALANCE_UNRESOLVED;
    f->targets[4].dns_type = 0;
    const struct balancer_spec spec = {.table = f->table,
                                       .upstream = f->upstream.id,
                                       .slots = 10,
                                       .members = members,
                                       .count = COUNT(members)};
    f->set = (struct balance_set){.balancer = balancer_new(&spec, 0),
                                  .target_count = TARGETS,
                                  .targets = f->targets,
                                  .address_count = COUNT(members)};
    *state = f;
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    health_view_free(f->view);
    balancer_unref(f->set.balancer);
    peer_table_free(f->table);
    free(f);
    return 0;
}

static void set_health(struct fixture *f, uint8_t number, bool healthy)
{
    struct peer_address address = address_of(number);
    struct peer *peer = peer_get(f->table, &f->upstream.id, &address);

    (void)peer_set_health(peer, healthy);
    peer_unref(peer);
}

static const struct health_view_target *look(struct fixture *f, uint8_t number)
{
    health_view_free(f->view);
    f->view = health_view_new(&f->upstream, &f->set);
    const struct health_view_target *target = health_view_find(f->view, &(struct uuid){{number}});
    assert_non_null(target);
    return target;
}

static void a_target_is_healthy_while_one_of_its_addresses_is(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look(f, 0)->state, HEALTH_GOOD);
    set_health(f, 1, false);
    const struct health_view_target *target = look(f, 0);
    assert_int_equal(target->state, HEALTH_GOOD);
    assert_int_equal(target->count, 2);
    assert_string_equal(target->addresses[0].ip, "10.0.0.1");
    assert_int_equal(target->addresses[0].state, HEALTH_BAD);
    assert_int_equal(target->addresses[1].state, HEALTH_GOOD);
    assert_int_equal(target->sum.total, 200);
    assert_int_equal(target->sum.available, 100);
    set_health(f, 2, false);
    assert_int_equal(look(f, 0)->state, HEALTH_BAD);
    assert_int_equal(look(f, 1)->state, HEALTH_BAD); /* one address under two targets has one health */
}

static void targets_without_addresses_say_why(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look(f, 3)->state, HEALTH_UNKNOWN);
    assert_int_equal(look(f, 4)->state, HEALTH_NO_ADDRESS);
    assert_int_equal(look(f, 4)->count, 0);
    assert_string_equal(look(f, 4)->dns, "unknown");
    assert_string_equal(look(f, 0)->dns, "A");
}

static void nobody_looks_after_weight_zero_nor_where_checks_are_off(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look(f, 2)->state, HEALTH_OFF);
    assert_int_equal(look(f, 2)->addresses[0].state, HEALTH_OFF);
    f->upstream.passive.limits.http_failures = 0;
    set_health(f, 1, false); /* by hand */
    assert_int_equal(look(f, 0)->state, HEALTH_OFF);
    assert_false(look(f, 0)->addresses[0].healthy);
    assert_int_equal(f->view->state, HEALTH_OFF);
    f->upstream.probe.healthy_interval_ms = 1;
    assert_int_equal(look(f, 0)->state, HEALTH_GOOD);
}

static void the_whole_is_the_sum(void **state)
{
    struct fixture *f = *state;

    set_health(f, 1, false);
    (void)look(f, 0);
    assert_int_equal(f->view->sum.total, 250);
    assert_int_equal(f->view->sum.available, 150);
    assert_int_equal(f->view->state, HEALTH_GOOD);
    set_health(f, 2, false);
    (void)look(f, 0);
    assert_int_equal(f->view->state, HEALTH_BAD);
    assert_false(f->view->healthy);
    assert_null(health_view_find(f->view, &(struct uuid){{77}}));
}

#define FACT(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(a_target_is_healthy_while_one_of_its_addresses_is),
        FACT(targets_without_addresses_say_why),
        FACT(nobody_looks_after_weight_zero_nor_where_checks_are_off),
        FACT(the_whole_is_the_sum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
