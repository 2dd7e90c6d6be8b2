#pragma once

/*
 * error_page - the body of an answer that the gateway makes itself, in the format the client can read
 * (data-plane reference, 4.1 to 4.3).
 *
 * Used by plugins through chain_answer_error() and by the proxy for its own failures.
 *
 * Threads: any; pure but for the exchange's memory.
 */

#include <stdbool.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"

struct exchange;

enum error_page_type {
    ERROR_PAGE_JSON,
    ERROR_PAGE_PLAIN,
    ERROR_PAGE_HTML,
    ERROR_PAGE_XML,
    ERROR_PAGE_TYPES, /* how many */
};

/*
 * Pages: texts with %s for the message and, if wanted, a second %s for the request id, both escaped as the
 * type needs it; %% is a percent sign. NULL: our own.
 */
struct error_templates {
    char *text[ERROR_PAGE_TYPES];
};
/* Nothing else may follow a '%'. */
bool error_template_check(const char *text, struct err *err) MUST_CHECK;

/* Of a list of media types with weights; `fallback` if accept.at == NULL. */
enum error_page_type error_page_choose(struct str accept, enum error_page_type fallback);

/* The usual text of a status, in the exchange's memory or constant. */
const char *error_page_text(struct exchange *exchange, int status);

struct error_page_wish {
    const struct error_templates *templates; /* NULL: our own */
    struct str accept;                       /* the client's; at == NULL: none, then `fallback` */
    enum error_page_type fallback;
    int status;
    const char *message; /* NULL: the usual one of the status */
    struct str request_id;
};
/* The body, in the exchange's memory. *content_type is a constant. */
struct str error_page(struct exchange *exchange, const struct error_page_wish *wish,
                      struct str *content_type);

/* Appends `text` as a JSON string, quotes included; bytes that are no UTF-8 become U+FFFD. */
void error_page_add_json(struct buf *json, struct str text);
