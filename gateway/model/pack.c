/*
 * pack - see pack.h.
 */

#include "gateway/model/pack.h"

#include <string.h>

#include "gateway/model/texts.h"

enum {
    ALLOCATION_BYTES = 8 /* what malloc keeps beside a block */
};

void *pack_room(struct packer *packer, size_t size)
{
    size_t from = (packer->used + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
    packer->used = from + size;
    return packer->at != NULL ? packer->at + from : NULL;
}

static char *pack_bytes(struct packer *packer, const char *bytes, size_t size)
{
    char *to = packer->at != NULL ? packer->at + packer->used : NULL;
    packer->used += size;
    if (to != NULL)
        memcpy(to, bytes, size);
    return to;
}

char *pack_text(struct packer *packer, const char *text)
{
    return text != NULL ? pack_bytes(packer, text, strlen(text) + 1) : NULL;
}

struct texts pack_texts(struct packer *packer, const cJSON *array)
{
    struct texts texts = {0};
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        texts.count += cJSON_IsString(item) ? 1 : 0;
    }
    if (texts.count == 0)
        return texts;
    texts.at = pack_room(packer, texts.count * sizeof(char *));
    size_t i = 0;
    cJSON_ArrayForEach(item, array)
    {
        if (!cJSON_IsString(item))
            continue;
        char *text = pack_text(packer, item->valuestring);
        if (texts.at != NULL)
            texts.at[i++] = text;
    }
    return texts;
}

char *pack_lower(struct packer *packer, const char *text)
{
    char *copy = pack_text(packer, text);
    for (char *at = copy; at != NULL && *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    return copy;
}

struct uuid *pack_ids(struct packer *packer, const cJSON *array, size_t *count)
{
    struct uuid *ids = NULL;
    struct uuid id;
    const cJSON *item;
    *count = 0;
    cJSON_ArrayForEach(item, array)
    {
        if (cJSON_IsString(item) && uuid_from_str(str_of(item->valuestring), &id))
            ++*count;
    }
    if (*count > 0)
        ids = pack_room(packer, *count * sizeof(*ids));
    size_t i = 0;
    cJSON_ArrayForEach(item, array)
    {
        if (ids != NULL && cJSON_IsString(item) && uuid_from_str(str_of(item->valuestring), &ids[i]))
            i++;
    }
    return ids;
}

cJSON *show_text(const char *text)
{
    return text != NULL ? cJSON_CreateString(text) : cJSON_CreateNull();
}

cJSON *show_texts(const struct texts *texts)
{
    if (texts->count == 0)
        return cJSON_CreateNull();
    return cJSON_CreateStringArray((const char *const *)texts->at, (int)texts->count);
}

cJSON *show_id(const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];
    return cJSON_CreateString(uuid_format(id, text));
}

cJSON *show_reference(const struct uuid *id)
{
    if (uuid_is_nil(id))
        return cJSON_CreateNull();
    cJSON *reference = cJSON_CreateObject();
    cJSON_AddItemToObject(reference, "id", show_id(id));
    return reference;
}

cJSON *show_protocols(unsigned protocols)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; protocol_names[i] != NULL; i++)
        if ((protocol_of(protocol_names[i]) & protocols) != 0)
            cJSON_AddItemToArray(list, cJSON_CreateString(protocol_names[i]));
    return list;
}

cJSON *show_without_nulls(cJSON *shown)
{
    for (cJSON *child = shown->child, *next; child != NULL; child = next) {
        next = child->next;
        if (cJSON_IsNull(child))
            cJSON_Delete(cJSON_DetachItemViaPointer(shown, child));
    }
    return shown;
}

size_t json_bytes(const cJSON *value)
{
    size_t bytes = sizeof(*value) + ALLOCATION_BYTES;
    if (value->string != NULL)
        bytes += strlen(value->string) + 1 + ALLOCATION_BYTES;
    if (value->valuestring != NULL)
        bytes += strlen(value->valuestring) + 1 + ALLOCATION_BYTES;
    const cJSON *child;
    cJSON_ArrayForEach(child, value) bytes += json_bytes(child);
    return bytes;
}
