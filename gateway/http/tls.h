#pragma once

/*
 * tls - OpenSSL contexts for both sides, with settings of this decade.
 *
 * Threads: server contexts are made on main and shared; client contexts belong to their loop.
 */

#include <stdbool.h>

#include <openssl/ssl.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

struct client_tls;

/* TLS 1.2 and later, offers http/1.1. certificate_file NULL: a self-signed pair for "localhost" is made. */
bool tls_server_new(const char *certificate_file, const char *key_file, SSL_CTX **tls,
                    struct err *err) MUST_CHECK;

/*
 * Verifies what `client` says: chain, depth, and the name or address of the peer. authorities: those of its
 * CA file, if they have been read already (a megabyte, and tens of milliseconds); shared. NULL: they are
 * read.
 */
bool tls_client_new(const struct client_tls *client, X509_STORE *authorities, SSL_CTX **tls,
                    struct err *err) MUST_CHECK;
