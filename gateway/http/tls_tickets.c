/*
 * tls_tickets - see tls_tickets.h.
 *
 * Of a period and the secret come three strings by HMAC: the key's name, which stands in the ticket, and the
 * keys that encrypt and sign it. They are made for each ticket anew: a handshake costs a hundred times as
 * much, and there is nothing to lock or to rotate.
 */

#include "gateway/http/tls_tickets.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/http/tls_pem.h"

enum {
    NAME_SIZE = 16, /* of the key, in a ticket: OpenSSL's number */
    KEY_SIZE = 32,
};

/* Belongs to its context. */
struct tickets {
    uint8_t secret[TLS_TICKETS_SECRET_SIZE];
    int64_t period_s;
    const struct clock *clock;
};

struct keys {
    uint8_t name[KEY_SIZE]; /* its first NAME_SIZE bytes */
    uint8_t cipher[KEY_SIZE];
    uint8_t mac[KEY_SIZE];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int place = -1; /* of tickets in a context; set once */

static void free_tickets(void *parent, void *tickets, CRYPTO_EX_DATA *data, int index, long number, void *arg)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)arg;
    if (tickets != NULL)
        OPENSSL_cleanse(tickets, sizeof(struct tickets));
    free(tickets);
}

static void make_place(void)
{
    place = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_tickets);
}

static bool make_key(const struct tickets *tickets, int64_t period, uint8_t use, uint8_t key[KEY_SIZE])
{
    uint8_t text[sizeof(use) + sizeof(period)] = {use};

    for (size_t i = 0; i < sizeof(period); i++)
        text[1 + i] = (uint8_t)((uint64_t)period >> 8 * i);
    return HMAC(EVP_sha256(), tickets->secret, sizeof(tickets->secret), text, sizeof(text), key, NULL) !=
           NULL;
}

static bool make_keys(const struct tickets *tickets, int64_t period, struct keys *keys)
{
    return make_key(tickets, period, 'n', keys->name) && make_key(tickets, period, 'c', keys->cipher) &&
           make_key(tickets, period, 'm', keys->mac);
}

static bool use_mac(EVP_MAC_CTX *mac, struct keys *keys)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, keys->mac, sizeof(keys->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int64_t period_of(const struct tickets *tickets)
{
    return clock_now_us(tickets->clock) / 1000000 / tickets->period_s;
}

/* What is handed to OpenSSL. Below 0: the handshake fails. */
static int seal(const struct tickets *tickets, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                EVP_MAC_CTX *mac)
{
    struct keys keys;
    bool ok = make_keys(tickets, period_of(tickets), &keys) && RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 &&
              EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, keys.cipher, iv) == 1 &&
              use_mac(mac, &keys);

    memcpy(name, keys.name, NAME_SIZE);
    OPENSSL_cleanse(&keys, sizeof(keys));
    return ok ? 1 : -1;
}

/* 0: nobody's ticket, so there will be a full handshake; 2: good, and to be replaced. */
static int open_ticket(const struct tickets *tickets, const unsigned char *name, const unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    int64_t now = period_of(tickets);
    int answer = 0;

    for (int64_t period = now; answer == 0 && period >= now - 1; period--) {
        struct keys keys;

        if (!make_keys(tickets, period, &keys))
            answer = -1;
        else if (CRYPTO_memcmp(keys.name, name, NAME_SIZE) == 0)
            answer = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, keys.cipher, iv) == 1 &&
                             use_mac(mac, &keys)
                         ? (period == now ? 1 : 2)
                         : -1;
        OPENSSL_cleanse(&keys, sizeof(keys));
    }
    return answer;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_new)
{
    const struct tickets *tickets = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), place);

    return is_new ? seal(tickets, name, iv, cipher, mac) : open_ticket(tickets, name, iv, cipher, mac);
}

bool tls_tickets_use(SSL_CTX *tls, const uint8_t secret[TLS_TICKETS_SECRET_SIZE], int64_t period_s,
                     const struct clock *clock, struct err *err)
{
    struct tickets *tickets = mem_zalloc(sizeof(*tickets));

    (void)pthread_once(&once, make_place);
    memcpy(tickets->secret, secret, sizeof(tickets->secret));
    tickets->period_s = period_s;
    tickets->clock = clock;
    if (place < 0 || SSL_CTX_set_ex_data(tls, place, tickets) != 1) {
        free(tickets);
        return tls_failed(err, "keep the keys of tickets", NULL);
    }
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(tls, on_ticket) == 1 ||
           tls_failed(err, "set the keys of tickets", NULL);
}
