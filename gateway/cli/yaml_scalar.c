/*
 * yaml_scalar - which type a word without quotes has.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/attributes.h"
#include "gateway/cli/yaml.h"

enum {
    NUMBER_LENGTH_MAX = 64 /* longer ones are texts */
};

static bool is_among(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

/* The digits of a base, underscores left out; NULL: other characters are among them. */
static const char *digits_of(const char *text, const char *allowed, char digits[NUMBER_LENGTH_MAX])
{
    size_t length = 0;

    for (; *text != '\0' && length + 1 < NUMBER_LENGTH_MAX; text++) {
        if (*text == '_' && length > 0)
            continue;
        if (strchr(allowed, *text) == NULL)
            return NULL;
        digits[length++] = *text;
    }
    digits[length] = '\0';
    return *text == '\0' && length > 0 ? digits : NULL;
}

static bool whole_number(const char *text, double *number)
{
    static const struct {
        const char *start, *digits;
        int base;
    } forms[] = {{"0x", "0123456789abcdefABCDEF", 16},
                 {"0b", "01", 2},
                 {"0o", "01234567", 8},
                 {"0", "01234567", 8},
                 {"", "0123456789", 10}};
    char digits[NUMBER_LENGTH_MAX];
    bool is_negative = text[0] == '-';

    if (text[0] == '-' || text[0] == '+')
        text++;
    for (size_t i = 0; i < COUNT(forms); i++) {
        size_t start = strlen(forms[i].start);
        if (strncmp(text, forms[i].start, start) != 0 || text[start] == '\0')
            continue;
        const char *found = digits_of(text + start, forms[i].digits, digits);
        if (found == NULL && start > 0)
            return false;
        if (found == NULL)
            continue;
        double value =
            forms[i].base == 10 ? strtod(found, NULL) : (double)strtoull(found, NULL, forms[i].base);
        *number = is_negative ? -value : value;
        return true;
    }
    return false;
}

/* [sign] digits [. digits] [e [sign] digits], with a digit before or behind the dot. */
static bool broken_number(const char *text, double *number)
{
    char digits[NUMBER_LENGTH_MAX];
    const char *found = digits_of(text, "0123456789.eE+-", digits);
    char *end = NULL;

    if (found == NULL || strpbrk(found, ".eE") == NULL || strpbrk(found, "0123456789") == NULL ||
        found[0] == 'e' || found[0] == 'E')
        return false;
    *number = strtod(found, &end);
    return *end == '\0' && isfinite(*number);
}

cJSON *yaml_scalar(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL};
    static const char *const no[] = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL};
    double number;

    if (is_among(text, nulls))
        return cJSON_CreateNull();
    if (is_among(text, yes))
        return cJSON_CreateTrue();
    if (is_among(text, no))
        return cJSON_CreateFalse();
    if (strlen(text) < NUMBER_LENGTH_MAX && (whole_number(text, &number) || broken_number(text, &number)))
        return cJSON_CreateNumber(number);
    return cJSON_CreateString(text);
}
