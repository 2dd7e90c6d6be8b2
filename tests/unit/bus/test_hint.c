/* The message of the channel: what was written is read, and nothing else is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus/hint.h"

struct fixture {
    struct hint hint, read;
    uint8_t bytes[HINT_MAX_BYTES];
    size_t length;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->hint = (struct hint){.flags = HINT_KEYS_COMPLETE,
                            .first = 41,
                            .last = 42,
                            .tag = -7,
                            .sent_unix_us = 1234567890123,
                            .sender = {1, 2, 3, 4},
                            .key_count = 2};
    memset(f->hint.history, 0x5a, sizeof(f->hint.history));
    memset(f->hint.keys[1], 0xee, HINT_KEY_BYTES);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static enum hint_fault decode(struct fixture *f, const char *secret)
{
    return hint_decode(f->bytes, f->length, f->hint.history, secret, &f->read);
}

static void what_was_written_is_read(void **state)
{
    struct fixture *f = *state;

    f->length = hint_encode(&f->hint, NULL, f->bytes);
    assert_int_equal(f->length, HINT_HEAD_BYTES + 2 * HINT_KEY_BYTES);
    assert_int_equal(decode(f, NULL), HINT_GOOD);
    assert_memory_equal(&f->read, &f->hint, sizeof(f->hint));
}

static void the_layout_is_the_documented_one(void **state)
{
    const uint8_t expected[] = {'F',  'R',  'H',  '1',  1,    1,    0,    104,  0x5a, 0x5a, 0x5a, 0x5a,
                                0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a,
                                0,    0,    0,    0,    0,    0,    0,    41,   0,    0,    0,    0,
                                0,    0,    0,    42,   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf9,
                                0,    0,    0,    0,    0,    0,    0,    0,    0x00, 0x00, 0x01, 0x1f,
                                0x71, 0xfb, 0x04, 0xcb, 1,    2,    3,    4,    0,    2,    0,    0};
    struct fixture *f = *state;

    _Static_assert(sizeof(expected) == HINT_HEAD_BYTES, "the head");
    f->length = hint_encode(&f->hint, NULL, f->bytes);
    assert_memory_equal(f->bytes, expected, sizeof(expected));
}

static void a_signature_is_right_only_for_its_secret_and_its_bytes(void **state)
{
    struct fixture *f = *state;

    f->length = hint_encode(&f->hint, "secret", f->bytes);
    assert_int_equal(decode(f, "secret"), HINT_GOOD);
    assert_int_equal(decode(f, "Secret"), HINT_BAD_MAC);
    assert_int_equal(decode(f, NULL), HINT_GOOD); /* who has no secret cannot check */
    for (size_t i = 24; i < f->length; i++) {
        if (i == 68 || i == 69)
            continue; /* the number of keys: refused for its size */
        f->bytes[i] ^= 1;
        assert_int_equal(decode(f, "secret"), HINT_BAD_MAC);
        f->bytes[i] ^= 1;
    }
}

static void without_a_signature_it_is_refused_where_one_is_due(void **state)
{
    struct fixture *f = *state;

    f->length = hint_encode(&f->hint, NULL, f->bytes);
    assert_int_equal(decode(f, "secret"), HINT_BAD_MAC);
}

static void another_history_is_told_apart(void **state)
{
    struct fixture *f = *state;

    f->length = hint_encode(&f->hint, NULL, f->bytes);
    f->hint.history[0] ^= 1;
    assert_int_equal(decode(f, NULL), HINT_OTHER_HISTORY);
}

static void a_later_version_is_told_apart(void **state)
{
    struct fixture *f = *state;

    f->length = hint_encode(&f->hint, NULL, f->bytes);
    f->bytes[4] = 2;
    assert_int_equal(decode(f, NULL), HINT_OTHER_VERSION);
}

static void every_other_length_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t length;

    length = hint_encode(&f->hint, "secret", f->bytes);
    for (f->length = 0; f->length <= HINT_MAX_BYTES; f->length++) {
        if (f->length != length)
            assert_int_equal(decode(f, "secret"), HINT_BAD_SIZE);
    }
}

static void positions_that_run_backwards_are_refused(void **state)
{
    struct fixture *f = *state;

    f->hint.first = 43;
    f->length = hint_encode(&f->hint, NULL, f->bytes);
    assert_int_equal(decode(f, NULL), HINT_BAD_SIZE);
}

static void the_largest_message_fits(void **state)
{
    struct fixture *f = *state;

    f->hint.key_count = HINT_MAX_KEYS;
    f->length = hint_encode(&f->hint, "secret", f->bytes);
    assert_in_range(f->length, HINT_MAX_BYTES - HINT_KEY_BYTES, HINT_MAX_BYTES);
    assert_int_equal(decode(f, "secret"), HINT_GOOD);
    assert_int_equal(f->read.key_count, HINT_MAX_KEYS);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FACT(what_was_written_is_read),
        FACT(the_layout_is_the_documented_one),
        FACT(a_signature_is_right_only_for_its_secret_and_its_bytes),
        FACT(without_a_signature_it_is_refused_where_one_is_due),
        FACT(another_history_is_told_apart),
        FACT(a_later_version_is_told_apart),
        FACT(every_other_length_is_refused),
        FACT(positions_that_run_backwards_are_refused),
        FACT(the_largest_message_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
