/*
 * error_page - one message in four formats, each escaped by its own rules.
 */

#include "gateway/chain/error_page.h"

#include <string.h>

#include "gateway/http/exchange.h"

enum {
    WEIGHT_ONE = 1000
};

static const struct {
    int status;
    const char *text;
} texts[] = {
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
};

static const struct {
    const char *media_type;
    enum error_page_type type;
} media_types[] = {
    {"text/html", ERROR_PAGE_HTML},
    {"text/plain", ERROR_PAGE_PLAIN},
    {"text/*", ERROR_PAGE_PLAIN},
    {"application/xml", ERROR_PAGE_XML},
};

static enum error_page_type type_of(struct str media_type)
{
    for (size_t i = 0; i < COUNT(media_types); i++)
        if (str_equal_nocase(media_type, str_of(media_types[i].media_type)))
            return media_types[i].type;
    return ERROR_PAGE_JSON;
}

/* "0.5" -> 500. What is no weight counts as one. */
static int weight_of(struct str text)
{
    if (text.len == 0 || (text.at[0] != '0' && text.at[0] != '1'))
        return WEIGHT_ONE;
    int weight = (text.at[0] - '0') * WEIGHT_ONE;
    int place = WEIGHT_ONE / 10;
    for (size_t i = 2; i < text.len && place > 0 && text.at[i] >= '0' && text.at[i] <= '9'; i++) {
        weight += (text.at[i] - '0') * place;
        place /= 10;
    }
    return weight < WEIGHT_ONE ? weight : WEIGHT_ONE;
}

/* What stands before `byte`, trimmed; *rest begins behind it. */
static struct str take_until(struct str *rest, char byte)
{
    size_t end = str_find(*rest, byte, 0);
    struct str taken = *rest;
    if (end == SIZE_MAX) {
        *rest = STR_NONE;
        return str_trim(taken);
    }
    *rest = str_part(*rest, end + 1, rest->len);
    return str_trim(str_part(taken, 0, end));
}

static int range_weight(struct str parameters)
{
    while (parameters.len > 0) {
        struct str parameter = take_until(&parameters, ';');
        struct str name = take_until(&parameter, '=');
        if (str_equal_nocase(name, STR("q")))
            return weight_of(str_trim(parameter));
    }
    return WEIGHT_ONE;
}

enum error_page_type error_page_choose(struct str accept, enum error_page_type fallback)
{
    enum error_page_type best = ERROR_PAGE_JSON;
    int best_weight = 0;

    if (accept.at == NULL)
        return fallback;
    while (accept.len > 0) {
        struct str range = take_until(&accept, ',');
        struct str media_type = take_until(&range, ';');
        int weight = range_weight(range);
        if (weight > best_weight) {
            best_weight = weight;
            best = type_of(media_type);
        }
    }
    return best;
}

const char *error_page_text(struct exchange *exchange, int status)
{
    for (size_t i = 0; i < COUNT(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return exchange_printf(exchange, "The upstream server responded with %d", status).at;
}

/* The inside of a JSON string. */
static void add_json(struct buf *json, struct str text)
{
    bool is_utf8 = str_is_utf8(text);

    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        if (byte == '"' || byte == '\\')
            buf_printf(json, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            buf_printf(json, "\\u%04x", byte);
        else if (byte >= 0x80 && !is_utf8)
            buf_add_text(json, "\\ufffd");
        else
            buf_add_byte(json, (char)byte);
    }
}

void error_page_add_json(struct buf *json, struct str text)
{
    buf_add_byte(json, '"');
    add_json(json, text);
    buf_add_byte(json, '"');
}

/* XML 1.0, section 2.2: most control bytes cannot even be escaped. */
static bool is_character(unsigned char byte, bool is_utf8)
{
    return byte >= 0x80 ? is_utf8 : byte >= 0x20 || byte == '\t' || byte == '\n' || byte == '\r';
}

/* For HTML and XML. What they cannot hold becomes U+FFFD. */
static void add_marked_up(struct buf *page, struct str text)
{
    bool is_utf8 = str_is_utf8(text);

    for (size_t i = 0; i < text.len; i++) {
        switch (text.at[i]) {
        case '&':
            buf_add_text(page, "&amp;");
            break;
        case '<':
            buf_add_text(page, "&lt;");
            break;
        case '>':
            buf_add_text(page, "&gt;");
            break;
        case '"':
            buf_add_text(page, "&quot;");
            break;
        default:
            if (is_character((unsigned char)text.at[i], is_utf8))
                buf_add_byte(page, text.at[i]);
            else
                buf_add_text(page, "\xef\xbf\xbd");
        }
    }
}

static const struct {
    struct str content_type;
    void (*add)(struct buf *page, struct str text);
    const char *text;
} pages[] = {
    [ERROR_PAGE_JSON] = {{"application/json; charset=utf-8", 31},
                         add_json,
                         "{\n  \"message\":\"%s\",\n  \"request_id\":\"%s\"\n}"},
    [ERROR_PAGE_PLAIN] = {{"text/plain; charset=utf-8", 25}, buf_add_str, "%s\nrequest_id: %s\n"},
    [ERROR_PAGE_HTML] =
        {{"text/html; charset=utf-8", 24},
         add_marked_up,
         "<!doctype html>\n<html>\n<head><meta charset=\"utf-8\"><title>Error</title></head>\n"
         "<body>\n<h1>Error</h1>\n<p>%s.</p>\n<p>request_id: %s</p>\n</body>\n</html>\n"},
    [ERROR_PAGE_XML] = {{"application/xml; charset=utf-8", 30},
                        add_marked_up,
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>%s</message>\n"
                        "  <requestid>%s</requestid>\n</error>\n"},
};

bool error_template_check(const char *text, struct err *err)
{
    size_t places = 0;

    for (const char *at = strchr(text, '%'); at != NULL; at = strchr(at + 2, '%')) {
        places += at[1] == 's' ? 1 : 0;
        if (at[1] != 's' && at[1] != '%')
            return err_set(err, ERR_INVALID, "a '%%' at byte %zu is followed by neither 's' nor '%%'",
                           (size_t)(at - text));
    }
    return places <= 2 || err_set(err, ERR_INVALID, "it has %zu times %%s, of at most two", places);
}

static void fill(struct buf *page, enum error_page_type type, const char *text, const struct str values[2])
{
    size_t next = 0;

    for (const char *mark = strchr(text, '%'); mark != NULL; mark = strchr(text, '%')) {
        buf_add(page, text, (size_t)(mark - text));
        if (mark[1] == 's')
            pages[type].add(page, values[next++]);
        else
            buf_add_byte(page, '%');
        text = mark + 2;
    }
    buf_add_text(page, text);
}

struct str error_page(struct exchange *exchange, const struct error_page_wish *wish, struct str *content_type)
{
    enum error_page_type type = error_page_choose(wish->accept, wish->fallback);
    const char *message = wish->message != NULL ? wish->message : error_page_text(exchange, wish->status);
    const struct str values[] = {str_of(message), wish->request_id};
    const char *text = wish->templates != NULL ? wish->templates->text[type] : NULL;
    struct buf page = {0};

    fill(&page, type, text != NULL ? text : pages[type].text, values);
    struct str body = exchange_copy(exchange, buf_str(&page));
    buf_fini(&page);
    *content_type = pages[type].content_type;
    return body;
}
