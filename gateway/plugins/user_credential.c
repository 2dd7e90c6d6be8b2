/*
 * user_credential - see user_credential.h.
 */

#include "gateway/plugins/user_credential.h"

#include "gateway/model/document.h"

bool user_credential_pack(struct packer *packer, const cJSON *document, const char *field,
                          struct user_credential *credential, struct err *err)
{
    if (!document_id(document, &credential->id) ||
        !document_reference(document, "consumer", &credential->consumer) ||
        document_text(document, "username") == NULL)
        return err_set(err, ERR_INVALID, "a credential without id, consumer or username");
    credential->username = pack_text(packer, document_text(document, "username"));
    credential->secret = pack_text(packer, document_text(document, field));
    credential->tags = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(document, "tags"));
    credential->created_at = document_int(document, "created_at", 0);
    return true;
}

cJSON *user_credential_show(const struct user_credential *credential, const char *field)
{
    cJSON *shown = cJSON_CreateObject();

    cJSON_AddItemToObject(shown, "id", show_id(&credential->id));
    (void)cJSON_AddNumberToObject(shown, "created_at", (double)credential->created_at);
    cJSON_AddItemToObject(shown, "consumer", show_reference(&credential->consumer));
    cJSON_AddItemToObject(shown, "username", show_text(credential->username));
    cJSON_AddItemToObject(shown, field, show_text(credential->secret));
    cJSON_AddItemToObject(shown, "tags", show_texts(&credential->tags));
    return show_without_nulls(shown);
}
