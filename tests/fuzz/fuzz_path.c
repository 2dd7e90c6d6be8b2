/* library: gateway_router */

/*
 * fuzz_path - any bytes as a request path: its normal form stays put, and the path upstream keeps to its
 * room.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/router/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void join(struct str path, struct str service_path, size_t matched_length, bool strip)
{
    const struct path_upstream parts = {
        .service_path = service_path,
        .path = path,
        .matched_length = matched_length,
        .has_route_path = matched_length > 0,
        .strip = strip,
    };
    size_t room = path_upstream_room(&parts);
    char *to = mem_alloc(room);
    assert(path_upstream_write(&parts, to) <= room);
    free(to);
}

static void check_slashes(struct str path)
{
    assert(path.at[0] == '/');
    for (size_t i = 0; i + 1 < path.len; i++)
        assert(path.at[i] != '/' || path.at[i + 1] != '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str raw = {(const char *)data, size};
    char *once = mem_alloc(size + 1);
    struct str path = {once, path_normalize(raw, once)};

    assert(path.len >= 1 && path.len <= size + 1);
    if (path_is_normal(raw))
        assert(str_equal(raw, path));
    if (size > 0 && raw.at[0] == '/')
        check_slashes(path);
    for (size_t matched = 0; matched <= path.len && matched < 8; matched++) {
        join(path, STR("/lib"), matched, true);
        join(path, STR("/lib/"), matched, false);
        join(path, STR_NONE, matched, true);
    }
    free(once);
    return 0;
}
