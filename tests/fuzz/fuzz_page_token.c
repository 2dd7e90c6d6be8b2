/* library: gateway_store */

/*
 * The offset of a list: any bytes are refused or lead to a row, and what leads to a row is a token we could
 * have made.
 */

#include <stdint.h>
#include <stdlib.h>

#include "gateway/store/page_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct uuid id, again;
    char token[PAGE_TOKEN_SIZE];

    if (page_token_read((struct str){(const char *)data, size}, &id) != PAGE_TOKEN_OK)
        return 0;
    if (page_token_read(str_of(page_token_make(&id, token)), &again) != PAGE_TOKEN_OK ||
        !uuid_equal(&id, &again))
        abort();
    return 0;
}
