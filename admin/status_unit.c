/*
 * status_unit - see status_unit.h.
 */

#include "admin/status_unit.h"

#include <stdio.h>

enum {
    DEFAULT_SCALE = 2,
    MAX_SCALE = 15
};

static const struct {
    char letter;
    double bytes;
    const char *name;
} units[] = {
    {'b', 1, NULL},
    {'k', 1024, "KiB"},
    {'m', 1024.0 * 1024, "MiB"},
    {'g', 1024.0 * 1024 * 1024, "GiB"},
};

static bool find_unit(struct str name, struct status_unit *unit)
{
    for (size_t i = 0; i < COUNT(units); i++) {
        if (!str_equal_nocase(name, (struct str){&units[i].letter, 1}))
            continue;
        unit->bytes = units[i].bytes;
        unit->name = units[i].name;
        return true;
    }
    return false;
}

bool status_unit_read(const struct query_string *query, struct status_unit *unit, struct answer *answer)
{
    const struct query_argument *name = query_string_find(query, "unit");
    const struct query_argument *scale = query_string_find(query, "scale");
    int64_t digits = DEFAULT_SCALE;
    struct str wanted = name != NULL ? name->value : STR("m");

    if (!find_unit(wanted, unit)) {
        answer_message(answer, 400, "invalid unit '%.*s' (expected 'k/K', 'm/M', or 'g/G')",
                       wanted.len > 64 ? 64 : (int)wanted.len, wanted.at != NULL ? wanted.at : "");
        return false;
    }
    if (scale != NULL && !str_to_int(scale->value, &digits))
        digits = DEFAULT_SCALE;
    if (digits < 0) {
        answer_message(answer, 400, "scale must be equal or greater than 0");
        return false;
    }
    unit->scale = digits > MAX_SCALE ? MAX_SCALE : (int)digits;
    return true;
}

cJSON *status_unit_bytes(const struct status_unit *unit, size_t amount)
{
    char text[64];

    if (unit->name == NULL)
        return cJSON_CreateNumber((double)amount);
    (void)snprintf(text, sizeof(text), "%.*f %s", unit->scale, (double)amount / unit->bytes, unit->name);
    return cJSON_CreateString(text);
}
