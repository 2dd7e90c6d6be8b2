/*
 * texts - names, tags, hosts, paths, addresses, patterns.
 */

#define PCRE2_CODE_UNIT_WIDTH 8

#include "gateway/model/texts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <pcre2.h>

#include "gateway/base/network.h"
#include "gateway/model/x509.h"

enum {
    MESSAGE_SIZE = 256
};

const struct field tag_element = {
    .name = "elements", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = text_is_tag};

const char *const protocol_names[] = {"grpc", "grpcs",           "http", "https", "tcp",
                                      "tls",  "tls_passthrough", "udp",  NULL};

static const char *const http_group[] = {"http", "https", NULL};
static const char *const stream_group[] = {"tcp", "tls", "udp", NULL};
static const char *const passthrough_group[] = {"tls_passthrough", NULL};
static const char *const grpc_group[] = {"grpc", "grpcs", NULL};
const char *const *const protocol_groups[] = {http_group, stream_group, passthrough_group, grpc_group, NULL};

size_t utf8_fault(struct str text)
{
    for (size_t at = 0, next; at < text.len; at = next) {
        bool is_ascii = (unsigned char)text.at[at] < 0x80;
        next = at + 1;
        while (!is_ascii && next < text.len && ((unsigned char)text.at[next] & 0xc0) == 0x80)
            next++;
        if (!str_is_utf8(str_part(text, at, next)))
            return at + 1;
    }
    return 0;
}

void utf8_mend(char *text)
{
    for (struct str rest = str_of(text); !str_is_utf8(rest);) {
        size_t fault = utf8_fault(rest);
        text[(size_t)(rest.at - text) + fault - 1] = '?';
        rest = str_part(rest, fault - 1, rest.len);
    }
}

bool text_is_name(const cJSON *value, char message[MESSAGE_SIZE])
{
    size_t fault = utf8_fault(str_of(value->valuestring));
    if (fault != 0) {
        (void)snprintf(message, MESSAGE_SIZE, "invalid utf-8 character sequence detected at position %zu",
                       fault);
        return false;
    }
    for (const char *at = value->valuestring; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < 0x80 && isalnum(byte) == 0 && strchr(".-_~", byte) == NULL) {
            (void)snprintf(message, MESSAGE_SIZE,
                           "invalid value '%.150s': the only accepted ascii characters are alphanumerics or "
                           "., -, _, and ~",
                           value->valuestring);
            return false;
        }
    }
    return true;
}

bool text_is_tag(const cJSON *value, char message[MESSAGE_SIZE])
{
    bool good = str_is_utf8(str_of(value->valuestring));
    for (const char *at = value->valuestring; good && *at != '\0'; at++)
        good = (unsigned char)*at >= 0x20 && *at != 0x7f && *at != ',' && *at != '/';
    if (!good)
        (void)snprintf(
            message, MESSAGE_SIZE,
            "invalid tag '%.150s': expected printable ascii (except `,` and `/`) or valid utf-8 sequences",
            value->valuestring);
    return good;
}

bool host_is_valid(struct str host)
{
    if (host.len == 0 || host.len > 253 || host.at[0] == '.')
        return false;
    for (size_t i = 0; i < host.len; i++) {
        unsigned char byte = (unsigned char)host.at[i];
        bool label_ends = i + 1 == host.len || host.at[i + 1] == '.';
        if (isalnum(byte) == 0 && strchr("-._", byte) == NULL)
            return false;
        if ((byte == '-' && label_ends) || (byte == '.' && label_ends && i + 1 < host.len))
            return false;
    }
    return true;
}

bool address_is_valid(struct str address)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr bytes;
    if (address.at == NULL)
        return false;
    if (address.len > 2 && address.at[0] == '[' && address.at[address.len - 1] == ']')
        address = str_part(address, 1, address.len - 1);
    if (address.len == 0 || address.len >= sizeof(text))
        return false;
    memcpy(text, address.at, address.len);
    text[address.len] = '\0';
    return inet_pton(AF_INET, text, &bytes) == 1 || inet_pton(AF_INET6, text, &bytes) == 1;
}

static bool has_port(struct str text)
{
    size_t colon = str_find(text, ':', 0);
    return colon != SIZE_MAX && str_find(text, ':', colon + 1) == SIZE_MAX;
}

bool text_is_host(const cJSON *value, char message[MESSAGE_SIZE])
{
    struct str host = str_of(value->valuestring);
    if (address_is_valid(host) || host_is_valid(host))
        return true;
    if (has_port(host))
        (void)snprintf(message, MESSAGE_SIZE, "must not have a port");
    else
        (void)snprintf(message, MESSAGE_SIZE, "invalid value: %s", value->valuestring);
    return false;
}

bool text_is_sni(const cJSON *value, char message[MESSAGE_SIZE])
{
    struct str name = str_of(value->valuestring);
    if (address_is_valid(name)) {
        (void)snprintf(message, MESSAGE_SIZE, "must not be an IP");
        return false;
    }
    if (has_port(name)) {
        (void)snprintf(message, MESSAGE_SIZE, "must not have a port");
        return false;
    }
    if (!host_is_valid(name)) {
        (void)snprintf(message, MESSAGE_SIZE, "invalid value: %s", value->valuestring);
        return false;
    }
    return true;
}

bool text_is_wildcard_sni(const cJSON *value, char message[MESSAGE_SIZE])
{
    struct str name = str_of(value->valuestring);
    size_t star = str_find(name, '*', 0);
    const char *wrong = NULL;
    if (star == SIZE_MAX)
        return text_is_sni(value, message);
    bool is_first = name.len == 1 || (star == 0 && name.at[1] == '.');
    bool is_last = star + 1 == name.len && star > 0 && name.at[star - 1] == '.';
    struct str rest = is_first ? str_part(name, 2, name.len) : str_part(name, 0, star - (is_last ? 1 : 0));
    if (str_find(name, '*', star + 1) != SIZE_MAX)
        wrong = "only one wildcard must be specified";
    else if (star > 0 && star + 1 < name.len)
        wrong = "wildcard must be leftmost or rightmost character";
    else if (has_port(name))
        wrong = "must not have a port";
    if (wrong != NULL)
        (void)snprintf(message, MESSAGE_SIZE, "%s", wrong);
    else if (!(is_first || is_last) || (name.len > 1 && !host_is_valid(rest)))
        (void)snprintf(message, MESSAGE_SIZE, "invalid value: %s", value->valuestring);
    else
        return true;
    return false;
}

static bool is_uri_byte(unsigned char byte)
{
    return isalnum(byte) != 0 || (byte != '\0' && strchr("-._~!*'();:@&=+$,/?%#[]", byte) != NULL);
}

bool text_is_path(const cJSON *value, char message[MESSAGE_SIZE])
{
    const char *path = value->valuestring;
    if (strstr(path, "//") != NULL) {
        (void)snprintf(message, MESSAGE_SIZE, "must not have empty segments");
        return false;
    }
    for (const char *at = path; *at != '\0'; at++) {
        if (!is_uri_byte((unsigned char)*at)) {
            (void)snprintf(
                message, MESSAGE_SIZE,
                "invalid path: '%.150s' (characters outside of the reserved list of RFC 3986 found)", path);
            return false;
        }
    }
    for (const char *at = strchr(path, '%'); at != NULL; at = strchr(at + 1, '%')) {
        if (isxdigit((unsigned char)at[1]) == 0 || isxdigit((unsigned char)at[2]) == 0) {
            (void)snprintf(message, MESSAGE_SIZE, "invalid url-encoded value: '%.3s'", at);
            return false;
        }
    }
    return true;
}

bool text_is_method(const cJSON *value, char message[MESSAGE_SIZE])
{
    if (strspn(value->valuestring, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(value->valuestring))
        return true;
    (void)snprintf(message, MESSAGE_SIZE, "invalid value: %s", value->valuestring);
    return false;
}

bool text_is_ip_or_cidr(const cJSON *value, char message[MESSAGE_SIZE])
{
    struct str text = str_of(value->valuestring);
    size_t slash = str_find(text, '/', 0);
    struct str address = slash == SIZE_MAX ? text : str_part(text, 0, slash);
    struct network network; /* what is taken has to be of use */
    bool good = address_is_valid(address) && address.at[0] != '[' && network_parse(text, &network);
    if (!good)
        (void)snprintf(message, MESSAGE_SIZE, "invalid ip or cidr range: '%s'", value->valuestring);
    return good;
}

bool text_is_certificate(const cJSON *value, char message[MESSAGE_SIZE])
{
    char reason[X509_REASON_SIZE];
    if (x509_certificate_is_valid(value->valuestring, reason))
        return true;
    (void)snprintf(message, MESSAGE_SIZE, "invalid certificate: %s", reason);
    return false;
}

bool text_is_private_key(const cJSON *value, char message[MESSAGE_SIZE])
{
    char reason[X509_REASON_SIZE];
    if (x509_private_key_is_valid(value->valuestring, reason))
        return true;
    (void)snprintf(message, MESSAGE_SIZE, "invalid key: %s", reason);
    return false;
}

bool pattern_is_valid(const char *pattern, char words[160])
{
    int code;
    PCRE2_SIZE offset;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &code, &offset, NULL);
    if (compiled != NULL) {
        pcre2_code_free(compiled);
        return true;
    }
    PCRE2_UCHAR text[128];
    (void)pcre2_get_error_message(code, text, sizeof(text));
    (void)snprintf(words, 160, "pcre_compile() failed: %s", (const char *)text);
    return false;
}
