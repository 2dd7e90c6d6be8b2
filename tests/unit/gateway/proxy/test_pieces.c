/*
 * What a plugin sees of an upstream's answer on its way: the head before any header_filter, the body in
 * pieces before any body_filter.
 */

#include "gateway.h"

#define GET "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"
#define BIG ((size_t)3 << 20)

static char got[1 << 16];
static char seen[1 << 16];
/* thread: the loop, until the gateway is closed */
static bool whole_too;
static struct buf pieces;
static size_t ends, head_lines;
static bool own_line_was_there;

static enum plugin_result ask_for_head(struct chain *chain, const void *object)
{
    (void)object;
    chain->keeps_head = true;
    return PLUGIN_NEXT;
}

static void ask_for_pieces(struct chain *chain, const void *object)
{
    (void)object;
    headers_set(&chain->answer.headers, STR("X-Own"), STR("1"));
    chain->wants_pieces = true;
    chain->wants_body = whole_too;
    head_lines = chain->upstream_headers.count;
    own_line_was_there = headers_find(&chain->upstream_headers, STR("X-Own")) != NULL;
}

static void keep_piece(struct chain *chain, const void *object, struct str bytes, bool last)
{
    (void)chain;
    (void)object;
    if (bytes.len > 0)
        buf_add_str(&pieces, bytes);
    ends += last ? 1 : 0;
}

static void change_body(struct chain *chain, const void *object)
{
    (void)object;
    chain->answer_body = STR("changed");
}

static const struct plugin watching_plugin = {
    .schema = {.name = "watching", .version = "1", .priority = 5, .config = &counting_config},
    .configure = counting_configure,
    .dispose = counting_dispose,
    .access = ask_for_head,
    .header_filter = ask_for_pieces,
    .body_piece = keep_piece,
    .body_filter = change_body,
};
static const struct plugin *const plugins[] = {&watching_plugin};

/* One answer; what the client got of it is in `got`. */
static void pass(bool whole, const char *request, const char *answer, const char *until)
{
    whole_too = whole;
    buf_clear(&pieces);
    ends = head_lines = 0;
    struct gateway *gateway = gateway_open(&(struct gateway_options){.plugins = plugins});
    raw_send_text(gateway->client, request);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    raw_send_text(fd, answer);
    (void)raw_receive(gateway->client, got, sizeof(got), until);
    close(fd);
    if (until == NULL)
        assert_true(raw_is_closed(gateway->client));
    gateway_close(gateway);
}

static void expect_pieces(const char *wanted, size_t wanted_ends)
{
    assert_int_equal(pieces.len, strlen(wanted));
    assert_true(pieces.len == 0 || memcmp(pieces.at, wanted, pieces.len) == 0);
    assert_int_equal(ends, wanted_ends);
}

static void a_body_is_seen_as_it_comes_and_passes(void **state)
{
    (void)state;
    pass(false, GET, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", "\r\n\r\nbody");
    expect_pieces("body", 1);
    assert_int_equal(head_lines, 1);
    assert_false(own_line_was_there);
    assert_non_null(strstr(got, "\r\nX-Own: 1\r\n"));
    pass(false, GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
         "\r\n0\r\n\r\n");
    expect_pieces("body", 1);
    pass(false, GET, "HTTP/1.1 204 No Content\r\n\r\n", "\r\n\r\n");
    expect_pieces("", 1);
    pass(false, "HEAD /x HTTP/1.1\r\nHost: a.test\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n",
         "\r\n\r\n");
    expect_pieces("", 1);
}

static void it_is_seen_before_somebody_changes_it(void **state)
{
    (void)state;
    pass(true, GET, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", "\r\n\r\nchanged");
    expect_pieces("body", 1);
}

static void one_that_breaks_off_has_no_end(void **state)
{
    (void)state;
    pass(false, GET, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", NULL);
    expect_pieces("half", 0);
    pass(true, GET, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", NULL);
    expect_pieces("half", 0);
}

/* Nothing is seen twice where what was gathered becomes too much. */
static void one_too_long_to_be_gathered_is_seen_once(void **state)
{
    static char bytes[1 << 16];
    char head[64];
    (void)state;
    whole_too = true;
    buf_clear(&pieces);
    ends = 0;
    struct gateway *gateway = gateway_open(&(struct gateway_options){.plugins = plugins});
    raw_send_text(gateway->client, GET);
    int fd = gateway_take(gateway, seen, sizeof(seen));
    (void)snprintf(head, sizeof(head), "HTTP/1.0 200 OK\r\n\r\n");
    raw_send_text(fd, head);
    memset(bytes, 'x', sizeof(bytes));
    size_t sent = 0, received = 0;
    while (sent < BIG || raw_wait(gateway->client, 200)) {
        if (sent < BIG) {
            ssize_t count = send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
            sent += count > 0 ? (size_t)count : 0;
            if (sent >= BIG)
                close(fd);
        }
        if (!raw_wait(gateway->client, 1))
            continue;
        ssize_t count = recv(gateway->client, got, sizeof(got), 0);
        if (count <= 0)
            break;
        received += (size_t)count;
    }
    gateway_close(gateway);
    assert_true(received >= sent);
    assert_int_equal(pieces.len, sent);
    assert_int_equal(ends, 1);
    buf_fini(&pieces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_seen_as_it_comes_and_passes),
        cmocka_unit_test(it_is_seen_before_somebody_changes_it),
        cmocka_unit_test(one_that_breaks_off_has_no_end),
        cmocka_unit_test(one_too_long_to_be_gathered_is_seen_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
