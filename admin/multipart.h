#pragma once

/*
 * multipart - multipart/form-data into the shape of a JSON object (RFC 7578). File names and part types are
 * ignored; the last of a repeated name wins.
 *
 * Threads: any; pure.
 */

#include "admin/form_body.h"

/* The boundary parameter of a content type; at == NULL: there is none. Borrowed from `content_type`. */
struct str multipart_boundary(struct str content_type);

/* What cannot be a part is skipped: an empty or cut off body has the fields that are complete. */
enum form_verdict multipart_parse(struct str body, struct str boundary, cJSON **object) MUST_CHECK;
