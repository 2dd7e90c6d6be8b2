/*
 * tls_client - see tls_client.h.
 */

#include "gateway/http/tls_client.h"

#include <stdlib.h>

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include "gateway/base/mem.h"
#include "gateway/http/client.h"
#include "gateway/http/tls_authority.h"
#include "gateway/http/tls_identity.h"
#include "gateway/http/tls_pem.h"

static bool is_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Those of the service, or the node's, or the system's. */
static bool set_authorities(SSL_CTX *tls, const struct client_tls *client, X509_STORE *authorities,
                            struct err *err)
{
    if (authorities == NULL && !client->own_authorities)
        authorities = client->trusted;
    if (authorities != NULL) {
        SSL_CTX_set1_cert_store(tls, authorities);
        return true;
    }
    if (client->own_authorities)
        return tls_authorities_add(client->authorities, client->authority_count, SSL_CTX_get_cert_store(tls),
                                   err);
    return SSL_CTX_set_default_verify_paths(tls) == 1 ||
           tls_failed(err, "use the system's authorities", NULL);
}

static bool set_name(SSL_CTX *tls, const struct client_tls *client, struct err *err)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(tls);
    char *name = mem_strndup(client->server_name.at, client->server_name.len);
    bool set = is_address(name) ? X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1
                                : X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;

    free(name);
    return set || tls_failed(err, "check a name", NULL);
}

static bool set_verification(SSL_CTX *tls, const struct client_tls *client, X509_STORE *authorities,
                             struct err *err)
{
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_verify_depth(tls, client->verify_depth);
    return set_authorities(tls, client, authorities, err) &&
           (client->server_name.at == NULL || set_name(tls, client, err));
}

static bool set_versions(SSL_CTX *tls, const struct client_tls *client, struct err *err)
{
    int lowest = client->lowest_version != 0 ? client->lowest_version : TLS1_2_VERSION;

    return (SSL_CTX_set_min_proto_version(tls, lowest) == 1 &&
            SSL_CTX_set_max_proto_version(tls, client->highest_version) == 1) ||
           tls_failed(err, "set the versions", NULL);
}

static bool set_up(SSL_CTX *tls, const struct client_tls *client, X509_STORE *authorities, struct err *err)
{
    (void)SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    return set_versions(tls, client, err) &&
           (client->identity == NULL || tls_identity_use(client->identity, tls, err)) &&
           (!client->verify || set_verification(tls, client, authorities, err));
}

bool tls_client_new(const struct client_tls *client, X509_STORE *authorities, SSL_CTX **tls, struct err *err)
{
    SSL_CTX *made = SSL_CTX_new(TLS_client_method());

    if (made == NULL)
        return tls_failed(err, "make a TLS context", NULL);
    if (!set_up(made, client, authorities, err)) {
        SSL_CTX_free(made);
        return false;
    }
    *tls = made;
    return true;
}

bool tls_client_has_host_name(const struct client_tls *client)
{
    char *name =
        client->server_name.at != NULL ? mem_strndup(client->server_name.at, client->server_name.len) : NULL;
    bool has = name != NULL && !is_address(name);

    free(name);
    return has;
}
