#pragma once

/*
 * tls_reader - reads from a TLS connection of h2o's in pieces whose size we choose.
 *
 * h2o reads all that the kernel has, whoever may want it, and opens all of it at once: half a megabyte for
 * each client that does not take its answer. So h2o is told not to read; its OpenSSL is given what we have
 * received. Writing and closing stay h2o's.
 *
 * Threads: the loop's.
 */

#include <stddef.h>
#include <sys/types.h>

#include <h2o.h>
#include <openssl/ssl.h>

#include "gateway/base/attributes.h"

struct tls_reader;

enum {
    TLS_READER_MOST = 64 * 1024 /* bytes of one read */
};

/* After the handshake; ssl: the socket's. h2o must not read from it meanwhile (h2o_socket_dont_read()). */
struct tls_reader *tls_reader_new(h2o_socket_t *sock, SSL *ssl);
/* Before the socket is closed, or goes to somebody who lets h2o read. NULL is fine. */
void tls_reader_free(struct tls_reader *reader);

/*
 * What is in it goes to the end of the socket's input, which may be nothing yet. Returns the bytes that were
 * received, at most `most`; 0: the end; -1: see errno, EAGAIN: nothing is there, EPROTO: this is no TLS.
 */
ssize_t tls_reader_read(struct tls_reader *reader, size_t most) MUST_CHECK;
