/*
 * web_origin - see web_origin.h. An origin is a scheme, a host and perhaps a port (RFC 6454); paths and users
 * are not part of it, and what has them is none.
 */

#include "gateway/plugins/web_origin.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/http/exchange.h"
#include "gateway/model/pattern.h"

enum {
    ORIGIN_MAX = 512 /* bytes; a host name has at most 253 */
};

struct entry {
    pcre2_code *pattern; /* NULL: a plain one */
    bool of_host;        /* the pattern is of the host alone */
    struct buf plain;    /* normalised */
};

struct web_origin_list {
    struct entry *entries;
    size_t count;
};

/* Where the parts of a text "scheme://host[:port]" are. */
struct parts {
    struct str scheme, host, port; /* port.at == NULL: none */
};

static bool is_host_byte(char byte)
{
    return byte > ' ' && byte < 0x7f && strchr("/?#@\\", byte) == NULL;
}

static bool cut(struct str text, struct parts *parts)
{
    const char *mark = memmem(text.at, text.len, "://", 3);

    if (mark == NULL || mark == text.at || text.len > ORIGIN_MAX)
        return false;
    parts->scheme = (struct str){text.at, (size_t)(mark - text.at)};
    struct str rest = str_part(text, parts->scheme.len + 3, text.len);
    for (size_t i = 0; i < rest.len; i++)
        if (!is_host_byte(rest.at[i]))
            return false;
    size_t bracket = rest.len > 0 && rest.at[0] == '[' ? str_find(rest, ']', 0) : 0;
    size_t colon = bracket != SIZE_MAX ? str_find(rest, ':', bracket) : SIZE_MAX;
    parts->host = str_part(rest, 0, colon != SIZE_MAX ? colon : rest.len);
    parts->port = colon != SIZE_MAX ? str_part(rest, colon + 1, rest.len) : STR_NONE;
    return parts->host.len > 0;
}

static bool is_default_port(const struct parts *parts)
{
    return (str_equal_nocase(parts->scheme, STR("http")) && str_equal(parts->port, STR("80"))) ||
           (str_equal_nocase(parts->scheme, STR("https")) && str_equal(parts->port, STR("443")));
}

static size_t put_lower(char *to, size_t len, struct str from)
{
    for (size_t i = 0; i < from.len; i++)
        to[len++] = (char)(from.at[i] >= 'A' && from.at[i] <= 'Z' ? from.at[i] + ('a' - 'A') : from.at[i]);
    return len;
}

/* `to` has room for all of the text. Returns the length. */
static size_t normalise(const struct parts *parts, char *to)
{
    size_t len = put_lower(to, 0, parts->scheme);

    len = put_lower(to, len, STR("://"));
    len = put_lower(to, len, parts->host);
    if (parts->port.len > 0 && !is_default_port(parts)) {
        len = put_lower(to, len, STR(":"));
        len = put_lower(to, len, parts->port);
    }
    return len;
}

/* ---- lists ---- */

bool web_origin_is_plain(struct str entry)
{
    for (size_t i = 0; i < entry.len; i++) {
        char byte = entry.at[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!is_letter && (byte < '-' || byte > ':'))
            return false; /* from '-' to ':' there are ". /" and the digits */
    }
    return true;
}

static bool add(struct web_origin_list *list, struct str text, struct err *err)
{
    struct entry *entry = &list->entries[list->count++];
    struct parts parts;

    if (!web_origin_is_plain(text)) {
        entry->of_host = str_find(text, ':', 0) == SIZE_MAX;
        entry->pattern = pattern_compile(text.at, PCRE2_ANCHORED | PCRE2_ENDANCHORED, err);
        return entry->pattern != NULL;
    }
    if (cut(text, &parts))
        entry->plain.len = normalise(&parts, buf_reserve(&entry->plain, text.len));
    return true;
}

bool web_origin_list_new(char *const *entries, size_t count, struct web_origin_list **list, struct err *err)
{
    struct web_origin_list *made = mem_zalloc(sizeof(*made));

    made->entries = mem_zalloc((count + 1) * sizeof(*made->entries));
    for (size_t i = 0; i < count; i++)
        if (!add(made, str_of(entries[i]), err)) {
            web_origin_list_free(made);
            return false;
        }
    *list = made;
    return true;
}

void web_origin_list_free(struct web_origin_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++) {
        pcre2_code_free(list->entries[i].pattern);
        buf_fini(&list->entries[i].plain);
    }
    free(list->entries);
    free(list);
}

/* "host" of a normalised origin. */
static struct str host_of(struct str origin, const struct parts *parts)
{
    return str_part(origin, parts->scheme.len + 3, parts->scheme.len + 3 + parts->host.len);
}

struct str web_origin_find(const struct web_origin_list *list, struct exchange *exchange, struct str origin)
{
    struct parts parts;

    if (origin.at == NULL || !cut(origin, &parts))
        return STR_NONE;
    char *text = exchange_alloc(exchange, origin.len + 1);
    struct str normal = {text, normalise(&parts, text)};
    for (size_t i = 0; i < list->count; i++) {
        const struct entry *entry = &list->entries[i];
        bool matches =
            entry->pattern == NULL
                ? entry->plain.len > 0 && str_equal(buf_str(&entry->plain), normal)
                : pattern_match(entry->pattern, entry->of_host ? host_of(normal, &parts) : normal) > 0;
        if (matches)
            return normal;
    }
    return STR_NONE;
}
