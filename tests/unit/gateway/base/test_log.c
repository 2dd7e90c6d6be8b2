/*
 * One line per fact, from any thread, into a file that can be rotated.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/str.h"

enum {
    THREADS = 4,
    LINES = 200
};

/* A directory of the test's own; state is the path of the log in it. */
static int make_directory(void **state)
{
    char directory[] = "/tmp/test_log.XXXXXX";
    if (mkdtemp(directory) == NULL)
        return -1;
    *state = mem_printf("%s/error.log", directory);
    return 0;
}

static int remove_directory(void **state)
{
    char *path = *state;
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    int removed = rmdir(path);
    free(path);
    return removed;
}

static void open_log(const char *path)
{
    struct err err;
    if (!log_open(path, LOG_INFO, &err))
        fail_msg("%s", err.text);
}

/* The whole file; the caller owns it. */
static char *contents(const char *path)
{
    struct buf buf = {0};
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    while ((got = read(fd, buf_reserve(&buf, 4096), 4096)) > 0)
        buf.len += (size_t)got;
    (void)close(fd);
    return buf_take(&buf);
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        count++;
    return count;
}

static void lines_have_time_level_and_text(void **state)
{
    open_log(*state);
    log_notice("bus: channel lost; retry_in_ms=%d", 250);
    log_close();
    char *text = contents(*state);
    assert_int_equal(strlen("2026-11-24T16:00:00.000Z [notice] bus: channel lost; retry_in_ms=250\n"),
                     strlen(text));
    assert_int_equal(text[10], 'T');
    assert_string_equal(text + 23, "Z [notice] bus: channel lost; retry_in_ms=250\n");
    free(text);
}

static void lines_below_the_level_are_not_written(void **state)
{
    open_log(*state);
    log_debug("hidden");
    log_info("shown");
    log_set_level(LOG_ERROR);
    log_warn("hidden");
    log_error("shown");
    assert_int_equal(log_get_level(), LOG_ERROR);
    log_close();
    log_set_level(LOG_NOTICE);
    char *text = contents(*state);
    assert_int_equal(count_of(text, "shown"), 2);
    assert_int_equal(count_of(text, "hidden"), 0);
    free(text);
}

static void what_a_peer_sent_stays_on_its_line(void **state)
{
    char wide[5000];
    memset(wide, 'x', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    open_log(*state);
    log_error("peer said: %s", "a\r\n2026 [error] forged\x1b[31m");
    log_error("%s", wide);
    log_close();
    char *text = contents(*state);
    assert_int_equal(count_of(text, "\n"), 2);
    assert_int_equal(count_of(text, "\x1b"), 0);
    assert_true(strlen(text) < 2500);
    free(text);
}

static void lines_can_be_json(void **state)
{
    char wide[3000];
    for (size_t i = 0; i + 1 < sizeof(wide); i += 2)
        memcpy(wide + i, "\xc3\xa9", 2);
    wide[sizeof(wide) - 2] = '\0';
    open_log(*state);
    log_set_format(LOG_JSON);
    log_error("peer said: %s", "\"\\\r\n\x1b\xff");
    log_warn("caf\xc3\xa9");
    log_error("x%s", wide);
    log_error("%s", wide);
    log_set_format(LOG_TEXT);
    log_close();
    char *text = contents(*state);
    assert_memory_equal(text, "{\"time\":\"20", 11);
    assert_non_null(strstr(text, "Z\",\"level\":\"error\",\"message\":\"peer said: \\\"\\\\   ?\"}\n{"));
    assert_non_null(strstr(text, "\"level\":\"warn\",\"message\":\"caf\xc3\xa9\"}\n"));
    assert_non_null(strstr(text, "\xc3\xa9\"}\n")); /* cut, and not inside a character */
    assert_true(str_is_utf8(str_of(text)));
    assert_int_equal(count_of(text, "\n"), 4);
    free(text);
}

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_info("thread=%d line=%d end", *(const int *)arg, i);
    return NULL;
}

static void lines_of_threads_are_whole(void **state)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    uint64_t lost = log_dropped();
    open_log(*state);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    log_close();
    lost = log_dropped() - lost;
    char *text = contents(*state);
    assert_int_equal(count_of(text, " end\n") + lost, THREADS * LINES);
    free(text);
}

/* A pipe nobody reads: the writer stands still, and nobody waits for it. */
static void a_log_that_is_behind_drops_and_counts(void **state)
{
    assert_int_equal(mkfifo(*state, 0600), 0);
    int reader = open(*state, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    uint64_t before = log_dropped();
    assert_true(reader >= 0);
    open_log(*state);
    for (int i = 0; i < 20000; i++)
        log_info("%0100d", i);
    uint64_t lost = log_dropped() - before;
    assert_true(lost > 0 && lost < 20000);
    (void)fcntl(reader, F_SETFL, 0);
    char chunk[65536];
    size_t seen = 0;
    size_t lines = 0;
    while (lines < 20000 - lost) {
        ssize_t got = read(reader, chunk, sizeof(chunk));
        assert_true(got > 0);
        seen += (size_t)got;
        for (ssize_t i = 0; i < got; i++)
            lines += chunk[i] == '\n' ? 1 : 0;
    }
    log_close();
    assert_true(seen > 20000 - lost);
    (void)close(reader);
}

static void a_renamed_file_is_left_after_reopening(void **state)
{
    char *old = mem_printf("%s.1", (const char *)*state);
    open_log(*state);
    log_info("first");
    log_close();
    open_log(*state);
    assert_int_equal(rename(*state, old), 0);
    log_reopen();
    while (access(*state, F_OK) != 0)
        log_info("second");
    log_info("third");
    log_close();
    char *text = contents(*state);
    assert_int_equal(count_of(text, "first"), 0);
    assert_int_equal(count_of(text, "third"), 1);
    free(text);
    text = contents(old);
    assert_int_equal(count_of(text, "first"), 1);
    assert_int_equal(count_of(text, "third"), 0);
    free(text);
    (void)unlink(old);
    free(old);
}

static void *write_line(void *arg)
{
    (void)arg;
    log_error("not held up");
    return NULL;
}

/* Opening the new file takes as long as a reader of the FIFO takes to come. */
static void nobody_waits_for_a_file_that_is_slow_to_open(void **state)
{
    const char *path = *state;
    struct timespec limit;
    pthread_t thread;
    int reader;

    open_log(path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    log_reopen();
    (void)usleep(100000); /* for the writer to be at it */
    assert_int_equal(pthread_create(&thread, NULL, write_line, NULL), 0);
    (void)clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 2;
    int late = pthread_timedjoin_np(thread, NULL, &limit);
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (late != 0)
        (void)pthread_join(thread, NULL);
    log_close();
    (void)close(reader);
    assert_int_equal(late, 0);
}

static void a_file_that_cannot_be_opened_is_told(void **state)
{
    struct err err;
    (void)state;
    assert_false(log_open("/nonexistent/error.log", LOG_INFO, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err.text, "log file /nonexistent/error.log: No such file or directory");
    log_close();
}

static void levels_have_names(void **state)
{
    enum log_level level = LOG_EMERG;
    (void)state;
    for (int i = LOG_DEBUG; i <= LOG_EMERG; i++) {
        assert_true(log_level_of(log_level_name((enum log_level)i), &level));
        assert_int_equal(level, i);
    }
    assert_true(log_level_of("NOTICE", &level));
    assert_false(log_level_of("verbose", &level));
    assert_int_equal(level, LOG_NOTICE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_have_time_level_and_text, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(lines_below_the_level_are_not_written, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(what_a_peer_sent_stays_on_its_line, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(lines_can_be_json, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(lines_of_threads_are_whole, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_log_that_is_behind_drops_and_counts, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_renamed_file_is_left_after_reopening, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(nobody_waits_for_a_file_that_is_slow_to_open, make_directory,
                                        remove_directory),
        cmocka_unit_test(a_file_that_cannot_be_opened_is_told),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
