/*
 * err - see err.h.
 */

#include "gateway/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const texts[] = {
#define ERROR(code, text) [ERR_##code] = (text),
#include "gateway/base/errors.def"
};

bool err_set(struct err *err, enum err_code code, const char *format, ...)
{
    va_list values;

    if (err == NULL)
        return false;
    err->code = code;
    va_start(values, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, values);
    va_end(values);
    return false;
}

bool err_wrap(struct err *err, const char *format, ...)
{
    char what[sizeof(err->text)];
    size_t length;
    va_list values;

    if (err == NULL)
        return false;
    va_start(values, format);
    (void)vsnprintf(what, sizeof(what) - 2, format, values);
    va_end(values);
    length = strlen(what);
    memcpy(what + length, ": ", 3);
    length += 2;
    (void)snprintf(what + length, sizeof(what) - length, "%s", err->text);
    memcpy(err->text, what, sizeof(what));
    return false;
}

const char *err_code_text(enum err_code code)
{
    return (size_t)code < COUNT(texts) ? texts[code] : "unknown";
}
