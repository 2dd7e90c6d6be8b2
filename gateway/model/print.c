/*
 * print - documents as JSON text, with whole numbers in full.
 *
 * cJSON prints 15 digits unless the value then differs by more than a relative epsilon, which for numbers of
 * 16 digits is too much: 9007199254740991 would become 9.00719925474099e+15, another number. Such numbers
 * are rare; only a document that has one is copied.
 */

#include <math.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"

static const double digits_max = 1e15; /* from here on cJSON's digits do not suffice */
static const double whole_max = 9007199254740992.0;

static bool is_long(const cJSON *value)
{
    double number = fabs(value->valuedouble);
    return cJSON_IsNumber(value) && number >= digits_max && number <= whole_max && floor(number) == number;
}

static bool has_long(const cJSON *value)
{
    if (is_long(value))
        return true;
    for (const cJSON *child = value->child; child != NULL; child = child->next)
        if (has_long(child))
            return true;
    return false;
}

static void write_out(cJSON *value)
{
    if (is_long(value)) {
        value->valuestring = mem_printf("%.0f", value->valuedouble);
        value->type = (value->type & ~0xff) | cJSON_Raw;
    }
    for (cJSON *child = value->child; child != NULL; child = child->next)
        write_out(child);
}

char *document_print(const cJSON *value)
{
    if (!has_long(value))
        return cJSON_PrintUnformatted(value);
    cJSON *copy = cJSON_Duplicate(value, true);
    write_out(copy);
    char *text = cJSON_PrintUnformatted(copy);
    cJSON_Delete(copy);
    return text;
}
