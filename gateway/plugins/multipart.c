/*
 * multipart - see multipart.h.
 */

#include "gateway/plugins/multipart.h"

#include <stdint.h>
#include <string.h>

enum {
    BOUNDARY_MAX = 70 /* RFC 2046, 5.1.1 */
};

/* Of the ';' at or behind `from` that is not inside quotes, or the end. */
static size_t parameter_end(struct str header, size_t from)
{
    bool is_quoted = false;
    size_t at = from;

    for (; at < header.len && (is_quoted || header.at[at] != ';'); at++) {
        if (header.at[at] == '"')
            is_quoted = !is_quoted;
        else if (is_quoted && header.at[at] == '\\')
            at++;
    }
    return at < header.len ? at : header.len;
}

/* The value of `name` in "form-data; name=value; ...", without its quotes. */
static struct str find_parameter(struct str header, struct str name)
{
    size_t position = parameter_end(header, 0);

    while (position < header.len) {
        size_t end = parameter_end(header, position + 1);
        struct str parameter = str_trim(str_part(header, position + 1, end));
        size_t equals = str_find(parameter, '=', 0);
        if (equals != SIZE_MAX && str_equal_nocase(str_trim(str_part(parameter, 0, equals)), name)) {
            struct str value = str_trim(str_part(parameter, equals + 1, parameter.len));
            bool is_quoted = value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"';
            return is_quoted ? str_part(value, 1, value.len - 1) : value;
        }
        position = end;
    }
    return STR_NONE;
}

static size_t find_text(struct str in, struct str text, size_t from)
{
    const char *found = from < in.len ? memmem(in.at + from, in.len - from, text.at, text.len) : NULL;

    return found != NULL ? (size_t)(found - in.at) : SIZE_MAX;
}

/* Position of the next line that begins with the delimiter, or SIZE_MAX. */
static size_t find_delimiter(struct str body, struct str delimiter, size_t from)
{
    size_t at = find_text(body, delimiter, from);

    while (at != SIZE_MAX && at != 0 && body.at[at - 1] != '\n')
        at = find_text(body, delimiter, at + 1);
    return at;
}

static struct str part_name(struct str head)
{
    static const struct str disposition = {"content-disposition:", 20};

    while (head.len > 0) {
        size_t end = str_find(head, '\n', 0);
        struct str line = str_part(head, 0, end != SIZE_MAX ? end : head.len);
        if (line.len > 0 && line.at[line.len - 1] == '\r')
            line.len--;
        if (line.len > disposition.len && str_equal_nocase(str_part(line, 0, disposition.len), disposition))
            return find_parameter(str_part(line, disposition.len, line.len), STR("name"));
        head = str_part(head, end != SIZE_MAX ? end + 1 : head.len, head.len);
    }
    return STR_NONE;
}

bool multipart_next(struct str body, struct str delimiter, struct multipart_part *part)
{
    size_t from = part->to;
    size_t to = from < body.len ? find_delimiter(body, delimiter, from + delimiter.len) : SIZE_MAX;

    if (to == SIZE_MAX)
        return false;
    struct str text = str_part(body, from + delimiter.len, to);
    if (str_starts_with(text, STR("--")))
        return false; /* that was the last; what follows is for nobody (RFC 2046, 5.1.1) */
    size_t blank = find_text(text, STR("\r\n\r\n"), 0);
    *part = (struct multipart_part){.from = from, .to = to};
    if (blank == SIZE_MAX)
        return true;
    part->name = part_name(str_part(text, 0, blank));
    /* The line end before a delimiter belongs to the delimiter. */
    size_t end = text.len;
    end -= end > blank + 4 && text.at[end - 1] == '\n' ? 1 : 0;
    end -= end > blank + 4 && text.at[end - 1] == '\r' ? 1 : 0;
    part->value = str_part(text, blank + 4, end);
    return true;
}

struct str multipart_delimiter(struct str content_type, char storage[MULTIPART_DELIMITER_MAX])
{
    struct str boundary = find_parameter(content_type, STR("boundary"));

    if (boundary.len == 0 || boundary.len > BOUNDARY_MAX)
        return STR_NONE;
    storage[0] = storage[1] = '-';
    memcpy(storage + 2, boundary.at, boundary.len);
    return (struct str){storage, boundary.len + 2};
}

struct multipart_part multipart_start(struct str body, struct str delimiter)
{
    return (struct multipart_part){.to = delimiter.len > 0 ? find_delimiter(body, delimiter, 0) : SIZE_MAX};
}
