/*
 * patterns - see patterns.h.
 */

#include "gateway/model/patterns.h"

#include "gateway/model/header_name.h"
#include "gateway/model/route_checks.h"
#include "gateway/model/texts.h"
#include "gateway/model/upstream_checks.h"

static const struct {
    field_check_fn check;
    const char *pattern;
} patterns[] = {
    /* clang-format off */
    {text_is_name,        "^(?:[0-9A-Za-z._~-]|[^\\x00-\\x7f])+$"},
    {text_is_tag,         "^(?:[ -+.0-~-]|[^\\x00-\\x7f])+$"},
    {text_is_path,        "^(?!.*//)/"},
    {route_path_check,    "^(?!.*//)~?/"},
    {text_is_method,      "^[A-Z]+$"},
    {text_is_header_name, "^[0-9A-Za-z_-]+$"},
    {upstream_check_cookie, "^[0-9A-Za-z_-]+$"},
    /* clang-format on */
};

const char *pattern_of_check(field_check_fn check)
{
    for (size_t i = 0; check != NULL && i < COUNT(patterns); i++)
        if (patterns[i].check == check)
            return patterns[i].pattern;
    return NULL;
}
