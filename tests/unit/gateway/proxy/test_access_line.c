/*
 * A request as a line: what a peer has sent cannot end it, or a text in it.
 */

#include "requests.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>

#include "gateway/chain/chain.h"
#include "gateway/proxy/access_log.h"

#define WHEN 1764108640123456 /* 2025-11-25T22:10:40.123456Z */

static struct access_line usual(void)
{
    return (struct access_line){
        .ended_us = WHEN,
        .request_id = STR("0123456789abcdef0123456789abcdef"),
        .client = STR("192.0.2.1"),
        .peer = STR("10.0.0.9"),
        .peer_port = 4711,
        .method = STR("GET"),
        .scheme = STR("https"),
        .host = STR("api.test:8443"),
        .target = STR("/a?b=c"),
        .version = 0x101,
        .status = 200,
        .bytes_in = 3,
        .bytes_out = 17,
        .request_us = 12345,
        .gateway_us = 45,
        .upstream_us = -1,
        .upstream_status = -1,
        .agent = STR("curl/8"),
    };
}

static char *written(const struct access_line *line, enum access_format format)
{
    static struct access_time time;
    static char room[ACCESS_LINE_ROOM];
    size_t length = access_line_write(line, format, &time, room);

    assert_true(length <= sizeof(room) && length > 0 && room[length - 1] == '\n');
    room[length - 1] = '\0';
    assert_null(strchr(room, '\n'));
    return room;
}

static cJSON *parsed(const struct access_line *line)
{
    const char *end;
    char *text = written(line, ACCESS_JSON);
    cJSON *json = cJSON_ParseWithOpts(text, &end, true);

    if (json == NULL)
        fail_msg("no JSON: %s", text);
    assert_true(str_is_utf8(str_of(text)));
    return json;
}

static void combined_lines_are_those_of_nginx(void **state)
{
    (void)state;
    struct access_line line = usual();
    assert_string_equal(
        written(&line, ACCESS_COMBINED),
        "192.0.2.1 - - [25/Nov/2025:22:10:40 +0000] \"GET /a?b=c HTTP/1.1\" 200 17 \"-\" \"curl/8\"");
    line.ended_us += 1000000;
    line.user = STR("ann");
    line.referer = STR("http://here/");
    line.agent = STR_NONE;
    line.version = 0x100;
    assert_string_equal(written(&line, ACCESS_COMBINED),
                        "192.0.2.1 - ann [25/Nov/2025:22:10:41 +0000] \"GET /a?b=c "
                        "HTTP/1.0\" 200 17 \"http://here/\" \"-\"");
}

static void json_lines_say_all_there_is_to_say(void **state)
{
    (void)state;
    struct access_line line = usual();
    struct chain_try before = {0};
    struct chain_try last = {.before = &before};
    *(struct sockaddr_in *)(void *)&before.address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x0a00010a)};
    struct sockaddr_in6 *six = (void *)&last.address;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(8080);
    six->sin6_addr = in6addr_loopback;
    assert_string_equal(
        written(&line, ACCESS_JSON),
        "{\"time\":\"2025-11-25T22:10:40.123Z\",\"request_id\":\"0123456789abcdef0123456789abcdef\","
        "\"client\":\"192.0.2.1\",\"peer\":\"10.0.0.9\",\"peer_port\":4711,\"user\":null,\"method\":\"GET\","
        "\"scheme\":\"https\",\"host\":\"api.test:8443\",\"uri\":\"/a?b=c\",\"protocol\":\"HTTP/1.1\","
        "\"status\":200,\"aborted\":false,\"bytes_in\":3,\"bytes_out\":17,\"request_ms\":12.345,"
        "\"gateway_ms\":0.045,\"upstream_ms\":null,\"upstream_addresses\":[],\"upstream_status\":null,"
        "\"retries\":0,\"route\":null,\"service\":null,\"consumer\":null,\"tls_version\":null,"
        "\"tls_cipher\":null,\"sni\":null,\"user_agent\":\"curl/8\",\"referer\":null}");
    line.last_try = &last;
    line.upstream_us = 1000;
    line.upstream_status = 502;
    line.retries = 1;
    line.aborted = true;
    char *text = written(&line, ACCESS_JSON);
    assert_non_null(strstr(text,
                           "\"upstream_ms\":1.000,\"upstream_addresses\":[\"10.0.1.10:80\",\"[::1]:8080\"],"
                           "\"upstream_status\":502,\"retries\":1,"));
    assert_non_null(strstr(text, "\"aborted\":true"));
}

/* Every byte, in every text a client chooses. */
static void no_byte_breaks_out(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char evil[] = {'a', (char)byte, 'b', '\0'};
        const struct str text = {evil, 3};
        struct access_line line = usual();
        line.user = line.method = line.target = line.host = line.agent = line.referer = line.server_name =
            text;
        char *combined = written(&line, ACCESS_COMBINED);
        size_t quotes = 0, blanks = 0;
        for (const char *at = combined; *at != '\0'; at++) {
            assert_true(*at >= ' ' && *at < 0x7f);
            quotes += *at == '"' ? 1 : 0;
            blanks += *at == ' ' ? 1 : 0;
        }
        assert_int_equal(quotes, 6);
        assert_int_equal(blanks, byte == ' ' ? 15 : 11); /* quoted texts may have blanks: four of them here */
        cJSON *json = parsed(&line);
        const char *value = cJSON_GetObjectItem(json, "user_agent")->valuestring;
        if (byte > 0 && byte < 0x80)
            assert_string_equal(value, evil);
        else if (byte >= 0x80)
            assert_string_equal(value, "a\xef\xbf\xbd"
                                       "b");
        assert_int_equal(cJSON_GetArraySize(json), 29);
        cJSON_Delete(json);
    }
}

static void the_escapes_are_those_readers_know(void **state)
{
    (void)state;
    struct access_line line = usual();
    line.agent = STR("\"\\\x1b\xc3\xa9\xc2\x9b");
    assert_non_null(strstr(written(&line, ACCESS_COMBINED), "\"\\x22\\x5C\\x1B\\xC3\\xA9\\xC2\\x9B\""));
    assert_non_null(strstr(written(&line, ACCESS_JSON), "\"\\\"\\\\\\u001B\xc3\xa9\\u009B\""));
}

/* A head has at most 400 KiB (client_header_limit). */
static void the_longest_texts_have_room(void **state)
{
    (void)state;
    enum {
        LENGTH = 400 * 1024
    };
    static const char *const kinds[] = {"\x01", "\xc2\x80", "x", "\xe2\x82\xac", "\xff"};
    char *wide = malloc(LENGTH);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        for (size_t at = 0; at < LENGTH; at++)
            wide[at] = kinds[i][at % strlen(kinds[i])];
        struct access_line line = usual();
        const struct str text = {wide, LENGTH};
        line.request_id = line.client = line.peer = line.user = line.method = line.host = line.target = text;
        line.route = line.service = line.consumer = line.server_name = line.agent = line.referer = text;
        line.tls = line.tls_cipher = text;
        (void)written(&line, ACCESS_COMBINED);
        cJSON *json = parsed(&line);
        const char *uri = cJSON_GetObjectItem(json, "uri")->valuestring;
        assert_true(strlen(uri) > 1000 && strlen(uri) <= 3 * 2048 + 3);
        assert_string_equal(uri + strlen(uri) - 3, "...");
        bool is_replaced = strstr(uri, "\xef\xbf\xbd") != NULL; /* the cut is not inside a character */
        assert_true(is_replaced == (kinds[i][0] == '\xff'));
        cJSON_Delete(json);
    }
    free(wide);
}

static void a_setting_names_a_place_and_perhaps_a_format(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *usual, *where;
        enum access_format format;
    } rows[] = {
        {NULL, "combined", "", ACCESS_COMBINED},
        {NULL, "json", "", ACCESS_JSON},
        {"stdout", "json", "stdout", ACCESS_JSON},
        {" logs/a.log  json ", "combined", "logs/a.log", ACCESS_JSON},
        {"/var/log/a.log combined", "json", "/var/log/a.log", ACCESS_COMBINED},
        {"logs/a.log basic", "json", "logs/a.log", ACCESS_JSON},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(access_log_format(rows[i].setting, rows[i].usual), rows[i].format);
        assert_true(str_equal(access_log_where(rows[i].setting), str_of(rows[i].where)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(combined_lines_are_those_of_nginx),
        cmocka_unit_test(json_lines_say_all_there_is_to_say),
        cmocka_unit_test(no_byte_breaks_out),
        cmocka_unit_test(the_escapes_are_those_readers_know),
        cmocka_unit_test(the_longest_texts_have_room),
        cmocka_unit_test(a_setting_names_a_place_and_perhaps_a_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
