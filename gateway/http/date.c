/*
 * date - see date.h. The program keeps the locale "C", so names of days and months are English.
 */

#include "gateway/http/date.h"

#include <string.h>
#include <time.h>

enum {
    DATE_MAX = 63 /* the longest is about 33 */
};

static const char *const forms[] = {
    "%a, %d %b %Y %H:%M:%S GMT", /* Sun, 06 Nov 1994 08:49:37 GMT */
    "%A, %d-%b-%y %H:%M:%S GMT", /* Sunday, 06-Nov-94 08:49:37 GMT */
    "%a %b %e %H:%M:%S %Y",      /* Sun Nov  6 08:49:37 1994 */
};

bool date_parse(struct str text, int64_t *seconds)
{
    char copy[DATE_MAX + 1];

    if (text.len == 0 || text.len > DATE_MAX || memchr(text.at, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct tm parts = {0};
        const char *end = strptime(copy, forms[i], &parts);
        if (end == NULL || *end != '\0')
            continue;
        *seconds = timegm(&parts);
        return true;
    }
    return false;
}
