/*
 * arguments - see arguments.h. Texts are searched where they are; only what was found is copied.
 *
 * Removing cuts ranges out of a text and leaves the other bytes as they came: nobody's numbers or spellings
 * change because a key was hidden.
 */

#include "gateway/plugins/arguments.h"

#include <stdbool.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "gateway/http/exchange.h"

enum {
    BOUNDARY_MAX = 70 /* RFC 2046, 5.1.1 */
};

/* ---- JSON ---- */

/* The last of that name counts, as for most readers. */
static cJSON *find_member(const cJSON *object, struct str name)
{
    cJSON *last = NULL;
    cJSON *member;

    if (!cJSON_IsObject(object))
        return NULL;
    cJSON_ArrayForEach(member, object)
    {
        if (str_equal(str_of(member->string), name))
            last = member;
    }
    return last;
}

/* Behind the string whose opening quote is at `at`. */
static size_t skip_string(struct str json, size_t at)
{
    for (at++; at < json.len && json.at[at] != '"'; at++)
        at += json.at[at] == '\\' ? 1 : 0;
    return at < json.len ? at + 1 : json.len;
}

/* A value costs the parser 80 bytes and an allocation, however short it is. */
static bool has_too_many_values(struct str json)
{
    size_t count = 0;

    for (size_t at = 0; at < json.len && count <= ARGUMENTS_MAX_VALUES;) {
        char byte = json.at[at];
        count += byte == ',' || byte == '[' || byte == '{' ? 1 : 0;
        at = byte == '"' ? skip_string(json, at) : at + 1;
    }
    return count > ARGUMENTS_MAX_VALUES;
}

/* NULL: no JSON, or something behind it. */
static cJSON *parse_json(struct str body)
{
    const char *end = NULL;

    if (has_too_many_values(body))
        return NULL;
    cJSON *value = cJSON_ParseWithLengthOpts(body.at, body.len, &end, /* require_null_terminated= */ false);

    while (value != NULL && end < body.at + body.len && (unsigned char)*end <= ' ')
        end++;
    if (value != NULL && end == body.at + body.len)
        return value;
    cJSON_Delete(value);
    return NULL;
}

static struct argument json_find(struct exchange *exchange, struct str body, struct str name)
{
    struct argument argument = {0};
    cJSON *object = parse_json(body);
    const cJSON *member = find_member(object, name);

    if (member != NULL) {
        argument.count = cJSON_IsArray(member) || cJSON_IsObject(member) ? 2 : 1;
        if (cJSON_IsString(member))
            argument.value = exchange_copy(exchange, str_of(member->valuestring));
    }
    cJSON_Delete(object);
    return argument;
}

/* Of the comma or brace that ends the member at `at`. */
static size_t find_member_end(struct str json, size_t at)
{
    size_t depth = 0;

    while (at < json.len) {
        char byte = json.at[at];
        if (byte == '"') {
            at = skip_string(json, at);
            continue;
        }
        if (depth == 0 && (byte == ',' || byte == '}'))
            break;
        if (byte == '{' || byte == '[')
            depth++;
        else if (byte == '}' || byte == ']')
            depth--;
        at++;
    }
    return at;
}

static bool is_member_name(struct str member, struct str name)
{
    size_t quote = str_find(member, '"', 0);

    if (quote == SIZE_MAX)
        return false;
    cJSON *text = cJSON_ParseWithLength(member.at + quote, skip_string(member, quote) - quote);
    bool is_same = cJSON_IsString(text) && str_equal(str_of(text->valuestring), name);
    cJSON_Delete(text);
    return is_same;
}

/* `body` is an object: json_find() has found something in it. */
static struct str json_remove(struct exchange *exchange, struct str body, struct str name)
{
    char *kept = exchange_alloc(exchange, body.len + 1);
    size_t first = str_find(body, '{', 0) + 1;
    size_t len = first;
    size_t at = first;

    memcpy(kept, body.at, first);
    for (;;) {
        struct str member = str_part(body, at, find_member_end(body, at));
        if (!is_member_name(member, name)) {
            if (len > first)
                kept[len++] = ',';
            memcpy(kept + len, member.at, member.len);
            len += member.len;
        }
        at += member.len;
        if (at >= body.len || body.at[at] != ',')
            break;
        at++;
    }
    memcpy(kept + len, body.at + at, body.len - at);
    return (struct str){kept, len + body.len - at};
}

/* ---- multipart/form-data ---- */

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

struct part {
    size_t from, to; /* from its delimiter up to the next one */
    struct str name; /* at == NULL: none */
    struct str value;
};

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

/* The part whose delimiter is at part->to, which moves to the next delimiter. false: that was the last. */
static bool next_part(struct str body, struct str delimiter, struct part *part)
{
    size_t from = part->to;
    size_t to = from < body.len ? find_delimiter(body, delimiter, from + delimiter.len) : SIZE_MAX;

    if (to == SIZE_MAX)
        return false;
    struct str text = str_part(body, from + delimiter.len, to);
    if (str_starts_with(text, STR("--")))
        return false; /* that was the last; what follows is for nobody (RFC 2046, 5.1.1) */
    size_t blank = find_text(text, STR("\r\n\r\n"), 0);
    *part = (struct part){.from = from, .to = to};
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

/* "--" and the boundary, in `storage`; len == 0: there is none. */
static struct str make_delimiter(struct str content_type, char storage[BOUNDARY_MAX + 2])
{
    struct str boundary = find_parameter(content_type, STR("boundary"));

    if (boundary.len == 0 || boundary.len > BOUNDARY_MAX)
        return STR_NONE;
    storage[0] = storage[1] = '-';
    memcpy(storage + 2, boundary.at, boundary.len);
    return (struct str){storage, boundary.len + 2};
}

static struct argument multipart_find(struct str content_type, struct str body, struct str name)
{
    char storage[BOUNDARY_MAX + 2];
    struct str delimiter = make_delimiter(content_type, storage);
    struct argument argument = {0};
    struct part part = {.to = delimiter.len > 0 ? find_delimiter(body, delimiter, 0) : SIZE_MAX};

    while (next_part(body, delimiter, &part))
        if (part.name.at != NULL && str_equal(part.name, name) && argument.count++ == 0)
            argument.value = part.value;
    return argument;
}

static struct str multipart_remove(struct exchange *exchange, struct str content_type, struct str body,
                                   struct str name)
{
    char storage[BOUNDARY_MAX + 2];
    struct str delimiter = make_delimiter(content_type, storage);
    struct part part = {.to = delimiter.len > 0 ? find_delimiter(body, delimiter, 0) : SIZE_MAX};
    char *kept = exchange_alloc(exchange, body.len + 1);
    size_t len = 0;
    size_t copied = 0;

    while (next_part(body, delimiter, &part)) {
        if (part.name.at == NULL || !str_equal(part.name, name))
            continue;
        memcpy(kept + len, body.at + copied, part.from - copied);
        len += part.from - copied;
        copied = part.to;
    }
    memcpy(kept + len, body.at + copied, body.len - copied);
    return (struct str){kept, len + body.len - copied};
}

/* ---- by type ---- */

enum body_type body_type_of(struct str content_type)
{
    if (content_type.at == NULL)
        return BODY_OTHER;
    size_t end = str_find(content_type, ';', 0);
    struct str media_type = str_trim(str_part(content_type, 0, end != SIZE_MAX ? end : content_type.len));

    if (str_equal_nocase(media_type, STR("application/x-www-form-urlencoded")))
        return BODY_ENCODED;
    if (str_equal_nocase(media_type, STR("application/json")))
        return BODY_JSON;
    if (str_equal_nocase(media_type, STR("multipart/form-data")))
        return BODY_MULTIPART;
    return BODY_OTHER;
}

struct argument body_find(struct exchange *exchange, struct str content_type, struct str body,
                          struct str name)
{
    bool is_readable = body.len > 0 && body.len <= ARGUMENTS_MAX_BYTES;
    enum body_type type = is_readable ? body_type_of(content_type) : BODY_OTHER;

    switch (type) {
    case BODY_ENCODED:
        return encoded_find(exchange, body, name);
    case BODY_JSON:
        return json_find(exchange, body, name);
    case BODY_MULTIPART:
        return multipart_find(content_type, body, name);
    case BODY_OTHER:
        break;
    }
    return (struct argument){0};
}

struct str body_remove(struct exchange *exchange, struct str content_type, struct str body, struct str name)
{
    if (body_find(exchange, content_type, body, name).count == 0)
        return body;
    switch (body_type_of(content_type)) {
    case BODY_ENCODED: {
        struct str left = encoded_remove(exchange, body, name);
        return left.at != NULL ? left : STR("");
    }
    case BODY_JSON:
        return json_remove(exchange, body, name);
    case BODY_MULTIPART:
        return multipart_remove(exchange, content_type, body, name);
    case BODY_OTHER:
        break;
    }
    return body;
}
