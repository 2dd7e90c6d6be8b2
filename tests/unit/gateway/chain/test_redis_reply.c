/*
 * Answers of a Redis: what is whole, what is not yet, and what is none; nothing a server names is believed.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"
#include "gateway/chain/redis_reply.h"

static const struct {
    const char *bytes;
    enum redis_reply_kind kind;
    const char *text;
    size_t count;
    int64_t numbers[3];
} wholes[] = {
    {"+OK\r\n", REDIS_WORD, "OK", 0, {0}},
    {"+\r\n", REDIS_WORD, "", 0, {0}},
    {"-ERR no\r\n", REDIS_ERROR, "ERR no", 0, {0}},
    {":7\r\n", REDIS_OTHER, NULL, 0, {0}},
    {"$3\r\nabc\r\n", REDIS_OTHER, NULL, 0, {0}},
    {"$-1\r\n", REDIS_OTHER, NULL, 0, {0}},
    {"*-1\r\n", REDIS_OTHER, NULL, 0, {0}},
    {"*0\r\n", REDIS_NUMBERS, NULL, 0, {0}},
    {"*2\r\n:1\r\n:-2\r\n", REDIS_NUMBERS, NULL, 2, {1, -2}},
    {"*2\r\n:9223372036854775807\r\n$20\r\n-9223372036854775808\r\n",
     REDIS_NUMBERS,
     NULL,
     2,
     {REDIS_NUMBER_MOST, -REDIS_NUMBER_MOST}},
    {"*2\r\n$2\r\n15\r\n$-1\r\n", REDIS_NUMBERS, NULL, 2, {15, 0}},
    {"*2\r\n:1\r\n$1\r\nx\r\n", REDIS_OTHER, NULL, 2, {1, 0}},
};

/* In memory of its own size, so that a byte too far is seen. */
static size_t read_part(const char *bytes, size_t length, struct redis_reply *reply)
{
    char *copy = length > 0 ? mem_dup(bytes, length) : mem_alloc(1);
    size_t read = redis_reply_read((struct str){copy, length}, reply);

    if (reply->text.at != NULL)
        reply->text.at = bytes + (reply->text.at - copy);
    free(copy);
    return read;
}

static void whole_ones_are_read_and_parts_are_not(void **state)
{
    struct redis_reply reply;
    (void)state;

    for (size_t i = 0; i < COUNT(wholes); i++) {
        size_t length = strlen(wholes[i].bytes);
        for (size_t part = 0; part < length; part++)
            assert_int_equal(read_part(wholes[i].bytes, part, &reply), 0);
        assert_int_equal(read_part(wholes[i].bytes, length, &reply), length);
        assert_int_equal(reply.kind, wholes[i].kind);
        assert_int_equal(reply.count, wholes[i].count);
        if (wholes[i].text != NULL)
            assert_true(str_equal(reply.text, str_of(wholes[i].text)));
        for (size_t k = 0; k < reply.count; k++)
            assert_int_equal(reply.numbers[k], wholes[i].numbers[k]);
    }
}

static void the_next_one_begins_where_the_first_ends(void **state)
{
    struct redis_reply reply;
    (void)state;

    assert_int_equal(redis_reply_read(STR("*1\r\n:1\r\n*1\r\n:2\r\n"), &reply), 8);
    assert_int_equal(reply.numbers[0], 1);
}

static void what_is_none_is_refused_before_memory_is_taken(void **state)
{
    static const char *const broken[] = {
        "HTTP/1.1 400\r\n", "\r\n",          "*x\r\n",     "*-2\r\n",     "*1025\r\n",    "*99999999999\r\n",
        "*1\r\n*0\r\n",     "*1\r\n+OK\r\n", "$65537\r\n", "$-2\r\n",     "$1\r\nab\r\n", "$1\r\nab\n",
        "$1\r\na\rb",       ":\r\n",         ":1a\r\n",    "*1\r\n:1\rx", "+OK\rx",
    };
    struct redis_reply reply;
    (void)state;

    for (size_t i = 0; i < COUNT(broken); i++)
        if (read_part(broken[i], strlen(broken[i]), &reply) != SIZE_MAX)
            fail_msg("%s", broken[i]);
}

static void a_line_has_an_end(void **state)
{
    char *bytes = mem_alloc(REDIS_REPLY_MAX + 2);
    struct redis_reply reply;
    (void)state;

    memset(bytes, 'x', REDIS_REPLY_MAX + 2);
    bytes[0] = '+';
    assert_int_equal(redis_reply_read((struct str){bytes, REDIS_REPLY_MAX}, &reply), 0);
    assert_int_equal(redis_reply_read((struct str){bytes, REDIS_REPLY_MAX + 2}, &reply), SIZE_MAX);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_ones_are_read_and_parts_are_not),
        cmocka_unit_test(the_next_one_begins_where_the_first_ends),
        cmocka_unit_test(what_is_none_is_refused_before_memory_is_taken),
        cmocka_unit_test(a_line_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
