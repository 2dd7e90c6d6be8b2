/* library: gateway_http */

/*
 * The front guard: whatever comes, it ends; what passes is in origin form and has no byte that means two
 * things.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/http/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct guard_limits limits = {.head_bytes = 2000, .line_bytes = 500};
    struct guard_request request = {0};
    char *bytes = malloc(size + 1); /* no byte more than there is, so that a read beyond is seen */

    if (bytes == NULL)
        abort();
    if (size > 0)
        memcpy(bytes, data, size);
    struct guard_refusal refusal = guard_check((struct str){bytes, size}, &limits, &request);
    if (refusal.status == 0) {
        if (request.target.len == 0 || request.target.at[0] != '/' || request.method.len == 0)
            abort();
        if (request.version == 0x101 && request.host.at == NULL)
            abort();
        for (size_t i = 0; i < request.target.len; i++) {
            if (request.target.at[i] <= ' ' || request.target.at[i] == '#')
                abort();
        }
    } else if (refusal.text == NULL || refusal.status < 400) {
        abort();
    }
    free(bytes);
    return 0;
}
