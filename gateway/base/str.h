#pragma once

/*
 * str - bytes that belong to somebody else (struct str), and a buffer that grows (struct buf).
 *
 * A struct str is never assumed to end in NUL. at == NULL means "not there", len == 0 "there but empty".
 * A struct buf owns its bytes, which are always followed by a NUL that len does not count.
 *
 * Threads: any; an object belongs to its caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/attributes.h"

struct str {
    const char *at;
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})
/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).at != NULL ? (s).at : ""

static inline struct str str_of(const char *text)
{
    return text != NULL ? (struct str){text, strlen(text)} : STR_NONE;
}

static inline struct str str_part(struct str s, size_t from, size_t to)
{
    return (struct str){s.at + from, to - from};
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* For bytes of one length, at least one. */
bool str_same_letters(const char *a, const char *b, size_t len);

/* ASCII letters compare without case. Lengths and first letters tell nearly all names apart. */
static inline bool str_equal_nocase(struct str a, struct str b)
{
    return a.len == b.len &&
           (a.len == 0 || (((a.at[0] ^ b.at[0]) & ~0x20) == 0 && str_same_letters(a.at, b.at, a.len)));
}

bool str_starts_with(struct str s, struct str start);

/* Position of the first `byte` at or after `from`, or SIZE_MAX. */
static inline size_t str_find(struct str s, char byte, size_t from)
{
    const char *found = from < s.len ? (const char *)memchr(s.at + from, byte, s.len - from) : NULL;

    return found != NULL ? (size_t)(found - s.at) : SIZE_MAX;
}

/* Without blanks and tabs at both ends. */
struct str str_trim(struct str s);
/* Decimal, optional sign, nothing else around it. */
bool str_to_int(struct str s, int64_t *value) MUST_CHECK;
/* Bytes that form valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool str_is_utf8(struct str s);

struct buf {
    char *at; /* NULL while nothing was added */
    size_t len;
    size_t capacity;
};

/* {0} is an empty buffer too. */
void buf_init(struct buf *buf);
void buf_fini(struct buf *buf);
/* Room for `more` further bytes and a NUL; returns where to write them. Add to len yourself. */
char *buf_reserve(struct buf *buf, size_t more);
void buf_add(struct buf *buf, const void *bytes, size_t count);
void buf_add_str(struct buf *buf, struct str s);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_byte(struct buf *buf, char byte);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_clear(struct buf *buf);
/* The bytes as a C string that the caller owns; the buffer is empty afterwards. Never NULL. */
char *buf_take(struct buf *buf);

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->at != NULL ? buf->at : "", buf->len};
}
