#pragma once

/*
 * user_credential - a user name and a secret of a consumer: the rows of basic-auth and hmac-auth.
 *
 * Threads: any; immutable once decoded.
 */

#include <stdint.h>

#include "gateway/base/err.h"
#include "gateway/base/uuid.h"
#include "gateway/model/entities.h"
#include "gateway/model/pack.h"

/* One block of memory. */
struct user_credential {
    struct uuid id;
    struct uuid consumer;
    char *username;
    char *secret; /* of basic-auth: the hash of a password. NULL: none */
    struct texts tags;
    int64_t created_at;
};

/* `field` is what the rows call the secret. false: without id, consumer or user name. */
bool user_credential_pack(struct packer *packer, const cJSON *document, const char *field,
                          struct user_credential *credential, struct err *err) MUST_CHECK;
/* As GET /cache/{key} shows it. The caller owns it. */
cJSON *user_credential_show(const struct user_credential *credential, const char *field);
