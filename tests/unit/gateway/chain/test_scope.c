/*
 * Which configuration applies (data-plane reference, 9.2), against an oracle that tries every one.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/chain/scope.h"
#include "gateway/model/entities.h"

enum {
    PLUGINS = 3,
    IDS = 4, /* of each kind; 0 is "any" in a configuration and "none" in a request */
    STEPS = 3000
};

static int live_objects;
static uint64_t seed = 7;

static uint32_t any(uint32_t below)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(seed >> 33) % below;
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    if (cJSON_GetObjectItemCaseSensitive(config, "bad") != NULL)
        return err_set(err, ERR_INVALID, "bad settings");
    *object = mem_alloc(1);
    live_objects++;
    return true;
}

static void dispose(void *object)
{
    free(object);
    live_objects--;
}

static const struct plugin first = {.schema = {.name = "first"}, .configure = configure, .dispose = dispose};
static const struct plugin second = {
    .schema = {.name = "second"}, .configure = configure, .dispose = dispose};
static const struct plugin third = {.schema = {.name = "third"}}; /* without settings */
static const struct plugin *const plugins[PLUGINS] = {&first, &second, &third};

static struct uuid id_of(uint32_t number)
{
    return (struct uuid){{[15] = (uint8_t)number}};
}

static struct plugin_instance *make(const struct plugin *plugin, uint32_t route, uint32_t service,
                                    uint32_t consumer)
{
    struct err err = {0};
    struct plugin_setting setting = {.id = id_of(1),
                                     .route = id_of(route),
                                     .service = id_of(service),
                                     .consumer = id_of(consumer),
                                     .config = cJSON_CreateObject()};
    struct plugin_instance *instance = plugin_instance_new(plugin, &setting, &err);
    cJSON_Delete(setting.config);
    assert_non_null(instance);
    return instance;
}

static void replace(struct scope_index **index, struct plugin_instance *old, struct plugin_instance *new)
{
    struct scope_index *next = scope_change(*index, old, new);
    scope_unref(*index);
    *index = next;
}

static const struct plugin_instance *find(const struct scope_index *index, size_t number, uint32_t route,
                                          uint32_t service, uint32_t consumer)
{
    struct uuid ids[3] = {id_of(route), id_of(service), id_of(consumer)};
    return scope_find(index, number, route != 0 ? &ids[0] : NULL, service != 0 ? &ids[1] : NULL,
                      consumer != 0 ? &ids[2] : NULL);
}

/* Best first; 1 means "this one", 0 "any". */
static const uint32_t order[8][3] = {{1, 1, 1}, {1, 0, 1}, {0, 1, 1}, {1, 1, 0},
                                     {0, 0, 1}, {1, 0, 0}, {0, 1, 0}, {0, 0, 0}};

static void the_most_specific_configuration_applies(void **state)
{
    struct plugin_instance *instances[8];
    struct scope_index *index = scope_new(plugins, PLUGINS);
    (void)state;
    for (int i = 7; i >= 0; i--) {
        instances[i] = make(&second, order[i][0], order[i][1], order[i][2]);
        replace(&index, NULL, instances[i]);
        assert_ptr_equal(find(index, 1, 1, 1, 1), instances[i]);
    }
    assert_ptr_equal(find(index, 1, 1, 1, 0), instances[3]);
    assert_ptr_equal(find(index, 1, 2, 1, 2), instances[6]);
    assert_ptr_equal(find(index, 1, 0, 0, 0), instances[7]);
    assert_null(find(index, 0, 1, 1, 1));
    for (int i = 0; i < 8; i++) {
        assert_ptr_equal(find(index, 1, 1, 1, 1), instances[i]);
        replace(&index, instances[i], NULL);
        plugin_instance_unref(instances[i]);
    }
    assert_null(find(index, 1, 1, 1, 1));
    assert_int_equal(scope_present(index), 0);
    scope_unref(index);
    assert_int_equal(live_objects, 0);
}

static void presence_has_a_bit_per_plugin(void **state)
{
    struct scope_index *index = scope_new(plugins, PLUGINS);
    struct plugin_instance *global = make(&third, 0, 0, 0);
    struct plugin_instance *one = make(&first, 1, 0, 0);
    (void)state;
    assert_int_equal(scope_present(index), 0);
    replace(&index, NULL, global);
    assert_int_equal(scope_present(index), 4);
    replace(&index, NULL, one);
    assert_int_equal(scope_present(index), 5);
    replace(&index, global, NULL);
    assert_int_equal(scope_present(index), 1);
    assert_ptr_equal(scope_plugin(index, 2), &third);
    assert_null(scope_plugin(index, 3));
    plugin_instance_unref(global);
    plugin_instance_unref(one);
    scope_unref(index);
}

static void two_that_change_places_in_one_batch_both_stay(void **state)
{
    struct scope_index *index = scope_new(plugins, PLUGINS);
    struct plugin_instance *a = make(&first, 1, 0, 0), *b = make(&first, 2, 0, 0);
    struct plugin_instance *moved_a = make(&first, 2, 0, 0), *moved_b = make(&first, 1, 0, 0);
    (void)state;
    replace(&index, NULL, a);
    replace(&index, NULL, b);
    replace(&index, a, moved_a);
    replace(&index, b, moved_b);
    assert_ptr_equal(find(index, 0, 1, 0, 0), moved_b);
    assert_ptr_equal(find(index, 0, 2, 0, 0), moved_a);
    replace(&index, moved_a, NULL);
    assert_int_equal(scope_present(index), 1);
    replace(&index, moved_b, NULL);
    assert_int_equal(scope_present(index), 0);
    plugin_instance_unref(a);
    plugin_instance_unref(b);
    plugin_instance_unref(moved_a);
    plugin_instance_unref(moved_b);
    scope_unref(index);
    assert_int_equal(live_objects, 0);
}

static void settings_that_do_not_compile_make_no_instance(void **state)
{
    struct plugin_setting setting = {.config = cJSON_Parse("{\"bad\":1}")};
    struct err err = {0};
    (void)state;
    assert_null(plugin_instance_new(&first, &setting, &err));
    assert_string_equal(err.text, "bad settings");
    cJSON_Delete(setting.config);
    plugin_instance_unref(NULL);
}

static void a_plugin_that_is_not_installed_is_left_out(void **state)
{
    static const struct plugin stranger = {.schema = {.name = "stranger"}};
    struct scope_index *index = scope_new(plugins, PLUGINS);
    struct plugin_instance *instance = make(&stranger, 0, 0, 0);
    (void)state;
    replace(&index, NULL, instance);
    assert_int_equal(scope_present(index), 0);
    assert_int_equal(instance->refs, 1);
    plugin_instance_unref(instance);
    scope_unref(index);
}

/* One place per combination of plugin and ids. */
struct version {
    struct scope_index *index;
    struct plugin_instance *at[PLUGINS][IDS][IDS][IDS];
};

static void ask(const struct version *version)
{
    uint32_t plugin = any(PLUGINS), route = any(IDS), service = any(IDS), consumer = any(IDS);
    const struct plugin_instance *expected = NULL;
    for (int i = 0; expected == NULL && i < 8; i++) {
        const uint32_t *own = order[i];
        bool possible =
            (own[0] == 0 || route != 0) && (own[1] == 0 || service != 0) && (own[2] == 0 || consumer != 0);
        if (possible)
            expected = version->at[plugin][own[0] * route][own[1] * service][own[2] * consumer];
    }
    assert_ptr_equal(find(version->index, plugin, route, service, consumer), expected);
}

static void version_drop(struct version *version)
{
    struct plugin_instance **all = &version->at[0][0][0][0];
    for (size_t i = 0; i < sizeof(version->at) / sizeof(struct plugin_instance *); i++)
        plugin_instance_unref(all[i]);
    scope_unref(version->index);
    *version = (struct version){0};
}

static void the_index_and_the_oracle_find_the_same(void **state)
{
    static struct version now, old;
    (void)state;
    now.index = scope_new(plugins, PLUGINS);
    for (int step = 0; step < STEPS; step++) {
        uint32_t plugin = any(PLUGINS), route = any(IDS), service = any(IDS), consumer = any(IDS);
        struct plugin_instance **place = &now.at[plugin][route][service][consumer];
        struct plugin_instance *new =
            *place == NULL || any(3) == 0 ? make(plugins[plugin], route, service, consumer) : NULL;
        replace(&now.index, *place, new);
        plugin_instance_unref(*place);
        *place = new;
        for (int i = 0; i < 8; i++)
            ask(&now);
        if (old.index != NULL)
            ask(&old);
        if (step % 500 == 250) {
            version_drop(&old);
            old = now;
            (void)scope_ref(old.index);
            struct plugin_instance **all = &old.at[0][0][0][0];
            for (size_t i = 0; i < sizeof(old.at) / sizeof(struct plugin_instance *); i++)
                if (all[i] != NULL)
                    (void)plugin_instance_ref(all[i]);
        }
    }
    version_drop(&old);
    version_drop(&now);
    assert_int_equal(live_objects, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_specific_configuration_applies),
        cmocka_unit_test(presence_has_a_bit_per_plugin),
        cmocka_unit_test(two_that_change_places_in_one_batch_both_stay),
        cmocka_unit_test(settings_that_do_not_compile_make_no_instance),
        cmocka_unit_test(a_plugin_that_is_not_installed_is_left_out),
        cmocka_unit_test(the_index_and_the_oracle_find_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
