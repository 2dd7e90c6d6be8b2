/*
 * path - see path.h.
 */

#include "admin/path.h"

#include "admin/url.h"

static bool split(struct str text, struct path *path)
{
    for (size_t from = 1; from < text.len;) {
        size_t to = str_find(text, '/', from);
        if (to == SIZE_MAX)
            to = text.len;
        if (to == from || path->count == PATH_MAX_SEGMENTS)
            return false;
        path->raw[path->count++] = str_part(text, from, to);
        from = to + 1;
    }
    return true;
}

static bool next_segment(struct str *form, struct str *segment)
{
    if (form->len < 2)
        return false;
    size_t end = str_find(*form, '/', 1);
    if (end == SIZE_MAX)
        end = form->len;
    *segment = str_part(*form, 1, end);
    *form = str_part(*form, end, form->len);
    return true;
}

bool path_parse(struct str text, struct path *path)
{
    *path = (struct path){0};
    if (text.len == 0 || text.at[0] != '/')
        return false;
    /* Room for the text and its decoded segments, so that nothing moves while members point into it. */
    char *copy = buf_reserve(&path->text, 2 * text.len);
    buf_add(&path->text, text.at, text.len);
    text.at = copy;
    if (!split(text, path)) {
        path_fini(path);
        return false;
    }
    for (size_t i = 0; i < path->count; i++) {
        size_t from = path->text.len;
        url_decode(&path->text, path->raw[i], URL_FORM);
        path->segments[i] = (struct str){copy + from, path->text.len - from};
    }
    return true;
}

void path_fini(struct path *path)
{
    buf_fini(&path->text);
    *path = (struct path){0};
}

bool path_matches(const struct path *path, const char *form)
{
    struct str rest = str_of(form);
    struct str segment;
    size_t count = 0;

    while (next_segment(&rest, &segment)) {
        if (count == path->count)
            return false;
        if (segment.at[0] != '{' && !str_equal(segment, path->segments[count]))
            return false;
        count++;
    }
    return count == path->count;
}
