#pragma once

/*
 * hmac_signature - a signed request: the line that has the signature, and the text that was signed (plugin
 * reference, 4).
 *
 * Threads: the exchange's loop; results are in its memory or part of the line.
 */

#include <stdbool.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

struct exchange;

enum {
    HMAC_NAMES_MAX = 100,       /* in `headers`: as many as a request can have */
    HMAC_TEXT_MAX = 128 * 1024, /* of a signed text: a short line could name a long header often */
    HMAC_BODY_MAX =
        1024 * 1024, /* of a body that is hashed on the loop: 0.5 ms where the processor helps, else 3 */
};

struct hmac_signature {
    struct str username, algorithm;
    struct str names;     /* what was signed, in order, between blanks */
    struct str signature; /* base64 */
};

/* hmac username="..", algorithm="..", headers="..", signature="..". None of them is empty. */
bool hmac_signature_parse(struct str line, struct hmac_signature *signature) MUST_CHECK;
/* Is that header, or "request-line" or "@request-target", part of what was signed? In any case of letters. */
bool hmac_signature_covers(const struct hmac_signature *signature, struct str name);
/* What has to be signed of a request. at == NULL: too much. */
struct str hmac_signature_text(struct exchange *exchange, const struct hmac_signature *signature);
/* In constant time. `algorithm`: "hmac-sha256"; one that is not known matches nothing. */
bool hmac_signature_matches(struct exchange *exchange, const struct hmac_signature *signature,
                            struct str secret, struct str text);
/* Does Digest: SHA-256=.. say what the body is? Without the header an empty one passes. */
bool hmac_signature_covers_body(struct exchange *exchange);
