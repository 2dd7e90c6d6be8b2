/* library: bus */

/* A message from the channel: any bytes must be refused or read, and what is read must be written as it was.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bus/hint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t history[16] = "0123456789abcdef";
    static struct hint hint;
    static uint8_t again[HINT_MAX_BYTES];

    (void)hint_decode(data, size, history, "secret", &hint);
    if (hint_decode(data, size, history, NULL, &hint) != HINT_GOOD)
        return 0;
    assert(hint.key_count <= HINT_MAX_KEYS);
    assert(hint.first <= hint.last);
    if ((hint.flags & HINT_SIGNED) == 0) {
        assert(hint_encode(&hint, NULL, again) == size);
        assert(memcmp(again + 72, data + 72, size - 72) == 0);
    }
    return 0;
}
