#pragma once

/*
 * attributes - what we tell the compiler beyond the language.
 */

#include <stddef.h>

#define MUST_CHECK                        __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, values_at) __attribute__((format(printf, format_at, values_at)))
#define NO_RETURN                         __attribute__((noreturn))
#define UNUSED                            __attribute__((unused))

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The struct of type `type` whose member `member` is at `pointer`. */
#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
