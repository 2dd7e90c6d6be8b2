#pragma once

/*
 * jwt_token - a JSON Web Token in compact form (RFC 7519; RFC 7515, section 7.1): its parts, and what its
 * claims about time are worth.
 *
 * Threads: the exchange's loop. A token belongs to its caller; what it points to is in the exchange's memory
 * or part of the text, but for the JSON.
 */

#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

struct exchange;

struct jwt_token {
    struct str signed_text; /* header and claims as they were sent */
    struct str signature;   /* its bytes */
    struct str algorithm;   /* as the token has it; for comparing only */
    cJSON *header, *claims; /* objects, owned */
};

/* What is wrong with the text; NULL: nothing, and *token has to be ended. */
const char *jwt_token_parse(struct exchange *exchange, struct str text, struct jwt_token *token) MUST_CHECK;
void jwt_token_fini(struct jwt_token *token);

/* The claim, or else the member of the header. at == NULL: there is none; len 0: it is no text. */
struct str jwt_token_key(const struct jwt_token *token, const char *name);

enum jwt_claims {
    JWT_EXP = 1 << 0,
    JWT_NBF = 1 << 1,
};
struct jwt_demands {
    unsigned claims;  /* jwt_claims that are looked at */
    double maximum_s; /* how far away `exp` may be; 0: any */
};
/* The body of the answer to one whose time is not now; at == NULL: it is. now_s: since 1970. */
struct str jwt_token_untimely(struct exchange *exchange, const struct jwt_token *token,
                              const struct jwt_demands *demands, int64_t now_s);
