/*
 * tls - see tls.h.
 *
 * What is shown is chosen in the ClientHello callback: it is the only one that comes before OpenSSL looks at
 * a session to resume, and a session must not be resumed under another certificate (tls_identity_show() gives
 * each one a session context of its own). All names share one SSL_CTX, so ticket keys, protocols and ciphers
 * are the same for all, and a certificate costs the memory of its key and not that of a context.
 */

#include "gateway/http/tls.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <h2o.h>

#include "gateway/base/mem.h"
#include "gateway/http/front.h"
#include "gateway/http/h2_watch.h"
#include "gateway/http/tls_identity.h"
#include "gateway/http/tls_pem.h"
#include "gateway/http/tls_policy.h"
#include "gateway/http/tls_self_signed.h"

enum {
    LIST_HEAD_BYTES = 5 /* of a list of names: length, type of the first, its length */
};

/* h2o's BIO leads there. */
static struct front_connection *connection_of(const SSL *ssl)
{
    h2o_socket_t *sock = BIO_get_data(SSL_get_rbio(ssl));

    return sock != NULL ? sock->on_close.data : NULL;
}

static bool is_host_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' ||
           byte == '_';
}

struct str tls_server_name(struct str extension, char to[TLS_NAME_MAX + 1])
{
    const unsigned char *at = (const unsigned char *)extension.at;

    if (extension.at == NULL || extension.len < LIST_HEAD_BYTES || at[2] != TLSEXT_NAMETYPE_host_name)
        return STR_NONE;
    size_t length = (size_t)at[3] << 8 | at[4];
    if (length == 0 || length > TLS_NAME_MAX || length > extension.len - LIST_HEAD_BYTES)
        return STR_NONE;
    for (size_t i = 0; i < length; i++) {
        char byte = extension.at[LIST_HEAD_BYTES + i];

        to[i] = byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
        if (!is_host_byte(to[i]))
            return STR_NONE;
    }
    to[length] = '\0';
    return (struct str){to, length};
}

static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
    const struct front_connection *connection = connection_of(ssl);
    const unsigned char *bytes = NULL;
    size_t length = 0;
    char name[TLS_NAME_MAX + 1];

    (void)arg;
    *alert = SSL_AD_HANDSHAKE_FAILURE;
    if (connection == NULL || connection->server->show == NULL)
        return SSL_CLIENT_HELLO_ERROR;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &length) != 1)
        bytes = NULL;
    struct str asked = tls_server_name((struct str){(const char *)bytes, length}, name);
    const struct front_server *server = connection->server;
    return server->show(server->arg, connection->at->loop, asked, ssl) ? SSL_CLIENT_HELLO_SUCCESS
                                                                       : SSL_CLIENT_HELLO_ERROR;
}

static const unsigned char http_1[] = "\x8http/1.1";
static const unsigned char http_2[] = "\x2h2\x8http/1.1";

/* Ours first. A client that offers neither gets HTTP/1.1 without a word. */
static int on_protocols(SSL *ssl, const unsigned char **chosen, unsigned char *length,
                        const unsigned char *offered, unsigned offered_length, void *arg)
{
    struct front_connection *connection = connection_of(ssl);
    bool http2 = connection != NULL && connection->listener->http2;
    const unsigned char *ours = http2 ? http_2 : http_1;
    unsigned ours_length = (unsigned)(http2 ? sizeof(http_2) : sizeof(http_1)) - 1;
    unsigned char *found;

    (void)arg;
    if (SSL_select_next_proto(&found, length, ours, ours_length, offered, offered_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *chosen = found;
    if (*length == 2 && !connection->h2.spoken)
        h2_watch_start(connection, ssl);
    return SSL_TLSEXT_ERR_OK;
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
        return tls_failed(err, "read certificates of authorities from", ca_file);
    }
    SSL_CTX_set_client_CA_list(tls, names);
    (void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(tls), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(tls, on_client_certificate, NULL);
    (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(tls, SSL_OP_NO_TICKET);
    return true;
}

static bool set_identity(SSL_CTX *tls, const struct tls_server *server, struct err *err)
{
    struct tls_identity *identity = NULL;

    if (server->by_name) {
        SSL_CTX_set_client_hello_cb(tls, on_client_hello, NULL);
        return true;
    }
    bool ok = server->certificates != NULL
                  ? tls_identity_load(server->certificates, server->keys, &identity, err)
                  : tls_self_signed_new(&identity, err);
    ok = ok && tls_identity_use(identity, tls, err);
    tls_identity_unref(identity);
    return ok;
}

bool tls_server_new(const struct tls_server *server, SSL_CTX **tls, const char **setting, struct err *err)
{
    static const unsigned char session_context[] = "freshet";
    static const struct tls_policy usual = {.suite = NULL};
    SSL_CTX *made = SSL_CTX_new(TLS_server_method());
    const char *wrong;

    if (made == NULL)
        return tls_failed(err, "make a TLS context", NULL);
    (void)SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_session_id_context(made, session_context, sizeof(session_context) - 1);
    (void)SSL_CTX_set_tlsext_servername_callback(made, on_server_name);
    SSL_CTX_set_alpn_select_cb(made, on_protocols, NULL);
    if (!tls_policy_apply(server->policy != NULL ? server->policy : &usual, made,
                          setting != NULL ? setting : &wrong, err) ||
        !set_identity(made, server, err) ||
        (server->client_ca_file != NULL && !ask_for_certificates(made, server->client_ca_file, err))) {
        SSL_CTX_free(made);
        return false;
    }
    *tls = made;
    return true;
}

static bool digest_list(EVP_MD_CTX *digest, const char *list, struct err *err)
{
    char *item;
    bool ok = true;

    while (ok && (item = tls_pem_next_item(&list)) != NULL) {
        char *text;

        ok = tls_pem_load(item, &text, err);
        tls_pem_forget(item);
        if (!ok)
            break;
        (void)EVP_DigestUpdate(digest, text, strlen(text) + 1);
        tls_pem_forget(text);
    }
    return ok;
}

bool tls_server_digest(const struct tls_server *server, uint8_t digest[TLS_DIGEST_SIZE], struct err *err)
{
    const char *const lists[] = {server->certificates, server->keys, server->client_ca_file};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = (context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1) ||
              tls_failed(err, "make a digest", NULL);

    for (size_t i = 0; ok && i < COUNT(lists); i++) {
        const unsigned char mark = lists[i] != NULL ? 1 : 0; /* which of them there are counts as well */
        (void)EVP_DigestUpdate(context, &mark, sizeof(mark));
        ok = lists[i] == NULL || digest_list(context, lists[i], err);
    }
    if (ok)
        ok = EVP_DigestFinal_ex(context, digest, NULL) == 1 || tls_failed(err, "make a digest", NULL);
    EVP_MD_CTX_free(context);
    return ok;
}
