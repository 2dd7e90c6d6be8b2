/* Facts about buffers that become large. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <h2o.h>

#include "gateway/base/attributes.h"
#include "gateway/http/spool.h"

enum {
    PIECE_BYTES = 64 * 1024,
    LARGE_BYTES = 200 * 1024 * 1024,
};

struct hearing {
    struct spool_listener listener;
    int heard;
};

static void on_lost(struct spool_listener *listener)
{
    CONTAINER_OF(listener, struct hearing, listener)->heard++;
}

static size_t resident_bytes(void)
{
    size_t all;
    size_t resident;
    FILE *file = fopen("/proc/self/statm", "re");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu", &all, &resident), 2);
    (void)fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* Each piece has its own byte. Returns the most memory it has taken. */
static size_t fill(h2o_buffer_t **buffer)
{
    size_t before = resident_bytes();
    size_t most = 0;

    for (size_t i = 0; i < LARGE_BYTES / PIECE_BYTES; i++) {
        h2o_iovec_t room = h2o_buffer_reserve(buffer, PIECE_BYTES);
        assert_non_null(room.base);
        assert_true(room.len >= PIECE_BYTES);
        memset(room.base, (int)(i % 251), PIECE_BYTES);
        (*buffer)->size += PIECE_BYTES;
        size_t now = resident_bytes();
        most = now > before && now - before > most ? now - before : most;
    }
    return most;
}

static void assert_pieces(const h2o_buffer_t *buffer, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal((unsigned char)buffer->bytes[i * PIECE_BYTES], i % 251);
        assert_int_equal((unsigned char)buffer->bytes[(i + 1) * PIECE_BYTES - 1], i % 251);
    }
}

static void what_grows_keeps_its_content(void **state)
{
    h2o_buffer_t *buffer;

    (void)state;
    spool_use("/tmp");
    h2o_buffer_init(&buffer, &h2o_socket_buffer_prototype);
    (void)fill(&buffer);
    assert_false(spool_is_lost(buffer));
    assert_true(buffer->_fd >= 0);
    assert_pieces(buffer, LARGE_BYTES / PIECE_BYTES);
    h2o_buffer_consume(&buffer, LARGE_BYTES - 10);
    assert_int_equal(buffer->size, 10);
    h2o_buffer_dispose(&buffer);
}

static void what_is_lost_costs_nothing_and_keeps_its_start(void **state)
{
    struct hearing hearing = {.listener.on_lost = on_lost};
    h2o_buffer_t *buffer;

    (void)state;
    spool_use("/nowhere/at/all");
    spool_join(&hearing.listener);
    h2o_buffer_init(&buffer, &h2o_socket_buffer_prototype);
    size_t most = fill(&buffer);
    /* What TSan notes about memory is memory. 16 MiB, and twice that, were the buffer's. */
#ifndef __SANITIZE_THREAD__
    assert_in_range(most, 0, 80 * 1024 * 1024);
#else
    (void)most;
#endif
    assert_true(spool_is_lost(buffer));
    assert_int_equal(hearing.heard, 1);
    assert_int_equal(buffer->size, LARGE_BYTES);
    assert_pieces(buffer, 16);
    assert_true(spool_is_lost_body(h2o_iovec_init(buffer->bytes, buffer->size)));
    spool_leave(&hearing.listener);
    h2o_buffer_dispose(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_grows_keeps_its_content),
        cmocka_unit_test(what_is_lost_costs_nothing_and_keeps_its_start),
    };

    spool_check();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
