#pragma once

/*
 * template - values with $(expressions) in them: parts of the request, defaults and joined texts (plugin
 * reference, 13).
 *
 * An expression is a part (headers.x, query_params["x"], uri_captures[1], shared.x) or a text in quotes;
 * several are joined by ".."; of alternatives between "or" the first that is there counts. Nothing else is
 * taken.
 *
 * Threads: parsing: any. A template is immutable; rendering: the loop of the request.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

struct chain;
struct headers;
struct template;

enum {
    TEMPLATE_MAX_TERMS = 64
};

/* Copies what it needs of the text. false: what is wrong, in words. */
bool template_new(struct str text, struct template **made, char words[128]) MUST_CHECK;
void template_free(struct template *template);

/* What a rendering reads. */
struct template_source {
    struct chain *chain;
    const struct headers *headers; /* of the request as it came */
    struct str query;
};
/* In the exchange's memory, or the template's. false: a part that has to be joined is not there. */
bool template_render(const struct template *template, const struct template_source *source,
                     struct str *rendered) MUST_CHECK;
