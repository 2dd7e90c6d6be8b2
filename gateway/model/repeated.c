/*
 * repeated - by sorting, since a body may have a million members.
 */

#include "gateway/model/repeated.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

struct member {
    cJSON *item;
    const char *text; /* what must be different: a name or a value */
    int position;
};

static int by_text(const void *a, const void *b)
{
    const struct member *left = a;
    const struct member *right = b;
    int order = strcmp(left->text, right->text);
    return order != 0 ? order : left->position - right->position;
}

static void drop(cJSON *holder, cJSON *item)
{
    cJSON_Delete(cJSON_DetachItemViaPointer(holder, item));
}

static void drop_repeated_texts(cJSON *set)
{
    struct member *texts = mem_alloc((size_t)cJSON_GetArraySize(set) * sizeof(*texts));
    cJSON *item;
    int count = 0;
    cJSON_ArrayForEach(item, set)
    {
        if (cJSON_IsString(item)) {
            texts[count] = (struct member){item, item->valuestring, count};
            count++;
        }
    }
    qsort(texts, (size_t)count, sizeof(*texts), by_text);
    const char *kept = NULL;
    for (int i = 0; i < count; i++) {
        if (kept != NULL && strcmp(kept, texts[i].text) == 0)
            drop(set, texts[i].item);
        else
            kept = texts[i].text;
    }
    free(texts);
}

static bool stands_before(const cJSON *set, const cJSON *item)
{
    for (const cJSON *before = set->child; before != item; before = before->next)
        if (cJSON_Compare(before, item, true))
            return true;
    return false;
}

void repeated_elements_drop(cJSON *set)
{
    drop_repeated_texts(set);
    for (cJSON *item = set->child, *next; item != NULL; item = next) {
        next = item->next;
        if (!cJSON_IsString(item) && stands_before(set, item))
            drop(set, item);
    }
}

static void drop_repeated_names(cJSON *object)
{
    int count = cJSON_GetArraySize(object);
    struct member *members = mem_alloc((size_t)count * sizeof(*members));
    cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, object)
    {
        members[i] = (struct member){item, item->string, i};
        i++;
    }
    qsort(members, (size_t)count, sizeof(*members), by_text);
    for (i = 0; i + 1 < count; i++)
        if (strcmp(members[i].text, members[i + 1].text) == 0)
            drop(object, members[i].item);
    free(members);
}

void repeated_members_drop(cJSON *value)
{
    if (cJSON_IsObject(value) && value->child != NULL && value->child->next != NULL)
        drop_repeated_names(value);
    for (cJSON *child = value->child; child != NULL; child = child->next)
        repeated_members_drop(child);
}
