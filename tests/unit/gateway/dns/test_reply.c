/*
 * reply, on messages made by hand; and order, which says what is asked for.
 */

#include "name_server.h"

#include "gateway/dns/reply.h"

static struct packet packet;

static bool read_packet(enum dns_type type, struct reply *reply)
{
    const char *why = NULL;

    *reply = (struct reply){.type = type};
    bool ok = reply_read(packet.bytes, packet.length, "x.test", reply, &why);
    assert_true(ok == (why == NULL));
    return ok;
}

static uint32_t address_at(const struct reply *reply, size_t index)
{
    return ntohl(((const struct sockaddr_in *)(const void *)&reply->addresses[index])->sin_addr.s_addr);
}

static void addresses_are_sorted_and_each_is_there_once(void **state)
{
    struct reply reply;

    (void)state;
    packet_start(&packet, "X.test", DNS_A);
    packet_a(&packet, 60, 0x0a000003);
    packet_a(&packet, 30, 0x0a000001);
    packet_a(&packet, 90, 0x0a000003);
    assert_true(read_packet(DNS_A, &reply));
    assert_int_equal(reply.count, 2);
    assert_int_equal(address_at(&reply, 0), 0x0a000001);
    assert_int_equal(address_at(&reply, 1), 0x0a000003);
    assert_int_equal(reply.ttl_s, 30);
    assert_false(reply.aliased);
}

static void records_of_other_names_and_types_are_left_out(void **state)
{
    struct reply reply;

    (void)state;
    packet_start(&packet, "x.test", DNS_A);
    packet_head(&packet, "y.test", DNS_A, 60, 4);
    packet_number(&packet, 0x0a00);
    packet_number(&packet, 9);
    packet_head(&packet, NULL, 16, 1, 4); /* TXT */
    packet_number(&packet, 0);
    packet_number(&packet, 0);
    packet_a(&packet, 60, 0x0a000001);
    assert_true(read_packet(DNS_A, &reply));
    assert_int_equal(reply.count, 1);
    assert_int_equal(reply.ttl_s, 60);
}

static void the_same_32_of_many_are_kept_whatever_their_order(void **state)
{
    struct reply up;
    struct reply down;

    (void)state;
    packet_start(&packet, "x.test", DNS_A);
    for (uint32_t i = 0; i < 200; i++)
        packet_a(&packet, 60, 0x0a000000 + i);
    assert_true(read_packet(DNS_A, &up));
    packet_start(&packet, "x.test", DNS_A);
    for (uint32_t i = 200; i > 0; i--)
        packet_a(&packet, 60, 0x0a000000 + i - 1);
    assert_true(read_packet(DNS_A, &down));
    assert_int_equal(up.count, 32);
    assert_true(up.cut && down.cut);
    assert_memory_equal(up.addresses, down.addresses, sizeof(up.addresses));
}

static void aliases_are_followed_with_the_shortest_ttl(void **state)
{
    struct reply reply;

    (void)state;
    packet_start(&packet, "x.test", DNS_A);
    packet_head(&packet, "z.test", DNS_A, 60, 4);
    packet_number(&packet, 0x0a00);
    packet_number(&packet, 9);
    packet_alias(&packet, "y.test", "z.test", 20);
    packet_alias(&packet, NULL, "Y.test", 40);
    assert_true(read_packet(DNS_A, &reply));
    assert_int_equal(reply.count, 1);
    assert_string_equal(reply.name, "z.test");
    assert_true(reply.aliased);
    assert_int_equal(reply.ttl_s, 20);
    assert_true(read_packet(DNS_CNAME, &reply)); /* asked for the alias itself: one step */
    assert_string_equal(reply.name, "y.test");
}

static void aliases_in_a_circle_are_refused(void **state)
{
    struct reply reply;

    (void)state;
    packet_start(&packet, "x.test", DNS_A);
    packet_alias(&packet, NULL, "y.test", 20);
    packet_alias(&packet, "y.test", "x.test", 20);
    assert_false(read_packet(DNS_A, &reply));
}

static void only_the_lowest_priority_number_counts(void **state)
{
    struct reply reply;

    (void)state;
    packet_start(&packet, "x.test", DNS_SRV);
    packet_srv(&packet, 5, 1, 80, "worse.test");
    packet_srv(&packet, 2, 7, 81, "B.test");
    packet_srv(&packet, 2, 0, 82, "a.test");
    packet_srv(&packet, 9, 1, 83, "worst.test");
    packet_srv(&packet, 2, 7, 81, "b.test"); /* again */
    assert_true(read_packet(DNS_SRV, &reply));
    assert_int_equal(reply.count, 2);
    assert_string_equal(reply.services[0].target, "a.test");
    assert_int_equal(reply.services[0].port, 82);
    assert_int_equal(reply.services[0].weight, 0);
    assert_string_equal(reply.services[1].target, "b.test");
}

static void a_dot_as_target_offers_nothing(void **state)
{
    struct reply reply;

    (void)state;
    packet_start(&packet, "x.test", DNS_SRV);
    packet_head(&packet, NULL, DNS_SRV, 60, 7);
    packet_number(&packet, 0);
    packet_number(&packet, 0);
    packet_number(&packet, 0);
    packet.bytes[packet.length++] = 0;
    assert_true(read_packet(DNS_SRV, &reply));
    assert_int_equal(reply.count, 0);
}

static void the_top_bit_of_a_ttl_means_zero(void **state)
{
    struct reply reply;

    (void)state;
    packet_start(&packet, "x.test", DNS_A);
    packet_a(&packet, 0x80000001, 0x0a000001);
    assert_true(read_packet(DNS_A, &reply));
    assert_int_equal(reply.ttl_s, 0);
}

static void a_cut_or_wrong_message_is_refused_wherever_it_ends(void **state)
{
    struct reply reply;

    (void)state;
    packet_start(&packet, "x.test", DNS_SRV);
    packet_alias(&packet, NULL, "y.test", 20);
    packet_srv(&packet, 1, 1, 80, "t.test");
    size_t whole = packet.length;
    assert_true(read_packet(DNS_SRV, &reply));
    for (packet.length = 0; packet.length < whole; packet.length++)
        assert_false(read_packet(DNS_SRV, &reply));
    packet.length = whole;
    packet.bytes[packet.question_end] = 0xc0; /* a pointer to itself */
    packet.bytes[packet.question_end + 1] = (uint8_t)packet.question_end;
    assert_false(read_packet(DNS_SRV, &reply));
    packet_start(&packet, "x.test", DNS_A);
    packet_head(&packet, NULL, DNS_A, 60, 3); /* an address of three bytes */
    packet.length += 3;
    assert_false(read_packet(DNS_A, &reply));
}

static void a_dot_inside_a_label_does_not_make_a_name(void **state)
{
    struct reply reply;
    static const uint8_t owner[] = {6, 'x', '.', 't', 'e', 's', 't', 0};

    (void)state;
    packet_start(&packet, "x.test", DNS_A);
    packet.bytes[7] = 1;
    memcpy(packet.bytes + packet.length, owner, sizeof(owner));
    packet.length += sizeof(owner);
    packet_number(&packet, DNS_A);
    packet_number(&packet, 1);
    packet_number(&packet, 0);
    packet_number(&packet, 60);
    packet_number(&packet, 4);
    packet.length += 4;
    assert_true(read_packet(DNS_A, &reply));
    assert_int_equal(reply.count, 0);
}

static void a_soa_record_says_that_nothing_follows(void **state)
{
    struct reply reply;

    (void)state;
    packet_start(&packet, "x.test", DNS_SRV);
    packet_alias(&packet, NULL, "y.test", 20);
    assert_true(read_packet(DNS_SRV, &reply));
    assert_false(reply.final);
    packet_head(&packet, "test", DNS_SOA, 60, 0);
    packet.bytes[7]--; /* not an answer: */
    packet.bytes[9]++; /* an authority */
    assert_true(read_packet(DNS_SRV, &reply));
    assert_true(reply.final);
}

static void expect_order(const char *text, const char *reason)
{
    struct order order;
    struct err err = {0};

    assert_int_equal(order_parse(str_of(text), &order, &err), reason == NULL);
    if (reason != NULL)
        assert_non_null(strstr(err.text, reason));
}

static void an_order_is_checked_with_a_reason(void **state)
{
    (void)state;
    expect_order("LAST,SRV,A,CNAME", NULL);
    expect_order(" last , aaaa", NULL);
    expect_order("A", NULL);
    expect_order("A,MX", "'MX' is not one of: LAST SRV A AAAA CNAME");
    expect_order("", "is not one of");
    expect_order("A,", "is not one of");
    expect_order("A,SRV,a", "'a' stands in it twice");
    expect_order("LAST", "LAST alone");
}

static void the_type_that_was_last_comes_where_last_stands(void **state)
{
    struct order order;
    struct err err;

    (void)state;
    assert_true(order_parse(STR("LAST,SRV,A,CNAME"), &order, &err));
    struct order types = order_for(&order, DNS_LAST);
    assert_int_equal(types.count, 3);
    assert_int_equal(types.types[0], DNS_SRV);
    types = order_for(&order, DNS_A);
    assert_int_equal(types.count, 3);
    assert_int_equal(types.types[0], DNS_A);
    assert_int_equal(types.types[1], DNS_SRV);
    assert_int_equal(order_of_addresses(&order).types[0], DNS_A);
    assert_true(order_parse(STR("SRV"), &order, &err));
    assert_int_equal(order_of_addresses(&order).types[0], DNS_A);
    assert_true(order_parse(STR("SRV,AAAA,A"), &order, &err));
    assert_int_equal(order_of_addresses(&order).types[0], DNS_AAAA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_sorted_and_each_is_there_once),
        cmocka_unit_test(records_of_other_names_and_types_are_left_out),
        cmocka_unit_test(the_same_32_of_many_are_kept_whatever_their_order),
        cmocka_unit_test(aliases_are_followed_with_the_shortest_ttl),
        cmocka_unit_test(aliases_in_a_circle_are_refused),
        cmocka_unit_test(only_the_lowest_priority_number_counts),
        cmocka_unit_test(a_dot_as_target_offers_nothing),
        cmocka_unit_test(the_top_bit_of_a_ttl_means_zero),
        cmocka_unit_test(a_cut_or_wrong_message_is_refused_wherever_it_ends),
        cmocka_unit_test(a_dot_inside_a_label_does_not_make_a_name),
        cmocka_unit_test(a_soa_record_says_that_nothing_follows),
        cmocka_unit_test(an_order_is_checked_with_a_reason),
        cmocka_unit_test(the_type_that_was_last_comes_where_last_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
