/*
 * mem - see mem.h.
 */

#include "gateway/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory, size_t size)
{
    if (memory == NULL) {
        (void)fprintf(stderr, "freshet: out of memory, %zu bytes wanted\n", size);
        abort();
    }
    return memory;
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size != 0 ? size : 1), size);
}

void *mem_zalloc(size_t size)
{
    return checked(calloc(1, size != 0 ? size : 1), size);
}

void *mem_realloc(void *old, size_t size)
{
    return checked(realloc(old, size != 0 ? size : 1), size);
}

void *mem_dup(const void *from, size_t size)
{
    void *copy = mem_alloc(size);

    if (size != 0)
        memcpy(copy, from, size);
    return copy;
}

char *mem_strdup(const char *from)
{
    return from != NULL ? mem_dup(from, strlen(from) + 1) : NULL;
}

char *mem_strndup(const char *from, size_t length)
{
    char *copy = mem_alloc(length + 1);

    if (length != 0)
        memcpy(copy, from, length);
    copy[length] = '\0';
    return copy;
}

char *mem_printf(const char *format, ...)
{
    va_list values;
    va_list again;
    int length;
    char *text;

    va_start(values, format);
    va_copy(again, values);
    length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    text = mem_alloc(length > 0 ? (size_t)length + 1 : 1);
    text[0] = '\0';
    if (length > 0)
        (void)vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}
