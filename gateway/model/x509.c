/*
 * x509 - see x509.h. Each question parses its texts anew: they are asked when an entity is written, never per
 * request.
 */

#include "gateway/model/x509.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "gateway/base/str.h"

static const char end_of_certificate[] = "-----END CERTIFICATE-----";

/* Encrypted keys are refused: nobody is there to type a password. */
static int no_password(char *buf, int size, int is_writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)is_writing;
    (void)arg;
    return 0;
}

static BIO *open_text(const char *pem)
{
    return BIO_new_mem_buf(pem, (int)strlen(pem));
}

static X509 *read_certificate(const char *pem)
{
    BIO *bio = open_text(pem);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);

    BIO_free(bio);
    return certificate;
}

static EVP_PKEY *read_private_key(const char *pem)
{
    BIO *bio = open_text(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);

    BIO_free(bio);
    return key;
}

/* Takes the errors of the last call off the thread's queue. */
static void take_reason(char reason[X509_REASON_SIZE])
{
    unsigned long code = ERR_peek_last_error();
    const char *words = code != 0 ? ERR_reason_error_string(code) : NULL;

    (void)snprintf(reason, X509_REASON_SIZE, "%s", words != NULL ? words : "not understood");
    ERR_clear_error();
}

bool x509_certificate_is_valid(const char *pem, char reason[X509_REASON_SIZE])
{
    X509 *certificate = read_certificate(pem);
    EVP_PKEY *key = certificate != NULL ? X509_get0_pubkey(certificate) : NULL;

    if (key == NULL)
        take_reason(reason);
    X509_free(certificate);
    return key != NULL;
}

bool x509_private_key_is_valid(const char *pem, char reason[X509_REASON_SIZE])
{
    EVP_PKEY *key = read_private_key(pem);

    if (key == NULL)
        take_reason(reason);
    EVP_PKEY_free(key);
    return key != NULL;
}

bool x509_public_key_is_valid(const char *pem)
{
    BIO *bio = open_text(pem);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);

    BIO_free(bio);
    if (key == NULL)
        key = read_private_key(pem);
    ERR_clear_error();
    EVP_PKEY_free(key);
    return key != NULL;
}

size_t x509_certificate_count(const char *pem)
{
    size_t count = 0;

    for (const char *at = strstr(pem, end_of_certificate); at != NULL;
         at = strstr(at + 1, end_of_certificate))
        count++;
    return count;
}

bool x509_key_fits(const char *certificate, const char *key)
{
    X509 *read = read_certificate(certificate);
    EVP_PKEY *private = read_private_key(key);
    bool fits = read != NULL && private != NULL && X509_check_private_key(read, private) == 1;

    EVP_PKEY_free(private);
    X509_free(read);
    ERR_clear_error();
    return fits;
}

static int kind_of_key(const char *certificate)
{
    X509 *read = read_certificate(certificate);
    EVP_PKEY *key = read != NULL ? X509_get0_pubkey(read) : NULL;
    int kind = key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;

    X509_free(read);
    return kind;
}

bool x509_has_same_kind_of_key(const char *certificate, const char *other)
{
    return kind_of_key(certificate) == kind_of_key(other);
}

bool x509_has_expired(const char *certificate, int64_t now_unix_s)
{
    X509 *read = read_certificate(certificate);
    time_t now = (time_t)now_unix_s;
    bool expired = read != NULL && X509_cmp_time(X509_get0_notAfter(read), &now) < 0;

    X509_free(read);
    return expired;
}

bool x509_is_authority(const char *certificate)
{
    X509 *read = read_certificate(certificate);
    bool is_authority = read != NULL && (X509_get_extension_flags(read) & EXFLAG_CA) != 0;

    X509_free(read);
    return is_authority;
}

bool x509_digest(const char *certificate, char hex[X509_DIGEST_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    X509 *read = read_certificate(certificate);
    bool ok = read != NULL && X509_digest(read, EVP_sha256(), digest, &length) == 1 && length == 32;

    for (size_t i = 0; ok && i < length; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    X509_free(read);
    ERR_clear_error();
    return ok;
}
