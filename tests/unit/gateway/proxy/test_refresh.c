/*
 * Batches of the bus, with rows from an array in place of the database.
 */

#include "stored_rows.h"

#include "bus/bus.h"
#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/base/pmap.h"
#include "gateway/cache/cache.h"
#include "gateway/chain/scope.h"
#include "gateway/proxy/refresh.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/router/router.h"

enum {
    EVENTS = 16
};

/* ---- the node ---- */

struct node {
    struct schemas *schemas;
    struct cache *cache;
    struct snapshot_place *place;
    struct refresh *refresh;
    struct bus_subscriber subscriber;
    struct cache_flight *flight; /* the load that was asked for last */
    uint64_t position;
    struct bus_event events[EVENTS];
    size_t event_count;
    char words[64];          /* heard, each with a blank behind it */
    uint64_t position_heard; /* of the newest snapshot, when the last word was heard */
    int restarts;
};

static void remember_load(void *arg, struct cache_flight *flight, const struct cache_ask *ask,
                          enum cache_source source)
{
    (void)ask;
    (void)source;
    ((struct node *)arg)->flight = flight;
}

static void note_word(void *arg, const char *word)
{
    struct node *node = arg;
    const struct snapshot *newest_then = snapshot_newest(node->place);
    size_t length = strlen(node->words);
    node->position_heard = newest_then != NULL ? newest_then->position : 0;
    (void)snprintf(node->words + length, sizeof(node->words) - length, "%s ", word);
}

static void note_restart(void *arg)
{
    struct node *node = arg;
    node->restarts++;
}

static enum cache_judgement accept_any(void *arg, uint64_t position, int64_t tag, enum cache_source source)
{
    (void)arg;
    (void)position;
    (void)tag;
    (void)source;
    return CACHE_ACCEPT;
}

static int open_node(void **state)
{
    struct node *node = mem_zalloc(sizeof(*node));
    const struct cache_options cache_options = {.max_bytes = 1 << 20,
                                                .max_flights = 4,
                                                .max_queued = 4,
                                                .fill_deadline_ms = 1000,
                                                .clock = clock_system(),
                                                .load = remember_load,
                                                .judge = accept_any,
                                                .release = free,
                                                .arg = node};
    cache_open(&cache_options, &node->cache);
    node->schemas = schemas_new();
    schemas_add_core(node->schemas);
    node->place = snapshot_place_new(NULL, 0);
    const struct refresh_options options = {.cache = node->cache,
                                            .schemas = node->schemas,
                                            .place = node->place,
                                            .on_word = note_word,
                                            .on_restart = note_restart,
                                            .arg = node,
                                            .plugins = installed,
                                            .plugin_count = 1};
    node->refresh = refresh_new(&options);
    node->subscriber = refresh_subscriber(node->refresh);
    node->position = 10;
    *state = node;
    return 0;
}

static int close_node(void **state)
{
    struct node *node = *state;
    refresh_free(node->refresh);
    snapshot_place_free(node->place);
    cache_close(node->cache);
    schemas_free(node->schemas);
    free(node);
    while (rows[0].document != NULL)
        set_row(rows[0].schema, rows[0].number, NULL);
    database_is_away = false;
    return live_settings;
}

static bool try_resync(struct node *node)
{
    struct bus_err err = {0};
    const struct bus_batch batch = {.head = node->position, .head_tag = 1, .reason = "start"};
    if (!node->subscriber.load(node->subscriber.arg, &batch, &err))
        return false;
    node->subscriber.restart(node->subscriber.arg, batch.head, batch.head_tag);
    return true;
}

/* An event of the batch to come. number 0: without an id. */
static struct bus_event *add_event(struct node *node, enum bus_event_kind kind, const char *entity,
                                   unsigned number)
{
    struct bus_event *event = &node->events[node->event_count++];
    struct uuid id = test_id(number);
    node->position++;
    *event = (struct bus_event){.position = node->position, .n = 1, .kind = kind, .has_id = number != 0};
    (void)snprintf(event->entity, sizeof(event->entity), "%s", entity);
    memcpy(event->id, id.bytes, sizeof(event->id));
    return event;
}

static bool try_apply(struct node *node)
{
    struct bus_err err = {0};
    const struct bus_batch batch = {
        .head = node->position, .head_tag = 2, .events = node->events, .event_count = node->event_count};
    rows_read = 0;
    fills_read = 0;
    bool ok = node->subscriber.apply(node->subscriber.arg, &batch, &err);
    assert_true(ok || err.text[0] != '\0');
    node->event_count = ok ? 0 : node->event_count;
    return ok;
}

/* The row has changed, and the bus says so. */
static void change(struct node *node, const struct schema *schema, unsigned number, const char *text)
{
    set_row(schema, number, text);
    (void)add_event(node, BUS_EVENT_ROW, schema->name, number);
}

static const struct snapshot *newest(const struct node *node)
{
    return snapshot_newest(node->place);
}

/* Number of the route for a path; 0: none. */
static unsigned route_of(const struct node *node, const char *path)
{
    const struct router_query query = {.method = STR("GET"), .path = str_of(path)};
    struct router_match match;
    if (!router_match(newest(node)->router, &query, &match))
        return 0;
    return (unsigned)match.route->id.bytes[14] << 8 | match.route->id.bytes[15];
}

/* The number in the settings that apply to a route; 0: none do. */
static int setting_of(const struct node *node, unsigned route)
{
    struct uuid id = test_id(route);
    const struct plugin_instance *instance = scope_find(newest(node)->scope, 0, &id, NULL, NULL);
    return instance != NULL ? *(const int *)instance->object : 0;
}

static int64_t failing(void)
{
    return metrics_read(METRIC_ROW_ERRORS);
}

#define SERVICE              "{'host':'h','port':80,'enabled':true}"
#define STOPPED              "{'host':'h','port':80,'enabled':false}"
#define ROUTE(path, service) "{'paths':['" path "'],'protocols':['http'],'service':{'id':'$" service "$'}}"
#define LOOSE(path)          "{'paths':['" path "'],'protocols':['http']}"
#define SETTING(text)        "{'name':'counting','enabled':true,'config':{" text "}}"

/* ---- facts about the snapshot ---- */

static void a_resync_loads_everything(void **state)
{
    struct node *node = *state;
    set_row(&route_schema, 20, ROUTE("/a", "10"));
    set_row(&route_schema, 21, LOOSE("/b"));
    set_row(&service_schema, 10, SERVICE);
    set_row(&plugin_setting_schema, 30, SETTING("'number':5"));
    assert_true(try_resync(node));
    assert_int_equal(newest(node)->position, 10);
    assert_int_equal(newest(node)->tag, 1);
    assert_int_equal(route_of(node, "/a"), 20);
    assert_int_equal(route_of(node, "/b"), 21);
    assert_int_equal(setting_of(node, 20), 5);
}

static void nothing_is_published_before_restart(void **state)
{
    struct node *node = *state;
    struct bus_err err = {0};
    const struct bus_batch batch = {.head = 10, .reason = "start"};
    set_row(&route_schema, 21, LOOSE("/b"));
    assert_true(node->subscriber.load(node->subscriber.arg, &batch, &err));
    assert_null(newest(node));
    assert_true(
        node->subscriber.load(node->subscriber.arg, &batch, &err)); /* once more: the first is let go */
    database_is_away = true;
    assert_false(try_resync(node));
    assert_null(newest(node));
}

static void a_batch_reads_only_the_rows_it_names(void **state)
{
    struct node *node = *state;
    set_row(&service_schema, 10, SERVICE);
    for (unsigned i = 20; i < 28; i++)
        set_row(&route_schema, i, LOOSE("/x"));
    assert_true(try_resync(node));
    change(node, &route_schema, 20, LOOSE("/first"));
    change(node, &route_schema, 20, LOOSE("/a"));
    change(node, &route_schema, 28, ROUTE("/b", "10"));
    change(node, &route_schema, 21, NULL);
    assert_true(try_apply(node));
    assert_int_equal(rows_read, 2);
    assert_int_equal(newest(node)->position, 14);
    assert_int_equal(newest(node)->tag, 2);
    assert_int_equal(route_of(node, "/a"), 20);
    assert_int_equal(route_of(node, "/b"), 28);
    assert_int_equal(route_of(node, "/first"), 0);
    assert_int_equal(pmap_count(newest(node)->routes), 8);
    assert_int_equal(router_count(newest(node)->router), 8);
}

static void a_service_and_its_route_in_one_batch(void **state)
{
    struct node *node = *state;
    assert_true(try_resync(node));
    change(node, &route_schema, 20, ROUTE("/a", "10"));
    change(node, &service_schema, 10, SERVICE);
    assert_true(try_apply(node));
    assert_int_equal(route_of(node, "/a"), 20);
    change(node, &service_schema, 10, NULL);
    change(node, &route_schema, 20, NULL);
    assert_true(try_apply(node));
    assert_int_equal(route_of(node, "/a"), 0);
    assert_null(newest(node)->services);
    assert_null(newest(node)->routes);
    assert_null(newest(node)->groups);
}

static void routes_of_a_stopped_service_leave_the_router(void **state)
{
    struct node *node = *state;
    set_row(&service_schema, 10, SERVICE);
    set_row(&service_schema, 11, SERVICE);
    set_row(&route_schema, 20, ROUTE("/a", "10"));
    set_row(&route_schema, 21, ROUTE("/", "11"));
    set_row(&route_schema, 22, ROUTE("/a/b", "10"));
    assert_true(try_resync(node));
    change(node, &service_schema, 10, STOPPED);
    assert_true(try_apply(node));
    assert_int_equal(route_of(node, "/a/b"), 21); /* falls through */
    change(node, &route_schema, 22, ROUTE("/a/c", "10"));
    assert_true(try_apply(node));
    assert_int_equal(route_of(node, "/a/c"), 21);
    change(node, &service_schema, 10, SERVICE);
    assert_true(try_apply(node));
    assert_int_equal(route_of(node, "/a/c"), 22);
    assert_int_equal(route_of(node, "/a"), 20);
    change(node, &route_schema, 20, ROUTE("/a", "11")); /* moves to another service */
    change(node, &service_schema, 11, STOPPED);
    assert_true(try_apply(node));
    assert_int_equal(route_of(node, "/a"), 0);
    assert_int_equal(route_of(node, "/a/c"), 22);
}

static void stream_routes_are_kept_but_not_served(void **state)
{
    struct node *node = *state;
    set_row(&route_schema, 20, "{'snis':['a.test'],'protocols':['tls']}");
    assert_true(try_resync(node));
    assert_int_equal(route_of(node, "/"), 0);
    assert_int_equal(pmap_count(newest(node)->routes), 1);
    change(node, &route_schema, 20, LOOSE("/"));
    assert_true(try_apply(node));
    assert_int_equal(route_of(node, "/"), 20);
}

static void a_plugin_that_is_switched_off_is_not_there(void **state)
{
    struct node *node = *state;
    set_row(&plugin_setting_schema, 30, SETTING("'number':5"));
    set_row(&plugin_setting_schema, 31,
            "{'name':'counting','enabled':true,'route':{'id':'$20$'},'config':{'number':6}}");
    assert_true(try_resync(node));
    assert_int_equal(setting_of(node, 20), 6);
    assert_int_equal(setting_of(node, 21), 5);
    change(node, &plugin_setting_schema, 31, "{'name':'counting','enabled':false,'config':{'number':6}}");
    assert_true(try_apply(node));
    assert_int_equal(setting_of(node, 20), 5);
    change(node, &plugin_setting_schema, 30, SETTING("'number':7"));
    assert_true(try_apply(node));
    assert_int_equal(setting_of(node, 20), 7);
    change(node, &plugin_setting_schema, 30, NULL);
    assert_true(try_apply(node));
    assert_int_equal(setting_of(node, 20), 0);
    assert_int_equal(scope_present(newest(node)->scope), 0);
}

/* ---- facts about bad rows ---- */

static void a_bad_row_keeps_its_old_version_and_is_counted(void **state)
{
    struct node *node = *state;
    int64_t before = failing();
    set_row(&route_schema, 20, LOOSE("/a"));
    set_row(&plugin_setting_schema, 30, SETTING("'number':5"));
    assert_true(try_resync(node));
    change(node, &route_schema, 20, LOOSE("~/b("));
    change(node, &plugin_setting_schema, 30, SETTING(""));
    change(node, &route_schema, 21, LOOSE("/c"));
    assert_true(try_apply(node));
    assert_int_equal(route_of(node, "/a"), 20);
    assert_int_equal(route_of(node, "/c"), 21); /* the others go on */
    assert_int_equal(setting_of(node, 20), 5);
    assert_int_equal(newest(node)->position, 13);
    assert_int_equal(failing(), before + 2);
    change(node, &route_schema, 20, LOOSE("~/b"));
    change(node, &plugin_setting_schema, 30, NULL);
    assert_true(try_apply(node));
    assert_int_equal(route_of(node, "/b"), 20);
    assert_int_equal(setting_of(node, 20), 0);
    assert_int_equal(failing(), before);
}

static void a_bad_row_outlives_a_resync(void **state)
{
    struct node *node = *state;
    int64_t before = failing();
    set_row(&service_schema, 10, SERVICE);
    set_row(&route_schema, 20, ROUTE("/a", "10"));
    set_row(&plugin_setting_schema, 30, SETTING("'number':5"));
    assert_true(try_resync(node));
    change(node, &route_schema, 20, ROUTE("~/a(", "10"));
    change(node, &plugin_setting_schema, 30, "{'name':'unknown','enabled':true}");
    assert_true(try_apply(node));
    assert_true(try_resync(node));
    assert_int_equal(route_of(node, "/a"), 20);
    assert_int_equal(setting_of(node, 20), 5);
    assert_int_equal(failing(), before + 2);
    set_row(&route_schema, 20, NULL); /* gone without an event that arrived */
    assert_true(try_resync(node));
    assert_int_equal(route_of(node, "/a"), 0);
    assert_int_equal(failing(), before + 1);
    change(node, &plugin_setting_schema, 30, NULL);
    assert_true(try_apply(node));
    assert_int_equal(failing(), before);
}

static void a_bad_row_without_an_old_version_is_left_out(void **state)
{
    struct node *node = *state;
    set_row(&route_schema, 20, LOOSE("~/a("));
    set_row(&route_schema, 21, LOOSE("/b"));
    assert_true(try_resync(node));
    assert_int_equal(pmap_count(newest(node)->routes), 1);
    assert_int_equal(route_of(node, "/b"), 21);
    change(node, &route_schema, 20, NULL);
    assert_true(try_apply(node));
}

static void a_batch_that_fails_publishes_nothing_and_may_come_again(void **state)
{
    struct node *node = *state;
    assert_true(try_resync(node));
    const struct snapshot *before = newest(node);
    change(node, &route_schema, 20, LOOSE("/a"));
    database_is_away = true;
    assert_false(try_apply(node));
    assert_ptr_equal(newest(node), before);
    database_is_away = false;
    assert_true(try_apply(node));
    assert_int_equal(route_of(node, "/a"), 20);
}

/* ---- facts about events ---- */

static void wide_events_load_everything(void **state)
{
    static const struct {
        enum bus_event_kind kind;
        const char *entity;
    } wide[] = {{BUS_EVENT_EVERYTHING, ""}, {BUS_EVENT_ENTITY, "routes"}, {BUS_EVENT_ROW, "routes"}};
    struct node *node = *state;
    set_row(&route_schema, 20, LOOSE("/a"));
    assert_true(try_resync(node));
    for (unsigned i = 0; i < COUNT(wide); i++) {
        set_row(&route_schema, 20 + i, NULL);
        set_row(&route_schema, 21 + i, LOOSE("/a"));
        (void)add_event(node, wide[i].kind, wide[i].entity, 0);
        assert_true(try_apply(node));
        assert_int_equal(route_of(node, "/a"), 21 + i);
        assert_int_equal(pmap_count(newest(node)->routes), 1);
    }
}

static void events_of_keyed_entities_make_no_snapshot(void **state)
{
    struct node *node = *state;
    assert_true(try_resync(node));
    const struct snapshot *before = newest(node);
    (void)add_event(node, BUS_EVENT_ROW, "consumers", 40);
    (void)add_event(node, BUS_EVENT_ENTITY, "consumers", 0);
    (void)add_event(node, BUS_EVENT_ENTITY, "of_a_newer_node", 0);
    (void)add_event(node, BUS_EVENT_ROW, "of_a_newer_node", 41);
    (void)add_event(node, BUS_EVENT_BARRIER, "", 0);
    assert_true(try_apply(node));
    assert_ptr_equal(newest(node), before);
    assert_int_equal(rows_read, 0);
}

static void a_word_is_heard_and_changes_nothing(void **state)
{
    struct node *node = *state;
    assert_true(try_resync(node));
    const struct snapshot *before = newest(node);
    (void)add_event(node, BUS_EVENT_BARRIER, "one", 0);
    (void)add_event(node, BUS_EVENT_BARRIER, "", 0);
    (void)add_event(node, BUS_EVENT_BARRIER, "two", 0);
    assert_true(try_apply(node));
    assert_string_equal(node->words, "one two ");
    assert_ptr_equal(newest(node), before);
}

static void a_word_is_heard_when_what_it_is_about_is_there(void **state)
{
    struct node *node = *state;
    assert_true(try_resync(node));
    assert_int_equal(node->restarts, 1);
    set_row(&service_schema, 1, "{'host':'a.test'}");
    (void)add_event(node, BUS_EVENT_BARRIER, "word", 0);
    (void)add_event(node, BUS_EVENT_ROW, "services", 1);
    assert_true(try_apply(node));
    assert_string_equal(node->words, "word ");
    assert_int_equal(node->position_heard, newest(node)->position);
    assert_int_equal(node->restarts, 1);
}

static void a_batch_that_fails_says_no_word_yet(void **state)
{
    struct node *node = *state;
    assert_true(try_resync(node));
    (void)add_event(node, BUS_EVENT_BARRIER, "word", 0);
    (void)add_event(node, BUS_EVENT_ROW, "services", 1);
    database_is_away = true;
    assert_false(try_apply(node));
    assert_string_equal(node->words, "");
}

static void ignore_answer(struct cache_waiter *waiter, enum cache_status status,
                          const struct cache_value *value)
{
    (void)waiter;
    (void)status;
    cache_value_unref(value);
}

static struct cache_ask ask_for(const struct node *node, const char *key)
{
    static const struct digest_salt salt;
    struct cache_ask ask = {
        .key = str_of(key), .value = str_of(key), .type = schemas_number(node->schemas, &consumer_schema)};
    digest_make(&salt, ask.key, &ask.digest);
    return ask;
}

static void fill(struct node *node, const char *key)
{
    struct cache_waiter waiter = {.on_done = ignore_answer};
    struct cache_ask ask = ask_for(node, key);
    const struct cache_answer answer = {.position = node->position, .object = mem_strdup(key), .bytes = 8};
    cache_fill(node->cache, &ask, &waiter);
    cache_fill_done(node->cache, node->flight, &answer);
}

static bool is_cached(struct node *node, const char *key)
{
    const struct cache_value *value = NULL;
    struct cache_ask ask = ask_for(node, key);
    bool hit = cache_get(node->cache, &ask, &value) == CACHE_HIT;
    if (hit)
        cache_value_unref(value);
    return hit;
}

static void an_event_drops_the_entries_it_names(void **state)
{
    struct node *node = *state;
    assert_true(try_resync(node));
    fill(node, "ann");
    fill(node, "bob");
    struct cache_ask ask = ask_for(node, "ann");
    struct bus_event *event = add_event(node, BUS_EVENT_ROW, "consumers", 40);
    uint8_t keys[1][16];
    memcpy(keys[0], ask.digest.bytes, sizeof(keys[0]));
    event->keys = (const uint8_t(*)[16])keys;
    event->key_count = 1;
    assert_true(try_apply(node));
    assert_false(is_cached(node, "ann"));
    assert_true(is_cached(node, "bob"));
    assert_int_equal(fills_read, 0); /* nobody had asked for ann since she was loaded */
}

static void an_entry_in_use_is_read_again_in_the_batchs_own_snapshot(void **state)
{
    struct node *node = *state;
    assert_true(try_resync(node));
    fill(node, "ann");
    assert_true(is_cached(node, "ann"));
    set_row(&consumer_schema, 40, "{'username':'ann','custom_id':'new'}");
    struct cache_ask ask = ask_for(node, "ann");
    struct bus_event *event = add_event(node, BUS_EVENT_ROW, "consumers", 40);
    uint8_t keys[1][16];
    memcpy(keys[0], ask.digest.bytes, sizeof(keys[0]));
    event->keys = (const uint8_t(*)[16])keys;
    event->key_count = 1;
    assert_true(try_apply(node));
    assert_int_equal(fills_read, 1);
    const struct cache_value *value = NULL;
    assert_int_equal(cache_get(node->cache, &ask, &value), CACHE_HIT);
    assert_string_equal(((const struct consumer *)cache_value_object(value))->custom_id, "new");
    cache_value_unref(value);
}

static void a_view_that_cannot_be_read_fails_the_batch_with_the_entry_gone(void **state)
{
    struct node *node = *state;
    assert_true(try_resync(node));
    fill(node, "ann");
    assert_true(is_cached(node, "ann"));
    struct cache_ask ask = ask_for(node, "ann");
    struct bus_event *event = add_event(node, BUS_EVENT_ROW, "consumers", 40);
    uint8_t keys[1][16];
    memcpy(keys[0], ask.digest.bytes, sizeof(keys[0]));
    event->keys = (const uint8_t(*)[16])keys;
    event->key_count = 1;
    database_is_away = true;
    assert_false(try_apply(node));
    assert_false(is_cached(node, "ann"));
}

static void wide_events_and_a_resync_drop_all_they_concern(void **state)
{
    struct node *node = *state;
    assert_true(try_resync(node));
    fill(node, "ann");
    (void)add_event(node, BUS_EVENT_ENTITY, "routes", 0);
    assert_true(try_apply(node));
    assert_true(is_cached(node, "ann"));
    (void)add_event(node, BUS_EVENT_ENTITY, "consumers", 0);
    assert_true(try_apply(node));
    assert_false(is_cached(node, "ann"));
    fill(node, "ann");
    assert_true(is_cached(node, "ann"));
    (void)add_event(node, BUS_EVENT_EVERYTHING, "", 0);
    assert_true(try_apply(node));
    assert_false(is_cached(node, "ann"));
    fill(node, "ann");
    node->position -= 2; /* a history that has lost commits */
    assert_true(try_resync(node));
    assert_false(is_cached(node, "ann"));
    fill(node, "ann"); /* the old fences do not refuse it */
    assert_true(is_cached(node, "ann"));
}

#define ON_NODE(test) cmocka_unit_test_setup_teardown(test, open_node, close_node)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_NODE(a_resync_loads_everything),
        ON_NODE(nothing_is_published_before_restart),
        ON_NODE(a_batch_reads_only_the_rows_it_names),
        ON_NODE(a_service_and_its_route_in_one_batch),
        ON_NODE(routes_of_a_stopped_service_leave_the_router),
        ON_NODE(stream_routes_are_kept_but_not_served),
        ON_NODE(a_plugin_that_is_switched_off_is_not_there),
        ON_NODE(a_bad_row_keeps_its_old_version_and_is_counted),
        ON_NODE(a_bad_row_outlives_a_resync),
        ON_NODE(a_bad_row_without_an_old_version_is_left_out),
        ON_NODE(a_batch_that_fails_publishes_nothing_and_may_come_again),
        ON_NODE(wide_events_load_everything),
        ON_NODE(events_of_keyed_entities_make_no_snapshot),
        ON_NODE(a_word_is_heard_and_changes_nothing),
        ON_NODE(a_word_is_heard_when_what_it_is_about_is_there),
        ON_NODE(a_batch_that_fails_says_no_word_yet),
        ON_NODE(an_event_drops_the_entries_it_names),
        ON_NODE(an_entry_in_use_is_read_again_in_the_batchs_own_snapshot),
        ON_NODE(a_view_that_cannot_be_read_fails_the_batch_with_the_entry_gone),
        ON_NODE(wide_events_and_a_resync_drop_all_they_concern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
