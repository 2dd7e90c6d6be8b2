/*
 * tls - see tls.h.
 *
 * h2o checks a peer's name only under TLS 1.2; here OpenSSL does it, for every version, through the verify
 * parameters of a context that belongs to one name (h2o.md section 8.2).
 */

#include "gateway/http/tls.h"

#include <errno.h>
#include <stdio.h>
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

/* h2o's BIO leads there. */
static struct front_connection *connection_of(const SSL *ssl)
{
    h2o_socket_t *sock = BIO_get_data(SSL_get_rbio(ssl));

    return sock != NULL ? sock->on_close.data : NULL;
}

/* Leaves the name the client asked for with its connection. */
/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's signature */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct front_connection *connection = connection_of(ssl);

    (void)alert;
    (void)arg;
    if (name != NULL && connection != NULL && connection->server_name == NULL)
        connection->server_name = mem_strdup(name);
    return SSL_TLSEXT_ERR_OK;
}

/* RFC 2253; whatever is not printable is escaped. NULL: out of memory. */
static char *subject_of(X509 *certificate)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *text = NULL;
    char *subject = NULL;

    if (memory != NULL && X509_NAME_print_ex(memory, X509_get_subject_name(certificate), /* indent= */ 0,
                                             XN_FLAG_RFC2253) >= 0) {
        long length = BIO_get_mem_data(memory, &text);
        subject = length > 0 ? mem_strndup(text, (size_t)length) : mem_strdup("");
    }
    BIO_free(memory);
    return subject;
}

/*
 * The handshake goes on whatever comes of it: h2o closes after a failed one without a word, and under TLS 1.3
 * clients take it for done before the server has seen their certificate. A request can be told what is wrong.
 * That the client has the key is proved afterwards; without that the handshake does fail.
 */
static int on_client_certificate(X509_STORE_CTX *chain, void *arg)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct front_connection *connection = connection_of(ssl);
    bool trusted = X509_verify_cert(chain) == 1;

    (void)arg;
    if (connection == NULL)
        return 0;
    if (SSL_get_SSL_CTX(ssl) != connection->listener->accept.ssl_ctx)
        connection->peer_problem = FRONT_AUTHORITIES_CHANGED;
    else if (trusted)
        connection->peer_subject = subject_of(X509_STORE_CTX_get0_cert(chain));
    else
        connection->peer_problem = X509_verify_cert_error_string(X509_STORE_CTX_get_error(chain));
    return 1;
}

/* A resumed session would show no certificate: there are none. */
static bool ask_for_certificates(SSL_CTX *tls, const char *ca_file, struct err *err)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca_file);

    if (names == NULL || SSL_CTX_load_verify_file(tls, ca_file) != 1 ||
        SSL_CTX_set_num_tickets(tls, 0) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return openssl_failed(err, "read certificates of authorities from", ca_file);
    }
    SSL_CTX_set_client_CA_list(tls, names);
    (void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(tls), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(tls, on_client_certificate, NULL);
    (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(tls, SSL_OP_NO_TICKET);
    return true;
}

static bool use_files(SSL_CTX *tls, const struct tls_server *server, struct err *err)
{
    if (SSL_CTX_use_certificate_chain_file(tls, server->certificate_file) != 1)
        return openssl_failed(err, "read certificate", server->certificate_file);
    if (SSL_CTX_use_PrivateKey_file(tls, server->key_file, SSL_FILETYPE_PEM) != 1)
        return openssl_failed(err, "use key", server->key_file);
    return true;
}

bool tls_server_new(const struct tls_server *server, SSL_CTX **tls, struct err *err)
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
    if (server->certificate_file != NULL ? !use_files(made, server, err) : !use_own_pair(made, err))
        goto out;
    if (server->client_ca_file != NULL && !ask_for_certificates(made, server->client_ca_file, err))
        goto out;
    *tls = made;
    return true;
fail:
    (void)openssl_failed(err, "set up TLS", NULL);
out:
    SSL_CTX_free(made);
    return false;
}

static bool digest_file(EVP_MD_CTX *digest, const char *path, struct err *err)
{
    unsigned char bytes[4096];
    FILE *file = fopen(path, "re");
    size_t count;

    if (file == NULL)
        return err_set(err, ERR_IO, "cannot read %s: %s", path, strerror(errno));
    while ((count = fread(bytes, 1, sizeof(bytes), file)) > 0)
        (void)EVP_DigestUpdate(digest, bytes, count);
    bool ok = ferror(file) == 0 || err_set(err, ERR_IO, "cannot read %s: %s", path, strerror(errno));
    OPENSSL_cleanse(bytes, sizeof(bytes));
    (void)fclose(file); /* it was only read */
    return ok;
}

bool tls_server_digest(const struct tls_server *server, uint8_t digest[TLS_DIGEST_SIZE], struct err *err)
{
    const char *const paths[] = {server->certificate_file, server->key_file, server->client_ca_file};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = (context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1) ||
              openssl_failed(err, "make a digest", NULL);

    for (size_t i = 0; ok && i < COUNT(paths); i++) {
        const unsigned char mark = paths[i] != NULL ? 1 : 0; /* which of them there are counts as well */
        (void)EVP_DigestUpdate(context, &mark, sizeof(mark));
        ok = paths[i] == NULL || digest_file(context, paths[i], err);
    }
    if (ok)
        ok = EVP_DigestFinal_ex(context, digest, NULL) == 1 || openssl_failed(err, "make a digest", NULL);
    EVP_MD_CTX_free(context);
    return ok;
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
