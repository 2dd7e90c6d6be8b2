/*
 * The working directory of a node: one process, one identity, files that are never half written.
 */

#include <fcntl.h>
#include <sys/wait.h>

#include "terminal.h"

static int setup(void **state)
{
    struct err err;
    int result = terminal_setup(state);
    assert_true(prefix_prepare(terminal.prefix, &err));
    return result;
}

static void put(const char *name, const char *text)
{
    struct err err;
    assert_true(prefix_write(terminal.prefix, name, text, &err));
}

static void assert_file(const char *name, const char *wanted)
{
    char *text = prefix_read(terminal.prefix, name);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

static void a_prefix_is_a_directory(void **state)
{
    (void)state;
    assert_true(prefix_exists(terminal.prefix));
    assert_false(prefix_exists(terminal.file));
    assert_false(prefix_exists("/nowhere"));
}

static void directories_are_made_down_to_the_last(void **state)
{
    struct err err;
    char deep[160];
    (void)state;
    (void)snprintf(deep, sizeof(deep), "%s/ssl/a/b", terminal.prefix);
    assert_true(prefix_prepare(deep, &err));
    assert_true(prefix_prepare(deep, &err)); /* there already */
    assert_true(prefix_exists(deep));
    static const char *const made[] = {"ssl/a/b/pids", "ssl/a/b/logs", "ssl/a/b/ssl", "ssl/a/b", "ssl/a"};
    for (size_t i = 0; i < COUNT(made); i++) {
        char *path = prefix_path(terminal.prefix, made[i]);
        assert_int_equal(rmdir(path), 0);
        free(path);
    }
    assert_false(prefix_prepare("/dev/null/x", &err));
    assert_int_equal(err.code, ERR_IO);
}

static void one_process_has_the_lock(void **state)
{
    int lock = -1;
    int other = -1;
    struct err err;
    char text[512];
    (void)state;
    assert_int_equal(prefix_running(terminal.prefix), 0);
    assert_true(prefix_lock(terminal.prefix, &lock, &err));
    assert_true(prefix_write_pid(lock, &err));
    assert_int_equal(prefix_running(terminal.prefix), getpid());
    assert_false(prefix_lock(terminal.prefix, &other, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_string_equal(err.text, terminal_text(text, "Freshet is already running in %s", terminal.prefix));
    assert_int_equal(other, -1);
    close(lock);
    assert_int_equal(prefix_running(terminal.prefix), 0);
    assert_true(prefix_lock(terminal.prefix, &lock, &err));
    close(lock);
}

/* A process that was killed left it; the number may be somebody else's by now. */
static void a_pid_file_that_nobody_holds_is_not_believed(void **state)
{
    char number[32];
    (void)state;
    (void)snprintf(number, sizeof(number), "%d\n", (int)getppid());
    put("pids/freshet.pid", number);
    assert_int_equal(prefix_running(terminal.prefix), 0);
}

static void a_shorter_pid_replaces_a_longer_one(void **state)
{
    int lock = -1;
    struct err err;
    char number[32];
    (void)state;
    put("pids/freshet.pid", "12345678901234567890\nmore\n");
    assert_true(prefix_lock(terminal.prefix, &lock, &err));
    assert_true(prefix_write_pid(lock, &err));
    (void)snprintf(number, sizeof(number), "%d\n", (int)getpid());
    assert_file("pids/freshet.pid", number);
    close(lock);
}

/* Between lock and number, or when somebody has written into the file: no process, rather than a wrong one.
 */
static void a_held_file_without_a_number_names_no_process(void **state)
{
    static const char *const texts[] = {"", "\n", "x\n", "1\n", "-5\n", "0\n"};
    int lock = -1;
    struct err err;
    (void)state;
    assert_true(prefix_lock(terminal.prefix, &lock, &err));
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(ftruncate(lock, 0), 0);
        assert_int_equal(pwrite(lock, texts[i], strlen(texts[i]), 0), strlen(texts[i]));
        assert_int_equal(prefix_running(terminal.prefix), 0);
    }
    close(lock);
}

static void the_lock_goes_with_the_process_and_stays_with_its_child(void **state)
{
    int lock = -1;
    int held[2];
    int quit[2];
    struct err err;
    char byte = 'x';
    (void)state;
    assert_true(prefix_lock(terminal.prefix, &lock, &err));
    assert_int_equal(pipe(held), 0);
    assert_int_equal(pipe(quit), 0);
    pid_t child = fork();
    if (child == 0) {
        close(quit[1]);
        bool is_written = prefix_write_pid(lock, NULL) && write(held[1], &byte, 1) == 1;
        ssize_t end = read(quit[0], &byte, 1); /* until the parent closes it */
        _exit(is_written && end == 0 ? 0 : 1);
    }
    close(lock); /* the parent steps back, as `start --daemon` does */
    close(quit[0]);
    assert_int_equal(read(held[0], &byte, 1), 1);
    assert_int_equal(prefix_running(terminal.prefix), child);
    close(quit[1]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(prefix_running(terminal.prefix), 0);
    close(held[0]);
    close(held[1]);
}

static void a_node_keeps_its_id(void **state)
{
    struct uuid first;
    struct uuid again;
    struct err err;
    (void)state;
    assert_true(prefix_node_id(terminal.prefix, NULL, &first, &err));
    assert_false(uuid_is_nil(&first));
    assert_true(prefix_node_id(terminal.prefix, NULL, &again, &err));
    assert_memory_equal(&first, &again, sizeof(first));
}

static void an_id_from_the_settings_is_taken_and_not_kept(void **state)
{
    struct uuid kept;
    struct uuid id;
    struct err err;
    char text[UUID_TEXT_SIZE];
    (void)state;
    assert_true(prefix_node_id(terminal.prefix, NULL, &kept, &err));
    assert_true(prefix_node_id(terminal.prefix, "0B5AC2D0-0000-4000-8000-000000000001", &id, &err));
    assert_string_equal(uuid_format(&id, text), "0b5ac2d0-0000-4000-8000-000000000001");
    assert_true(prefix_node_id(terminal.prefix, NULL, &id, &err));
    assert_memory_equal(&kept, &id, sizeof(id));
    assert_false(prefix_node_id(terminal.prefix, "me", &id, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.text, "node_id 'me' is not a UUID");
}

static void a_kept_id_may_end_in_a_line_and_a_broken_one_is_replaced(void **state)
{
    struct uuid id;
    struct uuid again;
    struct err err;
    char text[UUID_TEXT_SIZE];
    (void)state;
    put("node_id", "0b5ac2d0-0000-4000-8000-000000000001\n");
    assert_true(prefix_node_id(terminal.prefix, NULL, &id, &err));
    assert_string_equal(uuid_format(&id, text), "0b5ac2d0-0000-4000-8000-000000000001");
    put("node_id", "0b5ac2d0-0000-4000");
    assert_true(prefix_node_id(terminal.prefix, NULL, &id, &err));
    assert_true(prefix_node_id(terminal.prefix, NULL, &again, &err));
    assert_memory_equal(&id, &again, sizeof(id));
}

static void a_file_is_replaced_as_a_whole(void **state)
{
    struct err err;
    (void)state;
    put("note", "a longer text than the next");
    put("note", "short");
    assert_file("note", "short");
    assert_null(prefix_read(terminal.prefix, "note.new")); /* the draft has become the file */
    assert_false(prefix_write(terminal.prefix, "none/note", "x", &err));
    assert_int_equal(err.code, ERR_IO);
}

static void reading_has_a_limit(void **state)
{
    enum {
        LIMIT = 64 << 10
    };
    char *large = mem_zalloc(LIMIT + 100);
    (void)state;
    memset(large, 'x', LIMIT + 99);
    put("note", large);
    char *text = prefix_read(terminal.prefix, "note");
    assert_int_equal(strlen(text), LIMIT);
    free(text);
    free(large);
    assert_null(prefix_read(terminal.prefix, "nothing"));
}

int main(void)
{
#define PREFIX(test) cmocka_unit_test_setup_teardown(test, setup, terminal_teardown)
    const struct CMUnitTest tests[] = {
        PREFIX(a_prefix_is_a_directory),
        PREFIX(directories_are_made_down_to_the_last),
        PREFIX(one_process_has_the_lock),
        PREFIX(a_pid_file_that_nobody_holds_is_not_believed),
        PREFIX(a_shorter_pid_replaces_a_longer_one),
        PREFIX(a_held_file_without_a_number_names_no_process),
        PREFIX(the_lock_goes_with_the_process_and_stays_with_its_child),
        PREFIX(a_node_keeps_its_id),
        PREFIX(an_id_from_the_settings_is_taken_and_not_kept),
        PREFIX(a_kept_id_may_end_in_a_line_and_a_broken_one_is_replaced),
        PREFIX(a_file_is_replaced_as_a_whole),
        PREFIX(reading_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
