#pragma once

/*
 * templates - the files that error_template_html, _json, _xml and _plain name, as pages of errors.
 *
 * Threads: main, which may wait for a disk.
 */

#include <stdbool.h>

#include "gateway/base/attributes.h"
#include "gateway/chain/error_page.h"

struct config;
struct config_problems;

/* *templates must be zero; templates_fini() in any case. false: `problems` has one for each file that is no
 * page; those are NULL, which means our own. */
bool templates_read(const struct config *config, struct error_templates *templates,
                    struct config_problems *problems) MUST_CHECK;
void templates_fini(struct error_templates *templates);
bool templates_are_equal(const struct error_templates *one, const struct error_templates *other);
