#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/chain/delivery_inside.h"
#include "gateway/plugins/file_sink.h"

enum {
    SECOND = 1000 * 1000,
    START = 1000 * SECOND,
    LINE = 1000,
    PIPE_BYTES = 4096, /* what it holds */
};

/* A pipe that holds four lines and a bit. */
struct scene {
    char path[64];
    int reader;
    struct delivery *delivery;
    struct delivery_queue *queue;
    struct buf got;
};

static void begin(struct scene *scene, int64_t max_retry_us)
{
    *scene = (struct scene){.delivery = delivery_new()};
    (void)snprintf(scene->path, sizeof(scene->path), "/tmp/freshet-file-sink-%d", (int)getpid());
    (void)unlink(scene->path);
    assert_int_equal(mkfifo(scene->path, 0600), 0);
    scene->reader = open(scene->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(scene->reader >= 0);
    assert_true(fcntl(scene->reader, F_SETPIPE_SZ, PIPE_BYTES) == PIPE_BYTES);
    const struct delivery_options options = {
        .name = "file",
        .rules = {.max_batch_size = 100,
                  .max_entries = 100,
                  .max_retry_us = max_retry_us,
                  .first_retry_us = SECOND,
                  .longest_retry_us = SECOND},
        .sender = file_sink_new(scene->path, FILE_SINK_KEPT_OPEN),
    };
    scene->queue = delivery_queue_new(&options);
}

static void drain(struct scene *scene)
{
    char bytes[PIPE_BYTES];
    ssize_t count;

    while ((count = read(scene->reader, bytes, sizeof(bytes))) > 0)
        buf_add(&scene->got, bytes, (size_t)count);
}

static void end(struct scene *scene)
{
    delivery_queue_let_go(scene->queue);
    (void)delivery_turn(scene->delivery, START + 1000 * (int64_t)SECOND);
    delivery_free(scene->delivery);
    (void)close(scene->reader);
    (void)unlink(scene->path);
    buf_fini(&scene->got);
}

/* Lines of a's, b's ... */
static void add_lines(struct scene *scene, const char *letters)
{
    char line[LINE];

    for (; *letters != '\0'; letters++) {
        memset(line, *letters, sizeof(line));
        delivery_queue_add(scene->queue, scene->delivery, (struct str){line, sizeof(line)});
    }
}

static void a_write_goes_on_where_it_stopped(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, /* max_retry_us= */ 60 * SECOND);
    add_lines(&scene, "abcdefgh");
    for (int64_t second = 0; second < 4; second++) {
        (void)delivery_turn(scene.delivery, START + second * SECOND);
        drain(&scene);
    }
    assert_int_equal(scene.got.len, 8 * (LINE + 1));
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(scene.got.at[i * (LINE + 1)], 'a' + i);
        assert_int_equal(scene.got.at[i * (LINE + 1) + LINE - 1], 'a' + i);
        assert_int_equal(scene.got.at[i * (LINE + 1) + LINE], '\n');
    }
    end(&scene);
}

static void half_a_line_that_was_given_up_ends_before_the_next(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, /* max_retry_us= */ -1);
    add_lines(&scene, "abcdefgh");
    (void)delivery_turn(scene.delivery, START);
    drain(&scene);
    size_t half = scene.got.len;
    assert_true(half % (LINE + 1) != 0);
    add_lines(&scene, "x");
    (void)delivery_turn(scene.delivery, START + SECOND);
    drain(&scene);
    assert_int_equal(scene.got.len, half + 1 + LINE + 1);
    assert_int_equal(scene.got.at[half], '\n');
    assert_int_equal(scene.got.at[half + 1], 'x');
    end(&scene);
}

/* What went into the old file stays there; the line it was in the middle of is whole in the new one. */
static void a_new_file_begins_with_a_whole_line(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, /* max_retry_us= */ 60 * SECOND);
    add_lines(&scene, "abcdefgh");
    (void)delivery_turn(scene.delivery, START);
    assert_int_equal(unlink(scene.path), 0); /* a plain file takes its place */
    delivery_reopen(scene.delivery);
    (void)delivery_turn(scene.delivery, START + SECOND);
    int file = open(scene.path, O_RDONLY | O_CLOEXEC);
    char bytes[LINE + 1];
    assert_int_equal(read(file, bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(bytes[0], 'e');
    assert_int_equal(bytes[LINE - 1], 'e');
    assert_int_equal(bytes[LINE], '\n');
    (void)close(file);
    end(&scene);
}

static void nobody_who_reads_is_a_failure_and_no_wait(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, /* max_retry_us= */ 60 * SECOND);
    (void)close(scene.reader);
    add_lines(&scene, "a");
    assert_int_equal(delivery_turn(scene.delivery, START), START + SECOND);
    scene.reader = open(scene.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    (void)delivery_turn(scene.delivery, START + SECOND);
    drain(&scene);
    assert_int_equal(scene.got.len, LINE + 1);
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_goes_on_where_it_stopped),
        cmocka_unit_test(half_a_line_that_was_given_up_ends_before_the_next),
        cmocka_unit_test(a_new_file_begins_with_a_whole_line),
        cmocka_unit_test(nobody_who_reads_is_a_failure_and_no_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
