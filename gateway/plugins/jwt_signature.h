#pragma once

/*
 * jwt_signature - algorithms of JSON Web Signatures (RFC 7518, section 3), by OpenSSL.
 *
 * Threads: any.
 */

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

struct jwt_algorithm;
struct evp_pkey_st; /* of OpenSSL */

/* NULL: there is none of that name. "none" is no algorithm. */
const struct jwt_algorithm *jwt_algorithm_find(struct str name);

/* What a signature is checked with; each algorithm takes its own. */
struct jwt_verifier {
    struct str secret;              /* at == NULL: none */
    struct evp_pkey_st *public_key; /* NULL: none; borrowed */
};

enum jwt_verdict {
    JWT_GENUINE,
    JWT_FORGED,
    JWT_NO_KEY, /* the verifier has nothing that this algorithm could use */
};
/* About 1 us with a secret, 15 to 40 with a public key of the usual size. */
enum jwt_verdict jwt_signature_check(const struct jwt_algorithm *algorithm,
                                     const struct jwt_verifier *verifier, struct str text,
                                     struct str signature) MUST_CHECK;
