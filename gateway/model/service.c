/*
 * service - an upstream by address.
 *
 * `url` is a shorthand of writers: taken apart into protocol, host, port and path, never stored, never shown.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/pack.h"
#include "gateway/model/shown.h"
#include "gateway/model/texts.h"

enum {
    TIMEOUT_MAX = 2147483646
};

static const struct field_note path_notes[] = {
    {"match_none", "[{\"pattern\":\"//\",\"err\":\"must not have empty segments\"}]"}, {NULL, NULL}};
static const struct field certificate_element = {
    .name = "elements", .kind = FIELD_STRING, .flags = FIELD_UUID};

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    FIELD_ROW_UPDATED_AT,
    FIELD_ROW_NAME,
    {.name = "retries", .kind = FIELD_INTEGER, .fallback = "5", .has_between = true, .between_max = 32767,
     .description = "How many further tries a failed request gets."},
    {.name = "protocol", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"http\"", .one_of = protocol_names,
     .description = "The protocol spoken with the upstream."},
    {.name = "host", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = text_is_host,
     .description = "The host of the upstream."},
    {.name = "port", .kind = FIELD_INTEGER, .flags = FIELD_REQUIRED, .fallback = "80", .has_between = true, .between_max = 65535,
     .description = "The port of the upstream."},
    {.name = "path", .kind = FIELD_STRING, .starts_with = "/", .check = text_is_path, .notes = path_notes,
     .description = "What the paths of upstream requests begin with."},
    {.name = "connect_timeout", .kind = FIELD_INTEGER, .fallback = "60000", .has_between = true, .between_min = 1, .between_max = TIMEOUT_MAX},
    {.name = "write_timeout", .kind = FIELD_INTEGER, .fallback = "60000", .has_between = true, .between_min = 1, .between_max = TIMEOUT_MAX},
    {.name = "read_timeout", .kind = FIELD_INTEGER, .fallback = "60000", .has_between = true, .between_min = 1, .between_max = TIMEOUT_MAX},
    FIELD_ROW_TAGS,
    {.name = "client_certificate", .kind = FIELD_FOREIGN, .reference = "certificates"},
    {.name = "tls_verify", .kind = FIELD_BOOLEAN},
    {.name = "tls_verify_depth", .kind = FIELD_INTEGER, .flags = FIELD_NULL_DEFAULT, .has_between = true, .between_max = 64},
    {.name = "ca_certificates", .kind = FIELD_ARRAY, .elements = &certificate_element},
    {.name = "enabled", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    /* clang-format on */
};

static const struct field shorthands[] = {
    {.name = "url", .kind = FIELD_STRING, .description = "Protocol, host, port and path in one."},
    {.name = NULL}};

static const char *const pathless[] = {"tcp", "tls", "udp", "grpc", "grpcs", NULL};
static const char *const encrypted[] = {"https", "tls", NULL};
static const struct field if_pathless = {.name = "protocol", .one_of = pathless};
static const struct field if_plain = {.name = "protocol", .not_one_of = encrypted};
static const struct field no_path = {.name = "path", .flags = FIELD_EQ_NULL};
static const struct field no_certificate = {.name = "client_certificate", .flags = FIELD_EQ_NULL};
static const struct field no_verify = {.name = "tls_verify", .flags = FIELD_EQ_NULL};
static const struct field no_depth = {.name = "tls_verify_depth", .flags = FIELD_EQ_NULL};
static const struct field no_authorities = {.name = "ca_certificates", .flags = FIELD_EQ_NULL};

static const struct check checks[] = {
    {.kind = CHECK_CONDITIONAL, .if_field = &if_pathless, .then_field = &no_path},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_plain, .then_field = &no_certificate},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_plain, .then_field = &no_verify},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_plain, .then_field = &no_depth},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_plain, .then_field = &no_authorities},
};

static void set(cJSON *document, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(document, name);
    cJSON_AddItemToObject(document, name, value);
}

static cJSON *text_of(struct str s)
{
    char *copy = mem_strndup(s.at, s.len);
    cJSON *value = cJSON_CreateString(copy);
    free(copy);
    return value;
}

/* What a URL says; .at is NULL for what it does not. */
struct url {
    struct str scheme, host, path;
    int64_t port; /* -1: not said */
    bool has_authority;
};

/* host, [address], host:port; user information goes. */
static void read_authority(struct str authority, struct url *url)
{
    for (size_t at = str_find(authority, '@', 0); at != SIZE_MAX; at = str_find(authority, '@', 0))
        authority = str_part(authority, at + 1, authority.len);
    size_t bracket = str_starts_with(authority, STR("[")) ? str_find(authority, ']', 0) : SIZE_MAX;
    size_t colon = str_find(authority, ':', bracket != SIZE_MAX ? bracket : 0);
    size_t end = colon != SIZE_MAX ? colon : authority.len;
    url->host = bracket != SIZE_MAX ? str_part(authority, 1, bracket) : str_part(authority, 0, end);
    if (colon != SIZE_MAX && !str_to_int(str_part(authority, colon + 1, authority.len), &url->port))
        url->port = -1;
}

/* Position of the first byte that is in `stops`, or the end. */
static size_t end_before(struct str text, const char *stops, size_t from)
{
    while (from < text.len && strchr(stops, text.at[from]) == NULL)
        from++;
    return from;
}

/* scheme://authority/path?query#fragment */
static struct url read_url(const char *text)
{
    struct url url = {.port = -1};
    struct str rest = str_of(text);
    const char *slashes = strstr(text, "//");
    size_t at = slashes != NULL ? (size_t)(slashes - text) : SIZE_MAX;
    size_t colon = str_find(rest, ':', 0);
    url.has_authority = at == 0 || (at != SIZE_MAX && text[at - 1] == ':');
    if (url.has_authority) {
        size_t end = end_before(rest, "/?#", at + 2);
        read_authority(str_part(rest, at + 2, end), &url);
        if (at > 0)
            url.scheme = str_part(rest, 0, at - 1);
        else
            url.scheme = url.port == 443 ? STR("https") : STR("http");
        rest = str_part(rest, end, rest.len);
    } else if (colon != SIZE_MAX) {
        url.scheme = str_part(rest, 0, colon);
        rest = str_part(rest, colon + 1, rest.len);
    }
    url.path = str_part(rest, 0, end_before(rest, "?#", 0));
    if (url.port < 0 && url.has_authority)
        url.port = str_equal(url.scheme, STR("https")) ? 443 : 80;
    return url;
}

/* What is no URL becomes fields that validation then refuses. */
static void expand_url(cJSON *document, const char *text)
{
    struct url url = read_url(text);
    if (url.scheme.at != NULL)
        set(document, "protocol", text_of(url.scheme));
    if (url.host.len > 0)
        set(document, "host", text_of(url.host));
    if (url.port >= 0)
        set(document, "port", cJSON_CreateNumber((double)url.port));
    set(document, "path", url.path.len > 0 ? text_of(url.path) : cJSON_CreateNull());
}

static void expand(cJSON *document, struct violations *violations)
{
    cJSON *url = cJSON_DetachItemFromObjectCaseSensitive(document, "url");
    if (url == NULL)
        return;
    if (cJSON_IsString(url) && url->valuestring[0] == '\0')
        violations_add(violations, "url", "length must be at least 1");
    else if (cJSON_IsString(url))
        expand_url(document, url->valuestring);
    else if (!cJSON_IsNull(url))
        violations_add(violations, "url", "expected a string");
    cJSON_Delete(url);
}

static bool pack(struct packer *packer, const cJSON *document, struct service *service, struct err *err)
{
    if (!document_id(document, &service->id) || document_text(document, "host") == NULL)
        return err_set(err, ERR_INVALID, "a service without id or host");
    service->name = pack_text(packer, document_text(document, "name"));
    service->protocol = protocol_of(document_text(document, "protocol"));
    service->host = pack_text(packer, document_text(document, "host"));
    service->port = (int)document_int(document, "port", 80);
    service->path = pack_text(packer, document_text(document, "path"));
    service->retries = (int)document_int(document, "retries", 5);
    service->connect_ms = (int)document_int(document, "connect_timeout", 60000);
    service->write_ms = (int)document_int(document, "write_timeout", 60000);
    service->read_ms = (int)document_int(document, "read_timeout", 60000);
    service->enabled = document_bool(document, "enabled", true);
    service->tls_verify_set = cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(document, "tls_verify"));
    service->tls_verify = document_bool(document, "tls_verify", false);
    service->tls_verify_depth = (int)document_int(document, "tls_verify_depth", -1);
    (void)document_reference(document, "client_certificate", &service->client_certificate);
    service->authorities = pack_ids(packer, cJSON_GetObjectItemCaseSensitive(document, "ca_certificates"),
                                    &service->authority_count);
    service->tags = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(document, "tags"));
    service->created_at = document_int(document, "created_at", 0);
    service->updated_at = document_int(document, "updated_at", 0);
    return true;
}

PACK_DECODE(service, pack)

/* clang-format off */
static const struct shown_member members[] = {
    SHOWN_MEMBER(service, id, ID),
    SHOWN_MEMBER(service, created_at, LONG),
    SHOWN_MEMBER(service, updated_at, LONG),
    SHOWN_MEMBER(service, name, TEXT),
    SHOWN_MEMBER(service, retries, INT),
    SHOWN_MEMBER(service, protocol, PROTOCOL),
    SHOWN_MEMBER(service, host, TEXT),
    SHOWN_MEMBER(service, port, INT),
    SHOWN_MEMBER(service, path, TEXT),
    {JSON_NAME("connect_timeout"), SHOWN_INT, offsetof(struct service, connect_ms), 0},
    {JSON_NAME("write_timeout"), SHOWN_INT, offsetof(struct service, write_ms), 0},
    {JSON_NAME("read_timeout"), SHOWN_INT, offsetof(struct service, read_ms), 0},
    SHOWN_MEMBER(service, tags, TEXTS),
    {JSON_NAME("tls_verify"), SHOWN_BOOLEAN_IF, offsetof(struct service, tls_verify), offsetof(struct service, tls_verify_set)},
    SHOWN_MEMBER(service, tls_verify_depth, POSITIVE),
    SHOWN_MEMBER(service, client_certificate, REFERENCE),
    {JSON_NAME("ca_certificates"), SHOWN_IDS, offsetof(struct service, authorities), offsetof(struct service, authority_count)},
    SHOWN_MEMBER(service, enabled, BOOLEAN),
    {JSON_NAME("ws_id"), SHOWN_WORKSPACE, 0, 0},
};
/* clang-format on */

static void print(struct buf *buf, const void *object)
{
    shown_print(buf, members, COUNT(members), object);
}

static cJSON *show(const void *object)
{
    return shown_tree(print, object);
}

const struct schema service_schema = {
    .name = "services",
    .path = "services",
    .parameter = "services",
    .endpoint_key = "name",
    .fields = fields,
    .field_count = COUNT(fields),
    .checks = checks,
    .check_count = COUNT(checks),
    .has_tags = true,
    .is_routing = true,
    .expand = expand,
    .shorthands = shorthands,
    .cache_keys = schema_lookup_keys,
    .decode = decode,
    .release = free,
    .show = show,
    .print = print,
};
