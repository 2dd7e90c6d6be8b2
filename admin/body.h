#pragma once

/*
 * body - what a request's body says, by its content type (reference 1.5).
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

struct body {
    cJSON *object; /* owned; never NULL after BODY_OK */
    bool is_form;  /* values are texts: document_type_form() is due */
};
void body_fini(struct body *body);

enum body_verdict {
    BODY_OK,
    BODY_BAD_JSON,
    BODY_BAD_FORM,
    BODY_TOO_MANY,    /* arguments, parts or values */
    BODY_UNSUPPORTED, /* content type */
};
/* content_type.at == NULL: there was none. */
enum body_verdict body_parse(struct str content_type, struct str bytes, struct body *body) MUST_CHECK;
