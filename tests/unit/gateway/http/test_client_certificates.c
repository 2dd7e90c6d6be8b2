/*
 * Whose certificate a client has shown: a front that asks, and clients with the right one, a wrong one, none.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "gateway/http/tls.h"
#include "tests/unit/gateway/http/relay.h"

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
};

struct bench {
    struct relay relay;
    struct identity authority, ann, stranger;
    char authorities[64]; /* the file */
};

/* issuer NULL: it signs itself. */
static struct identity make_identity(const char *name, const struct identity *issuer)
{
    struct identity made = {EVP_EC_gen("P-256"), X509_new()};
    X509_NAME *subject = X509_get_subject_name(made.certificate);

    assert_int_equal(X509_set_version(made.certificate, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(made.certificate), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(made.certificate), 3600));
    assert_int_equal(X509_set_pubkey(made.certificate, made.key), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8,
                                                (const unsigned char *)"Tests, Inc.", -1, -1, 0),
                     1);
    assert_int_equal(
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0), 1);
    assert_int_equal(X509_set_issuer_name(made.certificate, issuer != NULL
                                                                ? X509_get_subject_name(issuer->certificate)
                                                                : subject),
                     1);
    X509_EXTENSION *constraints =
        X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, issuer != NULL ? "CA:FALSE" : "CA:TRUE");
    assert_int_equal(X509_add_ext(made.certificate, constraints, -1), 1);
    X509_EXTENSION_free(constraints);
    assert_true(X509_sign(made.certificate, issuer != NULL ? issuer->key : made.key, EVP_sha256()) > 0);
    return made;
}

static void free_identity(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

static void show_peer(struct relay *relay, struct exchange *exchange)
{
    const char *subject = exchange_peer_subject(exchange);
    const char *problem = exchange_peer_problem(exchange);
    struct exchange_answer answer;

    (void)relay;
    exchange_answer_init(exchange, &answer, 200);
    exchange_reply(exchange, &answer,
                   exchange_printf(exchange, "[%s|%s]", subject != NULL ? subject : "nobody",
                                   problem != NULL ? problem : "no problem"));
}

static void write_authority(struct bench *bench, const struct identity *identity)
{
    FILE *file = fopen(bench->authorities, "we");

    assert_int_equal(PEM_write_X509(file, identity->certificate), 1);
    (void)fclose(file);
}

static struct bench *open_bench(bool trusts_ann_alone)
{
    struct bench *bench = mem_zalloc(sizeof(*bench));
    struct err err;

    (void)snprintf(bench->authorities, sizeof(bench->authorities), "/tmp/freshet-test-%d.ca", (int)getpid());
    bench->authority = make_identity("authority", NULL);
    bench->ann = make_identity("\xc3\x84nn", &bench->authority);
    bench->stranger = make_identity("\xc3\x84nn", NULL);
    write_authority(bench, trusts_ann_alone ? &bench->ann : &bench->authority);
    const struct tls_server files = {.client_ca_file = bench->authorities};
    if (!tls_server_new(&files, &bench->relay.front_tls, NULL, &err))
        fail_msg("%s", err.text);
    bench->relay.tls_front = true;
    bench->relay.handle = show_peer;
    relay_start(&bench->relay, 0);
    return bench;
}

static void close_bench(struct bench *bench)
{
    relay_stop(&bench->relay);
    SSL_CTX_free(bench->relay.front_tls);
    free_identity(&bench->authority);
    free_identity(&bench->ann);
    free_identity(&bench->stranger);
    unlink(bench->authorities);
    free(bench);
}

/* What the front says of a client with this identity; NULL: none. */
static const char *seen(const struct bench *bench, const struct identity *identity, int version)
{
    static const char request[] = "GET /local/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    static char got[4096];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    int fd = raw_connect(bench->relay.port);
    int length = 0;
    int count;

    (void)SSL_set_min_proto_version(ssl, version);
    (void)SSL_set_max_proto_version(ssl, version);
    if (identity != NULL) {
        assert_int_equal(SSL_use_certificate(ssl, identity->certificate), 1);
        assert_int_equal(SSL_use_PrivateKey(ssl, identity->key), 1);
    }
    (void)SSL_set_fd(ssl, fd);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(SSL_write(ssl, request, sizeof(request) - 1), sizeof(request) - 1);
    while ((count = SSL_read(ssl, got + length, (int)sizeof(got) - 1 - length)) > 0)
        length += count;
    got[length] = '\0';
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
    const char *shown = strchr(got, '[');
    return shown != NULL ? shown : got;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void the_subject_is_written_as_rfc_2253_says(void **state)
{
    struct bench *bench = open_bench(false);

    (void)state;
    for (size_t i = 0; i < COUNT(versions); i++)
        assert_string_equal(seen(bench, &bench->ann, versions[i]),
                            "[CN=\\C3\\84nn,O=Tests\\, Inc.|no problem]");
    close_bench(bench);
}

static void a_stranger_of_the_same_name_is_nobody(void **state)
{
    struct bench *bench = open_bench(false);

    (void)state;
    for (size_t i = 0; i < COUNT(versions); i++)
        assert_non_null(
            strstr(seen(bench, &bench->stranger, versions[i]), "[nobody|self-signed certificate]"));
    close_bench(bench);
}

static void who_shows_none_is_nobody(void **state)
{
    struct bench *bench = open_bench(false);

    (void)state;
    for (size_t i = 0; i < COUNT(versions); i++)
        assert_string_equal(seen(bench, NULL, versions[i]), "[nobody|no problem]");
    close_bench(bench);
}

static void what_is_trusted_need_not_be_a_root(void **state)
{
    struct bench *bench = open_bench(true);

    (void)state;
    assert_non_null(strstr(seen(bench, &bench->ann, TLS1_3_VERSION), "[CN="));
    assert_non_null(strstr(seen(bench, &bench->authority, TLS1_3_VERSION), "[nobody|"));
    close_bench(bench);
}

static void a_digest_is_that_of_the_contents(void **state)
{
    struct bench *bench = open_bench(false);
    const struct tls_server files = {.client_ca_file = bench->authorities};
    const struct tls_server others = {.keys = bench->authorities};
    const struct tls_server missing = {.client_ca_file = "/nowhere/ca.pem"};
    uint8_t digests[4][TLS_DIGEST_SIZE];
    struct err err;

    (void)state;
    assert_true(tls_server_digest(&files, digests[0], &err));
    assert_true(tls_server_digest(&files, digests[1], &err));
    assert_true(tls_server_digest(&others, digests[2], &err));
    write_authority(bench, &bench->stranger);
    assert_true(tls_server_digest(&files, digests[3], &err));
    assert_memory_equal(digests[0], digests[1], TLS_DIGEST_SIZE);
    assert_memory_not_equal(digests[0], digests[2], TLS_DIGEST_SIZE);
    assert_memory_not_equal(digests[0], digests[3], TLS_DIGEST_SIZE);
    assert_false(tls_server_digest(&missing, digests[0], &err));
    assert_non_null(strstr(err.text, "/nowhere/ca.pem"));
    close_bench(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_subject_is_written_as_rfc_2253_says),
        cmocka_unit_test(a_stranger_of_the_same_name_is_nobody),
        cmocka_unit_test(who_shows_none_is_nobody),
        cmocka_unit_test(what_is_trusted_need_not_be_a_root),
        cmocka_unit_test(a_digest_is_that_of_the_contents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
