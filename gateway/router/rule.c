/*
 * rule - conditions and precedence of a route (data-plane reference 1.3, 1.4).
 */

#include "gateway/router/rule.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/entities.h"
#include "gateway/model/pattern.h"

enum {
    HEADERS_MAX = 255
};

_Static_assert((int)PATTERN_MAX_PAIRS == (int)ROUTER_MAX_CAPTURES, "what a match has is what is kept");

/* ---- making ---- */

/* The ']' of the class that begins at `at`; NULL: not followed here. */
static const char *class_end(const char *at)
{
    at++;
    if (*at == '^')
        at++;
    if (*at == ']')
        at++; /* literal in first place */
    for (; *at != ']'; at++) {
        bool named = *at == '[' && strchr(":.=", at[1]) != NULL;
        if (*at == '\0' || named)
            return NULL;
        if (*at != '\\')
            continue;
        at++;
        if (*at == '\0' || *at == 'Q' || *at == 'c')
            return NULL;
    }
    return at;
}

/* Has the pattern an alternative outside every group, which may begin anywhere? true also for syntax that is
 * not followed here: quoting, comments, options, verbs. */
static bool has_alternatives(const char *pattern)
{
    int depth = 0;
    for (const char *at = pattern; *at != '\0'; at++) {
        switch (*at) {
        case '\\':
            at++;
            if (*at == '\0' || *at == 'Q' || *at == 'c')
                return true;
            break;
        case '[':
            at = class_end(at);
            if (at == NULL)
                return true;
            break;
        case '(':
            if (at[1] == '*' || (at[1] == '?' && strchr(":<P", at[2]) == NULL))
                return true;
            depth++;
            break;
        case ')':
            depth--;
            break;
        case '|':
            if (depth == 0)
                return true;
            break;
        default:
            break;
        }
    }
    return false;
}

/* The bytes every match of the pattern begins with; "" when that cannot be said by looking. */
static struct str literal_start(const char *pattern)
{
    size_t len = strcspn(pattern, "\\.[](){}*+?|^$");
    if (has_alternatives(pattern))
        return (struct str){pattern, 0};
    if (len > 0 && pattern[len] != '\0' && strchr("*?{+", pattern[len]) != NULL)
        len--; /* the quantifier takes the byte before it */
    while (len > 0 && ((unsigned char)pattern[len - 1] & 0x80) != 0)
        len--; /* never part a character */
    return (struct str){pattern, len};
}

static bool add_pattern(struct candidate *candidate, const char *path, struct err *err)
{
    char *anchored = mem_printf("^%s", path + 1);
    candidate->pattern = pattern_compile(anchored, PCRE2_UTF, err);
    candidate->prefix = literal_start(path + 1);
    free(anchored);
    return candidate->pattern != NULL;
}

static size_t header_value_count(const struct route *route)
{
    size_t count = 0;
    for (size_t i = 0; i < route->header_count; i++)
        count += route->headers[i].values.count;
    return count;
}

static bool add_header_patterns(struct rule *rule, struct err *err)
{
    const struct route *route = rule->route;
    size_t at = 0;
    for (size_t i = 0; i < route->header_count; i++) {
        for (size_t k = 0; k < route->headers[i].values.count; k++, at++) {
            const char *value = route->headers[i].values.at[k];
            if (strncmp(value, "~*", 2) != 0)
                continue;
            if (rule->header_patterns == NULL)
                rule->header_patterns = mem_zalloc(header_value_count(route) * sizeof(pcre2_code *));
            rule->header_patterns[at] = pattern_compile(value + 2, PCRE2_CASELESS, err);
            if (rule->header_patterns[at] == NULL)
                return false;
        }
    }
    return true;
}

static uint32_t rank_of(const struct route *route)
{
    uint32_t weight = (route->methods.count > 0) + (route->hosts.count > 0) + (route->header_count > 0) +
                      (route->snis.count > 0) + (route->paths.count > 0);
    uint32_t plain_hosts = route->hosts.count > 0 ? 1 : 0;
    for (size_t i = 0; i < route->hosts.count; i++)
        if (strchr(route->hosts.at[i], '*') != NULL)
            plain_hosts = 0;
    uint32_t headers = route->header_count < HEADERS_MAX ? (uint32_t)route->header_count : HEADERS_MAX;
    return weight << 16 | plain_hosts << 8 | headers;
}

static const struct {
    const char *name;
    uint32_t bit;
} known_methods[] = {
    {"GET", 1 << 0},  {"POST", 1 << 1},    {"PUT", 1 << 2},   {"DELETE", 1 << 3},  {"PATCH", 1 << 4},
    {"HEAD", 1 << 5}, {"OPTIONS", 1 << 6}, {"TRACE", 1 << 7}, {"CONNECT", 1 << 8},
};

uint32_t method_bit(struct str method)
{
    for (size_t i = 0; i < COUNT(known_methods); i++)
        if (str_equal(str_of(known_methods[i].name), method))
            return known_methods[i].bit;
    return 0;
}

static void set_conditions(struct rule *rule)
{
    const struct route *route = rule->route;

    rule->has_more = route->snis.count > 0 || route->header_count > 0;
    for (size_t i = 0; i < route->methods.count; i++) {
        uint32_t bit = method_bit(str_of(route->methods.at[i]));
        rule->methods |= bit;
        rule->has_more = rule->has_more || bit == 0;
    }
}

bool rule_make(struct routed *routed, struct err *err)
{
    const struct route *route = routed->route;
    size_t count = route->paths.count > 0 ? route->paths.count : 1;
    struct rule *rule = mem_zalloc(sizeof(*rule) + count * sizeof(struct candidate));
    rule->rank = rank_of(route);
    rule->routed = routed;
    rule->route = route;
    rule->candidate_count = count;
    set_conditions(rule);
    bool ok = add_header_patterns(rule, err);
    for (size_t i = 0; ok && i < count; i++) {
        struct candidate *candidate = &rule->candidates[i];
        const char *path = route->paths.count > 0 ? route->paths.at[i] : NULL;
        *candidate =
            (struct candidate){.rule = rule, .path_index = path != NULL ? i : SIZE_MAX, .prefix = {"", 0}};
        if (path != NULL && path[0] == '~')
            ok = add_pattern(candidate, path, err);
        else if (path != NULL)
            candidate->prefix = str_of(path);
    }
    if (ok)
        routed->rule = rule;
    else
        rule_free(rule);
    return ok;
}

void rule_free(struct rule *rule)
{
    if (rule == NULL)
        return;
    for (size_t i = 0; i < rule->candidate_count; i++)
        pcre2_code_free(rule->candidates[i].pattern);
    for (size_t i = 0; rule->header_patterns != NULL && i < header_value_count(rule->route); i++)
        pcre2_code_free(rule->header_patterns[i]);
    free(rule->header_patterns);
    free(rule);
}

struct rule *rule_ref(struct rule *rule)
{
    (void)routed_ref(rule->routed);
    return rule;
}

void rule_unref(struct rule *rule)
{
    routed_unref(rule->routed);
}

/* ---- precedence ---- */

bool candidate_precedes(const struct candidate *a, const struct candidate *b)
{
    const struct route *ra = a->rule->route;
    const struct route *rb = b->rule->route;
    if (a->rule->rank != b->rule->rank)
        return a->rule->rank > b->rule->rank;
    if ((a->pattern != NULL) != (b->pattern != NULL))
        return a->pattern != NULL;
    if (a->pattern != NULL && ra->regex_priority != rb->regex_priority)
        return ra->regex_priority > rb->regex_priority;
    if (a->pattern == NULL && a->prefix.len != b->prefix.len)
        return a->prefix.len > b->prefix.len;
    if (ra->created_at != rb->created_at)
        return ra->created_at < rb->created_at;
    int order = uuid_order(&ra->id, &rb->id);
    return order != 0 ? order < 0 : a->path_index < b->path_index;
}

/* ---- conditions ---- */

static bool method_matches(const struct route *route, struct str method)
{
    for (size_t i = 0; i < route->methods.count; i++)
        if (str_equal(str_of(route->methods.at[i]), method))
            return true;
    return route->methods.count == 0;
}

static struct str without_dot(struct str name)
{
    return name.len > 0 && name.at[name.len - 1] == '.' ? str_part(name, 0, name.len - 1) : name;
}

static bool server_name_matches(const struct route *route, const struct router_query *query)
{
    /* A plain request skips the condition and then meets the check for https (reference 1.3). */
    if (route->snis.count == 0 || !query->tls)
        return true;
    for (size_t i = 0; i < route->snis.count; i++)
        if (query->server_name.at != NULL &&
            str_equal_nocase(without_dot(str_of(route->snis.at[i])), without_dot(query->server_name)))
            return true;
    return false;
}

/* Letters without case, '_' as '-'; `own` is already so. */
static bool header_name_equals(const char *own, struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        c = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c == '_' ? '-' : c);
        if (own[i] != c || c == '\0')
            return false;
    }
    return own[name.len] == '\0';
}

static bool header_matches(const struct rule *rule, const struct route_header *header, size_t first_value,
                           const struct router_query *query)
{
    for (size_t i = 0; i < query->header_count; i++) {
        if (!header_name_equals(header->name, query->headers[i].name))
            continue;
        for (size_t k = 0; k < header->values.count; k++) {
            const pcre2_code *pattern =
                rule->header_patterns != NULL ? rule->header_patterns[first_value + k] : NULL;
            struct str value = query->headers[i].value;
            if (pattern != NULL ? pattern_match(pattern, value) > 0
                                : str_equal_nocase(str_of(header->values.at[k]), value))
                return true;
        }
    }
    return false;
}

static bool headers_match(const struct rule *rule, const struct router_query *query)
{
    size_t first_value = 0;
    for (size_t i = 0; i < rule->route->header_count; i++) {
        if (!header_matches(rule, &rule->route->headers[i], first_value, query))
            return false;
        first_value += rule->route->headers[i].values.count;
    }
    return true;
}

static void name_captures(const pcre2_code *pattern, struct router_match *match)
{
    uint32_t count = 0;
    uint32_t size = 0;
    PCRE2_SPTR names = NULL;
    (void)pcre2_pattern_info(pattern, PCRE2_INFO_NAMECOUNT, &count);
    (void)pcre2_pattern_info(pattern, PCRE2_INFO_NAMEENTRYSIZE, &size);
    (void)pcre2_pattern_info(pattern, PCRE2_INFO_NAMETABLE, (void *)&names);
    for (uint32_t i = 0; i < count; i++) {
        const unsigned char *entry = names + (size_t)i * size;
        unsigned number = (unsigned)entry[0] << 8 | entry[1];
        if (number < match->capture_count)
            match->captures[number].name = str_of((const char *)entry + 2);
    }
}

static bool pattern_matches(const struct candidate *candidate, struct str path, struct router_match *match)
{
    int pairs = pattern_match(candidate->pattern, path);
    if (pairs == 0)
        return false;
    const PCRE2_SIZE *ends = pattern_pairs();
    uint32_t groups = 0;
    (void)pcre2_pattern_info(candidate->pattern, PCRE2_INFO_CAPTURECOUNT, &groups);
    match->matched_length = ends[1];
    match->capture_count = groups == 0                        ? 0
                           : groups + 1 < ROUTER_MAX_CAPTURES ? groups + 1
                                                              : ROUTER_MAX_CAPTURES;
    for (size_t i = 0; i < match->capture_count; i++) {
        bool took_part = (int)i < pairs && ends[2 * i] != PCRE2_UNSET;
        match->captures[i] = (struct router_capture){
            .value = took_part ? str_part(path, ends[2 * i], ends[2 * i + 1]) : STR_NONE};
    }
    if (groups > 0)
        name_captures(candidate->pattern, match);
    return true;
}

/* Whatever no bit can tell. */
static bool rest_matches(const struct rule *rule, const struct router_query *query)
{
    return method_matches(rule->route, query->method) && server_name_matches(rule->route, query) &&
           headers_match(rule, query);
}

bool candidate_matches(const struct candidate *candidate, const struct rule_query *query,
                       struct router_match *match)
{
    const struct rule *rule = candidate->rule;
    if (rule->has_more ? !rest_matches(rule, query->asked)
                       : rule->methods != 0 && (rule->methods & query->method) == 0)
        return false;
    struct router_match found;
    found.route = rule->route;
    found.path_index = candidate->path_index;
    found.matched_length = candidate->prefix.len;
    found.capture_count = 0;
    if (candidate->pattern != NULL && !pattern_matches(candidate, query->asked->path, &found))
        return false;
    match->route = found.route;
    match->path_index = found.path_index;
    match->matched_length = found.matched_length;
    match->capture_count = found.capture_count;
    memcpy(match->captures, found.captures, found.capture_count * sizeof(found.captures[0]));
    return true;
}
