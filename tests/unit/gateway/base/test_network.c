/*
 * Ranges of addresses: what is one, and what is inside.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "gateway/base/network.h"

static bool is_inside(const char *range, const char *address)
{
    struct sockaddr_storage peer;
    struct network network;
    assert_true(network_parse(str_of(range), &network));
    assert_true(network_address(str_of(address), &peer));
    return network_contains(&network, &peer);
}

static bool is_range(const char *text)
{
    struct network network;
    return network_parse(str_of(text), &network);
}

static void a_single_address_contains_itself_only(void **state)
{
    (void)state;
    assert_true(is_inside("10.1.2.3", "10.1.2.3"));
    assert_false(is_inside("10.1.2.3", "10.1.2.2"));
    assert_true(is_inside("10.1.2.3/32", "10.1.2.3"));
    assert_false(is_inside("10.1.2.3/32", "10.1.2.2"));
    assert_true(is_inside("2001:db8::7", "2001:db8:0::7"));
    assert_false(is_inside("2001:db8::7", "2001:db8::6"));
    assert_true(is_inside("2001:db8::7/128", "2001:db8::7"));
    assert_false(is_inside("2001:db8::7/128", "2001:db8::6"));
}

static void loopback_is_what_only_this_machine_can_reach(void **state)
{
    (void)state;
    assert_true(network_is_loopback(STR("127.0.0.1")));
    assert_true(network_is_loopback(STR("127.255.0.9")));
    assert_true(network_is_loopback(STR("::1")));
    assert_true(network_is_loopback(STR("::ffff:127.0.0.1")));
    assert_false(network_is_loopback(STR("0.0.0.0")));
    assert_false(network_is_loopback(STR("::")));
    assert_false(network_is_loopback(STR("128.0.0.1")));
    assert_false(network_is_loopback(STR("::ffff:10.0.0.1")));
    assert_false(network_is_loopback(STR("localhost")));
}

static void a_range_of_no_bits_contains_its_whole_family(void **state)
{
    (void)state;
    assert_true(is_inside("0.0.0.0/0", "255.255.255.255"));
    assert_true(is_inside("10.0.0.0/0", "192.0.2.1"));
    assert_true(is_inside("::/0", "ffff::1"));
    assert_false(is_inside("0.0.0.0/0", "::1"));
    assert_false(is_inside("::/0", "10.0.0.1"));
}

static void bits_need_not_end_with_a_byte(void **state)
{
    (void)state;
    assert_true(is_inside("10.0.0.0/9", "10.127.255.255"));
    assert_false(is_inside("10.0.0.0/9", "10.128.0.0"));
    assert_true(is_inside("172.16.0.0/12", "172.31.255.255"));
    assert_false(is_inside("172.16.0.0/12", "172.32.0.0"));
    assert_true(is_inside("192.0.2.4/31", "192.0.2.5"));
    assert_false(is_inside("192.0.2.4/31", "192.0.2.6"));
    assert_true(is_inside("128.0.0.0/1", "255.0.0.0"));
    assert_false(is_inside("128.0.0.0/1", "127.0.0.0"));
    assert_true(is_inside("2001:db8:8000::/33", "2001:db8:ffff::"));
    assert_false(is_inside("2001:db8:8000::/33", "2001:db8:7fff::"));
    assert_true(is_inside("2001:db8::fe/127", "2001:db8::ff"));
    assert_false(is_inside("2001:db8::fe/127", "2001:db8::fd"));
}

static void bits_behind_the_range_do_not_matter(void **state)
{
    (void)state;
    struct network sloppy, exact;
    assert_true(network_parse(STR("10.255.255.255/9"), &sloppy));
    assert_true(network_parse(STR("10.128.0.0/9"), &exact));
    assert_memory_equal(&sloppy, &exact, sizeof(exact));
    assert_true(is_inside("10.255.255.255/9", "10.128.0.1"));
}

static void a_mapped_address_is_the_ipv4_address_in_it(void **state)
{
    (void)state;
    assert_true(is_inside("10.0.0.0/8", "::ffff:10.9.9.9"));
    assert_false(is_inside("10.0.0.0/8", "::ffff:11.0.0.1"));
    assert_false(is_inside("::/0", "::ffff:10.0.0.1"));
    assert_true(is_inside("::ffff:10.0.0.0/104", "10.200.0.1"));
    assert_false(is_inside("::ffff:10.0.0.0/104", "11.0.0.1"));
    assert_true(is_inside("::ffff:10.0.0.1", "10.0.0.1"));
    assert_false(is_inside("::ffff:10.0.0.1", "10.0.0.2"));
    assert_true(is_inside("::ffff:0:0/96", "203.0.113.9"));
    assert_true(is_inside("::ffff:10.0.0.1/128", "10.0.0.1"));
    assert_false(is_range("::ffff:10.0.0.1/129"));
    assert_false(is_range("::ffff:0:0/95")); /* would be half a range of each family */
}

static void local_peers_are_those_without_an_address(void **state)
{
    (void)state;
    struct sockaddr_storage local = {.ss_family = AF_UNIX}, unknown = {.ss_family = AF_UNSPEC}, peer;
    struct network network;
    assert_true(network_parse(STR("unix:"), &network));
    assert_true(network_contains(&network, &local));
    assert_true(network_contains(&network, &unknown));
    assert_true(network_address(STR("127.0.0.1"), &peer));
    assert_false(network_contains(&network, &peer));
    assert_true(network_parse(STR("0.0.0.0/0"), &network));
    assert_false(network_contains(&network, &local));
    assert_false(network_contains(&network, &unknown));
}

static void rubbish_is_no_range(void **state)
{
    static const char *const rubbish[] = {"",
                                          "/",
                                          "/8",
                                          "10.0.0.0/",
                                          "10.0.0.0/33",
                                          "10.0.0.0/-1",
                                          "10.0.0.0/-0",
                                          "10.0.0.0/+8",
                                          "10.0.0.0/8 ",
                                          " 10.0.0.0",
                                          "10.0.0.0/8/8",
                                          "10.0.0.0/0x8",
                                          "10.0.0",
                                          "10.0.0.256",
                                          "010.0.0.1.2",
                                          "::/129",
                                          "::/-0",
                                          ":::",
                                          "[::1]",
                                          "::1%lo",
                                          "localhost",
                                          "unix",
                                          "unix:/x",
                                          "off",
                                          "10.0.0.0/99999999999999999999",
                                          "1.2.3.4:80",
                                          "1234:1234:1234:1234:1234:1234:1234:1234:1234:1234"};
    (void)state;
    for (size_t i = 0; i < COUNT(rubbish); i++)
        if (is_range(rubbish[i]))
            fail_msg("'%s' is no range", rubbish[i]);
}

static void a_nul_byte_ends_no_address(void **state)
{
    struct sockaddr_storage address;
    (void)state;
    assert_false(network_address((struct str){"10.0.0.1\0.evil", 14}, &address));
    assert_false(network_address((struct str){"::1\0", 4}, &address));
}

static void an_address_is_read_without_its_neighbours(void **state)
{
    struct sockaddr_storage address;
    char text[INET6_ADDRSTRLEN];
    (void)state;
    assert_true(network_address((struct str){"10.0.0.12345", 9}, &address));
    assert_int_equal(address.ss_family, AF_INET);
    assert_string_equal(
        inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)&address)->sin_addr, text, sizeof(text)),
        "10.0.0.12");
    assert_int_equal(((struct sockaddr_in *)(void *)&address)->sin_port, 0);
    assert_true(network_address(STR("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"), &address));
    assert_int_equal(address.ss_family, AF_INET6);
    assert_false(network_address(STR("10.0.0.0/8"), &address));
}

static void an_address_is_written_as_it_was_read(void **state)
{
    static const char *const texts[] = {"10.0.0.12", "::1", "2001:db8::ffff:0:1", "::ffff:1.2.3.4"};
    struct sockaddr_storage address;
    char text[NETWORK_TEXT_SIZE] = "x";
    (void)state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_true(network_address(str_of(texts[i]), &address));
        (void)network_set_port(&address, 8080);
        assert_int_equal(network_text(&address, text), 8080);
        assert_string_equal(text, texts[i]);
    }
    address = (struct sockaddr_storage){.ss_family = AF_UNIX};
    assert_int_equal(network_text(&address, text), 0);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_address_contains_itself_only),
        cmocka_unit_test(loopback_is_what_only_this_machine_can_reach),
        cmocka_unit_test(a_range_of_no_bits_contains_its_whole_family),
        cmocka_unit_test(bits_need_not_end_with_a_byte),
        cmocka_unit_test(bits_behind_the_range_do_not_matter),
        cmocka_unit_test(a_mapped_address_is_the_ipv4_address_in_it),
        cmocka_unit_test(local_peers_are_those_without_an_address),
        cmocka_unit_test(rubbish_is_no_range),
        cmocka_unit_test(a_nul_byte_ends_no_address),
        cmocka_unit_test(an_address_is_read_without_its_neighbours),
        cmocka_unit_test(an_address_is_written_as_it_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
