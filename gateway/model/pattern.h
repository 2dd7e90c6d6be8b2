#pragma once

/*
 * pattern - regular expressions that administrators write, run over what clients send.
 *
 * Compiled for JIT and run with a match limit, so that no text keeps a loop busy; a match that was given up
 * is no match. Working memory belongs to the thread and is reused: matching allocates nothing.
 *
 * Threads: any; a compiled pattern is immutable.
 */

#define PCRE2_CODE_UNIT_WIDTH 8

#include <stdint.h>

#include <pcre2.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"

enum {
    PATTERN_MAX_PAIRS = 16 /* of a match: the whole and its groups; those behind are not seen */
};

/* `options` of PCRE2. NULL: err has the compiler's words. Free with pcre2_code_free(). */
pcre2_code *pattern_compile(const char *text, uint32_t options, struct err *err) MUST_CHECK;
/* Somewhere in the subject; subjects of patterns with PCRE2_UTF are known to be UTF-8. Number of pairs that
 * pattern_pairs() has, 0: no match. */
int pattern_match(const pcre2_code *pattern, struct str subject);
/* Where the groups of this thread's last match begin and end; until its next. */
const PCRE2_SIZE *pattern_pairs(void);
