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
#include "gateway/plugins/json_text.h"
#include "gateway/plugins/multipart.h"

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

/* NULL: no JSON, or something behind it. */
static cJSON *parse_json(struct str body)
{
    const char *end = NULL;

    if (json_text_has_too_many(body))
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

static bool is_member_name(struct str member, struct str name)
{
    size_t quote = str_find(member, '"', 0);

    if (quote == SIZE_MAX)
        return false;
    cJSON *text = cJSON_ParseWithLength(member.at + quote, json_text_skip_string(member, quote) - quote);
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
        struct str member = str_part(body, at, json_text_member_end(body, at));
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

static struct argument multipart_find(struct str content_type, struct str body, struct str name)
{
    char storage[MULTIPART_DELIMITER_MAX];
    struct str delimiter = multipart_delimiter(content_type, storage);
    struct argument argument = {0};
    struct multipart_part part = multipart_start(body, delimiter);

    while (multipart_next(body, delimiter, &part))
        if (part.name.at != NULL && str_equal(part.name, name) && argument.count++ == 0)
            argument.value = part.value;
    return argument;
}

static struct str multipart_remove(struct exchange *exchange, struct str content_type, struct str body,
                                   struct str name)
{
    char storage[MULTIPART_DELIMITER_MAX];
    struct str delimiter = multipart_delimiter(content_type, storage);
    struct multipart_part part = multipart_start(body, delimiter);
    char *kept = exchange_alloc(exchange, body.len + 1);
    size_t len = 0;
    size_t copied = 0;

    while (multipart_next(body, delimiter, &part)) {
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
