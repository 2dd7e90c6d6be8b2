#pragma once

/*
 * tls_authority - a certificate that is trusted to sign others.
 *
 * Threads: making and counting: one at a time. Using it: any, as long as somebody holds a reference.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/digest.h"
#include "gateway/base/err.h"

struct tls_authority;
struct x509_store_st; /* OpenSSL's X509_STORE */

/* From PEM. */
bool tls_authority_new(const char *pem, struct tls_authority **authority, struct err *err) MUST_CHECK;
struct tls_authority *tls_authority_ref(struct tls_authority *authority);
void tls_authority_unref(struct tls_authority *authority);

/* Says which certificates they are: sets with the same one are the same. */
void tls_authorities_digest(const struct tls_authority *const *set, size_t count, struct digest *digest);
/* Adds them to the store. */
bool tls_authorities_add(const struct tls_authority *const *set, size_t count, struct x509_store_st *store,
                         struct err *err) MUST_CHECK;

/*
 * What is in a setting: a list with commas, each item `system`, a path, PEM, or base64 of PEM. The store is
 * the caller's. Reads files.
 */
bool tls_authorities_load(const char *list, struct x509_store_st **store, struct err *err) MUST_CHECK;
