#pragma once

/*
 * setting_list - lists of texts in the settings of a plugin, copied out of its config.
 *
 * Threads: any; a list belongs to the configured object it is in.
 */

#include <stddef.h>

#include <cjson/cJSON.h>

struct setting_list {
    char **at;
    size_t count;
};

/* The texts in config[name]; none if it is null or absent. */
struct setting_list setting_list_read(const cJSON *config, const char *name);
void setting_list_fini(struct setting_list *list);
/* Those that may stand in a header, joined by ','; NULL: there is none. The caller owns it. */
char *setting_list_join(const struct setting_list *list);
