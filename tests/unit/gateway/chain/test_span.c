/*
 * span - what is written down of a request's way, and only when it is wanted.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/chain/scope.h"
#include "gateway/chain/span.h"
#include "tests/support/memory_exchange.h"

static int waits; /* how often the plugin still parks */

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    (void)chain;
    (void)object;
    return waits-- > 0 ? PLUGIN_WAIT : PLUGIN_NEXT;
}

static void header_filter(struct chain *chain, const void *object)
{
    (void)chain;
    (void)object;
}

static const struct plugin reader = {.schema = {.name = "reader", .priority = 2},
                                     .access = access_phase,
                                     .header_filter = header_filter,
                                     .reads_spans = true};
static const struct plugin other = {.schema = {.name = "other", .priority = 1}, .rewrite = access_phase};
static const struct plugin *const plugins[] = {&reader, &other};

static struct memory_world world;
static struct memory_exchange *exchange;
static struct chain_spans spans;

static int setup(void **state)
{
    (void)state;
    waits = 0;
    memory_world_open(&world, plugins, COUNT(plugins));
    spans = (struct chain_spans){.wanted = span_kinds_of("all")};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    memory_exchange_free(exchange);
    memory_world_close(&world);
    return 0;
}

static void begin(const struct plugin *plugin, struct chain_spans *into)
{
    memory_world_configure(&world, plugin, "{}", NULL, NULL);
    exchange = memory_exchange_new(&world, "GET", "/", "", NULL);
    exchange->chain.spans = into;
}

static void assert_span(const struct span *span, enum span_kind kind, const char *what)
{
    assert_non_null(span);
    assert_int_equal(span->kind, kind);
    assert_true(str_equal(span->what, str_of(what)));
    assert_true(span->began_us > 0 && span->lasted_us >= 0);
}

static void each_phase_of_a_plugin_is_a_span(void **state)
{
    (void)state;
    begin(&reader, &spans);
    (void)memory_exchange_access(exchange);
    chain_header_filter(&exchange->chain);
    assert_int_equal(spans.count, 2);
    assert_span(spans.last, SPAN_PLUGIN_HEADER_FILTER, "reader");
    assert_span(spans.last->before, SPAN_PLUGIN_ACCESS, "reader");
}

static void rewrite_is_one_too(void **state)
{
    (void)state;
    begin(&other, &spans);
    (void)memory_exchange_access(exchange);
    assert_int_equal(spans.count, 1);
    assert_span(spans.last, SPAN_PLUGIN_REWRITE, "other");
}

static void a_plugin_that_waits_stays_in_its_span(void **state)
{
    (void)state;
    waits = 2;
    begin(&reader, &spans);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    assert_int_equal(spans.count, 1);
    assert_int_equal(spans.last->lasted_us, -1);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_NEXT);
    assert_int_equal(spans.count, 1);
    assert_span(spans.last, SPAN_PLUGIN_ACCESS, "reader");
}

static void nothing_is_written_that_is_not_wanted(void **state)
{
    (void)state;
    spans.wanted = span_kinds_of("router");
    begin(&reader, &spans);
    (void)memory_exchange_access(exchange);
    chain_header_filter(&exchange->chain);
    assert_int_equal(spans.count, 0);
    span_end(span_begin(&exchange->chain, SPAN_ROUTER, STR_NONE));
    assert_int_equal(spans.count, 1);
}

static void without_readers_there_is_nothing_to_write_into(void **state)
{
    (void)state;
    assert_false(scope_reads_spans(world.scope));
    begin(&other, NULL);
    assert_false(scope_reads_spans(world.scope));
    (void)memory_exchange_access(exchange);
    assert_null(span_begin(&exchange->chain, SPAN_ROUTER, STR_NONE));
    span_end(NULL);
    memory_world_configure(&world, &reader, "{}", NULL, NULL);
    assert_true(scope_reads_spans(world.scope));
}

static void spans_are_bounded(void **state)
{
    (void)state;
    begin(&other, &spans);
    for (int i = 0; i < 2 * CHAIN_SPANS_MAX; i++)
        span_end(span_begin(&exchange->chain, SPAN_DNS_QUERY, STR("x")));
    assert_int_equal(spans.count, CHAIN_SPANS_MAX);
    assert_null(span_begin(&exchange->chain, SPAN_DNS_QUERY, STR("x")));
}

static void times_of_phases_are_written_for_who_asks(void **state)
{
    struct chain_times times = {0};

    (void)state;
    waits = 1;
    begin(&reader, NULL);
    exchange->chain.times = &times;
    assert_int_equal(memory_exchange_access(exchange), CHAIN_WAIT);
    assert_int_equal(times.accessed_us, 0);
    assert_int_equal(memory_exchange_access(exchange), CHAIN_NEXT);
    assert_true(times.accessed_us > 0 && times.filtered_us == 0);
    chain_header_filter(&exchange->chain);
    assert_true(times.filtered_us >= times.accessed_us);
}

static void the_words_of_the_setting_are_bits(void **state)
{
    static const char *const words[SPAN_KINDS] = {"request",        "db_query",      "dns_query",
                                                  "router",         "http_client",   "balancer",
                                                  "plugin_rewrite", "plugin_access", "plugin_header_filter"};

    (void)state;
    begin(&other, NULL);
    for (unsigned i = 0; i < SPAN_KINDS; i++)
        assert_int_equal(span_kinds_of(words[i]), 1U << i);
    assert_int_equal(span_kinds_of("ALL"), (1U << SPAN_KINDS) - 1);
    assert_int_equal(span_kinds_of("off"), 0);
    assert_int_equal(span_kinds_of("other"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_phase_of_a_plugin_is_a_span, setup, teardown),
        cmocka_unit_test_setup_teardown(rewrite_is_one_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_plugin_that_waits_stays_in_its_span, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_written_that_is_not_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(without_readers_there_is_nothing_to_write_into, setup, teardown),
        cmocka_unit_test_setup_teardown(spans_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(times_of_phases_are_written_for_who_asks, setup, teardown),
        cmocka_unit_test_setup_teardown(the_words_of_the_setting_are_bits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
