/*
 * body - see body.h. Content types are compared by their beginning and with case, as clients have come to
 * rely on.
 */

#include "admin/body.h"

#include "admin/form_body.h"
#include "admin/json_body.h"
#include "admin/multipart.h"

static enum body_verdict verdict_of(enum form_verdict form)
{
    switch (form) {
    case FORM_OK:
        return BODY_OK;
    case FORM_TOO_MANY:
        return BODY_TOO_MANY;
    case FORM_BAD_TEXT:
        break;
    }
    return BODY_BAD_FORM;
}

void body_fini(struct body *body)
{
    cJSON_Delete(body->object);
    *body = (struct body){0};
}

enum body_verdict body_parse(struct str content_type, struct str bytes, struct body *body)
{
    *body = (struct body){0};
    if (content_type.len == 0) {
        if (bytes.len > 0)
            return BODY_UNSUPPORTED;
        body->object = cJSON_CreateObject();
        return BODY_OK;
    }
    if (str_starts_with(content_type, STR("application/json"))) {
        if (json_body_is_too_large(bytes))
            return BODY_TOO_MANY;
        body->object = json_body_parse(bytes);
        return body->object != NULL ? BODY_OK : BODY_BAD_JSON;
    }
    body->is_form = true;
    if (str_starts_with(content_type, STR("application/x-www-form-urlencoded")))
        return verdict_of(form_parse(bytes, &body->object));
    if (str_starts_with(content_type, STR("multipart/form-data")))
        return verdict_of(multipart_parse(bytes, multipart_boundary(content_type), &body->object));
    return BODY_UNSUPPORTED;
}
