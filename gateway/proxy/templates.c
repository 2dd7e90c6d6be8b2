/*
 * templates - see templates.h.
 */

#include "gateway/proxy/templates.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/config/config.h"
#include "gateway/config/source.h"

enum {
    TEMPLATE_BYTES_MAX = 64 * 1024 /* it is sent with each error */
};

static const struct {
    const char *key;
    size_t at; /* in struct config */
    enum error_page_type type;
} settings[] = {
    {"error_template_html", offsetof(struct config, error_template_html), ERROR_PAGE_HTML},
    {"error_template_json", offsetof(struct config, error_template_json), ERROR_PAGE_JSON},
    {"error_template_xml", offsetof(struct config, error_template_xml), ERROR_PAGE_XML},
    {"error_template_plain", offsetof(struct config, error_template_plain), ERROR_PAGE_PLAIN},
};

/* The caller owns it; NULL: err says why. */
static char *read_template(const char *path, struct err *err)
{
    char *text = mem_zalloc(TEMPLATE_BYTES_MAX + 2);
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(text, 1, TEMPLATE_BYTES_MAX + 1, file) : 0;
    bool ok = file != NULL && ferror(file) == 0;

    if (!ok)
        (void)err_set(err, ERR_IO, "%s", strerror(errno));
    else if (length > TEMPLATE_BYTES_MAX)
        ok = err_set(err, ERR_INVALID, "it has more than %d bytes", TEMPLATE_BYTES_MAX);
    else if (memchr(text, '\0', length) != NULL)
        ok = err_set(err, ERR_INVALID, "it is no text");
    else
        ok = error_template_check(text, err);
    if (file != NULL)
        (void)fclose(file);
    if (ok)
        return text;
    free(text);
    return NULL;
}

bool templates_read(const struct config *config, struct error_templates *templates,
                    struct config_problems *problems)
{
    bool ok = true;

    for (size_t i = 0; i < COUNT(settings); i++) {
        const char *path = *(char *const *)((const char *)config + settings[i].at);
        struct err err;
        if (path == NULL)
            continue;
        templates->text[settings[i].type] = read_template(path, &err);
        if (templates->text[settings[i].type] != NULL)
            continue;
        problem_add(problems, config->file != NULL ? config->file : "settings", 0, settings[i].key, "%s: %s",
                    path, err.text);
        ok = false;
    }
    return ok;
}

void templates_fini(struct error_templates *templates)
{
    for (size_t i = 0; i < ERROR_PAGE_TYPES; i++)
        free(templates->text[i]);
    *templates = (struct error_templates){0};
}

bool templates_are_equal(const struct error_templates *one, const struct error_templates *other)
{
    bool equal = true;

    for (size_t i = 0; i < ERROR_PAGE_TYPES; i++)
        equal = equal && str_equal(str_of(one->text[i]), str_of(other->text[i])) &&
                (one->text[i] == NULL) == (other->text[i] == NULL);
    return equal;
}
