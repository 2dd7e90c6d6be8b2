#pragma once

/*
 * walk - plugins that write down what is run, and whose behaviour a test sets; and what all tests of chains
 * share.
 *
 * A plugin's config is {"tag":"x"}; its phases write "x.access " and the like into walk_trace.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/scope.h"
#include "gateway/model/document.h"
#include "tests/support/memory_exchange.h"

static char walk_trace[1024];

static inline void walk_note(const char *tag, const char *phase)
{
    size_t len = strlen(walk_trace);
    (void)snprintf(walk_trace + len, sizeof(walk_trace) - len, "%s.%s ", tag, phase);
}

static inline bool walk_configure(const cJSON *config, void **object, struct err *err)
{
    const char *tag = document_text(config, "tag");
    *object = mem_strdup(tag);
    return tag != NULL || err_set(err, ERR_INVALID, "no tag");
}

static inline void walk_header_filter(struct chain *chain, const void *object)
{
    (void)chain;
    walk_note(object, "head");
}

static inline void walk_log(struct chain *chain, const void *object)
{
    (void)chain;
    walk_note(object, "log");
}

/* For a struct plugin with `access_fn` as its access. */
#define WALK_PLUGIN(plugin_name, plugin_priority, access_fn)                                                 \
    {                                                                                                        \
        .schema = {.name = (plugin_name), .priority = (plugin_priority)}, .configure = walk_configure,       \
        .dispose = free, .access = (access_fn), .header_filter = walk_header_filter, .log = walk_log         \
    }

static inline void walk_assert(const char *wanted)
{
    assert_string_equal(walk_trace, wanted);
    walk_trace[0] = '\0';
}

static inline void walk_assert_str(struct str text, const char *wanted)
{
    if (wanted == NULL ? text.at != NULL : !str_equal(text, str_of(wanted)))
        fail_msg("'%.*s' is not '%s'", STR_ARG(text), wanted != NULL ? wanted : "(none)");
}

static inline struct uuid walk_id(uint8_t number)
{
    return (struct uuid){{[15] = number}};
}

/* The two phases of an answer. */
static inline void walk_answer(struct memory_exchange *exchange)
{
    chain_header_filter(&exchange->chain);
    chain_log(&exchange->chain);
}
