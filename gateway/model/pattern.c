/*
 * pattern - see pattern.h.
 */

#include "gateway/model/pattern.h"

#include <pthread.h>
#include <stdlib.h>

#include "gateway/base/mem.h"

enum {
    MATCH_LIMIT = 100000,
    STACK_FIRST = 32 * 1024,
    STACK_MAX = 1024 * 1024 /* of JIT code; its own 32 KiB do not last for a text of 8 KiB */
};

struct workspace {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

static pthread_key_t workspace_key;
static pthread_once_t workspace_once = PTHREAD_ONCE_INIT;
static _Thread_local struct workspace *own_workspace;

static void free_workspace(void *arg)
{
    struct workspace *workspace = arg;
    pcre2_match_data_free(workspace->data);
    pcre2_match_context_free(workspace->context);
    pcre2_jit_stack_free(workspace->stack);
    free(workspace);
}

static void make_key(void)
{
    (void)pthread_key_create(&workspace_key, free_workspace);
}

static struct workspace *workspace(void)
{
    if (own_workspace == NULL) {
        (void)pthread_once(&workspace_once, make_key);
        own_workspace = mem_alloc(sizeof(*own_workspace));
        own_workspace->data = pcre2_match_data_create(PATTERN_MAX_PAIRS, NULL);
        own_workspace->context = pcre2_match_context_create(NULL);
        pcre2_set_match_limit(own_workspace->context, MATCH_LIMIT);
        own_workspace->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MAX, NULL);
        pcre2_jit_stack_assign(own_workspace->context, NULL, own_workspace->stack);
        (void)pthread_setspecific(workspace_key, own_workspace);
    }
    return own_workspace;
}

pcre2_code *pattern_compile(const char *text, uint32_t options, struct err *err)
{
    int code;
    PCRE2_SIZE offset;
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &code, &offset, NULL);
    if (compiled == NULL) {
        PCRE2_UCHAR words[128];
        (void)pcre2_get_error_message(code, words, sizeof(words));
        err_set(err, ERR_SYNTAX, "pattern '%.80s': %s", text, (const char *)words);
        return NULL;
    }
    (void)pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* slower without, the same answers */
    return compiled;
}

int pattern_match(const pcre2_code *pattern, struct str subject)
{
    struct workspace *own = workspace();
    int pairs = pcre2_match(pattern, (PCRE2_SPTR)subject.at, subject.len, 0, PCRE2_NO_UTF_CHECK, own->data,
                            own->context);
    if (pairs == PCRE2_ERROR_JIT_STACKLIMIT) /* must not let a long text past its pattern */
        pairs = pcre2_match(pattern, (PCRE2_SPTR)subject.at, subject.len, 0,
                            PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, own->data, own->context);
    /* 0: more groups than room; those that fit are there. */
    return pairs == 0 ? PATTERN_MAX_PAIRS : pairs < 0 ? 0 : pairs;
}

const PCRE2_SIZE *pattern_pairs(void)
{
    return pcre2_get_ovector_pointer(workspace()->data);
}
