#pragma once

/*
 * mem - allocation that aborts with a message instead of failing.
 *
 * Nothing in Freshet handles NULL from an allocator, so every size a peer chooses is bounded before it gets
 * here. Free with free(3). Threads: any.
 */

#include <stddef.h>

#include "gateway/base/attributes.h"

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *old, size_t size) __attribute__((returns_nonnull));

/* A copy of `size` bytes; the caller owns it. */
void *mem_dup(const void *from, size_t size) __attribute__((returns_nonnull));

/* A copy of a string, NUL included; NULL stays NULL. */
char *mem_strdup(const char *from);

/* A NUL-terminated copy of `length` bytes. */
char *mem_strndup(const char *from, size_t length) __attribute__((returns_nonnull));

/* A new string made by printf rules; the caller owns it. */
char *mem_printf(const char *format, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));
