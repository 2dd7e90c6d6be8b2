/* Redis over TCP and TLS: the certificate is checked if that is wanted, and by name. */

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "bus/line.h"
#include "tests/unit/bus/servers.h"

struct fixture {
    struct servers servers;
    char certificate[128], key[128];
    int port;
    int heard;
    bool usable;
};

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int port = 0;

    if (bind(fd, (const struct sockaddr *)&address, size) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        port = ntohs(address.sin_port);
    (void)close(fd);
    return port;
}

/* Signed by itself, for the name redis.test. */
static void write_certificate(const struct fixture *f)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *certificate = X509_new();
    X509_EXTENSION *name =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:redis.test,IP:127.0.0.1");
    FILE *file;

    assert_non_null(key);
    (void)X509_set_version(certificate, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    (void)X509_set_pubkey(certificate, key);
    (void)X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                     (const unsigned char *)"redis.test", -1, -1, 0);
    (void)X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    (void)X509_add_ext(certificate, name, -1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    file = fopen(f->certificate, "w");
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    (void)fclose(file);
    file = fopen(f->key, "w");
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    (void)fclose(file);
    X509_EXTENSION_free(name);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static bool start_tls_redis(struct fixture *f)
{
    char port[16], log[128];

    (void)snprintf(port, sizeof(port), "%d", f->port);
    (void)snprintf(log, sizeof(log), "%s/redis.log", f->servers.directory);

    char *const argv[] = {word("/usr/bin/redis-server"),
                          word("--bind"),
                          word("127.0.0.1"),
                          word("--port"),
                          word("0"),
                          word("--tls-port"),
                          word(port),
                          word("--tls-cert-file"),
                          word(f->certificate),
                          word("--tls-key-file"),
                          word(f->key),
                          word("--tls-ca-cert-file"),
                          word(f->certificate),
                          word("--tls-auth-clients"),
                          word("no"),
                          word("--save"),
                          word(""),
                          word("--dir"),
                          word(f->servers.directory),
                          NULL};

    f->servers.redis = spawn(argv, log);
    for (size_t i = 0; argv[i] != NULL; i++)
        free(argv[i]);
    return f->servers.redis > 0;
}

static void on_message(void *arg, const uint8_t *bytes, size_t length)
{
    struct fixture *f = arg;

    f->heard += length == 5 && memcmp(bytes, "h\0llo", 5) == 0;
}

static struct line *try_to_open(struct fixture *f, const struct bus_redis *redis, struct bus_err *err)
{
    const struct line_options options = {
        .redis = redis, .channel = "test", .stop = -1, .on_message = on_message, .arg = f};

    return redis_line.open(&options, err);
}

static int set_up(void **state)
{
    struct fixture *f = machine_alloc(sizeof(*f));
    struct bus_redis redis = {.host = "127.0.0.1", .tls = true, .timeout_ms = 1000};
    struct line *line = NULL;
    struct bus_err err;

    *state = f;
    if (access("/usr/bin/redis-server", X_OK) != 0 || !servers_make_directory(&f->servers)) {
        print_message("no Redis is installed: skipped\n");
        return 0;
    }
    (void)snprintf(f->certificate, sizeof(f->certificate), "%s/certificate.pem", f->servers.directory);
    (void)snprintf(f->key, sizeof(f->key), "%s/key.pem", f->servers.directory);
    f->port = free_port();
    redis.port = f->port;
    write_certificate(f);
    f->usable = start_tls_redis(f) &&
                HOLDS_WITHIN(10000, line != NULL || (line = try_to_open(f, &redis, &err)) != NULL);
    if (line != NULL)
        redis_line.close(line);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    servers_stop(&f->servers);
    free(f);
    return 0;
}

static struct fixture *need(void **state)
{
    struct fixture *f = *state;

    if (!f->usable)
        skip();
    f->heard = 0;
    return f;
}

/* Serves the line until `count` messages have been heard. */
static bool hears(struct fixture *f, struct line *line, int count)
{
    int64_t until_us = machine_now_us() + 5000000;
    struct pollfd polls[LINE_MAX_POLLS];
    struct bus_err err;

    while (f->heard < count && machine_now_us() < until_us) {
        (void)poll(polls, redis_line.fill_polls(line, polls), 100);
        if (!redis_line.work(line, &err))
            return false;
    }
    return f->heard == count && redis_line.is_settled(line);
}

static void messages_pass_through_a_verified_connection(void **state)
{
    struct fixture *f = need(state);
    const struct bus_redis redis = {.host = "127.0.0.1",
                                    .port = f->port,
                                    .tls = true,
                                    .tls_verify = true,
                                    .tls_ca_file = f->certificate,
                                    .timeout_ms = 2000};
    struct bus_err err;
    struct line *line = try_to_open(f, &redis, &err);

    assert_non_null(line);
    for (int i = 0; i < 300; i++)
        assert_true(redis_line.send(line, (const uint8_t *)"h\0llo", 5, &err));
    assert_true(hears(f, line, 300));
    redis_line.close(line);
}

static void the_expected_name_may_be_another_than_the_host(void **state)
{
    struct fixture *f = need(state);
    struct bus_redis redis = {.host = "127.0.0.1",
                              .port = f->port,
                              .tls = true,
                              .tls_verify = true,
                              .tls_server_name = "redis.test",
                              .tls_ca_file = f->certificate,
                              .timeout_ms = 2000};
    struct bus_err err;
    struct line *line = try_to_open(f, &redis, &err);

    assert_non_null(line);
    redis_line.close(line);
    redis.tls_server_name = "elsewhere.test";
    assert_null(try_to_open(f, &redis, &err));
    assert_int_equal(err.code, BUS_ERR_CONNECT);
}

static void an_unknown_issuer_is_refused_if_verification_is_on(void **state)
{
    struct fixture *f = need(state);
    struct bus_redis redis = {.host = "127.0.0.1", .port = f->port, .tls = true, .tls_verify = true};
    struct bus_err err;
    struct line *line;

    assert_null(try_to_open(f, &redis, &err));
    assert_non_null(strstr(err.text, "certificate verify failed"));
    redis.tls_verify = false;
    line = try_to_open(f, &redis, &err);
    assert_non_null(line);
    redis_line.close(line);
}

static void plain_text_to_a_tls_port_fails_in_time(void **state)
{
    struct fixture *f = need(state);
    const struct bus_redis redis = {.host = "127.0.0.1", .port = f->port, .timeout_ms = 500};
    struct bus_err err;

    assert_null(try_to_open(f, &redis, &err));
}

static void nobody_at_the_port_is_an_error_at_once(void **state)
{
    struct fixture *f = need(state);
    const struct bus_redis redis = {.host = "127.0.0.1", .port = 1, .timeout_ms = 3000};
    int64_t started_us = machine_now_us();
    struct bus_err err;

    assert_null(try_to_open(f, &redis, &err));
    assert_int_equal(err.code, BUS_ERR_CONNECT);
    assert_true(machine_now_us() - started_us < 1000000);
}

/* Answers whatever it is asked by a list that does not end, a little at a time. */
static void *babble(void *arg)
{
    int fd = accept(*(const int *)arg, NULL, NULL);
    bool is_heard = send(fd, "*1000000\r\n", 10, MSG_NOSIGNAL) == 10;
    char more[2048];

    for (size_t i = 0; i < sizeof(more); i++)
        more[i] = ":1\r\n"[i % 4];
    while (is_heard) {
        is_heard = send(fd, more, sizeof(more), MSG_NOSIGNAL) == sizeof(more);
        (void)poll(NULL, 0, 2);
    }
    (void)close(fd);
    return NULL;
}

static void an_answer_that_does_not_end_is_none(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t server;
    struct bus_err err;

    assert_int_equal(bind(listener, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(pthread_create(&server, NULL, babble, &listener), 0);
    const struct bus_redis redis = {.host = "127.0.0.1",
                                    .port = ntohs(address.sin_port),
                                    .username = "ann",
                                    .password = "x",
                                    .timeout_ms = 3000};
    assert_null(try_to_open(*state, &redis, &err));
    assert_int_equal(err.code, BUS_ERR_INVALID);
    (void)pthread_join(server, NULL);
    (void)close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_pass_through_a_verified_connection),
        cmocka_unit_test(the_expected_name_may_be_another_than_the_host),
        cmocka_unit_test(an_unknown_issuer_is_refused_if_verification_is_on),
        cmocka_unit_test(plain_text_to_a_tls_port_fails_in_time),
        cmocka_unit_test(nobody_at_the_port_is_an_error_at_once),
        cmocka_unit_test(an_answer_that_does_not_end_is_none),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
