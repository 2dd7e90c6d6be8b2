/*
 * route - which requests go to which service.
 */

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/pack.h"
#include "gateway/model/route_checks.h"
#include "gateway/model/shown.h"
#include "gateway/model/texts.h"

static const char *const redirect_codes[] = {"426", "301", "302", "307", "308", NULL};
static const char *const handlings[] = {"v0", "v1", NULL};

/* Patterns as /schemas shows them; their effect is in the checks of the same rows. */
static const struct field_note method_notes[] = {{"match", "\"^%u+$\""}, {NULL, NULL}};
static const struct field_note host_notes[] = {
    {"match_all",
     "[{\"pattern\":\"^[^*]*%*?[^*]*$\",\"err\":\"invalid wildcard: must have at most one wildcard\"}]"},
    {"match_any", "{\"patterns\":[\"^%*%.\",\"%.%*$\",\"^[^*]*$\"],"
                  "\"err\":\"invalid wildcard: must be placed at leftmost or rightmost label\"}"},
    {NULL, NULL}};
static const struct field_note path_notes[] = {
    {"match_any",
     "{\"patterns\":[\"^/\",\"^~/\"],\"err\":\"should start with: / (fixed path) or ~/ (regex path)\"}"},
    {"match_none", "[{\"pattern\":\"//\",\"err\":\"must not have empty segments\"}]"},
    {NULL, NULL}};
static const struct field_note header_notes[] = {
    {"match_none",
     "[{\"pattern\":\"^[Hh][Oo][Ss][Tt]$\","
     "\"err\":\"cannot contain 'host' header, which must be specified in the 'hosts' attribute\"}]"},
    {NULL, NULL}};

static const struct field protocol_element = {
    .name = "elements", .kind = FIELD_STRING, .one_of = protocol_names};
static const struct field method_element = {
    .name = "elements", .kind = FIELD_STRING, .check = text_is_method, .notes = method_notes};
static const struct field host_element = {
    .name = "elements", .kind = FIELD_STRING, .check = route_host_check, .notes = host_notes};
static const struct field path_element = {
    .name = "elements", .kind = FIELD_STRING, .check = route_path_check, .notes = path_notes};
static const struct field sni_element = {.name = "elements", .kind = FIELD_STRING, .check = text_is_sni};
static const struct field header_key = {
    .name = "keys", .kind = FIELD_STRING, .check = route_header_check, .notes = header_notes};
static const struct field header_value = {.name = "elements", .kind = FIELD_STRING};
static const struct field header_values = {.name = "values", .kind = FIELD_ARRAY, .elements = &header_value};
static const struct field end_fields[] = {
    {.name = "ip", .kind = FIELD_STRING, .check = text_is_ip_or_cidr},
    {.name = "port", .kind = FIELD_INTEGER, .has_between = true, .between_max = 65535},
};
static const char *const end_names[] = {"ip", "port", NULL};
static const struct check end_checks[] = {{.kind = CHECK_AT_LEAST_ONE_OF, .names = end_names}};
static const struct field end_element = {.name = "elements",
                                         .kind = FIELD_RECORD,
                                         .fields = end_fields,
                                         .field_count = COUNT(end_fields),
                                         .checks = end_checks,
                                         .check_count = COUNT(end_checks)};

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    FIELD_ROW_UPDATED_AT,
    FIELD_ROW_NAME,
    {.name = "protocols", .kind = FIELD_SET, .flags = FIELD_REQUIRED, .fallback = "[\"http\",\"https\"]", .len_min = 1,
     .elements = &protocol_element, .exclusive_sets = protocol_groups,
     .description = "The protocols this Route allows."},
    {.name = "methods", .kind = FIELD_SET, .elements = &method_element},
    {.name = "hosts", .kind = FIELD_ARRAY, .elements = &host_element},
    {.name = "paths", .kind = FIELD_ARRAY, .elements = &path_element},
    {.name = "headers", .kind = FIELD_MAP, .keys = &header_key, .values = &header_values},
    {.name = "https_redirect_status_code", .kind = FIELD_INTEGER, .flags = FIELD_REQUIRED, .fallback = "426", .one_of = redirect_codes},
    {.name = "regex_priority", .kind = FIELD_INTEGER, .fallback = "0"},
    {.name = "strip_path", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    {.name = "path_handling", .kind = FIELD_STRING, .fallback = "\"v0\"", .one_of = handlings},
    {.name = "preserve_host", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "request_buffering", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    {.name = "response_buffering", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    {.name = "snis", .kind = FIELD_SET, .elements = &sni_element},
    {.name = "sources", .kind = FIELD_SET, .elements = &end_element},
    {.name = "destinations", .kind = FIELD_SET, .elements = &end_element},
    FIELD_ROW_TAGS,
    {.name = "service", .kind = FIELD_FOREIGN, .reference = "services"},
    /* clang-format on */
};

/* grpc routes keep their path unless told otherwise; the default of the row is for the others. */
static void expand(cJSON *document, struct violations *violations)
{
    const cJSON *protocols = cJSON_GetObjectItemCaseSensitive(document, "protocols");
    const cJSON *first = cJSON_IsArray(protocols) ? protocols->child : NULL;
    bool is_grpc = first != NULL && cJSON_IsString(first) &&
                   (protocol_of(first->valuestring) & (PROTOCOL_GRPC | PROTOCOL_GRPCS)) != 0;
    if (is_grpc && cJSON_GetObjectItemCaseSensitive(document, "strip_path") == NULL)
        cJSON_AddFalseToObject(document, "strip_path");
    route_expand(document, violations);
}

static char *pack_header_name(struct packer *packer, const char *name)
{
    char *packed = pack_text(packer, name);
    for (char *at = packed; at != NULL && *at != '\0'; at++)
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at == '_' ? '-' : *at);
    return packed;
}

static void pack_headers(struct packer *packer, const cJSON *headers, struct route *route)
{
    route->header_count = cJSON_IsObject(headers) ? (size_t)cJSON_GetArraySize(headers) : 0;
    if (route->header_count == 0)
        return;
    route->headers = pack_room(packer, route->header_count * sizeof(struct route_header));
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, headers)
    {
        struct route_header header = {.name = pack_header_name(packer, item->string),
                                      .values = pack_texts(packer, item)};
        if (route->headers != NULL)
            route->headers[i++] = header;
    }
}

static bool pack(struct packer *packer, const cJSON *document, struct route *route, struct err *err)
{
    if (!document_id(document, &route->id))
        return err_set(err, ERR_INVALID, "a route without an id");
    const cJSON *item;
    route->protocols = 0;
    cJSON_ArrayForEach(item,
                       cJSON_GetObjectItemCaseSensitive(document, "protocols")) if (cJSON_IsString(item))
        route->protocols |= protocol_of(item->valuestring);
    route->name = pack_text(packer, document_text(document, "name"));
    route->methods = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(document, "methods"));
    route->hosts = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(document, "hosts"));
    route->paths = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(document, "paths"));
    route->snis = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(document, "snis"));
    pack_headers(packer, cJSON_GetObjectItemCaseSensitive(document, "headers"), route);
    route->https_redirect_status_code = (int)document_int(document, "https_redirect_status_code", 426);
    route->regex_priority = document_int(document, "regex_priority", 0);
    route->strip_path = document_bool(document, "strip_path", true);
    route->preserve_host = document_bool(document, "preserve_host", false);
    route->request_buffering = document_bool(document, "request_buffering", true);
    route->response_buffering = document_bool(document, "response_buffering", true);
    (void)document_reference(document, "service", &route->service);
    route->tags = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(document, "tags"));
    route->created_at = document_int(document, "created_at", 0);
    route->updated_at = document_int(document, "updated_at", 0);
    return true;
}

PACK_DECODE(route, pack)

/* clang-format off */
static const struct shown_member members[] = {
    SHOWN_MEMBER(route, id, ID),
    SHOWN_MEMBER(route, created_at, LONG),
    SHOWN_MEMBER(route, updated_at, LONG),
    SHOWN_MEMBER(route, name, TEXT),
    SHOWN_MEMBER(route, protocols, PROTOCOLS),
    SHOWN_MEMBER(route, https_redirect_status_code, INT),
    SHOWN_MEMBER(route, strip_path, BOOLEAN),
    SHOWN_MEMBER(route, preserve_host, BOOLEAN),
    SHOWN_MEMBER(route, request_buffering, BOOLEAN),
    SHOWN_MEMBER(route, response_buffering, BOOLEAN),
    SHOWN_MEMBER(route, tags, TEXTS),
    SHOWN_MEMBER(route, service, REFERENCE),
    SHOWN_MEMBER(route, snis, TEXTS),
    SHOWN_MEMBER(route, methods, TEXTS),
    SHOWN_MEMBER(route, hosts, TEXTS),
    SHOWN_MEMBER(route, paths, TEXTS),
    {JSON_NAME("headers"), SHOWN_HEADERS, offsetof(struct route, headers), offsetof(struct route, header_count)},
    SHOWN_MEMBER(route, regex_priority, LONG),
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

static const char *const read[] = {"protocols", NULL};
static const char *const matched[] = {"paths", NULL};
static const char snis_rule[] = "{\"conditional\":{\"if_field\":\"protocols\","
                                "\"if_match\":{\"elements\":{\"type\":\"string\",\"not_one_of\":[\"grpcs\","
                                "\"https\",\"tls\",\"tls_passthrough\"]}},"
                                "\"then_field\":\"snis\",\"then_match\":{\"len_eq\":0},"
                                "\"then_err\":\"'snis' can only be set when 'protocols' is 'grpcs', 'https', "
                                "'tls' or 'tls_passthrough'\"}}";
static const struct check checks[] = {
    {.kind = CHECK_CUSTOM, .names = read, .run = route_check_snis, .json = snis_rule},
    {.kind = CHECK_CUSTOM, .names = read, .run = route_check_family},
    {.kind = CHECK_CUSTOM, .names = matched, .run = route_check_patterns},
};

unsigned protocol_of(const char *name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } protocols[] = {
        {"http", PROTOCOL_HTTP}, {"https", PROTOCOL_HTTPS},
        {"grpc", PROTOCOL_GRPC}, {"grpcs", PROTOCOL_GRPCS},
        {"tcp", PROTOCOL_TCP},   {"tls", PROTOCOL_TLS},
        {"udp", PROTOCOL_UDP},   {"tls_passthrough", PROTOCOL_TLS_PASSTHROUGH},
    };
    for (size_t i = 0; name != NULL && i < COUNT(protocols); i++)
        if (strcmp(protocols[i].name, name) == 0)
            return protocols[i].bit;
    return 0;
}

const char *protocol_name(unsigned protocol)
{
    for (size_t i = 0; protocol_names[i] != NULL; i++)
        if (protocol_of(protocol_names[i]) == protocol)
            return protocol_names[i];
    return "unknown";
}

const struct schema route_schema = {
    .name = "routes",
    .path = "routes",
    .parameter = "routes",
    .endpoint_key = "name",
    .fields = fields,
    .field_count = COUNT(fields),
    .checks = checks,
    .check_count = COUNT(checks),
    .has_tags = true,
    .is_routing = true,
    .expand = expand,
    .cache_keys = schema_lookup_keys,
    .decode = decode,
    .release = free,
    .show = show,
    .print = print,
};
