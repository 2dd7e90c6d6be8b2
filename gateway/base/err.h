#pragma once

/*
 * err - why something failed: a code for the program, a sentence for people.
 *
 * A function that can fail returns bool and fills a struct err, both or neither. err_set() and err_wrap()
 * return false, so reporting is one line: return err_set(err, ERR_INVALID, "port %d is too large", port);
 *
 * Threads: any; a struct err belongs to its caller. `err` may be NULL where nobody wants to know.
 */

#include <stdbool.h>

#include "gateway/base/attributes.h"

enum err_code {
#define ERROR(code, text) ERR_##code,
#include "gateway/base/errors.def"
};

struct err {
    enum err_code code;
    char text[256]; /* always NUL-terminated, cut when too long */
};

/* Always returns false. */
bool err_set(struct err *err, enum err_code code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "what: " in front of the text that is there; keeps the code. Always returns false. */
bool err_wrap(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* The generic text of a code. */
const char *err_code_text(enum err_code code);
