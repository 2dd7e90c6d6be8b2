/*
 * Errors for clients that speak gRPC (data-plane reference, 4.4).
 */

#include "walk.h"

#include "gateway/chain/grpc_error.h"

static struct memory_world world;

static int setup(void **state)
{
    (void)state;
    memory_world_open(&world, NULL, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    memory_world_close(&world);
    return 0;
}

static struct memory_exchange *call(int version, const char *headers)
{
    struct memory_exchange *exchange = memory_exchange_new(&world, "POST", "/", headers, NULL);
    exchange_request(exchange->chain.exchange)->version = version;
    return exchange;
}

static void check(struct memory_exchange *exchange, const char *code, const char *message)
{
    assert_int_equal(exchange->chain.answer_body.len, 0);
    walk_assert_str(memory_exchange_answer_header(exchange, "content-type"), "application/grpc");
    walk_assert_str(memory_exchange_answer_header(exchange, "grpc-status"), code);
    walk_assert_str(memory_exchange_answer_header(exchange, "grpc-message"), message);
    memory_exchange_free(exchange);
}

static void only_http2_with_its_content_type_is_grpc(void **state)
{
    static const struct {
        int version;
        const char *headers;
        bool is_grpc;
    } rows[] = {
        {0x200, "Content-Type: application/grpc", true},
        {0x200, "Content-Type: application/grpc+proto", true},
        {0x200, "Content-Type: application/json", false},
        {0x200, "", false},
        {0x101, "Content-Type: application/grpc", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct memory_exchange *exchange = call(rows[i].version, rows[i].headers);
        assert_int_equal(grpc_is_spoken(exchange->chain.exchange), rows[i].is_grpc);
        memory_exchange_free(exchange);
    }
}

static void each_status_has_its_code_and_name(void **state)
{
    static const struct {
        int status;
        const char *code, *name;
    } rows[] = {
        {400, "3", "InvalidArgument"},   {401, "16", "Unauthenticated"}, {403, "7", "PermissionDenied"},
        {404, "5", "NotFound"},          {409, "6", "AlreadyExists"},    {418, "3", "InvalidArgument"},
        {429, "8", "ResourceExhausted"}, {499, "1", "Canceled"},         {500, "13", "Internal"},
        {501, "12", "Unimplemented"},    {502, "13", "Internal"},        {503, "14", "Unavailable"},
        {504, "4", "DeadlineExceeded"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct memory_exchange *exchange = call(0x200, "Content-Type: application/grpc");
        assert_int_equal(chain_answer_error(&exchange->chain, rows[i].status, NULL), PLUGIN_ANSWERED);
        assert_int_equal(exchange->chain.answer.status, rows[i].status);
        check(exchange, rows[i].code, rows[i].name);
    }
}

static void a_message_of_ones_own_stands_in_place_of_the_name(void **state)
{
    struct memory_exchange *exchange = call(0x200, "Content-Type: application/grpc");
    (void)state;
    assert_int_equal(chain_answer_message(&exchange->chain, 401, "100 % \"caf\xc3\xa9\"\n"), PLUGIN_ANSWERED);
    check(exchange, "16", "100 %25 \"caf%C3%A9\"%0A");
}

static void a_code_without_a_status_is_a_success_of_http(void **state)
{
    struct memory_exchange *exchange = call(0x200, "Content-Type: application/grpc");
    (void)state;
    grpc_error_code(exchange->chain.exchange, &exchange->chain.answer, GRPC_CANCELED, "no");
    assert_int_equal(exchange->chain.answer.status, 200);
    check(exchange, "1", "no");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_http2_with_its_content_type_is_grpc),
        cmocka_unit_test(each_status_has_its_code_and_name),
        cmocka_unit_test(a_message_of_ones_own_stands_in_place_of_the_name),
        cmocka_unit_test(a_code_without_a_status_is_a_success_of_http),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
