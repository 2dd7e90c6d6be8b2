#pragma once

/*
 * answer - what a request is going to be told: status and body, and the error object in all its forms.
 *
 * The texts are those of the Admin API reference, 1.4, 1.7 to 1.9. HTTP statuses of errors are decided here
 * and nowhere else. An answer is filled once; filling it again replaces it.
 *
 * Threads: any; an answer belongs to its request's current thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "admin/version.h"
#include "gateway/base/attributes.h"
#include "gateway/base/str.h"
#include "gateway/model/document.h"
#include "gateway/model/schema.h"
#include "gateway/store/store.h"

/* How a body is made that is too large to be made at once; a constant. */
struct answer_source {
    /* Adds the next piece to `out`, if there is one yet; on the loop, so in a fraction of a millisecond.
     * false: that was the last. */
    bool (*more)(void *state, struct buf *out);
    void (*close)(void *state);
};

struct answer {
    int status;
    const char *type; /* of the body; NULL: there is none */
    char *body;       /* owned */
    const char *text; /* the body in its place: a constant, or something that outlives the request */
    size_t body_len;
    const struct answer_source *source; /* the body in their place; NULL: it is there */
    void *source_state;                 /* owned */
    uint64_t position;                  /* 0: no Freshet-Position */
    char *laggards;                     /* owned; NULL: no Freshet-Laggards */
    char *cache_key;                    /* owned; NULL: no X-Cache-Key */
    char etag[VERSION_TEXT_SIZE];       /* "": no ETag */
    const char *allow;                  /* answers to OPTIONS; a constant or the request's */
    const char *challenge;              /* a constant; NULL: no WWW-Authenticate */
    bool close;                         /* the connection is of no further use */
};
void answer_fini(struct answer *answer);

/* Takes `json`. */
void answer_json(struct answer *answer, int status, cJSON *json);
void answer_empty(struct answer *answer, int status);
/* Takes `state`. */
void answer_pieces(struct answer *answer, const char *type, const struct answer_source *source, void *state);
void answer_text(struct answer *answer, int status, const char *type, const char *text);
/* JSON that outlives the request. */
void answer_constant(struct answer *answer, struct str json);
/* {"message":"..."} */
void answer_message(struct answer *answer, int status, const char *format, ...) PRINTF_LIKE(3, 4);
void answer_not_found(struct answer *answer);

/* The error object. `fields` is taken; NULL: left out. */
enum answer_code {
    ANSWER_INVALID_PRIMARY_KEY = 1,
    ANSWER_SCHEMA_VIOLATION = 2,
    ANSWER_PRIMARY_KEY_VIOLATION = 3,
    ANSWER_FOREIGN_KEY_VIOLATION = 4,
    ANSWER_UNIQUE_VIOLATION = 5,
    ANSWER_NOT_FOUND = 6,
    ANSWER_INVALID_OFFSET = 7,
    ANSWER_INVALID_SIZE = 9,
    ANSWER_INVALID_UNIQUE = 10,
    ANSWER_INVALID_OPTIONS = 11,
    ANSWER_UNRESOLVED = 13,
};
void answer_error(struct answer *answer, enum answer_code code, cJSON *fields, const char *message);
/* Code 10: the text in the URL cannot be a value of `field`. */
void answer_invalid_unique(struct answer *answer, const char *field, const char *message);
/* Code 11, of one option. */
void answer_invalid_option(struct answer *answer, const char *option, const char *message);
void answer_violations(struct answer *answer, const struct violations *violations);
/* Code 6; `key` is taken. */
void answer_missing(struct answer *answer, cJSON *key);

/* What the store could not do with an entity of `schema`; NULL: with none in particular. */
void answer_store_error(struct answer *answer, const struct schema *schema, const struct store_error *error);
