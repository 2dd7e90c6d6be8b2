/*
 * tls_pem - see tls_pem.h.
 */

#include "gateway/http/tls_pem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "gateway/base/mem.h"
#include "gateway/base/str.h"

enum {
    FILE_BYTES_MAX = 4 * 1024 * 1024 /* a list of all authorities there are has 250 KB */
};

bool tls_failed(struct err *err, const char *what, const char *which)
{
    char why[160];

    ERR_error_string_n(ERR_peek_last_error(), why, sizeof(why));
    ERR_clear_error();
    return err_set(err, ERR_INVALID, "cannot %s%s%s: %s", what, which != NULL ? " " : "",
                   which != NULL ? which : "", why);
}

static bool is_reference(const char *text)
{
    return strncmp(text, "{vault://", strlen("{vault://")) == 0;
}

static bool refuse_reference(const char *text, struct err *err)
{
    return !is_reference(text) ||
           err_set(err, ERR_INVALID, "references to vaults ({vault://...}) are not resolved here");
}

bool tls_pem_certificate(const char *text, X509 **certificate, STACK_OF(X509) * *chain, struct err *err)
{
    X509 *first = NULL;
    STACK_OF(X509) *rest = sk_X509_new_null();
    X509 *next;

    if (!refuse_reference(text, err)) {
        sk_X509_free(rest);
        return false;
    }
    BIO *bytes = BIO_new_mem_buf(text, -1);
    if (bytes != NULL && rest != NULL)
        first = PEM_read_bio_X509(bytes, NULL, NULL, NULL);
    bool ok = first != NULL || tls_failed(err, "read a certificate", NULL);
    while (ok && chain != NULL && (next = PEM_read_bio_X509(bytes, NULL, NULL, NULL)) != NULL)
        ok = sk_X509_push(rest, next) > 0;
    ERR_clear_error(); /* of the end of the text */
    BIO_free(bytes);
    if (ok && chain != NULL)
        *chain = rest;
    else
        sk_X509_pop_free(rest, X509_free);
    if (ok)
        *certificate = first;
    return ok;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's signature */
static int no_password(char *buffer, int size, int writing, void *arg)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

bool tls_pem_key(const char *text, EVP_PKEY **key, struct err *err)
{
    if (!refuse_reference(text, err))
        return false;
    BIO *bytes = BIO_new_mem_buf(text, -1);
    EVP_PKEY *read = bytes != NULL ? PEM_read_bio_PrivateKey(bytes, NULL, no_password, NULL) : NULL;
    BIO_free(bytes);
    if (read == NULL)
        return tls_failed(err, "read a key", NULL);
    *key = read;
    return true;
}

static bool read_file(const char *path, char **text, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_set(err, ERR_IO, "cannot read %s: %s", path, strerror(errno));
    char *bytes = mem_alloc(FILE_BYTES_MAX + 1);
    size_t count = fread(bytes, 1, FILE_BYTES_MAX, file);
    bool ok = (ferror(file) == 0 && feof(file) != 0) ||
              err_set(err, ERR_IO, "cannot read %s: %s", path,
                      ferror(file) != 0 ? strerror(errno) : "it is larger than 4 MiB");
    (void)fclose(file); /* it was only read */
    if (ok)
        *text = mem_strndup(bytes, count);
    OPENSSL_cleanse(bytes, count);
    free(bytes);
    return ok;
}

/* NULL: it is no base64 of PEM. */
static char *from_base64(const char *item)
{
    size_t length = strlen(item);
    char *text = mem_zalloc(length + 1);
    int count = length % 4 == 0 && length < FILE_BYTES_MAX
                    ? EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)item, (int)length)
                    : -1;

    if (count > 0 && strstr(text, "-----BEGIN") != NULL)
        return text;
    free(text);
    return NULL;
}

bool tls_pem_load(const char *item, char **text, struct err *err)
{
    if (!refuse_reference(item, err))
        return false;
    if (strstr(item, "-----BEGIN") != NULL) {
        *text = mem_strdup(item);
        return true;
    }
    char *decoded = from_base64(item);
    if (decoded == NULL)
        return read_file(item, text, err);
    *text = decoded;
    return true;
}

void tls_pem_forget(char *text)
{
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

char *tls_pem_next_item(const char **list)
{
    const char *at = *list;

    if (at == NULL || *at == '\0')
        return NULL;
    size_t length = strcspn(at, ",");
    *list = at + length + (at[length] == ',' ? 1 : 0);
    struct str item = str_trim((struct str){at, length});
    return mem_strndup(item.at, item.len);
}
