/*
 * hmac_auth - see hmac_auth.h. The secret is kept as it is: it has to be known to check a signature.
 *
 * The date comes first, so that a recorded request is of no use after a while, whatever else is in it.
 */

#include "gateway/plugins/hmac_auth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/chain/chain.h"
#include "gateway/http/date.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/hmac_signature.h"
#include "gateway/plugins/identity.h"
#include "gateway/plugins/user_credential.h"

/* ---- the entity ---- */

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    {.name = "consumer", .kind = FIELD_FOREIGN, .flags = FIELD_REQUIRED | FIELD_CASCADE, .reference = "consumers"},
    {.name = "username", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_UNIQUE},
    {.name = "secret", .kind = FIELD_STRING, .flags = FIELD_AUTO},
    FIELD_ROW_TAGS,
    /* clang-format on */
};

static bool pack(struct packer *packer, const cJSON *document, struct user_credential *credential,
                 struct err *err)
{
    return user_credential_pack(packer, document, "secret", credential, err);
}

PACK_DECODE(user_credential, pack)

static cJSON *show(const void *object)
{
    return user_credential_show(object, "secret");
}

const struct schema hmacauth_credentials_schema = {
    .name = "hmacauth_credentials",
    .path = "hmac-auths",
    .nested_path = "hmac-auth",
    .parameter = "hmacauth_credentials",
    .endpoint_key = "username",
    .fields = fields,
    .field_count = COUNT(fields),
    .has_tags = true,
    .lookups = {{"username"}},
    .cache_keys = schema_lookup_keys,
    .decode = decode,
    .release = free,
    .show = show,
};

/* ---- settings ---- */

static const char *const algorithms[] = {"hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512", NULL};

static const struct field algorithm = {.name = "elements", .kind = FIELD_STRING, .one_of = algorithms};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "hide_credentials", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether the upstream gets the request without the header that has the signature."},
    {.name = "clock_skew", .kind = FIELD_NUMBER, .fallback = "300", .has_gt = true,
     .description = "Seconds that the date of a request may be away from our own clock."},
    {.name = "anonymous", .kind = FIELD_STRING,
     .description = "The consumer, by id or username, of requests that cannot be authenticated."},
    {.name = "validate_request_body", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether a Digest header must say what the body is."},
    {.name = "enforce_headers", .kind = FIELD_ARRAY, .fallback = "[]", .elements = &part_text,
     .description = "Headers that must be part of what was signed."},
    {.name = "algorithms", .kind = FIELD_ARRAY,
     .fallback = "[\"hmac-sha1\",\"hmac-sha256\",\"hmac-sha384\",\"hmac-sha512\"]", .elements = &algorithm,
     .description = "Algorithms that are taken."},
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
    double clock_skew_s;
    struct texts enforced, algorithms;
    bool looks_at_body;
    bool hide;
};

static bool pack_settings(struct packer *packer, const cJSON *config, struct settings *settings,
                          struct err *err)
{
    const cJSON *skew = cJSON_GetObjectItemCaseSensitive(config, "clock_skew");

    (void)err;
    settings->anonymous = pack_text(packer, document_text(config, "anonymous"));
    settings->clock_skew_s = cJSON_IsNumber(skew) ? skew->valuedouble : 300;
    settings->enforced = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(config, "enforce_headers"));
    settings->algorithms = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(config, "algorithms"));
    settings->looks_at_body = document_bool(config, "validate_request_body", false);
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

static const char no_date[] =
    "HMAC signature cannot be verified, a valid date or x-date header is required for "
    "HMAC Authentication";
static const char no_proof[] = "HMAC signature cannot be verified";
static const char wrong_proof[] = "HMAC signature does not match";

static struct str value_of(const struct chain *chain, struct str name)
{
    const struct header *header = headers_find(&exchange_request(chain->exchange)->headers, name);

    return header != NULL ? header->value : STR_NONE;
}

static bool is_recent(const struct settings *settings, const struct chain *chain, struct str name)
{
    int64_t then_s;

    return date_parse(value_of(chain, name), &then_s) &&
           fabs((double)(clock_unix_s(chain->world->clock) - then_s)) <= settings->clock_skew_s;
}

static bool is_taken(const struct settings *settings, const struct hmac_signature *signature)
{
    bool is_known = false;

    for (size_t i = 0; i < settings->algorithms.count; i++)
        is_known = is_known || str_equal(str_of(settings->algorithms.at[i]), signature->algorithm);
    for (size_t i = 0; i < settings->enforced.count; i++)
        if (!hmac_signature_covers(signature, str_of(settings->enforced.at[i])))
            return false;
    return is_known;
}

/* UNKNOWN: *words say why. */
static enum identity authenticate(const struct settings *settings, struct chain *chain,
                                  const struct hmac_signature *signature, const char **words)
{
    const void *object;
    struct str text = hmac_signature_text(chain->exchange, signature);

    *words = no_proof;
    if (text.at == NULL || !is_taken(settings, signature))
        return IDENTITY_UNKNOWN;
    enum identity identity = identity_find(chain, &hmacauth_credentials_schema, signature->username, &object);
    if (identity != IDENTITY_KNOWN)
        return identity;
    const struct user_credential *credential = object;
    *words = wrong_proof;
    if (credential->secret == NULL ||
        !hmac_signature_matches(chain->exchange, signature, str_of(credential->secret), text) ||
        (settings->looks_at_body && !hmac_signature_covers_body(chain->exchange)))
        return IDENTITY_UNKNOWN;
    return identity_take(chain, &credential->consumer, credential, str_of(credential->username));
}

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct str proxy = STR("Proxy-Authorization");
    const struct str own = STR("Authorization");
    const struct settings *settings = object;
    enum identity identity = IDENTITY_UNKNOWN;
    struct hmac_signature signature;
    const char *words = no_proof;

    if (identity_is_settled(chain, settings->anonymous))
        return PLUGIN_NEXT;
    bool is_proxy = hmac_signature_parse(value_of(chain, proxy), &signature);
    bool is_signed = is_proxy || hmac_signature_parse(value_of(chain, own), &signature);
    if (value_of(chain, proxy).at == NULL && value_of(chain, own).at == NULL)
        words = "Unauthorized";
    else if (!is_recent(settings, chain, STR("X-Date")) && !is_recent(settings, chain, STR("Date")))
        words = no_date;
    else if (is_signed)
        identity = authenticate(settings, chain, &signature, &words);
    if (identity == IDENTITY_UNKNOWN && settings->anonymous == NULL)
        return chain_answer_error(chain, 401, words);
    enum plugin_result result = identity_settle(chain, identity, settings->anonymous);
    if (result == PLUGIN_NEXT && settings->hide && is_signed)
        (void)headers_remove(&exchange_request(chain->exchange)->headers, is_proxy ? proxy : own);
    return result;
}

static const struct schema *const entities[] = {&hmacauth_credentials_schema, NULL};

const struct plugin hmac_auth_plugin = {
    .schema =
        {
            .name = "hmac-auth",
            .version = "3.5.0",
            .priority = 1030,
            .config = &config_record,
            .protocols = part_web_protocols,
            .refuses_consumer = true,
        },
    .entities = entities,
    .configure = configure,
    .dispose = free,
    .access = access_phase,
};
