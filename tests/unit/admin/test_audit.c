/*
 * The lines of the audit log: what they say, and what they never say.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "admin/audit.h"
#include "admin/request.h"
#include "admin/state.h"
#include "gateway/base/line_sink.h"
#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"

/* A request whose asker is known, and where its lines go. */
struct rig {
    char path[32];
    struct schemas *schemas;
    struct admin admin;
    struct request request;
};

static const struct field limits_fields[] = {
    {.name = "minute", .kind = FIELD_INTEGER},
    {.name = "hour", .kind = FIELD_INTEGER},
};
static const struct field config_fields[] = {
    {.name = "limits", .kind = FIELD_RECORD, .fields = limits_fields, .field_count = COUNT(limits_fields)},
    {.name = "secret", .kind = FIELD_STRING, .flags = FIELD_ENCRYPTED},
    {.name = "headers", .kind = FIELD_MAP},
};
static const struct field config = {
    .name = "config", .kind = FIELD_RECORD, .fields = config_fields, .field_count = COUNT(config_fields)};
static const struct plugin_schema limiter = {.name = "limiter", .config = &config};

static void tell(void *arg, const char *text)
{
    (void)arg;
    fail_msg("%s", text);
}

static int set_up(void **state)
{
    const struct line_sink_options options = {.name = "audit log", .capacity_bytes = 1 << 20, .tell = tell};
    struct rig *rig = mem_zalloc(sizeof(*rig));
    struct err err;

    (void)snprintf(rig->path, sizeof(rig->path), "/tmp/test_audit.XXXXXX");
    int fd = mkstemp(rig->path);
    if (fd < 0)
        return -1;
    (void)close(fd);
    rig->schemas = schemas_new();
    schemas_add_core(rig->schemas);
    schemas_add_plugin(rig->schemas, &limiter);
    rig->admin.options.schemas = rig->schemas;
    rig->admin.options.audit = line_sink_new(&options);
    rig->request.admin = &rig->admin;
    rig->request.audit = cJSON_Parse("{\"time\":null,\"principal\":\"deploy\",\"method\":\"PUT\"}");
    *state = rig;
    return line_sink_aim(rig->admin.options.audit, rig->path, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    line_sink_free(rig->admin.options.audit);
    cJSON_Delete(rig->request.audit);
    schemas_free(rig->schemas);
    int removed = unlink(rig->path);
    free(rig);
    return removed;
}

/* All lines there are, as an array; the caller owns it. */
static cJSON *lines_of(struct rig *rig)
{
    struct buf buf = {0};
    ssize_t got;

    line_sink_close(rig->admin.options.audit);
    int fd = open(rig->path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    while ((got = read(fd, buf_reserve(&buf, 65536), 65536)) > 0)
        buf.len += (size_t)got;
    (void)close(fd);
    cJSON *lines = cJSON_CreateArray();
    char *text = buf_take(&buf);
    for (char *at = text; *at != '\0';) {
        char *end = strchr(at, '\n');
        assert_non_null(end);
        *end = '\0';
        cJSON *line = cJSON_Parse(at);
        assert_non_null(line);
        (void)cJSON_AddItemToArray(lines, line);
        at = end + 1;
    }
    free(text);
    return lines;
}

/* The line but for its time. */
static void assert_line(cJSON *line, const char *expected)
{
    const char *time = document_text(line, "time");

    assert_non_null(time);
    assert_int_equal(strlen(time), strlen("2026-11-25T21:00:00.123Z"));
    assert_int_equal(time[10], 'T');
    assert_int_equal(time[19], '.');
    assert_int_equal(time[23], 'Z');
    cJSON_DeleteItemFromObjectCaseSensitive(line, "time");
    char *text = cJSON_PrintUnformatted(line);
    assert_string_equal(text, expected);
    free(text);
}

#define ID    "00000000-0000-4000-8000-000000000001"
#define OTHER "00000000-0000-4000-8000-000000000002"

static struct store_change change_of(const struct schema *schema, const char *id, enum store_change_kind kind)
{
    struct store_change change = {.schema = schema, .kind = kind};

    assert_true(uuid_from_str(str_of(id), &change.id));
    return change;
}

static void a_change_is_a_line_without_values(void **state)
{
    struct rig *rig = *state;
    const struct store_change all[] = {change_of(&service_schema, ID, STORE_UPDATED)};
    cJSON *before = cJSON_Parse("{\"id\":\"" ID "\",\"host\":\"secret\",\"port\":80,\"updated_at\":1}");
    cJSON *after = cJSON_Parse("{\"id\":\"" ID "\",\"host\":\"hidden\",\"port\":80,\"updated_at\":2}");
    struct audit_change change = {.schema = &service_schema,
                                  .before = before,
                                  .after = after,
                                  .all = all,
                                  .all_count = 1,
                                  .position = "h-7"};

    audit_change(&rig->request, &change);
    change.before = NULL;
    audit_change(&rig->request, &change);
    change.before = before;
    change.after = NULL;
    change.position = NULL;
    audit_change(&rig->request, &change);
    cJSON *lines = lines_of(rig);
    assert_int_equal(cJSON_GetArraySize(lines), 3);
    assert_line(cJSON_GetArrayItem(lines, 0),
                "{\"principal\":\"deploy\",\"method\":\"PUT\",\"entity\":\"services\",\"id\":\"" ID
                "\",\"operation\":\"update\",\"fields\":[\"host\"],\"position\":\"h-7\"}");
    assert_line(cJSON_GetArrayItem(lines, 1),
                "{\"principal\":\"deploy\",\"method\":\"PUT\",\"entity\":\"services\",\"id\":\"" ID
                "\",\"operation\":\"create\",\"position\":\"h-7\"}");
    assert_line(cJSON_GetArrayItem(lines, 2),
                "{\"principal\":\"deploy\",\"method\":\"PUT\",\"entity\":\"services\",\"id\":\"" ID
                "\",\"operation\":\"delete\",\"outcome\":\"unknown\"}");
    cJSON_Delete(lines);
    cJSON_Delete(before);
    cJSON_Delete(after);
}

static void what_changed_along_is_in_the_same_line(void **state)
{
    struct rig *rig = *state;
    const struct store_change all[] = {change_of(&service_schema, ID, STORE_CREATED),
                                       change_of(&route_schema, OTHER, STORE_UPDATED),
                                       change_of(&route_schema, ID, STORE_DELETED)};
    cJSON *after = cJSON_Parse("{\"id\":\"" ID "\"}");
    const struct audit_change change = {.schema = &service_schema,
                                        .after = after,
                                        .all = all,
                                        .all_count = COUNT(all),
                                        .linked = "service",
                                        .position = "h-7"};

    audit_change(&rig->request, &change);
    cJSON *lines = lines_of(rig);
    assert_int_equal(cJSON_GetArraySize(lines), 1);
    char *also = cJSON_PrintUnformatted(cJSON_GetObjectItem(cJSON_GetArrayItem(lines, 0), "also"));
    assert_string_equal(also, "[{\"entity\":\"routes\",\"id\":\"" OTHER
                              "\",\"operation\":\"update\",\"fields\":[\"service\"]},"
                              "{\"entity\":\"routes\",\"id\":\"" ID "\",\"operation\":\"delete\"}]");
    free(also);
    cJSON_Delete(lines);
    cJSON_Delete(after);
}

static void a_long_list_goes_on_in_further_lines(void **state)
{
    enum {
        CHILDREN = 64 * 2 + 1
    };
    struct rig *rig = *state;
    struct store_change all[CHILDREN + 1];
    cJSON *before = cJSON_Parse("{\"id\":\"" ID "\"}");
    const struct audit_change change = {
        .schema = &consumer_schema, .before = before, .all = all, .all_count = COUNT(all), .position = "h-7"};

    for (unsigned i = 0; i < CHILDREN; i++) {
        char id[UUID_TEXT_SIZE];
        (void)snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012x", i);
        all[i] = change_of(&plugin_setting_schema, id, STORE_DELETED);
    }
    all[CHILDREN] = change_of(&consumer_schema, ID, STORE_DELETED);
    audit_change(&rig->request, &change);
    cJSON *lines = lines_of(rig);
    assert_int_equal(cJSON_GetArraySize(lines), 3);
    int listed = 0;
    for (int i = 0; i < 3; i++) {
        const cJSON *line = cJSON_GetArrayItem(lines, i);
        assert_string_equal(document_text(line, "id"), ID);
        assert_string_equal(document_text(line, "operation"), "delete");
        assert_int_equal(document_int(line, "part", 1), i + 1);
        listed += cJSON_GetArraySize(cJSON_GetObjectItem(line, "also"));
        char *text = cJSON_PrintUnformatted(line);
        assert_true(strlen(text) < 8192);
        free(text);
    }
    assert_int_equal(listed, CHILDREN);
    cJSON_Delete(lines);
    cJSON_Delete(before);
}

static void assert_fields(const struct rig *rig, const struct schema *schema, const char *before,
                          const char *after, const char *expected)
{
    cJSON *old = cJSON_Parse(before);
    cJSON *new = cJSON_Parse(after);
    cJSON *names = audit_fields(rig->schemas, schema, old, new);
    char *text = cJSON_PrintUnformatted(names);

    assert_string_equal(text, expected);
    free(text);
    cJSON_Delete(names);
    cJSON_Delete(old);
    cJSON_Delete(new);
}

static void fields_of_records_are_named_and_keys_of_maps_are_not(void **state)
{
    const struct rig *rig = *state;
    static const char before[] =
        "{\"name\":\"limiter\",\"enabled\":true,\"config\":{\"limits\":{\"minute\":1,\"hour\":2},"
        "\"secret\":\"a\",\"headers\":{\"k\":\"v\"}}}";

    assert_fields(rig, &plugin_setting_schema, before, before, "[]");
    assert_fields(rig, &plugin_setting_schema, before,
                  "{\"name\":\"limiter\",\"enabled\":false,\"config\":{\"limits\":{\"minute\":9,\"hour\":2},"
                  "\"secret\":\"b\",\"headers\":{\"token\":\"v\"}}}",
                  "[\"config.limits.minute\",\"config.secret\",\"config.headers\",\"enabled\"]");
    assert_fields(
        rig, &plugin_setting_schema, before,
        "{\"name\":\"limiter\",\"enabled\":true,\"config\":{\"secret\":\"a\",\"headers\":{\"k\":\"v\"}}}",
        "[\"config.limits\"]");
    assert_fields(rig, &plugin_setting_schema, "{\"name\":\"unknown\",\"config\":{\"a\":1}}",
                  "{\"name\":\"unknown\",\"config\":{\"a\":2}}", "[\"config\"]");
    assert_fields(rig, &route_schema, "{\"service\":{\"id\":\"a\"},\"tags\":null}",
                  "{\"service\":{\"id\":\"b\"}}", "[\"service\"]");
}

static void members_beside_the_schema_are_named(void **state)
{
    assert_fields(*state, &certificate_schema, "{\"snis\":[\"a\"]}", "{\"snis\":[\"a\",\"b\"]}",
                  "[\"snis\"]");
    assert_fields(*state, &certificate_schema, "{\"snis\":[\"a\"]}", "{\"snis\":[\"a\"]}", "[]");
    assert_fields(*state, &consumer_schema, "{\"ttl\":9,\"expires_at\":1.5}",
                  "{\"ttl\":8,\"expires_at\":1.5}", "[]");
    assert_fields(*state, &consumer_schema, "{\"ttl\":9,\"expires_at\":1.5}", "{\"ttl\":8,\"expires_at\":2}",
                  "[\"ttl\"]");
}

static void notes_are_lines_too(void **state)
{
    struct rig *rig = *state;

    audit_note(&rig->request, "purge", "cache", NULL);
    audit_note(&rig->request, "purge", "cache", "bad \xff \" \n byte");
    cJSON *lines = lines_of(rig);
    assert_int_equal(cJSON_GetArraySize(lines), 2);
    assert_line(cJSON_GetArrayItem(lines, 0),
                "{\"principal\":\"deploy\",\"method\":\"PUT\",\"entity\":\"cache\",\"operation\":\"purge\"}");
    assert_string_equal(document_text(cJSON_GetArrayItem(lines, 1), "what"), "bad ? \" \n byte");
    cJSON_Delete(lines);
}

static void nothing_is_written_for_who_was_not_noticed(void **state)
{
    struct rig *rig = *state;
    const struct audit_change change = {.schema = &service_schema, .position = "h-7"};

    cJSON_Delete(rig->request.audit);
    rig->request.audit = NULL;
    audit_change(&rig->request, &change);
    cJSON *lines = lines_of(rig);
    assert_int_equal(cJSON_GetArraySize(lines), 0);
    cJSON_Delete(lines);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_change_is_a_line_without_values),
        TEST(what_changed_along_is_in_the_same_line),
        TEST(a_long_list_goes_on_in_further_lines),
        TEST(fields_of_records_are_named_and_keys_of_maps_are_not),
        TEST(members_beside_the_schema_are_named),
        TEST(notes_are_lines_too),
        TEST(nothing_is_written_for_who_was_not_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
