/*
 * setting_list - see setting_list.h.
 */

#include "gateway/plugins/setting_list.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/base/str.h"
#include "gateway/http/token.h"

struct setting_list setting_list_read(const cJSON *config, const char *name)
{
    const cJSON *texts = cJSON_GetObjectItemCaseSensitive(config, name);
    struct setting_list list = {0};
    const cJSON *text;

    if (!cJSON_IsArray(texts) || texts->child == NULL)
        return list;
    list.at = mem_zalloc((size_t)cJSON_GetArraySize(texts) * sizeof(*list.at));
    cJSON_ArrayForEach(text, texts)
    {
        if (cJSON_IsString(text))
            list.at[list.count++] = mem_strdup(text->valuestring);
    }
    return list;
}

void setting_list_fini(struct setting_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->at[i]);
    free(list->at);
    *list = (struct setting_list){0};
}

char *setting_list_join(const struct setting_list *list)
{
    struct buf joined = {0};

    for (size_t i = 0; i < list->count; i++) {
        if (!token_is_value(str_of(list->at[i])))
            continue;
        if (joined.len > 0)
            buf_add_byte(&joined, ',');
        buf_add_text(&joined, list->at[i]);
    }
    return joined.len > 0 ? buf_take(&joined) : NULL;
}
