/*
 * statsd and datadog (plugin reference, 21 and 24): which lines a request makes, how they are named, tagged,
 * and cut into datagrams.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"
#include "gateway/model/entities.h"
#include "gateway/plugins/datadog_lines.h"
#include "gateway/plugins/stat_packet.h"
#include "gateway/plugins/statsd_lines.h"

static char service_name[] = "my.shop", service_host[] = "shop.test";
static char route_name[] = "buy", username[] = "ann@a.test", custom_id[] = "c-1", prefix_of_node[] = "node.a";

static struct service service = {.id = {{[15] = 1}}, .name = service_name, .host = service_host};
static struct route route = {.id = {{[15] = 2}}, .name = route_name};
static struct consumer consumer = {.id = {{[15] = 3}}, .username = username, .custom_id = custom_id};

static struct stat_facts facts_of_all(void)
{
    return (struct stat_facts){.measured = {1, 200, 3000, 12, 9, 3},
                               .status = 201,
                               .service = &service,
                               .route = &route,
                               .consumer = &consumer,
                               .chance = 0.5};
}

static void assert_lines(struct buf *lines, const char *wanted)
{
    if (!str_equal(buf_str(lines), str_of(wanted)))
        fail_msg("got:\n%.*swanted:\n%s", STR_ARG(buf_str(lines)), wanted);
    buf_fini(lines);
}

static void assert_statsd(const char *config, const struct stat_facts *facts, const char *wanted)
{
    cJSON *json = cJSON_Parse(config);
    struct statsd_plan plan;
    struct buf lines = {0};

    assert_non_null(json);
    statsd_plan_read(&plan, json, cJSON_GetObjectItemCaseSensitive(json, "metrics"));
    statsd_lines_of_request(&plan, facts, str_of(prefix_of_node), &lines);
    statsd_plan_fini(&plan);
    cJSON_Delete(json);
    assert_lines(&lines, wanted);
}

#define METRIC(name, type, more) "{\"metrics\":[{\"name\":\"" name "\",\"stat_type\":\"" type "\"" more "}]}"
#define WITH(members, name, type, more)                                                                      \
    "{" members ",\"metrics\":[{\"name\":\"" name "\",\"stat_type\":\"" type "\"" more "}]}"

static void each_metric_has_its_name(void **state)
{
    static const struct {
        const char *config, *line;
    } cases[] = {
        {METRIC("request_count", "counter", ""), "kong.service.my_shop.request.count:1|c\n"},
        {METRIC("request_size", "counter", ""), "kong.service.my_shop.request.size:200|c\n"},
        {METRIC("response_size", "gauge", ""), "kong.service.my_shop.response.size:3000|g\n"},
        {METRIC("latency", "timer", ""), "kong.service.my_shop.latency:12|ms\n"},
        {METRIC("upstream_latency", "histogram", ""), "kong.service.my_shop.upstream_latency:9|h\n"},
        {METRIC("kong_latency", "meter", ""), "kong.service.my_shop.kong_latency:3|m\n"},
        {METRIC("status_count", "gauge", ""), "kong.service.my_shop.status.201:1|c\n"},
        {METRIC("unique_users", "counter", ""), "kong.service.my_shop.user.uniques:c-1|s\n"},
        {METRIC("request_per_user", "set", ""), "kong.service.my_shop.user.c-1.request.count:1|c\n"},
        {METRIC("status_count_per_user", "counter", ""), "kong.service.my_shop.user.c-1.status.201:1|c\n"},
        {METRIC("status_count_per_workspace", "counter", ""),
         "kong.service.my_shop.workspace.5b1e0000-0000-4000-8000-000000000001.status.201:1|c\n"},
        {METRIC("status_count_per_user_per_route", "counter", ""),
         "kong.route.00000000-0000-0000-0000-000000000002.user.c-1.status.201:1|c\n"},
        {METRIC("shdict_usage", "gauge", ""), ""},
    };
    const struct stat_facts facts = facts_of_all();
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_statsd(cases[i].config, &facts, cases[i].line);
}

static void identifiers_are_the_metrics_or_the_default(void **state)
{
    static const struct {
        const char *config, *line;
    } cases[] = {
        {METRIC("unique_users", "set", ",\"consumer_identifier\":\"username\""),
         "kong.service.my_shop.user.uniques:ann@a.test|s\n"},
        {METRIC("unique_users", "set", ",\"consumer_identifier\":\"consumer_id\""),
         "kong.service.my_shop.user.uniques:00000000-0000-0000-0000-000000000003|s\n"},
        {WITH("\"consumer_identifier_default\":\"username\"", "unique_users", "set", ""),
         "kong.service.my_shop.user.uniques:ann@a.test|s\n"},
        {WITH("\"consumer_identifier_default\":\"username\"", "unique_users", "set",
              ",\"consumer_identifier\":\"custom_id\""),
         "kong.service.my_shop.user.uniques:c-1|s\n"},
        {METRIC("request_count", "counter", ",\"service_identifier\":\"service_id\""),
         "kong.service.00000000-0000-0000-0000-000000000001.request.count:1|c\n"},
        {METRIC("request_count", "counter", ",\"service_identifier\":\"service_host\""),
         "kong.service.shop_test.request.count:1|c\n"},
        {METRIC("request_count", "counter", ",\"service_identifier\":\"service_name\""),
         "kong.service.my_shop.request.count:1|c\n"},
        {WITH("\"service_identifier_default\":\"service_host\"", "request_count", "counter", ""),
         "kong.service.shop_test.request.count:1|c\n"},
        {METRIC("status_count_per_workspace", "counter", ",\"workspace_identifier\":\"workspace_name\""),
         "kong.service.my_shop.workspace.default.status.201:1|c\n"},
        {WITH("\"workspace_identifier_default\":\"workspace_name\"", "status_count_per_workspace", "counter",
              ""),
         "kong.service.my_shop.workspace.default.status.201:1|c\n"},
    };
    const struct stat_facts facts = facts_of_all();
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_statsd(cases[i].config, &facts, cases[i].line);
}

static const char all_metrics[] =
    "{\"prefix\":\"p\",\"metrics\":[{\"name\":\"request_count\",\"stat_type\":\"counter\"},"
    "{\"name\":\"upstream_latency\",\"stat_type\":\"timer\"},{\"name\":\"unique_users\",\"stat_type\":"
    "\"set\"},"
    "{\"name\":\"request_per_user\",\"stat_type\":\"counter\"},"
    "{\"name\":\"status_count_per_user\",\"stat_type\":\"counter\"},"
    "{\"name\":\"status_count_per_user_per_route\",\"stat_type\":\"counter\"},"
    "{\"name\":\"status_count\",\"stat_type\":\"counter\"}]}";

static void what_is_not_there_is_not_sent(void **state)
{
    struct stat_facts facts = facts_of_all();
    char *name = service.name;
    (void)state;

    facts.measured[STAT_UPSTREAM_LATENCY] = -1;
    facts.consumer = NULL;
    assert_statsd(all_metrics, &facts,
                  "p.service.my_shop.request.count:1|c\np.service.my_shop.status.201:1|c\n");
    facts.service = NULL;
    facts.route = NULL;
    assert_statsd(all_metrics, &facts,
                  "p.global.unmatched.request.count:1|c\np.global.unmatched.status.201:1|c\n");
    facts.consumer = &consumer;
    facts.measured[STAT_UPSTREAM_LATENCY] = 0;
    assert_statsd(all_metrics, &facts,
                  "p.global.unmatched.request.count:1|c\np.global.unmatched.upstream_latency:0|ms\n"
                  "p.global.unmatched.user.uniques:c-1|s\np.global.unmatched.user.c-1.request.count:1|c\n"
                  "p.global.unmatched.user.c-1.status.201:1|c\np.global.unmatched.status.201:1|c\n");
    consumer.custom_id = NULL; /* there is somebody, who has no such id */
    assert_statsd(METRIC("unique_users", "set", ""), &facts, "");
    consumer.custom_id = custom_id;
    facts.service = &service;
    service.name = NULL;
    assert_statsd(METRIC("request_count", "counter", ""), &facts,
                  "kong.service.shop_test.request.count:1|c\n");
    service.name = name;
}

static void the_node_may_be_in_the_prefix(void **state)
{
    const struct stat_facts facts = facts_of_all();
    (void)state;

    assert_statsd(WITH("\"prefix\":\"p.q\",\"hostname_in_prefix\":true", "request_count", "counter", ""),
                  &facts, "p.q.node.node_a.service.my_shop.request.count:1|c\n");
}

#define TAGGED(style)                                                                                        \
    "{\"tag_style\":\"" style "\",\"metrics\":[{\"name\":\"request_count\",\"stat_type\":\"counter\","       \
    "\"sample_rate\":0.75},{\"name\":\"status_count\",\"stat_type\":\"counter\"},{\"name\":\"unique_"        \
    "users\","                                                                                               \
    "\"stat_type\":\"set\"},{\"name\":\"status_count_per_workspace\",\"stat_type\":\"counter\"}]}"
#define TAGS_EQUAL                                                                                           \
    "service=my.shop,route=buy,workspace=5b1e0000-0000-4000-8000-000000000001,consumer=c-1,node=node_a,"     \
    "status=201"

static void each_style_of_tags_has_its_form(void **state)
{
    static const struct {
        const char *config, *line;
    } cases[] = {
        {TAGGED("dogstatsd"), "kong.request.count:1|c|@0.75|#service:my.shop,route:buy,workspace:"
                              "5b1e0000-0000-4000-8000-000000000001,consumer:c-1,node:node_a,status:201\n"},
        {TAGGED("influxdb"), "kong.request.count," TAGS_EQUAL ":1|c|@0.75\n"},
        {TAGGED("librato"), "kong.request.count#" TAGS_EQUAL ":1|c|@0.75\n"},
        {TAGGED("signalfx"), "kong.request.count[" TAGS_EQUAL "]:1|c|@0.75\n"},
    };
    struct stat_facts facts = facts_of_all();
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_statsd(cases[i].config, &facts, cases[i].line);
    facts.consumer = NULL;
    facts.service = NULL;
    facts.route = NULL;
    assert_statsd(
        TAGGED("librato"), &facts,
        "kong.request.count#workspace=5b1e0000-0000-4000-8000-000000000001,node=node_a,status=201:1|c|"
        "@0.75\n");
}

static void a_rate_says_for_what_part_of_requests(void **state)
{
    static const struct {
        const char *config;
        double chance;
        const char *line;
    } cases[] = {
        {METRIC("request_count", "counter", ",\"sample_rate\":1"), 0.999,
         "kong.service.my_shop.request.count:1|c\n"},
        {METRIC("request_count", "counter", ",\"sample_rate\":0.25"), 0.24,
         "kong.service.my_shop.request.count:1|c|@0.25\n"},
        {METRIC("request_count", "counter", ",\"sample_rate\":0.25"), 0.25, ""},
        {METRIC("latency", "timer", ",\"sample_rate\":0.25"), 0.1,
         "kong.service.my_shop.latency:12|ms|@0.25\n"},
        {METRIC("latency", "timer", ",\"sample_rate\":null"), 0.9, "kong.service.my_shop.latency:12|ms\n"},
        {METRIC("request_count", "counter", ",\"sample_rate\":3"), 0.999,
         "kong.service.my_shop.request.count:1|c\n"},
        {METRIC("unique_users", "set", ",\"sample_rate\":0.25"), 0.9,
         "kong.service.my_shop.user.uniques:c-1|s\n"},
    };
    struct stat_facts facts = facts_of_all();
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        facts.chance = cases[i].chance;
        assert_statsd(cases[i].config, &facts, cases[i].line);
    }
}

static void nothing_ends_a_name_a_value_or_a_tag(void **state)
{
    static char evil[] = "a:1|c\nb=,]#";
    static char evil_service[] = "[::1]";
    const struct stat_facts facts = facts_of_all();
    (void)state;

    consumer.custom_id = evil;
    service.name = evil_service;
    assert_statsd(METRIC("request_per_user", "counter", ""), &facts,
                  "kong.service.[__1].user.a_1_c_b=,]#.request.count:1|c\n");
    assert_statsd(METRIC("unique_users", "set", ""), &facts,
                  "kong.service.[__1].user.uniques:a_1_c_b=,]#|s\n");
    assert_statsd(TAGGED("signalfx"), &facts,
                  "kong.request.count[service=___1_,route=buy,workspace=5b1e0000-0000-4000-8000-000000000001,"
                  "consumer=a_1_c_b____,node=node_a,status=201]:1|c|@0.75\n");
    consumer.custom_id = custom_id;
    service.name = service_name;
}

static void memory_is_told_by_pool(void **state)
{
    static const struct {
        const char *config, *lines;
    } cases[] = {
        {METRIC("shdict_usage", "gauge", ",\"sample_rate\":0.1"),
         "kong.node.node_a.shdict.db.free_space:10|g\nkong.node.node_a.shdict.db.capacity:100|g\n"},
        {WITH("\"hostname_in_prefix\":true", "shdict_usage", "gauge", ""),
         "kong.node.node_a.shdict.db.free_space:10|g\nkong.node.node_a.shdict.db.capacity:100|g\n"},
        {WITH("\"tag_style\":\"dogstatsd\"", "shdict_usage", "gauge", ""),
         "kong.shdict.free_space:10|g|#node:node_a,shdict:db\nkong.shdict.capacity:100|g|#node:node_a,shdict:"
         "db\n"},
        {METRIC("request_count", "counter", ""), ""},
    };
    const struct statsd_pool pool = {STR("db"), 10, 100};
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        cJSON *json = cJSON_Parse(cases[i].config);
        struct statsd_plan plan;
        struct buf lines = {0};
        statsd_plan_read(&plan, json, cJSON_GetObjectItemCaseSensitive(json, "metrics"));
        assert_int_equal(plan.has_pools, cases[i].lines[0] != '\0');
        statsd_lines_of_pool(&plan, &pool, str_of(prefix_of_node), &lines);
        statsd_plan_fini(&plan);
        cJSON_Delete(json);
        assert_lines(&lines, cases[i].lines);
    }
}

/* ---- datadog ---- */

static void assert_datadog(const char *config, const struct stat_facts *facts, const char *wanted)
{
    cJSON *json = cJSON_Parse(config);
    struct datadog_plan plan;
    struct buf lines = {0};

    assert_non_null(json);
    datadog_plan_read(&plan, json);
    datadog_lines_of_request(&plan, facts, &lines);
    datadog_plan_fini(&plan);
    cJSON_Delete(json);
    assert_lines(&lines, wanted);
}

static void datadog_has_name_status_and_consumer_as_tags(void **state)
{
    static const struct {
        const char *config, *line;
    } cases[] = {
        {METRIC("request_count", "counter",
                ",\"tags\":[\"app:kong\",\"x\"],\"consumer_identifier\":\"custom_id\""),
         "kong.request.count:1|c|#name:my_shop,status:201,consumer:c-1,app:kong,x\n"},
        {METRIC("request_size", "timer", ",\"consumer_identifier\":\"username\""),
         "kong.request.size:200|ms|#name:my_shop,status:201,consumer:ann@a.test\n"},
        {METRIC("response_size", "distribution", ""), "kong.response.size:3000|d|#name:my_shop,status:201\n"},
        {METRIC("latency", "histogram", ",\"sample_rate\":0.75"),
         "kong.latency:12|h|@0.75|#name:my_shop,status:201\n"},
        {METRIC("latency", "histogram", ",\"sample_rate\":0.5"), ""},
        {METRIC("upstream_latency", "set", ""), "kong.upstream_latency:9|s|#name:my_shop,status:201\n"},
        {WITH(
             "\"prefix\":\"p\",\"service_name_tag\":\"svc\",\"status_tag\":\"code\",\"consumer_tag\":\"who\"",
             "kong_latency", "meter", ",\"consumer_identifier\":\"consumer_id\""),
         "p.kong_latency:3|m|#svc:my_shop,code:201,who:00000000-0000-0000-0000-000000000003\n"},
        {WITH("\"status_tag\":\"a:b,c|d\"", "latency", "timer", ",\"tags\":[\"x:1,2|3\"]"),
         "kong.latency:12|ms|#name:my_shop,a_b_c_d:201,x:1_2_3\n"},
    };
    struct stat_facts facts = facts_of_all();
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_datadog(cases[i].config, &facts, cases[i].line);
    facts.measured[STAT_UPSTREAM_LATENCY] = -1;
    assert_datadog(METRIC("upstream_latency", "timer", ""), &facts, "");
    facts.service = NULL;
    assert_datadog(METRIC("request_count", "counter", ""), &facts, "");
}

/* ---- datagrams ---- */

static void lines_are_cut_into_datagrams(void **state)
{
    static const struct {
        size_t limit;
        const char *packets; /* each ends in '/' */
    } cases[] = {
        {0, "aaa:1|c/b:1|c/cc:1|c/"},       {13, "aaa:1|c\nb:1|c/cc:1|c/"},
        {12, "aaa:1|c/b:1|c\ncc:1|c/"},     {20, "aaa:1|c\nb:1|c\ncc:1|c/"},
        {19, "aaa:1|c\nb:1|c/cc:1|c/"},     {1, "aaa:1|c/b:1|c/cc:1|c/"}, /* a line is never torn */
        {65507, "aaa:1|c\nb:1|c\ncc:1|c/"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct str lines = STR("aaa:1|c\nb:1|c\ncc:1|c\n");
        struct buf got = {0};
        struct str packet;
        size_t from = 0;
        while (stat_packet_next(lines, cases[i].limit, &from, &packet)) {
            buf_add_str(&got, packet);
            buf_add_byte(&got, '/');
        }
        assert_int_equal(from, lines.len);
        assert_lines(&got, cases[i].packets);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_metric_has_its_name),
        cmocka_unit_test(identifiers_are_the_metrics_or_the_default),
        cmocka_unit_test(what_is_not_there_is_not_sent),
        cmocka_unit_test(the_node_may_be_in_the_prefix),
        cmocka_unit_test(each_style_of_tags_has_its_form),
        cmocka_unit_test(a_rate_says_for_what_part_of_requests),
        cmocka_unit_test(nothing_ends_a_name_a_value_or_a_tag),
        cmocka_unit_test(memory_is_told_by_pool),
        cmocka_unit_test(datadog_has_name_status_and_consumer_as_tags),
        cmocka_unit_test(lines_are_cut_into_datagrams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
