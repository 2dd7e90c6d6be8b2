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
    char *text; /* what must be different: a name or a value */
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

static char *printed(const cJSON *item)
{
    char *text = cJSON_PrintUnformatted(item);
    return text != NULL ? text : mem_strdup("");
}

/* Among the texts of a set, or among its other elements, which are compared as they are printed. */
static void drop_repeated_among(cJSON *set, bool texts)
{
    struct member *members = mem_alloc(((size_t)cJSON_GetArraySize(set) + 1) * sizeof(*members));
    cJSON *item;
    int count = 0;
    cJSON_ArrayForEach(item, set)
    {
        if (texts == (cJSON_IsString(item) != 0)) {
            members[count] = (struct member){item, texts ? item->valuestring : printed(item), count};
            count++;
        }
    }
    qsort(members, (size_t)count, sizeof(*members), by_text);
    for (int i = count - 1; i > 0; i--) /* from the end: a text lives as long as it is compared with */
        if (strcmp(members[i - 1].text, members[i].text) == 0)
            drop(set, members[i].item);
    for (int i = 0; i < count && !texts; i++)
        free(members[i].text);
    free(members);
}

void repeated_elements_drop(cJSON *set)
{
    drop_repeated_among(set, true);
    drop_repeated_among(set, false);
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
