/*
 * cache_control - see cache_control.h. A list of name or name=value, the value a token or a quoted text; a
 * comma in quotes is none of the list's (RFC 9110, 5.6).
 */

#include "gateway/plugins/cache_control.h"

#include <string.h>

#include "gateway/base/attributes.h"
#include "gateway/http/token.h"

/* Digits alone; -1: they are none. */
static int64_t seconds_of(struct str value)
{
    int64_t seconds;

    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] < '0' || value.at[i] > '9')
            return -1;
    if (value.len == 0)
        return -1;
    if (!token_to_length(value, &seconds) || seconds > CACHE_CONTROL_LONGEST_S)
        return CACHE_CONTROL_LONGEST_S;
    return seconds;
}

static void take_least(int64_t *to, int64_t seconds)
{
    seconds = seconds >= 0 ? seconds : 0;
    if (*to < 0 || seconds < *to)
        *to = seconds;
}

static void take_most(int64_t *to, int64_t seconds)
{
    seconds = seconds >= 0 ? seconds : CACHE_CONTROL_LONGEST_S;
    if (seconds > *to)
        *to = seconds;
}

/* has_value: there was a '=', whatever stood behind it. */
static void take(struct cache_control *control, struct str name, struct str value, bool has_value)
{
    const struct {
        struct str name;
        bool *flag;
        int64_t *least, *most;
    } known[] = {
        {STR("no-store"), .flag = &control->no_store},
        {STR("no-cache"), .flag = &control->no_cache},
        {STR("private"), .flag = &control->is_private},
        {STR("only-if-cached"), .flag = &control->only_if_cached},
        {STR("max-age"), .least = &control->max_age_s},
        {STR("s-maxage"), .least = &control->shared_max_age_s},
        {STR("max-stale"), .least = &control->max_stale_s},
        {STR("min-fresh"), .most = &control->min_fresh_s},
    };
    bool is_any_age = !has_value && str_equal_nocase(name, STR("max-stale"));
    int64_t seconds = is_any_age ? CACHE_CONTROL_LONGEST_S : seconds_of(value);

    for (size_t i = 0; i < COUNT(known); i++) {
        if (!str_equal_nocase(name, known[i].name))
            continue;
        if (known[i].flag != NULL)
            *known[i].flag = true;
        if (known[i].least != NULL)
            take_least(known[i].least, seconds);
        if (known[i].most != NULL)
            take_most(known[i].most, seconds);
    }
}

/* Where the element that begins at `at` ends: at a comma outside of quotes, or with the line. */
static size_t end_of(struct str line, size_t at)
{
    bool is_quoted = false;

    for (; at < line.len && (is_quoted || line.at[at] != ','); at++) {
        if (is_quoted && line.at[at] == '\\' && at + 1 < line.len)
            at++;
        else if (line.at[at] == '"')
            is_quoted = !is_quoted;
    }
    return at < line.len ? at : line.len;
}

void cache_control_add(struct cache_control *control, struct str line)
{
    for (size_t at = 0; at < line.len;) {
        size_t end = end_of(line, at);
        struct str element = str_trim(str_part(line, at, end));
        size_t equals = str_find(element, '=', 0);
        bool has_value = equals != SIZE_MAX;
        struct str name = str_trim(str_part(element, 0, has_value ? equals : element.len));
        struct str value = has_value ? str_trim(str_part(element, equals + 1, element.len)) : STR_NONE;
        take(control, name, token_unquoted(value), has_value);
        at = end + 1;
    }
}

struct cache_control cache_control_read(const struct headers *headers)
{
    struct cache_control control = {
        .max_age_s = -1, .shared_max_age_s = -1, .max_stale_s = -1, .min_fresh_s = -1};

    for (const struct header *line = headers_find(headers, STR("Cache-Control")); line != NULL;
         line = headers_find_next(headers, line, STR("Cache-Control")))
        cache_control_add(&control, line->value);
    return control;
}
