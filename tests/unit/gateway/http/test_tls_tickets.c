/* Facts about the keys of session tickets. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "gateway/base/clock.h"
#include "gateway/http/tls_identity.h"
#include "gateway/http/tls_self_signed.h"
#include "gateway/http/tls_tickets.h"

enum {
    PERIOD_S = 3600
};

static int64_t now_s;
static struct tls_identity *identity;
static const uint8_t secret[TLS_TICKETS_SECRET_SIZE] = "a", another[TLS_TICKETS_SECRET_SIZE] = "b";

static int64_t monotonic_us(void *arg)
{
    (void)arg;
    return now_s * 1000000;
}

static const struct clock hands = {.monotonic_us = monotonic_us, .wall_us = monotonic_us};

static SSL_CTX *new_server(const uint8_t *of)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    struct err err;

    assert_non_null(tls);
    assert_true(tls_identity_use(identity, tls, &err));
    assert_int_equal(SSL_CTX_set_session_id_context(tls, (const unsigned char *)"x", 1), 1);
    (void)SSL_CTX_set_timeout(tls, 100L * PERIOD_S); /* not what is looked at here */
    assert_true(tls_tickets_use(tls, of, PERIOD_S, &hands, &err));
    return tls;
}

/* The session a client has got in the end, or NULL; *resumed: whether it began with `session`. */
static SSL_SESSION *shake_hands(SSL_CTX *server, int version, SSL_SESSION *session, bool *resumed)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL *ends[2] = {SSL_new(server), SSL_new(client)};
    BIO *bios[2];
    char byte;

    assert_int_equal(BIO_new_bio_pair(&bios[0], 0, &bios[1], 0), 1);
    for (int i = 0; i < 2; i++)
        SSL_set_bio(ends[i], bios[i], bios[i]);
    (void)SSL_set_min_proto_version(ends[1], version);
    (void)SSL_set_max_proto_version(ends[1], version);
    if (session != NULL)
        assert_int_equal(SSL_set_session(ends[1], session), 1);
    SSL_set_accept_state(ends[0]);
    SSL_set_connect_state(ends[1]);
    for (int turn = 0; turn < 10; turn++)
        (void)SSL_do_handshake(ends[turn % 2 == 0 ? 1 : 0]);
    assert_true(SSL_is_init_finished(ends[0]) && SSL_is_init_finished(ends[1]));
    (void)SSL_read(ends[1], &byte, 1); /* tickets come behind the handshake of TLS 1.3 */
    *resumed = SSL_session_reused(ends[1]) == 1;
    SSL_SESSION *got = SSL_get1_session(ends[1]);
    SSL_SESSION *kept = SSL_SESSION_dup(got);
    SSL_SESSION_free(got);
    SSL_set_shutdown(ends[0], SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_set_shutdown(ends[1], SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ends[0]);
    SSL_free(ends[1]);
    SSL_CTX_free(client);
    return kept;
}

/* Whether `server` takes, `later_s` on, what `giver` has given. */
static bool is_resumed(SSL_CTX *giver, SSL_CTX *server, int version, int64_t later_s)
{
    bool resumed;

    SSL_SESSION *session = shake_hands(giver, version, NULL, &resumed);
    assert_false(resumed);
    now_s += later_s;
    SSL_SESSION_free(shake_hands(server, version, session, &resumed));
    SSL_SESSION_free(session);
    return resumed;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void a_key_opens_for_its_period_and_the_next(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        SSL_CTX *server = new_server(secret);

        now_s = 10 * PERIOD_S;
        assert_true(is_resumed(server, server, versions[i], 0));
        now_s = 10 * PERIOD_S;
        assert_true(is_resumed(server, server, versions[i], 2 * PERIOD_S - 1));
        now_s = 10 * PERIOD_S;
        assert_false(is_resumed(server, server, versions[i], 2 * PERIOD_S));
        now_s = 11 * PERIOD_S - 1;
        assert_false(is_resumed(server, server, versions[i], PERIOD_S + 1));
        SSL_CTX_free(server);
    }
}

static void the_same_secret_opens_the_same_tickets(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        SSL_CTX *before = new_server(secret), *after = new_server(secret), *stranger = new_server(another);

        assert_true(is_resumed(before, after, versions[i], 0));
        assert_false(is_resumed(before, stranger, versions[i], 0));
        SSL_CTX_free(before);
        SSL_CTX_free(after);
        SSL_CTX_free(stranger);
    }
}

static void a_session_of_the_key_before_gets_a_new_ticket(void **state)
{
    SSL_CTX *server = new_server(secret);
    bool resumed;

    (void)state;
    now_s = 20 * PERIOD_S;
    SSL_SESSION *session = shake_hands(server, TLS1_2_VERSION, NULL, &resumed);
    for (int i = 0; i < 5; i++) {
        now_s += PERIOD_S;
        SSL_SESSION *next = shake_hands(server, TLS1_2_VERSION, session, &resumed);
        assert_true(resumed);
        SSL_SESSION_free(session);
        session = next;
    }
    SSL_SESSION_free(session);
    SSL_CTX_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_opens_for_its_period_and_the_next),
        cmocka_unit_test(the_same_secret_opens_the_same_tickets),
        cmocka_unit_test(a_session_of_the_key_before_gets_a_new_ticket),
    };
    struct err err;

    if (!tls_self_signed_new(&identity, &err))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tls_identity_unref(identity);
    return failed;
}
