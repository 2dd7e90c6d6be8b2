/*
 * otlp, protobuf - bytes compared with what Google's own library (protobuf 6 for Python, with the messages of
 * opentelemetry-proto 1) writes of the same spans.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plugins/otlp.h"
#include "gateway/plugins/protobuf.h"

static const char wanted[] =
    "0abb030a230a160a0c736572766963652e6e616d6512060a046b6f6e670a090a016112040a02c3a91293030a0c0a0573"
    "636f70651203302e3112690a100af7651916cd43dd8448eb211c80319c1208b7ad6b71692033312a046b6f6e67300239"
    "e8032a36fe9c971741e868f753fe9c97174a140a0b687474702e6d6574686f6412050a034745544a170a10687474702e"
    "7374617475735f636f6465120318f6037a0218021297020a1000000000000000008448eb211c80319c120800f067aa0b"
    "a902b72208b7ad6b71692033312ac8017878787878787878787878787878787878787878787878787878787878787878"
    "787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
    "787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
    "787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
    "787878787878787878787878787878787878787878787878300339d0072a36fe9c971741b80b2a36fe9c97174a100a01"
    "6e120b18ffffffffffffffffff01";

static void assert_bytes(const struct buf *buf, const char *hex)
{
    assert_int_equal(buf->len * 2, strlen(hex));
    for (size_t i = 0; i < buf->len; i++) {
        char pair[3];
        (void)snprintf(pair, sizeof(pair), "%02x", (unsigned char)buf->at[i]);
        if (memcmp(pair, hex + 2 * i, 2) != 0)
            fail_msg("byte %zu is %s, not %.2s", i, pair, hex + 2 * i);
    }
}

static void spans_are_the_bytes_of_the_protocols_own_library(void **state)
{
    const struct trace_id whole = {UINT64_C(0x0af7651916cd43dd), UINT64_C(0x8448eb211c80319c), false};
    const struct trace_id half = {0, UINT64_C(0x8448eb211c80319c), true};
    char long_name[200];
    const struct otlp_span server = {.trace = &whole,
                                     .id = UINT64_C(0xb7ad6b7169203331),
                                     .name = STR("kong"),
                                     .kind = OTLP_SERVER,
                                     .began_unix_us = INT64_C(1700000000000001),
                                     .ended_unix_us = INT64_C(1700000000500001)};
    const struct otlp_span client = {.trace = &half,
                                     .id = UINT64_C(0x00f067aa0ba902b7),
                                     .parent = UINT64_C(0xb7ad6b7169203331),
                                     .name = {long_name, sizeof(long_name)},
                                     .kind = OTLP_CLIENT,
                                     .began_unix_us = INT64_C(1700000000000002),
                                     .ended_unix_us = INT64_C(1700000000000003)};
    struct buf buf = {0};
    struct otlp otlp;

    (void)state;
    memset(long_name, 'x', sizeof(long_name));
    otlp_begin(&otlp, &buf);
    otlp_resource(&otlp, STR("service.name"), STR("kong"));
    otlp_resource(&otlp, STR("a"), STR("\xc3\xa9"));
    otlp_scope(&otlp, STR("scope"), STR("0.1"));
    otlp_span_begin(&otlp, &server);
    otlp_text(&otlp, STR("http.method"), STR("GET"));
    otlp_number(&otlp, STR("http.status_code"), 502);
    otlp_span_end(&otlp, /* failed= */ true);
    otlp_span_begin(&otlp, &client);
    otlp_number(&otlp, STR("n"), -1);
    otlp_span_end(&otlp, /* failed= */ false);
    otlp_end(&otlp);
    assert_bytes(&buf, wanted);
    buf_fini(&buf);
}

/* protobuf.dev, Encoding: its own examples. */
static void numbers_and_texts_are_as_the_manual_has_them(void **state)
{
    struct buf buf = {0};

    (void)state;
    protobuf_add_number(&buf, 1, 150);
    protobuf_add_text(&buf, 2, STR("testing"));
    size_t opened = protobuf_open(&buf, 3);
    protobuf_add_number(&buf, 1, 150);
    protobuf_close(&buf, opened);
    protobuf_add_number(&buf, 16, 0);
    protobuf_add_fixed64(&buf, 4, 1);
    protobuf_add_text(&buf, 5, STR(""));
    assert_bytes(&buf, "089601120774657374696e671a03089601800100210100000000000000"
                       "2a00");
    buf_fini(&buf);
}

/* A reader would refuse the whole message. */
static void a_text_is_utf8_whatever_bytes_it_had(void **state)
{
    struct buf buf = {0};

    (void)state;
    protobuf_add_text(&buf, 1, STR("a\xff\xc3z"));
    protobuf_add_text(&buf, 1, STR("\xc3\xa9"));
    protobuf_add_bytes(&buf, 1, STR("\xff"));
    assert_bytes(&buf, "0a04613f3f7a"
                       "0a02c3a9"
                       "0a01ff");
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_the_bytes_of_the_protocols_own_library),
        cmocka_unit_test(numbers_and_texts_are_as_the_manual_has_them),
        cmocka_unit_test(a_text_is_utf8_whatever_bytes_it_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
