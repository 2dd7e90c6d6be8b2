/*
 * Complete lines into a file that may be renamed, removed, full or slow, and nobody who waits for it.
 */

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/line_sink.h"
#include "gateway/base/mem.h"

enum {
    THREADS = 4,
    LINES = 5000,
    CAPACITY = 64 * 1024,
    PATIENCE_MS = 20000,
};

/* A directory of the test's own, a sink, and what it has told. */
struct rig {
    char directory[32];
    char *path;
    struct line_sink *sink;
    pthread_mutex_t lock;
    struct buf told;
};

static void take_told(void *arg, const char *text)
{
    struct rig *rig = arg;

    (void)pthread_mutex_lock(&rig->lock);
    buf_printf(&rig->told, "%s\n", text);
    (void)pthread_mutex_unlock(&rig->lock);
}

static struct line_sink *new_sink(struct rig *rig, size_t capacity_bytes, int linger_ms)
{
    const struct line_sink_options options = {.name = "test log",
                                              .capacity_bytes = capacity_bytes,
                                              .linger_ms = linger_ms,
                                              .tell = take_told,
                                              .arg = rig};

    return line_sink_new(&options);
}

static int set_up(void **state)
{
    struct rig *rig = mem_zalloc(sizeof(*rig));

    (void)snprintf(rig->directory, sizeof(rig->directory), "/tmp/test_sink.XXXXXX");
    if (mkdtemp(rig->directory) == NULL)
        return -1;
    rig->path = mem_printf("%s/lines", rig->directory);
    (void)pthread_mutex_init(&rig->lock, NULL);
    rig->sink = new_sink(rig, CAPACITY, /* linger_ms= */ 0);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    char *old = mem_printf("%s.1", rig->path);

    line_sink_free(rig->sink);
    (void)unlink(rig->path);
    (void)unlink(old);
    int removed = rmdir(rig->directory);
    free(old);
    free(rig->path);
    buf_fini(&rig->told);
    (void)pthread_mutex_destroy(&rig->lock);
    free(rig);
    return removed;
}

static void aim(struct rig *rig, const char *target)
{
    struct err err;

    if (!line_sink_aim(rig->sink, target, &err))
        fail_msg("%s", err.text);
}

/* The whole file, "" if there is none; the caller owns it. */
static char *contents(const char *path)
{
    struct buf buf = {0};
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && (got = read(fd, buf_reserve(&buf, 4096), 4096)) > 0)
        buf.len += (size_t)got;
    if (fd >= 0)
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

static bool has_told(struct rig *rig, const char *text)
{
    (void)pthread_mutex_lock(&rig->lock);
    bool has = rig->told.at != NULL && strstr(rig->told.at, text) != NULL;
    (void)pthread_mutex_unlock(&rig->lock);
    return has;
}

/* Over everything told. */
static uint64_t lost_told(struct rig *rig)
{
    static const char word[] = "lines_lost=";
    uint64_t sum = 0;

    (void)pthread_mutex_lock(&rig->lock);
    const char *at = rig->told.at != NULL ? strstr(rig->told.at, word) : NULL;
    for (; at != NULL; at = strstr(at + 1, word))
        sum += strtoull(at + sizeof(word) - 1, NULL, 10);
    (void)pthread_mutex_unlock(&rig->lock);
    return sum;
}

static bool has_written(const char *path, const char *text)
{
    char *all = contents(path);
    bool has = strstr(all, text) != NULL;

    free(all);
    return has;
}

/* Conditions of other threads: looked at again and again, not for ever. */
#define EVENTUALLY(condition)                                                                                \
    do {                                                                                                     \
        int left_ms = PATIENCE_MS;                                                                           \
        while (!(condition) && left_ms-- > 0)                                                                \
            (void)poll(NULL, 0, 1);                                                                          \
        assert_true(left_ms > 0);                                                                            \
    } while (0)

static void lines_are_appended(void **state)
{
    struct rig *rig = *state;

    aim(rig, rig->path);
    assert_true(line_sink_is_on(rig->sink));
    assert_true(line_sink_add(rig->sink, STR("one\n")));
    assert_true(line_sink_add(rig->sink, STR("two\nthree\n")));
    line_sink_close(rig->sink);
    aim(rig, rig->path);
    assert_true(line_sink_add(rig->sink, STR("four\n")));
    line_sink_close(rig->sink);
    char *text = contents(rig->path);
    assert_string_equal(text, "one\ntwo\nthree\nfour\n");
    free(text);
    assert_int_equal(line_sink_lost(rig->sink), 0);
    assert_null(rig->told.at);
}

static void a_sink_that_is_off_takes_nothing_and_misses_nothing(void **state)
{
    struct rig *rig = *state;

    assert_false(line_sink_is_on(rig->sink));
    assert_false(line_sink_add(rig->sink, STR("nowhere\n")));
    line_sink_reopen(rig->sink);
    aim(rig, "off");
    assert_false(line_sink_add(rig->sink, STR("nowhere\n")));
    aim(rig, rig->path);
    assert_true(line_sink_add(rig->sink, STR("here\n")));
    aim(rig, "off");
    assert_false(line_sink_is_on(rig->sink));
    assert_false(line_sink_add(rig->sink, STR("nowhere\n")));
    EVENTUALLY(has_written(rig->path, "here\n"));
    line_sink_close(rig->sink);
    char *text = contents(rig->path);
    assert_string_equal(text, "here\n");
    free(text);
    assert_int_equal(line_sink_lost(rig->sink), 0);
}

static void lines_go_where_the_sink_aimed_when_they_came(void **state)
{
    struct rig *rig = *state;
    char *old = mem_printf("%s.1", rig->path);

    aim(rig, old);
    assert_true(line_sink_add(rig->sink, STR("first\n")));
    aim(rig, rig->path);
    EVENTUALLY(has_written(old, "first\n"));
    EVENTUALLY(line_sink_add(rig->sink, STR("second\n")) && has_written(rig->path, "second\n"));
    line_sink_close(rig->sink);
    char *text = contents(old);
    assert_int_equal(count_of(text, "first\n"), 1);
    free(text);
    free(old);
}

static void a_file_that_cannot_be_opened_is_told_and_changes_nothing(void **state)
{
    struct rig *rig = *state;
    struct err err;

    assert_false(line_sink_aim(rig->sink, "/nonexistent/lines", &err));
    assert_string_equal(err.text, "test log /nonexistent/lines: No such file or directory");
    assert_false(line_sink_is_on(rig->sink));
    aim(rig, rig->path);
    assert_false(line_sink_aim(rig->sink, "/nonexistent/lines", &err));
    assert_true(line_sink_add(rig->sink, STR("still here\n")));
    line_sink_close(rig->sink);
    assert_true(has_written(rig->path, "still here\n"));
}

static void a_renamed_file_is_left_after_reopening(void **state)
{
    struct rig *rig = *state;
    char *old = mem_printf("%s.1", rig->path);

    aim(rig, rig->path);
    assert_true(line_sink_add(rig->sink, STR("first\n")));
    EVENTUALLY(has_written(rig->path, "first\n"));
    assert_int_equal(rename(rig->path, old), 0);
    assert_true(line_sink_add(rig->sink, STR("second\n"))); /* nobody has said so yet: into the old one */
    EVENTUALLY(has_written(old, "second\n"));
    line_sink_reopen(rig->sink);
    EVENTUALLY(access(rig->path, F_OK) == 0);
    assert_true(line_sink_add(rig->sink, STR("third\n")));
    line_sink_close(rig->sink);
    char *text = contents(rig->path);
    assert_string_equal(text, "third\n");
    free(text);
    text = contents(old);
    assert_string_equal(text, "first\nsecond\n");
    free(text);
    free(old);
}

static void a_removed_file_is_made_again(void **state)
{
    struct rig *rig = *state;

    aim(rig, rig->path);
    assert_true(line_sink_add(rig->sink, STR("first\n")));
    EVENTUALLY(has_written(rig->path, "first\n"));
    assert_int_equal(unlink(rig->path), 0);
    assert_true(line_sink_add(rig->sink, STR("second\n")));
    EVENTUALLY(has_written(rig->path, "second\n"));
}

static void a_removed_directory_is_waited_for(void **state)
{
    struct rig *rig = *state;

    aim(rig, rig->path);
    assert_true(line_sink_add(rig->sink, STR("first\n")));
    EVENTUALLY(has_written(rig->path, "first\n"));
    assert_int_equal(unlink(rig->path), 0);
    assert_int_equal(rmdir(rig->directory), 0);
    assert_true(line_sink_add(rig->sink, STR("second\n")));
    EVENTUALLY(has_told(rig, "test log: cannot be opened again; file "));
    assert_true(line_sink_add(rig->sink, STR("third\n")));
    assert_int_equal(mkdir(rig->directory, 0700), 0);
    EVENTUALLY(has_written(rig->path, "second\nthird\n"));
    EVENTUALLY(has_told(rig, "test log: is written again; lines_lost=0\n"));
    assert_int_equal(count_of(rig->told.at, "\n"), 2);
}

/* /dev/full answers ENOSPC to every write. */
static void what_a_full_disk_refuses_waits_and_the_rest_is_counted(void **state)
{
    struct rig *rig = *state;
    char line[1000];
    int taken = 0;

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    assert_int_equal(symlink("/dev/full", rig->path), 0);
    aim(rig, rig->path);
    for (int i = 0; i < 500; i++)
        taken += line_sink_add(rig->sink, (struct str){line, sizeof(line)}) ? 1 : 0;
    assert_in_range(taken, CAPACITY / 1000, 2 * CAPACITY / 1000);
    assert_int_equal(line_sink_lost(rig->sink), 500 - taken);
    EVENTUALLY(has_told(rig, "test log: cannot be written, lines wait; No space left on device\n"));
    (void)poll(NULL, 0, 500); /* further tries are not told */
    assert_int_equal(count_of(rig->told.at, "\n"), 1);

    assert_int_equal(unlink(rig->path), 0);
    line_sink_reopen(rig->sink);
    char *end = mem_printf("test log: is written again; lines_lost=%d\n", 500 - taken);
    EVENTUALLY(has_told(rig, end));
    free(end);
    line_sink_close(rig->sink);
    char *text = contents(rig->path);
    assert_int_equal(count_of(text, "\n"), taken);
    assert_int_equal(strlen(text), (size_t)taken * sizeof(line));
    free(text);
}

static void a_disk_that_stays_full_does_not_hold_up_the_end(void **state)
{
    struct rig *rig = *state;

    aim(rig, "/dev/full");
    assert_true(line_sink_add(rig->sink, STR("one\n")));
    EVENTUALLY(has_told(rig, "No space left"));
    assert_true(line_sink_add(rig->sink, STR("two\nthree\n")));
    line_sink_close(rig->sink);
    assert_int_equal(line_sink_lost(rig->sink), 3);
}

/* Fills a pipe until it takes no more; what is in it ends within a line. */
static void a_line_that_was_begun_in_one_file_is_not_continued_in_another(void **state)
{
    struct rig *rig = *state;
    char line[1000];
    char *old = mem_printf("%s.1", rig->path);

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    assert_int_equal(mkfifo(old, 0600), 0);
    int reader = open(old, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    line_sink_free(rig->sink);
    rig->sink = new_sink(rig, /* capacity_bytes= */ 1000 * 1000, 0);
    aim(rig, old);
    for (int i = 0; i < 300; i++)
        assert_true(line_sink_add(rig->sink, (struct str){line, sizeof(line)}));
    int size = fcntl(reader, F_GETPIPE_SZ);
    assert_true(size > 0 && size % 1000 != 0);
    (void)poll(NULL, 0, 100); /* for the writer to stand in the full pipe */
    aim(rig, rig->path);
    (void)close(reader); /* EPIPE now */
    EVENTUALLY(has_written(rig->path, "x\n"));
    line_sink_close(rig->sink);
    char *text = contents(rig->path);
    size_t lines = count_of(text, "\n");
    assert_int_equal(strlen(text), lines * sizeof(line));
    assert_true(line_sink_lost(rig->sink) <= 1);
    free(text);
    free(old);
}

static void a_reader_who_stops_holds_nobody_up(void **state)
{
    struct rig *rig = *state;
    char chunk[65536];
    size_t lines = 0;

    assert_int_equal(mkfifo(rig->path, 0600), 0);
    int reader = open(rig->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    aim(rig, rig->path);
    for (int i = 0; i < 20000; i++)
        (void)line_sink_add(rig->sink, STR("0123456789 0123456789 0123456789 0123456789\n"));
    uint64_t lost = line_sink_lost(rig->sink);
    assert_true(lost > 0 && lost < 20000);
    (void)fcntl(reader, F_SETFL, 0);
    while (lines < 20000 - lost) {
        ssize_t got = read(reader, chunk, sizeof(chunk));
        assert_true(got > 0);
        for (ssize_t i = 0; i < got; i++)
            lines += chunk[i] == '\n' ? 1 : 0;
    }
    EVENTUALLY(lost_told(rig) == lost);
    assert_true(has_told(rig, "test log: writer was behind; lines_lost="));
    (void)close(reader);
}

/* stderr becomes a pipe for a while; returns its reading end. */
static int redirect_stderr(int *saved)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    *saved = dup(STDERR_FILENO);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    (void)close(ends[1]);
    return ends[0];
}

static void a_reader_of_stderr_who_stops_does_not_hold_up_the_end(void **state)
{
    struct rig *rig = *state;
    int saved;
    int reader = redirect_stderr(&saved);

    aim(rig, "stderr");
    for (int i = 0; i < 4000; i++)
        (void)line_sink_add(rig->sink, STR("0123456789 0123456789 0123456789 0123456789\n"));
    line_sink_close(rig->sink);
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    (void)close(saved);
    (void)close(reader);
    assert_true(line_sink_lost(rig->sink) > 0);
    assert_true(has_told(rig, "test log: cannot be written, lines wait"));
}

/* Two sinks on one pipe, as access log and audit log in a container. */
static void lines_of_sinks_that_share_a_pipe_are_whole(void **state)
{
    static const char line[] = "0123456789 0123456789 0123456789 0123456789 0123456789 012345678\n";
    struct rig *rig = *state;
    struct line_sink *other = new_sink(rig, CAPACITY, /* linger_ms= */ 0);
    struct buf got = {0};
    struct err err;
    int saved;
    int reader = redirect_stderr(&saved);

    aim(rig, "stderr");
    assert_true(line_sink_aim(other, "stderr", &err));
    for (int i = 0; i < LINES; i++) {
        (void)line_sink_add(rig->sink, STR(line));
        (void)line_sink_add(other, STR(line));
        if (got.len < (size_t)i * sizeof(line))
            got.len += (size_t)read(reader, buf_reserve(&got, 65536), 65536);
    }
    (void)fcntl(reader, F_SETFL, O_NONBLOCK);
    for (size_t lines = 0; lines < 2 * LINES - line_sink_lost(rig->sink) - line_sink_lost(other);
         lines = got.len / (sizeof(line) - 1)) {
        ssize_t more = read(reader, buf_reserve(&got, 65536), 65536);
        got.len += more > 0 ? (size_t)more : 0;
    }
    line_sink_free(other);
    line_sink_close(rig->sink);
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    (void)close(saved);
    (void)close(reader);
    for (size_t at = 0; at < got.len; at += sizeof(line) - 1)
        assert_memory_equal(got.at + at, line, sizeof(line) - 1);
    buf_fini(&got);
}

static void a_line_that_is_larger_than_the_queue_is_lost_alone(void **state)
{
    struct rig *rig = *state;
    char *large = mem_zalloc(CAPACITY + 1);

    memset(large, 'x', CAPACITY);
    large[CAPACITY] = '\n';
    aim(rig, rig->path);
    assert_false(line_sink_add(rig->sink, (struct str){large, CAPACITY + 1}));
    assert_true(line_sink_add(rig->sink, STR("small\n")));
    line_sink_close(rig->sink);
    assert_int_equal(line_sink_lost(rig->sink), 1);
    assert_true(has_written(rig->path, "small\n"));
    free(large);
}

static void *add_lines(void *arg)
{
    struct line_sink *sink = arg;
    static _Atomic int numbers;
    char line[64];
    int number = numbers++ % THREADS;

    for (int i = 0; i < LINES; i++) {
        int length = snprintf(line, sizeof(line), "thread=%d line=%05d end\n", number, i);
        while (!line_sink_add(sink, (struct str){line, (size_t)length}))
            (void)poll(NULL, 0, 1);
    }
    return NULL;
}

/* Every line there is once, whole, and behind those its thread added before. */
static void check_lines(const char *text)
{
    int next[THREADS] = {0};
    int thread;
    int line;

    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        assert_int_equal(sscanf(at, "thread=%d line=%d end\n", &thread, &line), 2);
        assert_int_equal(line, next[thread]++);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(next[i], LINES);
}

static void run_threads(struct rig *rig, int linger_ms)
{
    pthread_t threads[THREADS];

    line_sink_free(rig->sink);
    rig->sink = new_sink(rig, CAPACITY, linger_ms);
    aim(rig, rig->path);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_lines, rig->sink), 0);
    for (int i = 0; i < THREADS; i++) {
        line_sink_reopen(rig->sink);
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    line_sink_close(rig->sink);
    char *text = contents(rig->path);
    check_lines(text);
    free(text);
}

static void lines_of_threads_are_whole_and_in_order(void **state)
{
    run_threads(*state, /* linger_ms= */ 0);
}

static void lines_that_wait_for_others_are_whole_and_in_order(void **state)
{
    run_threads(*state, /* linger_ms= */ 20);
}

static void a_lone_line_waits_no_longer_than_it_may(void **state)
{
    struct rig *rig = *state;

    line_sink_free(rig->sink);
    rig->sink = new_sink(rig, CAPACITY, /* linger_ms= */ 50);
    aim(rig, rig->path);
    for (int i = 0; i < 3; i++) {
        assert_true(line_sink_add(rig->sink, STR("lone\n")));
        (void)poll(NULL, 0, 5);
    }
    EVENTUALLY(has_written(rig->path, "lone\nlone\nlone\n"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(lines_are_appended),
        TEST(a_sink_that_is_off_takes_nothing_and_misses_nothing),
        TEST(lines_go_where_the_sink_aimed_when_they_came),
        TEST(a_file_that_cannot_be_opened_is_told_and_changes_nothing),
        TEST(a_renamed_file_is_left_after_reopening),
        TEST(a_removed_file_is_made_again),
        TEST(a_removed_directory_is_waited_for),
        TEST(what_a_full_disk_refuses_waits_and_the_rest_is_counted),
        TEST(a_disk_that_stays_full_does_not_hold_up_the_end),
        TEST(a_line_that_was_begun_in_one_file_is_not_continued_in_another),
        TEST(a_reader_who_stops_holds_nobody_up),
        TEST(a_reader_of_stderr_who_stops_does_not_hold_up_the_end),
        TEST(lines_of_sinks_that_share_a_pipe_are_whole),
        TEST(a_line_that_is_larger_than_the_queue_is_lost_alone),
        TEST(lines_of_threads_are_whole_and_in_order),
        TEST(lines_that_wait_for_others_are_whole_and_in_order),
        TEST(a_lone_line_waits_no_longer_than_it_may),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* as the node does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
