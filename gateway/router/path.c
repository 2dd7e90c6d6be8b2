/*
 * path - percent-decoding, dot segments, and the joint of service path and request path.
 */

#include "gateway/router/path.h"

#include <string.h>

/* Bytes whose encoding is kept, with upper-case digits. */
static const char reserved[] = "!*'();:@&=+$,/?%#[]";
/* Bytes that go upstream as they are, beside letters and digits. */
static const char unescaped[] = "-_.~!#$&'()*+,/:;=?@[]%";

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static char upper(char c)
{
    return (char)(c >= 'a' && c <= 'f' ? c - 'a' + 'A' : c);
}

static bool is_reserved(int byte)
{
    return byte != 0 && strchr(reserved, byte) != NULL;
}

static size_t decode(struct str raw, char *to)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        int high = raw.at[i] == '%' && i + 2 < raw.len ? hex(raw.at[i + 1]) : -1;
        int low = high >= 0 ? hex(raw.at[i + 2]) : -1;
        if (low < 0) {
            to[len++] = raw.at[i];
            continue;
        }
        int byte = high << 4 | low;
        if (is_reserved(byte)) {
            to[len++] = '%';
            to[len++] = upper(raw.at[i + 1]);
            to[len++] = upper(raw.at[i + 2]);
        } else {
            to[len++] = (char)byte;
        }
        i += 2;
    }
    return len;
}

/* Takes the last segment off, never the first slash. */
static size_t climb(const char *path, size_t len)
{
    while (len > 0 && path[len - 1] != '/')
        len--;
    return len > 0 ? len - 1 : 0;
}

/* "." and ".." go, runs of '/' become one. In place. */
static size_t simplify(char *path, size_t len)
{
    size_t out = 0;
    size_t in = 0;
    while (in < len) {
        size_t begin = in;
        while (in < len && path[in] == '/')
            in++;
        bool slash = in > begin;
        size_t name = in;
        while (in < len && path[in] != '/')
            in++;
        size_t name_len = in - name;
        bool dot = name_len == 1 && path[name] == '.';
        bool dots = name_len == 2 && path[name] == '.' && path[name + 1] == '.';
        if (dots)
            out = climb(path, out);
        if (dot || dots) {
            if (in == len)
                path[out++] = '/';
            continue;
        }
        if (slash)
            path[out++] = '/';
        memmove(path + out, path + name, name_len);
        out += name_len;
    }
    if (out == 0)
        path[out++] = '/';
    return out;
}

size_t path_normalize(struct str raw, char *to)
{
    return simplify(to, decode(raw, to));
}

bool path_is_normal(struct str raw)
{
    if (raw.len == 0 || raw.at[0] != '/')
        return false;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.at[i];
        /* A dot behind a slash may begin a dot segment; the slow way finds out. */
        if (c == '%' || (c == '/' && i + 1 < raw.len && (raw.at[i + 1] == '/' || raw.at[i + 1] == '.')))
            return false;
    }
    return true;
}

/* What follows the matched part; it must not climb out of the service's path. */
static struct str rest_of(const struct path_upstream *parts)
{
    struct str rest = parts->path;
    if (parts->has_route_path)
        rest = str_part(rest, parts->matched_length, rest.len);
    else if (rest.len > 0 && rest.at[0] == '/')
        rest = str_part(rest, 1, rest.len);
    if (str_equal(rest, STR(".")) || str_equal(rest, STR("..")))
        return str_part(rest, rest.len, rest.len);
    if (str_starts_with(rest, STR("./")))
        return str_part(rest, 1, rest.len);
    if (str_starts_with(rest, STR("../")))
        return str_part(rest, 2, rest.len);
    return rest;
}

size_t path_upstream_room(const struct path_upstream *parts)
{
    return (parts->service_path.len + parts->path.len + 2) * 3;
}

struct writer {
    char *to;
    size_t len;
};

static void add(struct writer *writer, struct str bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.at[i];
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= '/' && byte <= '9') ||
                     (byte >= 'A' && byte <= 'Z') || (byte != '\0' && strchr(unescaped, byte) != NULL);
        if (plain) {
            writer->to[writer->len++] = (char)byte;
        } else {
            writer->to[writer->len++] = '%';
            writer->to[writer->len++] = digits[byte >> 4];
            writer->to[writer->len++] = digits[byte & 15];
        }
    }
}

static bool ends_in_slash(struct str path)
{
    return path.len > 0 && path.at[path.len - 1] == '/';
}

/* `to` is written through the writer. NOLINTNEXTLINE(readability-non-const-parameter) */
size_t path_upstream_write(const struct path_upstream *parts, char *to)
{
    struct writer writer = {.to = to};
    struct str base =
        parts->service_path.at != NULL && parts->service_path.len > 0 ? parts->service_path : STR("/");
    struct str path = parts->path;
    bool base_slash = ends_in_slash(base);
    struct str base_open = base_slash ? str_part(base, 0, base.len - 1) : base; /* without its last slash */
    bool path_is_root = path.len == 1;
    if (!parts->strip) {
        add(&writer, base_slash || path_is_root ? base : base_open);
        if (base_slash)
            add(&writer, str_part(path, 1, path.len));
        else if (!path_is_root)
            add(&writer, path);
        return writer.len;
    }
    struct str rest = rest_of(parts);
    bool tail = ends_in_slash(path);
    if (rest.len == 0) {
        if (base_slash)
            add(&writer, base.len == 1 || tail ? base : base_open);
        else
            add(&writer, base);
        if (!base_slash && tail && path.len > 1)
            add(&writer, STR("/"));
    } else if (rest.at[0] == '/') {
        add(&writer, base_open);
        add(&writer, rest);
    } else {
        add(&writer, base_open);
        add(&writer, STR("/"));
        add(&writer, rest);
    }
    return writer.len;
}
