/*
 * tls - see tls.h.
 *
 * h2o checks a peer's name only under TLS 1.2; here OpenSSL does it, for every version, through the verify
 * parameters of a context that belongs to one name (h2o.md section 8.2).
 */

#include "gateway/http/tls.h"

#include <string.h>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <h2o.h>

#include "gateway/base/mem.h"
#include "gateway/base/random.h"
#include "gateway/http/client.h"
#include "gateway/http/front.h"

static bool openssl_failed(struct err *err, const char *what, const char *which)
{
    char why[160];

    ERR_error_string_n(ERR_peek_last_error(), why, sizeof(why));
    ERR_clear_error();
    return err_set(err, ERR_INVALID, "cannot %s%s%s: %s", what, which != NULL ? " " : "",
                   which != NULL ? which : "", why);
}

/* P-256: every client knows it, and a key takes microseconds. */
static bool make_pair(EVP_PKEY **key, X509 **certificate)
{
    X509_NAME *name;
    uint64_t serial = random_u64() >> 1;

    *key = EVP_EC_gen("P-256");
    *certificate = X509_new();
    if (*key == NULL || *certificate == NULL)
        return false;
    name = X509_get_subject_name(*certificate);
    return X509_set_version(*certificate, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(*certificate), serial) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(*certificate), 0) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(*certificate), /* offset_day= */ 3650, 0, NULL) != NULL &&
           X509_set_pubkey(*certificate, *key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(*certificate, name) == 1 && X509_sign(*certificate, *key, EVP_sha256()) > 0;
}

static bool use_own_pair(SSL_CTX *tls, struct err *err)
{
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    bool used = make_pair(&key, &certificate) && SSL_CTX_use_certificate(tls, certificate) == 1 &&
                SSL_CTX_use_PrivateKey(tls, key) == 1;

    X509_free(certificate);
    EVP_PKEY_free(key);
    return used || openssl_failed(err, "make a self-signed certificate", NULL);
}

/* Leaves the name the client asked for with its connection; h2o's BIO leads there. */
/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's signature */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    h2o_socket_t *sock = BIO_get_data(SSL_get_rbio(ssl));
    struct front_connection *connection = sock != NULL ? sock->on_close.data : NULL;

    (void)alert;
    (void)arg;
    if (name != NULL && connection != NULL && connection->server_name == NULL)
        connection->server_name = mem_strdup(name);
    return SSL_TLSEXT_ERR_OK;
}

bool tls_server_new(const char *certificate_file, const char *key_file, SSL_CTX **tls, struct err *err)
{
    static char http1[] = "http/1.1";
    static const h2o_iovec_t protocols[] = {{http1, sizeof(http1) - 1}, {NULL, 0}};
    static const unsigned char session_context[] = "freshet";
    SSL_CTX *made = SSL_CTX_new(TLS_server_method());

    if (made == NULL)
        return openssl_failed(err, "make a TLS context", NULL);
    if (SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION) != 1)
        goto fail;
    (void)SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                        SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_session_id_context(made, session_context, sizeof(session_context) - 1);
    (void)SSL_CTX_set_tlsext_servername_callback(made, on_server_name);
    h2o_ssl_register_alpn_protocols(made, protocols);
    if (certificate_file == NULL) {
        if (!use_own_pair(made, err))
            goto out;
    } else if (SSL_CTX_use_certificate_chain_file(made, certificate_file) != 1) {
        (void)openssl_failed(err, "read certificate", certificate_file);
        goto out;
    } else if (SSL_CTX_use_PrivateKey_file(made, key_file, SSL_FILETYPE_PEM) != 1) {
        (void)openssl_failed(err, "use key", key_file);
        goto out;
    }
    *tls = made;
    return true;
fail:
    (void)openssl_failed(err, "set up TLS", NULL);
out:
    SSL_CTX_free(made);
    return false;
}

static bool is_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static bool set_authorities(SSL_CTX *tls, const char *ca_file, X509_STORE *authorities)
{
    if (authorities != NULL)
        SSL_CTX_set1_cert_store(tls, authorities);
    else if (ca_file != NULL)
        return SSL_CTX_load_verify_locations(tls, ca_file, NULL) == 1;
    else
        return SSL_CTX_set_default_verify_paths(tls) == 1;
    return true;
}

static bool set_verification(SSL_CTX *tls, const struct client_tls *client, X509_STORE *authorities)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(tls);
    bool set = set_authorities(tls, client->ca_file, authorities);

    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    if (client->verify_depth > 0)
        SSL_CTX_set_verify_depth(tls, client->verify_depth);
    if (!set || client->server_name.at == NULL)
        return set;
    char *name = mem_strndup(client->server_name.at, client->server_name.len);
    if (is_address(name))
        set = X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
    else
        set = X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;
    free(name);
    return set;
}

bool tls_client_new(const struct client_tls *client, X509_STORE *authorities, SSL_CTX **tls, struct err *err)
{
    SSL_CTX *made = SSL_CTX_new(TLS_client_method());

    if (made == NULL)
        return openssl_failed(err, "make a TLS context", NULL);
    (void)SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION) != 1 ||
        (client->verify && !set_verification(made, client, authorities))) {
        (void)openssl_failed(err, "set up TLS with CA file", client->ca_file);
        SSL_CTX_free(made);
        return false;
    }
    *tls = made;
    return true;
}
