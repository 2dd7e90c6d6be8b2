/*
 * response_head - see response_head.h.
 */

#include "gateway/http/response_head.h"

#include <string.h>

#include "gateway/http/token.h"

struct connection_options {
    bool close, keep_alive;
};

static bool read_status_line(struct str line, struct response_head *head)
{
    if (line.len < 12 || memcmp(line.at, "HTTP/1.", 7) != 0 || line.at[8] != ' ')
        return false;
    if (line.at[7] != '0' && line.at[7] != '1')
        return false;
    head->version = line.at[7] == '1' ? 0x101 : 0x100;
    head->status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line.at[i] < '0' || line.at[i] > '9')
            return false;
        head->status = head->status * 10 + (line.at[i] - '0');
    }
    if (head->status < 100 || head->status > 599)
        return false;
    if (line.len > 12 && line.at[12] != ' ')
        return false;
    head->reason = line.len > 13 ? str_part(line, 13, line.len) : (struct str){"", 0};
    return token_is_value(head->reason);
}

static bool read_line(struct str line, struct header *header)
{
    size_t colon = str_find(line, ':', 0);

    if (colon == SIZE_MAX)
        return false;
    header->name = str_part(line, 0, colon);
    header->value = str_trim(str_part(line, colon + 1, line.len));
    return token_is_valid(header->name) && token_is_value(header->value);
}

/* Lines that say where the body ends, and what becomes of the connection. */
static bool read_framing(const struct header *header, struct response_head *head,
                         struct connection_options *options)
{
    switch (header->name.len) {
    case 10:
        if (str_equal_nocase(header->name, STR("connection"))) {
            options->close |= token_list_has(header->value, STR("close"));
            options->keep_alive |= token_list_has(header->value, STR("keep-alive"));
        }
        return true;
    case 14:
        if (!str_equal_nocase(header->name, STR("content-length")))
            return true;
        return head->content_length < 0 && token_to_length(header->value, &head->content_length);
    case 17:
        if (!str_equal_nocase(header->name, STR("transfer-encoding")))
            return true;
        if (head->chunked || head->version == 0x100 || !str_equal_nocase(header->value, STR("chunked")))
            return false;
        head->chunked = true;
        return true;
    default:
        return true;
    }
}

enum response_head_found response_head_find(struct response_head_scan *scan, struct str bytes, size_t *length)
{
    static const char start[] = "HTTP/1.";
    size_t known = bytes.len < sizeof(start) - 1 ? bytes.len : sizeof(start) - 1;

    if (memcmp(bytes.at, start, known) != 0)
        return RESPONSE_HEAD_BAD;
    for (;;) {
        size_t end = str_find(bytes, '\n', scan->scanned);

        if (end == SIZE_MAX) {
            scan->scanned = bytes.len;
            return bytes.len > RESPONSE_HEAD_MAX_BYTES ? RESPONSE_HEAD_BAD : RESPONSE_HEAD_PARTIAL;
        }
        if (end == scan->line_start || bytes.at[end - 1] != '\r' || end >= RESPONSE_HEAD_MAX_BYTES)
            return RESPONSE_HEAD_BAD;
        bool empty = end == scan->line_start + 1;
        scan->line_start = end + 1;
        scan->scanned = end + 1;
        if (empty) {
            *length = end + 1;
            return RESPONSE_HEAD_WHOLE;
        }
    }
}

bool response_head_parse(struct str text, struct header lines[RESPONSE_HEAD_MAX_LINES],
                         struct response_head *head)
{
    struct connection_options options = {0};
    size_t at = 0;
    bool first = true;

    *head = (struct response_head){.content_length = -1};
    for (;;) {
        size_t end = str_find(text, '\n', at);

        if (end == SIZE_MAX || end == at || text.at[end - 1] != '\r')
            return false;
        struct str line = str_part(text, at, end - 1);
        at = end + 1;
        if (first) {
            if (!read_status_line(line, head))
                return false;
            first = false;
            continue;
        }
        if (line.len == 0)
            break;
        if (head->line_count == RESPONSE_HEAD_MAX_LINES || !read_line(line, &lines[head->line_count]))
            return false;
        if (!read_framing(&lines[head->line_count], head, &options))
            return false;
        head->line_count++;
    }
    if (head->chunked && head->content_length >= 0)
        return false;
    head->keep_alive = !options.close && (head->version == 0x101 || options.keep_alive);
    return true;
}
