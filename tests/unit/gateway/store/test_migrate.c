/*
 * migrate - from nothing, from an older version, from a newer one, and back to nothing.
 */

#include "database.h"

#include <pthread.h>

#include "gateway/store/migrations.h"
#include "gateway/store/query.h"

static struct pg_session *connect_to(const struct database *database)
{
    return pg_session_new(&database->options);
}

static enum migrate_state state_of(struct pg_session *session)
{
    enum migrate_state state = MIGRATE_CURRENT;
    struct err err = {0};

    if (!migrate_check(session, &state, &err))
        fail_msg("%s", err.text);
    return state;
}

static bool must_bootstrap(struct pg_session *session, bool force)
{
    struct err err = {0};
    bool changed = false;

    if (!migrate_bootstrap(session, &database_patience, force, &changed, &err))
        fail_msg("%s", err.text);
    return changed;
}

static bool must_reset(struct pg_session *session)
{
    struct err err = {0};
    bool changed = false;

    if (!migrate_reset(session, &database_patience, &changed, &err))
        fail_msg("%s", err.text);
    return changed;
}

/* Each test begins with an empty database and a session. */
struct migrating {
    struct database database;
    struct pg_session *session;
};

static int empty(void **state)
{
    struct migrating *migrating = *state;

    free(database_script(
        &migrating->database,
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO public"));
    return 0;
}

static void a_database_is_made_once(void **state)
{
    struct migrating *migrating = *state;

    assert_int_equal(state_of(migrating->session), MIGRATE_EMPTY);
    assert_true(must_bootstrap(migrating->session, false));
    assert_int_equal(state_of(migrating->session), MIGRATE_CURRENT);
    assert_int_equal(database_number(&migrating->database, "SELECT max(pos) FROM cluster_log"), 1);
    char *workspace =
        database_script(&migrating->database, "SELECT id FROM workspaces WHERE name = 'default'");
    assert_string_equal(workspace, DEFAULT_WORKSPACE);
    char *history = database_script(&migrating->database, "SELECT history FROM cluster_head");
    assert_false(must_bootstrap(migrating->session, false));
    char *same = database_script(&migrating->database, "SELECT history FROM cluster_head");
    assert_string_equal(history, same);
    assert_true(must_bootstrap(migrating->session, true));
    char *other = database_script(&migrating->database, "SELECT history FROM cluster_head");
    assert_string_not_equal(history, other);
    free(other);
    free(same);
    free(history);
    free(workspace);
}

static void a_reset_leaves_nothing(void **state)
{
    struct migrating *migrating = *state;

    must_bootstrap(migrating->session, false);
    assert_true(must_reset(migrating->session));
    assert_int_equal(
        database_number(
            &migrating->database,
            "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace) + "
            "(SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)"),
        0);
    assert_int_equal(state_of(migrating->session), MIGRATE_EMPTY);
    assert_false(must_reset(migrating->session));
}

static void an_older_database_is_brought_up(void **state)
{
    struct migrating *migrating = *state;
    struct err err = {0};
    bool changed = true;

    must_bootstrap(migrating->session, false);
    assert_true(migrate_up(migrating->session, &database_patience, &changed, &err));
    assert_false(changed);
    free(database_script(&migrating->database, "DROP TABLE keyauth_credentials;"
                                               "DELETE FROM freshet_migrations WHERE name = '0002_keyauth'"));
    assert_int_equal(state_of(migrating->session), MIGRATE_BEHIND);
    assert_false(must_bootstrap(migrating->session, false));
    assert_true(migrate_up(migrating->session, &database_patience, &changed, &err));
    assert_true(changed);
    assert_int_equal(state_of(migrating->session), MIGRATE_CURRENT);
    assert_int_equal(database_number(&migrating->database, "SELECT count(*) FROM keyauth_credentials"), 0);
}

/* As the step before the certificates left it, with a service that names one. */
static void what_named_a_certificate_before_there_were_any_names_none(void **state)
{
    struct migrating *migrating = *state;
    struct err err = {0};
    bool changed = false;

    must_bootstrap(migrating->session, false);
    free(database_script(
        &migrating->database,
        "DROP TABLE targets, upstreams, vaults, keys, key_sets, ca_certificates, snis, certificates CASCADE;"
        "DROP INDEX services_client_certificate_id;"
        "INSERT INTO services (id, name, client_certificate_id) VALUES (gen_random_uuid(), 'old', "
        "gen_random_uuid());"
        "DELETE FROM freshet_migrations WHERE name = '0003_more_entities'"));
    assert_int_equal(state_of(migrating->session), MIGRATE_BEHIND);
    assert_true(migrate_up(migrating->session, &database_patience, &changed, &err));
    assert_true(changed);
    assert_int_equal(state_of(migrating->session), MIGRATE_CURRENT);
    assert_int_equal(database_number(&migrating->database,
                                     "SELECT count(*) FROM services WHERE name = 'old' AND "
                                     "client_certificate_id IS NULL"),
                     1);
    assert_int_equal(database_number(&migrating->database,
                                     "SELECT count(*) FROM pg_constraint WHERE conname = "
                                     "'services_client_certificate_id_fkey' AND convalidated"),
                     1);
}

static void a_step_that_fails_leaves_nothing_of_itself(void **state)
{
    struct migrating *migrating = *state;
    struct err err = {0};
    bool changed = true;

    must_bootstrap(migrating->session, false);
    free(database_script(&migrating->database, "DELETE FROM freshet_migrations WHERE name = '0002_keyauth'"));
    assert_false(migrate_up(migrating->session, &database_patience, &changed, &err));
    assert_non_null(strstr(err.text, "0002_keyauth"));
    assert_int_equal(state_of(migrating->session), MIGRATE_BEHIND);
    assert_int_equal(database_number(&migrating->database, "SELECT count(*) FROM keyauth_credentials"), 0);
}

static void an_empty_database_cannot_be_brought_up(void **state)
{
    struct migrating *migrating = *state;
    struct err err = {0};
    bool changed = true;

    assert_false(migrate_up(migrating->session, &database_patience, &changed, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(state_of(migrating->session), MIGRATE_EMPTY);
}

static void a_newer_database_is_not_touched(void **state)
{
    struct migrating *migrating = *state;
    struct err err = {0};
    bool changed = true;

    must_bootstrap(migrating->session, false);
    free(database_script(&migrating->database, "UPDATE cluster_head SET format = 2"));
    assert_int_equal(state_of(migrating->session), MIGRATE_AHEAD);
    free(database_script(&migrating->database,
                         "UPDATE cluster_head SET format = 1;"
                         "INSERT INTO freshet_migrations VALUES ('9999_later', now(), '9')"));
    assert_int_equal(state_of(migrating->session), MIGRATE_AHEAD);
    assert_false(migrate_up(migrating->session, &database_patience, &changed, &err));
    assert_int_equal(err.code, ERR_VERSION);
}

static void list_step(void *arg, const char *name, bool executed)
{
    buf_printf(arg, "%s=%d ", name, executed);
}

static char *every_step(int executed)
{
    struct buf list = {0};

    for (size_t i = 0; i < migration_count; i++)
        buf_printf(&list, "%s=%d ", migrations[i].name, executed);
    return buf_take(&list);
}

static void the_list_has_known_and_recorded_steps(void **state)
{
    struct migrating *migrating = *state;
    char *known = every_step(0);
    char *recorded = every_step(1);
    char *recorded_and_later = mem_printf("%s9999_later=1 ", recorded);
    struct buf before = {0}, after = {0};
    struct err err = {0};

    assert_true(migrate_list(migrating->session, list_step, &before, &err));
    assert_string_equal(before.at, known);
    must_bootstrap(migrating->session, false);
    free(database_script(&migrating->database,
                         "INSERT INTO freshet_migrations VALUES ('9999_later', now(), '9')"));
    assert_true(migrate_list(migrating->session, list_step, &after, &err));
    assert_string_equal(after.at, recorded_and_later);
    free(recorded_and_later);
    free(recorded);
    free(known);
    buf_fini(&after);
    buf_fini(&before);
}

struct racer {
    const struct database *database;
    bool ok, changed;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    struct pg_session *session = connect_to(racer->database);
    struct err err;

    racer->ok = migrate_bootstrap(session, &database_patience, false, &racer->changed, &err);
    pg_session_free(session);
    return NULL;
}

static void of_nodes_that_start_together_one_migrates(void **state)
{
    struct migrating *migrating = *state;
    struct racer racers[4];
    pthread_t threads[COUNT(racers)];
    int changed = 0;

    for (size_t i = 0; i < COUNT(racers); i++) {
        racers[i] = (struct racer){.database = &migrating->database};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < COUNT(racers); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(racers[i].ok);
        changed += racers[i].changed ? 1 : 0;
    }
    assert_int_equal(changed, 1);
}

static void a_migration_of_another_node_is_waited_for_so_long(void **state)
{
    struct migrating *migrating = *state;
    const struct migrate_options hurry = {.db_timeout_ms = 5000, .lock_timeout_ms = 50};
    struct pg_session *other = connect_to(&migrating->database);
    struct bus_err bus_err;
    struct err err = {0};
    bool changed;

    assert_true(pg_session_command(other, "BEGIN", 5000, &bus_err));
    assert_true(pg_session_command(
        other, "SELECT pg_advisory_xact_lock(hashtext('freshet migrations'), hashtext('public'))", 5000,
        &bus_err));
    assert_false(migrate_bootstrap(migrating->session, &hurry, false, &changed, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    pg_session_free(other);
    assert_true(must_bootstrap(migrating->session, false));
}

static void assert_column(const struct database *database, const struct schema *schema,
                          const struct field *field)
{
    struct buf sql = {0};

    buf_printf(&sql,
               "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '%s'::regclass"
               " AND attname = '%s%s'",
               schema->name, field->name, field->kind == FIELD_FOREIGN ? "_id" : "");
    char *type = database_script(database, sql.at);
    if (type == NULL)
        fail_msg("%s.%s has no column", schema->name, field->name);
    if (strcmp(type, query_column_type(field)) != 0)
        fail_msg("%s.%s is %s, not %s", schema->name, field->name, type, query_column_type(field));
    free(type);
    buf_fini(&sql);
}

static void every_field_has_its_column(void **state)
{
    struct migrating *migrating = *state;
    struct schemas *schemas = schemas_new();

    must_bootstrap(migrating->session, false);
    schemas_add_core(schemas);
    schemas_add(schemas, &credential_schema);
    for (size_t i = 0; i < schemas_count(schemas); i++) {
        const struct schema *schema = schemas_at(schemas, i);
        for (size_t k = 0; k < schema->field_count; k++)
            assert_column(&migrating->database, schema, &schema->fields[k]);
    }
    schemas_free(schemas);
}

static int group_setup(void **state)
{
    struct migrating *migrating = mem_zalloc(sizeof(*migrating));

    *state = migrating;
    if (!database_start(&migrating->database))
        return -1;
    migrating->session = connect_to(&migrating->database);
    return 0;
}

static int group_teardown(void **state)
{
    struct migrating *migrating = *state;

    pg_session_free(migrating->session);
    database_stop(&migrating->database);
    free(migrating);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_database_is_made_once, empty),
        cmocka_unit_test_setup(a_reset_leaves_nothing, empty),
        cmocka_unit_test_setup(an_older_database_is_brought_up, empty),
        cmocka_unit_test_setup(what_named_a_certificate_before_there_were_any_names_none, empty),
        cmocka_unit_test_setup(a_step_that_fails_leaves_nothing_of_itself, empty),
        cmocka_unit_test_setup(an_empty_database_cannot_be_brought_up, empty),
        cmocka_unit_test_setup(a_newer_database_is_not_touched, empty),
        cmocka_unit_test_setup(the_list_has_known_and_recorded_steps, empty),
        cmocka_unit_test_setup(of_nodes_that_start_together_one_migrates, empty),
        cmocka_unit_test_setup(a_migration_of_another_node_is_waited_for_so_long, empty),
        cmocka_unit_test_setup(every_field_has_its_column, empty),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
