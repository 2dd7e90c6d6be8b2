/*
 * Upstreams and their targets in drafts: found by name, one version per change, nothing left behind.
 */

#include "snapshots.h"

#include "gateway/base/pmap.h"
#include "gateway/proxy/draft.h"
#include "gateway/proxy/snapshot.h"

static const struct draft_options options = {.plugins = installed, .plugin_count = 1};

static struct snapshot *snapshot; /* the last one; freed by the next */

static struct draft *begin(enum draft_start start)
{
    return draft_new(&options, snapshot, start);
}

static void finish(struct draft *draft)
{
    struct snapshot *next = draft_finish(draft, 1, 1);
    snapshot_free(snapshot);
    snapshot = next;
}

static void put(struct draft *draft, const struct schema *schema, unsigned number, const char *text)
{
    struct err err = {0};
    cJSON *row = test_row(number, text);
    if (!draft_put(draft, schema, row, &err))
        fail_msg("%s", err.text);
    cJSON_Delete(row);
}

static void take(struct draft *draft, const struct schema *schema, unsigned number)
{
    struct uuid id = test_id(number);
    draft_remove(draft, schema, &id);
}

static const struct balanced *named(const char *name)
{
    struct digest key;
    balanced_name_key(str_of(name), &key);
    return snapshot_find_balanced(snapshot, &key);
}

static bool is_number(const struct balanced *balanced, unsigned number)
{
    struct uuid id = test_id(number);
    return balanced != NULL && uuid_equal(&balanced->upstream->id, &id);
}

static size_t targets_of(const char *name)
{
    return pmap_count(named(name)->targets);
}

static int clear(void **state)
{
    (void)state;
    snapshot_free(snapshot);
    snapshot = NULL;
    return 0;
}

static void start(void)
{
    struct draft *draft = begin(DRAFT_CHANGED);
    put(draft, &upstream_schema, 1, "{'name':'one.test'}");
    put(draft, &upstream_schema, 2, "{'name':'two.test'}");
    put(draft, &target_schema, 11, "{'target':'10.0.0.1:80','upstream':{'id':'$1$'}}");
    put(draft, &target_schema, 12, "{'target':'10.0.0.2:80','upstream':{'id':'$1$'}}");
    finish(draft);
}

static void an_upstream_is_found_by_its_name_with_its_targets(void **state)
{
    (void)state;
    start();
    assert_true(is_number(named("one.test"), 1));
    assert_int_equal(targets_of("one.test"), 2);
    assert_int_equal(targets_of("two.test"), 0);
    assert_null(named("three.test"));
}

static void targets_may_come_before_their_upstream_does(void **state)
{
    (void)state;
    struct draft *draft = begin(DRAFT_CHANGED);
    put(draft, &target_schema, 11, "{'target':'10.0.0.1:80','upstream':{'id':'$1$'}}");
    put(draft, &upstream_schema, 1, "{'name':'one.test'}");
    finish(draft);
    assert_int_equal(targets_of("one.test"), 1);
}

static void each_change_makes_a_version_of_its_upstream_only(void **state)
{
    (void)state;
    start();
    uint64_t one = named("one.test")->version;
    uint64_t two = named("two.test")->version;
    struct draft *draft = begin(DRAFT_CHANGED);
    put(draft, &target_schema, 11, "{'target':'10.0.0.1:80','weight':7,'upstream':{'id':'$1$'}}");
    finish(draft);
    assert_true(named("one.test")->version > one);
    assert_int_equal(named("two.test")->version, two);
}

static void upstreams_that_exchange_their_names_are_found_by_the_new_ones(void **state)
{
    (void)state;
    start();
    struct draft *draft = begin(DRAFT_CHANGED);
    put(draft, &upstream_schema, 1, "{'name':'two.test'}");
    put(draft, &upstream_schema, 2, "{'name':'one.test'}");
    finish(draft);
    assert_true(is_number(named("one.test"), 2));
    assert_true(is_number(named("two.test"), 1));
    assert_int_equal(targets_of("two.test"), 2);
}

static void a_target_that_moves_leaves_its_upstream(void **state)
{
    (void)state;
    start();
    struct draft *draft = begin(DRAFT_CHANGED);
    put(draft, &target_schema, 11, "{'target':'10.0.0.1:80','upstream':{'id':'$2$'}}");
    finish(draft);
    assert_int_equal(targets_of("one.test"), 1);
    assert_int_equal(targets_of("two.test"), 1);
}

static void an_upstream_that_goes_with_its_targets_leaves_nothing(void **state)
{
    (void)state;
    start();
    struct draft *draft = begin(DRAFT_CHANGED);
    take(draft, &upstream_schema, 1);
    take(draft, &target_schema, 11);
    take(draft, &target_schema, 12);
    finish(draft);
    assert_null(named("one.test"));
    assert_int_equal(pmap_count(snapshot->targets), 0);
    assert_int_equal(pmap_count(snapshot->target_groups), 0);
    assert_int_equal(pmap_count(snapshot->upstream_names), 1);
}

static void a_whole_draft_keeps_the_last_good_version_of_a_bad_row(void **state)
{
    (void)state;
    start();
    uint64_t before = named("one.test")->version;
    struct err err = {0};
    struct draft *draft = begin(DRAFT_WHOLE);
    cJSON *bad = test_row(1, "{'tags':null}");
    assert_false(draft_put(draft, &upstream_schema, bad, &err));
    cJSON_Delete(bad);
    put(draft, &target_schema, 12, "{'target':'10.0.0.2:80','upstream':{'id':'$1$'}}");
    finish(draft);
    assert_int_equal(targets_of("one.test"), 1);
    assert_true(named("one.test")->version > before);
    assert_null(named("two.test"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_upstream_is_found_by_its_name_with_its_targets, clear),
        cmocka_unit_test_teardown(targets_may_come_before_their_upstream_does, clear),
        cmocka_unit_test_teardown(each_change_makes_a_version_of_its_upstream_only, clear),
        cmocka_unit_test_teardown(upstreams_that_exchange_their_names_are_found_by_the_new_ones, clear),
        cmocka_unit_test_teardown(a_target_that_moves_leaves_its_upstream, clear),
        cmocka_unit_test_teardown(an_upstream_that_goes_with_its_targets_leaves_nothing, clear),
        cmocka_unit_test_teardown(a_whole_draft_keeps_the_last_good_version_of_a_bad_row, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
