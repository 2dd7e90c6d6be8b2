/*
 * key_auth - see key_auth.h. The first place that has a value decides: a wrong key in a header is not saved
 * by a right one in the query.
 */

#include "gateway/plugins/key_auth.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/model/document.h"
#include "gateway/model/header_name.h"
#include "gateway/model/pack.h"
#include "gateway/model/texts.h"
#include "gateway/plugins/arguments.h"
#include "gateway/plugins/identity.h"

/* ---- the entity ---- */

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    {.name = "consumer", .kind = FIELD_FOREIGN, .flags = FIELD_REQUIRED | FIELD_CASCADE, .reference = "consumers"},
    {.name = "key", .kind = FIELD_STRING, .flags = FIELD_UNIQUE | FIELD_AUTO},
    FIELD_ROW_TAGS,
    /* clang-format on */
};

/* The row says how many whole seconds are left; the one begun is still its own. */
static int64_t expiry(const cJSON *document)
{
    enum {
        FOR_EVER = INT32_MIN
    };
    int64_t left_s = document_int(document, "ttl", FOR_EVER);

    return left_s != FOR_EVER ? clock_now_ms(clock_system()) + (left_s + 1) * 1000 : 0;
}

static bool pack(struct packer *packer, const cJSON *document, struct keyauth_credential *credential,
                 struct err *err)
{
    if (!document_id(document, &credential->id) ||
        !document_reference(document, "consumer", &credential->consumer) ||
        document_text(document, "key") == NULL)
        return err_set(err, ERR_INVALID, "a credential without id, consumer or key");
    credential->key = pack_text(packer, document_text(document, "key"));
    credential->tags = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(document, "tags"));
    credential->created_at = document_int(document, "created_at", 0);
    credential->expires_at_ms = expiry(document);
    return true;
}

PACK_DECODE(keyauth_credential, pack)

static cJSON *show(const void *object)
{
    const struct keyauth_credential *credential = object;
    cJSON *shown = cJSON_CreateObject();

    cJSON_AddItemToObject(shown, "id", show_id(&credential->id));
    (void)cJSON_AddNumberToObject(shown, "created_at", (double)credential->created_at);
    cJSON_AddItemToObject(shown, "consumer", show_reference(&credential->consumer));
    cJSON_AddItemToObject(shown, "key", show_text(credential->key));
    cJSON_AddItemToObject(shown, "tags", show_texts(&credential->tags));
    if (credential->expires_at_ms != 0) {
        int64_t left_s = (credential->expires_at_ms - clock_now_ms(clock_system())) / 1000;
        (void)cJSON_AddNumberToObject(shown, "ttl", left_s > 0 ? (double)left_s : 0);
    }
    return show_without_nulls(shown);
}

const struct schema keyauth_credentials_schema = {
    .name = "keyauth_credentials",
    .path = "key-auths",
    .nested_path = "key-auth",
    .parameter = "keyauth_credentials",
    .endpoint_key = "key",
    .fields = fields,
    .field_count = COUNT(fields),
    .has_ttl = true,
    .has_tags = true,
    .lookups = {{"key"}},
    .cache_keys = schema_lookup_keys,
    .decode = decode,
    .release = free,
    .show = show,
};

/* ---- settings ---- */

static const struct field key_name = {
    .name = "elements", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = text_is_header_name};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "key_names", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[\"apikey\"]", .elements = &key_name,
     .description = "Where the key is: names of headers, query arguments and members of the body."},
    {.name = "hide_credentials", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether the upstream gets the request without the key."},
    {.name = "anonymous", .kind = FIELD_STRING,
     .description = "The consumer, by id or username, of requests that cannot be authenticated."},
    {.name = "key_in_header", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true",
     .description = "Whether headers are searched."},
    {.name = "key_in_query", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true",
     .description = "Whether the query is searched."},
    {.name = "key_in_body", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether bodies of forms and JSON are searched."},
    {.name = "run_on_preflight", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true",
     .description = "Whether OPTIONS requests need a key as well."},
    /* clang-format on */
};

static const struct field config_record = {.name = "config",
                                           .kind = FIELD_RECORD,
                                           .flags = FIELD_REQUIRED,
                                           .fields = config_fields,
                                           .field_count = COUNT(config_fields)};

struct settings {
    char **names;
    size_t name_count;
    char *anonymous; /* NULL: none */
    bool in_header, in_query, in_body;
    bool hide;
    bool run_on_preflight;
};

static void dispose(void *object)
{
    struct settings *settings = object;

    for (size_t i = 0; i < settings->name_count; i++)
        free(settings->names[i]);
    free(settings->names);
    free(settings->anonymous);
    free(settings);
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(config, "key_names");
    const cJSON *name;

    if (!cJSON_IsArray(names))
        return err_set(err, ERR_INVALID, "key-auth without key_names");
    struct settings *settings = mem_zalloc(sizeof(*settings));
    settings->names = mem_zalloc(((size_t)cJSON_GetArraySize(names) + 1) * sizeof(char *));
    cJSON_ArrayForEach(name, names)
    {
        if (cJSON_IsString(name))
            settings->names[settings->name_count++] = mem_strdup(name->valuestring);
    }
    settings->anonymous = mem_strdup(document_text(config, "anonymous"));
    settings->in_header = document_bool(config, "key_in_header", true);
    settings->in_query = document_bool(config, "key_in_query", true);
    settings->in_body = document_bool(config, "key_in_body", false);
    settings->hide = document_bool(config, "hide_credentials", false);
    settings->run_on_preflight = document_bool(config, "run_on_preflight", true);
    *object = settings;
    return true;
}

/* ---- finding the key ---- */

struct key {
    struct argument found; /* count 0: nowhere */
    struct str name;       /* under which it is */
};

static struct str content_type(const struct chain *chain)
{
    const struct header *header =
        headers_find(&exchange_request(chain->exchange)->headers, STR("Content-Type"));

    return header != NULL ? header->value : STR_NONE;
}

static struct argument find_in_headers(const struct chain *chain, struct str name)
{
    const struct headers *headers = &exchange_request(chain->exchange)->headers;
    const struct header *header = headers_find(headers, name);

    if (header == NULL)
        return (struct argument){0};
    return (struct argument){
        .count = headers_find_next(headers, header, name) != NULL ? 2 : 1,
        .value = header->value,
    };
}

/* Several values count even if they are empty; a single one has to be there. */
static bool holds_value(const struct argument *argument)
{
    return argument->count > 1 || (argument->count == 1 && argument->value.len > 0);
}

static bool find_key(const struct settings *settings, struct chain *chain, struct key *key)
{
    for (size_t i = 0; i < settings->name_count; i++) {
        key->name = str_of(settings->names[i]);
        key->found = settings->in_header ? find_in_headers(chain, key->name) : (struct argument){0};
        if (!holds_value(&key->found) && settings->in_query)
            key->found = encoded_find(chain->exchange, chain->upstream_query, key->name);
        if (!holds_value(&key->found) && settings->in_body)
            key->found = body_find(chain->exchange, content_type(chain), chain->upstream_body, key->name);
        if (holds_value(&key->found))
            return true;
    }
    return false;
}

/* Before the look-ups are done nothing is hidden: the phase may run again and has to find the key. */
static void hide_key(const struct settings *settings, struct chain *chain, struct str name)
{
    (void)headers_remove(&exchange_request(chain->exchange)->headers, name);
    if (encoded_find(chain->exchange, chain->upstream_query, name).count > 0)
        chain->upstream_query = encoded_remove(chain->exchange, chain->upstream_query, name);
    if (!settings->in_body)
        return;
    struct str left = body_remove(chain->exchange, content_type(chain), chain->upstream_body, name);
    if (left.at != chain->upstream_body.at) {
        chain->upstream_body = left;
        chain->body_changed = true;
    }
}

/* ---- deciding ---- */

enum refusal {
    NO_KEY,
    DUPLICATE,
    UNKNOWN_KEY,
};

static enum identity authenticate(struct chain *chain, const struct key *key)
{
    const void *object;
    char id[UUID_TEXT_SIZE];
    enum identity identity = identity_find(chain, &keyauth_credentials_schema, key->found.value, &object);

    if (identity != IDENTITY_KNOWN)
        return identity;
    const struct keyauth_credential *credential = object;
    if (credential->expires_at_ms != 0 && credential->expires_at_ms <= clock_now_ms(chain->world->clock))
        return IDENTITY_UNKNOWN;
    struct str identifier = str_of(uuid_format(&credential->id, id));
    return identity_take(chain, &credential->consumer, credential,
                         exchange_copy(chain->exchange, identifier));
}

static enum plugin_result refuse(struct chain *chain, enum refusal refusal)
{
    static const char *const words[] = {[NO_KEY] = "No API key found in request",
                                        [DUPLICATE] = "Duplicate API key found",
                                        [UNKNOWN_KEY] = "Invalid authentication credentials"};
    enum plugin_result result = chain_answer_error(chain, 401, words[refusal]);

    if (refusal == NO_KEY)
        headers_set(&chain->answer.headers, STR("WWW-Authenticate"), STR("Key realm=\"kong\""));
    return result;
}

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    enum identity identity = IDENTITY_UNKNOWN;
    enum refusal refusal = NO_KEY;
    struct key key;

    if (!settings->run_on_preflight && identity_is_preflight(chain))
        return PLUGIN_NEXT;
    if (identity_is_settled(chain, settings->anonymous))
        return PLUGIN_NEXT;
    bool has_key = find_key(settings, chain, &key);
    if (has_key)
        refusal = key.found.count > 1 ? DUPLICATE : UNKNOWN_KEY;
    if (refusal == UNKNOWN_KEY)
        identity = authenticate(chain, &key);
    if (identity == IDENTITY_UNKNOWN && settings->anonymous == NULL)
        return refuse(chain, refusal);
    enum plugin_result result = identity_settle(chain, identity, settings->anonymous);
    /* A key that is not ours may be somebody's: the upstream of an anonymous request does not get it either.
     */
    if (result == PLUGIN_NEXT && has_key && settings->hide)
        hide_key(settings, chain, key.name);
    return result;
}

static const char *const protocols[] = {"grpc", "grpcs", "http", "https", NULL};
static const struct schema *const entities[] = {&keyauth_credentials_schema, NULL};

const struct plugin key_auth_plugin = {
    .schema =
        {
            .name = "key-auth",
            .version = "3.5.0",
            .priority = 1250,
            .config = &config_record,
            .protocols = protocols,
            .refuses_consumer = true,
        },
    .entities = entities,
    .configure = configure,
    .dispose = dispose,
    .access = access_phase,
};
