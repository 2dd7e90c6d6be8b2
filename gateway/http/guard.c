/*
 * guard - see guard.h.
 *
 * One pass over the lines. A line ends in CRLF and contains neither; what libh2o has seen may have had the
 * names put in lower case, nothing else. Texts are what clients of the reference see for these codes.
 */

#include "gateway/http/guard.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "gateway/http/header.h"
#include "gateway/http/token.h"

struct seen {
    int content_lengths, transfer_encodings, hosts;
    struct str host;
    bool close, expects_continue;
};

static const struct guard_refusal passed = {0, NULL};
static const struct guard_refusal bad_request = {400, "Bad request"};
static const struct guard_refusal not_allowed = {405, "Method not allowed"};
static const struct guard_refusal target_too_long = {414, "URI too long"};
static const struct guard_refusal head_too_large = {431, "Request header or cookie too large"};

/* The next line without its CRLF, *at moved behind it. False: it does not end, or ends in a bare LF. */
static bool next_line(struct str bytes, size_t *at, struct str *line)
{
    size_t end = str_find(bytes, '\n', *at);

    if (end == SIZE_MAX || end == *at || bytes.at[end - 1] != '\r')
        return false;
    *line = str_part(bytes, *at, end - 1);
    *at = end + 1;
    return true;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_target_byte(unsigned char c, bool raw)
{
    return c > ' ' && c != '#' && c != 0x7f && (c < 0x80 || raw);
}

/* Visible bytes only, no fragment; escapes of the path are whole and none of them is NUL. */
static bool is_origin_form(struct str target, bool raw)
{
    bool in_path = true;

    if (target.len == 0 || target.at[0] != '/')
        return false;
    for (size_t i = 0; i < target.len; i++) {
        char c = target.at[i];

        if (!is_target_byte((unsigned char)c, raw))
            return false;
        if (c == '?')
            in_path = false;
        if (c != '%' || !in_path)
            continue;
        if (i + 2 >= target.len || !is_hex(target.at[i + 1]) || !is_hex(target.at[i + 2]))
            return false;
        if (target.at[i + 1] == '0' && target.at[i + 2] == '0')
            return false;
    }
    return true;
}

/* Absolute form: RFC 9112, section 3.2.2. The authority must not contradict Host; see guard_check(). */
static bool split_absolute(struct str target, struct str *authority, struct str *origin)
{
    size_t start;

    if (target.len > 7 && str_equal_nocase(str_part(target, 0, 7), STR("http://")))
        start = 7;
    else if (target.len > 8 && str_equal_nocase(str_part(target, 0, 8), STR("https://")))
        start = 8;
    else
        return false;
    size_t end = start;
    while (end < target.len && target.at[end] != '/' && target.at[end] != '?')
        end++;
    *authority = str_part(target, start, end);
    *origin = end == target.len ? STR("/") : str_part(target, end, target.len);
    return authority->len > 0 && token_is_authority(*authority);
}

static struct guard_refusal check_method(struct str method)
{
    if (!token_is_valid(method))
        return bad_request;
    if (str_equal(method, STR("CONNECT")) || str_equal(method, STR("TRACE")))
        return not_allowed;
    return passed;
}

static struct guard_refusal read_request_line(struct str line, struct guard_request *request)
{
    size_t first = str_find(line, ' ', 0);
    size_t second = first == SIZE_MAX ? SIZE_MAX : str_find(line, ' ', first + 1);

    if (second == SIZE_MAX || str_find(line, ' ', second + 1) != SIZE_MAX)
        return bad_request;
    request->method = str_part(line, 0, first);
    request->target = str_part(line, first + 1, second);
    struct str version = str_part(line, second + 1, line.len);
    if (str_equal(version, STR("HTTP/1.1")))
        request->version = 0x101;
    else if (str_equal(version, STR("HTTP/1.0")))
        request->version = 0x100;
    else
        return bad_request;
    return check_method(request->method);
}

static bool read_header_line(struct str line, struct seen *seen)
{
    size_t colon = str_find(line, ':', 0);
    int64_t length;

    /* A folded line begins with a blank, which no name contains. */
    if (colon == SIZE_MAX || !token_is_valid(str_part(line, 0, colon)))
        return false;
    struct str name = str_part(line, 0, colon);
    struct str value = str_trim(str_part(line, colon + 1, line.len));
    if (!token_is_value(value))
        return false;
    if (name.len == 4 && str_equal_nocase(name, STR("host"))) {
        seen->hosts++;
        seen->host = value;
        return token_is_authority(value);
    }
    if (name.len == 10 && str_equal_nocase(name, STR("connection")))
        seen->close |= token_list_has(value, STR("close"));
    if (name.len == 6 && str_equal_nocase(name, STR("expect")))
        seen->expects_continue = str_equal_nocase(value, STR("100-continue"));
    if (name.len == 14 && str_equal_nocase(name, STR("content-length"))) {
        seen->content_lengths++;
        return token_to_length(value, &length);
    }
    if (name.len == 17 && str_equal_nocase(name, STR("transfer-encoding"))) {
        seen->transfer_encodings++;
        return str_equal_nocase(value, STR("chunked"));
    }
    return true;
}

static bool is_framed_once(const struct seen *seen, int version)
{
    if (seen->content_lengths > 1 || seen->transfer_encodings > 1)
        return false;
    if (seen->transfer_encodings > 0 && (seen->content_lengths > 0 || version == 0x100))
        return false;
    return seen->hosts == 1 || (seen->hosts == 0 && version == 0x100);
}

/* Leaves the target in origin form. */
static bool settle_target(struct guard_request *request, const struct seen *seen, bool raw)
{
    struct str authority;
    struct str origin;

    request->host = seen->hosts > 0 ? seen->host : STR_NONE;
    if (request->target.len > 0 && request->target.at[0] != '/') {
        if (!split_absolute(request->target, &authority, &origin))
            return false;
        if (request->host.at != NULL && !str_equal_nocase(authority, request->host))
            return false;
        request->host = authority;
        /* "http://host?query" has an empty path, which has no origin form that is a part of what was sent. */
        request->target = origin;
    }
    return is_origin_form(request->target, raw);
}

struct guard_refusal guard_check(struct str bytes, const struct guard_limits *limits,
                                 struct guard_request *request)
{
    struct guard_request checked;
    struct seen seen = {0};
    struct str line;
    size_t at = 0;

    /* One empty line before the request is tolerated (RFC 9112, section 2.2); libh2o skips it as well. */
    if (str_starts_with(bytes, STR("\r\n")))
        at = 2;
    if (!next_line(bytes, &at, &line))
        return bad_request;
    if (line.len > limits->line_bytes)
        return target_too_long;
    struct guard_refusal refusal = read_request_line(line, &checked);
    if (refusal.status != 0)
        return refusal;
    for (;;) {
        if (!next_line(bytes, &at, &line))
            return bad_request;
        if (at > limits->head_bytes)
            return head_too_large;
        if (line.len == 0)
            break;
        if (line.len > limits->line_bytes || !read_header_line(line, &seen))
            return bad_request;
    }
    if (!is_framed_once(&seen, checked.version) || !settle_target(&checked, &seen, limits->raw_targets))
        return bad_request;
    checked.close = seen.close;
    checked.has_length = seen.content_lengths > 0;
    checked.chunked = seen.transfer_encodings > 0;
    checked.expects_continue = seen.expects_continue;
    *request = checked;
    return passed;
}

/* What speaks of a connection has no place in HTTP/2 (RFC 9113, section 8.2.2). */
static bool is_of_connection(const struct header *header)
{
    static const struct str names[] = {STR("connection"), STR("keep-alive"), STR("proxy-connection"),
                                       STR("transfer-encoding"), STR("upgrade")};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_equal(header->name, names[i]))
            return true;
    return str_equal(header->name, STR("te")) && !str_equal_nocase(header->value, STR("trailers"));
}

static bool is_field(const struct header *header)
{
    for (size_t i = 0; i < header->name.len; i++)
        if (header->name.at[i] >= 'A' && header->name.at[i] <= 'Z')
            return false;
    return token_is_valid(header->name) && token_is_value(header->value) && !is_of_connection(header);
}

struct guard_refusal guard_check_parts(const struct guard_request *parts, const struct headers *headers,
                                       const struct guard_limits *limits)
{
    struct guard_refusal refusal = check_method(parts->method);

    if (refusal.status != 0)
        return refusal;
    if (parts->target.len > limits->line_bytes)
        return target_too_long;
    for (size_t i = 0; i < headers->count; i++)
        if (headers->at[i].value.len > limits->line_bytes || !is_field(&headers->at[i]))
            return bad_request;
    if (parts->host.at == NULL || !token_is_authority(parts->host) ||
        !is_origin_form(parts->target, limits->raw_targets))
        return bad_request;
    return passed;
}
