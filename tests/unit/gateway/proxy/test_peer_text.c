/*
 * peer_text: addresses as people write them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/proxy/peer_text.h"

static void what_is_read_is_written_in_one_form(void **state)
{
    static const struct {
        const char *read, *written;
    } texts[] = {
        {"10.0.0.7:80", "10.0.0.7:80"},
        {"[::1]:8000", "[::1]:8000"},
        {"::1:8000", "[::1]:8000"},
        {"[2001:0db8:0000:0000:0000:0000:0000:0007]:65535", "[2001:db8::7]:65535"},
        {"[::ffff:10.0.0.7]:1", "10.0.0.7:1"},
    };
    char text[PEER_TEXT_SIZE];
    struct peer_address address;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_true(peer_text_parse(str_of(texts[i].read), &address));
        assert_string_equal(peer_text(&address, text), texts[i].written);
    }
    assert_string_equal(peer_text_host(&address, text), "10.0.0.7");
    assert_int_equal(peer_text_port(&address), 1);
}

static void what_is_no_address_with_a_port_is_not_read(void **state)
{
    static const char *const texts[] = {
        "",     ":",         "80",          "10.0.0.7",     "10.0.0.7:",    "10.0.0.7:0",
        "a:80", "[::1]",     "::1",         "10.0.0.7:-1",  "[]:80",        "10.0.0.7:65536",
        ":80",  "[::1]:80 ", "10.0.0.7:8a", "[10.0.0.7:80", "10.0.0.7/8:80"};
    struct peer_address address;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        if (peer_text_parse(str_of(texts[i]), &address))
            fail_msg("'%s' is read", texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_in_one_form),
        cmocka_unit_test(what_is_no_address_with_a_port_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
