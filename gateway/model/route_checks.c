/*
 * route_checks - see route_checks.h. The first protocol of the list decides the family; a family is a row of
 * `families`.
 */

#include "gateway/model/route_checks.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/entities.h"
#include "gateway/model/rules.h"
#include "gateway/model/texts.h"

enum {
    MESSAGE_SIZE = 256
};

static const char reserved[] = "!*'();:@&=+$,/?%#[]";

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that "%xx" stands for, -1: it is not one. */
static int escaped(const char *at)
{
    int high = at[0] == '%' ? hex(at[1]) : -1;
    int low = high >= 0 ? hex(at[2]) : -1;
    return low >= 0 ? high * 16 + low : -1;
}

/* Decodes what is not reserved, into `to`, which has room for as much as `path`. */
static void decode_unreserved(const char *path, char *to)
{
    static const char digits[] = "0123456789ABCDEF";
    while (*path != '\0') {
        int byte = escaped(path);
        bool is_kept = byte > 0 && strchr(reserved, byte) != NULL;
        if (is_kept) {
            *to++ = '%';
            *to++ = digits[byte / 16];
            *to++ = digits[byte % 16];
        } else if (byte >= 0) {
            *to++ = (char)byte;
        } else {
            *to++ = *path;
        }
        path += byte >= 0 ? 3 : 1;
    }
    *to = '\0';
}

/* "." and ".." segments, in place; the path starts with '/'. */
static void remove_dots(char *path)
{
    char *out = path;
    const char *in = path;
    while (*in != '\0') {
        size_t len = 1 + strcspn(in + 1, "/");
        bool dot = len == 2 && in[1] == '.';
        bool dots = len == 3 && in[1] == '.' && in[2] == '.';
        bool last = in[len] == '\0';
        if (dots)
            while (out > path && *--out != '/')
                ;
        if (dot || dots) {
            if (last)
                *out++ = '/';
        } else {
            memmove(out, in, len);
            out += len;
        }
        in += len;
    }
    if (out == path)
        *out++ = '/';
    *out = '\0';
}

/* A percent sign is judged only where all else is of a URL (reference 2.2). */
static bool has_bad_escape(const char *path, char message[MESSAGE_SIZE])
{
    for (const char *at = path; *at != '\0'; at++)
        if (isalnum((unsigned char)*at) == 0 && strchr("-._~", *at) == NULL && strchr(reserved, *at) == NULL)
            return false;
    for (const char *at = strchr(path, '%'); at != NULL; at = strchr(at + 1, '%')) {
        if (hex(at[1]) < 0 || hex(at[2]) < 0) {
            (void)snprintf(message, MESSAGE_SIZE, "invalid url-encoded value: '%.3s'", at);
            return true;
        }
    }
    return false;
}

static bool check_prefix(const char *path, char message[MESSAGE_SIZE])
{
    if (has_bad_escape(path, message))
        return false;
    char *normal = mem_alloc(strlen(path) + 2);
    decode_unreserved(path, normal);
    remove_dots(normal);
    bool same = strcmp(path, normal) == 0;
    if (!same)
        (void)snprintf(message, MESSAGE_SIZE, "non-normalized path, consider use '%.180s' instead", normal);
    free(normal);
    return same;
}

static bool check_pattern(const char *pattern, char message[MESSAGE_SIZE])
{
    char words[160];
    if (pattern_is_valid(pattern, words))
        return true;
    (void)snprintf(message, MESSAGE_SIZE, "invalid regex: '%.40s' (PCRE returned: %.100s in \"%.40s\")",
                   pattern, words, pattern);
    return false;
}

bool route_path_check(const cJSON *value, char message[MESSAGE_SIZE])
{
    const char *path = value->valuestring;
    if (strstr(path, "//") != NULL) {
        (void)snprintf(message, MESSAGE_SIZE, "must not have empty segments");
        return false;
    }
    if (path[0] == '/')
        return check_prefix(path, message);
    if (path[0] == '~' && path[1] == '/')
        return check_pattern(path + 1, message);
    (void)snprintf(message, MESSAGE_SIZE, "should start with: / (fixed path) or ~/ (regex path)");
    return false;
}

static bool check_port(struct str text, struct str *host, char message[MESSAGE_SIZE])
{
    size_t colon = str_find(text, ':', 0);
    int64_t port;
    *host = text;
    if (text.len > 0 && text.at[0] == '[') {
        size_t bracket = str_find(text, ']', 0);
        colon = bracket == SIZE_MAX ? SIZE_MAX : str_find(text, ':', bracket);
    } else if (colon != SIZE_MAX && str_find(text, ':', colon + 1) != SIZE_MAX) {
        colon = SIZE_MAX; /* an IPv6 address */
    }
    if (colon == SIZE_MAX)
        return true;
    *host = str_part(text, 0, colon);
    if (str_to_int(str_part(text, colon + 1, text.len), &port) && port >= 0 && port <= 65535)
        return true;
    (void)snprintf(message, MESSAGE_SIZE, "invalid port number");
    return false;
}

static bool check_wildcard(struct str host, char message[MESSAGE_SIZE])
{
    size_t star = str_find(host, '*', 0);
    assert(host.at != NULL);
    if (str_find(host, '*', star + 1) != SIZE_MAX) {
        (void)snprintf(message, MESSAGE_SIZE, "invalid wildcard: must have at most one wildcard");
        return false;
    }
    bool leftmost = host.len > 2 && str_starts_with(host, STR("*."));
    bool rightmost = host.len > 2 && host.at[host.len - 2] == '.' && host.at[host.len - 1] == '*';
    if (leftmost || rightmost)
        return true;
    (void)snprintf(message, MESSAGE_SIZE, "invalid wildcard: must be placed at leftmost or rightmost label");
    return false;
}

bool route_host_check(const cJSON *value, char message[MESSAGE_SIZE])
{
    struct str host;
    if (!check_port(str_of(value->valuestring), &host, message))
        return false;
    size_t star = str_find(host, '*', 0);
    if (star != SIZE_MAX && !check_wildcard(host, message))
        return false;
    if (star == 0)
        host = str_part(host, 2, host.len);
    else if (star != SIZE_MAX)
        host = str_part(host, 0, host.len - 2);
    if (address_is_valid(host) || host_is_valid(host))
        return true;
    (void)snprintf(message, MESSAGE_SIZE, "invalid hostname: %.200s", value->valuestring);
    return false;
}

bool route_header_check(const cJSON *value, char message[MESSAGE_SIZE])
{
    const char *name = value->valuestring;
    if (str_equal_nocase(str_of(name), STR("host"))) {
        (void)snprintf(message, MESSAGE_SIZE,
                       "cannot contain 'host' header, which must be specified in the 'hosts' attribute");
        return false;
    }
    for (const char *at = name; *at != '\0'; at++) {
        if (isalnum((unsigned char)*at) == 0 && *at != '_' && *at != '-') {
            (void)snprintf(message, MESSAGE_SIZE,
                           "bad header name '%.100s', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
                           name);
            return false;
        }
    }
    return true;
}

void route_expand(cJSON *document, struct violations *violations)
{
    const cJSON *protocols = cJSON_GetObjectItemCaseSensitive(document, "protocols");
    if (!cJSON_IsArray(protocols) || cJSON_GetArraySize(protocols) > 1)
        return;
    const cJSON *first = protocols->child;
    if (first == NULL)
        violations_add(violations, "protocols", "unknown type: nil");
    else if (cJSON_IsString(first) && protocol_of(first->valuestring) == 0)
        violations_add(violations, "protocols", "unknown type: %s", first->valuestring);
}

static const char *const l7_names[] = {"methods", "hosts", "headers", "paths", NULL};
static const char *const l7_tls_names[] = {"methods", "hosts", "headers", "paths", "snis", NULL};
static const char *const l4_names[] = {"sources", "destinations", "snis", NULL};
static const char *const sni_name[] = {"snis", NULL};
static const char *const grpc_names[] = {"hosts", "headers", "paths", NULL};
static const char *const grpc_tls_names[] = {"hosts", "headers", "paths", "snis", NULL};
static const char *const l4_only[] = {"sources", "destinations", NULL};
static const char *const l7_only[] = {"methods", "hosts", "paths", "headers", NULL};
static const char *const not_grpc[] = {"methods", "sources", "destinations", NULL};

static const struct family {
    unsigned protocols;
    unsigned tls;                /* which of them brings the second list */
    const char *const *refused;  /* must be null */
    const char *refused_for;     /* how the family is called then */
    const char *const *required; /* one of them */
    const char *required_text;
    const char *const *tls_required;
    const char *tls_text;
} families[] = {
    {PROTOCOL_HTTP | PROTOCOL_HTTPS, PROTOCOL_HTTPS, l4_only, "'http' or 'https'", l7_names,
     "must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'", l7_tls_names,
     "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"},
    {PROTOCOL_TCP | PROTOCOL_TLS | PROTOCOL_UDP, 0, l7_only, "'tcp', 'tls', 'tls_passthrough' or 'udp'",
     l4_names, "must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'",
     NULL, NULL},
    {PROTOCOL_TLS_PASSTHROUGH, 0, l7_only, "'tcp', 'tls', 'tls_passthrough' or 'udp'", sni_name,
     "must set snis when 'protocols' is 'tls_passthrough'", NULL, NULL},
    {PROTOCOL_GRPC | PROTOCOL_GRPCS, PROTOCOL_GRPCS, not_grpc, "'grpc' or 'grpcs'", grpc_names,
     "must set one of 'hosts', 'headers', 'paths' when 'protocols' is 'grpc'", grpc_tls_names,
     "must set one of 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'grpcs'"},
};

static unsigned protocols_of(const cJSON *document, unsigned *first)
{
    unsigned all = 0;
    const cJSON *item;
    *first = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(document, "protocols"))
    {
        unsigned one = cJSON_IsString(item) ? protocol_of(item->valuestring) : 0;
        *first = *first == 0 ? one : *first;
        all |= one;
    }
    return all;
}

static bool any_set(const cJSON *document, const char *const *names)
{
    for (; *names != NULL; names++)
        if (!rules_is_empty(cJSON_GetObjectItemCaseSensitive(document, *names)))
            return true;
    return false;
}

void route_check_family(const cJSON *document, struct violations *violations)
{
    unsigned first;
    unsigned all = protocols_of(document, &first);
    const struct family *family = NULL;
    for (size_t i = 0; i < COUNT(families); i++)
        if ((families[i].protocols & first) != 0)
            family = &families[i];
    if (family == NULL)
        return;
    for (const char *const *name = family->refused; *name != NULL; name++)
        if (!rules_is_empty(cJSON_GetObjectItemCaseSensitive(document, *name)))
            violations_add(violations, *name, "cannot set '%s' when 'protocols' is %s", *name,
                           family->refused_for);
    if ((first & (PROTOCOL_GRPC | PROTOCOL_GRPCS)) != 0 && document_bool(document, "strip_path", false))
        violations_add(violations, "strip_path",
                       "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'");
    bool with_tls = (all & family->tls) != 0;
    if (!any_set(document, with_tls ? family->tls_required : family->required))
        violations_add(violations, NULL, "%s", with_tls ? family->tls_text : family->required_text);
}

void route_check_snis(const cJSON *document, struct violations *violations)
{
    unsigned first;
    unsigned all = protocols_of(document, &first);
    if ((all & (PROTOCOL_GRPCS | PROTOCOL_HTTPS | PROTOCOL_TLS | PROTOCOL_TLS_PASSTHROUGH)) != 0 ||
        rules_is_empty(cJSON_GetObjectItemCaseSensitive(document, "snis")))
        return;
    violations_add(violations, NULL,
                   "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'");
    violations_add(violations, "snis", "length must be 0");
}

/* Does the pattern look around or back? Our matcher could; clients are promised that it may not. */
static bool has_assertion(const char *pattern)
{
    static const char *const starts[] = {"(?=", "(?!", "(?<=", "(?<!", "(?P="};
    bool in_class = false;
    for (const char *at = pattern; *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0') {
            at++;
            if (!in_class && (strchr("123456789gk", *at) != NULL))
                return true;
            continue;
        }
        if (*at == '[' && !in_class) {
            in_class = true;
            at += at[1] == '^' ? 1 : 0;
            at += at[1] == ']' ? 1 : 0; /* the first one is a member */
        } else if (*at == ']') {
            in_class = false;
        }
        for (size_t i = 0; i < COUNT(starts) && !in_class; i++)
            if (strncmp(at, starts[i], strlen(starts[i])) == 0)
                return true;
    }
    return false;
}

void route_check_patterns(const cJSON *document, struct violations *violations)
{
    const cJSON *path;
    cJSON_ArrayForEach(path, cJSON_GetObjectItemCaseSensitive(document, "paths"))
    {
        if (!cJSON_IsString(path) || path->valuestring[0] != '~' || !has_assertion(path->valuestring + 1))
            continue;
        violations_add(violations, NULL,
                       "Router Expression failed validation: regex '%s' has look-around or a back-reference, "
                       "which are not supported",
                       path->valuestring + 1);
        return;
    }
}
