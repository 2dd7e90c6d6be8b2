/*
 * media_type - see media_type.h.
 */

#include "gateway/plugins/media_type.h"

#include "gateway/http/token.h"

/* The parameter at *at, which moves behind it; a ';' in quotes ends nothing. false: there is none left. */
static bool next_parameter(struct str parameters, size_t *at, struct str *name, struct str *value)
{
    while (*at < parameters.len) {
        bool is_quoted = false;
        size_t end = *at;
        for (; end < parameters.len && (is_quoted || parameters.at[end] != ';'); end++)
            if (parameters.at[end] == '"')
                is_quoted = !is_quoted;
        struct str parameter = str_trim(str_part(parameters, *at, end));
        *at = end + 1;
        if (parameter.len == 0)
            continue;
        size_t equals = str_find(parameter, '=', 0);
        equals = equals != SIZE_MAX ? equals : parameter.len;
        *name = str_trim(str_part(parameter, 0, equals));
        *value = equals < parameter.len
                     ? token_unquoted(str_trim(str_part(parameter, equals + 1, parameter.len)))
                     : STR_NONE;
        return true;
    }
    return false;
}

static bool has_parameter(struct str parameters, struct str wanted_name, struct str wanted_value)
{
    struct str name, value;

    for (size_t at = 0; next_parameter(parameters, &at, &name, &value);)
        if (str_equal_nocase(name, wanted_name) && str_equal_nocase(value, wanted_value))
            return true;
    return false;
}

/* Each of `some` is among `all`. */
static bool are_among(struct str some, struct str all)
{
    struct str name, value;

    for (size_t at = 0; next_parameter(some, &at, &name, &value);)
        if (!has_parameter(all, name, value))
            return false;
    return true;
}

static bool part_fits(struct str part, struct str wanted)
{
    return str_equal(wanted, STR("*")) || str_equal_nocase(part, wanted);
}

/* What stands before `byte`, trimmed, and what behind it, from *rest. */
static struct str cut(struct str text, char byte, struct str *rest)
{
    size_t at = str_find(text, byte, 0);

    *rest = at != SIZE_MAX ? str_part(text, at + 1, text.len) : str_part(text, text.len, text.len);
    return str_trim(str_part(text, 0, at != SIZE_MAX ? at : text.len));
}

bool media_type_fits(struct str type, struct str wanted)
{
    struct str parameters, wanted_parameters, subtype, wanted_subtype;
    struct str name = cut(type, ';', &parameters);
    struct str wanted_name = cut(wanted, ';', &wanted_parameters);

    name = cut(name, '/', &subtype);
    wanted_name = cut(wanted_name, '/', &wanted_subtype);
    return name.len > 0 && part_fits(name, wanted_name) &&
           (part_fits(subtype, wanted_subtype) ||
            (wanted_subtype.len == 0 && str_equal(wanted_name, STR("*")))) &&
           are_among(parameters, wanted_parameters) && are_among(wanted_parameters, parameters);
}
