/*
 * tls_policy - see tls_policy.h.
 */

#include "gateway/http/tls_policy.h"

#include <string.h>

#include <openssl/dh.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "gateway/base/mem.h"
#include "gateway/base/str.h"
#include "gateway/http/tls_pem.h"

enum {
    DAY_S = 24 * 60 * 60,
    SESSIONS_KEPT = 20480
};

static const struct suite {
    const char *name;
    int lowest, highest;
    const char *ciphers; /* of TLS 1.2 and below; NULL: none */
    bool clients_choose;
} suites[] = {
    {"modern", TLS1_3_VERSION, TLS1_3_VERSION, NULL, true},
    {"intermediate", TLS1_2_VERSION, TLS1_3_VERSION,
     "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
     "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
     "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305",
     true},
    /* OpenSSL has TLS 1.0 and 1.1 at its lowest level of security only. */
    {"old", TLS1_VERSION, TLS1_3_VERSION,
     "@SECLEVEL=0:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
     "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
     "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305:"
     "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"
     "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:"
     "DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:"
     "AES256-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA",
     false},
};

static const struct version {
    const char *word;
    int number;
} versions[] = {
    {"TLSv1", TLS1_VERSION},
    {"TLSv1.1", TLS1_1_VERSION},
    {"TLSv1.2", TLS1_2_VERSION},
    {"TLSv1.3", TLS1_3_VERSION},
};

static bool version_of(struct str word, size_t *number)
{
    for (size_t i = 0; i < COUNT(versions); i++) {
        if (!str_equal(word, str_of(versions[i].word)))
            continue;
        *number = i;
        return true;
    }
    return false;
}

bool tls_policy_versions(const char *words, int *lowest, int *highest, struct err *err)
{
    unsigned seen = 0;
    size_t first = COUNT(versions);
    size_t last = 0;

    for (const char *at = words + strspn(words, " ,"); *at != '\0'; at += strspn(at, " ,")) {
        struct str word = {at, strcspn(at, " ,")};
        size_t number;

        at += word.len;
        if (!version_of(word, &number))
            return err_set(err, ERR_INVALID, "'%.*s' is none of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3",
                           STR_ARG(word));
        seen |= 1U << number;
        first = number < first ? number : first;
        last = number > last ? number : last;
    }
    if (seen == 0)
        return err_set(err, ERR_INVALID, "there is no version");
    for (size_t i = first; i <= last; i++)
        if ((seen & 1U << i) == 0)
            return err_set(err, ERR_INVALID, "%s is missing between two others", versions[i].word);
    *lowest = versions[first].number;
    *highest = versions[last].number;
    return true;
}

static bool is_custom(const struct tls_policy *policy)
{
    return policy->suite != NULL && strcmp(policy->suite, "custom") == 0;
}

static const struct suite *suite_of(const struct tls_policy *policy)
{
    for (size_t i = 0; i < COUNT(suites); i++)
        if (strcmp(policy->suite != NULL ? policy->suite : "intermediate", suites[i].name) == 0)
            return &suites[i];
    return NULL;
}

static bool set_versions(SSL_CTX *tls, int lowest, int highest, struct err *err)
{
    return (SSL_CTX_set_min_proto_version(tls, lowest) == 1 &&
            SSL_CTX_set_max_proto_version(tls, highest) == 1) ||
           tls_failed(err, "set the versions", NULL);
}

static bool apply_custom(const struct tls_policy *policy, SSL_CTX *tls, const char **setting, struct err *err)
{
    int lowest = TLS1_2_VERSION;
    int highest = TLS1_3_VERSION;

    *setting = "ssl_protocols";
    if (policy->protocols != NULL && !tls_policy_versions(policy->protocols, &lowest, &highest, err))
        return false;
    if (!set_versions(tls, lowest, highest, err))
        return false;
    *setting = "ssl_ciphers";
    if (policy->ciphers != NULL && SSL_CTX_set_cipher_list(tls, policy->ciphers) != 1)
        return tls_failed(err, "use ciphers", policy->ciphers);
    if (!policy->clients_choose)
        (void)SSL_CTX_set_options(tls, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return true;
}

static bool apply_suite(const struct tls_policy *policy, SSL_CTX *tls, const char **setting, struct err *err)
{
    const struct suite *suite = suite_of(policy);

    *setting = "ssl_cipher_suite";
    if (suite == NULL)
        return err_set(err, ERR_INVALID, "'%s' is not a suite", policy->suite);
    if (!set_versions(tls, suite->lowest, suite->highest, err))
        return false;
    if (suite->ciphers != NULL && SSL_CTX_set_cipher_list(tls, suite->ciphers) != 1)
        return tls_failed(err, "use the ciphers of suite", suite->name);
    if (!suite->clients_choose)
        (void)SSL_CTX_set_options(tls, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return true;
}

/* A group's name, such as ffdhe2048, or parameters of one's own. */
static EVP_PKEY *read_parameters(const char *item, struct err *err)
{
    EVP_PKEY *parameters = NULL;
    char *text;

    if (strncmp(item, "ffdhe", strlen("ffdhe")) == 0) {
        EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
        const char *const names[] = {"ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"};
        static const int groups[] = {NID_ffdhe2048, NID_ffdhe3072, NID_ffdhe4096, NID_ffdhe6144,
                                     NID_ffdhe8192};
        for (size_t i = 0; maker != NULL && i < COUNT(names); i++)
            if (strcmp(item, names[i]) == 0 && EVP_PKEY_paramgen_init(maker) == 1 &&
                EVP_PKEY_CTX_set_dh_nid(maker, groups[i]) == 1)
                (void)EVP_PKEY_paramgen(maker, &parameters);
        EVP_PKEY_CTX_free(maker);
    } else if (tls_pem_load(item, &text, err)) {
        BIO *bytes = BIO_new_mem_buf(text, -1);
        parameters = bytes != NULL ? PEM_read_bio_Parameters(bytes, NULL) : NULL;
        BIO_free(bytes);
        tls_pem_forget(text);
    } else {
        return NULL;
    }
    if (parameters == NULL)
        (void)tls_failed(err, "read parameters", item);
    return parameters;
}

static bool apply_parameters(const struct tls_policy *policy, SSL_CTX *tls, struct err *err)
{
    if (policy->dhparam == NULL)
        return SSL_CTX_set_dh_auto(tls, 1) == 1 || tls_failed(err, "use Diffie-Hellman", NULL);
    EVP_PKEY *parameters = read_parameters(policy->dhparam, err);
    if (parameters == NULL)
        return false;
    if (SSL_CTX_set0_tmp_dh_pkey(tls, parameters) == 1)
        return true;
    EVP_PKEY_free(parameters);
    return tls_failed(err, "use parameters", policy->dhparam);
}

/* With tickets a session costs nothing here, and every loop can open them: their keys are the context's. */
static void apply_sessions(const struct tls_policy *policy, SSL_CTX *tls)
{
    (void)SSL_CTX_set_timeout(tls, policy->session_s > 0 ? (long)policy->session_s : DAY_S);
    if (policy->without_tickets)
        (void)SSL_CTX_set_options(tls, SSL_OP_NO_TICKET);
    (void)SSL_CTX_sess_set_cache_size(tls, policy->sessions_kept > 0 ? (long)policy->sessions_kept
                                                                     : SESSIONS_KEPT);
}

bool tls_policy_apply(const struct tls_policy *policy, SSL_CTX *tls, const char **setting, struct err *err)
{
    bool ok =
        is_custom(policy) ? apply_custom(policy, tls, setting, err) : apply_suite(policy, tls, setting, err);

    if (!ok)
        return false;
    apply_sessions(policy, tls);
    *setting = "ssl_dhparam";
    return apply_parameters(policy, tls, err);
}
