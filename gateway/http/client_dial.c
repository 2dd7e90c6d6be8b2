/*
 * client_dial - see client_dial.h.
 */

#include "gateway/http/client_dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/base/network.h"
#include "gateway/http/socket_option.h"
#include "gateway/http/tls_client.h"
#include "gateway/io/loop.h"

static void fail(struct client_dial *dial, enum client_failure failure)
{
    client_dial_stop(dial);
    dial->on_failed(dial, failure);
}

static void succeed(struct client_dial *dial)
{
    h2o_socket_t *sock = dial->sock;

    dial->sock = NULL;
    dial->on_connected(dial, sock);
}

static void on_handshake(h2o_socket_t *sock, const char *error)
{
    struct client_dial *dial = sock->data;
    bool verify = dial->request->tls->verify;

    /* OpenSSL has checked what was to be checked; h2o's own look at the name knows neither addresses nor our
     * wish. */
    if (error == h2o_socket_error_ssl_cert_name_mismatch ||
        (!verify && (error == h2o_socket_error_ssl_cert_invalid || error == h2o_socket_error_ssl_no_cert)))
        error = NULL;
    if (error != NULL)
        fail(dial, CLIENT_TLS_FAILED);
    else
        succeed(dial);
}

/*
 * The only place where h2o's SSL shows. h2o needs a name to be the client; an address is none that servers
 * may be sent (RFC 6066, section 3).
 */
static void on_handshake_state(const SSL *ssl, int where, int value)
{
    (void)value;
    if ((where & SSL_CB_HANDSHAKE_START) == 0 || SSL_get_state(ssl) != TLS_ST_BEFORE)
        return;
    h2o_socket_t *sock = BIO_get_data(SSL_get_rbio(ssl)); /* h2o's BIO leads there */
    struct client_dial *dial = sock->data;
    dial->ssl = (SSL *)(uintptr_t)ssl; /* NOLINT(performance-no-int-to-ptr) */
    if (!tls_client_has_host_name(dial->request->tls))
        (void)SSL_set_tlsext_host_name(dial->ssl, NULL);
}

void client_dial_prepare(SSL_CTX *tls)
{
    SSL_CTX_set_info_callback(tls, on_handshake_state);
}

static void start_handshake(struct client_dial *dial)
{
    const struct client_request *request = dial->request;
    struct str name = request->tls->server_name;
    char address[NETWORK_TEXT_SIZE];

    if (name.at != NULL && name.len > 0) {
        char *text = mem_strndup(name.at, name.len);
        h2o_socket_ssl_handshake(dial->sock, dial->tls, text, on_handshake); /* which copies it */
        free(text);
        return;
    }
    /* A name makes h2o the client, so there has to be one; it is taken out again. */
    (void)network_text(&request->address, address);
    h2o_socket_ssl_handshake(dial->sock, dial->tls, address, on_handshake);
}

static void on_connected(h2o_socket_t *sock, const char *error)
{
    struct client_dial *dial = sock->data;

    if (error != NULL)
        fail(dial, CLIENT_REFUSED);
    else if (dial->tls != NULL)
        start_handshake(dial);
    else
        succeed(dial);
}

/* These say something about us, not about the upstream. */
static bool is_shortage(int why)
{
    return why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM || why == EADDRNOTAVAIL;
}

bool client_dial_start(struct client_dial *dial, enum client_failure *failure)
{
    union {
        struct sockaddr_storage storage;
        struct sockaddr any;
    } address = {.storage = dial->request->address};

    errno = 0;
    dial->ssl = NULL;
    dial->sock =
        h2o_socket_connect(loop_h2o(dial->loop), &address.any, dial->request->address_length, on_connected);
    if (dial->sock == NULL) {
        *failure = is_shortage(errno) ? CLIENT_SHORTAGE : CLIENT_REFUSED;
        return false;
    }
    dial->sock->data = dial;
    /* Our own timers come first, and know what it was. */
    socket_option_limit_silence(dial->sock, 3 * (int64_t)dial->request->write_ms);
    metrics_add(METRIC_UPSTREAM_CONNECTS, 1);
    return true;
}

void client_dial_stop(struct client_dial *dial)
{
    if (dial->sock != NULL)
        h2o_socket_close(dial->sock);
    dial->sock = NULL;
}
