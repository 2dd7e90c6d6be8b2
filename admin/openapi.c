/*
 * openapi - puts the document together. Its size follows from tables of ours and nobody else's input.
 */

#include "admin/openapi.h"

#include <string.h>

#include "admin/handlers.h"
#include "admin/openapi_paths.h"
#include "admin/openapi_schema.h"
#include "admin/state.h"
#include "gateway/model/document.h"

static const char about[] =
    "Made of the tables this node works with. Where there is GET there is HEAD, without the body, and every "
    "path answers OPTIONS with the methods it has. Paths that are not here answer 404, other methods 405. "
    "A body is JSON or a form: there names are paths (config.minute=5, tags[]=a, sources[1].ip=...) and "
    "values become what the schema wants. Rules over several fields are shown by /schemas. What is no "
    "request at all is refused with 400, 408, 414 or 431; who comes from a wrong address or without the "
    "certificate or token that the node asks for, with 403, 400 or 401.";

static void add_tags(cJSON *document, const struct schemas *schemas)
{
    cJSON *tags = cJSON_AddArrayToObject(document, "tags");

    (void)cJSON_AddItemToArray(
        tags, openapi_json("{'name':'node','description':'What a node says of itself and of its schemas'}"));
    for (size_t i = 0; i < schemas_count(schemas); i++)
        if (!schemas_is_hidden(schemas, schemas_at(schemas, i)))
            (void)cJSON_AddItemToArray(tags, openapi_json("{'name':'%s'}", schemas_at(schemas, i)->name));
}

char *openapi_write(const struct schemas *schemas, size_t *length)
{
    cJSON *document = openapi_json("{'openapi':'3.1.0','info':{'title':'Freshet Admin API'}}");
    cJSON *info = cJSON_GetObjectItemCaseSensitive(document, "info");

    (void)cJSON_AddStringToObject(info, "version", ADMIN_API_VERSION);
    (void)cJSON_AddStringToObject(info, "summary",
                                  "The Admin API of Kong 3.5 as Freshet " FRESHET_VERSION " speaks it");
    (void)cJSON_AddStringToObject(info, "description", about);
    (void)cJSON_AddItemToObject(document, "servers", openapi_json("[{'url':'/'}]"));
    (void)cJSON_AddItemToObject(document, "security", openapi_json("[{},{'token':[]}]")); /* as it is set */
    add_tags(document, schemas);
    openapi_add_paths(cJSON_AddObjectToObject(document, "paths"), schemas);
    cJSON *components = cJSON_AddObjectToObject(document, "components");
    openapi_add_shared(components);
    openapi_add_entities(cJSON_GetObjectItemCaseSensitive(components, "schemas"), schemas);

    char *text = document_print(document);
    cJSON_Delete(document);
    *length = strlen(text);
    return text;
}

void openapi_show(struct request *request)
{
    const struct admin *admin = request->admin;

    answer_constant(&request->answer, (struct str){admin->openapi, admin->openapi_bytes});
}
