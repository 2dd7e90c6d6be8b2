#pragma once

/*
 * x509 - what PEM texts of certificates and keys say. OpenSSL stays inside.
 *
 * "{vault://...}" names a secret elsewhere; who calls asks for that first. Reasons are
 * OpenSSL's short words, never parts of the text: a private key must not reach a log.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    X509_DIGEST_SIZE = 65, /* hexadecimal and NUL */
    X509_REASON_SIZE = 128
};

/* The first certificate of a chain. */
bool x509_certificate_is_valid(const char *pem, char reason[X509_REASON_SIZE]);
bool x509_private_key_is_valid(const char *pem, char reason[X509_REASON_SIZE]);
/* A private key has a public one in it. */
bool x509_public_key_is_valid(const char *pem);
size_t x509_certificate_count(const char *pem);

/* Of valid ones. */
bool x509_key_fits(const char *certificate, const char *key);
bool x509_has_same_kind_of_key(const char *certificate, const char *other);
bool x509_has_expired(const char *certificate, int64_t now_unix_s);
bool x509_is_authority(const char *certificate);
/* SHA-256 of the DER form; false: no certificate. */
bool x509_digest(const char *certificate, char hex[X509_DIGEST_SIZE]);
