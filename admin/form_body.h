#pragma once

/*
 * form_body - fields of a form into the shape of a JSON object: a.b=, a[]=, a[1]=, repetition.
 *
 * Values stay texts (or null, or true); document_type_form() gives them types. Names and values must be UTF-8
 * without NUL, since documents are. Reference 1.6.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

enum form_repeats {
    FORM_COLLECTS,  /* urlencoded: a=x&a=y is an array */
    FORM_LAST_WINS, /* multipart */
};

enum form_verdict {
    FORM_OK,
    FORM_TOO_MANY, /* arguments */
    FORM_BAD_TEXT, /* not UTF-8, or NUL inside */
};

/* *object is the caller's, also when the verdict is not OK (NULL then). */
enum form_verdict form_parse(struct str body, cJSON **object) MUST_CHECK;

/* For multipart: one field into `object`; value.at == NULL: no '='. false: bad text. */
bool form_add(cJSON *object, struct str name, struct str value, enum form_repeats repeats) MUST_CHECK;
/* After the last field: a[1], a[2] ... become arrays if no number is missing. */
void form_finish(cJSON *object);
