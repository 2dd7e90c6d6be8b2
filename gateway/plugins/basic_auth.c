/*
 * basic_auth - see basic_auth.h.
 *
 * What is stored of a password is the hash that other gateways on the same data know. Every write that brings
 * a password hashes it: a hash that is sent is a password like any other.
 */

#include "gateway/plugins/basic_auth.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "gateway/chain/chain.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/basic_login.h"
#include "gateway/plugins/identity.h"
#include "gateway/plugins/user_credential.h"

/* ---- the entity ---- */

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    {.name = "consumer", .kind = FIELD_FOREIGN, .flags = FIELD_REQUIRED | FIELD_CASCADE, .reference = "consumers"},
    {.name = "username", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_UNIQUE},
    {.name = "password", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_ENCRYPTED},
    FIELD_ROW_TAGS,
    /* clang-format on */
};

/* The consumer's id is part of the hash. */
static const char *const together[] = {"password", "consumer.id", NULL};
static const struct check change_checks[] = {{.kind = CHECK_MUTUALLY_REQUIRED, .names = together}};

enum {
    HASH_LEN = 2 * SHA_DIGEST_LENGTH
};

/* Lower-case hex of the SHA-1 of the password followed by the consumer's id. */
static void hash(struct str password, struct str consumer, char hex[HASH_LEN + 1])
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool made = context != NULL && EVP_DigestInit_ex(context, EVP_sha1(), NULL) == 1 &&
                EVP_DigestUpdate(context, password.at, password.len) == 1 &&
                EVP_DigestUpdate(context, consumer.at, consumer.len) == 1 &&
                EVP_DigestFinal_ex(context, digest, NULL) == 1;

    assert(made); /* fails without memory only */
    (void)made;
    EVP_MD_CTX_free(context);
    for (size_t i = 0; i < sizeof(digest); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static void hash_password(cJSON *document, const cJSON *given)
{
    const char *consumer = document_text(cJSON_GetObjectItemCaseSensitive(document, "consumer"), "id");
    char hex[HASH_LEN + 1];

    if (document_text(given, "password") == NULL)
        return;
    hash(str_of(document_text(document, "password")), str_of(consumer), hex);
    (void)cJSON_ReplaceItemInObjectCaseSensitive(document, "password", cJSON_CreateString(hex));
}

static bool pack(struct packer *packer, const cJSON *document, struct user_credential *credential,
                 struct err *err)
{
    if (document_text(document, "password") == NULL)
        return err_set(err, ERR_INVALID, "a credential without password");
    return user_credential_pack(packer, document, "password", credential, err);
}

PACK_DECODE(user_credential, pack)

static cJSON *show(const void *object)
{
    return user_credential_show(object, "password");
}

const struct schema basicauth_credentials_schema = {
    .name = "basicauth_credentials",
    .path = "basic-auths",
    .nested_path = "basic-auth",
    .parameter = "basicauth_credentials",
    .endpoint_key = "username",
    .fields = fields,
    .field_count = COUNT(fields),
    .change_checks = change_checks,
    .change_check_count = COUNT(change_checks),
    .has_tags = true,
    .lookups = {{"username"}},
    .derive = hash_password,
    .cache_keys = schema_lookup_keys,
    .decode = decode,
    .release = free,
    .show = show,
};

/* ---- settings ---- */

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "anonymous", .kind = FIELD_STRING,
     .description = "The consumer, by id or username, of requests that cannot be authenticated."},
    {.name = "hide_credentials", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether the upstream gets the request without the headers that were looked at."},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

struct settings {
    char *anonymous; /* NULL: none */
    bool hide;
};

static bool pack_settings(struct packer *packer, const cJSON *config, struct settings *settings,
                          struct err *err)
{
    (void)err;
    settings->anonymous = pack_text(packer, document_text(config, "anonymous"));
    settings->hide = document_bool(config, "hide_credentials", false);
    return true;
}

PACK_DECODE_AS(decode_settings, settings, pack_settings)

static bool configure(const cJSON *config, void **object, struct err *err)
{
    size_t bytes;

    return decode_settings(config, object, &bytes, err);
}

/* ---- who is it? ---- */

static bool is_password(const struct user_credential *credential, struct str password)
{
    char hex[HASH_LEN + 1];
    char id[UUID_TEXT_SIZE];

    hash(password, str_of(uuid_format(&credential->consumer, id)), hex);
    return strlen(credential->secret) == HASH_LEN && CRYPTO_memcmp(credential->secret, hex, HASH_LEN) == 0;
}

static enum identity authenticate(struct chain *chain, const struct basic_login *login)
{
    const void *object;
    enum identity identity = identity_find(chain, &basicauth_credentials_schema, login->username, &object);

    if (identity != IDENTITY_KNOWN)
        return identity;
    const struct user_credential *credential = object;
    if (!is_password(credential, login->password))
        return IDENTITY_UNKNOWN;
    return identity_take(chain, &credential->consumer, credential, str_of(credential->username));
}

static enum plugin_result refuse(struct chain *chain, bool has_tried)
{
    enum plugin_result result =
        chain_answer_error(chain, 401, has_tried ? "Invalid authentication credentials" : "Unauthorized");

    if (!has_tried)
        headers_set(&chain->answer.headers, STR("WWW-Authenticate"), STR("Basic realm=\"kong\""));
    return result;
}

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct str proxy_name = STR("Proxy-Authorization");
    const struct str name = STR("Authorization");
    const struct settings *settings = object;
    struct headers *headers = &exchange_request(chain->exchange)->headers;
    const struct header *proxy = headers_find(headers, proxy_name);
    const struct header *own = headers_find(headers, name);

    if (identity_is_settled(chain, settings->anonymous))
        return PLUGIN_NEXT;
    struct basic_login login = basic_login_read(chain->exchange, proxy);
    bool is_proxy = login.username.len > 0;
    if (!is_proxy)
        login = basic_login_read(chain->exchange, own);
    enum identity identity = login.username.len > 0 ? authenticate(chain, &login) : IDENTITY_UNKNOWN;
    if (identity == IDENTITY_UNKNOWN && settings->anonymous == NULL)
        return refuse(chain, proxy != NULL || own != NULL);
    enum plugin_result result = identity_settle(chain, identity, settings->anonymous);
    if (result != PLUGIN_NEXT || !settings->hide)
        return result;
    (void)headers_remove(headers, proxy_name);
    if (!is_proxy)
        (void)headers_remove(headers, name);
    return PLUGIN_NEXT;
}

static const struct schema *const entities[] = {&basicauth_credentials_schema, NULL};

const struct plugin basic_auth_plugin = {
    .schema =
        {
            .name = "basic-auth",
            .version = "3.5.0",
            .priority = 1100,
            .config = &config_record,
            .protocols = part_web_protocols,
            .refuses_consumer = true,
        },
    .entities = entities,
    .configure = configure,
    .dispose = free,
    .access = access_phase,
};
