/*
 * json_text - see json_text.h.
 */

#include "gateway/plugins/json_text.h"

#include <cjson/cJSON.h>

#include "gateway/plugins/arguments.h"

size_t json_text_skip_string(struct str json, size_t at)
{
    for (at++; at < json.len && json.at[at] != '"'; at++)
        at += json.at[at] == '\\' ? 1 : 0;
    return at < json.len ? at + 1 : json.len;
}

/* A value costs the parser 80 bytes and an allocation, however short it is. */
bool json_text_has_too_many(struct str json)
{
    size_t count = 0;

    for (size_t at = 0; at < json.len && count <= ARGUMENTS_MAX_VALUES;) {
        char byte = json.at[at];
        count += byte == ',' || byte == '[' || byte == '{' ? 1 : 0;
        at = byte == '"' ? json_text_skip_string(json, at) : at + 1;
    }
    return count > ARGUMENTS_MAX_VALUES;
}

bool json_text_is_good(struct str json)
{
    const char *end = NULL;

    if (json_text_has_too_many(json))
        return false;
    cJSON *value = cJSON_ParseWithLengthOpts(json.at, json.len, &end, /* require_null_terminated= */ false);
    bool good = value != NULL;
    while (good && end < json.at + json.len && (unsigned char)*end <= ' ')
        end++;
    cJSON_Delete(value);
    return good && end == json.at + json.len;
}

size_t json_text_member_end(struct str json, size_t at)
{
    size_t depth = 0;

    while (at < json.len) {
        char byte = json.at[at];
        if (byte == '"') {
            at = json_text_skip_string(json, at);
            continue;
        }
        if (depth == 0 && (byte == ',' || byte == '}' || byte == ']'))
            break;
        if (byte == '{' || byte == '[')
            depth++;
        else if (byte == '}' || byte == ']')
            depth--;
        at++;
    }
    return at;
}
