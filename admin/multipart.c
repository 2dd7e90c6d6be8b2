/*
 * multipart - see multipart.h.
 *
 *   --boundary CRLF
 *   Content-Disposition: form-data; name="cert" CRLF
 *   CRLF
 *   bytes CRLF
 *   --boundary--
 */

#include "admin/multipart.h"

#include <string.h>

enum {
    MAX_PARTS = 10000, /* adding one looks through those before it */
    MAX_BOUNDARY = 200
};

/* Position of `what` at or after `from`, or SIZE_MAX. */
static size_t find(struct str in, struct str what, size_t from)
{
    if (from > in.len)
        return SIZE_MAX;
    const char *at = memmem(in.at + from, in.len - from, what.at, what.len);

    return at != NULL ? (size_t)(at - in.at) : SIZE_MAX;
}

/* The value of `name=` in a header line: quoted or a token. Its position must follow ';' or a blank. */
static struct str parameter(struct str line, struct str name)
{
    for (size_t at = find(line, name, 0); at != SIZE_MAX; at = find(line, name, at + 1)) {
        if (at == 0 || strchr("; \t", line.at[at - 1]) == NULL)
            continue;
        size_t from = at + name.len;
        if (from < line.len && line.at[from] == '"') {
            size_t end = str_find(line, '"', from + 1);
            return end != SIZE_MAX ? str_part(line, from + 1, end) : STR_NONE;
        }
        size_t end = from;
        while (end < line.len && strchr("; \t\r\n", line.at[end]) == NULL)
            end++;
        return str_part(line, from, end);
    }
    return STR_NONE;
}

/* The field's name, from the part's header lines; at == NULL: it has none. */
static struct str part_name(struct str head)
{
    for (size_t from = 0; from < head.len;) {
        size_t end = find(head, STR("\r\n"), from);
        struct str line = str_part(head, from, end != SIZE_MAX ? end : head.len);
        size_t colon = str_find(line, ':', 0);
        if (colon != SIZE_MAX && str_equal_nocase(str_part(line, 0, colon), STR("content-disposition")))
            return parameter(str_part(line, colon + 1, line.len), STR("name="));
        from = end != SIZE_MAX ? end + 2 : head.len;
    }
    return STR_NONE;
}

/* One part, from behind its boundary line to in front of the next. false: bad text. */
static bool add_part(cJSON *form, struct str part)
{
    size_t end = str_starts_with(part, STR("\r\n")) ? 0 : find(part, STR("\r\n\r\n"), 0);

    if (end == SIZE_MAX || end == 0)
        return true;
    struct str name = part_name(str_part(part, 0, end));
    if (name.at == NULL)
        return true;
    return form_add(form, name, str_part(part, end + 4, part.len), FORM_LAST_WINS);
}

struct str multipart_boundary(struct str content_type)
{
    struct str boundary = parameter(content_type, STR("boundary="));

    return boundary.len > 0 && boundary.len <= MAX_BOUNDARY ? boundary : STR_NONE;
}

/* Position behind the first boundary, or SIZE_MAX. It may begin the body, without a line end before it. */
static size_t first_part(struct str body, struct str separator)
{
    struct str bare = str_part(separator, 2, separator.len);

    if (str_starts_with(body, bare))
        return bare.len;
    size_t at = find(body, separator, 0);
    return at != SIZE_MAX ? at + separator.len : SIZE_MAX;
}

enum form_verdict multipart_parse(struct str body, struct str boundary, cJSON **object)
{
    char line[MAX_BOUNDARY + 4] = "\r\n--";
    struct str separator = {line, 4 + boundary.len};
    cJSON *form = cJSON_CreateObject();
    enum form_verdict verdict = FORM_OK;
    size_t at = SIZE_MAX;
    size_t count = 0;

    *object = NULL;
    if (boundary.at != NULL && boundary.len <= MAX_BOUNDARY && body.len > 0) {
        memcpy(line + 4, boundary.at, boundary.len);
        at = first_part(body, separator);
    }
    while (at != SIZE_MAX && verdict == FORM_OK) {
        size_t end = find(body, separator, at);
        if (end == SIZE_MAX || !str_starts_with(str_part(body, at, body.len), STR("\r\n")))
            break;
        if (count++ == MAX_PARTS)
            verdict = FORM_TOO_MANY;
        else if (end >= at + 2 && !add_part(form, str_part(body, at + 2, end)))
            verdict = FORM_BAD_TEXT;
        at = end + separator.len;
    }
    if (verdict != FORM_OK) {
        cJSON_Delete(form);
        return verdict;
    }
    form_finish(form);
    *object = form;
    return FORM_OK;
}
