/*
 * header - see header.h. Lists are short (a dozen lines), so every search is a walk that compares lengths
 * first.
 */

#include "gateway/http/header.h"

#include <assert.h>
#include <string.h>

#include "gateway/http/exchange.h"

static struct header *find_from(const struct headers *headers, size_t from, struct str name)
{
    for (size_t i = from; i < headers->count; i++) {
        struct header *header = &headers->at[i];

        if (header->name.len == name.len && str_equal_nocase(header->name, name))
            return header;
    }
    return NULL;
}

static void grow(struct headers *headers)
{
    size_t capacity = headers->capacity < 8 ? 16 : headers->capacity * 2;

    assert(headers->owner != NULL);
    struct header *at = exchange_alloc(headers->owner, capacity * sizeof(*at));
    if (headers->count > 0)
        memcpy(at, headers->at, headers->count * sizeof(*at));
    headers->at = at;
    headers->capacity = capacity;
}

static size_t remove_from(struct headers *headers, size_t from, struct str name)
{
    size_t kept = from;

    for (size_t i = from; i < headers->count; i++) {
        if (headers->at[i].name.len == name.len && str_equal_nocase(headers->at[i].name, name))
            continue;
        if (kept != i)
            headers->at[kept] = headers->at[i];
        kept++;
    }
    size_t removed = headers->count - kept;
    headers->count = kept;
    return removed;
}

struct header *headers_find(const struct headers *headers, struct str name)
{
    return find_from(headers, 0, name);
}

struct header *headers_find_next(const struct headers *headers, const struct header *after, struct str name)
{
    return find_from(headers, (size_t)(after - headers->at) + 1, name);
}

void headers_add(struct headers *headers, struct str name, struct str value)
{
    if (headers->count == headers->capacity)
        grow(headers);
    headers->at[headers->count++] = (struct header){name, value};
}

void headers_set(struct headers *headers, struct str name, struct str value)
{
    struct header *first = headers_find(headers, name);

    if (first == NULL) {
        headers_add(headers, name, value);
        return;
    }
    *first = (struct header){name, value};
    (void)remove_from(headers, (size_t)(first - headers->at) + 1, name);
}

size_t headers_remove(struct headers *headers, struct str name)
{
    return remove_from(headers, 0, name);
}
