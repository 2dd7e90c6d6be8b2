/*
 * tls_reader - see tls_reader.h.
 *
 * A BIO of ours stands before h2o's. It reads from the piece that was just received, which is always used up:
 * OpenSSL keeps the beginning of a record itself. It writes to h2o's, but not while we read: what OpenSSL has
 * to say then (an alert; key updates wait for the next write) would lie among h2o's next write, which h2o
 * asserts is not so. As h2o does it, such a connection counts as broken.
 */

#include "gateway/http/tls_reader.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/bio.h>
#include <openssl/err.h>

#include "gateway/base/mem.h"

struct tls_reader {
    h2o_socket_t *sock;
    SSL *ssl;
    BIO *below;     /* h2o's */
    const char *at; /* what is left of the piece */
    size_t left;
    bool reading;
    bool ended;  /* the peer has said so */
    bool broken; /* nothing more will come of it */
};

static int read_piece(BIO *bio, char *to, int length)
{
    struct tls_reader *reader = BIO_get_data(bio);
    size_t count = reader->left < (size_t)length ? reader->left : (size_t)length;

    BIO_clear_retry_flags(bio);
    if (count == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(to, reader->at, count);
    reader->at += count;
    reader->left -= count;
    return (int)count;
}

static int write_below(BIO *bio, const char *from, int length)
{
    struct tls_reader *reader = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (!reader->reading)
        return BIO_write(reader->below, from, length);
    reader->broken = true;
    return -1;
}

/* NOLINTNEXTLINE(google-runtime-int): OpenSSL's signature */
static long control(BIO *bio, int command, long number, void *more)
{
    (void)bio;
    (void)number;
    (void)more;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method; /* made once, for all threads */

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tls_reader");
    assert(method != NULL);
    (void)BIO_meth_set_read(method, read_piece);
    (void)BIO_meth_set_write(method, write_below);
    (void)BIO_meth_set_ctrl(method, control);
}

/* Opens records until another one is not complete. */
static void open_records(struct tls_reader *reader)
{
    int count;

    reader->reading = true;
    do {
        size_t least = reader->left > 4096 ? reader->left : 4096;
        h2o_iovec_t room = h2o_buffer_reserve(&reader->sock->input, least);

        ERR_clear_error();
        count = room.base != NULL ? SSL_read(reader->ssl, room.base, (int)room.len) : -1;
        reader->sock->input->size += count > 0 ? (size_t)count : 0;
        reader->broken |= room.base == NULL;
    } while (count > 0);
    reader->reading = false;
    if (reader->broken)
        return;
    int why = SSL_get_error(reader->ssl, count);
    reader->ended = why == SSL_ERROR_ZERO_RETURN;
    reader->broken = !reader->ended && why != SSL_ERROR_WANT_READ;
}

struct tls_reader *tls_reader_new(h2o_socket_t *sock, SSL *ssl)
{
    struct tls_reader *reader = mem_zalloc(sizeof(*reader));

    (void)pthread_once(&once, make_method);
    BIO *bio = BIO_new(method);
    assert(bio != NULL);
    *reader = (struct tls_reader){.sock = sock, .ssl = ssl, .below = SSL_get_rbio(ssl)};
    BIO_set_data(bio, reader);
    BIO_set_init(bio, 1);
    (void)BIO_up_ref(reader->below);
    (void)BIO_up_ref(bio);
    SSL_set0_wbio(ssl, bio);
    open_records(reader); /* of what h2o had read behind the handshake */
    SSL_set0_rbio(ssl, bio);
    return reader;
}

void tls_reader_free(struct tls_reader *reader)
{
    if (reader == NULL)
        return;
    (void)BIO_up_ref(reader->below);
    SSL_set0_rbio(reader->ssl, reader->below);
    SSL_set0_wbio(reader->ssl, reader->below);
    free(reader);
}

ssize_t tls_reader_read(struct tls_reader *reader, size_t most)
{
    char piece[TLS_READER_MOST];
    ssize_t count = -1;

    if (reader->broken)
        errno = EPROTO;
    else if (reader->ended)
        count = 0;
    else
        do
            count =
                recv(h2o_socket_get_fd(reader->sock), piece, most < sizeof(piece) ? most : sizeof(piece), 0);
        while (count < 0 && errno == EINTR);
    if (count <= 0)
        return count;
    size_t before = reader->sock->input->size;
    reader->at = piece;
    reader->left = (size_t)count;
    open_records(reader);
    reader->at = NULL;
    reader->left = 0;
    if (reader->sock->input->size > before || (!reader->broken && !reader->ended))
        return count; /* an end is told next time, when what came before it has been taken */
    errno = EPROTO;
    return reader->broken ? -1 : 0;
}
