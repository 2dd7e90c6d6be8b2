/* library: gateway_plugins */

/*
 * fuzz_cache_control - any bytes as a Cache-Control line, and as a type of a body with another.
 *
 * One line says what its halves say, cut at a comma outside of quotes; and a type fits itself.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/plugins/cache_control.h"
#include "gateway/plugins/media_type.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

static bool is_seconds(int64_t seconds)
{
    return seconds >= -1 && seconds <= CACHE_CONTROL_LONGEST_S;
}

static struct cache_control read_all(const struct str *lines, size_t count)
{
    struct header at[2];
    for (size_t i = 0; i < count; i++)
        at[i] = (struct header){STR("Cache-Control"), lines[i]};
    const struct headers headers = {.at = at, .count = count, .capacity = 2};
    return cache_control_read(&headers);
}

/* At the first comma, if no quote stands before it. */
static void demand_halves(struct str line, const struct cache_control *whole)
{
    size_t comma = str_find(line, ',', 0);
    if (comma == SIZE_MAX || str_find(str_part(line, 0, comma), '"', 0) != SIZE_MAX)
        return;
    const struct str halves[] = {str_part(line, 0, comma), str_part(line, comma + 1, line.len)};
    struct cache_control both = read_all(halves, 2);
    demand(both.no_store == whole->no_store && both.no_cache == whole->no_cache &&
           both.is_private == whole->is_private && both.only_if_cached == whole->only_if_cached &&
           both.max_age_s == whole->max_age_s && both.shared_max_age_s == whole->shared_max_age_s &&
           both.max_stale_s == whole->max_stale_s && both.min_fresh_s == whole->min_fresh_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1); /* a sanitizer sees who reads beyond it */
    memcpy(copy, data, size);
    struct str line = {copy, size};
    struct cache_control control = read_all(&line, 1);

    demand(is_seconds(control.max_age_s) && is_seconds(control.shared_max_age_s) &&
           is_seconds(control.max_stale_s) && is_seconds(control.min_fresh_s));
    demand_halves(line, &control);
    size_t newline = str_find(line, '\n', 0);
    if (newline != SIZE_MAX)
        (void)media_type_fits(str_part(line, 0, newline), str_part(line, newline + 1, line.len));
    bool has_type = media_type_fits(line, STR("*/*")) || media_type_fits(line, line);
    demand(!has_type || media_type_fits(line, line));
    free(copy);
    return 0;
}
