/*
 * The body of an answer that the gateway makes (data-plane reference, 4.1 to 4.3): format, shape, escaping,
 * usual texts.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/chain/error_page.h"
#include "gateway/http/exchange_recorder.h"

static int setup(void **state)
{
    const struct exchange_request request = {.method = STR("GET"), .path = STR("/")};

    *state = exchange_recorder_new(NULL, &request);
    return 0;
}

static int teardown(void **state)
{
    exchange_recorder_free(*state);
    return 0;
}

static void assert_text(struct str text, const char *wanted)
{
    if (!str_equal(text, str_of(wanted)))
        fail_msg("'%.*s' is not '%s'", STR_ARG(text), wanted);
}

static void assert_chosen(const char *accept, enum error_page_type wanted)
{
    enum error_page_type chosen = error_page_choose(str_of(accept), ERROR_PAGE_JSON);

    if (chosen != wanted)
        fail_msg("Accept: %s chose %d, not %d", accept, (int)chosen, (int)wanted);
}

static void media_types_choose_the_format(void **state)
{
    (void)state;
    assert_chosen("text/html", ERROR_PAGE_HTML);
    assert_chosen("text/plain", ERROR_PAGE_PLAIN);
    assert_chosen("text/*", ERROR_PAGE_PLAIN);
    assert_chosen("application/xml", ERROR_PAGE_XML);
    assert_chosen("application/json", ERROR_PAGE_JSON);
    assert_chosen("application/*", ERROR_PAGE_JSON);
    assert_chosen("*/*", ERROR_PAGE_JSON);
    assert_chosen("image/png", ERROR_PAGE_JSON);
    assert_chosen("TEXT/Html; charset=utf-8", ERROR_PAGE_HTML);
    assert_chosen("", ERROR_PAGE_JSON);
}

static void the_largest_weight_wins_and_the_first_among_equals(void **state)
{
    (void)state;
    assert_chosen("application/json;q=0.5, text/html;q=0.9", ERROR_PAGE_HTML);
    assert_chosen("text/html;q=0.9 , application/xml ;q=1.0", ERROR_PAGE_XML);
    assert_chosen("text/plain, text/html", ERROR_PAGE_PLAIN);
    assert_chosen("text/html;q=0.5,text/plain;q=0.5", ERROR_PAGE_HTML);
    assert_chosen("text/html;q=0.123,application/xml;q=0.124", ERROR_PAGE_XML);
    assert_chosen("text/html;level=1;Q=0.3,text/plain;q=0.31", ERROR_PAGE_PLAIN);
    assert_chosen("text/plain;q=7, application/xml", ERROR_PAGE_PLAIN);
    assert_chosen("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", ERROR_PAGE_HTML);
}

static void a_weight_of_zero_means_never(void **state)
{
    (void)state;
    assert_chosen("text/html;q=0, application/xml;q=0.001", ERROR_PAGE_XML);
    assert_chosen("text/html;q=0.000", ERROR_PAGE_JSON);
    assert_chosen(",,;;=,", ERROR_PAGE_JSON);
}

/* The same missing Accept is JSON for a router's 404 and plain text for a 502. */
static void without_accept_the_caller_decides(void **state)
{
    (void)state;
    assert_int_equal(error_page_choose(STR_NONE, ERROR_PAGE_JSON), ERROR_PAGE_JSON);
    assert_int_equal(error_page_choose(STR_NONE, ERROR_PAGE_PLAIN), ERROR_PAGE_PLAIN);
    assert_int_equal(error_page_choose(STR("*/*"), ERROR_PAGE_PLAIN), ERROR_PAGE_JSON);
}

static struct str make(struct exchange *exchange, const char *accept, const char *message, struct str *type)
{
    const struct error_page_wish wish = {
        .accept = str_of(accept), .status = 401, .message = message, .request_id = STR("0a1b")};

    return error_page(exchange, &wish, type);
}

static void each_format_has_its_shape(void **state)
{
    struct str type;

    assert_text(make(*state, NULL, "No", &type), "{\n  \"message\":\"No\",\n  \"request_id\":\"0a1b\"\n}");
    assert_text(type, "application/json; charset=utf-8");
    assert_text(make(*state, "text/plain", "No", &type), "No\nrequest_id: 0a1b\n");
    assert_text(type, "text/plain; charset=utf-8");
    struct str html = make(*state, "text/html", "No", &type);
    assert_text(type, "text/html; charset=utf-8");
    assert_non_null(strstr(html.at, "<h1>Error</h1>"));
    assert_non_null(strstr(html.at, "<p>No.</p>"));
    assert_non_null(strstr(html.at, "<p>request_id: 0a1b</p>"));
    assert_text(make(*state, "application/xml", "No", &type),
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>No</message>\n"
                "  <requestid>0a1b</requestid>\n</error>\n");
    assert_text(type, "application/xml; charset=utf-8");
}

static void a_json_page_gives_the_message_back(void **state)
{
    static const char odd[] = "a \"quoted\" \\ and\n\t\x01\x1f\x7f <b> \xc3\xa9";
    struct str type;
    struct str page = make(*state, NULL, odd, &type);
    cJSON *object = cJSON_ParseWithLength(page.at, page.len);
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(object, "message");

    assert_true(cJSON_IsString(message));
    assert_string_equal(message->valuestring, odd);
    for (size_t i = 0; i < page.len; i++)
        assert_true(page.at[i] == '\n' || ((unsigned char)page.at[i] >= 0x20 && page.at[i] != 0x7f));
    cJSON_Delete(object);
}

static void bytes_that_are_no_text_do_not_break_json(void **state)
{
    struct str type;
    struct str page = make(*state, NULL, "a\xff\xc3z", &type);

    assert_true(str_is_utf8(page));
    assert_non_null(strstr(page.at, "\"a\\ufffd\\ufffdz\""));
}

static void markup_in_a_message_stays_text(void **state)
{
    struct str type;

    assert_non_null(strstr(make(*state, "text/html", "<b>&\"x\"</b>", &type).at,
                           "<p>&lt;b&gt;&amp;&quot;x&quot;&lt;/b&gt;.</p>"));
    assert_non_null(strstr(make(*state, "application/xml", "</message><x>", &type).at,
                           "<message>&lt;/message&gt;&lt;x&gt;</message>"));
    assert_non_null(strstr(make(*state, "text/plain", "<b>\"&", &type).at, "<b>\"&\n"));
}

/* XML 1.0 knows no control characters, not even escaped (section 2.2), and no broken UTF-8. */
static void what_xml_cannot_hold_is_replaced(void **state)
{
    struct str type;
    struct str page = make(*state, "application/xml", "a\x01\x1f\xff\t", &type);

    assert_true(str_is_utf8(page));
    assert_non_null(strstr(page.at, "<message>a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\t</message>"));
    page = make(*state, "text/html", "\xff\x02", &type);
    assert_non_null(strstr(page.at, "<p>\xef\xbf\xbd\xef\xbf\xbd.</p>"));
}

static void every_status_has_its_usual_text(void **state)
{
    static const struct {
        int status;
        const char *text;
    } usual[] = {
        {400, "Bad request"},
        {401, "Unauthorized"},
        {402, "Payment required"},
        {403, "Forbidden"},
        {404, "Not found"},
        {405, "Method not allowed"},
        {408, "Request timeout"},
        {411, "Length required"},
        {412, "Precondition failed"},
        {413, "Payload too large"},
        {414, "URI too long"},
        {417, "Expectation failed"},
        {426, "Upgrade required"},
        {429, "Too many requests"},
        {494, "Request header or cookie too large"},
        {500, "An unexpected error occurred"},
        {502, "An invalid response was received from the upstream server"},
        {503, "The upstream server is currently unavailable"},
        {504, "The upstream server is timing out"},
        {418, "The upstream server responded with 418"},
        {599, "The upstream server responded with 599"},
    };
    struct str type;

    for (size_t i = 0; i < COUNT(usual); i++)
        assert_string_equal(error_page_text(*state, usual[i].status), usual[i].text);
    const struct error_page_wish wish = {.accept = STR("text/plain"), .status = 502, .request_id = STR("1")};
    struct str page = error_page(*state, &wish, &type);
    assert_text(page, "An invalid response was received from the upstream server\nrequest_id: 1\n");
}

static void templates_take_the_place_of_our_pages(void **state)
{
    static const struct {
        const char *accept, *text, *wanted;
        enum error_page_type type;
    } rows[] = {
        {"text/html", "<p>%s</p>", "<p>a&lt;b</p>", ERROR_PAGE_HTML},
        {"text/html", "%%%s%%: %s;", "%a&lt;b%: 7&amp;;", ERROR_PAGE_HTML},
        {"application/json", "{\"e\":\"%s\",\"i\":\"%s\"}", "{\"e\":\"a<b\",\"i\":\"7&\"}", ERROR_PAGE_JSON},
        {"text/plain", "no mark", "no mark", ERROR_PAGE_PLAIN},
        {"application/xml", "", "", ERROR_PAGE_XML},
        {"text/plain", "html only", "a<b\nrequest_id: 7&\n", ERROR_PAGE_HTML},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error_templates templates = {0};
        char text[64];
        (void)snprintf(text, sizeof(text), "%s", rows[i].text);
        templates.text[rows[i].type] = text;
        const struct error_page_wish wish = {.templates = &templates,
                                             .accept = str_of(rows[i].accept),
                                             .message = "a<b",
                                             .request_id = STR("7&")};
        struct str type;
        assert_text(error_page(*state, &wish, &type), rows[i].wanted);
    }
}

static void a_template_has_nothing_but_places_for_two_texts(void **state)
{
    static const char *const good[] = {"", "%s", "%s%s", "%%", "a%%%s%%%s", "%%%%%%s%s%s"};
    static const char *const bad[] = {"%", "a%", "%d", "100%;", "%s%s%s", "%%%", "%S", "%.5s", "%1$s"};
    struct err err;
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(error_template_check(good[i], &err));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(error_template_check(bad[i], &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(media_types_choose_the_format),
        cmocka_unit_test(the_largest_weight_wins_and_the_first_among_equals),
        cmocka_unit_test(a_weight_of_zero_means_never),
        cmocka_unit_test(without_accept_the_caller_decides),
        cmocka_unit_test_setup_teardown(each_format_has_its_shape, setup, teardown),
        cmocka_unit_test_setup_teardown(a_json_page_gives_the_message_back, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_text_do_not_break_json, setup, teardown),
        cmocka_unit_test_setup_teardown(markup_in_a_message_stays_text, setup, teardown),
        cmocka_unit_test_setup_teardown(what_xml_cannot_hold_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(every_status_has_its_usual_text, setup, teardown),
        cmocka_unit_test_setup_teardown(templates_take_the_place_of_our_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(a_template_has_nothing_but_places_for_two_texts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
