/*
 * basic_login - see basic_login.h. Clients of the reference may write the scheme small, and leave out the
 * blank.
 */

#include "gateway/plugins/basic_login.h"

#include "gateway/http/exchange.h"
#include "gateway/plugins/base64.h"

struct basic_login basic_login_read(struct exchange *exchange, const struct header *header)
{
    const size_t word = sizeof("Basic") - 1;
    struct str line = header != NULL ? str_trim(header->value) : STR_NONE;

    if (line.len < word || !(str_starts_with(line, STR("Basic")) || str_starts_with(line, STR("basic"))))
        return (struct basic_login){0};
    struct str text = base64_decode(exchange, str_trim(str_part(line, word, line.len)));
    size_t colon = text.at != NULL ? str_find(text, ':', 0) : SIZE_MAX;
    if (colon == SIZE_MAX)
        return (struct basic_login){0};
    return (struct basic_login){str_part(text, 0, colon), str_part(text, colon + 1, text.len)};
}
