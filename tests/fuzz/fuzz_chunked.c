/* library: gateway_http */

/*
 * The chunked decoder: pieces of any size must give what the whole gives, within the bytes that were there.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/http/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum chunked_result decode_whole(char *bytes, size_t size, size_t *decoded, size_t *used)
{
    struct chunked chunked = {0};

    *decoded = 0;
    *used = 0;
    return chunked_decode(&chunked, bytes, size, decoded, used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *whole = malloc(size + 1);
    char *pieces = malloc(size + 1);
    char *together = malloc(size + 1);
    struct chunked chunked = {0};
    enum chunked_result result = CHUNKED_MORE;
    size_t length = 0;
    size_t at = 0;
    size_t decoded;
    size_t used;

    if (whole == NULL || pieces == NULL || together == NULL)
        abort();
    if (size > 0) {
        memcpy(whole, data, size);
        memcpy(pieces, data, size);
    }
    enum chunked_result expected = decode_whole(whole, size, &decoded, &used);
    if (decoded > size || used > size)
        abort();
    while (at < size && result == CHUNKED_MORE) {
        size_t piece = 1 + at % 7 < size - at ? 1 + at % 7 : size - at;
        size_t piece_decoded = 0;
        size_t piece_used = 0;

        result = chunked_decode(&chunked, pieces + at, piece, &piece_decoded, &piece_used);
        memcpy(together + length, pieces + at, piece_decoded);
        length += piece_decoded;
        at += piece_used;
    }
    if (result != expected)
        abort();
    if (result != CHUNKED_BAD && (length != decoded || at != used || memcmp(together, whole, length) != 0))
        abort();
    free(together);
    free(pieces);
    free(whole);
    return 0;
}
