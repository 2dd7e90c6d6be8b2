/*
 * declaration_names - one balanced tree of texts: kind, field and value with a separator that none of them
 * has.
 */

#include "gateway/cli/declaration_names.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"

#define SEPARATOR '\x1f'

static int by_name(const void *a, const void *b)
{
    const struct known *left = a;
    const struct known *right = b;

    return strcmp(left->name, right->name);
}

bool name_by_value(struct buf *name, const struct schema *schema, const char *field, const char *value)
{
    if (value == NULL)
        return false;
    buf_printf(name, "%s%c%s%c%s", schema->name, SEPARATOR, field, SEPARATOR, value);
    return true;
}

bool name_by_field(struct buf *name, const struct schema *schema, const char *field, const cJSON *document)
{
    return name_by_value(name, schema, field, document_text(document, field));
}

bool name_together(struct buf *name, const struct schema *schema, const cJSON *document)
{
    if (schema->unique_together == NULL)
        return false;
    buf_printf(name, "%s%c", schema->name, SEPARATOR);
    for (const char *const *field = schema->unique_together; *field != NULL; field++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(document, *field);
        const char *text =
            cJSON_IsObject(value) ? document_text(value, "id") : document_text(document, *field);
        buf_printf(name, "%c%s", SEPARATOR, text != NULL ? text : "");
    }
    return true;
}

struct known *known_find(const struct declaration *declaration, const struct buf *name)
{
    struct known wanted = {.name = name->at};
    void *root = declaration->names;
    struct known *const *found = tfind(&wanted, &root, by_name);

    return found != NULL ? *found : NULL;
}

struct known *known_get(struct declaration *declaration, const struct buf *name)
{
    struct known *known = known_find(declaration, name);

    if (known != NULL)
        return known;
    known = mem_zalloc(sizeof(*known));
    known->name = mem_strdup(name->at);
    if (tsearch(known, &declaration->names, by_name) == NULL)
        abort(); /* there is no memory */
    return known;
}

static void free_known(void *node)
{
    struct known *known = node;

    free(known->name);
    free(known);
}

void declaration_names_free(struct declaration *declaration)
{
    tdestroy(declaration->names, free_known);
    declaration->names = NULL;
}
