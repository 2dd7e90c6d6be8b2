/*
 * TLS on both sides: a relay asks another relay, whose front speaks TLS with a certificate made here.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "gateway/http/client_pool.h"
#include "gateway/http/tls_authority.h"
#include "gateway/http/tls_pem.h"
#include "tests/unit/gateway/http/relay.h"

struct bench {
    struct relay near, far; /* near asks far */
    struct client_tls tls;
    char certificate[64], key[64];
    X509_STORE *trusted; /* the certificate */
    int client;
};

static char got[1 << 16];

static void write_pair(struct bench *bench)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    FILE *file;

    (void)snprintf(bench->certificate, sizeof(bench->certificate), "/tmp/freshet-test-%d.crt", (int)getpid());
    (void)snprintf(bench->key, sizeof(bench->key), "/tmp/freshet-test-%d.key", (int)getpid());
    assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"far.test", -1, -1, 0),
        1);
    assert_int_equal(X509_set_issuer_name(certificate, name), 1);
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:far.test,IP:127.0.0.1");
    assert_int_equal(X509_add_ext(certificate, names, -1), 1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    file = fopen(bench->certificate, "we");
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    (void)fclose(file);
    file = fopen(bench->key, "we");
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    (void)fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void show_name(struct relay *relay, struct exchange *exchange)
{
    struct exchange_request *request = exchange_request(exchange);
    struct exchange_answer answer;

    (void)relay;
    exchange_answer_init(exchange, &answer, 200);
    exchange_reply(exchange, &answer,
                   exchange_printf(exchange, "[%.*s|%s|%zu]", STR_ARG(request->server_name),
                                   request->tls ? "tls" : "plain", request->body.len));
}

static int start(void **state)
{
    struct bench *bench = mem_zalloc(sizeof(*bench));

    struct err err;

    write_pair(bench);
    if (!tls_authorities_load(bench->certificate, &bench->trusted, &err))
        fail_msg("%s", err.text);
    bench->far.handle = show_name;
    bench->far.tls_front = true;
    bench->far.certificate_file = bench->certificate;
    bench->far.key_file = bench->key;
    bench->near.handle = NULL; /* passes everything on */
    relay_start(&bench->far, 0);
    bench->near.upstream = raw_loopback(bench->far.port);
    bench->near.tls = &bench->tls;
    bench->near.watch = true;
    relay_start(&bench->near, 0);
    bench->client = raw_connect(bench->near.port);
    *state = bench;
    return 0;
}

static int stop(void **state)
{
    struct bench *bench = *state;

    close(bench->client);
    relay_stop(&bench->near);
    relay_stop(&bench->far);
    X509_STORE_free(bench->trusted);
    unlink(bench->certificate);
    unlink(bench->key);
    free(bench);
    return 0;
}

static const char *ask(struct bench *bench, struct client_tls tls, const char *until)
{
    bench->tls = tls;
    raw_send_text(bench->client, "GET /local/ HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)raw_receive(bench->client, got, sizeof(got), until);
    return got;
}

static void the_right_name_is_let_in_and_the_connection_kept(void **state)
{
    struct bench *bench = *state;
    const struct client_tls tls = {.server_name = STR("far.test"), .verify = true, .trusted = bench->trusted};

    for (int i = 0; i < 4; i++)
        assert_non_null(strstr(ask(bench, tls, "|0]"), "[far.test|tls|0]"));
    assert_true(raw_reaches(&bench->near.reused, 3));
}

static void a_wrong_name_is_refused(void **state)
{
    struct bench *bench = *state;
    const struct client_tls tls = {
        .server_name = STR("near.test"), .verify = true, .trusted = bench->trusted};

    assert_non_null(strstr(ask(bench, tls, "failed"), "TLS handshake failed"));
    assert_true(raw_reaches(&bench->near.last_failure, CLIENT_TLS_FAILED));
}

static void an_unknown_authority_is_refused(void **state)
{
    const struct client_tls tls = {.server_name = STR("far.test"), .verify = true};

    assert_non_null(strstr(ask(*state, tls, "failed"), "TLS handshake failed"));
}

static void an_address_can_be_verified(void **state)
{
    struct bench *bench = *state;
    const struct client_tls right = {
        .server_name = STR("127.0.0.1"), .verify = true, .trusted = bench->trusted};
    const struct client_tls wrong = {
        .server_name = STR("127.0.0.2"), .verify = true, .trusted = bench->trusted};

    assert_non_null(strstr(ask(bench, right, "|0]"), "|tls|0]"));
    assert_non_null(strstr(ask(bench, wrong, "failed"), "TLS handshake failed"));
}

static void without_verification_any_name_will_do(void **state)
{
    const struct client_tls named = {.server_name = STR("near.test")};
    const struct client_tls nameless = {.verify = false};

    assert_non_null(strstr(ask(*state, named, "|0]"), "[near.test|tls|0]"));
    assert_non_null(strstr(ask(*state, nameless, "|0]"), "[|tls|0]")); /* no address in place of a name */
}

static void without_any_authority_every_request_fails(void **state)
{
    const struct client_tls tls = {.server_name = STR("far.test"), .verify = true, .own_authorities = true};

    for (int i = 0; i < 2; i++)
        assert_non_null(strstr(ask(*state, tls, "failed"), "TLS handshake failed"));
}

static void an_authority_of_the_service_counts_and_no_other(void **state)
{
    struct bench *bench = *state;
    struct tls_authority *authority;
    struct err err;
    char *text;

    assert_true(tls_pem_load(bench->certificate, &text, &err));
    assert_true(tls_authority_new(text, &authority, &err));
    const struct tls_authority *set[] = {authority};
    const struct client_tls tls = {.server_name = STR("far.test"),
                                   .verify = true,
                                   .own_authorities = true,
                                   .authorities = set,
                                   .authority_count = 1};
    struct client_tls none = {
        .server_name = STR("far.test"), .verify = true, .own_authorities = true, .trusted = bench->trusted};

    assert_non_null(strstr(ask(bench, tls, "|0]"), "[far.test|tls|0]"));
    assert_non_null(strstr(ask(bench, none, "failed"), "TLS handshake failed"));
    tls_authority_unref(authority);
    tls_pem_forget(text);
}

static SSL_CTX *context_for(struct client_pool *pool, const struct client_tls *tls)
{
    const struct client_request request = {.address = {.ss_family = AF_INET}, .tls = tls};
    struct client_target *target = client_pool_hold(pool, &request);
    SSL_CTX *context = client_target_tls(target);

    client_target_release(target);
    return context;
}

static void authorities_are_read_once_for_all_names(void **state)
{
    struct bench *bench = *state;
    const struct client_pool_options options = {0};
    struct client_pool *pool = client_pool_new(NULL, &options);
    const struct client_tls one = {.server_name = STR("one.test"), .verify = true, .trusted = bench->trusted};
    const struct client_tls two = {.server_name = STR("two.test"), .verify = true, .trusted = bench->trusted};
    const struct client_tls other = {.server_name = STR("two.test"), .verify = true};
    SSL_CTX *context = context_for(pool, &one);

    assert_ptr_not_equal(context, context_for(pool, &two));
    assert_ptr_equal(SSL_CTX_get_cert_store(context), SSL_CTX_get_cert_store(context_for(pool, &two)));
    assert_ptr_not_equal(SSL_CTX_get_cert_store(context), SSL_CTX_get_cert_store(context_for(pool, &other)));
    client_pool_free(pool);
}

static void spare_contexts_are_bounded(void **state)
{
    const struct client_pool_options options = {0};
    struct client_pool *pool = client_pool_new(NULL, &options);
    const struct client_tls kept = {.server_name = STR("kept.test")};
    const struct client_request request = {.address = {.ss_family = AF_INET}, .tls = &kept};
    struct client_target *target = client_pool_hold(pool, &request);
    SSL_CTX *context = client_target_tls(target);
    SSL_CTX *first = NULL;

    (void)state;
    for (int i = 0; i < 300; i++) {
        char name[32];
        int length = snprintf(name, sizeof(name), "n%d.test", i);
        const struct client_tls tls = {.server_name = {name, (size_t)length}};
        SSL_CTX *made = context_for(pool, &tls);

        if (i == 0) {
            first = made;
            (void)SSL_CTX_up_ref(first); /* else its place could be taken by another */
        }
    }
    const struct client_tls again = {.server_name = STR("n0.test")};
    assert_ptr_not_equal(context_for(pool, &again), first);
    assert_ptr_equal(context_for(pool, &kept), context); /* in use */
    SSL_CTX_free(first);
    client_target_release(target);
    client_pool_free(pool);
}

static void a_large_body_goes_both_ways_through_tls(void **state)
{
    struct bench *bench = *state;
    enum {
        SIZE = 500 * 1000
    };
    char *body = mem_zalloc(SIZE);

    bench->tls = (struct client_tls){.server_name = STR("far.test")};
    raw_send_text(bench->client, "POST /local/ HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
    raw_send(bench->client, body, SIZE);
    (void)raw_receive(bench->client, got, sizeof(got), "|500000]");
    assert_non_null(strstr(got, "|tls|500000]"));
    free(body);
}

static void a_server_without_a_certificate_makes_its_own(void **state)
{
    struct relay *relay = mem_zalloc(sizeof(*relay));

    (void)state;
    relay->tls_front = true;
    relay->handle = show_name;
    relay_start(relay, 0);
    relay_stop(relay);
    free(relay);
}

static void plain_text_on_a_tls_port_is_closed(void **state)
{
    struct bench *bench = *state;
    int fd = raw_connect(bench->far.port);

    raw_send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)raw_receive(fd, got, sizeof(got), NULL);
    assert_null(strstr(got, "200"));
    close(fd);
}

/* A TLS server of one version for one connection. */
struct pinned {
    struct bench *bench;
    int version;
    int listener;
};

static void *serve_pinned(void *arg)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npinned";
    const struct pinned *pinned = arg;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    int fd = accept(pinned->listener, NULL, NULL);
    SSL *ssl = SSL_new(context);
    char bytes[4096];

    (void)SSL_set_min_proto_version(ssl, pinned->version);
    (void)SSL_set_max_proto_version(ssl, pinned->version);
    (void)SSL_use_certificate_file(ssl, pinned->bench->certificate, SSL_FILETYPE_PEM);
    (void)SSL_use_PrivateKey_file(ssl, pinned->bench->key, SSL_FILETYPE_PEM);
    (void)SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1 && SSL_version(ssl) == pinned->version &&
        SSL_read(ssl, bytes, sizeof(bytes)) > 0)
        (void)SSL_write(ssl, answer, sizeof(answer) - 1);
    SSL_free(ssl);
    close(fd);
    SSL_CTX_free(context);
    return NULL;
}

static void the_name_is_checked_in_every_version(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct bench *bench = *state;
    pthread_t thread;
    int port;

    for (size_t i = 0; i < 2 * COUNT(versions); i++) {
        bool right = i % 2 == 0;
        struct pinned pinned = {bench, versions[i / 2], raw_listen(&port)};
        const struct client_tls tls = {.server_name = right ? STR("far.test") : STR("near.test"),
                                       .verify = true,
                                       .trusted = bench->trusted};

        bench->near.upstream = raw_loopback(port);
        assert_int_equal(pthread_create(&thread, NULL, serve_pinned, &pinned), 0);
        (void)ask(bench, tls, right ? "pinned" : "TLS handshake failed");
        (void)pthread_join(thread, NULL);
        close(pinned.listener);
        assert_non_null(strstr(got, right ? "\r\n\r\npinned" : "TLS handshake failed"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FACT(name) cmocka_unit_test_setup_teardown(name, start, stop)
        FACT(the_right_name_is_let_in_and_the_connection_kept),
        FACT(a_wrong_name_is_refused),
        FACT(the_name_is_checked_in_every_version),
        FACT(an_unknown_authority_is_refused),
        FACT(an_address_can_be_verified),
        FACT(without_verification_any_name_will_do),
        FACT(without_any_authority_every_request_fails),
        FACT(an_authority_of_the_service_counts_and_no_other),
        FACT(spare_contexts_are_bounded),
        FACT(authorities_are_read_once_for_all_names),
        FACT(a_large_body_goes_both_ways_through_tls),
        cmocka_unit_test(a_server_without_a_certificate_makes_its_own),
        FACT(plain_text_on_a_tls_port_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
