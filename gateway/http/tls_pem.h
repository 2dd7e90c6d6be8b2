#pragma once

/*
 * tls_pem - PEM texts, and settings that name them.
 *
 * Threads: any. tls_pem_load() reads files.
 */

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

/* What OpenSSL complains about, as the reason why `what` cannot be done. Returns false. */
bool tls_failed(struct err *err, const char *what, const char *which);

/* The first certificate of a text, and the rest as its chain; NULL chain: only one is wanted. */
bool tls_pem_certificate(const char *text, X509 **certificate, STACK_OF(X509) * *chain,
                         struct err *err) MUST_CHECK;
/* Nobody is asked for a password. */
bool tls_pem_key(const char *text, EVP_PKEY **key, struct err *err) MUST_CHECK;

/*
 * The item of a setting: a path, PEM, or base64 of PEM. *text is the caller's, to be freed with
 * tls_pem_forget().
 */
bool tls_pem_load(const char *item, char **text, struct err *err) MUST_CHECK;
void tls_pem_forget(char *text);

/* The next item of a list with commas, without blanks, or NULL; *list is moved on. The caller frees it. */
char *tls_pem_next_item(const char **list);
